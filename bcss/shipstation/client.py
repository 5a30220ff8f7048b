"""Ask ShipStation V1 and tell it; one method per endpoint that bcss uses (shipstation.md §1-§9).

The session brings pacing, retries and the meaning of statuses; this module knows paths, names,
envelopes and ShipStation's own ways of saying no.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from bcss.errors import InDoubt, RecordMissing, RecordRefused, RetryLater, UpstreamError
from bcss.reply import Explain, Problem, Reply, Verdict, clean, explain_plainly, http_date
from bcss.shipstation.records import (
    Carrier,
    Order,
    OrderResult,
    Product,
    Service,
    Store,
    UnreadableRecord,
    Webhook,
    read_carrier,
    read_order,
    read_order_result,
    read_product,
    read_service,
    read_store,
    read_webhook,
)
from bcss.wire import NotJson, dumps

VENDOR: Final = "shipstation"
PAGE_SIZE: Final = 500  # the largest that ShipStation gives
BATCH_SIZE: Final = 100  # orders per createorders call (shipstation.md §2.5)
THROTTLED: Final = "throttled"
ENVELOPE: Final = "envelope"
_MAX_PAGES: Final = 400
_MAX_TOTAL: Final = 10**9
_READ_AGAIN = "The next run tries again; if it persists, see `bcss check`."
_SHORT_BODY = 2000
# ShipStation answers a refused order with 500 and a reason (shipstation.md §1.4 B); a genuine
# fault has a reason too, such as "Object reference not set to an instance of an object.".
_BUSINESS_REASON = re.compile(
    r"must be|must have|must not|is required|are required|is invalid|not valid|cannot be|can't be"
    r"|may not|does not exist|too long|exceeds|not allowed|already",
    re.IGNORECASE,
)
_HINT_401 = (
    "Set shipstation.api_key and shipstation.api_secret again with `bcss auth set`; a key of the "
    "V2 API does not work here."
)

Raw = Mapping[str, Any]
_T = TypeVar("_T")


class Session(Protocol):
    """What this client needs of bcss.http.ApiSession, without importing an HTTP library."""

    explain: Explain

    def get(
        self,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Read, trying again within bounds."""
        ...

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Reply:
        """Write once."""
        ...


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list as it came, null rows included; `server_time` is in whole seconds."""

    rows: list[Any]
    total: int
    server_time: datetime | None


def basic_authorize(key: str, secret: str) -> Callable[[bool], Mapping[str, str]]:
    """Return what an ApiSession needs to authenticate; ShipStation's keys are never renewed."""
    token = b64encode(f"{key}:{secret}".encode()).decode("ascii")
    headers = {"Authorization": f"Basic {token}"}

    def authorize(_fresh: bool) -> Mapping[str, str]:  # noqa: FBT001 - the session's protocol
        return headers

    return authorize


def explain(reply: Reply) -> Problem:
    """Read ShipStation's error bodies in all their dialects (shipstation.md §1.2, §1.4).

    Throttling counts as such whatever the status; a 500 that gives a business reason is a
    refusal, any other 500 is a fault.
    """
    fine = reply.status // 100 == 2
    problem = explain_plainly(reply) if not fine or len(reply.body) < _SHORT_BODY else Problem()
    message = problem.message.strip(" .").lower()
    if reply.status == 429 or message == "too many requests":
        return replace(problem, code=THROTTLED, verdict=Verdict.THROTTLED)
    if fine:
        return Problem()
    if reply.status == 500 and _BUSINESS_REASON.search(problem.message):
        return replace(problem, verdict=Verdict.REFUSED)
    if reply.status == 401:
        return replace(problem, hint=_HINT_401)
    return problem


