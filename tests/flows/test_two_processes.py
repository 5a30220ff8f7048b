"""Cron and the worker at once: neither decides on what the other has made old."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

from bcss.errors import BcssError
from bcss.flows import planning
from bcss.flows.capture import capture
from bcss.flows.orders import settle_polls
from bcss.sandbox.kit import Request
from bcss.sandbox.world import World
from tests.checker import problems
from tests.rig import Rig, config_for, world_of

Row = dict[str, object]


def _rig(folder: Path) -> tuple[World, Rig]:
    world, _ = world_of(1)
    return world, Rig(world, config_for(folder, start=date(2026, 3, 1)), folder)


def _once(rig: Rig, method: str, path: str, happen: Callable[[], None]) -> None:
    """Let something happen when bcss has sent its first such call to Business Central."""

    def after(vendor: str, request: Request) -> None:
        if vendor == "bc" and request.method == method and path in request.path:
            rig.after = None
            happen()

    rig.after = after


def _order(world: World) -> dict[str, object]:
    found: dict[str, object] = world.shipstation.state()["orders"][0]
    return found


def test_an_order_that_another_process_sees_cancelled_while_we_plan_is_not_booked(
    tmp_path: Path,
) -> None:
    world, rig = _rig(tmp_path)
    other = replace(rig)
    order = _order(world)

    def cancelled() -> None:
        shipment = world.shipstation.state()["shipments"][0]["shipmentId"]
        world.clock.advance(1)
        world.shipstation.run({"action": "void", "shipmentId": shipment})
        world.shipstation.run({"action": "cancel", "orderId": order["orderId"]})
        world.clock.advance(1)
        with other.connection() as conn:
            capture(conn)

    _once(rig, "GET", "/items", cancelled)

    rig.run()

    assert rig.after is None  # it did happen while we planned
    assert rig.invoices() == []


def test_an_edit_that_another_process_sees_while_we_look_up_reaches_the_document(
    tmp_path: Path,
) -> None:
    world, rig = _rig(tmp_path)
    other = replace(rig)
    order = _order(world)
    said: list[str] = []

    def edited() -> None:
        items = [{**item, "quantity": 7} for item in order["items"]]  # type: ignore[attr-defined]
        world.clock.advance(1)
        world.shipstation.run(
            {"action": "edit", "orderId": order["orderId"], "changes": {"items": items}}
        )
        world.clock.advance(1)
        with other.connection() as conn:
            try:
                capture(conn)
                planning.plan(conn)
                settle_polls(conn)
            except BcssError as error:
                said.append(str(error))

    _once(rig, "GET", "/salesInvoices", edited)

    rig.run()
    world.clock.advance(3600)
    rig.run()

    assert said[0].startswith("Booking is busy")
    assert [row["posted"] for row in rig.invoices()] == [True]
    assert problems(world, rig.config.state.path) == []
