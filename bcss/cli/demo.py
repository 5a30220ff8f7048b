"""Let the real program synchronise an invented day between the two imitations."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bcss.app import Summary, Surroundings, run
from bcss.cli.render import Block, Table, json_text, printable, show_blocks
from bcss.cli.report import hold_object, moved
from bcss.cli.sync import FLOWS, flow
from bcss.clock import PACIFIC, SystemClock
from bcss.config.load import load
from bcss.config.schema import Config
from bcss.errors import Exit, worst
from bcss.money import ZERO, show
from bcss.sandbox.shapes import demo_day
from bcss.sandbox.world import Urls, World
from bcss.store.db import Store
from bcss.units import State, Unit

_SECRETS = {
    "BCSS_DEMO_BC_SECRET": "sandbox-secret",
    "BCSS_DEMO_SHIPSTATION_KEY": "sandbox-key",
    "BCSS_DEMO_SHIPSTATION_SECRET": "sandbox-key-secret",
}
_RATE = 1000
_PARTS = ("items", "customers", "orders", "shipments")
_CONFIG = """\
name: demo
business_central:
  tenant: contoso.onmicrosoft.com
  environment: Production
  company: CRONUS USA, Inc.
  client_id: 11111111-2222-3333-4444-555555555555
  client_secret: "env:BCSS_DEMO_BC_SECRET"
  api_url: {business_central}
  authority: {authority}
  time_zone: America/New_York
shipstation:
  account: demo
  api_key: "env:BCSS_DEMO_SHIPSTATION_KEY"
  api_secret: "env:BCSS_DEMO_SHIPSTATION_SECRET"
  api_url: {shipstation}
  requests_per_minute: {rate}
orders:
  document: posted_invoice
  start: {start}
  first_run_limit: 0
  settle: 0s
  skus:
    GIFT-24: ITEM-24
    TEE-RED: {{item: TEE, variant: RED}}
    BOX-3: {{kit: [{{item: ITEM-24, quantity: 2}}, {{item: RIBBON, quantity: 1}}]}}
  stores:
    "80001":
      customer: {{number: WEB}}
      currency: USD
      shipping: {{account: "40500"}}
      discount: {{account: "40600"}}
      adjustments: {{account: "40650"}}
      tax: {{account: "22300"}}
      tax_code: NONTAXABLE
shipping_agents:
  ups_walleted: {{agent: UPS, services: {{ups_ground: GROUND}}}}
state:
  path: {state}
"""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """Two runs over the same day, and the orders as they stand then."""

    first: Summary
    second: Summary
    orders: list[dict[str, Any]]


def show_demo(*, as_json: bool) -> Exit:
    """Run the demonstration and print it; one of its orders is held, which is its point."""
    with TemporaryDirectory(prefix="bcss-demo-") as folder, _world() as (urls, day):
        config = _config(Path(folder), urls, day)
        done = _demonstrate(config, Path(folder))
    # Something other than the one order that is meant to be held must not look like success.
    code = worst([error.exit_code for error in (*done.first.errors, *done.second.errors)])
    if as_json:
        sys.stdout.write(json_text(_object(done, code)) + "\n")
    else:
        show_blocks(_blocks(done))
    return code


@contextmanager
def _world() -> Iterator[tuple[Urls, date]]:
    """Serve yesterday's shop on free ports of this machine."""
    day = SystemClock().now().astimezone(PACIFIC).date() - timedelta(days=1)
    seed = demo_day(day)
    del seed["clock"]  # the imitations live in the present, the orders came yesterday
    seed["shipstation"]["rate_limit"] = {"limit": _RATE, "window": 60}
    world = World(seed)
    try:
        yield world.serve(), day
    finally:
        world.close()


