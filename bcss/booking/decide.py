"""Decide by one read whether a draft may be posted: the Exactly-One Rule (design §4.4.5)."""

from collections.abc import Sequence
from dataclasses import dataclass

from bcss.booking.desk import Desk
from bcss.booking.gone import gone, may_go
from bcss.booking.judge import (
    Nothing,
    One,
    Several,
    check_draft,
    is_posted,
    is_under,
    judge,
)
from bcss.booking.lookup import adopt, by_id, hidden, read_documents
from bcss.businesscentral.records import Document
from bcss.holds import Verdict
from bcss.mapping.readiness import NOT_SHIPPED
from bcss.mapping.text import code
from bcss.money import show
from bcss.units import AS_DRAFTED, State, Unit, entity_of


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to post one document once, as it was read."""

    unit: Unit
    etag: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What a deciding read has shown for a batch."""

    permits: list[Permit]
    crowded: list[tuple[Unit, Several]]


def decide(desk: Desk, units: Sequence[Unit]) -> Decision:
    """Read every document under the units' references, and permit what is exactly right.

    The read itself proves that it sees these documents, so it needs no other control: a unit
    whose document it does not show gets no permit. Such a document is asked for by its id, which
    tells one that is gone from one that a person gave another reference. Raise StopVendor when
    it is there as it was: the read was kept from seeing it.
    """
    found = read_documents(desk, units)
    found += _not_listed(desk, units, found)
    decision = Decision([], [])
    with desk.write():
        for unit in units:
            mine = [one for one in found if is_under(one, unit)]
            _one(desk, unit, mine, decision)
    return decision


def _not_listed(desk: Desk, units: Sequence[Unit], found: Sequence[Document]) -> list[Document]:
    lost = [unit for unit in units if not any(is_under(one, unit) for one in found)]
    asked = [(unit, document) for unit in lost for document in by_id(desk, unit)]
    for unit, document in asked:
        if code(document.reference) == unit.reference and not is_posted(document, unit):
            raise hidden(document.entity)
    return [document for _, document in asked]


def _one(desk: Desk, unit: Unit, documents: list[Document], decision: Decision) -> None:
    match judge(unit, documents):
        case Nothing():
            _not_shown(desk, unit)
        case Several() as several:
            decision.crowded.append((unit, several))
        case Verdict() as verdict:
            desk.hold(unit, verdict)
        case One(document=document, posted=True):
            adopt(desk, unit, document, posted=True)
        case One(document=document):
            _draft(desk, unit, document, decision)


def _not_shown(desk: Desk, unit: Unit) -> None:
    """Say what becomes of a draft that is gone, under its reference as well as by its id."""
    gone(desk, unit, f"No document under {unit.reference}: {unit.draft_number} is gone.")


def _draft(desk: Desk, unit: Unit, document: Document, decision: Decision) -> None:
    if unit.draft is None:
        return
    if document.entity is not entity_of(unit.kind) or document.id != unit.document_id:
        adopt(desk, unit, document, posted=False)
        return
    if may_go(desk, unit):
        desk.report.notes.append(
            f"{unit.order_number} waits: an earlier request may still delete {unit.draft_number}."
        )
        return
    verdict = check_draft(unit.draft, unit, document)
    if verdict is not None and not _accepted(unit, document):
        saved = desk.save(unit, bc_total=document.total_including_tax)
        desk.hold(saved, verdict)
        return
    total = show(document.total_including_tax, document.currency_code)
    checked = desk.save(unit, verified=True, bc_total=document.total_including_tax)
    desk.note(
        checked,
        "evidence",
        f"exactly one document under {unit.reference}: {document.number}, {total}",
        target=document.id,
        status="exactly one",
    )
    if unit.draft.open:
        desk.save(checked, waiting=NOT_SHIPPED)
        return
    if checked.kind.posts:
        decision.permits.append(Permit(checked, document.etag))
        return
    done = desk.save(checked, state=State.CONFIRMED)
    desk.note(done, "decision", f"{document.number} stands as a draft, as configured")
    desk.report.confirmed += 1


def _accepted(unit: Unit, document: Document) -> bool:
    """Tell whether a person approved exactly this content of the draft."""
    return unit.approved == f"{AS_DRAFTED}{document.etag}"
