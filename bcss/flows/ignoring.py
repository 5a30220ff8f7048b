"""End a hold for good: what stays out of the books, and what stays in them as it is."""

from dataclasses import replace

from bcss.booking.replan import AS_IS, shape, shared
from bcss.errors import FixConfig
from bcss.flows import anew
from bcss.flows.anew import Sight
from bcss.flows.connection import Connection
from bcss.flows.decisions import (
    Decision,
    close,
    evidence_of,
    goes_on,
    need_reason,
    not_booked,
    unchanged,
    unit_of,
)
from bcss.flows.planning import IGNORED
from bcss.holds import Hold, Why
from bcss.money import show
from bcss.units import AFTER_POST, REVERSING, State, Unit

_POSTED = (Why.POSTED_TOTAL_DIFFERS, Why.BOOKED_TWICE)
_IN_DOUBT = (State.REV_INTENT, State.REV_POST_INTENT)


def ignore(conn: Connection, decision: Decision) -> str:
    """End a hold for good and book nothing more of it; return what that means, in words."""
    need_reason(decision.note)
    with conn.booking("hold ignore"):
        unit = unit_of(conn, unchanged(conn, decision.hold))
        sight = anew.look(conn, unit) if unit else Sight()
        if unit and sight.posted and sight.document:
            total = show(sight.document.total_including_tax, sight.document.currency_code)
            raise FixConfig(
                f"{unit.draft_number} was posted in Business Central meanwhile as "
                f"{sight.document.number} ({total}).",
                hint=f"Approve {decision.hold.label}, so that bcss knows it as the order's invoice.",
            )
        with conn.store.write():
            return _ignored(conn, decision, sight)


def foretold(conn: Connection, hold: Hold) -> str:
    """Say what ignoring a hold would mean, in the words that follow it; asks no vendor."""
    unit = unit_of(conn, hold)
    try:
        return _left(conn, unit, hold, Sight(), "")[1] if unit else _ignored_record(hold)
    except FixConfig as error:
        return f"It is refused. {error.message} {error.hint}"


def _ignored(conn: Connection, decision: Decision, sight: Sight) -> str:
    hold = unchanged(conn, decision.hold)
    unit = unit_of(conn, hold)
    if unit is None:
        meaning = _ignored_record(hold)
    else:
        left, meaning = _left(conn, unit, decision.hold, sight, decision.by)
        conn.store.units.save(left)
        conn.store.news.add_unit(unit.unit_id)
    close(conn, hold, "ignored", meaning, decision.by, decision.note)
    return meaning


def _ignored_record(hold: Hold) -> str:
    if hold.why == Why.UNKNOWN_STORE:
        raise FixConfig(
            f"{hold.label} is about a whole store.",
            hint=f"Set the store to ignore in the config: orders.stores: {hold.store_id}: ignore.",
        )
    return "The record is left out; it is held again when ShipStation changes it."


def _left(conn: Connection, unit: Unit, hold: Hold, sight: Sight, by: str) -> tuple[Unit, str]:
    """Return the unit as ignoring leaves it, and what that means; nothing is written."""
    number = unit.document_number or unit.draft_number
    if unit.state in REVERSING:
        return _reversal_left(conn, unit)
    gone = unit.held == Why.DRAFT_GONE and not unit.document_number
    if not gone and (
        unit.state in AFTER_POST or (unit.state is State.POST_INTENT and _twice(unit))
    ):
        return _stays(conn, unit, hold)
    if unit.state is State.POST_INTENT:
        raise FixConfig(
            f"Whether {number} was posted is not known yet.",
            hint="Run bcss pull-shipments, which reads it back, then decide.",
        )
    dropped = replace(
        unit,
        state=State.DROPPED,
        waiting=f"{IGNORED}{by}",
        waiting_since=conn.now(),
        held="",
        updated_at=conn.now(),
    )
    left = f"{not_booked(conn, unit, hold)} will not be booked by bcss, not even if it ships later"
    if unit.state in (State.DRAFTED, State.CREATE_INTENT) and not gone and not sight.gone:
        left += f"; delete the draft {number} in Business Central by hand"
    return dropped, f'{left}. bcss hold reopen {hold.hold_id} --note "why" takes that back.'


def _stays(conn: Connection, unit: Unit, hold: Hold) -> tuple[Unit, str]:
    """Let a booked document stand for the order as it is now, until that changes again."""
    number = unit.document_number or unit.draft_number or "Its document"
    if hold.why == Why.SURPLUS_DRAFT:  # says nothing of the order, nor whether it is confirmed
        return replace(unit, held="", updated_at=conn.now()), f"{number} stays booked as it is."
    approved = AS_IS + shape(unit.money_hash, evidence_of(conn, unit))
    if hold.why in _POSTED:
        approved = f"posted:{number}"  # says nothing of the order, which may have changed since
    elif hold.why == Why.KEY_SHARED:
        approved = shared(hold.content)
    kept = replace(unit, held="", state=_confirmed(unit), approved=approved, updated_at=conn.now())
    if hold.why == Why.POSTED_TOTAL_DIFFERS:
        return kept, f"{number} stays booked as it is; {goes_on(conn, unit, hold)}."
    if hold.why == Why.KEY_SHARED:
        return kept, f"{number} stays booked as it is. {_others(conn, unit, hold)}"
    return kept, f"{number} stays booked as it is."


def _confirmed(unit: Unit) -> State:
    """Leave it to the next run to read back what is posted and has no number yet."""
    unread = unit.state is State.POSTED and not unit.document_number
    return State.POSTED if unread else State.CONFIRMED


def _others(conn: Connection, unit: Unit, hold: Hold) -> str:
    return f"{not_booked(conn, unit, hold, beside=True)} will not be booked by bcss."


def _reversal_left(conn: Connection, unit: Unit) -> tuple[Unit, str]:
    if unit.state in _IN_DOUBT:
        raise FixConfig(
            f"Whether {unit.document_number} was credited is not known yet.",
            hint="Approve the hold, which has it looked up again, then decide.",
        )
    approved = AS_IS + shape(unit.money_hash, evidence_of(conn, unit))
    kept = replace(unit, held="", state=State.CONFIRMED, approved=approved, updated_at=conn.now())
    if unit.memo_id:
        return kept, (
            f"{unit.document_number} stays booked; delete draft credit memo {unit.memo_draft} in "
            "Business Central by hand."
        )
    return kept, f"{unit.document_number} stays as it is in Business Central."


def _twice(unit: Unit) -> bool:
    return unit.held == Why.BOOKED_TWICE