class ShipStationClient:
    """One ShipStation account, V1.

    Every method raises what the session raises: RetryLater, StopVendor, RecordRefused and its
    kin, and for writes InDoubt.
    """

    def __init__(self, session: Session) -> None:
        session.explain = explain
        self._session = session

    # Lists, one page at a time -----------------------------------------------------------------

    def page(self, resource: str, filters: Mapping[str, str | int]) -> Page:
        """Read one page of orders, shipments, fulfillments or products.

        The filters are ShipStation's query parameters by name.
        """
        query = [(name, str(value)) for name, value in filters.items()]
        return _page(self._session.get(resource, query=query), resource)

    def orders_page(self, **filters: str | int) -> Page:
        """Read one page of orders, e.g. `orders_page(orderNumber="10", pageSize=500)`."""
        return self.page("orders", filters)

    def shipments_page(self, **filters: str | int) -> Page:
        """Read one page of shipments, voided and return labels included."""
        return self.page("shipments", filters)

    def fulfillments_page(self, **filters: str | int) -> Page:
        """Read one page of fulfillments, voided ones included."""
        return self.page("fulfillments", filters)

    def get_pointer(self, path: str, query: Sequence[tuple[str, str]]) -> Page:
        """Read what a checked webhook pointer names, on our own base URL; one page suffices."""
        return self.page(path, {**dict(query), "pageSize": PAGE_SIZE})

    # Orders ------------------------------------------------------------------------------------

    def get_order(self, order_id: int) -> tuple[Order, Raw]:
        """Read one order with the whole resource; raise RecordMissing when it is gone."""
        path = f"orders/{int(order_id)}"
        raw = _mapping(self._session.get(path), path)
        return _read(read_order, raw, path), raw

    def orders_by_number(self, number: str) -> list[tuple[Order, Raw]]:
        """Find all orders of exactly this number; ShipStation itself searches by prefix."""
        found = []
        for row in self._rows("orders", {"orderNumber": number}):
            if isinstance(row, Mapping) and str(row.get("orderNumber")) == number:
                found.append((_read(read_order, row, "orders"), row))
        return found

    def create_order(self, raw: Raw) -> tuple[Order, Raw]:
        """Create or update one order, the whole resource, matched by orderKey and orderId."""
        path = "orders/createorder"
        answer = _written(self._session.send("POST", path, body=_body(raw)), path)
        try:
            return read_order(answer), answer
        except UnreadableRecord as error:
            raise _doubt(path, str(error)) from None

    def create_orders(self, orders: Sequence[Raw]) -> list[OrderResult]:
        """Create or update up to 100 orders in one request; match results by orderKey.

        Raise ValueError for more. One order's failure stands in its result and fails no other.
        """
        if not 0 < len(orders) <= BATCH_SIZE:
            raise ValueError(f"createorders takes 1 to {BATCH_SIZE} orders, not {len(orders)}")
        path = "orders/createorders"
        answer = _written(self._session.send("POST", path, body=_body(list(orders))), path)
        results = answer.get("results")
        if not isinstance(results, list):
            raise _doubt(path, "the answer has no results")
        try:
            return [read_order_result(row) for row in results]
        except UnreadableRecord as error:
            raise _doubt(path, str(error)) from None

    def delete_order(self, order_id: int) -> None:
        """Delete one order, which hides it; one that is gone counts as deleted."""
        path = f"orders/{int(order_id)}"
        try:
            _agreed(self._session.send("DELETE", path), path)
        except RecordMissing:
            return

    # Products ----------------------------------------------------------------------------------

    def products(
        self,
        *,
        sku: str = "",
        inactive: bool = True,
        unreadable: Callable[[UnreadableRecord], None] | None = None,
    ) -> Iterator[Product]:
        """Read all products, or those whose SKU ShipStation finds alike, oldest first.

        A row that cannot be read goes to `unreadable`, or raises UnreadableRecord without it.
        """
        filters: dict[str, str | int] = {"sortBy": "CreateDate", "sortDir": "ASC"}
        if sku:
            filters["sku"] = sku
        if inactive:
            filters["showInactive"] = "true"
        for row in self._rows("products", filters):
            try:
                product = read_product(row)
            except UnreadableRecord as error:
                if unreadable is None:
                    raise
                unreadable(error)
            else:
                yield product

    def get_product(self, product_id: int) -> Product:
        """Read one product; raise RecordMissing."""
        path = f"products/{int(product_id)}"
        return _read(read_product, _mapping(self._session.get(path), path), path)

    def put_product(self, raw: Raw) -> None:
        """Replace a product by this whole resource; what is left out is cleared."""
        product_id = raw.get("productId")
        if isinstance(product_id, bool) or not isinstance(product_id, int):
            raise ValueError("a product needs its productId")
        path = f"products/{product_id}"
        _agreed(self._session.send("PUT", path, body=_body(raw)), path)

    # The account -------------------------------------------------------------------------------

    def stores(self, *, inactive: bool = False) -> list[Store]:
        """Read the account's stores."""
        query = [("showInactive", "true")] if inactive else []
        return self._list("stores", read_store, query)

    def carriers(self) -> list[Carrier]:
        """Read the account's carriers; several may share one code."""
        return self._list("carriers", read_carrier)

    def carrier_services(self, carrier_code: str) -> list[Service]:
        """Read what one carrier offers."""
        query = [("carrierCode", carrier_code)]
        return self._list("carriers/listservices", read_service, query)

    def webhooks(self) -> list[Webhook]:
        """Read the account's webhooks, other programs' included."""
        answer = _mapping(self._session.get("webhooks"), "webhooks")
        rows = answer.get("webhooks")
        if not isinstance(rows, list):
            raise _envelope("webhooks")
        return [_read(read_webhook, row, "webhooks") for row in rows if row is not None]

    def subscribe(
        self, target_url: str, event: str, *, store_id: int | None = None, name: str = "bcss"
    ) -> int:
        """Create a webhook and return its id; without `store_id` it covers all stores."""
        wanted = {
            "target_url": target_url,
            "event": event,
            "store_id": store_id,
            "friendly_name": name,
        }
        path = "webhooks/subscribe"
        answer = _written(self._session.send("POST", path, body=_body(wanted)), path)
        # {id} in older documents, {WebHookID, …} in newer ones (shipstation.md §9.1).
        for member in ("id", "WebHookID"):
            hook_id = answer.get(member)
            if isinstance(hook_id, int) and not isinstance(hook_id, bool) and hook_id > 0:
                return hook_id
        for hook in self.webhooks():
            if (hook.url, hook.event, hook.store_id) == (target_url, event, store_id):
                return hook.hook_id
        raise _doubt(path, "the answer has no id")

    def unsubscribe(self, hook_id: int) -> None:
        """Delete a webhook; one that is gone counts as deleted."""
        try:
            self._session.send("DELETE", f"webhooks/{int(hook_id)}")
        except RecordMissing:
            return

    # -------------------------------------------------------------------------------------------

    def _rows(self, resource: str, filters: Mapping[str, str | int]) -> Iterator[Any]:
        """Read a list that hardly changes, by page number, until a page is short."""
        for number in range(1, _MAX_PAGES + 1):
            page = self.page(resource, {**filters, "page": number, "pageSize": PAGE_SIZE})
            yield from (row for row in page.rows if row is not None)
            if len(page.rows) < PAGE_SIZE:
                return
        raise RetryLater(
            f"ShipStation's list of {resource} does not end.", hint=_READ_AGAIN, vendor=VENDOR
        )

    def _list(
        self, path: str, read: Callable[[object], _T], query: Sequence[tuple[str, str]] = ()
    ) -> list[_T]:
        """Read a bare array."""
        rows = _json(self._session.get(path, query=query), path)
        if not isinstance(rows, list):
            raise _envelope(path)
        return [_read(read, row, path) for row in rows if row is not None]


