"""Carry out what a person decided about something that is held (design §4.3, §4.5).

A decision binds to what was shown: a hold that has changed since is refused. What approving
means for each reason stands in `bcss.holds`.
"""

from dataclasses import dataclass, replace

from bcss.booking.judge import check_draft
from bcss.booking.replan import AS_IS, REVERSE, shape
from bcss.booking.reverse import LOOK_AGAIN
from bcss.errors import FixConfig
from bcss.flows.connection import Connection
from bcss.flows.planning import IGNORED, VANISHED
from bcss.flows.reversal import resume_undisputed
from bcss.holds import REASONS, Hold, Why
from bcss.mapping.families import Evidence, Family, close, root_of
from bcss.mapping.hashes import booked_hash
from bcss.mapping.text import clean
from bcss.store.trail import Event
from bcss.units import AFTER_POST, REVERSING, State, Unit, entity_of

_FLOW = "review"
_MANUAL = "duplicate"
_NAME = 60
_TO_REVERSE = (
    Why.EDITED_AFTER_POST,
    Why.VOIDED_AFTER_POST,
    Why.CANCELLED_AFTER_POST,
    Why.DELETED_AFTER_POST,
)
_CORRECTIONS = (*_TO_REVERSE, Why.CREDIT_REFUSED, Why.CREDIT_UNCLEAR, Why.CREDITED_BY_HAND)
_TO_NOTE = {
    Why.POSSIBLE_MANUAL_DUPLICATE: (_MANUAL, "the order beside that document"),
    Why.VANISHED: (VANISHED, "what is left of the order"),
}
# Approving these means nothing that bcss could do: the correction is a person's, in BC.
_BY_HAND = (Why.BOOKED_TWICE,)
_IN_DOUBT = (State.REV_INTENT, State.REV_POST_INTENT)


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's word on a hold as it was shown to them."""

    hold: Hold
    by: str
    note: str


def ignore(conn: Connection, decision: Decision) -> str:
    """End a hold for good and book nothing more of it; return what that means, in words."""
    with conn.booking("hold ignore"), conn.store.write():
        hold = _unchanged(conn, decision)
        unit = _unit_of(conn, hold)
        meaning = _ignored_record(hold) if unit is None else _ignored_unit(conn, unit, decision)
        _close(conn, decision, "ignored", meaning)
    return meaning


def approve(conn: Connection, decision: Decision) -> str:
    """Let a held order go on in the way its reason names; return what that means, in words."""
    etag = _draft_as_shown(conn, decision.hold)
    with conn.booking("hold approve"), conn.store.write():
        hold = _unchanged(conn, decision)
        unit = _unit_of(conn, hold)
        if unit is None:
            raise _meaningless(hold)
        if hold.why in _CORRECTIONS:
            approved, meaning = _corrected(conn, unit, hold)
        else:
            approved, meaning = _approved(conn, unit, hold, etag)
        conn.store.units.save(replace(approved, held="", updated_at=conn.now()))
        conn.store.orders.mark_dirty(conn.store.units.members(unit.unit_id))
        _close(conn, decision, "approved", meaning)
    return meaning


def assign(conn: Connection, decision: Decision, to: str) -> str:
    """Note who looks after a hold, which stays; return what that means, in words."""
    name = clean(to)[:_NAME]
    with conn.store.write():
        hold = _unchanged(conn, decision)
        conn.store.holds.assign(hold.hold_id, name)
        meaning = f"{name} looks after it." if name else "Nobody looks after it."
        note = f" Note: {decision.note}" if decision.note else ""
        text = f"assigned {hold.label} ({hold.why}) by {decision.by}: {meaning}{note}"
        event = Event("decision", _FLOW, hold.subject, text, target="queue", status="assigned")
        conn.store.trail.add(conn.now(), event)
    return meaning


def find(conn: Connection, text: str) -> Hold:
    """Find an open hold by its name, such as H-0017 or 17; raise FixConfig when there is none."""
    number = text.strip().upper().removeprefix("H-")
    hold = conn.store.holds.by_number(int(number)) if number.isdecimal() else None
    if hold is None:
        raise FixConfig(f"There is no hold {text!r}.", hint="bcss hold list shows them.")
    if hold.closed_at is not None:
        raise FixConfig(f"{hold.label} has ended already.", hint="bcss hold list shows the rest.")
    return hold


def _unchanged(conn: Connection, decision: Decision) -> Hold:
    shown = decision.hold
    now = conn.store.holds.by_number(shown.hold_id)
    if now is None or now.closed_at is not None:
        raise FixConfig(f"{shown.label} has ended in the meantime.")
    if (now.message, now.content) != (shown.message, shown.content):
        raise FixConfig(
            f"{shown.label} has changed since it was shown: {now.message}",
            hint="Look at it again and repeat the command.",
        )
    return now


