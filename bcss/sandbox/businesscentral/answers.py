"""Render entities and lists as the service does (business-central.md §5.2, §5.6)."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bcss.sandbox.businesscentral import attachments
from bcss.sandbox.businesscentral.books import Attachment, Books, Shipment
from bcss.sandbox.businesscentral.entities import Entity
from bcss.sandbox.businesscentral.errors import Refused, bad_request, changed, no_token
from bcss.sandbox.businesscentral.query import (
    Options,
    cut,
    matching,
    next_link,
    ordered,
    page_size,
    parse_options,
)
from bcss.sandbox.businesscentral.rows import (
    Document,
    Row,
    Table,
    document_text,
    encode,
    lines_text,
    members,
    row_text,
    rows_text,
    tag,
)
from bcss.sandbox.kit import Request, Response

_HEADERS = {
    "content-type": "application/json; odata.metadata=minimal",
    "odata-version": "4.0",
}
_TAG = re.compile(r'(?:W/)?"[^"]*"')
_ONE_TO_ONE = {
    "customer",
    "currency",
    "item",
    "account",
    "itemVariant",
    "unitOfMeasure",
    "location",
    "paymentTerm",
    "shipmentMethod",
    "picture",
    "pdfDocument",
    "customerFinancialDetail",
    "inventoryPostingGroup",
    "generalProductPostingGroup",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One request below a company; `base` is the company's URL as the caller wrote it."""

    books: Books
    request: Request
    root: str
    base: str

    def header(self, name: str) -> str:
        """Return a header of the request, empty when absent."""
        return self.request.headers.get(name, "")


