"""Take back drafts that must not be posted: surplus ones, changed and cancelled orders' (§4.5)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from bcss.booking.body import carries_quantity, differences, unexplained
from bcss.booking.calls import Outcome
from bcss.booking.desk import Desk
from bcss.booking.explain import standing_text
from bcss.booking.gone import gone, leave
from bcss.booking.judge import Several, edited, is_posted, may_delete, twice
from bcss.booking.lookup import adopt, made_from
from bcss.booking.proof import posted_among
from bcss.businesscentral.records import Document, DocumentSet
from bcss.errors import BcssError, RecordChanged, RecordMissing, RecordRefused
from bcss.holds import Verdict, Why
from bcss.mapping.text import clean
from bcss.money import ZERO
from bcss.units import CANCEL, REPLACE, Draft, State, Unit, entity_of


@dataclass(frozen=True, slots=True)
class _Removal:
    unit: Unit
    document: Document
    then: State | None  # the unit's state afterwards, None when it keeps another document
    reason: str


def clear(desk: Desk, crowded: Sequence[tuple[Unit, Several]]) -> None:
    """Keep one document of each crowded unit and delete the others; nothing is posted now."""
    removals: list[_Removal] = []
    drafts = _known_drafts(desk, crowded)
    with desk.write():
        for unit, several in crowded:
            known = several.keep.id in (unit.document_id, unit.invoice_id)
            if known and unit.state is State.CONFIRMED:
                kept = unit
            elif is_posted(several.keep, unit) or not known:
                kept = adopt(desk, unit, several.keep, posted=is_posted(several.keep, unit))
            else:
                kept = unit
            verdict = _beside(unit, several, drafts) if several.left else None
            if verdict:
                desk.hold_anew(kept, verdict)
            removals += [_Removal(kept, document, None, "surplus") for document in several.surplus]
    _remove(desk, removals)


def _known_drafts(desk: Desk, crowded: Sequence[tuple[Unit, Several]]) -> set[str]:
    """Return which of the documents that must stay are certainly drafts, beside posted ones."""
    posted = [several for unit, several in crowded if is_posted(several.keep, unit)]
    left = [one for several in posted for one in several.left]
    unclear = [one for one in left if one.entity is DocumentSet.INVOICES and one.status == "Open"]
    proven = posted_among(desk, unclear, ())
    return {one.id for one in left if not proven.get(one.id, one in unclear)}


def _beside(unit: Unit, several: Several, drafts: Collection[str]) -> Verdict:
    """Name what stands beside a unit's document and must not be deleted.

    What cannot be told from a posted document beside a posted one is taken for one: it is better
    to look once too often than to leave a customer billed twice.
    """
    posted = [one for one in several.left if one.id not in drafts]
    if posted and is_posted(several.keep, unit):
        return twice(unit, [several.keep, *posted])
    numbers = ", ".join(sorted(one.number for one in several.left))
    return Verdict(Why.SURPLUS_DRAFT, f"{numbers} beside {several.keep.number}.")


def withdraw(desk: Desk, units: Sequence[Unit]) -> None:
    """Delete the drafts of units whose order changed or was cancelled before any posting."""
    removals: list[_Removal] = []
    for unit in units:
        try:
            document = desk.bc.get_document(entity_of(unit.kind), unit.document_id)
        except RecordMissing:
            invoice = made_from(desk, unit)
            with desk.write():
                if invoice is not None:
                    _posted_by_hand(desk, unit, invoice)
                else:
                    gone(desk, unit, f"Draft {unit.draft_number} was deleted by somebody.")
            continue
        if is_posted(document, unit):
            with desk.write():
                _posted_by_hand(desk, unit, document)
            continue
        objection = _objection(unit, document)
        if objection is not None:
            with desk.write():
                desk.hold(unit, objection)
            continue
        then = State.SEEN if unit.waiting == REPLACE else State.DROPPED
        removals.append(_Removal(unit, document, then, unit.waiting))
    _remove(desk, removals)


def _posted_by_hand(desk: Desk, unit: Unit, document: Document) -> None:
    """Take a document that a person posted, and have the order judged as booked."""
    adopt(desk, unit, document, posted=True)
    desk.store.news.add_unit(unit.unit_id)


def _objection(unit: Unit, document: Document) -> Verdict | None:
    """Say why a draft must stay: a posting was tried, or a person has worked on it."""
    if unit.post_attempted or carries_quantity(document.lines):
        text = f"{document.number} cannot be taken back: it was posted, or a posting was tried."
        return Verdict(Why.DRAFT_AFTER_FAILED_POST, text)
    if not may_delete(document, unit):
        found = f"somebody has worked on it, its status is {clean(document.status)}"
        return _left_standing(unit, document, [found])
    written = unit.draft if unit.draft and (unit.verified or unit.draft.open) else None
    return edited_meanwhile(unit, document) if written else None


def edited_meanwhile(unit: Unit, document: Document) -> Verdict | None:
    """Say how a person has changed a draft that was to be taken back, since the order changed too."""
    found = _edits(unit.draft, unit, document) if unit.draft else []
    return _left_standing(unit, document, found) if found else None


def _edits(draft: Draft, unit: Unit, document: Document) -> list[str]:
    """Name what a person changed, but for what bcss itself was about to bring up to date."""
    renewed = unit.tracked_hash.endswith(unit.track_hash)
    return differences(draft, unit, document) if renewed else unexplained(draft, unit, document)


def _left_standing(unit: Unit, document: Document, found: Sequence[str]) -> Verdict:
    """Hold a draft that was to be taken back and that a person has worked on."""
    if unit.waiting == CANCEL:
        text = (
            f"{document.number}: {'; '.join(found[:6])}. It stands at {standing_text(document)}. "
            "Its order is cancelled or deleted in ShipStation, so that it is not to be posted."
        )
        return Verdict(Why.BC_DRAFT_EDITED, text)
    said = unit.total if unit.total is not None else ZERO
    return edited(document, found, said, "; the order's own later change is not taken over")


def _remove(desk: Desk, removals: Sequence[_Removal]) -> None:
    def prepare(job: _Removal) -> int | None:
        meant = replace(job.unit, document_id=job.document.id)
        return desk.intend(meant, "delete", job.document.id)

    def send(job: _Removal, _intent: int) -> None:
        desk.bc.delete_document(job.document.entity, job.document.id, job.document.etag)

    def finish(job: _Removal, intent_id: int, outcome: Outcome[None]) -> bool:
        if outcome.error is None:
            desk.settle_intent(
                job.unit, intent_id, "done", f"deleted draft {job.document.number}: {job.reason}"
            )
            if job.then is not None:
                leave(desk, job.unit, job.then)
            return True
        return _kept(desk, job, intent_id, outcome.error)

    desk.send(removals, prepare=prepare, send=send, finish=finish)


def _kept(desk: Desk, job: _Removal, intent_id: int, error: BcssError) -> bool:
    if isinstance(error, RecordChanged):
        desk.settle_intent(job.unit, intent_id, "stale", error.message)
        return True
    if isinstance(error, RecordRefused):
        desk.settle_intent(job.unit, intent_id, "refused", error.message)
        desk.hold(job.unit, Verdict(Why.REFUSED_BY_BC, error.message))
        return True
    desk.note(job.unit, "outcome", error.message, status="in doubt")
    return not desk.stops(error)
