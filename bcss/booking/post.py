"""Post what the deciding read permitted, and nothing that became stale since (design §4.4.7)."""

from collections.abc import Sequence

from bcss.booking.calls import Outcome
from bcss.booking.decide import Permit
from bcss.booking.desk import Desk, total_of
from bcss.errors import BcssError, InDoubt, Outdated, RecordChanged, RecordMissing, RecordRefused
from bcss.holds import Verdict, Why
from bcss.mapping.text import clean
from bcss.money import show
from bcss.units import State, entity_of

_EQUAL_REFUSALS = 3
_PERIOD = ("range of allowed posting dates", "posting date is not within")
_ALREADY = "draft invoice only"


def post(desk: Desk, permits: Sequence[Permit]) -> None:
    """Post each permitted document once, as long as limits, time and the poll's age allow."""
    stopped = desk.stopped | set(desk.store.store_stops())

    def prepare(permit: Permit) -> int | None:
        unit = permit.unit
        if unit.store_id in stopped or not desk.is_fresh() or desk.out_of_time():
            return None
        if desk.store.news.is_of(unit.unit_id):
            return None  # there is news of the order that the draft does not follow yet
        if not desk.limits.allow(total_of(unit)):
            desk.report.limited = True
            return None
        desk.limits.spend(total_of(unit))
        tried = desk.save(
            unit, state=State.POST_INTENT, post_attempted=True, sent_at=desk.sending_at()
        )
        return desk.intend(tried, "post", unit.document_id)

    def send(permit: Permit, _intent: int) -> bool:
        unit = permit.unit
        entity = entity_of(unit.kind)
        desk.bc.post_document(entity, unit.document_id, permit.etag, still=desk.is_fresh)
        return True

    def finish(permit: Permit, intent_id: int, outcome: Outcome[bool]) -> bool:
        unit = desk.store.units.get(permit.unit.unit_id)
        if outcome.error is None:
            desk.settle_intent(unit, intent_id, "done", f"posted draft {unit.draft_number}")
            desk.save(unit, state=State.POSTED, sent_at=None)
            desk.report.posted += 1
            return True
        if isinstance(outcome.error, Outdated):
            _not_sent(desk, permit, intent_id, outcome.error)
            return True
        going, refusal = _failed(desk, permit, intent_id, outcome.error)
        if refusal:
            desk.refusals[unit.store_id, refusal] += 1
            if desk.refusals[unit.store_id, refusal] == _EQUAL_REFUSALS:
                stopped.add(unit.store_id)
                desk.stopped.add(unit.store_id)
                desk.report.notes.append(
                    f"Posting for store {unit.store_id} stopped in this run: three equal "
                    f"refusals. {refusal}"
                )
        return going

    desk.send(permits, prepare=prepare, send=send, finish=finish)


def _failed(desk: Desk, permit: Permit, intent_id: int, error: BcssError) -> tuple[bool, str]:
    """Record a post that did not answer as hoped; the document itself is read afterwards.

    An error answer does not prove that nothing was posted (design §1, fact 5), so a refusal
    keeps the unit in POST_INTENT with the refusal noted, until the confirming read.
    """
    unit = desk.store.units.get(permit.unit.unit_id)
    match error:
        case InDoubt():
            desk.note(unit, "outcome", error.message, status="in doubt")
            return True, ""
        case RecordChanged():
            desk.settle_intent(unit, intent_id, "stale", error.message)
            desk.save(unit, state=State.POST_INTENT, waiting="", sent_at=None)
            return True, ""
        case RecordMissing():
            desk.settle_intent(unit, intent_id, "missing", error.message)
            return True, ""
        case RecordRefused() if _ALREADY in error.message.lower():
            desk.settle_intent(unit, intent_id, "done", "already posted: " + error.message)
            desk.save(unit, state=State.POSTED, sent_at=None)
            return True, ""
        case RecordRefused():
            desk.settle_intent(unit, intent_id, "refused", error.message)
            desk.save(unit, waiting=f"refused: {clean(error.message)[:400]}", sent_at=None)
            return True, clean(error.message)[:120]
        case _:
            desk.settle_intent(unit, intent_id, "not sent", error.message)
            desk.save(unit, state=State.DRAFTED, sent_at=None)
            return not desk.stops(error), ""


def _not_sent(desk: Desk, permit: Permit, intent_id: int, error: BcssError) -> None:
    """Take a draft back whose turn came when the last poll was too old; the next pass refreshes.

    Nothing left us, so that it is a draft which was never tried to be posted, as before.
    """
    unit = desk.store.units.get(permit.unit.unit_id)
    desk.settle_intent(unit, intent_id, "not sent", error.message)
    tried = permit.unit.post_attempted
    desk.save(unit, state=State.DRAFTED, post_attempted=tried, sent_at=None)
    desk.limits.give_back(total_of(unit))


def refusal(waiting: str) -> Verdict:
    """Say what a refusal to post means, once a read has shown that the draft still stands."""
    message = waiting.removeprefix("refused: ")
    lowered = message.lower()
    why = Why.PERIOD_CLOSED if any(text in lowered for text in _PERIOD) else Why.POST_REFUSED
    return Verdict(why, f"Business Central refused to post: {message}")


def limit_text(desk: Desk) -> str:
    """Say what a reached limit means and how to go on."""
    left = desk.limits
    amount = f", {show(left.amount)} of the amount limit left" if left.amount is not None else ""
    return f"The posting limit of this run is reached{amount}; the next run goes on."
