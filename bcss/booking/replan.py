"""Say what an order's present shape means for a unit that already has a history; pure.

These are the transitions of reliability.md §2.5 that need no call: T1, T2, T10 to T13.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import assert_never

from bcss.booking.attach import ATTACH
from bcss.booking.withdraw import CANCEL, REPLACE
from bcss.holds import Verdict, Why
from bcss.mapping.families import Family
from bcss.mapping.hashes import booked_hash, money_hash, track_hash
from bcss.mapping.readiness import (
    WAITING_FOR_EVIDENCE,
    WAITING_FOR_SIBLING,
    Drop,
    Readiness,
    Wait,
)
from bcss.mapping.tracking import is_told
from bcss.money import ZERO
from bcss.units import Draft, State, Unit

_SHOWN_SINCE = (WAITING_FOR_SIBLING, WAITING_FOR_EVIDENCE)


@dataclass(frozen=True, slots=True)
class Step:
    """The unit as it stands now, and the verdict when it must be held."""

    unit: Unit
    verdict: Verdict | None = None


def replan(unit: Unit, family: Family, readiness: Readiness, now: datetime) -> Step:
    """Return what becomes of a unit whose orders now mean `readiness`."""
    hashed = replace(unit, money_hash=money_hash(family), total=_total(family))
    match unit.state:
        case State.CREATE_INTENT | State.POST_INTENT:
            return Step(unit)  # first a read must tell what became of the call
        case State.SEEN | State.READY | State.DROPPED:
            return _unborn(hashed, family, readiness, now)
        case State.DRAFTED:
            return _drafted(hashed, family, readiness, now)
        case State.POSTED | State.CONFIRMED:
            return _booked(hashed, family, readiness)
        case _:
            assert_never(unit.state)


def _unborn(unit: Unit, family: Family, readiness: Readiness, now: datetime) -> Step:
    match readiness:
        case Draft():
            return Step(ready(unit, family, readiness))
        case Wait(reason=reason):
            return Step(_waiting(replace(unit, state=State.SEEN), reason, now))
        case Drop(reason=reason):
            return Step(replace(unit, state=State.DROPPED, waiting=reason, waiting_since=None))
        case Verdict():
            return Step(replace(unit, state=State.SEEN, waiting="", waiting_since=None), readiness)
        case _:
            assert_never(readiness)


def ready(unit: Unit, family: Family, draft: Draft) -> Unit:
    """Return a unit that may be created with this draft."""
    return replace(
        unit,
        state=State.READY,
        kind=draft.kind,
        draft=draft,
        booked_hash=booked_hash(family),
        track_hash=track_hash(draft, draft.tracking),
        ship_date=draft.posting_date,
        currency=draft.currency,
        total=draft.gross,
        waiting="",
        waiting_since=None,
    )


def _drafted(unit: Unit, family: Family, readiness: Readiness, now: datetime) -> Step:
    match readiness:
        case Draft() if _same_document(unit, family, readiness):
            return Step(_renewed(unit, readiness))
        case Draft():
            return _take_back(unit, REPLACE, "The order changed after a posting was tried")
        case Wait(reason=reason):
            return Step(_waiting(unit, reason, now))
        case Drop():
            return _take_back(unit, CANCEL, "The order was cancelled after a posting was tried")
        case Verdict():
            return Step(replace(unit, waiting="", waiting_since=None), readiness)
        case _:
            assert_never(readiness)


def _same_document(unit: Unit, family: Family, draft: Draft) -> bool:
    """Tell whether only tracking and dates differ from what stands in Business Central."""
    if unit.draft is None:
        return False
    unchanged = booked_hash(family) == unit.booked_hash and not unit.held
    return unchanged or _essence(unit.draft) == _essence(draft)


def _essence(draft: Draft) -> tuple[object, ...]:
    return (draft.customer, draft.currency, draft.lines, draft.kind, draft.prices)


def _renewed(unit: Unit, draft: Draft) -> Unit:
    """Keep the draft's lines and ship-to, and take over what a new label changes (§4.2)."""
    assert unit.draft is not None  # noqa: S101 - _same_document has just seen one
    merged = replace(
        unit.draft,
        tracking=draft.tracking,
        posting_date=draft.posting_date,
        document_date=draft.document_date,
        gross=draft.gross,
        net=draft.net,
        tolerance=draft.tolerance,
    )
    return replace(
        unit,
        draft=merged,
        track_hash=track_hash(merged, merged.tracking),
        ship_date=merged.posting_date,
        waiting="",
        waiting_since=None,
    )


def _take_back(unit: Unit, how: str, tried: str) -> Step:
    if unit.post_attempted:
        return Step(
            unit,
            Verdict(Why.DRAFT_AFTER_FAILED_POST, f"{tried}; draft {unit.draft_number} stands."),
        )
    return Step(replace(unit, waiting=how, waiting_since=None))


def _booked(unit: Unit, family: Family, readiness: Readiness) -> Step:
    """Hold what changed after booking; nothing is automatic any more (design §4.5)."""
    if not unit.kind.posts:
        return _standing(unit, family, readiness)
    verdict = _after_post(unit, family)
    if verdict is None and isinstance(readiness, Draft) and _has_news(unit, family):
        wanted = track_hash(readiness, readiness.tracking)
        if wanted != unit.tracked_hash:
            return Step(replace(unit, track_hash=wanted, waiting=ATTACH))
    return Step(unit, verdict)


def _has_news(unit: Unit, family: Family) -> bool:
    """Tell whether a number counts that the posted document does not tell (design §4.5)."""
    if unit.draft is None or unit.state is not State.CONFIRMED:
        return False
    return any(not is_told(one, unit.draft.tracking) for one in family.evidence.counting())


def _after_post(unit: Unit, family: Family) -> Verdict | None:
    number = unit.document_number or unit.draft_number
    if all(order.status == "cancelled" for order in family.members):
        return Verdict(Why.CANCELLED_AFTER_POST, f"Cancelled in ShipStation; {number} is booked.")
    if booked_hash(family) != unit.booked_hash:
        return Verdict(
            Why.EDITED_AFTER_POST,
            f"Edited in ShipStation after {number} was booked; see the order.",
        )
    if family.evidence.outbound() and not family.evidence.counting():
        return Verdict(Why.VOIDED_AFTER_POST, f"Every label is voided; {number} is booked.")
    return None


def _standing(unit: Unit, family: Family, readiness: Readiness) -> Step:
    """Follow a change of an order whose draft stands in BC by the store's choice."""
    changed = booked_hash(family) != unit.booked_hash
    match readiness:
        case Drop():
            return _take_back(replace(unit, state=State.DRAFTED), CANCEL, "")
        case Draft() if changed:
            return _take_back(replace(unit, state=State.DRAFTED), REPLACE, "")
        case _:
            return Step(unit)


def _waiting(unit: Unit, reason: str, now: datetime) -> Unit:
    since = unit.waiting_since if unit.waiting == reason else None
    shown = since or (now if reason in _SHOWN_SINCE else None)
    return replace(unit, waiting=reason, waiting_since=shown)


def _total(family: Family) -> Decimal:
    return sum((order.order_total for order in family.members), ZERO)
