"""What a person decides about a hold: it binds to what was shown, and does what it says."""

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import pytest

from bcss.errors import FixConfig
from bcss.flows import review
from bcss.holds import NO_EFFECT, REASONS, Why
from bcss.sandbox.businesscentral import posting
from tests.flows.clerk import NUMBER, booked, decide, disputed, stops, trail, unknown_sku
from tests.flows.stage import Stage, balance
from tests.rig import STORE

DAY = 86_400


# ------------------------------------------------------------------ A1: a stopped store


@pytest.mark.parametrize("verbs", [("ignore", "ignore"), ("approve", "ignore")])
def test_deciding_the_last_disputed_total_lets_the_store_post_again(
    tmp_path: Path, verbs: tuple[str, str]
) -> None:
    stage = disputed(tmp_path)
    first, second = stage.holds()

    waiting = stage.run()
    assert waiting.report.notes == [
        f"1 draft waits: posting is stopped for store {STORE} until {first.label} is decided."
    ]
    meaning = decide(stage, verbs[0], first)
    assert f"store {STORE} stays stopped until {second.label} is decided" in meaning
    assert stops(stage) == {STORE: f"until {second.label} is decided: {second.message}"}
    assert stage.run().report.posted == 0

    meaning = decide(stage, verbs[1], second)
    assert f"store {STORE} posts again" in meaning
    assert (stops(stage), stage.run().report.posted) == ({}, 1)
    assert (stage.holds(), stage.run().new_holds) == ([], ())


def test_a_disputed_total_is_decided_before_anything_else_about_the_order(tmp_path: Path) -> None:
    """An edit would have put its own hold in that one's place, and the store would post again."""
    stage = disputed(tmp_path)
    first, second = stage.holds()
    stage.reprice(first.order_number, "12.00")

    stage.run()
    assert stage.holds() == [first, second]
    decide(stage, "ignore", first)
    stage.run()

    held = {hold.order_number: hold.why for hold in stage.holds()}
    assert held == {
        first.order_number: Why.EDITED_AFTER_POST,
        second.order_number: Why.POSTED_TOTAL_DIFFERS,
    }
    assert list(stops(stage)) == [STORE]


# ------------------------------------------------------------------ A3: what was shown


