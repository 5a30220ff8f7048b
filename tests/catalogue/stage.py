"""Play a row of the catalogue through the sandbox, and tell what stands there afterwards."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from bcss.config.load import load
from bcss.config.schema import Config
from bcss.flows.review import Decision, approve
from bcss.holds import Hold
from bcss.sandbox.shipstation.times import utc_text
from bcss.sandbox.world import World
from bcss.units import Unit
from tests.catalogue.rows import Row, items
from tests.mount import AUTHORITY_URL, BC_URL, SHIPSTATION_URL
from tests.rig import Rig

MORNING = datetime(2026, 3, 2, 17, tzinfo=UTC)  # 9:00 Pacific, noon in New York
STORE = "80001"
STANDARD: dict[str, Any] = {
    "customer": {"number": "WEB"},
    "currency": "USD",
    "shipping": {"account": "40500"},
    "discount": {"account": "40600"},
    "adjustments": {"account": "40650"},
    "tax": {"account": "22300"},
    "tax_code": "NONTAXABLE",
    "location": "EAST",
}
SKUS: dict[str, Any] = {
    "GIFT-24": "ITEM-24",
    "TEE-RED": {"item": "TEE", "variant": "RED"},
    "BOX-3": {"kit": [{"item": "ITEM-24", "quantity": "2"}, {"item": "RIBBON"}]},
}
SHIP_TO = {
    "name": "Alex Example",
    "street1": "1 TEST ST",
    "city": "TESTVILLE",
    "state": "TX",
    "postalCode": "75001",
    "country": "US",
}
_LISTS = ("salesInvoices", "salesOrders")


@dataclass(slots=True)
class Stage:
    """The world of one row in one document kind."""

    row: Row
    rig: Rig
    at: datetime = MORNING
    ids: dict[str, int] = field(default_factory=dict)
    labels: dict[str, list[int]] = field(default_factory=dict)

    def play(self) -> None:
        """Let everything happen, and run bcss at the end, twice: the second must change nothing."""
        for name, order in self.row.orders.items():
            if "from" not in order:
                self._import(name, order)
        for sentence in self.row.happens or [f"{name} is labelled" for name in self.ids]:
            self._happen(sentence)
        self.run()
        before = self._documents()
        self.run()
        assert self._documents() == before, "a second run changed something"

    def run(self) -> None:
        """Run bcss three hours later."""
        self.at += timedelta(hours=3)
        self.rig.world.clock.set(self.at)
        self.rig.run()

    def _documents(self) -> list[tuple[str, bool]]:
        return sorted((one["number"], one["posted"]) for one in self.documents())

    def documents(self) -> list[dict[str, Any]]:
        """Return every invoice and order of Business Central."""
        state = self.rig.world.bc.state()
        return [one for name in _LISTS for one in state[name]]

    def document(self, name: str) -> dict[str, Any] | None:
        """Return the document of an order's unit, as the sandbox keeps it."""
        unit = self.unit(name)
        ids = [unit.invoice_id, unit.document_id]
        found = {one["id"]: one for one in self.documents()}
        return next((found[one] for one in ids if one in found), None)

    def unit(self, name: str) -> Unit:
        """Return the newest unit of an order."""
        with self.rig.connection() as conn:
            return conn.store.units.of_orders([self.ids[name]])[-1]

    def holds(self) -> list[Hold]:
        """Return what is held."""
        with self.rig.connection() as conn:
            return conn.store.holds.open()

    def _act(self, action: str, **arguments: Any) -> dict[str, Any]:
        self.at += timedelta(hours=1)
        self.rig.world.clock.set(self.at)
        return self.rig.world.run("shipstation", {"action": action, **arguments})

    def _import(self, name: str, order: dict[str, Any]) -> None:
        answer = self._act("import", orders=[_raw(name, order, self.at)])
        self.ids[name] = int(answer["orderIds"][0])

    def _happen(self, sentence: str) -> None:
        for pattern, act in _SENTENCES:
            if found := re.fullmatch(pattern, sentence):
                act(self, *found.groups())
                return
        raise AssertionError(f"nobody knows what this means: {sentence!r}")

    def _label(self, name: str, carrier: str | None, day: str | None) -> None:
        code, _, service = (carrier or "ups_walleted/ups_ground").partition("/")
        extra = {"shipDate": day} if day else {}
        answer = self._act(
            "label", orderId=self.ids[name], carrierCode=code, serviceCode=service, **extra
        )
        self.labels.setdefault(name, []).append(answer["shipmentId"])

    def _void(self, name: str) -> None:
        self._act("void", shipmentId=self.labels[name].pop())

    def _mark(self, name: str, number: str | None, day: str | None) -> None:
        extra = {"shipDate": day} if day else {}
        extra |= {"trackingNumber": number} if number else {}
        self._act("markasshipped", orderId=self.ids[name], carrierCode="USPS", **extra)

    def _split(self, name: str, line: str, child: str) -> None:
        body = self.rig.world.shipstation.state()["orders"]
        mine = next(one for one in body if one["orderId"] == self.ids[name])
        moved = [mine["items"][int(line) - 1]["orderItemId"]]
        self.ids[child] = int(self._act("split", orderId=self.ids[name], items=moved)["orderId"])

    def _merge(self, absorbed: str, into: str) -> None:
        self._act("merge", into=self.ids[into], absorbed=[self.ids[absorbed]])

    def _edit(self, name: str, lines: str) -> None:
        self._act("edit", orderId=self.ids[name], changes={"items": items(lines.split("; "))})

    def _again(self, name: str, other: str) -> None:
        self.ids[other] = int(self._act("reimport", orderId=self.ids[name])["orderId"])

    def _simply(self, name: str, action: str) -> None:
        self._act(_SIMPLE[action], orderId=self.ids[name])

    def _move(self, name: str, store: str) -> None:
        self._act("move_store", orderId=self.ids[name], storeId=int(store))

    def _pass(self, days: str) -> None:
        self.at += timedelta(days=int(days))

    def _approve(self) -> None:
        with self.rig.connection() as conn:
            (hold,) = conn.store.holds.open()
            approve(conn, Decision(hold, "a clerk", "looked at it"))

    def _switch(self, name: str, value: str) -> None:
        self.rig.world.run("bc", {"action": "set", "switches": {name: value}})


