"""Carry out what a person decided about something that is held (design §4.3, §4.5).

A decision binds to what was shown: a hold that has changed since is refused, and what may have
changed unseen is read again first. What approving means for each reason stands in `bcss.holds`.
"""

from dataclasses import replace

from bcss.booking.judge import check_draft, check_totals
from bcss.booking.lookup import adopt
from bcss.booking.replan import REVERSE, shape
from bcss.booking.reverse import LOOK_AGAIN
from bcss.booking.withdraw import edited_meanwhile
from bcss.businesscentral.records import Document
from bcss.errors import FixConfig
from bcss.flows import anew
from bcss.flows.anew import FLOW, Sight
from bcss.flows.connection import Connection
from bcss.flows.decisions import (
    Decision,
    close,
    evidence_of,
    family_of,
    find,
    goes_on,
    has_changed,
    need_reason,
    unchanged,
    unit_of,
)
from bcss.flows.gathering import VANISHED
from bcss.flows.ignoring import ignore
from bcss.flows.orders import desk_of
from bcss.holds import REASONS, Hold, Verdict, Why
from bcss.mapping.hashes import booked_hash
from bcss.mapping.text import clean
from bcss.money import show
from bcss.store.trail import Event
from bcss.units import AFTER_POST, AS_DRAFTED, CANCEL, REPLACE, REVERSING, State, Unit

__all__ = ["Decision", "approve", "assign", "find", "ignore"]

_MANUAL = "duplicate"
_NAME = 60
TO_REVERSE = (
    Why.EDITED_AFTER_POST,
    Why.VOIDED_AFTER_POST,
    Why.CANCELLED_AFTER_POST,
    Why.DELETED_AFTER_POST,
)
_CORRECTIONS = (*TO_REVERSE, Why.CREDIT_REFUSED, Why.CREDIT_UNCLEAR, Why.CREDITED_BY_HAND)
_TO_NOTE = {
    Why.POSSIBLE_MANUAL_DUPLICATE: (_MANUAL, "the order beside that document"),
    Why.VANISHED: (VANISHED, "what is left of the order"),
}
# What is wrong is in Business Central, where a person may have put it right meanwhile.
_TO_RETRY = (Why.REFUSED_BY_BC, Why.DRAFT_DIFFERS, Why.POST_REFUSED, Why.PERIOD_CLOSED)
# Where the draft was deleted by hand, approving makes a new one.
_MADE_ANEW = (
    Why.DRAFT_GONE,
    Why.DRAFT_AFTER_FAILED_POST,
    Why.BC_DRAFT_EDITED,
    Why.TOTAL_DIFFERS,
    *_TO_RETRY,
)
# Holds that say nothing of a deleted draft: it is asked about first, under a number of its own.
_NOT_ANNOUNCED = (Why.TOTAL_DIFFERS, Why.REFUSED_BY_BC, Why.POST_REFUSED, Why.PERIOD_CLOSED)
_AFTERWARDS = {
    Why.CANCELLED_AFTER_POST: "nothing more",
    Why.DELETED_AFTER_POST: "nothing more",
    Why.VOIDED_AFTER_POST: "the order again once it ships",
}


def approve(conn: Connection, decision: Decision) -> str:
    """Let a held order go on in the way its reason names; return what that means, in words.

    Raise FixConfig where approving would change nothing, and where what is held is not any more
    what was shown.
    """
    need_reason(decision.note)
    with conn.booking("hold approve"):
        hold = unchanged(conn, decision.hold)
        unit = unit_of(conn, hold)
        if unit is None:
            raise _meaningless(hold)
        credited = _judged_anew(conn, unit, hold)
        sight = anew.look(conn, unit)
        verdict = _deleted(unit, hold, sight) or _edited_again(unit, hold, sight)
        if verdict is not None:
            with conn.store.write():
                anew.hold_instead(conn, unit, verdict)
        with conn.store.write():
            hold = unchanged(conn, decision.hold)
            unit = conn.store.units.get(unit.unit_id)
            approved, meaning = _carried_out(conn, unit, hold, sight, credited)
            conn.store.units.save(replace(approved, held="", updated_at=conn.now()))
            conn.store.news.add_unit(unit.unit_id)
            close(conn, hold, "approved", meaning, decision.by, decision.note)
    return meaning


