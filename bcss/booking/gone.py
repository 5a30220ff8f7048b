"""Say what becomes of a unit whose draft does not stand any more."""

from bcss.booking.desk import Desk
from bcss.holds import Verdict, Why
from bcss.store.unitbook import Intent
from bcss.units import CANCEL, State, Unit

_DELETED = ("done", "gone")


def gone(desk: Desk, unit: Unit, text: str) -> None:
    """Plan a unit anew whose draft bcss has deleted, and hold one whose draft somebody has.

    Of a deletion whose answer was lost only its intent tells. Inside the caller's transaction.
    """
    desk.store.units.close_open(unit.unit_id, "gone", desk.now())
    if unit.waiting != CANCEL and not _is_ours(desk, unit):
        desk.hold(unit, Verdict(Why.DRAFT_GONE, text))
        return
    then = State.DROPPED if unit.waiting == CANCEL else State.SEEN
    leave(desk, desk.release(unit) if unit.held else unit, then)


def still_there(desk: Desk, unit: Unit) -> None:
    """Note of a draft that stands which deletions in doubt can no longer land.

    Who deletes it from now on is somebody else. Inside the caller's transaction.
    """
    for one in _deletions(desk, unit):
        if not one.outcome and desk.is_settled(one.sent_at):
            desk.store.units.settle(one.intent_id, "no effect seen", desk.now())


def _is_ours(desk: Desk, unit: Unit) -> bool:
    """Tell whether bcss has asked for this deletion and it may have landed since."""
    return any(one.outcome in _DELETED for one in _deletions(desk, unit))


def _deletions(desk: Desk, unit: Unit) -> list[Intent]:
    intents = desk.store.units.intents(unit.unit_id)
    return [one for one in intents if (one.step, one.document_id) == ("delete", unit.document_id)]


def leave(desk: Desk, unit: Unit, then: State) -> None:
    """Forget a unit's draft, and have its order planned again; inside the caller's transaction."""
    desk.report.dropped += then is State.DROPPED
    desk.save(
        unit,
        state=then,
        document_id="",
        draft_number="",
        verified=False,
        tracked_hash="",
        waiting="cancelled" if unit.waiting == CANCEL else "",
        waiting_since=None,
    )
    desk.store.news.add_unit(unit.unit_id)
