"""Every kind of document: what it becomes, how it is found, and death at every call."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from bcss.config.schema import DocumentKind
from bcss.flows import review
from bcss.holds import Why
from bcss.units import State
from tests.flows.stage import Killed, Killer, Row, Stage, balance

NUMBER = "SO-1001"
ORDERS = (DocumentKind.SALES_ORDER, DocumentKind.SHIP_AND_INVOICE)
DRAFTS = (DocumentKind.DRAFT_INVOICE, DocumentKind.SALES_ORDER)


def standing(stage: Stage) -> list[Row]:
    """Return every unposted document."""
    return [*stage.bc_orders, *(row for row in stage.invoices if not row["posted"])]


@pytest.mark.parametrize("kind", DocumentKind)
def test_each_kind_becomes_one_document_with_total_dates_and_tracking(
    tmp_path: Path, kind: DocumentKind
) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=kind, document_date="order")
    stage.ship(NUMBER, trackingNumber="1ZTEST")

    summary = stage.run()
    again = stage.run()

    assert (summary.errors, summary.new_holds) == ((), ())
    assert sum(again.requests.values()) <= 10
    unit = stage.unit(NUMBER)
    assert (unit.state, unit.kind) == (State.CONFIRMED, kind)
    assert len(stage.posted) == kind.posts
    assert len(standing(stage)) == (not kind.posts)
    (row,) = stage.posted or standing(stage)
    assert Decimal(row["totalAmountIncludingTax"]) == Decimal("25.50")
    assert (row["agent"], row["service"], row["trackingNumber"]) == ("UPS", "GROUND", "1ZTEST")
    assert row["postingDate"] == "2026-03-10"
    assert (row.get("orderDate") or row["invoiceDate"]) == "2026-03-09"
    assert row["externalDocumentNumber"] == unit.reference == f"KEY-{NUMBER}"
    if kind is DocumentKind.SHIP_AND_INVOICE:
        assert stage.bc_orders == []
        assert (row["orderId"], row["id"]) == (unit.document_id, unit.invoice_id)
        assert row["number"] == unit.document_number != unit.draft_number
        assert [one["orderNumber"] for one in stage.rows("salesShipments")] == [unit.draft_number]
    elif kind is DocumentKind.POSTED_INVOICE:
        assert (row["id"], unit.invoice_id) == (unit.document_id, "")
        assert row["number"] == unit.document_number != unit.draft_number
    else:
        assert (row["id"], row["number"]) == (unit.document_id, unit.draft_number)
        assert unit.document_number == ""


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("settle", [timedelta(0), timedelta(minutes=20)])
@pytest.mark.parametrize("kind", DocumentKind)
def test_dying_at_any_call_leaves_one_document(
    tmp_path: Path, kind: DocumentKind, settle: timedelta, when: str
) -> None:
    total = 0
    at = 0
    while at <= total:
        stage = Stage.of(tmp_path / f"{at}", NUMBER, "SO-1002", document=kind, settle=settle)
        stage.ship(NUMBER)
        stage.ship("SO-1002")
        killer = Killer(at, when)
        killer.install(stage.rig)
        if at == 0:
            stage.run()
            total = killer.seen
            assert total >= 4
        else:
            with pytest.raises(Killed):
                stage.run()
        stage.rig.before = stage.rig.after = None
        stage.run()
        stage.pass_time(settle.total_seconds() + 1)
        stage.run()
        assert stage.holds() == [], f"killed {when} call {at}"
        assert len(stage.posted) == 2 * kind.posts
        assert len(standing(stage)) == 2 * (not kind.posts)
        assert {row["trackingNumber"] for row in [*stage.posted, *standing(stage)]} == {
            row["trackingNumber"] for row in stage.rig.world.shipstation.state()["shipments"]
        }
        at += 1


@pytest.mark.parametrize("do", ["drop", "late", "error_after"])
@pytest.mark.parametrize("action", ["salesOrders$", "shipAndInvoice"])
def test_a_lost_answer_for_an_order_is_looked_up(tmp_path: Path, do: str, action: str) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=DocumentKind.SHIP_AND_INVOICE)
    stage.ship(NUMBER)
    rule = {"vendor": "bc", "path": action, "method": "POST", "do": do, "times": 1}
    stage.rig.world.faults.add(rule | ({"after": 600} if do == "late" else {}))

    for _ in range(3):
        stage.run()
        stage.pass_time(1300)

    assert balance(stage) == Decimal("25.50")
    assert (len(stage.posted), stage.bc_orders, stage.holds()) == (1, [], [])


@pytest.mark.parametrize("kind", DRAFTS)
def test_an_edit_after_shipping_replaces_a_standing_document(
    tmp_path: Path, kind: DocumentKind
) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=kind)
    stage.ship(NUMBER)
    stage.run()
    first = standing(stage)[0]["id"]

    stage.reprice(NUMBER, "12.00")
    stage.run()
    stage.run()

    (row,) = standing(stage)
    assert row["id"] != first
    assert Decimal(row["totalAmountIncludingTax"]) == Decimal("29.50")
    assert (stage.unit(NUMBER).state, stage.holds()) == (State.CONFIRMED, [])


@pytest.mark.parametrize("kind", DRAFTS)
def test_a_new_label_renews_the_tracking_of_a_standing_document(
    tmp_path: Path, kind: DocumentKind
) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=kind)
    stage.ship(NUMBER, trackingNumber="1ZFIRST")
    stage.run()
    shipment = stage.rig.world.shipstation.state()["shipments"][0]["shipmentId"]
    stage.ss("void", shipmentId=shipment)
    stage.run()
    assert (len(standing(stage)), stage.holds()) == (1, [])

    stage.ship(NUMBER, trackingNumber="1ZSECOND")
    stage.run()

    (row,) = standing(stage)
    assert row["trackingNumber"] == "1ZSECOND"
    assert "1ZSECOND" in " ".join(line["description"] for line in row["lines"])
    assert stage.unit(NUMBER).state is State.CONFIRMED


@pytest.mark.parametrize("kind", DRAFTS)
def test_a_cancelled_order_takes_its_standing_document_along(
    tmp_path: Path, kind: DocumentKind
) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=kind)
    stage.ship(NUMBER)
    stage.run()

    stage.ss("cancel", NUMBER)
    stage.run()

    assert (standing(stage), stage.holds()) == ([], [])
    assert stage.unit(NUMBER).state is State.DROPPED


@pytest.mark.parametrize("kind", DRAFTS)
def test_a_document_that_a_person_changed_is_never_taken_back(
    tmp_path: Path, kind: DocumentKind
) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=kind)
    stage.ship(NUMBER)
    stage.run()
    stage.bc("edit_by_person", id=standing(stage)[0]["id"], line=0, changes={"quantity": 3})

    stage.reprice(NUMBER, "12.00")
    summary = stage.run()

    assert [hold.why for hold in summary.new_holds] == [Why.BC_DRAFT_EDITED]
    (row,) = standing(stage)
    stage.decide(review.approve)
    stage.run()
    stage.run()
    assert [one["id"] for one in standing(stage)] == [row["id"]]
    assert Decimal(standing(stage)[0]["lines"][0]["quantity"]) == 3
    assert (stage.unit(NUMBER).state, stage.holds()) == (State.CONFIRMED, [])


@pytest.mark.parametrize("kind", DRAFTS)
def test_a_person_who_posts_the_document_is_seen(tmp_path: Path, kind: DocumentKind) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=kind)
    stage.ship(NUMBER)
    stage.run()
    stage.bc("post_by_person", id=standing(stage)[0]["id"])

    stage.pass_time(86_400)  # the sweep is due
    stage.run()
    stage.run()

    unit = stage.unit(NUMBER)
    assert (unit.state, unit.document_number) == (State.CONFIRMED, stage.posted[0]["number"])
    stage.reprice(NUMBER, "12.00")
    summary = stage.run()
    assert [hold.why for hold in summary.new_holds] == [Why.EDITED_AFTER_POST]
    stage.decide(review.approve)
    stage.run()
    assert balance(stage) == 0
    assert [Decimal(row["totalAmountIncludingTax"]) for row in standing(stage)] == [
        Decimal("29.50")
    ]


@pytest.mark.parametrize("kind", DRAFTS)
def test_a_posting_by_a_person_is_seen_when_the_order_changes(
    tmp_path: Path, kind: DocumentKind
) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=kind)
    stage.ship(NUMBER)
    stage.run()
    stage.bc("post_by_person", id=standing(stage)[0]["id"])

    stage.ss("cancel", NUMBER)
    stage.run()
    stage.run()

    assert [hold.why for hold in stage.holds()] == [Why.CANCELLED_AFTER_POST]
    assert len(stage.posted) == 1


def test_reversing_an_invoice_made_from_an_order(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=DocumentKind.SHIP_AND_INVOICE)
    stage.ship(NUMBER)
    stage.run()
    stage.reprice(NUMBER, "12.00")
    stage.run()

    stage.decide(review.approve)
    stage.run()

    assert balance(stage) == Decimal("29.50")
    assert (len(stage.posted), len(stage.memos), stage.bc_orders) == (2, 1, [])
    assert stage.holds() == []


@pytest.mark.parametrize("kind", DocumentKind)
def test_a_deleted_draft_is_made_again_only_when_approved(
    tmp_path: Path, kind: DocumentKind
) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=kind)
    stage.ship(NUMBER)
    stage.post_from("2026-04-01")
    stage.run()
    if kind.posts:
        assert [hold.why for hold in stage.holds()] == [Why.PERIOD_CLOSED]
        return
    stage.bc("delete_by_person", id=standing(stage)[0]["id"])
    stage.reprice(NUMBER, "12.00")
    stage.run()
    assert [hold.why for hold in stage.holds()] == [Why.DRAFT_GONE]

    stage.decide(review.approve)
    stage.run()
    stage.run()

    assert [Decimal(row["totalAmountIncludingTax"]) for row in standing(stage)] == [
        Decimal("29.50")
    ]
    assert stage.holds() == []


def test_a_sales_order_that_a_person_released_is_not_said_to_be_posted(tmp_path: Path) -> None:
    """The order changed after that, so that its document was to be taken back."""
    stage = Stage.of(tmp_path, NUMBER, document=DocumentKind.SALES_ORDER)
    stage.ship(NUMBER)
    stage.run()
    stage.bc("release", id=stage.bc_orders[0]["id"])
    stage.reprice(NUMBER, "12.00")

    stage.run()
    stage.run()

    (hold,) = stage.holds()
    assert hold.why == Why.BC_DRAFT_EDITED
    assert "somebody has worked on it" in hold.message