def reply(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """Make an answer of JSON text."""
    return Response(status, {**_HEADERS, **headers} if headers else _HEADERS, text.encode())


def seen(call: Call, table: Table[Any]) -> Table[Any]:
    """Return the table as this read may see it: as it is, or as a lagging replica has it.

    A read with `Data-Access-Intent: ReadWrite` never lags. Posted invoices may be hidden (§1.3).
    """
    lag = call.header("x-sandbox-lag")
    if lag and call.header("data-access-intent").lower() != "readwrite":
        table = table.as_of(call.books.clock.now() - timedelta(seconds=float(lag)))
    if call.books.switches["hide_posted"]:
        shown: Table[Any] = Table(*table.indexes, key=table.key)
        shown.serials = dict(table.serials)
        for row in table:
            if not getattr(row, "posted", False):
                shown.put(row, call.books.clock.now())
        return shown
    return table


def text_of(call: Call, row: Any) -> str:
    """Render any row as JSON members."""
    match row:
        case Document():
            return document_text(row)
        case Row():
            return row_text(row)
        case Attachment():
            return attachments.text(row, call.base)
        case Shipment():
            return members(row.values, tag(row.version))
        case _:
            return members(row.values, tag(row.version))


def entity_text(call: Call, entity: Entity, row: Any, options: Options) -> str:
    """Render a row with the properties and navigations that were asked for."""
    if options.select:
        chosen = {name: row.values[name] for name in entity.fields if name in options.select}
        text = members(chosen, tag(row.version))
    else:
        text = text_of(call, row)
    for name in options.expand:
        text += f',"{name}":{_expanded(call, row, name)}'
    return "{" + text + "}"


def _expanded(call: Call, row: Any, name: str) -> str:
    """Render a navigation; nested options are tolerated and change nothing."""
    if name.endswith("Lines") and name.startswith("sales"):
        return lines_text(row) if isinstance(row, Document) else rows_text(row.lines)
    books, values = call.books, row.values
    match name:
        case "documentAttachments":
            found = books.attachments.find("parentId", values["id"])
            return "[" + ",".join("{" + text_of(call, one) + "}" for one in found) + "]"
        case "itemVariants":
            return rows_text(books.variants.find("itemId", values["id"]))
        case "customer" | "item" | "account" | "location" | "currency" | "unitOfMeasure":
            tables: dict[str, tuple[Table[Row], str]] = {
                "customer": (books.customers, "customerId"),
                "item": (books.items, "itemId"),
                "account": (books.accounts, "accountId"),
                "location": (books.locations, "locationId"),
                "currency": (books.currencies, "currencyId"),
                "unitOfMeasure": (books.units, "unitOfMeasureId"),
            }
            table, column = tables[name]
            other = table.get(values.get(column, values.get("baseUnitOfMeasureId", "")))
            return "null" if other is None else "{" + row_text(other) + "}"
        case _:
            return "null" if name in _ONE_TO_ONE else "[]"


def one(
    call: Call,
    entity: Entity,
    row: Any,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with one entity."""
    options = parse_options(call.request.query, entity)
    context = f"{call.root}/$metadata#{_context(call, entity)}/$entity"
    text = entity_text(call, entity, row, options)
    etag = {"etag": tag(row.version), **(headers or {})}
    return reply(status, f'{{"@odata.context":{json.dumps(context)},{text[1:]}', etag)


def created(call: Call, entity: Entity, row: Any, key: str = "id") -> Response:
    """Answer a create: 201 with the entity, or 204 where the caller prefers no content."""
    location = {"location": f"{call.base}/{entity.name}({row.values[key]})"}
    if "return-no-content" in call.header("prefer").lower():
        return Response(204, location)
    return one(call, entity, row, 201, location)


def _context(call: Call, entity: Entity) -> str:
    if call.base == call.root:
        return entity.name
    company = call.books.identity.company_id
    return f"companies({company})/{entity.name}"


def listing(
    call: Call,
    entity: Entity,
    rows: Table[Any] | Sequence[Any],
    fetch: Callable[[Options], list[Any] | None] | None = None,
) -> Response:
    """Answer a list: filter, order, page, and a nextLink where there may be more (§5.2).

    `fetch` may give the candidates straight away, before any list is made of the rest.
    """
    options = parse_options(call.request.query, entity)
    ready = fetch(options) if fetch is not None else None
    found = matching(_as_table(rows), options) if ready is None else ready
    found = ordered(found, options)
    prefer = call.header("prefer")
    table = rows if isinstance(rows, Table) else None
    page = cut(
        found,
        options,
        page_size(prefer),
        _links(call, prefer),
        lambda row: str(row.values[table.key if table else "id"]),
        table.serials if table else None,
    )
    parts = [f'"@odata.context":{json.dumps(f"{call.root}/$metadata#{_context(call, entity)}")}']
    if options.count:
        parts.append(f'"@odata.count":{page.count}')
    value = ",".join(entity_text(call, entity, row, options) for row in page.rows)
    parts.append(f'"value":[{value}]')
    if page.next_token:
        link = next_link(_own_url(call), options, page)
        parts.append(f'"@odata.nextLink":{json.dumps(link)}')
    applied = {"preference-applied": prefer} if "maxpagesize" in prefer else None
    return reply(200, "{" + ",".join(parts) + "}", applied)


def _as_table(rows: Table[Any] | Sequence[Any]) -> Table[Any]:
    if isinstance(rows, Table):
        return rows
    table: Table[Any] = Table()
    table.rows = {row.values["id"]: row for row in rows}
    return table


def _links(call: Call, prefer: str) -> str:
    """Choose the rule of nextLinks; without a page size a short list never has one."""
    rule = str(call.books.switches["next_links"])
    return rule if "maxpagesize" in prefer else "never_empty"


def _own_url(call: Call) -> str:
    return origin(call.request) + call.request.path


def origin(request: Request) -> str:
    """Return scheme and host as the caller wrote them."""
    return f"http://{request.headers.get('host', 'localhost')}"


def count(call: Call, entity: Entity, rows: Table[Any]) -> Response:
    """Answer `/$count` with a plain number."""
    options = parse_options(call.request.query, entity)
    body = str(len(matching(rows, options))).encode()
    return Response(200, {"content-type": "text/plain"}, body)


def check_match(call: Call, version: int, *, required: bool = False) -> None:
    """Check If-Match: needed for PATCH, looked at elsewhere only when sent (§4.5)."""
    sent = call.header("if-match").strip()
    if not sent and not required:
        return
    if sent == "*":
        return
    if not _TAG.fullmatch(sent):
        raise no_token()
    if sent != tag(version):
        refusal = changed()
        refusal.status = call.books.switches["stale_status"]
        raise refusal


def check_intent(call: Call) -> None:
    """Refuse a write that asks for the replica (§5.3)."""
    if call.header("data-access-intent").lower() == "readonly":
        raise bad_request("The Data-Access-Intent header is not allowed for this request.")


def denied(call: Call, name: str) -> Refused | None:
    """Return the permission failure for an entity set that is denied (§1.4)."""
    if name not in call.books.switches["denied"]:
        return None
    return Refused(
        call.books.switches["denied_status"],
        "Internal_ServerError",
        "Sorry, the current permissions prevented the action. "
        f"(TableData {name} Read: Base Application)",
    )


def plain_list(call: Call, name: str, values: Sequence[Mapping[str, Any]]) -> Response:
    """Answer a list that takes no options."""
    body = {"@odata.context": f"{call.root}/$metadata#{name}", "value": list(values)}
    return reply(200, encode(body))
