"""Orders that are deleted in ShipStation: no stream tells, the nightly sweep notices."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcss.config.schema import DocumentKind
from bcss.flows import review
from bcss.flows.replay import Choice, replay
from bcss.holds import Why
from bcss.units import CREDITED, State
from tests.flows.stage import Stage, balance, order_row

NUMBER = "SO-1001"
DAY = 86_400
KINDS = (DocumentKind.SALES_ORDER, DocumentKind.SHIP_AND_INVOICE)
DRAFTS = (DocumentKind.DRAFT_INVOICE, DocumentKind.SALES_ORDER)


def deleted(stage: Stage) -> None:
    """Delete the order: in no list any more, still there by its id."""
    stage.ss("delete", NUMBER)


def vanished(stage: Stage) -> None:
    """Lose the order: its id answers 404."""
    stage.ss("vanish", NUMBER)


HOWS = (deleted, vanished)
How = Callable[[Stage], None]


def opened(folder: Path, kind: DocumentKind, *more: str) -> Stage:
    stage = Stage.of(folder, NUMBER, *more, document=kind, when="open")
    stage.run()
    assert len(stage.bc_orders) == 1 + len(more)
    return stage


def booked(folder: Path, *more: str, **orders: Any) -> Stage:
    stage = Stage.of(folder, NUMBER, *more, **orders)
    stage.ship(NUMBER)
    stage.run()
    return stage


def sweep(stage: Stage) -> None:
    """Let a day pass and run twice: the sweep ends the first run, the second acts on it."""
    stage.pass_time(DAY)
    for _ in range(2):
        assert stage.run().errors == ()


def why(stage: Stage) -> list[str]:
    return [one.why for one in stage.holds()]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_sales_order_of_a_deleted_open_order_goes(
    tmp_path: Path, kind: DocumentKind, how: How
) -> None:
    stage = opened(tmp_path, kind, "SO-1002")
    how(stage)
    stage.run()
    assert len(stage.bc_orders) == 2

    sweep(stage)

    assert [row["externalDocumentNumber"] for row in stage.bc_orders] == ["KEY-SO-1002"]
    assert (stage.holds(), stage.posted) == ([], [])
    unit = stage.unit(NUMBER)
    assert (unit.state, unit.waiting) == (State.DROPPED, "deleted in ShipStation")


def test_an_order_that_was_open_for_long_is_missed_as_well(tmp_path: Path) -> None:
    """Over 35 days after its last change only the list of open orders shows it."""
    stage = opened(tmp_path, DocumentKind.SALES_ORDER, "SO-1002")
    stage.pass_time(50 * DAY)
    stage.run()
    row = stage.rig.world.shipstation.state()
    assert len(row["orders"]) == 2
    vanished(stage)

    sweep(stage)

    assert [row["externalDocumentNumber"] for row in stage.bc_orders] == ["KEY-SO-1002"]


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_sales_order_that_a_person_touched_is_held(
    tmp_path: Path, kind: DocumentKind, how: How
) -> None:
    stage = opened(tmp_path, kind)
    stage.bc("edit_by_person", id=stage.bc_orders[0]["id"], line=0, changes={"quantity": 3})
    how(stage)

    sweep(stage)

    assert why(stage) == [Why.BC_DRAFT_EDITED]
    assert Decimal(stage.bc_orders[0]["lines"][0]["quantity"]) == 3


def test_a_sales_order_of_which_something_was_shipped_stays(tmp_path: Path) -> None:
    stage = opened(tmp_path, DocumentKind.SALES_ORDER)
    row = stage.bc_orders[0]
    changes = {"shipQuantity": 1, "invoiceQuantity": 0}
    stage.bc("edit_by_person", id=row["id"], changes={"partialShipping": True})
    stage.bc("edit_by_person", id=row["id"], line=0, changes=changes)
    stage.bc(
        "edit_by_person", id=row["id"], line=1, changes={"shipQuantity": 0, "invoiceQuantity": 0}
    )
    stage.bc("post_by_person", id=row["id"])
    deleted(stage)

    sweep(stage)

    assert len(stage.bc_orders) == 1
    assert why(stage) == [Why.DRAFT_AFTER_FAILED_POST]


@pytest.mark.parametrize("how", HOWS)
def test_a_draft_whose_labels_were_voided_goes_with_its_order(tmp_path: Path, how: How) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    label = stage.ship(NUMBER)
    stage.run(max_post=0)
    stage.ss("void", shipmentId=label["shipmentId"])
    stage.run()
    assert len(stage.invoices) == 1
    how(stage)

    sweep(stage)

    assert (stage.invoices, stage.holds()) == ([], [])


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("kind", DocumentKind)
def test_a_shipped_order_deleted_after_booking_is_held(
    tmp_path: Path, kind: DocumentKind, how: How
) -> None:
    stage = booked(tmp_path, document=kind)
    how(stage)
    stage.run()
    assert stage.holds() == []

    sweep(stage)
    sweep(stage)

    assert why(stage) == [Why.DELETED_AFTER_POST if kind.posts else Why.VANISHED]
    assert len([*stage.invoices, *stage.bc_orders]) == 1


@pytest.mark.parametrize("how", HOWS)
def test_approving_credits_what_was_deleted_and_books_nothing_more(
    tmp_path: Path, how: How
) -> None:
    stage = booked(tmp_path)
    how(stage)
    sweep(stage)
    (hold,) = stage.holds()
    assert hold.message == (
        "Deleted in ShipStation; PS-INV103001 is booked. Approving posts a corrective credit memo "
        "over PS-INV103001 (25.50 USD), dated the day of approval, and books nothing more."
    )

    stage.decide(review.approve)
    sweep(stage)

    assert (balance(stage), len(stage.memos), stage.holds()) == (Decimal(0), 1, [])
    first, second = stage.generations(NUMBER)
    assert (first.state, first.waiting) == (State.CONFIRMED, CREDITED)
    assert (second.state, second.waiting) == (State.DROPPED, "deleted in ShipStation")


def test_what_is_ignored_stays_booked_and_is_not_asked_again(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    deleted(stage)
    sweep(stage)

    assert "stays booked" in stage.decide(review.ignore)
    sweep(stage)

    assert (balance(stage), stage.holds()) == (Decimal("25.50"), [])


def test_an_earlier_decision_does_not_cover_a_later_deletion(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    stage.reprice(NUMBER, "12.00")
    stage.run()
    assert why(stage) == [Why.EDITED_AFTER_POST]
    stage.decide(review.ignore)
    deleted(stage)

    sweep(stage)

    assert why(stage) == [Why.DELETED_AFTER_POST]


@pytest.mark.parametrize("kind", DocumentKind)
def test_what_was_sent_but_not_posted_is_held_when_its_order_goes(
    tmp_path: Path, kind: DocumentKind
) -> None:
    """Goods have left: neither posting nor dropping it would be right in silence."""
    stage = Stage.of(tmp_path, NUMBER, document=kind)
    stage.ship(NUMBER)
    stage.post_from("2026-04-01")
    stage.run()
    deleted(stage)

    sweep(stage)

    assert why(stage) == [Why.VANISHED]
    stage.post_from("")
    stage.decide(review.approve)
    sweep(stage)
    assert stage.holds() == []
    assert balance(stage) == (Decimal("25.50") if kind.posts else 0)
    assert stage.unit(NUMBER).state is State.CONFIRMED


@pytest.mark.parametrize("when", ["open", "shipped"])
def test_an_order_that_was_imported_again_is_not_deleted(tmp_path: Path, when: str) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=DocumentKind.SALES_ORDER, when=when)
    if when == "shipped":
        stage.ship(NUMBER)
    stage.run()
    first = stage.bc_orders[0]["id"]
    stage.orders[NUMBER] = stage.ss("reimport", NUMBER)["orderId"]
    sweep(stage)
    assert stage.holds() == []

    stage.ship(NUMBER, trackingNumber="1ZAGAIN")
    sweep(stage)

    (row,) = stage.bc_orders
    assert (row["id"], stage.holds()) == (first, [])
    assert stage.unit(NUMBER).state is State.CONFIRMED


def test_a_booked_order_that_was_imported_again_stays_as_it_is(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    stage.ss("reimport", NUMBER)

    sweep(stage)
    sweep(stage)

    assert (balance(stage), stage.holds()) == (Decimal("25.50"), [])


def test_an_order_that_is_there_again_ends_its_hold(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    table = stage.rig.world.shipstation
    deleted(stage)
    sweep(stage)
    assert why(stage) == [Why.DELETED_AFTER_POST]

    undelete(table, stage.orders[NUMBER])
    stage.ss("touch", NUMBER)
    stage.run()

    assert (balance(stage), stage.holds()) == (Decimal("25.50"), [])


def undelete(shipstation: Any, order_id: int) -> None:
    """Bring a deleted order back, as ShipStation's support can."""
    shipstation._account.orders.rows[order_id].hidden = False
    shipstation._account.orders._sorted.clear()


