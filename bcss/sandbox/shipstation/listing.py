"""Filter, sort and page the lists (shipstation.md §1.5, §2.2, §3.1, §4, §6.3, §7)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from bcss.sandbox.kit import Response
from bcss.sandbox.shipstation import times
from bcss.sandbox.shipstation.account import Account
from bcss.sandbox.shipstation.answers import failed, invalid
from bcss.sandbox.shipstation.tables import Row, Table
from bcss.sandbox.shipstation.templates import Body

_INTEGER = re.compile(r"-?[0-9]{1,18}")
MAX_PAGE = 500
DEFAULT_PAGE = 100
_HEADERS = {"content-type": "application/json; charset=utf-8"}
Test = Callable[[Row, Any], bool]
Shape = Literal["text", "int", "bool"]


@dataclass(frozen=True, slots=True)
class Filter:
    """One query parameter: how its value is read, and which rows it keeps."""

    shape: Shape
    test: Test


@dataclass(frozen=True, slots=True)
class Listing:
    """The query parameters of one list, in lower case.

    `windows` name the member behind `<name>Start` and `<name>End`; `ignored` are accepted.
    """

    name: str
    default_sort: str
    windows: Mapping[str, str] = field(default_factory=dict)
    filters: Mapping[str, Filter] = field(default_factory=dict)
    sorts: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()


def _equal(member: str) -> Test:
    return lambda row, value: row.body.get(member) == value


def _same(member: str) -> Test:
    return lambda row, value: str(row.body.get(member) or "").lower() == value.lower()


def _starts(member: str) -> Test:
    return lambda row, value: str(row.body.get(member) or "").lower().startswith(value.lower())


def _contains(member: str) -> Test:
    return lambda row, value: value.lower() in str(row.body.get(member) or "").lower()


def _recipient(member: str) -> Test:
    return lambda row, value: (
        value.lower() in str((row.body["shipTo"] or {}).get(member) or "").lower()
    )


def _buyer(row: Row, value: str) -> bool:
    names = [str((row.body[side] or {}).get("name") or "") for side in ("billTo", "shipTo")]
    return any(value.lower() in name.lower() for name in names)


def _in_store(row: Row, value: int) -> bool:
    return bool((row.body.get("advancedOptions") or {}).get("storeId") == value)


def _has_item(row: Row, value: str) -> bool:
    items: list[Body] = row.body["items"] or []
    return any(
        value.lower() in f"{item['sku']} {item['name']} {item['options']}".lower() for item in items
    )


def _batch(row: Row, value: str) -> bool:
    return row.batch.lower() == value.strip("{}").lower()


def _tagged(row: Row, value: int) -> bool:
    return any(tag.get("tagId") == value for tag in row.body["tags"] or ())


def _has_tag(row: Row, value: int) -> bool:
    return value in (row.body["tagIds"] or ())


_STORE = Filter("int", _in_store)
_BATCH = Filter("text", _batch)
_NUMBER = Filter("text", _starts("orderNumber"))  # a prefix search (§2.2, §11.6)

ORDERS = Listing(
    "orders",
    "orderId",
    windows={
        "createdate": "createDate",
        "modifydate": "modifyDate",
        "orderdate": "orderDate",
        "paymentdate": "paymentDate",
    },
    filters={
        "customername": Filter("text", _buyer),
        "itemkeyword": Filter("text", _has_item),
        "ordernumber": _NUMBER,
        "orderstatus": Filter("text", _same("orderStatus")),
        "storeid": _STORE,
        "importbatch": _BATCH,
    },
    sorts={"orderdate": "orderDate", "modifydate": "modifyDate", "createdate": "createDate"},
    ignored=("includeorderitems",),
)
BY_TAG = Listing(
    "orders",
    "orderId",
    filters={
        "orderstatus": Filter("text", _same("orderStatus")),
        "tagid": Filter("int", _has_tag),
    },
)
SHIPMENTS = Listing(
    "shipments",
    "createDate",
    windows={"createdate": "createDate", "shipdate": "shipDate", "voiddate": "voidDate"},
    filters={
        "recipientname": Filter("text", _recipient("name")),
        "recipientcountrycode": Filter("text", _recipient("country")),
        "ordernumber": _NUMBER,
        "orderid": Filter("int", _equal("orderId")),
        "carriercode": Filter("text", _same("carrierCode")),
        "servicecode": Filter("text", _same("serviceCode")),
        "trackingnumber": Filter("text", _same("trackingNumber")),
        "storeid": _STORE,
        "batchid": _BATCH,
    },
    sorts={"shipdate": "shipDate", "createdate": "createDate"},
    ignored=("includeshipmentitems",),
)
FULFILLMENTS = Listing(
    "fulfillments",
    "createDate",
    windows={"createdate": "createDate", "shipdate": "shipDate"},
    filters={
        "fulfillmentid": Filter("int", _equal("fulfillmentId")),
        "recipientname": Filter("text", _recipient("name")),
        "ordernumber": _NUMBER,
        "orderid": Filter("int", _equal("orderId")),
        "trackingnumber": Filter("text", _same("trackingNumber")),
        "batchid": _BATCH,
    },
    sorts={"shipdate": "shipDate", "createdate": "createDate"},
    ignored=("storeid",),
)
PRODUCTS = Listing(
    "products",
    "productId",
    windows={"": "createDate"},
    filters={
        # Whether sku is exact is not documented (§16.28); the wider reading is the harder one.
        "sku": Filter("text", _starts("sku")),
        "name": Filter("text", _contains("name")),
        "upc": Filter("text", _same("upc")),
        "productcategoryid": Filter(
            "int", lambda row, value: (row.body["productCategory"] or {}).get("categoryId") == value
        ),
        "producttypeid": Filter("int", _equal("productTypeId")),
        "tagid": Filter("int", _tagged),
        "showinactive": Filter("bool", lambda row, value: value or row.body["active"] is not False),
    },
    sorts={"sku": "sku", "modifydate": "modifyDate", "createdate": "createDate"},
)
CUSTOMERS = Listing(
    "customers",
    "customerId",
    filters={
        "statecode": Filter("text", _same("state")),
        "countrycode": Filter("text", _same("countryCode")),
        "marketplaceid": Filter(
            "int",
            lambda row, value: any(
                one.get("marketplaceId") == value for one in row.body["marketplaceUsernames"] or ()
            ),
        ),
        "tagid": Filter("int", _tagged),
    },
    sorts={"name": "name", "modifydate": "modifyDate", "createdate": "createDate"},
)
_PAGING = ("page", "pagesize", "sortby", "sortdir")


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name) or str(default)
    if not _INTEGER.fullmatch(text):
        raise invalid(name, f"The value '{text}' is not valid for Int32.")
    return int(text)


def _truth(text: str, name: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise invalid(name, f"The value '{text}' is not valid for Boolean.")
    return text.lower() in ("true", "1")


def _value(shape: Shape, text: str, name: str) -> int | str | bool:
    if shape == "int":
        return _whole({name: text}, name, 0)
    return _truth(text, name) if shape == "bool" else text


@dataclass(frozen=True, slots=True)
class _Window:
    member: str
    start: Any
    end: Any


def _bound(account: Account, table: Table, member: str, text: str, *, end: bool) -> Any:
    """Read one end of a window as a key of the table.

    Starts count at whole seconds (§2.2, §11.1); ends are what they say.
    """
    if member in table.kind.days:
        return times.read_day(text)
    switches = account.switches
    moment = times.parse(
        text,
        fold=1 if switches.autumn == "second" else 0,
        honour_offset=switches.honour_offsets,
    )
    moment = moment if end else moment.replace(microsecond=0)
    return times.local(moment) if switches.autumn == "text" else moment


def _lowest(account: Account, table: Table, member: str) -> Any:
    """Return the least key that a row with a value may have."""
    if member in table.kind.days:
        return "0"
    floor = datetime(1, 1, 3, tzinfo=UTC)
    return floor.replace(tzinfo=None) if account.switches.autumn == "text" else floor


def _windows(
    account: Account, table: Table, listing: Listing, query: dict[str, str]
) -> list[_Window]:
    found = []
    for stem, member in listing.windows.items():
        names = (f"{stem}start", f"{stem}end") if stem else ("startdate", "enddate")
        if not any(query.get(name) for name in names):
            continue
        ends: list[Any] = [_lowest(account, table, member), None]
        for index, name in enumerate(names):
            if query.get(name):
                try:
                    ends[index] = _bound(account, table, member, query[name], end=index == 1)
                except ValueError:
                    text = f"The value '{query[name]}' is not valid for Nullable`1."
                    raise invalid(name, text) from None
        found.append(_Window(member, ends[0], ends[1]))
    return found


def _check_names(listing: Listing, query: dict[str, str]) -> None:
    bounds = {f"{stem}{end}" for stem in listing.windows if stem for end in ("start", "end")}
    if "" in listing.windows:
        bounds |= {"startdate", "enddate"}
    for name in query:
        if name not in (*_PAGING, *listing.filters, *listing.ignored, *bounds):
            raise invalid(name, f"The parameter '{name}' is not known.")


def _sort(listing: Listing, query: dict[str, str]) -> tuple[str, bool]:
    asked = query.get("sortby", "").lower()
    if asked and asked not in listing.sorts:
        raise invalid("sortBy", f"The value '{asked}' is not valid for SortBy.")
    direction = query.get("sortdir", "").upper() or "ASC"
    if direction not in ("ASC", "DESC"):
        raise invalid("sortDir", f"The value '{direction}' is not valid for SortDir.")
    return listing.sorts.get(asked, listing.default_sort), direction == "DESC"


def _select(account: Account, table: Table, listing: Listing, query: dict[str, str]) -> list[Row]:
    local = account.switches.autumn == "text"
    sort, descending = _sort(listing, query)
    windows = _windows(account, table, listing, query)
    windows.sort(key=lambda window: window.member != sort)
    if windows:
        first = windows[0]
        rows = table.window(first.member, first.start, first.end, local=local)
    else:
        rows = table.sorted_by(sort, local=local)[1]
    for window in windows[1:]:
        inside = set(map(id, table.window(window.member, window.start, window.end, local=local)))
        rows = [row for row in rows if id(row) in inside]
    for name, text in _filters(listing, query).items():
        chosen = listing.filters[name]
        value = _value(chosen.shape, text, name)
        rows = [row for row in rows if chosen.test(row, value)]
    if windows and windows[0].member != sort:
        rows = sorted(rows, key=lambda row: (table.key(row, sort, local=local), row.identity))
    return rows[::-1] if descending else rows


def _filters(listing: Listing, query: dict[str, str]) -> dict[str, str]:
    chosen = {name: text for name, text in query.items() if name in listing.filters and text}
    if "showinactive" in listing.filters:
        chosen.setdefault("showinactive", "false")
    return chosen


def answer(account: Account, listing: Listing, query: dict[str, str], at: datetime) -> Response:
    """Answer one page of a list; raise Refused for what the API would refuse."""
    _check_names(listing, query)
    table = account.tables[listing.name].seen(at, account.switches.late)
    rows = _select(account, table, listing, query)
    page = max(1, _whole(query, "page", 1))
    size = min(MAX_PAGE, max(1, _whole(query, "pagesize", DEFAULT_PAGE)))
    shown = rows[(page - 1) * size : page * size]
    if account.poison and any(row.identity in account.poison for row in shown):
        raise failed("Object reference not set to an instance of an object.")  # §1.5, §11.5
    items = query.get("includeshipmentitems", "").lower() == "true"
    texts = [table.text(row, items=items) for row in shown]
    if account.switches.null_row and listing is SHIPMENTS:
        texts.insert(len(texts) // 2, "null")
    pages = -(-len(rows) // size)
    if account.switches.pages_zero and listing.name in ("shipments", "fulfillments"):
        pages = 0
    text = f'{{"{listing.name}":[{",".join(texts)}],"total":{len(rows)},"page":{page},"pages":{pages}}}'
    return Response(200, _HEADERS, text.encode())
