"""Drafts that people edit, post or delete while they are held, and orders held as one."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcss.cli.papers import shipstation_total
from bcss.config.schema import DocumentKind
from bcss.errors import FixConfig
from bcss.flows import review
from bcss.flows.replay import Choice, replay
from bcss.holds import Hold, Why
from bcss.sandbox.kit import Request
from bcss.units import State
from tests.flows.clerk import LEFT_OUT
from tests.flows.stage import Stage, balance, order_row

NUMBER = "SO-1001"


def held_draft(folder: Path, why: Why, **orders: Any) -> Stage:
    """Return a stage on which the draft of an order is held."""
    stage = Stage.of(folder, NUMBER, **orders)
    stage.bc("set", switches={"fail_post": [{"match": NUMBER, "text": "No.", "times": 1}]})
    stage.ship(NUMBER)
    stage.run()
    (draft,) = stage.invoices
    match why:
        case Why.BC_DRAFT_EDITED:
            stage.bc(
                "edit_by_person", id=draft["id"], line=0, changes={"unitPrice": Decimal("7.00")}
            )
            replayed(stage)
        case Why.DRAFT_AFTER_FAILED_POST:
            stage.reprice(NUMBER, "12.00")
            stage.run()
        case _:
            pass
    assert [hold.why for hold in stage.holds()] == [why]
    return stage


def edited_on_both_sides(folder: Path) -> Stage:
    """Return a stage whose standing draft a person edited before its order changed too."""
    stage = Stage.of(folder, NUMBER, document=DocumentKind.DRAFT_INVOICE)
    stage.ship(NUMBER)
    stage.run()
    (draft,) = stage.invoices
    stage.bc("edit_by_person", id=draft["id"], line=0, changes={"unitPrice": Decimal("7.00")})
    stage.reprice(NUMBER, "12.00")
    stage.run()
    return stage


def replayed(stage: Stage) -> None:
    stage.pass_time(90)
    stage.rig.run([("replay", lambda conn: replay(conn, Choice(failed=True)))])


def only(stage: Stage) -> Hold:
    (hold,) = stage.holds()
    return hold


def post_by_hand(stage: Stage) -> str:
    (draft,) = stage.invoices
    stage.bc("post_by_person", id=draft["id"])
    return str(stage.posted[0]["number"])


# ------------------------------------------------------------------ A5: posted or deleted by hand

DRAFTED = (Why.POST_REFUSED, Why.BC_DRAFT_EDITED, Why.DRAFT_AFTER_FAILED_POST)


@pytest.mark.parametrize("why", DRAFTED)
def test_what_was_posted_by_hand_is_not_ignored_but_taken_up(tmp_path: Path, why: Why) -> None:
    stage = held_draft(tmp_path, why)
    hold = only(stage)
    number = post_by_hand(stage)

    with pytest.raises(FixConfig, match=rf"was posted .* as {number} \(.* USD\)") as no:
        stage.decide(review.ignore)
    assert no.value.hint.startswith(f"Approve {hold.label}")
    assert only(stage) == hold
    assert f"{number} (" in stage.decide(review.approve)
    for _ in range(2):
        stage.run()

    assert stage.unit(NUMBER).document_number == number
    told = {
        Why.POST_REFUSED: [],
        Why.BC_DRAFT_EDITED: [Why.POSTED_TOTAL_DIFFERS],
        Why.DRAFT_AFTER_FAILED_POST: [Why.EDITED_AFTER_POST],
    }
    assert [one.why for one in stage.holds()] == told[why]
    assert len(stage.invoices) == 1


def test_a_document_of_a_draft_store_that_was_posted_by_hand_is_taken_up(tmp_path: Path) -> None:
    stage = edited_on_both_sides(tmp_path)
    assert only(stage).why == Why.BC_DRAFT_EDITED
    post_by_hand(stage)

    with pytest.raises(FixConfig, match="was posted"):
        stage.decide(review.ignore)
    stage.decide(review.approve)
    stage.run()

    assert stage.unit(NUMBER).state is State.CONFIRMED
    assert [one.why for one in stage.holds()] == [Why.POSTED_TOTAL_DIFFERS]


@pytest.mark.parametrize("why", DRAFTED)
def test_what_was_deleted_by_hand_is_made_anew_when_approved(tmp_path: Path, why: Why) -> None:
    stage = held_draft(tmp_path, why)
    shown = only(stage)
    stage.bc("delete_by_person", id=stage.invoices[0]["id"])

    if why is Why.POST_REFUSED:  # whose card says nothing of a new draft
        with pytest.raises(FixConfig, match=rf"{shown.label} has changed .*: Draft .* was deleted"):
            stage.decide(review.approve)
        assert (only(stage).why, only(stage).label) == (Why.DRAFT_GONE, "H-0002")
        stage.run()
        assert (only(stage).label, stage.invoices) == ("H-0002", [])
    assert stage.decide(review.approve) == "The next run makes a new draft."
    stage.run()

    total = "29.50" if why is Why.DRAFT_AFTER_FAILED_POST else "25.50"
    assert (len(stage.posted), balance(stage), stage.holds()) == (1, Decimal(total), [])


@pytest.mark.parametrize(
    ("price", "apart"), [("45.50", "71.00 USD more"), ("7.00", "6.00 USD less")]
)
def test_what_was_changed_and_posted_by_hand_is_told_at_once(
    tmp_path: Path, price: str, apart: str
) -> None:
    stage = held_draft(tmp_path, Why.POST_REFUSED)
    identity = stage.invoices[0]["id"]
    stage.bc("edit_by_person", id=identity, line=0, changes={"unitPrice": Decimal(price)})
    post_by_hand(stage)

    said = stage.decide(review.approve)

    total = Decimal(price) * 2 + Decimal("5.50")
    assert said.endswith(
        f"; {total} USD is {apart} than the order; it will be held as posted_total_differs."
    )
    stage.run()
    hold = only(stage)
    assert (hold.why, hold.message.endswith("Somebody posted it by hand.")) == (
        Why.POSTED_TOTAL_DIFFERS,
        True,
    )
    assert "rounding" not in hold.next_step
    with stage.rig.connection() as conn:
        assert conn.store.store_stops() == {}


def test_a_draft_that_stands_after_a_failed_post_is_not_passed_over(tmp_path: Path) -> None:
    stage = held_draft(tmp_path, Why.DRAFT_AFTER_FAILED_POST)
    before = only(stage)

    with pytest.raises(FixConfig, match="cannot be approved") as no:
        stage.decide(review.approve)

    assert "Post the draft by hand in Business Central, then approve" in no.value.hint
    assert only(stage) == before
    stage.reprice(NUMBER, "10.00")
    stage.run()
    assert (len(stage.posted), stage.holds()) == (1, [])


def test_what_is_left_of_an_ignored_draft_is_named(tmp_path: Path) -> None:
    stage = held_draft(tmp_path, Why.POST_REFUSED)
    draft = stage.invoices[0]["number"]

    assert stage.decide(review.ignore) == (
        "SO-1001 (25.50 USD) will not be booked by bcss, not even if it ships later; delete the "
        f'draft {draft} in Business Central by hand. bcss hold reopen 1 --note "why" takes that '
        "back."
    )


def test_a_draft_that_is_there_again_is_no_second_one(tmp_path: Path) -> None:
    stage = held_draft(tmp_path, Why.POST_REFUSED)
    identity = stage.invoices[0]["id"]
    hide = {"vendor": "bc", "do": "hide", "path": "salesInvoices", "field": "id"}
    gone = {"vendor": "bc", "do": "reject", "status": 404, "times": 0, "method": "GET"}
    stage.rig.world.faults.add({**hide, "match": identity}, {**gone, "path": identity})
    replayed(stage)
    assert only(stage).why == Why.DRAFT_GONE
    stage.rig.world.faults.clear()

    assert "is there again" in stage.decide(review.approve)
    stage.run()

    assert ([row["posted"] for row in stage.invoices], stage.holds()) == ([True], [])


def test_a_second_draft_must_be_gone_before_its_hold_is_approved(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    stage.ship(NUMBER)
    stage.run()
    (ours,) = stage.posted
    keys = ("lineType", "lineObjectNumber", "quantity", "unitPrice")
    lines = [{key: ours["lines"][0][key] for key in keys}]
    body = {
        "customerNumber": "WEB",
        "externalDocumentNumber": ours["externalDocumentNumber"],
        "salesInvoiceLines": lines,
    }
    second = stage.bc("create_by_person", entity="salesInvoices", body=body)
    stage.pass_time(86_400)
    stage.run()
    assert only(stage).why == Why.SURPLUS_DRAFT

    with pytest.raises(FixConfig, match=f"still stands beside {ours['number']}"):
        stage.decide(review.approve)
    stage.bc("delete_by_person", id=second["id"])
    assert stage.decide(review.approve) == f"{ours['number']} stands alone; it goes on."

    stage.pass_time(86_400)
    assert (stage.run().new_holds, stage.holds(), len(stage.posted)) == ((), [], 1)


# ------------------------------------------------------------------ A6: what approving books


def test_an_edited_draft_is_shown_as_it_stands_with_what_approving_books(tmp_path: Path) -> None:
    stage = held_draft(tmp_path, Why.BC_DRAFT_EDITED)
    hold = only(stage)
    draft = stage.invoices[0]["number"]

    assert hold.message == (
        f"{draft}: line 1: Item ITEM-24 2 at 7 instead of Item ITEM-24 2 at 10. It stands at "
        "ITEM-24 2 x 7.00 = 14.00 USD; RIBBON 1 x 5.50 = 5.50 USD; 19.50 USD in all. Approving "
        "books 19.50 USD: 6.00 USD less than ShipStation's 25.50 USD."
    )
    stage.decide(review.approve)
    stage.run()
    assert (balance(stage), stage.holds()) == (Decimal("19.50"), [])


def test_an_edited_draft_of_an_order_that_changed_too_says_that_the_change_is_lost(
    tmp_path: Path,
) -> None:
    stage = edited_on_both_sides(tmp_path)

    assert only(stage).message.endswith(
        "Approving books 19.50 USD: 10.00 USD less than ShipStation's 29.50 USD; the order's own "
        "later change is not taken over."
    )


def test_a_draft_edited_once_more_is_another_hold_and_an_undone_edit_is_none(
    tmp_path: Path,
) -> None:
    stage = held_draft(tmp_path, Why.BC_DRAFT_EDITED)
    shown = only(stage)
    identity = stage.invoices[0]["id"]
    stage.bc("edit_by_person", id=identity, line=0, changes={"unitPrice": Decimal("8.00")})

    with pytest.raises(FixConfig, match=rf"{shown.label} has changed .* now H-0003"):
        stage.decide(review.approve)
    assert "Approving books 21.50 USD: 4.00 USD less" in only(stage).message
    assert stage.posted == []

    stage.bc("edit_by_person", id=identity, line=0, changes={"unitPrice": Decimal("10.00")})
    stage.decide(review.approve)
    stage.run()
    assert (balance(stage), stage.holds()) == (Decimal("25.50"), [])


def test_an_edited_draft_of_a_cancelled_order_is_not_posted(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=DocumentKind.DRAFT_INVOICE)
    stage.ship(NUMBER)
    stage.run()
    (draft,) = stage.invoices
    stage.bc("edit_by_person", id=draft["id"], line=0, changes={"unitPrice": Decimal("7.00")})
    stage.ss("cancel", NUMBER)
    stage.run()
    assert only(stage).message.endswith("so that it is not to be posted.")

    with pytest.raises(FixConfig, match="its order is cancelled or deleted"):
        stage.decide(review.approve)
    stage.bc("delete_by_person", id=draft["id"])
    assert stage.decide(review.approve) == "The next run books nothing."
    stage.run()

    assert (stage.invoices, stage.holds()) == ([], [])


def test_a_partly_cancelled_order_is_shown_with_what_its_shipped_part_comes_to(
    tmp_path: Path,
) -> None:
    stage = Stage.of(tmp_path)
    lines = (("ITEM-24", 2, "24.00"), ("TEE-RED", 1, "19.50"))
    stage.take(order_row(NUMBER, *lines, shippingAmount=Decimal("4.9")))
    tee = stage.order(NUMBER)["items"][1]["orderItemId"]
    child = stage.ss("split", NUMBER, items=[tee])["orderId"]
    stage.ship(NUMBER)
    stage.ss("cancel", orderId=child)

    stage.run()

    assert only(stage).message == (
        "1 of 2 parts are cancelled. Shipped: SO-1001 ITEM-24 2 x 24.00 = 48.00 USD; cancelled: "
        "SO-1001 TEE-RED 1 x 19.50 = 19.50 USD. ShipStation states 72.40 USD for the whole order; "
        "the shipped part comes to 52.90 USD: 48.00 USD and the 4.90 USD of shipping, tax and "
        "discounts of the whole order."
    )


# ------------------------------------------------------------------ A2: several orders


def twins(folder: Path, *, booked: bool = False) -> Stage:
    """Return a stage on which two orders have one key, of which one may be booked."""
    stage = Stage.of(folder)
    for number, price in ((NUMBER, "24.00"), ("SO-1002", "48.00")):
        stage.take(order_row(number, ("ITEM-24", 1, price), orderKey=f"KEY-{number}"))
    share_key(stage)
    stage.ship(NUMBER)
    if booked:
        stage.run()
    stage.ship("SO-1002")
    stage.run()
    assert [hold.why for hold in stage.holds()] == [Why.KEY_SHARED]
    return stage


def share_key(stage: Stage) -> None:
    stage.ss("corrupt", "SO-1002", overlay={"orderKey": f"KEY-{NUMBER}"})


def test_orders_that_share_a_key_are_all_named_and_none_is_dropped_unsaid(tmp_path: Path) -> None:
    stage = twins(tmp_path)
    hold = only(stage)

    assert (hold.amount, hold.currency or "USD") == (Decimal("72.00"), "USD")
    assert hold.message == (
        "SO-1001 (24.00 USD) and SO-1002 (48.00 USD), 72.00 USD together, have the same key in "
        "ShipStation and have all shipped. bcss books none of them that is not booked yet."
    )
    for _ in range(2):
        assert stage.run().new_holds == ()
    assert only(stage) == hold
    assert stage.decide(review.ignore) == (
        "SO-1001 (24.00 USD) and SO-1002 (48.00 USD), 72.00 USD together, "
        f"{LEFT_OUT.format(hold.hold_id)}"
    )
    assert (stage.run().new_holds, stage.invoices) == ((), [])


def test_an_order_beside_a_booked_one_of_its_key_is_named_when_left_out(tmp_path: Path) -> None:
    stage = twins(tmp_path, booked=True)
    number = stage.posted[0]["number"]
    for _ in range(2):
        assert stage.run().new_holds == ()

    assert stage.decide(review.ignore) == (
        f"{number} stays booked as it is. SO-1002 (48.00 USD) will not be booked by bcss."
    )
    for order in (NUMBER, "SO-1002"):
        stage.ss("touch", order)
        assert stage.run().new_holds == ()
    assert (len(stage.invoices), stage.holds()) == (1, [])


@pytest.mark.parametrize("booked", [True, False])
def test_orders_of_one_key_and_one_number_are_told_apart(tmp_path: Path, booked: bool) -> None:
    stage = twins(tmp_path, booked=booked)
    same = {"orderKey": f"KEY-{NUMBER}", "orderNumber": NUMBER}
    stage.ss("corrupt", "SO-1002", overlay=same)
    stage.ss("touch", "SO-1002")
    stage.run()
    first, second = stage.orders[NUMBER], stage.orders["SO-1002"]
    number = f", booked as {stage.posted[0]['number']}" if booked else ""
    one = f"{NUMBER} (24.00 USD, ShipStation id {first}, shipped 2026-03-10{number})"
    other = f"{NUMBER} (48.00 USD, ShipStation id {second}, shipped 2026-03-10)"

    assert only(stage).message.startswith(f"{one} and {other}, 72.00 USD together, have the same")
    assert stage.run().new_holds == ()
    said = stage.decide(review.ignore)
    assert other in said
    assert (one in said) is not booked


def test_a_shared_key_ends_by_itself_once_one_order_is_cancelled(tmp_path: Path) -> None:
    stage = twins(tmp_path)
    stage.ss(
        "corrupt", "SO-1002", overlay={"orderKey": f"KEY-{NUMBER}", "orderStatus": "cancelled"}
    )
    stage.ss("touch", "SO-1002")

    stage.run()

    assert (stage.holds(), balance(stage)) == ([], Decimal("24.00"))


def test_a_replay_that_business_central_kept_from_trying_leaves_the_hold(tmp_path: Path) -> None:
    stage = held_draft(tmp_path, Why.POST_REFUSED)
    before = stage.holds()
    hide = {"vendor": "bc", "do": "hide", "path": "salesInvoices", "field": "id"}
    stage.rig.world.faults.add({**hide, "match": stage.invoices[0]["id"]})

    replayed(stage)

    assert (stage.holds(), stage.unit(NUMBER).held) == (before, Why.POST_REFUSED)


def ignored_draft(folder: Path) -> Stage:
    stage = held_draft(folder, Why.POST_REFUSED)
    stage.decide(review.ignore)
    return stage


def sweep(stage: Stage) -> list[str]:
    stage.pass_time(86_400)
    return stage.run().report.notes


def test_the_draft_of_an_ignored_order_that_was_posted_after_all_is_its_invoice(
    tmp_path: Path,
) -> None:
    stage = ignored_draft(tmp_path)
    sweep(stage)
    assert stage.unit(NUMBER).state is State.DROPPED
    number = post_by_hand(stage)

    (told,) = sweep(stage)
    assert told.startswith(f"SO-1001 was ignored, and {number} was posted for it by hand")
    assert (stage.unit(NUMBER).state, stage.holds()) == (State.CONFIRMED, [])
    stage.ss("cancel", NUMBER)
    stage.run()
    assert [hold.why for hold in stage.holds()] == [Why.CANCELLED_AFTER_POST]


def test_the_draft_of_an_ignored_order_that_was_deleted_is_asked_for_once(tmp_path: Path) -> None:
    stage = ignored_draft(tmp_path)
    stage.bc("delete_by_person", id=stage.invoices[0]["id"])

    assert (sweep(stage), sweep(stage)) == ([], [])

    unit = stage.unit(NUMBER)
    assert (unit.state, unit.document_id, stage.invoices) == (State.DROPPED, "", [])


def test_a_cancelled_order_of_the_same_key_is_none_of_shipstations_total(tmp_path: Path) -> None:
    stage = twins(tmp_path, booked=True)
    with stage.rig.connection() as conn:
        (unit,) = conn.store.units.of_orders([stage.orders[NUMBER]])
        assert shipstation_total(conn.store, unit) == Decimal("72.00")
    overlay = {"orderKey": f"KEY-{NUMBER}", "orderStatus": "cancelled"}
    stage.ss("corrupt", "SO-1002", overlay=overlay)
    stage.ss("touch", "SO-1002")
    stage.run()

    with stage.rig.connection() as conn:
        assert shipstation_total(conn.store, unit) == Decimal("24.00")


@pytest.mark.parametrize("kind", [DocumentKind.POSTED_INVOICE, DocumentKind.DRAFT_INVOICE])
def test_a_document_that_a_person_renamed_does_not_stop_the_others(
    tmp_path: Path, kind: DocumentKind
) -> None:
    """It was the newest of ours, so that every look-up asked for it as a control."""
    stage = Stage.of(tmp_path, "SO-1001", "SO-1002", document=kind)
    stage.ship("SO-1001")
    stage.run(max_post=0)
    document = stage.invoices[0]["id"]
    stage.bc("edit_by_person", id=document, changes={"externalDocumentNumber": "PO-77"})
    if kind.posts:
        stage.bc("post_by_person", id=document)
    stage.run()
    stage.ship("SO-1002")

    assert stage.run().errors == ()

    assert len(stage.invoices) == 2


def test_a_draft_that_is_deleted_right_before_its_tracking_is_written_is_gone(
    tmp_path: Path,
) -> None:
    """The tracking service does not show what was just found, and that was taken for a refusal."""
    stage = Stage.of(tmp_path, "SO-1001", settle=timedelta(0))
    stage.ship("SO-1001")
    lost = {"vendor": "bc", "method": "POST", "path": "/salesInvoices$", "do": "drop"}
    stage.rig.world.faults.add(lost)

    def delete(vendor: str, request: Request) -> None:
        if vendor == "bc" and request.path.endswith("/workflowSalesDocuments") and stage.invoices:
            stage.rig.world.bc.run({"action": "delete_by_person", "id": stage.invoices[0]["id"]})

    stage.rig.before = delete
    stage.run()

    assert [hold.why for hold in stage.holds()] == [Why.DRAFT_GONE]
