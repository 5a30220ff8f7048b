"""Create drafts, one deep insert each (design §4.4.3)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bcss.booking.body import render
from bcss.booking.calls import Outcome
from bcss.booking.desk import Desk, shown
from bcss.businesscentral.odata import encode
from bcss.businesscentral.records import Body, Created
from bcss.errors import BcssError, InDoubt, Outdated, RecordRefused
from bcss.holds import Verdict, Why
from bcss.units import State, Unit, entity_of

# Seconds for which a look-up may still let a create leave; a process that was stopped in
# between must look again.
_GOOD_FOR = 600.0


@dataclass(frozen=True, slots=True)
class Since:
    """When a look-up began, on both clocks: only the wall clock counts the sleep of a host."""

    wall: datetime
    steady: float


def since_now(desk: Desk) -> Since:
    """Note that a look-up begins."""
    return Since(desk.now(), desk.clock.monotonic())


def _is_stale(desk: Desk, looked_up: Since) -> bool:
    steady = desk.clock.monotonic() - looked_up.steady
    return max(steady, (desk.now() - looked_up.wall).total_seconds()) > _GOOD_FOR


def create(desk: Desk, units: Sequence[Unit], looked_up: Since) -> None:
    """Create a draft for each unit that a look-up has just found free."""

    def prepare(unit: Unit) -> tuple[Unit, int, Body] | None:
        if unit.draft is None or desk.out_of_time():
            return None
        tried = replace(unit, attempt=unit.attempt + 1)
        body = render(unit.draft, tried)
        try:
            encoded = encode(body)
        except RecordRefused as problem:
            desk.hold(unit, Verdict(Why.REFUSED_BY_BC, problem.message))
            return None
        sent = desk.save(
            tried,
            state=State.CREATE_INTENT,
            sent_at=desk.sending_at(),
            waiting="",
            waiting_since=None,
            document_id="",
            draft_number="",
            verified=False,
            tracked_hash=f"created:{unit.track_hash}",
        )
        intent_id = desk.intend(sent, "create", str(entity_of(sent.kind)), encoded)
        return sent, intent_id, body

    def send(_unit: Unit, token: tuple[Unit, int, Body]) -> Created:
        unit, _intent, body = token
        return desk.bc.create_document(
            entity_of(unit.kind), body, still=lambda: not _is_stale(desk, looked_up)
        )

    def finish(_unit: Unit, token: tuple[Unit, int, Body], outcome: Outcome[Created]) -> bool:
        unit, intent_id, _body = token
        if outcome.value is not None:
            _drafted(desk, unit, intent_id, outcome.value)
            return True
        assert outcome.error is not None  # noqa: S101 - an outcome is one or the other
        return _failed(desk, unit, intent_id, outcome.error)

    desk.send(units, prepare=prepare, send=send, finish=finish)


def _drafted(desk: Desk, unit: Unit, intent_id: int, created: Created) -> None:
    drafted = desk.save(
        unit,
        state=State.DRAFTED,
        document_id=created.id,
        draft_number=created.number,
        sent_at=None,
    )
    desk.settle_intent(drafted, intent_id, "done", f"draft {created.number} for {shown(unit)}")
    desk.report.created += 1


def _failed(desk: Desk, unit: Unit, intent_id: int, error: BcssError) -> bool:
    """Record a create that did not answer as hoped; return whether to go on."""
    match error:
        case InDoubt():
            desk.note(unit, "outcome", error.message, status="in doubt")
            return True
        case Outdated():
            desk.settle_intent(unit, intent_id, "not sent", error.message)
            desk.save(unit, state=State.READY, sent_at=None)
            return True
        case RecordRefused():
            desk.settle_intent(unit, intent_id, "refused", error.message)
            back = desk.save(unit, state=State.READY, sent_at=None)
            desk.hold(back, Verdict(Why.REFUSED_BY_BC, error.message))
            return True
        case _:
            desk.settle_intent(unit, intent_id, "not sent", error.message)
            desk.save(unit, state=State.READY, sent_at=None)
            return not desk.stops(error)