_SIMPLE = {"cancelled": "cancel", "deleted": "delete", "lost": "vanish", "returned": "return_label"}
_SENTENCES: tuple[tuple[str, Callable[..., None]], ...] = (
    (r"(\w) is labelled(?: with (\S+))?(?: on (\S+))?", Stage._label),
    (r"the last label of (\w) is voided", Stage._void),
    (r"(\w) is marked as shipped(?: with (\S+))?(?: on (\S+))?", Stage._mark),
    (r"(\w) is split: line (\d) becomes (\w)", Stage._split),
    (r"(\w) is merged into (\w)", Stage._merge),
    (r"(\w) is edited to (.+)", Stage._edit),
    (r"(\w) is imported again as (\w)", Stage._again),
    (r"(\w) is (cancelled|deleted|lost|returned)", Stage._simply),
    (r"(\w) is moved to store (\d+)", Stage._move),
    (r"(\d+) days pass", Stage._pass),
    (r"bcss runs", Stage.run),
    (r"the hold is approved", Stage._approve),
    (r"Business Central sets (\w+) to (\S+)", Stage._switch),
)


def _raw(name: str, order: dict[str, Any], at: datetime) -> dict[str, Any]:
    """Make ShipStation's order of a row's order."""
    number = order.get("number", f"SO-2026030{ord(name) - 64}")
    email = order.get("email", "alex.example@example.test")
    raw: dict[str, Any] = {
        "orderNumber": number,
        "orderKey": order.get("key", number),
        "customerUsername": order.get("username", email),
        "customerEmail": email,
        "billTo": {"name": "Alex Example"},
        "shipTo": {**SHIP_TO, **order.get("ship_to", {})},
        "items": items(order.get("lines", [])),
        "orderDate": order.get("ordered", utc_text(at)),
        "taxAmount": Decimal(order.get("tax", "0")),
        "shippingAmount": Decimal(order.get("shipping", "0")),
        "advancedOptions": {
            "storeId": int(order.get("store", STORE)),
            "warehouseId": int(order["warehouse"]) if "warehouse" in order else None,
        },
    }
    if "total" in order:
        raw["orderTotal"] = Decimal(order["total"])
    if "fulfilled_by" in order:
        by = order["fulfilled_by"]
        raw |= {"orderStatus": "shipped", "externallyFulfilled": True, "externallyFulfilledBy": by}
    return raw


def stage(row: Row, kind: str, folder: Path) -> Stage:
    """Set a row up: a fresh sandbox with its additions, and the configuration of its store."""
    world = World({"business_central": _typed(row.bc)} if row.bc else {})
    world.clock.set(MORNING)
    world.clock.freeze()
    return Stage(row, Rig(world, config_of(row, kind, folder), folder))


def _typed(value: Any) -> Any:
    """Turn the words true and false into what JSON has for them."""
    match value:
        case dict():
            return {name: _typed(one) for name, one in value.items()}
        case list():
            return [_typed(one) for one in value]
        case "true" | "false":
            return value == "true"
        case _:
            return value


def config_of(row: Row, kind: str, folder: Path) -> Config:
    """Write the row's configuration as a file, read it as bcss does, and point it at the rig."""
    path = folder / "config.yaml"
    path.write_text(json.dumps(_tree(row, kind, folder)), "utf-8")
    path.chmod(0o600)
    config = load(path)
    central = replace(config.business_central, api_url=BC_URL, authority=AUTHORITY_URL)
    shipstation = replace(config.shipstation, api_url=SHIPSTATION_URL)
    return replace(config, business_central=central, shipstation=shipstation)


def _tree(row: Row, kind: str, folder: Path) -> dict[str, Any]:
    rule = {k: v for k, v in {**STANDARD, **row.store}.items() if v != ""}
    orders = {
        "document": kind,
        "start": "2026-03-01",
        "first_run_limit": "0",
        "skus": SKUS,
        **row.config.get("orders", {}),
    }
    orders["skus"] = {**SKUS, **row.config.get("orders", {}).get("skus", {})}
    orders["stores"] = {STORE: rule, "80002": "ignore", **row.config.get("stores", {})}
    return {
        "name": "catalogue",
        "business_central": {
            "tenant": "contoso.onmicrosoft.com",
            "environment": "Production",
            "company": "CRONUS USA, Inc.",
            "client_id": "11111111-2222-3333-4444-555555555555",
            "client_secret": "env:BCSS_TEST_BC",
            "time_zone": "America/New_York",
        },
        "shipstation": {"api_key": "env:BCSS_TEST_KEY", "api_secret": "env:BCSS_TEST_SECRET"},
        "items": row.config.get("items", {}),
        "orders": orders,
        "shipping_agents": {
            "ups_walleted": {"agent": "UPS", "services": {"ups_ground": "GROUND"}},
            "fedex": {"agent": "FEDEX", "services": {"fedex_ground": "GROUND"}},
        },
        "state": {"path": str(folder / "state.db")},
    }
