"""The main job in process: shipped orders become posted invoices, once, to the cent."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcss.errors import Exit
from bcss.sandbox.kit import Request
from tests.checker import booked, problems
from tests.rig import Rig, config_for, world_of

START = date(2026, 3, 1)


@pytest.fixture
def rig_of(tmp_path: Path) -> Callable[..., Rig]:
    def make(count: int, **orders: Any) -> Rig:
        world, _ = world_of(count)
        return Rig(world, config_for(tmp_path, start=START, **orders), tmp_path)

    return make


def test_every_eligible_family_is_booked_once_with_equal_totals_and_tracking(
    rig_of: Callable[..., Rig],
) -> None:
    rig = rig_of(120)

    first = rig.run()
    second = rig.run()

    assert first.errors == ()
    assert problems(rig.world, rig.config.state.path) == []
    assert booked(rig.world) == first.report.posted > 60
    assert {hold.why for hold in first.new_holds} == {"externally_fulfilled", "unknown_sku"}
    assert first.exit_code is Exit.HELD
    assert (second.exit_code, second.report.posted, second.new_holds) == (Exit.DONE, 0, ())


def test_three_calls_in_flight_book_the_same(rig_of: Callable[..., Rig]) -> None:
    rig = rig_of(60)
    rig.width = 3

    rig.run()

    assert problems(rig.world, rig.config.state.path) == []


def test_a_backlog_keeps_to_the_request_budgets(rig_of: Callable[..., Rig]) -> None:
    rig = rig_of(600)

    summary = rig.run()

    assert summary.requests["business_central"] / summary.report.posted < 3.3
    assert summary.requests["shipstation"] <= 12
    again = rig.run()
    assert sum(again.requests.values()) <= 10


def test_an_edit_before_shipping_is_in_the_document(rig_of: Callable[..., Rig]) -> None:
    rig = rig_of(40)
    order = next(
        row
        for row in rig.world.shipstation.state()["orders"]
        if row["orderStatus"] == "awaiting_shipment"
    )
    rig.run()
    items = [{**item, "quantity": 7} for item in order["items"]]
    rig.world.clock.advance(60)
    rig.world.shipstation.run(
        {"action": "edit", "orderId": order["orderId"], "changes": {"items": items}}
    )
    rig.world.clock.advance(60)
    rig.world.shipstation.run(
        {
            "action": "label",
            "orderId": order["orderId"],
            "carrierCode": "ups_walleted",
            "serviceCode": "ups_ground",
        }
    )
    rig.world.clock.advance(60)

    rig.run()

    row = next(
        one
        for one in rig.invoices()
        if one["customerPurchaseOrderReference"] == order["orderNumber"]
    )
    assert row["posted"]
    assert {Decimal(line["quantity"]) for line in row["lines"] if line["lineType"] == "Item"} == {7}
    assert problems(rig.world, rig.config.state.path) == []


class Killed(BaseException):
    """The process dies here."""


class Killer:
    """Die at the n-th mutating call to Business Central, before or after its effect."""

    def __init__(self, at: int, when: str) -> None:
        self.at = at
        self.when = when
        self.seen = 0

    def install(self, rig: Rig) -> None:
        rig.before = self.before
        rig.after = self.after

    def before(self, vendor: str, request: Request) -> None:
        if vendor == "bc" and request.method != "GET":
            self.seen += 1
            self._die("before")

    def after(self, vendor: str, request: Request) -> None:
        if vendor == "bc" and request.method != "GET":
            self._die("after")

    def _die(self, when: str) -> None:
        if self.seen == self.at and self.when == when:
            raise Killed


def calls_of_a_clean_run(rig: Rig) -> int:
    counter = Killer(0, "never")
    counter.install(rig)
    rig.run()
    return counter.seen


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("settle", [timedelta(0), timedelta(minutes=20)])
def test_dying_at_any_mutating_call_leaves_one_document_per_family(
    tmp_path: Path, when: str, settle: timedelta
) -> None:
    """Kill at every call index in turn, run again, and look (issue 2, point 4)."""
    folder = tmp_path / "clean"
    folder.mkdir()
    total = calls_of_a_clean_run(
        Rig(world_of(13)[0], config_for(folder, start=START, settle=settle), folder)
    )
    assert total > 25
    for at in range(1, total + 1):
        world, _ = world_of(13)
        folder = tmp_path / f"{at}"
        folder.mkdir()
        rig = Rig(world, config_for(folder, start=START, settle=settle), folder)
        Killer(at, when).install(rig)
        with pytest.raises(Killed):
            rig.run()
        rig.before = rig.after = None
        rig.run()
        world.clock.advance(settle.total_seconds() + 1)
        rig.run()
        assert problems(world, rig.config.state.path) == [], f"killed {when} call {at}"


def test_the_first_posting_run_posts_only_a_few(rig_of: Callable[..., Rig]) -> None:
    rig = rig_of(40, first_run_limit=5)

    first = rig.run()
    second = rig.run()

    assert first.report.posted == 5
    assert any("limit" in note for note in first.report.notes)
    assert second.report.posted > 5
    assert problems(rig.world, rig.config.state.path) == []


def test_totals_that_business_central_changes_are_held_with_the_draft_kept(
    rig_of: Callable[..., Rig],
) -> None:
    rig = rig_of(8)
    stores = dict(rig.config.orders.stores)
    rule = stores[80001]
    stores[80001] = replace(rule, tax_code="TAXABLE")  # type: ignore[arg-type]
    rig.config = replace(rig.config, orders=replace(rig.config.orders, stores=stores))

    summary = rig.run()

    assert summary.report.posted == 0
    assert {hold.why for hold in summary.new_holds} == {"total_differs"}
    assert all(not row["posted"] for row in rig.invoices())
