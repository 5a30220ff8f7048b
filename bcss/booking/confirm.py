"""Read back what was posted, and prove it (design §4.4.8, §4.5)."""

from collections.abc import Sequence
from dataclasses import replace

from bcss.booking.body import comment_lines
from bcss.booking.desk import Desk
from bcss.booking.judge import (
    Nothing,
    One,
    Several,
    check_totals,
    is_credited,
    is_known,
    is_of_order,
    is_posted,
    is_under,
    judge,
)
from bcss.booking.lookup import by_id, read_documents
from bcss.booking.post import refusal
from bcss.booking.proof import stands
from bcss.businesscentral.records import Document, DocumentSet
from bcss.holds import BY_HAND, Verdict, Why
from bcss.money import show
from bcss.units import AS_DRAFTED, CREDITED, CREDITED_UNSEEN, State, Tracking, Unit


def confirm(desk: Desk, units: Sequence[Unit]) -> list[tuple[Unit, Several]]:
    """Read the documents of units that were posted or whose posting is in doubt.

    Return those under whose reference more than one document stands.
    """
    if not units:
        return []
    found = read_documents(desk, units)
    found += _by_id(desk, units, found)
    unproven = [unit for unit in units if _needs_proof(unit, found)]
    drafts = _still_drafts(desk, unproven) if unproven else {}
    crowded: list[tuple[Unit, Several]] = []
    with desk.write():
        for unit in units:
            mine = [one for one in found if is_under(one, unit)]
            match judge(unit, mine):
                case Nothing():
                    _vanished(desk, unit)
                case Verdict() as verdict:
                    _contested(desk, unit, mine, verdict)
                case Several(keep=keep) as several:
                    if is_known(keep, unit):
                        _one(desk, unit, keep, drafts.get(unit.unit_id))
                    crowded.append((desk.store.units.get(unit.unit_id), several))
                case One(document=document):
                    _one(desk, unit, document, drafts.get(unit.unit_id))
    return crowded


def _needs_proof(unit: Unit, found: Sequence[Document]) -> bool:
    """Tell whether the number alone does not say that a document was posted."""
    if unit.kind.is_order:
        return False
    document = next((one for one in found if one.id == unit.document_id), None)
    return document is not None and not is_posted(document, unit)


def _still_drafts(desk: Desk, units: Sequence[Unit]) -> dict[int, bool]:
    """Ask the tracking service, which shows drafts only, about documents with an equal number.

    An absent row proves posting only beside a draft that the same answer shows, and when the
    document is read from `salesInvoices` after that: a deleted draft is absent from both.
    """
    if desk.route != "workflow":
        return {}
    control = next(
        (
            one.document_id
            for one in desk.store.units.in_states([State.DRAFTED])
            if one.document_id and not one.post_attempted and not one.kind.is_order
        ),
        None,
    )
    rows = desk.bc.read_tracking([unit.document_id for unit in units], control=control)
    proven = {unit.unit_id: True for unit in units if unit.document_id in rows}
    if control is not None and control in rows:
        absent = [unit for unit in units if unit.document_id not in rows]
        proven |= {
            unit.unit_id: False
            for unit in absent
            if unit.state is State.POSTED or stands(desk, unit.document_id)
        }
    return proven


def _one(desk: Desk, unit: Unit, document: Document, still_draft: bool | None) -> None:
    if document.entity is DocumentSet.ORDERS:
        _unposted(desk, unit, document)
    elif is_posted(document, unit) or still_draft is False:
        _posted(desk, unit, document)
    elif still_draft is None and unit.state is State.POSTED:
        _posted(desk, unit, document)  # BC said so itself, and its number series may be one
    else:
        _unposted(desk, unit, document)


