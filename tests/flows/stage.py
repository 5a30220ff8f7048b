"""One order on the stage: a small world, a rig, and the people who work in both systems."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcss import app
from bcss.config.schema import DocumentKind, StoreRule
from bcss.flows import review
from bcss.holds import Hold
from bcss.sandbox.kit import Request
from bcss.sandbox.world import World
from bcss.units import Unit
from tests.rig import STORE, Rig, config_for, store_rule

BEGINS = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
START = date(2026, 3, 1)
ANOTHER = 80003
Row = dict[str, Any]


class Killed(BaseException):
    """The process dies here."""


@dataclass(slots=True)
class Killer:
    """Die at the n-th mutating call to Business Central, before or after its effect.

    With a path only the calls to it count.
    """

    at: int
    when: str
    path: str = ""
    seen: int = 0

    def install(self, rig: Rig) -> None:
        rig.before, rig.after = self._before, self._after

    def _before(self, vendor: str, request: Request) -> None:
        if self._counts(vendor, request):
            self.seen += 1
            self._die("before")

    def _after(self, vendor: str, request: Request) -> None:
        if self._counts(vendor, request):
            self._die("after")

    def _counts(self, vendor: str, request: Request) -> bool:
        return vendor == "bc" and request.method != "GET" and self.path in request.path

    def _die(self, when: str) -> None:
        if self.seen == self.at and self.when == when:
            raise Killed


def order_row(number: str, *lines: tuple[str, int, str], **more: Any) -> Row:
    """Return an order awaiting shipment; lines are SKU, quantity and unit price."""
    items = [
        {"sku": sku, "name": sku, "quantity": quantity, "unitPrice": Decimal(price)}
        for sku, quantity, price in lines
    ]
    return {
        "orderNumber": number,
        "orderKey": f"KEY-{number}",
        "orderStatus": "awaiting_shipment",
        "orderDate": "2026-03-09T09:00:00Z",
        "customerUsername": "buyer",
        "customerEmail": "buyer@example.com",
        "shipTo": {
            "name": "Alex Example",
            "street1": "1 Test St",
            "city": "Testville",
            "state": "TX",
            "postalCode": "75001",
            "country": "US",
        },
        "items": items,
        "advancedOptions": {"storeId": STORE},
        **more,
    }


@dataclass(slots=True)
class Stage:
    """A rig with the orders by number."""

    rig: Rig
    orders: dict[str, int]

    @classmethod
    def of(cls, folder: Path, *numbers: str, **orders: Any) -> "Stage":
        """Set the stage with open orders of two lines each."""
        folder.mkdir(parents=True, exist_ok=True)
        world = World()
        world.clock.set(BEGINS)
        world.clock.freeze()
        stores = {STORE: store_rule(), ANOTHER: store_rule()}
        orders.setdefault("stores", stores)
        config = config_for(folder, start=START, **orders)
        stage = cls(Rig(world, config, folder), {})
        for number in numbers:
            stage.take(order_row(number, ("ITEM-24", 2, "10.00"), ("RIBBON", 1, "5.50")))
        return stage

    def take(self, row: Row) -> int:
        """Import an order from the store."""
        found = self.ss("import", orders=[row])
        self.orders[row["orderNumber"]] = found["orderIds"][0]
        return self.orders[row["orderNumber"]]

    def ss(self, action: str, number: str = "", **arguments: Any) -> Row:
        """Let a person work in ShipStation."""
        self.pass_time(90)
        named = {"orderId": self.orders[number]} if number else {}
        return self.rig.world.run("shipstation", {"action": action, **named, **arguments})

    def bc(self, action: str, **arguments: Any) -> Row:
        """Let a person work in Business Central."""
        self.pass_time(90)
        return self.rig.world.run("bc", {"action": action, **arguments})

    def post_from(self, day: str) -> None:
        """Open the posting period from a day on; empty: always."""
        self.bc("set", switches={"allow_posting_from": day})

    def ship(self, number: str, **more: Any) -> Row:
        """Buy a label."""
        return self.ss("label", number, serviceCode="ups_ground", **more)

    def reprice(self, number: str, price: str) -> None:
        """Change the price of the first line."""
        items = [dict(item) for item in self.order(number)["items"]]
        items[0]["unitPrice"] = Decimal(price)
        self.ss("edit", number, changes={"items": items})

    def order(self, number: str) -> Row:
        rows = self.rig.world.shipstation.state()["orders"]
        return next(row for row in rows if row["orderId"] == self.orders[number])

    def pass_time(self, seconds: float) -> None:
        self.rig.world.clock.advance(seconds)

    def run(self, **options: Any) -> app.Summary:
        """Run the flows a little later."""
        self.pass_time(90)
        return self.rig.run(**options)

    def dies(self, when: str, path: str = "") -> None:
        """Run until the first mutating call to Business Central, and die before or after it."""
        Killer(1, when, path).install(self.rig)
        with pytest.raises(Killed):
            self.run()
        self.rig.before = self.rig.after = None

    def create_late(self) -> None:
        """Run while the first create is given up, to land 2,500 s after it was sent."""
        rule = {"vendor": "bc", "method": "POST", "path": "/salesInvoices$", "do": "late"}
        self.rig.world.faults.add({**rule, "after": 2500})
        self.run()
        self.pass_time(1500)

    def unit(self, number: str) -> Unit:
        """Return the newest generation of an order's unit."""
        with self.rig.connection() as conn:
            units = conn.store.units.of_orders([self.orders[number]])
            return units[-1]

    def generations(self, number: str) -> list[Unit]:
        """Return every generation of an order."""
        with self.rig.connection() as conn:
            return conn.store.units.by_key(STORE, f"KEY-{number}")

    def holds(self) -> list[Hold]:
        with self.rig.connection() as conn:
            return conn.store.holds.open()

    def decide(self, verb: Callable[..., str], note: str = "as agreed") -> str:
        """Approve or ignore the only hold there is."""
        with self.rig.connection() as conn:
            (hold,) = conn.store.holds.open()
            return verb(conn, review.Decision(hold, "clerk", note))

    def set_rule(self, **changes: Any) -> None:
        """Change the rule of the store."""
        config = self.rig.config
        rule = config.orders.stores[STORE]
        assert isinstance(rule, StoreRule)
        stores = {**config.orders.stores, STORE: replace(rule, **changes)}
        self.rig.config = replace(config, orders=replace(config.orders, stores=stores))

    def configure(self, digest: str, **orders: Any) -> None:
        """Change the configuration; the digest is this digit over and over."""
        config = self.rig.config
        changed = replace(config.orders, **orders)
        self.rig.config = replace(config, digest=digest * 64, orders=changed)

    def rows(self, name: str) -> list[Row]:
        """Return the rows of one of Business Central's entity sets, with what no entity shows."""
        found: list[Row] = self.rig.world.bc.state()[name]
        return found

    @property
    def invoices(self) -> list[Row]:
        return self.rows("salesInvoices")

    @property
    def posted(self) -> list[Row]:
        return [row for row in self.invoices if row["posted"]]

    @property
    def memos(self) -> list[Row]:
        return self.rows("salesCreditMemos")

    @property
    def bc_orders(self) -> list[Row]:
        return self.rows("salesOrders")


def balance(stage: Stage) -> Decimal:
    """Return what Business Central has posted: invoices less credit memos."""
    sign = {True: Decimal(1), False: Decimal(0)}
    billed = sum((_amount(row) for row in stage.posted), Decimal(0))
    credited = sum((sign[row["posted"]] * _amount(row) for row in stage.memos), Decimal(0))
    return billed - credited


def _amount(row: Row) -> Decimal:
    return Decimal(row["totalAmountIncludingTax"])


def kinds() -> tuple[DocumentKind, ...]:
    return tuple(DocumentKind)