def refuse_at_once(conn: Connection, hold: Hold) -> None:
    """Raise FixConfig where approving is refused whatever a person answers.

    A draft may have been posted by hand meanwhile, and approving then takes it up.
    """
    unit = unit_of(conn, hold)
    if not REASONS[Why(hold.why)].can_approve and (unit is None or not unit.document_id):
        raise _meaningless(hold)


def assign(conn: Connection, decision: Decision, to: str) -> str:
    """Note who looks after a hold, which stays; return what that means, in words."""
    name = clean(to)[:_NAME]
    with conn.store.write():
        hold = unchanged(conn, decision.hold)
        conn.store.holds.assign(hold.hold_id, name)
        meaning = f"{name} looks after it." if name else "Nobody looks after it."
        note = f" Note: {decision.note}" if decision.note else ""
        text = f"assigned {hold.label} ({hold.why}) by {decision.by}: {meaning}{note}"
        event = Event("decision", FLOW, hold.subject, text, target="queue", status="assigned")
        conn.store.trail.add(conn.now(), event)
    return meaning


def _judged_anew(conn: Connection, unit: Unit, hold: Hold) -> bool:
    """Read again what a decision rests on; return whether the invoice is credited already.

    Whatever is different now has ended the hold, or has given it another number.
    """
    if hold.why == Why.SURPLUS_DRAFT:
        anew.beside(conn, unit)
    if hold.why not in TO_REVERSE or unit.state is not State.CONFIRMED:
        return False
    anew.read_again(conn, unit)
    unchanged(conn, hold)
    unit = conn.store.units.get(unit.unit_id)
    if not anew.is_undone(conn, unit):
        return False
    if hold.why == Why.EDITED_AFTER_POST:
        raise has_changed(conn, hold, anew.hold_credited(conn, unit))
    return True


def _carried_out(
    conn: Connection, unit: Unit, hold: Hold, sight: Sight, credited: bool
) -> tuple[Unit, str]:
    if credited:
        changed = replace(unit, state=State.REV_POSTED, memo_number="by hand")
        return changed, f"{unit.document_number} was credited by hand already; nothing is posted."
    if sight.document is not None and (sight.posted or hold.why == Why.DRAFT_GONE):
        return _taken_up(conn, unit, sight)
    if sight.gone and hold.why in _MADE_ANEW:
        conn.store.units.close_open(unit.unit_id, "gone", conn.now())
        again = "books nothing" if unit.waiting == CANCEL else "makes a new draft"
        return _unborn(unit), f"The next run {again}."
    if hold.why in _CORRECTIONS:
        return _corrected(conn, unit, hold)
    return _approved(conn, unit, hold, sight)


def _taken_up(conn: Connection, unit: Unit, sight: Sight) -> tuple[Unit, str]:
    """Take a document that a person posted, or one that is there again, as the unit's own."""
    document = sight.document
    assert document is not None  # noqa: S101 - the caller has just seen it
    taken = adopt(desk_of(conn, FLOW), unit, document, posted=sight.posted)
    total = show(document.total_including_tax, document.currency_code)
    if not sight.posted:
        return taken, f"Draft {document.number} is there again; the next run goes on with it."
    if _only_refused(conn, unit):
        taken = replace(taken, post_attempted=False)  # so that it was a person who posted it
    return taken, (
        f"{document.number} ({total}), posted by hand, is taken as the order's invoice; "
        f"{_compared(unit, document)}"
    )


