"""Ask ShipStation V1 and tell it; one method per endpoint that bcss uses (shipstation.md §1-§9).

The session brings pacing and retries, `answers` what an answer means; here are paths and names.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from bcss.errors import RecordMissing, RetryLater
from bcss.reply import Explain, Reply
from bcss.shipstation.answers import (
    VENDOR,
    Page,
    Raw,
    agreed,
    body_of,
    doubt,
    envelope,
    explain,
    json_of,
    object_of,
    page_of,
    record_of,
    written,
)
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

__all__ = ["PAGE_SIZE", "Page", "Raw", "Session", "ShipStationClient", "basic_authorize", "explain"]

PAGE_SIZE: Final = 500  # the largest that ShipStation gives
BATCH_SIZE: Final = 100  # orders per createorders call (shipstation.md §2.5)
_MAX_PAGES: Final = 400
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


def basic_authorize(key: str, secret: str) -> Callable[[bool], Mapping[str, str]]:
    """Return what an ApiSession needs to authenticate; ShipStation's keys are never renewed."""
    token = b64encode(f"{key}:{secret}".encode()).decode("ascii")
    headers = {"Authorization": f"Basic {token}"}

    def authorize(_fresh: bool) -> Mapping[str, str]:
        return headers

    return authorize


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
        return page_of(self._session.get(resource, query=query), resource)

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
        raw = object_of(self._session.get(path), path)
        return record_of(read_order, raw, path), raw

    def orders_by_number(self, number: str) -> list[tuple[Order, Raw]]:
        """Find all orders of exactly this number; ShipStation itself searches by prefix."""
        return [
            (record_of(read_order, row, "orders"), row)
            for row in self._rows("orders", {"orderNumber": number})
            if isinstance(row, Mapping) and str(row.get("orderNumber")) == number
        ]

    def create_order(self, raw: Raw) -> tuple[Order, Raw]:
        """Create or update one order, the whole resource, matched by orderKey and orderId."""
        path = "orders/createorder"
        answer = written(self._session.send("POST", path, body=body_of(raw)), path)
        try:
            return read_order(answer), answer
        except UnreadableRecord as error:
            raise doubt(path, str(error)) from None

    def create_orders(self, orders: Sequence[Raw]) -> list[OrderResult]:
        """Create or update up to 100 orders in one request; match results by orderKey.

        Raise ValueError for more. One order's failure stands in its result and fails no other.
        """
        if not 0 < len(orders) <= BATCH_SIZE:
            raise ValueError(f"createorders takes 1 to {BATCH_SIZE} orders, not {len(orders)}")
        path = "orders/createorders"
        answer = written(self._session.send("POST", path, body=body_of(list(orders))), path)
        results = answer.get("results")
        if not isinstance(results, list):
            raise doubt(path, "the answer has no results")
        try:
            return [read_order_result(row) for row in results]
        except UnreadableRecord as error:
            raise doubt(path, str(error)) from None

    def delete_order(self, order_id: int) -> None:
        """Delete one order, which hides it; one that is gone counts as deleted."""
        path = f"orders/{int(order_id)}"
        try:
            agreed(self._session.send("DELETE", path), path)
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
        return record_of(read_product, object_of(self._session.get(path), path), path)

    def put_product(self, raw: Raw) -> None:
        """Replace a product by this whole resource; what is left out is cleared."""
        product_id = raw.get("productId")
        if isinstance(product_id, bool) or not isinstance(product_id, int):
            raise ValueError("a product needs its productId")
        path = f"products/{product_id}"
        agreed(self._session.send("PUT", path, body=body_of(raw)), path)

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
        answer = object_of(self._session.get("webhooks"), "webhooks")
        rows = answer.get("webhooks")
        if not isinstance(rows, list):
            raise envelope("webhooks")
        return [record_of(read_webhook, row, "webhooks") for row in rows if row is not None]

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
        answer = written(self._session.send("POST", path, body=body_of(wanted)), path)
        # {id} in older documents, {WebHookID, …} in newer ones (shipstation.md §9.1).
        for member in ("id", "WebHookID"):
            hook_id = answer.get(member)
            if isinstance(hook_id, int) and not isinstance(hook_id, bool) and hook_id > 0:
                return hook_id
        for hook in self.webhooks():
            if (hook.url, hook.event, hook.store_id) == (target_url, event, store_id):
                return hook.hook_id
        raise doubt(path, "the answer has no id")

    def unsubscribe(self, hook_id: int) -> None:
        """Delete a webhook; one that is gone counts as deleted."""
        try:
            self._session.send("DELETE", f"webhooks/{int(hook_id)}")
        except RecordMissing:
            return

    # -------------------------------------------------------------------------------------------

    def _rows(self, resource: str, filters: Mapping[str, str | int]) -> Iterator[Any]:
        """Read a list that hardly changes, by page number, until a page is short or empty."""
        done = 0
        for number in range(1, _MAX_PAGES + 1):
            page = self.page(resource, {**filters, "page": number, "pageSize": PAGE_SIZE})
            yield from (row for row in page.rows if row is not None)
            done += len(page.rows)
            if not page.rows or (len(page.rows) < PAGE_SIZE and done >= page.total):
                return
        raise RetryLater(
            f"ShipStation's list of {resource} does not end.",
            hint="The next run tries again.",
            vendor=VENDOR,
        )

    def _list(
        self, path: str, read: Callable[[object], _T], query: Sequence[tuple[str, str]] = ()
    ) -> list[_T]:
        """Read a bare array."""
        rows = json_of(self._session.get(path, query=query), path)
        if not isinstance(rows, list):
            raise envelope(path)
        return [record_of(read, row, path) for row in rows if row is not None]
