"""What the scenarios share: a small world, a second process, a death, a verdict."""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcss import app
from bcss.errors import BcssError
from bcss.flows.orders import pull_orders
from bcss.flows.shipments import pull_shipments
from bcss.sandbox.kit import Request
from bcss.sandbox.world import World
from tests.checker import problems
from tests.rig import PARTS, STORE, Rig, config_for, world_of

START = date(2026, 3, 1)
SETTLE = timedelta(minutes=20)
ORDERS = PARTS[:1]
SHIPMENTS = PARTS[1:2]
Hook = Callable[[str, Request], None]


class Killed(BaseException):
    """The process dies here."""


def stage(folder: Path, count: int = 1, *, settle: timedelta = SETTLE, **orders: Any) -> Rig:
    """Return a rig on a world with a few shipped orders, three hours after the last event."""
    world, _ = world_of(count)
    return Rig(world, config_for(folder, start=START, settle=settle, **orders), folder)


def is_create(vendor: str, request: Request) -> bool:
    return vendor == "bc" and request.method == "POST" and request.path.endswith("/salesInvoices")


def is_post(vendor: str, request: Request) -> bool:
    return vendor == "bc" and "Microsoft.NAV" in request.path


def once(wanted: Callable[[str, Request], bool], act: Callable[[], None]) -> Hook:
    """Return a hook that acts at the first call that is wanted, and never again."""
    left = [act]

    def hook(vendor: str, request: Request) -> None:
        if left and wanted(vendor, request):
            left.pop()()

    return hook


def killed(rig: Rig, parts: tuple[app.Part, ...], before: Hook) -> None:
    """Run with a hook that ends in death."""
    with pytest.raises(Killed):
        replace(rig, before=before).run(parts)


def other_process(rig: Rig) -> None:
    """Do what a worker does beside a cron run: everything but the run lock."""
    twin = replace(rig, before=None, after=None)
    with app.connect(twin.config, "hints", app.Options(), twin.around) as conn:
        for flow in (pull_orders, pull_shipments):
            with suppress(BcssError):
                flow(conn)


def hours(rig: Rig, count: float) -> None:
    rig.world.clock.advance(count * 3600)
    rig.world.settle()


def minutes(rig: Rig, count: float) -> None:
    hours(rig, count / 60)


def creates(world: World) -> Counter[str]:
    """Count what bcss has sent as creates, by reference; late effects are not sent again."""
    return Counter(
        json.loads(one.request.body)["externalDocumentNumber"]
        for one in world.log.calls("bc")
        if is_create("bc", one.request) and not one.late
    )


def judged(rig: Rig, *, held: bool = True) -> list[str]:
    """Return every broken promise; with `held` a hold breaks one as well."""
    found = problems(rig.world, rig.config.state.path)
    found += [f"{name}: created {n} times" for name, n in creates(rig.world).items() if n > 1]
    if held:
        with rig.connection() as conn:
            found += [f"{one.order_number}: held, {one.why}" for one in conn.store.holds.open()]
    return found


def only_order(rig: Rig) -> dict[str, Any]:
    found: dict[str, Any] = rig.world.shipstation.state()["orders"][0]
    return found


def person(rig: Rig, action: str, **arguments: Any) -> None:
    rig.world.bc.run({"action": action, **arguments})


def shop(rig: Rig, action: str, **arguments: Any) -> dict[str, Any]:
    return rig.world.shipstation.run({"action": action, **arguments})


def import_another(rig: Rig, number: str) -> int:
    """Import one more order; return its id."""
    line = {
        "sku": "ITEM-24",
        "name": "Gift set",
        "quantity": 1,
        "unitPrice": Decimal("12.50"),
        "lineItemKey": "10000",
    }
    raw = {
        "orderNumber": number,
        "orderKey": number,
        "customerEmail": "frank@example.test",
        "items": [line],
        "advancedOptions": {"storeId": STORE},
    }
    return int(shop(rig, "import", orders=[raw])["orderIds"][0])


def ship_another(rig: Rig, number: str) -> int:
    """Import one more order and ship it; return its id."""
    order_id = import_another(rig, number)
    rig.world.clock.advance(5)
    shop(rig, "label", orderId=order_id)
    rig.world.clock.advance(60)
    return order_id


@contextmanager
def copy_of(database: Path) -> Iterator[Callable[[], None]]:
    """Keep a copy of a closed database, and yield what puts it back."""
    kept = database.with_name("copy")
    kept.mkdir()
    names = [database.name + suffix for suffix in ("", "-wal", "-shm")]
    for name in names:
        with suppress(FileNotFoundError):
            shutil.copy2(database.with_name(name), kept / name)

    def put_back() -> None:
        for name in names:
            database.with_name(name).unlink(missing_ok=True)
            if (kept / name).exists():
                shutil.copy2(kept / name, database.with_name(name))

    yield put_back