def _only_refused(conn: Connection, unit: Unit) -> bool:
    """Tell whether Business Central refused whatever bcss itself sent to post the document."""
    posts = [one for one in conn.store.units.intents(unit.unit_id) if one.step == "post"]
    return all(one.outcome == "refused" for one in posts)


def _compared(unit: Unit, document: Document) -> str:
    """Say what comes of the posted totals, before the next run finds it."""
    wrong = unit.draft and check_totals(unit.draft, document, Why.POSTED_TOTAL_DIFFERS)
    if not unit.draft or not wrong or unit.approved.startswith(AS_DRAFTED):
        return "the next run compares it with the order."
    total, said = document.total_including_tax, unit.draft.gross
    if total == said:
        return f"it will be held as {wrong.why}: {wrong.message}"
    currency = document.currency_code
    return (
        f"{show(total, currency)} is {show(abs(total - said), currency)} "
        f"{'more' if total > said else 'less'} than the order; it will be held as {wrong.why}."
    )


def _meaningless(hold: Hold) -> FixConfig:
    return FixConfig(
        f"{hold.label} ({hold.why}) cannot be approved: {hold.message}",
        hint=REASONS[Why(hold.why)].next_step,
    )


def _approved(conn: Connection, unit: Unit, hold: Hold, sight: Sight) -> tuple[Unit, str]:
    """Return the unit as approving leaves it, and what that means."""
    match Why(hold.why):
        case Why.REFERENCE_IN_USE:
            return _hashed(unit, hold)
        case Why.POSTED_TOTAL_DIFFERS:
            number = unit.document_number
            changed = replace(unit, approved=f"posted:{number}")
            return changed, f"{number} is accepted; {goes_on(conn, unit, hold)}."
        case Why.DRAFT_GONE:
            raise FixConfig(
                f"{hold.label} cannot be approved: {unit.draft_number} was posted already.",
                hint="bcss check tells whether its invoice may be read; then bcss replay --failed.",
            )
        case Why.BC_DRAFT_EDITED if sight.document is not None:
            return _taken_as_is(conn, unit, sight.document.etag)
        case _:
            return _allowed(conn, unit, hold)


def _allowed(conn: Connection, unit: Unit, hold: Hold) -> tuple[Unit, str]:
    """Note what a decision allows once and for all, and say what comes next."""
    match Why(hold.why):
        case Why.POSSIBLE_MANUAL_DUPLICATE | Why.VANISHED as why:
            word, beside = _TO_NOTE[why]
            return _noted(unit, word), f"The next run books {beside}."
        case Why.SURPLUS_DRAFT:
            return unit, f"{unit.document_number or unit.draft_number} stands alone; it goes on."
        case Why.LATE_SHIPMENT:
            conn.store.set_meta(f"late:{unit.unit_id}", "approved")
            return unit, "The next run books it with its ship date as posting date."
        case why if unit.state not in AFTER_POST and _retries(unit, why):
            return unit, "The next run tries again; it works only if the cause has gone by then."
        case _:
            raise _meaningless(hold)


def _retries(unit: Unit, why: Why) -> bool:
    return why in _TO_RETRY or (why is Why.TOTAL_DIFFERS and bool(unit.document_id))


def _corrected(conn: Connection, unit: Unit, hold: Hold) -> tuple[Unit, str]:
    """Let the correction of a posted document begin, or go on."""
    if hold.why in TO_REVERSE and unit.state is State.CONFIRMED:
        return _reversed(conn, unit, Why(hold.why))
    by_hand = hold.why == Why.CREDITED_BY_HAND
    if by_hand and unit.state in (State.REV_NEEDED, State.CONFIRMED):
        changed = replace(unit, state=State.REV_POSTED, memo_number="by hand")
        return changed, "The next run books the order again as it is then."
    if unit.state in REVERSING:
        return _once_more(conn, unit)
    raise _meaningless(hold)