def _unit_of(conn: Connection, hold: Hold) -> Unit | None:
    kind, _, number = hold.subject.partition(":")
    return conn.store.units.get(int(number)) if kind == "unit" else None


def _close(conn: Connection, decision: Decision, verb: str, meaning: str) -> None:
    hold, now = decision.hold, conn.now()
    text = f"{verb} {hold.label} ({hold.why}): {meaning} Note: {decision.note}"
    event = Event("decision", _FLOW, hold.subject, text, target="queue", status=verb)
    conn.store.trail.add(now, event)
    conn.store.holds.close(hold.subject, now, by=decision.by, note=decision.note)


def _ignored_record(hold: Hold) -> str:
    if hold.why == Why.UNKNOWN_STORE:
        raise FixConfig(
            f"{hold.label} is about a whole store.",
            hint=f"Set the store to ignore in the config: orders.stores: {hold.store_id}: ignore.",
        )
    return "The record is left out; it is held again when ShipStation changes it."


def _ignored_unit(conn: Connection, unit: Unit, decision: Decision) -> str:
    number = unit.document_number or unit.draft_number
    if unit.state in REVERSING:
        return _reversal_left(conn, unit)
    gone = unit.held == Why.DRAFT_GONE and not unit.document_number
    if not gone and (
        unit.state in AFTER_POST or (unit.state is State.POST_INTENT and _twice(unit))
    ):
        _stays(conn, unit)
        return f"{number} stays booked as it is."
    if unit.state is State.POST_INTENT:
        raise FixConfig(
            f"Whether {number} was posted is not known yet.",
            hint="Run bcss pull-shipments, which reads it back, then decide.",
        )
    conn.store.units.save(
        replace(
            unit,
            state=State.DROPPED,
            waiting=f"{IGNORED}{decision.by}",
            waiting_since=conn.now(),
            held="",
            updated_at=conn.now(),
        )
    )
    if unit.state in (State.DRAFTED, State.CREATE_INTENT) and not gone:
        return f"It will not be booked; delete its draft {number} in Business Central by hand."
    return "It will not be booked."


def _stays(conn: Connection, unit: Unit) -> None:
    """Let a booked document stand for the order as it is now, until that changes again."""
    approved = AS_IS + shape(unit.money_hash, _evidence(conn, unit))
    kept = replace(unit, held="", state=State.CONFIRMED, approved=approved, updated_at=conn.now())
    conn.store.units.save(kept)


def _reversal_left(conn: Connection, unit: Unit) -> str:
    if unit.state in _IN_DOUBT:
        raise FixConfig(
            f"Whether {unit.document_number} was credited is not known yet.",
            hint="Approve the hold, which has it looked up again, then decide.",
        )
    _stays(conn, unit)
    if unit.memo_id:
        return (
            f"{unit.document_number} stays booked; delete draft credit memo {unit.memo_draft} in "
            "Business Central by hand."
        )
    return f"{unit.document_number} stays as it is in Business Central."


def _twice(unit: Unit) -> bool:
    return unit.held == Why.BOOKED_TWICE


def _meaningless(hold: Hold) -> FixConfig:
    return FixConfig(
        f"{hold.label} ({hold.why}) cannot be approved: there is nothing bcss could do by itself.",
        hint=REASONS[Why(hold.why)].next_step,
    )


def _approved(conn: Connection, unit: Unit, hold: Hold, etag: str) -> tuple[Unit, str]:
    """Return the unit as approving leaves it, and what that means."""
    match Why(hold.why):
        case Why.REFERENCE_IN_USE:
            return _hashed(unit, hold)
        case Why.POSSIBLE_MANUAL_DUPLICATE | Why.VANISHED as why:
            word, beside = _TO_NOTE[why]
            return _noted(unit, word), f"The next run books {beside}."
        case Why.POSTED_TOTAL_DIFFERS:
            return _accepted(conn, unit)
        case Why.DRAFT_GONE if unit.state is State.POSTED:
            raise FixConfig(
                f"{hold.label} cannot be approved: {unit.draft_number} was posted already.",
                hint="bcss check tells whether its invoice may be read; then bcss replay --failed.",
            )
        case Why.DRAFT_GONE:
            conn.store.units.close_open(unit.unit_id, "gone", conn.now())
            return _unborn(unit), "The next run makes a new draft."
        case Why.BC_DRAFT_EDITED:
            return _taken_as_is(conn, unit, etag)
        case why if why in _BY_HAND or unit.state in AFTER_POST:
            raise _meaningless(hold)
        case why:
            return unit, _plain(conn, unit, why)


