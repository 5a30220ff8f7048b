"""A small ShipStation of lists, for reading streams: no sockets, no waiting, every fault by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from bcss.http import ApiSession
from bcss.shipstation.client import ShipStationClient, basic_authorize
from tests.http.rig import StillClock

PACIFIC = ZoneInfo("America/Los_Angeles")
FAULT = {
    "Message": "An error has occurred.",
    "ExceptionMessage": "Object reference not set to an instance of an object.",
    "ExceptionType": "System.NullReferenceException",
    "StackTrace": "   at SS.OpenApi.Controllers.OrdersController.List()",
}
IDS = {"orders": "orderId", "shipments": "shipmentId", "fulfillments": "fulfillmentId"}


def pacific(at: datetime) -> str:
    return at.astimezone(PACIFIC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0"


@dataclass
class Entry:
    at: datetime  # what the list sorts by
    row: dict[str, Any] | None
    voided: datetime | None = None


@dataclass
class Fake:
    """`reading` says how a query's wall-clock text is understood: as text, first or second fold."""

    clock: StillClock = field(default_factory=StillClock)
    reading: str = "text"
    entries: dict[str, list[Entry]] = field(default_factory=lambda: {name: [] for name in IDS})
    poison: set[int] = field(default_factory=set)
    log: list[dict[str, str]] = field(default_factory=list)
    before: Callable[[int], None] = lambda _: None
    answer: Callable[[int], httpx.Response | None] = lambda _: None
    cap: int = 500
    total: int | None = None
    skew: float = 0.0

    def order(self, order_id: int, at: datetime, **more: Any) -> None:
        row = {
            "orderId": order_id,
            "orderNumber": f"N{order_id}",
            "orderKey": f"key-{order_id}",
            "orderStatus": "shipped",
            "orderTotal": 10.25,
            "modifyDate": pacific(at),
        }
        self.entries["orders"].append(Entry(at, row | more))

    def shipment(self, shipment_id: int, at: datetime, voided: datetime | None = None) -> None:
        row = {
            "shipmentId": shipment_id,
            "orderId": 7,
            "createDate": pacific(at),
            "shipDate": "2026-11-19",
            "voided": voided is not None,
            "voidDate": pacific(voided) if voided else None,
        }
        self.entries["shipments"].append(Entry(at, row, voided))

    def fulfillment(self, fulfillment_id: int, at: datetime) -> None:
        row = {
            "fulfillmentId": fulfillment_id,
            "orderId": 8,
            "createDate": pacific(at),
            "shipDate": "2026-11-19T00:00:00.0000000",
        }
        self.entries["fulfillments"].append(Entry(at, row))

    def touch(self, order_id: int, at: datetime) -> None:
        """Change an order, which moves it to the end of the list."""
        for entry in self.entries["orders"]:
            if entry.row and entry.row["orderId"] == order_id:
                entry.at = at
                entry.row = {**entry.row, "modifyDate": pacific(at)}

    def client(self, **options: Any) -> ShipStationClient:
        session = ApiSession(
            vendor="shipstation",
            base_url="http://shipstation.test",
            clock=self.clock,
            authorize=basic_authorize("key", "secret"),
            transport=httpx.MockTransport(self.handle),
            **options,
        )
        return ShipStationClient(session)

    def handle(self, request: httpx.Request) -> httpx.Response:
        params = dict(request.url.params) | {"": request.url.path}
        self.log.append(params)
        self.before(len(self.log))
        date = {"date": format_datetime(self._server(), usegmt=True)}
        special = self.answer(len(self.log))
        if special is not None:
            return special
        name = request.url.path.strip("/")
        found = self._select(name, params)
        size = min(int(params.get("pageSize", "100")), self.cap)
        start = (int(params.get("page", "1")) - 1) * size
        rows = [entry.row for entry in found][start : start + size]
        if any(row and row[IDS[name]] in self.poison for row in rows):
            return httpx.Response(500, json=FAULT, headers=date)
        total = len(found) if self.total is None else self.total
        value = {name: rows, "total": total, "page": 1, "pages": 0}
        return httpx.Response(200, json=value, headers=date)

    def _server(self) -> datetime:
        at = self.clock.now().timestamp() + self.skew
        return datetime.fromtimestamp(int(at), UTC)

    def _select(self, name: str, params: dict[str, str]) -> list[Entry]:
        found = list(self.entries[name])
        for name_of_bound, text in params.items():
            voids = name_of_bound.startswith("void")
            if name_of_bound.endswith("DateStart"):
                found = [one for one in found if self._key(one, voids=voids) >= self._bound(text)]
            elif name_of_bound.endswith("DateEnd"):
                found = [one for one in found if self._key(one, voids=voids) <= self._bound(text)]
        if "orderStatus" in params:
            wanted = params["orderStatus"]
            found = [one for one in found if one.row and one.row["orderStatus"] == wanted]
        if params.get("sortBy") in ("ModifyDate", "CreateDate"):
            found.sort(key=self._exact, reverse=params.get("sortDir") == "DESC")
        return found

    def _exact(self, entry: Entry) -> str | datetime:
        return pacific(entry.at) if self.reading == "text" else entry.at

    def _key(self, entry: Entry, *, voids: bool) -> str:
        at = entry.voided if voids else entry.at
        if at is None:
            return ""
        if self.reading == "text":
            return pacific(at)[:19].replace("T", " ")
        return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")

    def _bound(self, text: str) -> str:
        if self.reading == "text":
            return text
        naive = datetime.fromisoformat(text)
        at = naive.replace(tzinfo=PACIFIC, fold=int(self.reading == "second"))
        return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
