"""Take a person's decision back, as long as nothing else has acted on it."""

from dataclasses import replace

from bcss.booking.replan import AS_IS, REVERSE
from bcss.errors import FixConfig
from bcss.flows.anew import FLOW
from bcss.flows.connection import Connection
from bcss.flows.decisions import Decision, need_reason, numbered, unit_of
from bcss.flows.planning import IGNORED
from bcss.holds import Hold
from bcss.store.trail import Event
from bcss.units import State, Unit

_HINT = "bcss hold list shows what is held now."


def find_ended(conn: Connection, text: str) -> Hold:
    """Find a hold that a person has decided about; raise FixConfig when it is not ended."""
    hold = numbered(conn, text)
    if hold.closed_at is None:
        raise FixConfig(f"{hold.label} is open.", hint=f"bcss hold show {hold.hold_id} shows it.")
    return hold


def reopen(conn: Connection, decision: Decision) -> str:
    """Hold again what a person has ignored, or approved and not begun; return what that means."""
    need_reason(decision.note)
    with conn.booking("hold reopen"), conn.store.write():
        hold = find_ended(conn, decision.hold.label)
        verb = conn.store.holds.decision(hold)
        _refuse_later(conn, hold, verb)
        unit = unit_of(conn, hold)
        if unit is not None:
            restored = _restored(conn, unit, hold, verb)
            conn.store.units.save(replace(restored, held=hold.why, updated_at=conn.now()))
            conn.store.news.add_unit(unit.unit_id)
        conn.store.holds.reopen(hold)
        meaning = f"What was {verb} is taken back; it is held again as it was."
        _note(conn, hold, decision, meaning)
    return meaning


def _refuse_later(conn: Connection, hold: Hold, verb: str) -> None:
    if verb not in ("ignored", "approved"):
        raise FixConfig(f"{hold.label} was not ended by a person's decision.", hint=_HINT)
    newest = conn.store.holds.of([hold.subject])[-1]
    if newest.hold_id != hold.hold_id:
        raise FixConfig(f"{hold.label} was followed by {newest.label}.", hint=_HINT)


def _restored(conn: Connection, unit: Unit, hold: Hold, verb: str) -> Unit:
    """Return the unit as it was held; raise FixConfig when something has acted since."""
    if verb == "ignored" and unit.state is State.DROPPED and unit.waiting.startswith(IGNORED):
        _refuse_taken(conn, unit, hold)
        return replace(unit, state=_state_before(unit), waiting="", waiting_since=None)
    stood = unit.state is State.CONFIRMED and unit.approved.startswith((AS_IS, "posted:"))
    if verb == "ignored" and stood and not unit.held:
        return replace(unit, approved="")
    begun = unit.state is not State.REV_NEEDED or unit.held or unit.memo_id
    if verb == "approved" and not begun and unit.approved.startswith(REVERSE):
        return replace(unit, state=State.CONFIRMED, approved="", memo_date="")
    raise FixConfig(f"{hold.label} was {verb}, and bcss has acted on that since.", hint=_HINT)


def _refuse_taken(conn: Connection, unit: Unit, hold: Hold) -> None:
    others = conn.store.units.by_reference(unit.reference) if unit.reference else []
    if others:
        raise FixConfig(
            f"{hold.label} cannot be reopened: order {others[0].order_number} is booked under "
            f"{unit.reference} now.",
            hint="Book the order by hand.",
        )


def _state_before(unit: Unit) -> State:
    if unit.document_id:
        return State.DRAFTED
    return State.CREATE_INTENT if unit.sent_at is not None else State.SEEN


def _note(conn: Connection, hold: Hold, decision: Decision, meaning: str) -> None:
    text = f"reopened {hold.label} ({hold.why}) by {decision.by}: {meaning} Note: {decision.note}"
    event = Event("decision", FLOW, hold.subject, text, target="queue", status="reopened")
    conn.store.trail.add(conn.now(), event)
