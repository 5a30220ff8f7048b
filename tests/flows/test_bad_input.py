"""A record that cannot be read is held, never dropped, and never stops its neighbours."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bcss.errors import Exit
from bcss.sandbox.world import World
from tests.checker import booked, problems
from tests.rig import Rig, config_for, world_of

START = date(2026, 3, 1)


def rig_for(world: World, folder: Path) -> Rig:
    return Rig(world, config_for(folder, start=START), folder)


def first_shipped(world: World) -> dict[str, Any]:
    rows = world.shipstation.state()["orders"]
    return next(row for row in rows if row["orderStatus"] == "shipped")


def test_an_order_that_breaks_its_page_is_found_held_and_stepped_over(tmp_path: Path) -> None:
    world, _ = world_of(30)
    bad = first_shipped(world)
    world.shipstation.load({"poison": [bad["orderId"]]})
    rig = rig_for(world, tmp_path)

    first = rig.run()
    second = rig.run()

    assert first.exit_code is Exit.HELD
    assert "unreadable_record" in {hold.why for hold in first.new_holds}
    assert booked(world) > 10
    assert second.exit_code is Exit.DONE


def test_a_poisoned_order_is_booked_once_shipstation_can_show_it_again(tmp_path: Path) -> None:
    world, _ = world_of(12)
    bad = first_shipped(world)
    world.shipstation.load({"poison": [bad["orderId"]]})
    rig = rig_for(world, tmp_path)
    rig.run()
    before = booked(world)
    world.shipstation.load({"poison": []})
    world.clock.advance(60)
    world.shipstation.run({"action": "touch", "orderId": bad["orderId"]})
    world.clock.advance(60)

    rig.run()

    assert booked(world) == before + 1
    world.clock.advance(86_400)
    rig.run()  # whose sweep finds that everything can be read again
    assert problems(world, rig.config.state.path) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("orderTotal", "a lot"),
        ("modifyDate", "yesterday"),
        ("items", "none"),
        ("advancedOptions", None),
        ("taxAmount", {"amount": 5}),
    ],
)
def test_a_field_that_makes_no_sense_holds_that_order_by_name(
    tmp_path: Path, field: str, value: object
) -> None:
    world, _ = world_of(12)
    bad = first_shipped(world)
    action = {"action": "corrupt", "orderId": bad["orderId"], "overlay": {field: value}}
    world.shipstation.run(action)
    rig = rig_for(world, tmp_path)

    summary = rig.run()

    held = [hold for hold in summary.new_holds if hold.why == "unreadable_record"]
    assert len(held) == 1
    assert field in held[0].message
    assert str(bad["orderId"]) in held[0].subject
    assert summary.report.posted > 3


@pytest.mark.parametrize("do", ["html", "truncate"])
@pytest.mark.parametrize("vendor", ["bc", "shipstation"])
def test_a_vendor_that_answers_rubbish_ends_in_one_sentence(
    tmp_path: Path, do: str, vendor: str
) -> None:
    world, _ = world_of(8)
    world.faults.add({"vendor": vendor, "method": "GET", "do": do, "times": 0})
    rig = rig_for(world, tmp_path)

    summary = rig.run()

    assert summary.exit_code is Exit.TEMPORARY
    assert summary.errors
    assert all("\n" not in str(error) and len(str(error)) < 400 for error in summary.errors)
    world.faults.clear()
    world.clock.advance(3600)
    rig.run()
    assert problems(world, rig.config.state.path) == []


def test_an_unlisted_store_is_held_once_and_its_orders_once_it_is_listed(tmp_path: Path) -> None:
    world, _ = world_of(20)
    rig = rig_for(world, tmp_path)
    stores = dict(rig.config.orders.stores)
    listed = config_for(tmp_path, start=START)
    rig.config = config_for(tmp_path, start=START, stores={80002: stores[80002]})

    first = rig.run()
    second = rig.run()

    assert [hold.why for hold in first.new_holds] == ["unknown_store"]
    assert (second.exit_code, second.new_holds) == (Exit.DONE, ())
    rig.config = listed
    world.clock.advance(600)
    rig.run()
    assert problems(world, rig.config.state.path) == []
    assert booked(world) > 5