def _page(reply: Reply, resource: str) -> Page:
    answer = _mapping(reply, resource)
    if resource not in answer:
        raise _envelope(resource)
    rows = answer[resource]
    if rows is None:
        rows = []
    if not isinstance(rows, list):
        raise _envelope(resource)
    total = answer.get("total")
    known = isinstance(total, int) and not isinstance(total, bool) and 0 <= total < _MAX_TOTAL
    return Page(rows, total if known else 0, http_date(reply.headers.get("date", "")))


def _json(reply: Reply, path: str) -> Any:
    try:
        return reply.json()
    except NotJson:
        raise _envelope(path) from None


def _mapping(reply: Reply, path: str) -> Mapping[str, Any]:
    value = _json(reply, path)
    if not isinstance(value, Mapping):
        raise _envelope(path)
    return value


def _read(read: Callable[[object], _T], row: object, path: str) -> _T:
    """Read a record that somebody asked for by itself."""
    try:
        return read(row)
    except UnreadableRecord as error:
        raise RecordRefused(
            f"ShipStation's answer to {path} cannot be read: {clean(error)}.",
            hint="Look at the record in ShipStation.",
            vendor=VENDOR,
            code="unreadable",
        ) from None


def _body(value: Raw | list[Raw]) -> bytes:
    try:
        return dumps(value).encode()
    except ValueError as error:
        raise RecordRefused(
            f"The record cannot be sent to ShipStation: {clean(error)}.",
            hint="Correct it at its source.",
            vendor=VENDOR,
            code="unsendable",
        ) from None


def _written(reply: Reply, path: str) -> Mapping[str, Any]:
    """Take the answer of a write; one that cannot be read leaves its effect unknown."""
    try:
        answer = reply.json()
    except NotJson:
        raise _doubt(path, "the answer cannot be read") from None
    if not isinstance(answer, Mapping):
        raise _doubt(path, "the answer is no object")
    return answer


def _agreed(reply: Reply, path: str) -> None:
    """Accept an answer without body or with `success`; raise RecordRefused for `false`."""
    if not reply.body.strip():
        return
    answer = _written(reply, path)
    # Some endpoints say it in text (shipstation.md §8.1).
    if str(answer.get("success", True)).lower() == "false":
        raise RecordRefused(
            f"ShipStation refused {path}: {clean(answer.get('message') or 'no reason given')}",
            hint="Correct the cause, then run `bcss replay`.",
            vendor=VENDOR,
            status=reply.status,
        )


def _envelope(path: str) -> UpstreamError:
    return RetryLater(
        f"ShipStation answered {path} with something else than documented.",
        hint=_READ_AGAIN,
        vendor=VENDOR,
        status=200,
        code=ENVELOPE,
    )


def _doubt(path: str, problem: str) -> InDoubt:
    return InDoubt(
        f"ShipStation answered {path}, but {clean(problem)}.",
        hint="The next run looks up whether it took effect before it tries again.",
        vendor=VENDOR,
        status=200,
    )
