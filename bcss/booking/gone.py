"""Say what becomes of a unit whose draft does not stand any more."""

from bcss.booking.desk import Desk
from bcss.clock import FAR
from bcss.holds import Verdict, Why
from bcss.store.unitbook import Intent
from bcss.units import CANCEL, State, Unit


def gone(desk: Desk, unit: Unit, text: str) -> None:
    """Plan a unit anew whose draft bcss has deleted, and hold one whose draft somebody has.

    Of a deletion whose answer was lost only its intent tells. Inside the caller's transaction.
    """
    ours = unit.waiting == CANCEL or _is_ours(desk, unit)
    desk.store.units.close_open(unit.unit_id, "gone", desk.now())
    if unit.document_number or not ours:
        desk.hold(unit, Verdict(Why.DRAFT_GONE, text))
        return
    then = State.DROPPED if unit.waiting == CANCEL else State.SEEN
    leave(desk, desk.release(unit) if unit.held else unit, then)


def may_go(desk: Desk, unit: Unit) -> bool:
    """Tell whether a deletion of ours may still land on a draft that stands.

    Of one that cannot that is noted: who deletes the draft from then on is somebody else. Inside
    the caller's transaction.
    """
    for one in _doubtful(desk, unit):
        if one.sent_at > desk.bc.clock.answered() + FAR:  # noted by a clock far ahead
            desk.store.units.resent(one.intent_id, desk.sending_at())
    open_ones = _doubtful(desk, unit)
    over = [one for one in open_ones if desk.is_settled(one.sent_at)]
    for one in over:
        desk.store.units.settle(one.intent_id, "no effect seen", desk.now())
    return len(over) < len(open_ones)


def _is_ours(desk: Desk, unit: Unit) -> bool:
    """Tell whether a deletion of ours may have landed; one that has answered forgot the draft."""
    return not unit.post_attempted and bool(_doubtful(desk, unit))


def _doubtful(desk: Desk, unit: Unit) -> list[Intent]:
    wanted = ("delete", unit.document_id, "")
    intents = desk.store.units.intents(unit.unit_id)
    return [one for one in intents if (one.step, one.document_id, one.outcome) == wanted]


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