def _config(folder: Path, urls: Urls, day: date) -> Config:
    os.environ.update(_SECRETS)
    path = folder / "config.yaml"
    text = _CONFIG.format(
        business_central=urls.business_central,
        authority=urls.authority,
        shipstation=urls.shipstation,
        start=day - timedelta(days=1),
        rate=_RATE,
        state=folder / "demo.db",
    )
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return load(path)


def _demonstrate(config: Config, folder: Path) -> Demonstration:
    around = Surroundings(
        budget_class="operator", budget_path=folder / "budget.db", witness_folder=folder / "host"
    )
    parts = [(FLOWS[name][0], flow(name)) for name in _PARTS]
    first = run(config, "sync all", parts, around=around)
    second = run(config, "sync all", parts, around=around)
    store = Store(config.state.path, around.clock)
    try:
        orders = [_order(store, unit) for unit in _units(store)]
    finally:
        store.close()
    return Demonstration(first, second, orders)


def _units(store: Store) -> list[Unit]:
    units = [*store.units.in_states(State), *store.units.held()]
    return sorted(units, key=lambda unit: unit.order_number)


def _order(store: Store, unit: Unit) -> dict[str, Any]:
    members = [store.orders.order(one) for one in store.units.members(unit.unit_id)]
    known = [order for order in members if order is not None]
    hold = store.holds.open_for(f"unit:{unit.unit_id}")
    return {
        "order_number": unit.order_number,
        "parts": len(known),
        "status": ", ".join(dict.fromkeys(order.status for order in known)),
        "shipstation_total": sum((order.order_total for order in known), ZERO),
        "document_number": unit.document_number,
        "bc_total": unit.bc_total,
        "currency": unit.currency or "USD",
        "tracking": unit.draft.tracking.number if unit.draft else "",
        "state": str(unit.state),
        "waiting": unit.waiting,
        "hold": hold_object(hold) if hold else None,
    }


def _object(done: Demonstration, code: Exit) -> dict[str, Any]:
    return {
        "orders": done.orders,
        "first_run": _counts(done.first),
        "second_run": _counts(done.second),
        "exit_code": int(code),
    }


def _counts(summary: Summary) -> Mapping[str, Any]:
    report = summary.report
    return {
        "created": report.created,
        "posted": report.posted,
        "held": len(summary.new_holds),
        "requests": dict(summary.requests),
        "errors": [error.message for error in summary.errors],
    }


def _blocks(done: Demonstration) -> list[Block]:
    booked = [order for order in done.orders if order["bc_total"] is not None]
    sums = [sum((o[key] for o in booked), Decimal(0)) for key in ("shipstation_total", "bc_total")]
    held = [order for order in done.orders if order["hold"]]
    return [
        "An invented day of a shop, in imitations of ShipStation and Business Central:",
        Table(_HEADERS, [_row(order) for order in done.orders]),
        (
            f"booked: {len(booked)} orders, ShipStation {show(sums[0], 'USD')}, "
            f"Business Central {show(sums[1], 'USD')}"
        ),
        *(
            f"held: {order['order_number']}: {printable(order['hold']['message'])} "
            f"{order['hold']['next_step']}"
            for order in held
        ),
        f"first run: {moved(done.first)}",
        f"second run: {moved(done.second)}",
        *(f"error: {printable(error)}" for error in (*done.first.errors, *done.second.errors)),
    ]


_HEADERS = ("order", "ShipStation", "invoice", "posted", "tracking, or why not")


def _row(order: Mapping[str, Any]) -> list[str]:
    total = order["bc_total"]
    return [
        order["order_number"],
        show(order["shipstation_total"], order["currency"]),
        order["document_number"],
        show(total, order["currency"]) if total is not None else "",
        _told(order),
    ]


def _told(order: Mapping[str, Any]) -> str:
    if order["hold"]:
        return f"held: {order['hold']['reason']}"
    parts = f" (split in {order['parts']})" if order["parts"] > 1 else ""
    return f"{order['tracking']}{parts}" if order["tracking"] else order["waiting"]
