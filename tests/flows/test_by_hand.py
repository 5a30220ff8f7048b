"""What people do in Business Central to our documents, and beside them, is seen and named."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcss import app
from bcss.config.schema import DocumentKind
from bcss.errors import Exit
from bcss.flows import review
from bcss.holds import Why
from bcss.sandbox.kit import Request
from bcss.units import State
from tests.flows.clerk import LEFT_OUT
from tests.flows.stage import BEGINS, Row, Stage, balance
from tests.flows.test_after_posting import credit_by_hand

NUMBER = "SO-1001"
KEY = "KEY-SO-1001"
DAY = 86_400
DRAFTS = (DocumentKind.DRAFT_INVOICE, DocumentKind.SALES_ORDER)
ORDERS = (DocumentKind.SALES_ORDER, DocumentKind.SHIP_AND_INVOICE)


def shipped(folder: Path, *more: str, **orders: Any) -> Stage:
    """Return a stage on which an order was shipped and is settled in Business Central."""
    stage = Stage.of(folder, NUMBER, *more, **orders)
    stage.ship(NUMBER)
    assert stage.run().errors == ()
    return stage


def opened(folder: Path, kind: DocumentKind) -> Stage:
    """Return a stage on which a sales order stands for an order that is still open."""
    stage = Stage.of(folder, NUMBER, document=kind, when="open")
    stage.run()
    return stage


def standing(stage: Stage) -> list[Row]:
    return [*stage.bc_orders, *(row for row in stage.invoices if not row["posted"])]


def sweep(stage: Stage) -> Any:
    stage.pass_time(DAY)
    return stage.run()


def copied(stage: Stage, price: str = "10.00", **header: Any) -> Row:
    """Return the invoice that a person would type after seeing ours."""
    (ours,) = stage.posted
    keys = ("lineType", "lineObjectNumber", "quantity", "unitPrice", "taxCode", "locationId")
    lines = [
        {key: line[key] for key in keys if line.get(key)}
        for line in ours["lines"]
        if line["lineType"] != "Comment"
    ]
    lines[0] |= {"unitPrice": Decimal(price), "taxCode": "NONTAXABLE"}
    lines[1] |= {"taxCode": "NONTAXABLE"}
    return {
        "customerNumber": "WEB",
        "postingDate": ours["postingDate"],
        "invoiceDate": ours["invoiceDate"],
        "externalDocumentNumber": ours["externalDocumentNumber"],
        "salesInvoiceLines": lines,
        **header,
    }


def typed(stage: Stage, body: Row, *, post: bool = True) -> Row:
    return stage.bc("create_by_person", entity="salesInvoices", body=body, post=post)


def reasons(stage: Stage) -> list[str]:
    return [one.why for one in stage.holds()]


@pytest.mark.parametrize("by_id", [True, False])
@pytest.mark.parametrize("kind", ORDERS)
def test_an_invoice_from_our_order_is_ours_whatever_its_reference(
    tmp_path: Path, kind: DocumentKind, by_id: bool
) -> None:
    stage = opened(tmp_path, kind)
    stage.bc("set", switches={"order_id_on_invoice": by_id})
    (row,) = stage.bc_orders
    stage.bc("edit_by_person", id=row["id"], changes={"externalDocumentNumber": "PO 4711"})
    stage.bc("post_by_person", id=row["id"])

    summary = sweep(stage)
    stage.ship(NUMBER, trackingNumber="1ZTEST")
    for _ in range(3):
        stage.run()

    assert (summary.errors, stage.holds(), stage.bc_orders) == ((), [], [])
    (invoice,) = stage.posted
    unit = stage.unit(NUMBER)
    assert (unit.state, unit.document_number) == (State.CONFIRMED, invoice["number"])
    assert (unit.document_id, unit.invoice_id) == (row["id"], invoice["id"])
    assert [one["parentId"] for one in stage.rows("documentAttachments")] == [invoice["id"]]


@pytest.mark.parametrize("by_id", [True, False])
def test_an_order_that_a_person_posted_is_no_missing_control(tmp_path: Path, by_id: bool) -> None:
    """The look-up's control has left `salesOrders`: it became an invoice, it was not deleted."""
    stage = shipped(tmp_path, "SO-1002", document=DocumentKind.SALES_ORDER)
    stage.bc("set", switches={"order_id_on_invoice": by_id})
    stage.bc("post_by_person", id=stage.bc_orders[0]["id"])

    stage.ship("SO-1002")
    for _ in range(2):
        assert stage.run().errors == ()

    assert stage.holds() == []
    assert stage.unit(NUMBER).document_number == stage.posted[0]["number"]
    assert [row["externalDocumentNumber"] for row in stage.bc_orders] == ["KEY-SO-1002"]