def _corrected(conn: Connection, unit: Unit, hold: Hold) -> tuple[Unit, str]:
    """Let the correction of a posted document begin, or go on."""
    if hold.why in _TO_REVERSE and unit.state is State.CONFIRMED:
        return _reversed(conn, unit)
    if hold.why == Why.CREDITED_BY_HAND and unit.state is State.REV_NEEDED:
        changed = replace(unit, state=State.REV_POSTED, memo_number="by hand")
        return changed, "The next run plans the order again, as its next generation."
    if unit.state in REVERSING:
        return _once_more(conn, unit)
    raise _meaningless(hold)


def _taken_as_is(conn: Connection, unit: Unit, etag: str) -> tuple[Unit, str]:
    """Take a draft that a person edited as what the order, as it is now, is booked by."""
    changed = replace(
        unit, approved=f"draft:{etag}", booked_hash=booked_hash(_family(conn, unit)), waiting=""
    )
    done = "posts" if unit.kind.posts else "keeps"
    return changed, f"The next run {done} {unit.draft_number} as it stands now."


def _reversed(conn: Connection, unit: Unit) -> tuple[Unit, str]:
    """Have the next run credit an invoice; the approval holds for the order as it was shown."""
    changed = replace(
        unit,
        state=State.REV_NEEDED,
        approved=REVERSE + shape(unit.money_hash, _evidence(conn, unit)),
        memo_date=_today(conn),
        memo_id="",
        memo_draft="",
        memo_number="",
        waiting="",
        sent_at=None,
    )
    return changed, (
        f"The next run posts a corrective credit memo over {unit.document_number}, dated "
        f"{changed.memo_date}, and then plans the order as its next generation."
    )


def _once_more(conn: Connection, unit: Unit) -> tuple[Unit, str]:
    """Look again at the credit memos; none is made while one exists or may still land."""
    changed = replace(
        unit, state=State.REV_INTENT, waiting=LOOK_AGAIN, memo_date=_today(conn), held=""
    )
    return changed, f"The next run goes on crediting {unit.document_number}, dated today."


def _today(conn: Connection) -> str:
    return conn.now().astimezone(conn.config.business_central.time_zone).date().isoformat()


def _family(conn: Connection, unit: Unit) -> Family:
    orders = (conn.store.orders.order(one) for one in _members(conn, unit))
    members = {order.order_id: order for order in orders if order is not None}
    return Family(root_of(members), tuple(members.values()), _evidence(conn, unit))


def _evidence(conn: Connection, unit: Unit) -> Evidence:
    return conn.store.orders.evidence_of(_members(conn, unit))


def _members(conn: Connection, unit: Unit) -> tuple[int, ...]:
    """Return the orders of a unit as planning sees them, without older imports of the same."""
    orders = conn.store.orders
    return close(unit.root_order_id, orders.related, orders.children).members


def _plain(conn: Connection, unit: Unit, why: Why) -> str:
    """Note what a decision allows once and for all, and say what comes next."""
    if why is not Why.LATE_SHIPMENT:
        return "The next run plans the order again with what is known then."
    conn.store.set_meta(f"late:{unit.unit_id}", "approved")
    return "The next run books it with its ship date as posting date."


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


def _accepted(conn: Connection, unit: Unit) -> tuple[Unit, str]:
    """Accept a posted document, and let its store post again when no other one is disputed."""
    number = unit.document_number
    changed = replace(unit, approved=f"posted:{number}")
    disputed = resume_undisputed(conn, unit)
    if disputed:
        return changed, f"{number} is accepted; {disputed} more of its store wait."
    return changed, f"{number} is accepted; store {unit.store_id} posts again."


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


def _draft_as_shown(conn: Connection, hold: Hold) -> str:
    """Read the draft that a person edited; raise FixConfig when it is not what was shown."""
    unit = _unit_of(conn, hold)
    if hold.why != Why.BC_DRAFT_EDITED or unit is None or unit.draft is None:
        return ""
    document = conn.bc.get_document(entity_of(unit.kind), unit.document_id)
    verdict = check_draft(unit.draft, unit, document)
    if verdict is None or verdict.message != hold.message:
        now = verdict.message if verdict else "it is as bcss wrote it"
        raise FixConfig(
            f"{hold.label} has changed since it was shown: {now}.",
            hint="Run bcss replay --failed and look at it again.",
        )
    return document.etag