def test_replaying_a_deleted_order_does_not_bring_it_back(tmp_path: Path) -> None:
    """By its id a deleted order still answers as if nothing had happened."""
    stage = opened(tmp_path, DocumentKind.SALES_ORDER)
    deleted(stage)
    sweep(stage)
    assert stage.bc_orders == []

    with stage.rig.connection() as conn:
        replay(conn, Choice(orders=(NUMBER,)))

    assert (stage.bc_orders, stage.unit(NUMBER).state) == ([], State.DROPPED)


def test_nobody_is_asked_about_orders_that_lists_show(tmp_path: Path) -> None:
    stage = opened(tmp_path, DocumentKind.SALES_ORDER, "SO-1002")
    stage.pass_time(DAY)
    stage.rig.world.log.clear()
    stage.run()

    asked = [one.request.path for one in stage.rig.world.log.calls("shipstation")]
    assert [path for path in asked if "/orders/" in path or path.endswith("/stores")] == []


def test_the_orders_of_a_store_that_was_put_away_are_left_alone(tmp_path: Path) -> None:
    stage = opened(tmp_path, DocumentKind.SALES_ORDER)
    put_away(stage)
    deleted(stage)

    sweep(stage)

    assert (len(stage.bc_orders), stage.holds()) == (1, [])


def put_away(stage: Stage) -> None:
    account = stage.rig.world.shipstation._account
    for store in account.lists["stores"]:
        store["active"] = False


def test_a_great_many_missing_orders_are_asked_for_a_few_at_a_time(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, document=DocumentKind.SALES_ORDER, when="open")
    numbers = [f"SO-{n}" for n in range(2001, 2031)]
    for number in numbers:
        stage.take(order_row(number, ("ITEM-24", 1, "3.00")))
    stage.run()
    assert len(stage.bc_orders) == 30
    for number in numbers:
        stage.ss("delete", number)

    stage.pass_time(DAY)
    summary = stage.run()
    assert "30 orders are in no list of ShipStation; 25 of them were asked for." in (
        summary.report.notes
    )
    stage.run()
    assert len(stage.bc_orders) == 5
    sweep(stage)

    assert (stage.bc_orders, stage.holds()) == ([], [])