@pytest.mark.parametrize("kind", DocumentKind)
def test_another_reference_on_our_draft_is_an_edit_not_a_loss(
    tmp_path: Path, kind: DocumentKind
) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=kind)
    stage.ship(NUMBER)
    stage.run(max_post=0)
    (row,) = standing(stage)
    stage.bc("edit_by_person", id=row["id"], changes={"externalDocumentNumber": "PO 4711"})

    stage.run()

    if kind.posts:
        assert reasons(stage) == [Why.DRAFT_DIFFERS]
        assert "reference: PO 4711 instead of KEY-SO-1001" in stage.holds()[0].message
    assert (stage.posted, len(standing(stage))) == ([], 1)


def test_a_draft_that_the_list_hides_stops_booking_and_is_not_called_gone(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    stage.ship(NUMBER)
    stage.run(max_post=0)
    hidden = {"field": "externalDocumentNumber", "match": NUMBER, "path": "salesInvoices"}
    stage.rig.world.faults.add({"vendor": "bc", "do": "hide", **hidden})

    summary = stage.run()

    assert (summary.exit_code, stage.holds(), stage.posted) == (Exit.DENIED, [], [])
    stage.rig.world.faults.clear()
    stage.run()
    assert balance(stage) == Decimal("25.50")


@pytest.mark.parametrize("price", ["10.00", "11.00"])
@pytest.mark.parametrize("service", [True, False])
def test_a_second_invoice_posted_by_hand_is_booked_twice(
    tmp_path: Path, service: bool, price: str
) -> None:
    """The number series of both are one and the same, and nothing else marks it as posted."""
    stage = Stage.of(tmp_path, NUMBER)
    stage.bc("set", switches={"tracking_service": service})
    stage.ship(NUMBER)
    stage.run()
    second = typed(stage, copied(stage, price))

    summary = sweep(stage)

    (hold,) = summary.new_holds
    numbers = " and ".join(row["number"] for row in stage.posted)
    assert (hold.why, second["number"] in numbers) == (Why.BOOKED_TWICE, True)
    assert hold.message == f"{numbers} are both posted under KEY-{NUMBER}."
    assert summary.exit_code is Exit.HELD


def test_what_was_decided_about_a_second_invoice_is_not_asked_again(tmp_path: Path) -> None:
    stage = shipped(tmp_path)
    body = copied(stage)
    typed(stage, body)
    sweep(stage)
    stage.decide(review.ignore)

    for _ in range(2):
        sweep(stage)

    assert stage.holds() == []
    typed(stage, body)
    sweep(stage)
    assert reasons(stage) == [Why.BOOKED_TWICE]


@pytest.mark.parametrize("release", [True, False])
def test_a_second_draft_by_hand_is_a_surplus_draft(tmp_path: Path, release: bool) -> None:
    stage = shipped(tmp_path)
    second = typed(stage, copied(stage), post=False)
    if release:
        stage.bc("release", id=second["id"])

    sweep(stage)

    assert reasons(stage) == [Why.SURPLUS_DRAFT]
    assert len(stage.invoices) == 2


def test_a_second_draft_is_decided_before_what_became_of_the_order(tmp_path: Path) -> None:
    """Each run replaced one hold by the other, under a new number and without its age."""
    stage = shipped(tmp_path)
    second = typed(stage, copied(stage), post=False)
    stage.ss("cancel", NUMBER)
    stage.run()
    assert reasons(stage) == [Why.CANCELLED_AFTER_POST]
    sweep(stage)
    (first,) = stage.holds()

    for _ in range(3):
        sweep(stage)
        stage.run()

    assert (first.why, stage.holds()) == (Why.SURPLUS_DRAFT, [first])
    stage.bc("delete_by_person", id=second["id"])
    stage.decide(review.approve)
    stage.run()
    assert reasons(stage) == [Why.CANCELLED_AFTER_POST]


def test_leaving_a_second_draft_says_nothing_of_what_became_of_the_order(tmp_path: Path) -> None:
    stage = shipped(tmp_path)
    typed(stage, copied(stage), post=False)
    stage.reprice(NUMBER, "12.00")
    sweep(stage)
    assert reasons(stage) == [Why.SURPLUS_DRAFT]

    stage.decide(review.ignore)
    stage.run()

    assert reasons(stage) == [Why.EDITED_AFTER_POST]


def test_a_second_draft_does_not_let_a_stopped_store_post(tmp_path: Path) -> None:
    """Its hold took the place of the one that stops the store."""
    stage = Stage.of(tmp_path, NUMBER, "SO-1002")
    stage.ship(NUMBER)
    stage.bc("set", switches={"invoice_rounding": "1.00"})
    stage.run()
    stage.bc("set", switches={"invoice_rounding": ""})
    assert reasons(stage) == [Why.POSTED_TOTAL_DIFFERS]
    typed(stage, copied(stage), post=False)
    sweep(stage)
    stage.ship("SO-1002")

    stage.run()

    assert (reasons(stage), len(stage.posted)) == ([Why.POSTED_TOTAL_DIFFERS], 1)
    stage.decide(review.approve)
    sweep(stage)
    assert (reasons(stage), len(stage.posted)) == ([Why.SURPLUS_DRAFT], 2)


def test_two_invoices_that_stay_are_not_asked_about_again(tmp_path: Path) -> None:
    """The one that was ours had no number yet, and was looked for as a draft again."""
    stage = shipped(tmp_path, document=DocumentKind.SALES_ORDER)
    (ours,) = stage.bc_orders
    stage.bc("post_by_person", id=ours["id"])
    typed(stage, copied(stage))
    stage.ss("cancel", NUMBER)
    stage.run()
    assert reasons(stage) == [Why.BOOKED_TWICE]

    stage.decide(review.ignore)
    for _ in range(2):
        sweep(stage)

    assert stage.unit(NUMBER).document_number in {row["number"] for row in stage.posted}
    assert reasons(stage) == [Why.CANCELLED_AFTER_POST]


def test_an_invoice_posted_beside_the_answer_of_our_own_is_asked_about_once(tmp_path: Path) -> None:
    """Ours had no number yet, so that leaving the two as they are ended nothing."""
    stage = Stage.of(tmp_path, NUMBER, document=DocumentKind.SHIP_AND_INVOICE)
    stage.ship(NUMBER)

    def beside(vendor: str, request: Request) -> None:
        if vendor == "bc" and "shipAndInvoice" in request.path and len(stage.posted) == 1:
            body = {"action": "create_by_person", "entity": "salesInvoices"}
            made = stage.rig.world.run("bc", {**body, "body": copied(stage), "post": True})
            stage.rig.world.run("bc", {"action": "pay", "id": made["id"]})

    stage.rig.after = beside
    stage.run()
    stage.rig.after = None
    assert reasons(stage) == [Why.BOOKED_TWICE]
    ours = next(row for row in stage.posted if row["orderId"] or row["orderNumber"])

    stage.decide(review.ignore)
    for _ in range(2):
        sweep(stage)

    assert (stage.unit(NUMBER).document_number, stage.holds()) == (ours["number"], [])


@pytest.mark.parametrize("lost", [False, True])
def test_the_draft_that_corrects_a_credited_invoice_is_left_to_whoever_made_it(
    tmp_path: Path, lost: bool
) -> None:
    """Business Central's own correction copies the lines, our marker among them."""
    stage = shipped(tmp_path)
    (ours,) = stage.posted
    marker = [line for line in ours["lines"] if line["lineType"] == "Comment"]
    body = copied(stage)
    body["salesInvoiceLines"] += [
        {"lineType": "Comment", "description": line["description"]} for line in marker
    ]
    credit_by_hand(stage)
    typed(stage, body, post=False)

    if lost:
        stage.rig.config.state.path.unlink()
        app.rebuild(stage.rig.config, BEGINS, stage.rig.around)
    sweep(stage)

    assert [row["posted"] for row in stage.invoices] == [True, False]
    assert reasons(stage) == [Why.SURPLUS_DRAFT]


def test_a_twin_that_cannot_be_cleared_away_does_not_let_a_stopped_store_post(
    tmp_path: Path,
) -> None:
    stage = Stage.of(tmp_path, NUMBER, "SO-1002")
    stage.ship(NUMBER)
    stage.create_late()
    stage.bc("set", switches={"invoice_rounding": "1.00"})

    def landing(vendor: str, request: Request) -> None:
        if vendor == "bc" and "Microsoft.NAV.post" in request.path:
            stage.rig.world.settle(everything=True)

    stage.rig.after = landing
    refusal = {"error": {"code": "Application_DialogException", "message": "It is open."}}
    rule = {"vendor": "bc", "method": "DELETE", "do": "reject", "status": 400, "times": 0}
    stage.rig.world.faults.add({**rule, "content": json.dumps(refusal)})
    stage.run()
    stage.rig.after = None
    stage.bc("set", switches={"invoice_rounding": ""})
    stage.ship("SO-1002")

    stage.run()

    assert (reasons(stage), len(stage.posted)) == ([Why.POSTED_TOTAL_DIFFERS], 1)


def test_an_invoice_for_somebody_else_is_none_of_ours(tmp_path: Path) -> None:
    stage = shipped(tmp_path)
    typed(stage, copied(stage, customerNumber="AMZN"))

    assert sweep(stage).new_holds == ()


@pytest.mark.parametrize("kind", DRAFTS)
def test_the_sweep_sees_that_a_standing_document_was_deleted(
    tmp_path: Path, kind: DocumentKind
) -> None:
    stage = shipped(tmp_path, document=kind)
    stage.bc("delete_by_person", id=standing(stage)[0]["id"])
    assert stage.run().new_holds == ()

    sweep(stage)
    assert (reasons(stage), standing(stage)) == ([Why.DRAFT_GONE], [])
    stage.decide(review.approve)
    for _ in range(2):
        stage.run()

    assert (len(standing(stage)), stage.holds()) == (1, [])
    assert stage.unit(NUMBER).state is State.CONFIRMED


@pytest.mark.parametrize("kind", ORDERS)
def test_the_sweep_sees_that_the_sales_order_of_an_open_order_was_deleted(
    tmp_path: Path, kind: DocumentKind
) -> None:
    stage = opened(tmp_path, kind)
    stage.bc("delete_by_person", id=stage.bc_orders[0]["id"])

    sweep(stage)
    assert reasons(stage) == [Why.DRAFT_GONE]
    stage.decide(review.approve)
    stage.run()
    assert len(stage.bc_orders) == 1
    stage.ship(NUMBER)
    stage.run()

    assert (stage.holds(), len(stage.posted)) == ([], kind.posts)


@pytest.mark.parametrize("kind", DRAFTS)
def test_a_deleted_document_stays_away_when_ignored(tmp_path: Path, kind: DocumentKind) -> None:
    stage = shipped(tmp_path, document=kind)
    stage.bc("delete_by_person", id=standing(stage)[0]["id"])
    sweep(stage)

    assert stage.decide(review.ignore) == f"SO-1001 (25.50 USD) {LEFT_OUT.format(1)}"
    for _ in range(2):
        sweep(stage)

    assert (standing(stage), stage.posted, stage.holds()) == ([], [], [])
    assert stage.unit(NUMBER).state is State.DROPPED


def test_an_untouched_standing_document_costs_no_call_of_its_own(tmp_path: Path) -> None:
    """The list that the sweep reads anyway shows it."""
    stage = shipped(tmp_path, document=DocumentKind.SALES_ORDER)
    stage.rig.world.log.clear()
    sweep(stage)

    asked = [one.request.path for one in stage.rig.world.log.calls("bc")]
    assert [path for path in asked if path.split("/")[-1].startswith("salesOrders(")] == []


def test_a_draft_deleted_while_its_post_is_in_doubt_is_not_taken_for_posted(
    tmp_path: Path,
) -> None:
    """It is absent from the drafts, as a posted one is, and the list had just shown it."""
    stage = Stage.of(tmp_path, NUMBER, "SO-1002")
    stage.ship(NUMBER)
    stage.ship("SO-1002")
    stage.rig.world.faults.add(
        {"vendor": "bc", "path": "Microsoft.NAV.post", "do": "reject", "status": 500, "nth": 1}
    )
    calls: list[str] = []

    def after(_: str, request: Request) -> None:
        calls.append(f"{request.method} {request.path.rpartition('/')[2]}")
        drafts = {row["externalDocumentNumber"]: row["id"] for row in stage.invoices}
        if calls[-2:] == ["POST Microsoft.NAV.post", "GET salesInvoices"] and KEY in drafts:
            stage.rig.world.run("bc", {"action": "delete_by_person", "id": drafts[KEY]})

    stage.rig.after = after
    stage.run()
    stage.rig.after = None
    stage.pass_time(3600)
    stage.run()

    posting = calls.index("POST Microsoft.NAV.post")
    assert calls[posting + 1 : posting + 3] == ["GET salesInvoices", "GET workflowSalesDocuments"]
    assert [hold.why for hold in stage.holds()] == [Why.DRAFT_GONE]
    assert stage.unit(NUMBER).state is not State.CONFIRMED
    assert [row["externalDocumentNumber"] for row in stage.posted] == ["KEY-SO-1002"]
