"""Around `orders.start`: what was sent before it, what is sent again after it, and first posts."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcss.config.schema import IGNORED, DocumentKind, Ignored
from bcss.holds import Why
from bcss.sandbox.kit import Request
from tests.flows.stage import ANOTHER, Stage, order_row
from tests.rig import STORE, store_rule

NUMBER = "SO-1001"
DAY = 86_400
NEVER = date(2026, 3, 12)


def why(stage: Stage) -> list[str]:
    return [hold.why for hold in stage.holds()]


def shipped_before_start(folder: Path, days: int, **label: Any) -> Stage:
    """Ship on March 10th, and begin with bcss some days later, booking from the 12th on."""
    stage = Stage.of(folder, NUMBER)
    stage.ship(NUMBER, **label)
    stage.pass_time(days * DAY)
    begins = NEVER if days < 10 else (stage.rig.world.clock.now()).date()
    stage.configure("1", start=begins)
    return stage


def days_pass(stage: Stage, count: int = 2) -> None:
    for _ in range(count):
        stage.pass_time(DAY)
        stage.run()
        stage.run()


@pytest.mark.parametrize("days", [5, 60])
@pytest.mark.parametrize("seen_before", [True, False])
def test_a_replacement_parcel_for_what_was_sent_before_the_start_is_held(
    tmp_path: Path, days: int, seen_before: bool
) -> None:
    """A clerk has booked it then; the label of that time is read however old it is."""
    stage = shipped_before_start(tmp_path, days)
    if seen_before:
        stage.run()
    stage.ship(NUMBER)

    days_pass(stage)

    assert (stage.posted, why(stage)) == ([], [Why.STRADDLES_START])


@pytest.mark.parametrize("days", [5, 60])
def test_an_old_order_that_is_touched_after_the_start_is_left_out(
    tmp_path: Path, days: int
) -> None:
    stage = shipped_before_start(tmp_path, days)
    stage.run()
    stage.ss("touch", NUMBER)

    days_pass(stage)

    assert (stage.posted, why(stage)) == ([], [])


def test_a_label_bought_before_the_start_for_a_later_day_is_booked(tmp_path: Path) -> None:
    stage = shipped_before_start(tmp_path, 3, shipDate="2026-03-12")

    stage.run()

    assert [row["postingDate"] for row in stage.posted] == ["2026-03-12"]


@pytest.mark.parametrize("waits", [0, 60])
def test_an_earlier_start_books_what_was_left_out_or_never_read(tmp_path: Path, waits: int) -> None:
    stage = shipped_before_start(tmp_path, max(waits, 2))
    stage.run()
    assert stage.posted == []

    stage.configure("2", start=date(2026, 3, 1))
    days_pass(stage)

    assert len(stage.posted) == 1


def early_label(folder: Path) -> Stage:
    """Buy a label on the 10th for the 14th; what comes after it is later than its last change."""
    stage = Stage.of(folder, NUMBER)
    stage.ship(NUMBER, shipDate="2026-03-14")
    stage.pass_time(10 * DAY)
    return stage


def test_an_earlier_start_finds_a_label_that_was_bought_before_it(tmp_path: Path) -> None:
    stage = early_label(tmp_path)
    stage.configure("1", start=date(2026, 3, 18))
    stage.run()

    stage.configure("2", start=date(2026, 3, 13))
    days_pass(stage)

    assert len(stage.posted) == 1


@pytest.mark.parametrize("before", [{}, {STORE: IGNORED}])
def test_a_store_that_is_listed_later_has_its_early_labels_booked(
    tmp_path: Path, before: dict[int, Ignored]
) -> None:
    stage = early_label(tmp_path)
    stores = stage.rig.config.orders.stores
    stage.configure("1", start=date(2026, 3, 13), stores={ANOTHER: store_rule(), **before})
    stage.run()

    stage.configure("2", stores=stores)
    days_pass(stage)

    assert len(stage.posted) == 1


@pytest.mark.parametrize("moment", ["/shipments", "/fulfillments"])
def test_a_replacement_that_comes_while_the_streams_are_read_is_held(
    tmp_path: Path, moment: str
) -> None:
    """Its label names the order before any poll of orders has shown it."""
    stage = shipped_before_start(tmp_path, 60)
    stage.run()
    left = [moment]

    def relabel(vendor: str, request: Request) -> None:
        if vendor == "shipstation" and request.path in left:
            left.clear()
            action = {"action": "label", "orderId": stage.orders[NUMBER]}
            stage.rig.world.run("shipstation", action)

    stage.rig.before = relabel
    stage.run()
    stage.rig.before = None
    days_pass(stage)

    assert (stage.posted, why(stage)) == ([], [Why.STRADDLES_START])


def test_a_start_that_is_set_later_keeps_out_what_was_sent_before_it(tmp_path: Path) -> None:
    """The order was captured when nothing was to be posted yet."""
    stage = Stage.of(tmp_path, NUMBER, document=DocumentKind.DRAFT_INVOICE)
    stage.ship(NUMBER)
    stage.pass_time(90 * DAY)
    begins = (stage.rig.world.clock.now() - timedelta(days=20)).date()
    stage.configure("1", start=None)
    stage.ship(NUMBER)
    stage.run()

    stage.configure("2", start=begins, document=DocumentKind.POSTED_INVOICE)
    stage.ss("touch", NUMBER)
    days_pass(stage)

    assert stage.posted == []


def test_a_later_start_takes_drafts_back(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    stage.ship(NUMBER)
    stage.run(max_post=0)
    assert len(stage.invoices) == 1

    stage.configure("2", start=date(2026, 3, 20))
    stage.run()

    assert stage.invoices == []


FIVE = [f"SO-100{n}" for n in range(5)]


def test_a_run_that_posts_nothing_does_not_use_up_the_first_runs_limit(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, *FIVE, first_run_limit=2)
    for number in FIVE:
        stage.ship(number)
    stage.run(max_post=0)

    stage.run()
    assert len(stage.posted) == 2
    stage.run()
    assert len(stage.posted) == 5


def test_open_orders_do_not_use_up_the_first_runs_limit(tmp_path: Path) -> None:
    kind = DocumentKind.SHIP_AND_INVOICE
    stage = Stage.of(tmp_path, *FIVE, first_run_limit=2, document=kind, when="open")
    stage.run()
    for number in FIVE:
        stage.ship(number)

    stage.run()

    assert len(stage.posted) == 2


def test_what_the_amount_limit_forbids_takes_no_place_among_the_few(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path)
    for number, quantity in (("SO-1001", 100), ("SO-1002", 1)):
        stage.take(order_row(number, ("ITEM-24", quantity, "10.00")))
        stage.ship(number)

    summary = stage.run(max_post=1, max_amount=Decimal(100))

    assert [row["totalAmountIncludingTax"] for row in stage.posted] == [10]
    assert any("limit" in note for note in summary.report.notes)


def test_an_old_order_whose_labels_cannot_be_told_is_held_and_stops_nobody(tmp_path: Path) -> None:
    stage = shipped_before_start(tmp_path, 60)
    stage.take(order_row("SO-1002", ("ITEM-24", 1, "10.00")))
    stage.ship(NUMBER)
    stage.ship("SO-1002")

    def refuse(_vendor: str, request: Request) -> None:
        if f"orderId={stage.orders[NUMBER]}" in request.query:
            fault = {"vendor": "shipstation", "path": request.path, "do": "reject", "status": 500}
            stage.rig.world.faults.add({**fault, "times": 1})

    stage.rig.before = refuse
    stage.run()

    assert why(stage) == [Why.UNREADABLE_RECORD]
    assert [row["externalDocumentNumber"] for row in stage.posted] == ["KEY-SO-1002"]
    stage.rig.before = None
    stage.ss("touch", NUMBER)
    days_pass(stage)
    assert why(stage) == [Why.STRADDLES_START]
