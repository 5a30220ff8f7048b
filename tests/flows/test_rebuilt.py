"""What a rebuilt database makes of orders that wait, moved, were merged, or had another kind."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcss import app
from bcss.config.schema import DocumentKind, ItemAlias
from bcss.flows import review
from bcss.flows.reopening import reopen
from bcss.holds import Why
from bcss.units import State
from tests.flows.stage import ANOTHER, BEGINS, Stage, balance, order_row
from tests.rig import PARTS, STORE, SkewedClock, store_rule

NUMBER = "SO-1001"
DAY = 86_400
LONG_AGO = BEGINS - timedelta(days=5)


def rebuild(stage: Stage, since: datetime = LONG_AGO) -> None:
    stage.rig.config.state.path.unlink()
    app.rebuild(stage.rig.config, since, stage.rig.around)


def days_pass(stage: Stage, count: int = 3) -> None:
    for _ in range(count):
        stage.pass_time(DAY)
        stage.run()
        stage.run()


def ship_later(stage: Stage) -> None:
    stage.ship(NUMBER, shipDate="2026-03-11")
    stage.run()


def ship_now(stage: Stage) -> None:
    stage.ship(NUMBER)


def ship_without_label(stage: Stage) -> None:
    stage.ss("edit", NUMBER, changes={"orderStatus": "shipped"})
    stage.pass_time(600)


def ship_half(stage: Stage) -> None:
    items = stage.order(NUMBER)["items"]
    stage.ss("split", NUMBER, items=[items[0]["orderItemId"]])
    stage.ship(NUMBER)
    stage.pass_time(600)


@pytest.mark.parametrize(
    ("wait", "ends"),
    [
        (ship_later, ""),
        (ship_now, ""),
        (ship_without_label, Why.NO_SHIP_EVIDENCE),
        (ship_half, Why.WAITING_TOO_LONG),
    ],
)
def test_an_order_that_waits_while_the_database_is_rebuilt_goes_on(
    tmp_path: Path, wait: Callable[[Stage], None], ends: str
) -> None:
    """The cold hold took the place of what it waited for, which nothing ended then."""
    stores = {STORE: store_rule(hold_after=timedelta(days=1))}
    stage = Stage.of(tmp_path, NUMBER, stores=stores)
    stage.run()
    wait(stage)

    rebuild(stage)
    days_pass(stage)

    assert [hold.why for hold in stage.holds()] == ([ends] if ends else [])
    assert len(stage.posted) == (not ends)


def _moved(folder: Path) -> Stage:
    """Book an order whose key gives no plain reference, then move it to another store."""
    stage = Stage.of(folder)
    row: dict[str, Any] = order_row(NUMBER, ("ITEM-24", 2, "10.00"))
    stage.take({**row, "orderKey": f"key-{NUMBER}"})
    stage.ship(NUMBER)
    stage.run()
    stage.ss("move_store", NUMBER, storeId=ANOTHER)
    stage.run()
    stage.pass_time(DAY)
    return stage


@pytest.mark.parametrize("touched", [True, False])
def test_an_order_that_moved_is_found_by_a_rebuild_though_it_waits(
    tmp_path: Path, touched: bool
) -> None:
    stage = _moved(tmp_path)
    if touched:  # so that it waits for the next poll
        stage.ss("touch", NUMBER)

    rebuild(stage)
    days_pass(stage)

    assert len(stage.posted) == 1


def test_an_order_that_moved_and_that_the_rebuild_did_not_read_is_not_booked_again(
    tmp_path: Path,
) -> None:
    stage = _moved(tmp_path)
    rebuild(stage, BEGINS + timedelta(hours=12))
    stage.pass_time(1300)
    stage.ss("touch", NUMBER)
    stage.ship(NUMBER)

    days_pass(stage)

    assert len(stage.posted) == 1


@pytest.mark.parametrize("when", ["before", "while it waits", "never read"])
def test_an_order_of_the_same_key_and_number_in_another_store_has_not_moved(
    tmp_path: Path, when: str
) -> None:
    stage = Stage.of(tmp_path)
    row: dict[str, Any] = {**order_row(NUMBER, ("ITEM-24", 2, "10.00")), "orderKey": "key-1"}
    first = stage.take(row)
    stage.ss("label", orderId=first)
    stage.run()
    stage.pass_time(60 * DAY if when == "never read" else DAY)
    stage.take({**row, "advancedOptions": {"storeId": ANOTHER}})
    if when == "before":
        stage.ship(NUMBER)
    rebuild(stage, stage.rig.world.clock.now() - timedelta(days=2))
    stage.pass_time(1500)
    if when != "before":
        stage.ship(NUMBER)

    days_pass(stage)

    assert stage.holds() == []
    assert len(stage.posted) == 2


def test_a_rebuild_since_a_day_is_not_undone_by_the_next_run(tmp_path: Path) -> None:
    """What a clerk had decided before that day would be booked after all."""
    stage = Stage.of(tmp_path)
    stage.take(order_row(NUMBER, ("MYSTERY", 1, "7.00")))
    stage.ship(NUMBER)
    stage.run()
    stage.decide(review.ignore)
    stage.pass_time(50 * DAY)
    skus = {**stage.rig.config.orders.skus, "MYSTERY": ItemAlias("ITEM-24")}
    orders = replace(stage.rig.config.orders, skus=skus)
    stage.rig.config = replace(stage.rig.config, digest="2" * 64, orders=orders)

    rebuild(stage, stage.rig.world.clock.now() - timedelta(days=2))
    days_pass(stage)

    assert (stage.posted, stage.holds()) == ([], [])


@pytest.mark.parametrize("status", ["cancelled", "deleted", "awaiting_shipment"])
def test_a_rebuild_finds_what_is_billed_before_it_books_what_absorbed_it(
    tmp_path: Path, status: str
) -> None:
    stage = Stage.of(tmp_path, NUMBER, "SO-1002")
    stage.ship(NUMBER)
    stage.run()
    stage.ss("edit", NUMBER, changes={"orderStatus": "awaiting_shipment"})
    absorbed = [stage.orders[NUMBER]]
    stage.ss("merge", into=stage.orders["SO-1002"], absorbed=absorbed, status=status)
    stage.ship("SO-1002")
    stage.run()
    assert len(stage.posted) == 1

    rebuild(stage)
    days_pass(stage)

    # what the lost database knew of the invoice is not certain: a person decides, the other waits
    assert len(stage.invoices) == 1
    assert [hold.why for hold in stage.holds()] == [Why.DRAFT_AFTER_FAILED_POST]


def test_a_document_found_by_a_rebuild_is_not_forgotten_when_its_order_joins_a_family(
    tmp_path: Path,
) -> None:
    stage = Stage.of(tmp_path, "SO-1002", NUMBER)
    label = stage.ship(NUMBER)
    stage.run()
    rebuild(stage)
    stage.pass_time(1300)
    stage.run()
    stage.ss("void", shipmentId=label["shipmentId"])
    survivor = stage.orders["SO-1002"]
    absorbed = [stage.orders[NUMBER]]
    stage.ss("merge", into=survivor, absorbed=absorbed, status="awaiting_shipment")
    linked = {**stage.order(NUMBER)["advancedOptions"], "parentId": survivor}
    stage.ss("edit", NUMBER, changes={"advancedOptions": linked, "orderTotal": 0, "items": []})
    stage.run()
    stage.ship("SO-1002")
    stage.ss("edit", NUMBER, changes={"orderStatus": "shipped"})

    days_pass(stage)

    assert stage.holds()
    assert len(stage.posted) == 1


@pytest.mark.parametrize("tax", ["account", "excluded"])
def test_an_order_that_was_voided_while_its_database_was_lost_is_said_to_be(
    tmp_path: Path, tax: str
) -> None:
    """It was said to have been edited: a rebuild does not know what was booked but for its total."""
    rule = store_rule() if tax == "account" else store_rule(tax="excluded")
    kind = DocumentKind.SHIP_AND_INVOICE
    stage = Stage.of(tmp_path, stores={STORE: rule}, document=kind)
    stage.take(order_row(NUMBER, ("ITEM-24", 2, "10.00"), taxAmount=Decimal("1.60")))
    label = stage.ship(NUMBER)
    stage.run()
    assert len(stage.posted) == 1
    stage.ss("void", shipmentId=label["shipmentId"])

    rebuild(stage)
    days_pass(stage)

    assert [hold.why for hold in stage.holds()] == [Why.VOIDED_AFTER_POST]


def test_a_sales_order_is_found_though_invoices_are_made_now(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=DocumentKind.SALES_ORDER)
    stage.ship(NUMBER)
    stage.run()
    orders = replace(stage.rig.config.orders, document=DocumentKind.POSTED_INVOICE)
    stage.rig.config = replace(stage.rig.config, digest="2" * 64, orders=orders)

    rebuild(stage)
    days_pass(stage)

    assert stage.holds() == []
    assert len(stage.posted) + len(stage.bc_orders) == 1


def _far_ahead(stage: Stage) -> app.Surroundings:
    return replace(stage.rig.around, clock=SkewedClock(stage.rig.world, 400.0 * DAY))


def test_a_rebuild_by_a_clock_far_ahead_waits_one_horizon_only(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    stage.run()
    stage.rig.config.state.path.unlink()
    app.rebuild(stage.rig.config, LONG_AGO, _far_ahead(stage))
    stage.ship(NUMBER)

    days_pass(stage, 1)

    assert len(stage.posted) == 1


def test_a_clock_that_was_far_ahead_once_does_not_put_off_the_sweep(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    stage.ship(NUMBER)
    stage.run()
    app.run(stage.rig.config, "sync", PARTS, None, _far_ahead(stage))
    stage.ss("delete", NUMBER)

    days_pass(stage, 1)

    assert [hold.why for hold in stage.holds()] == [Why.DELETED_AFTER_POST]


@pytest.mark.parametrize("reopened", [True, False])
def test_a_label_that_comes_after_a_rebuild_is_attached_once(
    tmp_path: Path, reopened: bool
) -> None:
    """An order that was open again while the rebuild read it has no draft to compare with."""
    stage = Stage.of(tmp_path, NUMBER, document=DocumentKind.SHIP_AND_INVOICE)
    stage.ship(NUMBER)
    stage.run()
    if reopened:
        stage.ss("edit", NUMBER, changes={"orderStatus": "awaiting_shipment"})
    rebuild(stage)
    days_pass(stage, 1)
    later = stage.ship(NUMBER, trackingNumber="1ZLATER")

    days_pass(stage, 2)

    names = [row["fileName"] for row in stage.rows("documentAttachments")]
    assert names == [f"tracking-{later['shipmentId']}.txt"]
    assert (len(stage.posted), stage.holds()) == (1, [])


def _credited(folder: Path) -> Stage:
    """Return a stage on which a database was lost after the credit that an approval had asked for."""
    stage = Stage.of(folder, NUMBER)
    label = stage.ship(NUMBER)
    stage.run()
    stage.ss("void", shipmentId=label["shipmentId"])
    stage.run()
    stage.decide(review.approve)
    stage.run()
    assert balance(stage) == 0
    rebuild(stage)
    days_pass(stage, 1)
    assert stage.holds() == []  # nothing is sent
    return stage


@pytest.mark.parametrize("verb", [review.approve, review.ignore])
def test_an_order_that_was_credited_before_the_loss_is_asked_about(
    tmp_path: Path, verb: Callable[..., str]
) -> None:
    """Whether it was to be booked again is lost with the database."""
    stage = _credited(tmp_path)

    stage.ship(NUMBER)
    days_pass(stage, 1)
    assert [hold.why for hold in stage.holds()] == [Why.CREDITED_BY_HAND]
    stage.decide(verb)
    days_pass(stage, 1)

    assert (stage.holds(), balance(stage)) == ([], Decimal("25.50") * (verb is review.approve))


def test_an_ignored_credit_is_held_again_when_that_is_taken_back(tmp_path: Path) -> None:
    stage = _credited(tmp_path)
    stage.ship(NUMBER)
    days_pass(stage, 1)
    (hold,) = stage.holds()
    stage.decide(review.ignore)

    with stage.rig.connection() as conn:
        reopen(conn, review.Decision(hold, "clerk", "on second thoughts"))
    stage.run()

    assert [one.label for one in stage.holds()] == [hold.label]


def _ship_in_two_days(stage: Stage) -> None:
    day = stage.rig.world.clock.now() + timedelta(days=2)
    stage.ship(NUMBER, shipDate=day.date().isoformat())


def _ship_as_the_poll_begins(stage: Stage) -> None:
    stage.run()
    label = {"action": "label", "orderId": stage.orders[NUMBER], "serviceCode": "ups_ground"}
    stage.rig.world.run("shipstation", label)
    stage.rig.run()


def _ship_from_nowhere(stage: Stage) -> None:
    stage.set_rule(location="NOWHERE")
    stage.configure("3")
    stage.ship(NUMBER)


@pytest.mark.parametrize(
    "ship", [_ship_in_two_days, _ship_as_the_poll_begins, _ship_from_nowhere, ship_without_label]
)
def test_a_credited_order_is_asked_about_however_it_is_sent(
    tmp_path: Path, ship: Callable[[Stage], None]
) -> None:
    stage = _credited(tmp_path)

    ship(stage)
    days_pass(stage)

    assert [hold.why for hold in stage.holds()] == [Why.CREDITED_BY_HAND]


def test_an_invoice_that_is_hidden_is_not_booked_again_though_its_twin_was_deleted(
    tmp_path: Path,
) -> None:
    """The deletion of the twin was taken for the deletion of the invoice."""
    stage = Stage.of(tmp_path, NUMBER, "SO-1002")
    stage.ship(NUMBER)
    stage.create_late()
    stage.run()
    (ours,) = stage.posted
    stage.bc("pay", id=ours["id"])
    stage.pass_time(1500)
    stage.rig.world.settle()
    assert len(stage.invoices) == 2
    rebuild(stage)
    days_pass(stage, 1)
    assert len(stage.invoices) == 1
    row, missing = f"salesInvoices\\({ours['id']}\\)", {"code": "Internal_RecordNotFound"}
    hide = {"vendor": "bc", "do": "hide", "path": "salesInvoices$", "field": "id"}
    reject = {"vendor": "bc", "do": "reject", "times": 0, "status": 404, "path": row}
    stage.rig.world.faults.add({**hide, "match": ours["id"]})
    stage.rig.world.faults.add({**reject, "content": json.dumps({"error": missing})})
    stage.ship("SO-1002")

    days_pass(stage, 1)

    references = [one["externalDocumentNumber"] for one in stage.posted]
    assert references.count(ours["externalDocumentNumber"]) == 1


def test_a_second_draft_left_beside_a_rebuilt_invoice_keeps_it_from_nothing(
    tmp_path: Path,
) -> None:
    """The invoice was never confirmed, so that what became of its order had no number."""
    stage = Stage.of(tmp_path, NUMBER)
    stage.ship(NUMBER)
    stage.run()
    (ours,) = stage.posted
    body = {
        "customerNumber": "WEB",
        "externalDocumentNumber": ours["externalDocumentNumber"],
        "salesInvoiceLines": [{"lineType": "Account", "lineObjectNumber": "40500", "quantity": 1}],
    }
    stage.bc("pay", id=ours["id"])  # so that it is certainly posted
    stage.bc("create_by_person", entity="salesInvoices", body=body)
    rebuild(stage)
    days_pass(stage, 1)
    assert [hold.why for hold in stage.holds()] == [Why.SURPLUS_DRAFT]

    stage.decide(review.ignore)
    days_pass(stage, 2)

    unit = stage.unit(NUMBER)
    assert (unit.state, unit.document_number) == (State.CONFIRMED, ours["number"])
    assert stage.holds() == []


def test_an_invoice_beside_a_persons_draft_is_taken_up_by_the_rebuild(tmp_path: Path) -> None:
    """It waited for the next create, which never comes for an order that is not to be sent."""
    stage = Stage.of(tmp_path, NUMBER)
    label = stage.ship(NUMBER)
    stage.run()
    (ours,) = stage.posted
    stage.bc("pay", id=ours["id"])  # so that it is certainly posted
    body = {
        "customerNumber": "WEB",
        "externalDocumentNumber": ours["externalDocumentNumber"],
        "salesInvoiceLines": [{"lineType": "Account", "lineObjectNumber": "40500", "quantity": 1}],
    }
    second = stage.bc("create_by_person", entity="salesInvoices", body=body)
    rebuild(stage)
    stage.ss("void", shipmentId=label["shipmentId"])

    days_pass(stage, 1)

    assert stage.unit(NUMBER).document_id == ours["id"]
    assert [hold.why for hold in stage.holds()] == [Why.SURPLUS_DRAFT]
    stage.bc("delete_by_person", id=second["id"])
    stage.decide(review.approve)
    days_pass(stage, 1)
    assert [hold.why for hold in stage.holds()] == [Why.VOIDED_AFTER_POST]


@pytest.mark.parametrize("kind", [DocumentKind.POSTED_INVOICE, DocumentKind.DRAFT_INVOICE])
def test_a_rebuild_keeps_the_reference_that_a_person_had_approved(
    tmp_path: Path, kind: DocumentKind
) -> None:
    """Our own document was held for carrying another reference than the plain one."""
    stage = Stage.of(tmp_path, NUMBER, document=kind)
    line = {"lineType": "Account", "lineObjectNumber": "40500", "quantity": 1}
    body = {
        "customerNumber": "AMZN",
        "externalDocumentNumber": f"KEY-{NUMBER}",
        "salesInvoiceLines": [line],
    }
    stage.bc("create_by_person", entity="salesInvoices", body=body)
    stage.ship(NUMBER)
    stage.run()
    assert [hold.why for hold in stage.holds()] == [Why.REFERENCE_IN_USE]
    stage.decide(review.approve)
    stage.run()
    reference = stage.unit(NUMBER).reference
    assert reference.startswith("BX-")

    rebuild(stage)
    days_pass(stage, 2)

    unit = stage.unit(NUMBER)
    assert (stage.holds(), len(stage.invoices)) == ([], 2)
    assert (unit.state, unit.reference) == (State.CONFIRMED, reference)


def test_a_label_that_comes_right_after_a_rebuild_is_attached(tmp_path: Path) -> None:
    """The refusal to change what is posted was held as if something were to be corrected."""
    stage = Stage.of(tmp_path, NUMBER)
    stage.ship(NUMBER)
    stage.run()
    rebuild(stage)
    later = stage.ship(NUMBER, trackingNumber="1ZLATER")

    days_pass(stage, 2)

    names = [row["fileName"] for row in stage.rows("documentAttachments")]
    assert names == [f"tracking-{later['shipmentId']}.txt"]
    assert (len(stage.posted), stage.holds()) == (1, [])
