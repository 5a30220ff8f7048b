"""Life after posting: a hold with a proposal, and a correction carried out exactly once."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from bcss import app
from bcss.errors import Exit, FixConfig
from bcss.flows import review
from bcss.holds import Why
from bcss.sandbox.businesscentral import documents, posting
from bcss.units import CREDITED, State
from tests.flows.stage import BEGINS, Killed, Killer, Stage, balance

NUMBER = "SO-1001"


def booked(folder: Path, **orders: object) -> Stage:
    """Return a stage on which one order is posted and another one waits."""
    stage = Stage.of(folder, NUMBER, "SO-1002", **orders)
    stage.ship(NUMBER)
    stage.run()
    assert [row["posted"] for row in stage.invoices] == [True]
    return stage


def edit(stage: Stage) -> None:
    stage.reprice(NUMBER, "12.00")


def cancel(stage: Stage) -> None:
    stage.ss("cancel", NUMBER)


def void(stage: Stage) -> None:
    shipment = stage.rig.world.shipstation.state()["shipments"][0]["shipmentId"]
    stage.ss("void", shipmentId=shipment)


EVENTS: list[tuple[Callable[[Stage], None], Why, str, State]] = [
    (edit, Why.EDITED_AFTER_POST, "29.50", State.CONFIRMED),
    (cancel, Why.CANCELLED_AFTER_POST, "0", State.DROPPED),
    (void, Why.VOIDED_AFTER_POST, "0", State.SEEN),
]


@pytest.mark.parametrize(("event", "why", "left", "state"), EVENTS)
def test_approving_credits_the_invoice_and_plans_the_next_generation(
    tmp_path: Path, event: Callable[[Stage], None], why: Why, left: str, state: State
) -> None:
    stage = booked(tmp_path)
    event(stage)

    held = stage.run()
    assert [hold.why for hold in held.new_holds] == [why]
    assert "PS-INV103001 (25.50 USD), dated the day of approval" in held.new_holds[0].message
    assert held.exit_code is Exit.HELD
    assert (stage.memos, len(stage.invoices)) == ([], 1)

    meaning = stage.decide(review.approve)
    done = stage.run()

    assert "dated 2026-03-10" in meaning
    assert (done.errors, done.new_holds) == ((), ())
    assert balance(stage) == Decimal(left)
    assert [(row["posted"], row["postingDate"]) for row in stage.memos] == [(True, "2026-03-10")]
    first, second = stage.generations(NUMBER)
    assert (first.state, first.waiting, first.memo_number) == (
        State.CONFIRMED,
        CREDITED,
        stage.memos[0]["number"],
    )
    assert (second.state, second.generation) == (state, 1)
    assert second.reference.startswith("BX-")
    assert stage.run().report.posted == 0
    assert stage.holds() == []


def test_an_order_that_ships_again_after_its_reversal_is_booked_once_more(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    void(stage)
    stage.run()
    stage.decide(review.approve)
    stage.run()
    assert balance(stage) == 0

    stage.ship(NUMBER)
    stage.run()

    assert balance(stage) == Decimal("25.50")
    assert len(stage.posted) == 2


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("settle", [timedelta(0), timedelta(minutes=20)])
def test_dying_at_any_call_of_a_reversal_credits_and_books_again_once(
    tmp_path: Path, when: str, settle: timedelta
) -> None:
    total = 0
    at = 0
    while at <= total:
        stage = booked(tmp_path / f"{at}", settle=settle)
        edit(stage)
        stage.run()
        stage.pass_time(86_400)  # another day, so that the credit memo's date must be written
        stage.decide(review.approve)
        stage.pass_time(86_400)
        killer = Killer(at, when)
        killer.install(stage.rig)
        if at == 0:
            stage.run()
            total = killer.seen
            assert total >= 6
        else:
            with pytest.raises(Killed):
                stage.run()
        stage.rig.before = stage.rig.after = None
        for _ in range(3):
            stage.run()
            stage.pass_time(settle.total_seconds() + 1)
        assert stage.holds() == [], f"killed {when} call {at}"
        assert balance(stage) == Decimal("29.50"), f"killed {when} call {at}"
        assert [row["posted"] for row in stage.memos] == [True]
        assert [row["postingDate"] for row in stage.memos] == ["2026-03-11"]
        assert [row["posted"] for row in stage.invoices] == [True, True]
        at += 1


@pytest.mark.parametrize("do", ["drop", "late"])
@pytest.mark.parametrize("action", ["makeCorrectiveCreditMemo", "salesCreditMemos.*post"])
def test_a_lost_answer_is_looked_up_and_never_repeated_in_doubt(
    tmp_path: Path, do: str, action: str
) -> None:
    stage = booked(tmp_path)
    edit(stage)
    stage.run()
    stage.decide(review.approve)
    rule = {"vendor": "bc", "path": action, "method": "POST", "do": do, "times": 1}
    stage.rig.world.faults.add(rule | ({"after": 600} if do == "late" else {}))

    for _ in range(4):
        stage.run()
        stage.pass_time(1300)
    stage.run()

    assert len(stage.memos) == 1
    assert balance(stage) == Decimal("29.50")
    assert stage.holds() == []


def test_ignoring_keeps_the_invoice_until_the_order_changes_again(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    edit(stage)
    stage.run()

    stage.decide(review.ignore)
    stage.ss("touch", NUMBER)
    assert stage.run().new_holds == ()

    stage.reprice(NUMBER, "13.00")
    assert [hold.why for hold in stage.run().new_holds] == [Why.EDITED_AFTER_POST]
    assert stage.memos == []


def test_an_approval_binds_to_the_order_as_it_was_shown(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    edit(stage)
    stage.run()
    stage.decide(review.approve)

    stage.reprice(NUMBER, "14.00")
    summary = stage.run()

    assert [hold.why for hold in summary.new_holds] == [Why.EDITED_AFTER_POST]
    assert "33.50" in summary.new_holds[0].message
    assert stage.memos == []
    stage.decide(review.approve)
    stage.run()
    assert balance(stage) == Decimal("33.50")


def test_an_edit_that_is_taken_back_ends_an_approved_reversal(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    edit(stage)
    stage.run()
    stage.decide(review.approve)

    stage.reprice(NUMBER, "10.00")
    stage.run()

    assert (stage.memos, stage.holds()) == ([], [])
    assert stage.unit(NUMBER).state is State.CONFIRMED


def test_a_paid_invoice_is_held_with_what_business_central_said(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    stage.bc("pay", id=stage.posted[0]["id"])
    cancel(stage)
    stage.run()
    stage.decide(review.approve)

    summary = stage.run()

    assert [hold.why for hold in summary.new_holds] == [Why.CREDIT_REFUSED]
    assert "The invoice is closed." in summary.new_holds[0].message
    assert stage.memos == []
    assert "stays as it is" in stage.decide(review.ignore)
    assert stage.run().new_holds == ()


def test_a_closed_period_holds_the_credit_memo_and_approving_dates_it_anew(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    cancel(stage)
    stage.run()
    stage.decide(review.approve)
    stage.post_from("2026-03-11")

    summary = stage.run()

    assert [hold.why for hold in summary.new_holds] == [Why.CREDIT_REFUSED]
    assert "range of allowed posting dates" in summary.new_holds[0].message
    assert [row["posted"] for row in stage.memos] == [False]
    stage.pass_time(86_400)
    stage.decide(review.approve)
    stage.run()
    assert [(row["posted"], row["postingDate"]) for row in stage.memos] == [(True, "2026-03-11")]
    assert balance(stage) == 0
    assert stage.holds() == []


def test_an_invoice_credited_by_hand_is_booked_again_only_when_approved(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    edit(stage)
    stage.run()
    credit_by_hand(stage)
    with pytest.raises(FixConfig, match=r"now H-0002, 29\.50 USD: PS-INV103001 was credited"):
        stage.decide(review.approve)

    stage.run()

    assert [hold.why for hold in stage.holds()] == [Why.CREDITED_BY_HAND]
    assert balance(stage) == 0
    stage.decide(review.approve)
    stage.run()
    assert balance(stage) == Decimal("29.50")
    assert len(stage.memos) == 1


def test_a_draft_credit_memo_of_a_person_is_never_doubled(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    cancel(stage)
    stage.run()
    credit_by_hand(stage, post=False)
    stage.decide(review.approve)

    assert [hold.why for hold in stage.run().new_holds] == [Why.CREDIT_UNCLEAR]
    assert len(stage.memos) == 1
    stage.decide(review.approve)
    stage.run()

    assert [row["posted"] for row in stage.memos] == [True]
    assert balance(stage) == 0


def test_a_credit_memo_that_a_person_deleted_is_made_again_when_approved(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    cancel(stage)
    stage.run()
    stage.decide(review.approve)
    stage.post_from("2026-04-01")
    stage.run()
    stage.bc("delete_by_person", entity="salesCreditMemos", id=stage.memos[0]["id"])
    stage.post_from("2026-01-01")

    stage.decide(review.approve)
    stage.pass_time(1300)
    stage.run()
    stage.run()

    assert balance(stage) == 0
    assert [row["posted"] for row in stage.memos] == [True]
    assert stage.holds() == []


def test_no_more_than_the_limit_is_posted_in_credits(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    cancel(stage)
    stage.run()
    stage.decide(review.approve)

    summary = stage.run(max_post=0)

    assert summary.report.limited
    assert [row["posted"] for row in stage.memos] == [False]
    stage.run()
    assert [row["posted"] for row in stage.memos] == [True]


def test_a_rebuild_finds_the_next_generation(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    edit(stage)
    stage.run()
    stage.decide(review.approve)
    stage.run()
    assert balance(stage) == Decimal("29.50")

    app.rebuild(stage.rig.config, BEGINS - timedelta(days=5), stage.rig.around)
    stage.pass_time(1300)
    for _ in range(2):
        stage.run()

    first, second = stage.generations(NUMBER)
    assert (first.waiting, first.document_number) == (CREDITED, "PS-INV103001")
    assert (second.state, second.document_number) == (State.CONFIRMED, "PS-INV103002")
    assert (balance(stage), stage.holds()) == (Decimal("29.50"), [])
    assert len(stage.posted) == 2


def test_a_hold_is_assigned_and_keeps_its_person(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    edit(stage)
    stage.run()

    assert stage.decide(lambda conn, decision: review.assign(conn, decision, "Robin")) == (
        "Robin looks after it."
    )
    stage.reprice(NUMBER, "13.00")
    stage.run()

    (hold,) = stage.holds()
    assert (hold.assigned, hold.label) == ("Robin", "H-0002")


def credit_by_hand(stage: Stage, *, post: bool = True) -> None:
    """Let a person credit the only invoice in Business Central."""
    books = stage.rig.world.bc.books
    stage.pass_time(60)
    invoice = books.invoices.get(stage.posted[0]["id"])
    assert invoice is not None
    memo = posting.make_corrective_credit_memo(books, invoice)
    if post:
        posting.post(books, memo)


def test_a_label_that_comes_after_a_credit_is_attached_to_nothing(tmp_path: Path) -> None:
    """The note of the credit and that of the label replaced each other with every sweep."""
    stage = Stage.of(tmp_path, NUMBER)
    stage.ship(NUMBER)
    stage.run()
    credit_by_hand(stage)
    stage.pass_time(86_400)
    stage.run()
    stage.ship(NUMBER, trackingNumber="1ZLATER")

    for _ in range(2):
        stage.run()
        stage.pass_time(86_400)
        stage.run()

    assert stage.rows("documentAttachments") == []
    assert (stage.unit(NUMBER).is_credited, stage.holds()) == (True, [])


def test_an_invoice_that_is_a_correction_itself_is_not_credited(tmp_path: Path) -> None:
    """Business Central calls it `Corrective`, and approving would book it again beside itself."""
    stage = Stage.of(tmp_path, NUMBER)
    label = stage.ship(NUMBER)
    stage.run()
    books = stage.rig.world.bc.books
    invoice = books.invoices.get(stage.posted[0]["id"])
    assert invoice is not None
    documents.put(books, invoice, {**invoice.values, "status": "Corrective"}, invoice.lines)
    stage.ss("void", shipmentId=label["shipmentId"])
    stage.run()

    stage.decide(review.approve)
    stage.run()
    stage.ship(NUMBER)
    stage.run()

    assert (stage.holds(), balance(stage)) == ([], Decimal("25.50"))
