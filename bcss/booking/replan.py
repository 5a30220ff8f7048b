"""Say what an order's present shape means for a unit that already has a history; pure.

These are the transitions of reliability.md §2.5 that need no call: T1, T2, T10 to T13.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import assert_never

from bcss.booking.attach import ATTACH
from bcss.booking.body import renewable
from bcss.holds import Verdict, Why
from bcss.mapping.families import Evidence, Family, one_id
from bcss.mapping.hashes import booked_hash, money_hash, track_hash
from bcss.mapping.readiness import (
    MERGED,
    NOT_SHIPPED,
    WAITING_FOR_EVIDENCE,
    WAITING_FOR_POLL,
    WAITING_FOR_SIBLING,
    Drop,
    Moment,
    Readiness,
    Wait,
)
from bcss.mapping.tracking import is_told
from bcss.money import ZERO, show
from bcss.units import AS_DRAFTED, CANCEL, CREDITED_UNSEEN, REPLACE, Draft, State, Tracking, Unit

_SHOWN_SINCE = (WAITING_FOR_SIBLING, WAITING_FOR_EVIDENCE)
_FAMILY = (Why.VANISHED, Why.FAMILY_CHANGED, Why.PARTLY_CANCELLED, Why.KEY_SHARED)
# How a person's decision about a booked order is noted on its unit, before the order's shape.
REVERSE = "reverse:"
AS_IS = "as-is:"


@dataclass(frozen=True, slots=True)
class Step:
    """The unit as it stands now, and the verdict when it must be held."""

    unit: Unit
    verdict: Verdict | None = None


def replan(unit: Unit, family: Family, readiness: Readiness, moment: Moment) -> Step:
    """Return what becomes of a unit whose orders now mean `readiness`."""
    hashed = replace(unit, money_hash=money_hash(family), total=_total(family))
    match unit.state:
        case State.CREATE_INTENT | State.POST_INTENT | State.POSTED:
            return Step(unit)  # first a read must tell what became of the call
        case State.SEEN | State.READY | State.DROPPED:
            return _unborn(hashed, family, readiness, moment)
        case State.DRAFTED:
            return _drafted(hashed, family, readiness, moment)
        case State.CONFIRMED:
            return _booked(hashed, family, readiness, moment)
        case State.REV_NEEDED:
            return _approved(hashed, family, readiness, moment)
        case State.REV_INTENT | State.REV_DRAFTED | State.REV_POST_INTENT | State.REV_POSTED:
            return Step(unit)  # the next generation is planned by what the orders are then
        case _:
            assert_never(unit.state)


def shape(money: str, evidence: Evidence) -> str:
    """Return what a decision about a booked order binds to: its money, status and labels."""
    labels = sorted(f"{one_id(one)}:{one.tracking_number}" for one in evidence.counting())
    return sha256(f"{money}|{'|'.join(labels)}".encode()).hexdigest()[:24]


def shared(content: str) -> str:
    """Return how a decision to let a document stand beside orders of the same key is noted."""
    return f"{AS_IS}{sha256(content.encode()).hexdigest()[:24]}"


def _unborn(unit: Unit, family: Family, readiness: Readiness, moment: Moment) -> Step:
    match readiness:
        case Draft():
            return Step(ready(replace(unit, config=moment.config), family, readiness))
        case Wait(reason=reason):
            return Step(_waiting(replace(unit, state=State.SEEN), reason, moment.now))
        case Drop(reason=reason):
            return Step(replace(unit, state=State.DROPPED, waiting=reason, waiting_since=None))
        case Verdict(why=why):
            since = unit.waiting_since if why is Why.WAITING_TOO_LONG else None
            back = replace(unit, state=State.SEEN, waiting="", waiting_since=since)
            return Step(back, readiness)
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


def _drafted(unit: Unit, family: Family, readiness: Readiness, moment: Moment) -> Step:
    match readiness:
        case Draft() if _same_document(unit, family, readiness, moment):
            return Step(_renewed(replace(unit, config=moment.config), readiness))
        case Draft() | Wait() | Drop() if unit.document_id and not unit.draft_number:
            text = f"The order changed, and whether {unit.reference} is posted is not certain."
            return Step(unit, Verdict(Why.DRAFT_AFTER_FAILED_POST, text))
        case Draft():
            return _take_back(unit, REPLACE, "The order changed after a posting was tried")
        case Wait(reason=reason):
            return Step(_waiting(unit, reason, moment.now))
        case Drop():
            how = "deleted" if family.gone else readiness.reason
            return _take_back(unit, CANCEL, f"The order is {how}, and a posting was tried")
        case Verdict():
            return Step(replace(unit, waiting="", waiting_since=None), readiness)
        case _:
            assert_never(readiness)


def _same_document(unit: Unit, family: Family, draft: Draft, moment: Moment) -> bool:
    """Tell whether only tracking and dates differ from what stands in Business Central.

    While the order was open the document also follows its address.
    """
    if unit.draft is None:
        return False
    if unit.draft.open and dict(unit.draft.ship_to) != dict(draft.ship_to):
        return False
    unchanged = booked_hash(family) == unit.booked_hash and not unit.held
    unchanged &= unit.config == moment.config or unit.approved.startswith(AS_DRAFTED)
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
        open=draft.open,
    )
    wanted = track_hash(merged, merged.tracking)
    if wanted != unit.track_hash:
        merged = replace(merged, earlier=_standing_texts(unit, unit.draft))
        if not unit.tracked_hash.endswith(unit.track_hash):  # another renewal may have begun
            unit = replace(unit, tracked_hash="")
    compared = unit.verified and not unit.held and unit.tracked_hash.endswith(wanted)
    return replace(
        unit,
        draft=merged,
        track_hash=wanted,
        ship_date=merged.posting_date,
        waiting=NOT_SHIPPED if draft.open and compared else "",
        waiting_since=None,
    )


def _standing_texts(unit: Unit, draft: Draft) -> tuple[str, ...]:
    """Return the dates and comment lines that may stand until a renewal is through."""
    begun = () if unit.tracked_hash.endswith(unit.track_hash) else draft.earlier
    return tuple(dict.fromkeys((*begun, *renewable(draft, unit.unit_hash))))


def _take_back(unit: Unit, how: str, tried: str) -> Step:
    if unit.post_attempted:
        return Step(
            unit,
            Verdict(Why.DRAFT_AFTER_FAILED_POST, f"{tried}; draft {unit.draft_number} stands."),
        )
    return Step(replace(unit, waiting=how, waiting_since=None))


def _booked(unit: Unit, family: Family, readiness: Readiness, moment: Moment) -> Step:
    """Hold what changed after booking; nothing is automatic any more (design §4.5)."""
    if unit.state is State.CONFIRMED and not unit.kind.posts and not unit.document_number:
        return _standing(unit, family, readiness, moment)
    if isinstance(readiness, Verdict) and readiness.why is Why.KEY_SHARED:
        # another order, which the document never stood for
        return Step(unit, None if unit.approved == shared(readiness.content) else readiness)
    verdict = _after_post(unit, family, readiness)
    if unit.waiting == WAITING_FOR_POLL:
        unit = replace(unit, waiting="")
    if verdict is None and readiness == Wait(WAITING_FOR_POLL) and _has_news(unit, family):
        return Step(replace(unit, waiting=unit.waiting or WAITING_FOR_POLL))
    if verdict is None and isinstance(readiness, Draft) and _has_news(unit, family):
        wanted = track_hash(readiness, readiness.tracking)
        if wanted != unit.tracked_hash:
            return Step(replace(unit, track_hash=wanted, waiting=ATTACH))
    return Step(unit, verdict)


def _has_news(unit: Unit, family: Family) -> bool:
    """Tell whether a number counts that the posted document, which stands, may not tell (§4.5)."""
    if unit.state is not State.CONFIRMED or unit.is_credited:
        return False
    told = unit.draft.tracking if unit.draft else Tracking()
    return any(not is_told(one, told) for one in family.evidence.counting())


def _approved(unit: Unit, family: Family, readiness: Readiness, moment: Moment) -> Step:
    """Keep an approved reversal that has not begun, unless the order is not what was shown."""
    if unit.approved == f"{REVERSE}{shape(unit.money_hash, family.evidence)}":
        return Step(unit)
    back = replace(unit, state=State.CONFIRMED, approved="", memo_date="")
    return _booked(back, family, readiness, moment)


def merged_into(readiness: Readiness) -> str:
    """Return what became of an order that another one absorbed, else nothing."""
    if isinstance(readiness, Drop) and readiness.reason.startswith(MERGED):
        return readiness.reason
    return ""


def _after_post(unit: Unit, family: Family, readiness: Readiness) -> Verdict | None:
    """Say what changed after booking, with the correction that approving carries out."""
    number = unit.document_number or unit.draft_number
    if unit.approved == f"{AS_IS}{shape(unit.money_hash, family.evidence)}":
        return None
    credit = (
        f"Approving posts a corrective credit memo over {number} "
        f"({show(unit.bc_total or ZERO, unit.currency)}), dated the day of approval"
    )
    undone = unit.is_credited
    ended = _ended(family, merged_into(readiness))
    if ended is not None:
        why, word = ended
        text = f"{word} in ShipStation; {number} is booked. {credit}, and books nothing more."
        return None if undone else Verdict(why, text)
    if _is_edited(unit, family):
        total = show(_total(family), unit.currency)
        text = f"Edited in ShipStation after {number} was booked; its total is {total} now."
        again = f"{text} {credit}, and books the order again as it is then."
        edit = Verdict(Why.EDITED_AFTER_POST, again)
        return credited_by_hand(number, total) if undone else edit
    if unit.waiting == CREDITED_UNSEEN and not isinstance(readiness, Drop):
        sent = any(order.status == "shipped" for order in family.members)
        return _unseen(number) if sent else None
    if family.evidence.outbound() and not family.evidence.counting() and not undone:
        text = f"Every label is voided; {number} is booked. {credit}."
        return Verdict(Why.VOIDED_AFTER_POST, text)
    return None


def _is_edited(unit: Unit, family: Family) -> bool:
    """Tell whether the order is not what was booked; of one that a rebuild found, by its total.

    Its store may leave out tax that a marketplace owes.
    """
    if not unit.booked_hash:
        tax = sum((order.tax_amount for order in family.members), ZERO)
        return unit.bc_total not in (_total(family), _total(family) - tax)
    return booked_hash(family) != unit.booked_hash


def _ended(family: Family, merged: str) -> tuple[Why, str] | None:
    if merged:
        return Why.CANCELLED_AFTER_POST, merged.capitalize()
    if all(order.status == "cancelled" for order in family.members):
        return Why.CANCELLED_AFTER_POST, "Cancelled"
    return (Why.DELETED_AFTER_POST, "Deleted") if family.gone else None


def credited_by_hand(number: str, total: str) -> Verdict:
    """Hold an edited order whose invoice a person has credited already."""
    text = (
        f"{number} was credited in Business Central by somebody, and the order was edited after it "
        f"was booked; its total is {total} now. Approving books the order again as it is then."
    )
    return Verdict(Why.CREDITED_BY_HAND, text)


def _unseen(number: str) -> Verdict:
    """Ask about a sent order whose only invoice was credited before bcss has seen it stand."""
    text = (
        f"{number} is credited in Business Central, the order is sent, and this database does not "
        "know whether it is to be booked again. Approving books the order again as it is then."
    )
    return Verdict(Why.CREDITED_BY_HAND, text)


def _standing(unit: Unit, family: Family, readiness: Readiness, moment: Moment) -> Step:
    """Follow an order whose document stands as a draft by the store's choice."""
    unchanged = booked_hash(family) == unit.booked_hash
    if unchanged and isinstance(readiness, Verdict) and readiness.why not in _FAMILY:
        return Step(unit)
    step = _drafted(replace(unit, state=State.DRAFTED), family, readiness, moment)
    after = step.unit
    same = after.track_hash == unit.track_hash and after.draft is not None and not after.draft.open
    if step.verdict is None and not after.waiting and same:
        return Step(replace(after, state=State.CONFIRMED))
    return step


def _waiting(unit: Unit, reason: str, now: datetime) -> Unit:
    since = unit.waiting_since if unit.waiting == reason else None
    shown = since or (now if reason in _SHOWN_SINCE else None)
    return replace(unit, waiting=reason, waiting_since=shown)


def _total(family: Family) -> Decimal:
    return sum((order.order_total for order in family.members), ZERO)