def _contested(desk: Desk, unit: Unit, mine: Sequence[Document], verdict: Verdict) -> None:
    """Hold a unit, with its own invoice confirmed where another one is posted beside it."""
    own = next((one for one in mine if is_known(one, unit) and is_posted(one, unit)), None)
    if own is None:
        desk.hold(unit, verdict)
        return
    _posted(desk, unit, own)
    desk.hold_anew(desk.store.units.get(unit.unit_id), verdict)


def _posted(desk: Desk, unit: Unit, document: Document) -> None:
    desk.store.units.close_open(unit.unit_id, "done", desk.now())
    posted = desk.save(
        unit,
        state=State.CONFIRMED,
        document_number=document.number,
        invoice_id=document.id if document.order_id or is_of_order(document, unit) else "",
        bc_total=document.total_including_tax,
        waiting=CREDITED_UNSEEN if is_credited(document) else "",
        sent_at=None,
    )
    if not unit.post_attempted:
        posted = _by_somebody(desk, posted, document)
    verdict = _compared(desk, posted, document)
    if verdict is not None and not unit.post_attempted:
        verdict = replace(verdict, message=f"{verdict.message} {BY_HAND}")
    if verdict is not None and not _accepted(unit, document):
        desk.hold(posted, verdict)  # stops the store, where bcss itself has tried to post it
        return
    total = show(document.total_including_tax, document.currency_code)
    desk.note(
        posted,
        "evidence",
        f"confirmed {document.number}, {total}",
        target=document.id,
        status="confirmed",
    )
    desk.report.confirmed += 1


def _compared(desk: Desk, posted: Unit, document: Document) -> Verdict | None:
    """Compare what was posted; what is credited already is planned again instead."""
    if posted.waiting == CREDITED_UNSEEN:
        desk.note(posted, "evidence", f"{document.number} is credited already", status=CREDITED)
        desk.store.news.add_unit(posted.unit_id)
        return None
    if posted.draft is None:
        return None
    return check_totals(posted.draft, document, Why.POSTED_TOTAL_DIFFERS)


def _by_somebody(desk: Desk, unit: Unit, document: Document) -> Unit:
    """Note that a person posted it; tracking it does not tell is attached by the next plan."""
    desk.note(unit, "evidence", f"{document.number} was posted by somebody else")
    if unit.draft is None or unit.tracked_hash == unit.track_hash:
        return unit
    told = Tracking(comments=tuple(line.description for line in comment_lines(document)))
    desk.store.news.add_unit(unit.unit_id)
    return desk.save(unit, draft=replace(unit.draft, tracking=told, open=False))


def _accepted(unit: Unit, document: Document) -> bool:
    """Tell whether a person approved the posted document, or the draft with this very total."""
    if unit.approved.startswith(AS_DRAFTED):
        return unit.bc_total == document.total_including_tax
    return unit.approved.startswith("posted:")


def _unposted(desk: Desk, unit: Unit, document: Document) -> None:
    """Take a draft back that still stands: to be posted again, or held for what BC said."""
    desk.store.units.close_open(unit.unit_id, "no effect seen", desk.now())
    back = desk.save(unit, state=State.DRAFTED, document_id=document.id, waiting="", sent_at=None)
    if unit.waiting.startswith("refused: "):
        desk.hold(back, refusal(unit.waiting))


def _by_id(desk: Desk, units: Sequence[Unit], found: Sequence[Document]) -> list[Document]:
    """Ask by its id for a document that the list did not show, before saying that it is gone."""
    ids = {one.id for one in found} | {one.order_id for one in found}
    gone = [unit for unit in units if unit.document_id not in ids]
    lost = [unit for unit in gone if not any(is_of_order(one, unit) for one in found)]
    return [document for unit in lost for document in by_id(desk, unit)]


def _vanished(desk: Desk, unit: Unit) -> None:
    text = f"{unit.draft_number} is in neither drafts nor posted documents."
    if unit.state is State.POSTED:
        text = f"{unit.draft_number} was posted, and Business Central shows no invoice of it."
    desk.hold(unit, Verdict(Why.DRAFT_GONE, text))