def _deleted(unit: Unit, hold: Hold, sight: Sight) -> Verdict | None:
    """Ask about a draft that was deleted, unless the hold has said that a new one would come."""
    if not sight.gone or hold.why not in _NOT_ANNOUNCED or unit.waiting in (CANCEL, REPLACE):
        return None
    return Verdict(Why.DRAFT_GONE, f"Draft {unit.draft_number} was deleted by somebody.")


def _edited_again(unit: Unit, hold: Hold, sight: Sight) -> Verdict | None:
    """Return how a draft that a person edited differs now, if not as it was shown."""
    if hold.why != Why.BC_DRAFT_EDITED or sight.document is None or sight.posted:
        return None
    if unit.waiting:
        verdict = edited_meanwhile(unit, sight.document)
    else:
        verdict = check_draft(unit.draft, unit, sight.document) if unit.draft else None
    return None if verdict is None or verdict.message == hold.message else verdict


def _taken_as_is(conn: Connection, unit: Unit, etag: str) -> tuple[Unit, str]:
    """Take a draft that a person edited as what the order, as it is now, is booked by."""
    if unit.waiting == CANCEL:
        raise FixConfig(
            f"{unit.draft_number} cannot be approved: its order is cancelled or deleted.",
            hint=f"Delete {unit.draft_number} in Business Central by hand, then approve.",
        )
    changed = replace(
        unit,
        approved=f"{AS_DRAFTED}{etag}",
        booked_hash=booked_hash(family_of(conn, unit)),
        waiting="",
    )
    done = "posts" if unit.kind.posts else "keeps"
    return changed, f"The next run {done} {unit.draft_number} as it stands now."


def _reversed(conn: Connection, unit: Unit, why: Why) -> tuple[Unit, str]:
    """Have the next run credit an invoice; the approval holds for the order as it was shown."""
    changed = replace(
        unit,
        state=State.REV_NEEDED,
        approved=REVERSE + shape(unit.money_hash, evidence_of(conn, unit)),
        memo_date=_today(conn),
        memo_id="",
        memo_draft="",
        memo_number="",
        waiting="",
        sent_at=None,
    )
    return changed, (
        f"The next run posts a corrective credit memo over {unit.document_number}, dated "
        f"{changed.memo_date}, and books {_AFTERWARDS.get(why, 'the order again as it is then')}."
    )


def _once_more(conn: Connection, unit: Unit) -> tuple[Unit, str]:
    """Look again at the credit memos; none is made while one exists or may still land."""
    changed = replace(
        unit, state=State.REV_INTENT, waiting=LOOK_AGAIN, memo_date=_today(conn), held=""
    )
    return changed, f"The next run goes on crediting {unit.document_number}, dated today."


def _today(conn: Connection) -> str:
    return conn.now().astimezone(conn.config.business_central.time_zone).date().isoformat()


def _hashed(unit: Unit, hold: Hold) -> tuple[Unit, str]:
    """Give the unit the reference that nobody else can have, and stop asking for the plain one."""
    if unit.state not in (State.SEEN, State.READY) or not unit.other_reference:
        raise FixConfig(
            f"{hold.label} cannot be approved now: the order has a draft or a request in doubt "
            f"under {unit.reference}.",
            hint="Delete or rename one of the two documents by hand, then bcss replay --failed.",
        )
    reference = unit.other_reference
    changed = replace(_noted(unit, _MANUAL), reference=reference, other_reference="")
    return changed, f"The next run books the order under reference {reference}."


def _noted(unit: Unit, what: str) -> Unit:
    """Add what was approved before any document, beside what was approved already."""
    return replace(unit, approved=f"{unit.approved} {what}".strip())


def _unborn(unit: Unit) -> Unit:
    return replace(
        unit,
        state=State.READY if unit.draft is not None else State.SEEN,
        document_id="",
        draft_number="",
        verified=False,
        post_attempted=False,
        bc_total=None,
        waiting="",
        waiting_since=None,
        sent_at=None,
    )