def test_a_hold_whose_content_changes_gets_a_new_number(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    stage.reprice(NUMBER, "12.00")
    stage.run()
    (shown,) = stage.holds()
    assert (shown.label, shown.amount) == ("H-0001", Decimal("29.50"))
    stage.reprice(NUMBER, "444.00")

    summary = stage.run()

    (hold,) = stage.holds()
    assert summary.new_holds == (hold,)
    assert (hold.label, hold.amount, hold.since) == ("H-0002", Decimal("893.50"), shown.since)
    assert "its total is 893.50 USD now" in hold.message
    assert "hold ended by bcss: changed: H-0002" in trail(stage, NUMBER)
    assert hold.message in trail(stage, NUMBER)
    for verb in ("approve", "ignore"):
        with pytest.raises(FixConfig, match=r"H-0001 has changed .*: now H-0002, 893\.50 USD"):
            decide(stage, verb, shown)
    with (
        stage.rig.connection() as conn,
        pytest.raises(FixConfig, match=r"H-0001 has changed .*: now H-0002"),
    ):
        review.find(conn, "1")
    assert (stage.memos, stage.holds()) == ([], [hold])


def test_a_hold_keeps_its_number_while_nothing_that_is_shown_changes(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    stage.reprice(NUMBER, "12.00")
    stage.run()
    before = stage.holds()

    for _ in range(3):
        stage.pass_time(DAY)
        stage.ss("touch", NUMBER)
        assert stage.run().new_holds == ()

    assert stage.holds() == before


def test_an_approval_that_the_order_outran_is_said_to_be_set_aside(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    stage.reprice(NUMBER, "12.00")
    stage.run()
    stage.decide(review.approve)
    stage.reprice(NUMBER, "14.00")

    summary = stage.run()

    assert f"The approval for {NUMBER} was set aside, since the order has changed." in (
        summary.report.notes
    )
    assert "confirmed; the approval was set aside, since the order has changed" in (
        trail(stage, NUMBER)
    )
    assert (stage.memos, len(stage.holds())) == ([], 1)


# ------------------------------------------------------------------ A4: the cause is gone


@pytest.mark.parametrize("run", [True, False])
def test_an_edit_that_was_undone_reverses_nothing(tmp_path: Path, run: bool) -> None:
    stage = booked(tmp_path)
    stage.reprice(NUMBER, "12.00")
    stage.run()
    (hold,) = stage.holds()
    stage.reprice(NUMBER, "10.00")

    if run:
        stage.run()
        assert stage.holds() == []
    with pytest.raises(FixConfig, match=r"H-0001 has ended already: what held it is gone"):
        decide(stage, "approve", hold)
    stage.run()

    assert (stage.memos, len(stage.posted), stage.holds()) == ([], 1, [])


def test_an_edit_that_no_run_has_seen_is_seen_by_approving(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    stage.reprice(NUMBER, "12.00")
    stage.run()
    (hold,) = stage.holds()
    stage.reprice(NUMBER, "14.00")

    with pytest.raises(FixConfig, match=r"now H-0002, 33\.50 USD"):
        decide(stage, "approve", hold)

    assert stage.memos == []


@pytest.mark.parametrize("swept", [True, False])
def test_a_cancelled_order_that_was_credited_by_hand_is_not_credited_again(
    tmp_path: Path, swept: bool
) -> None:
    stage = booked(tmp_path)
    stage.ss("cancel", NUMBER)
    stage.run()
    (hold,) = stage.holds()
    credit_by_hand(stage)

    if swept:
        stage.pass_time(DAY)
        stage.run()
        stage.run()
    else:
        assert "credited by hand already" in decide(stage, "approve", hold)
    stage.run()

    assert (len(stage.memos), balance(stage), stage.holds()) == (1, Decimal(0), [])


def test_the_sweep_tells_that_an_edited_order_was_credited_by_hand(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    stage.reprice(NUMBER, "12.00")
    stage.run()
    credit_by_hand(stage)
    stage.pass_time(DAY)
    stage.run()

    stage.run()

    (hold,) = stage.holds()
    assert (hold.label, hold.why) == ("H-0002", Why.CREDITED_BY_HAND)
    decide(stage, "approve", hold)
    stage.run()
    assert (str(balance(stage)), len(stage.memos), stage.holds()) == ("29.50", 1, [])


def credit_by_hand(stage: Stage) -> None:
    books = stage.rig.world.bc.books
    stage.pass_time(60)
    invoice = books.invoices.get(stage.posted[0]["id"])
    assert invoice is not None
    posting.post(books, posting.make_corrective_credit_memo(books, invoice))


# ------------------------------------------------------------------ A8, A9: reasons and second thoughts


@pytest.mark.parametrize("note", ["", "   ", "\t\n", "\u200b"])
@pytest.mark.parametrize("verb", ["approve", "ignore", "reopen"])
def test_a_blank_reason_is_none(tmp_path: Path, verb: str, note: str) -> None:
    stage = unknown_sku(tmp_path)
    before = stage.holds()

    with pytest.raises(FixConfig, match="A decision needs a reason"):
        decide(stage, verb, before[0], note)

    assert stage.holds() == before


# ------------------------------------------------------------------ B1: approving does something


def test_approving_what_would_change_nothing_is_refused_with_the_next_step(tmp_path: Path) -> None:
    stage = unknown_sku(tmp_path)
    (hold,) = stage.holds()

    with pytest.raises(
        FixConfig, match=r"H-0001 \(unknown_sku\) cannot be approved: .*MYSTERY"
    ) as no:
        decide(stage, "approve", hold)

    assert no.value.hint == REASONS[Why.UNKNOWN_SKU].next_step
    assert "goes on by itself in the next run" in no.value.hint
    assert stage.holds() == [hold]


@pytest.mark.parametrize("why", [why for why in Why if REASONS[why].approving == NO_EFFECT])
def test_every_reason_without_effect_is_refused_whatever_the_unit(tmp_path: Path, why: Why) -> None:
    stage = unknown_sku(tmp_path)
    with closing(sqlite3.connect(stage.rig.config.state.path)) as file, file:
        file.execute("UPDATE hold SET why = ?", (str(why),))
    (hold,) = stage.holds()

    with pytest.raises(FixConfig, match="cannot be approved"):
        decide(stage, "approve", hold)


def test_a_try_that_did_not_help_comes_back_as_the_same_hold(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    refuse = [{"match": NUMBER, "text": "The dimension DEPARTMENT is blocked.", "times": 2}]
    stage.bc("set", switches={"fail_post": refuse})
    stage.ship(NUMBER)
    stage.run()
    (hold,) = stage.holds()
    assert hold.why == Why.POST_REFUSED
    with stage.rig.connection() as conn:
        review.assign(conn, review.Decision(hold, "clerk", ""), "Dana")

    assert "tries again" in decide(stage, "approve", hold, "unblocked it")
    summary = stage.run()

    (again,) = stage.holds()
    assert summary.new_holds == (again,)
    assert (again.label, again.since, again.assigned) == (hold.label, hold.since, "Dana")
    assert any("H-0001 is back, approving did not help" in one for one in trail(stage, NUMBER))
    decide(stage, "approve", again, "really unblocked it")
    stage.run()
    assert (len(stage.posted), stage.holds()) == (1, [])


# ------------------------------------------------------------------ B10: ignored records


def test_an_ignored_record_comes_back_only_when_its_row_changes(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    stage.ss("corrupt", NUMBER, overlay={"orderTotal": "a bit"})
    stage.run()
    (hold,) = stage.holds()
    assert hold.why == Why.UNREADABLE_RECORD
    assert "left out" in decide(stage, "ignore", hold)

    for _ in range(2):
        assert stage.run().new_holds == ()
        stage.pass_time(DAY)
    assert (stage.run().new_holds, stage.holds()) == ((), [])

    stage.ss("corrupt", NUMBER, overlay={"orderTotal": "a bit", "orderNumber": "SO-1"})
    stage.pass_time(DAY)
    stage.run()
    assert [one.label for one in stage.holds()] == ["H-0002"]
