"""Look units up in Business Central before anything is created (design §4.4.2).

Orders are read before invoices, since a document moves from the one to the other; every answer
must show a document that is known to be there, or it decides nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from bcss.booking.desk import Desk
from bcss.booking.gone import gone
from bcss.booking.judge import Nothing, One, Several, Sighting, is_of_order, judge
from bcss.booking.proof import is_unclear, posted_among
from bcss.businesscentral.odata import CHUNK
from bcss.businesscentral.records import Answer, Document, DocumentSet
from bcss.clock import FAR, iso
from bcss.config.schema import DocumentKind
from bcss.errors import RecordMissing, StopVendor
from bcss.holds import Verdict
from bcss.mapping.text import code
from bcss.units import State, Unit, entity_of

_CONTROLS = 20  # more than a few only where people rename our documents one after another
_ORDER_KINDS = (DocumentKind.SALES_ORDER, DocumentKind.SHIP_AND_INVOICE)
_DRAFTS_FIRST = (DocumentKind.DRAFT_INVOICE, DocumentKind.POSTED_INVOICE)
_INVOICE_KINDS = (DocumentKind.POSTED_INVOICE, DocumentKind.DRAFT_INVOICE)


@dataclass(frozen=True, slots=True)
class Seen:
    """A unit with what the look-up means for it."""

    unit: Unit
    sighting: Sighting


def look_up(desk: Desk, units: Sequence[Unit]) -> list[Seen]:
    """Ask both entity sets for every form of every unit's reference, and judge the answers."""
    terms = sorted({term for unit in units for term in terms_of(unit)})
    if not terms:
        return []
    found = [
        *read_set(desk, DocumentSet.ORDERS, terms),
        *read_set(desk, DocumentSet.INVOICES, terms),
    ]
    return [Seen(unit, _judge(desk, unit, found)) for unit in units]


def terms_of(unit: Unit) -> list[str]:
    """Return the references to ask for: both forms, and the order number a clerk would type."""
    number = code(unit.order_number)[:35]
    return [term for term in dict.fromkeys((unit.reference, unit.other_reference, number)) if term]


def _judge(desk: Desk, unit: Unit, found: Sequence[Document]) -> Sighting:
    wanted = set(terms_of(unit))
    mine = [one for one in found if code(one.reference) in wanted]
    owned = [
        one.id
        for one in mine
        if (owner := desk.store.units.owner_of(one.id)) and owner.unit_id != unit.unit_id
    ]
    return judge(unit, mine, owned)


def read_set(desk: Desk, entity: DocumentSet, terms: Sequence[str]) -> list[Document]:
    """Read one entity set with a positive control; raise StopVendor when rows are hidden."""
    for _ in range(_CONTROLS):
        control = _control(desk, entity)
        answers = _ask(desk, entity, terms, control.reference if control else None)
        if control is None:
            desk.report.waived.add(str(entity))
            return _documents(answers)
        if all(answer.control_seen for answer in answers):
            return _documents(answers)
        if not _really_gone(desk, entity, control):
            break
    raise hidden(entity)


def hidden(entity: DocumentSet) -> StopVendor:
    """Say that a list does not show what is certainly there, so that it decides nothing."""
    return StopVendor(
        f"Business Central hides documents of ours in {entity}: a look-up proves nothing.",
        hint="Give the app's permission sets read access without security filters; bcss check.",
        vendor="business_central",
    )


def read_documents(desk: Desk, units: Sequence[Unit]) -> list[Document]:
    """Read every document under the references of units that have one already.

    The documents themselves are the positive control: one that is not shown decides nothing.
    """
    references = sorted({unit.reference for unit in units})
    sets = [DocumentSet.INVOICES]
    if any(unit.kind.is_order for unit in units):
        sets.insert(0, DocumentSet.ORDERS)
    return [
        document for entity in sets for document in _documents(_ask(desk, entity, references, None))
    ]


def _ask(
    desk: Desk, entity: DocumentSet, terms: Sequence[str], control: str | None
) -> list[Answer]:
    """Ask in groups that fit one request, the control among them."""
    size = CHUNK - 1 if control else CHUNK
    groups = [terms[start : start + size] for start in range(0, len(terms), size)]
    answers = desk.read_all(groups, lambda some: desk.bc.find_documents(entity, some, control))
    return [one for found in answers for one in found]


def _documents(answers: Sequence[Answer]) -> list[Document]:
    return [document for answer in answers for document in answer.documents]


def _control(desk: Desk, entity: DocumentSet) -> Unit | None:
    """Return the unit whose document was last confirmed present in this entity set."""
    control = partial(desk.store.units.control, but=desk.renamed)
    if entity is DocumentSet.ORDERS:
        return control(_ORDER_KINDS[:1], (State.CONFIRMED,), unposted=True) or control(
            _ORDER_KINDS, (State.DRAFTED,)
        )
    posted = (DocumentKind.POSTED_INVOICE, DocumentKind.SHIP_AND_INVOICE)
    return control(posted, (State.CONFIRMED,)) or control(
        _INVOICE_KINDS, (State.DRAFTED, State.CONFIRMED)
    )


def _really_gone(desk: Desk, entity: DocumentSet, control: Unit) -> bool:
    """Tell a control that a person deleted, posted or renamed from one that is hidden from us.

    Its unit is held or taken further, and another control is asked; a posted document cannot go.
    """
    posted = control.state is State.CONFIRMED and control.post_attempted
    try:
        document = desk.bc.get_document(entity, _id_in(entity, control))
    except RecordMissing:
        if posted:
            return False
        invoice = made_from(desk, control)
        with desk.write():
            if invoice is not None:
                adopt(desk, control, invoice, posted=True)
                return True
            name = control.draft_number or control.document_id
            gone(desk, control, f"{name} is gone from {entity}.")
        return True
    return _renamed(desk, control, document)


def _renamed(desk: Desk, control: Unit, document: Document) -> bool:
    """Leave a document out as control whose reference a person has changed since."""
    if code(document.reference) == control.reference:
        return False
    desk.renamed.add(control.unit_id)
    return True


def _id_in(entity: DocumentSet, unit: Unit) -> str:
    """Return the id that a unit's document has in an entity set."""
    made_from_order = entity is DocumentSet.INVOICES and unit.kind.is_order
    return unit.invoice_id if made_from_order else unit.document_id


def by_id(desk: Desk, unit: Unit) -> list[Document]:
    """Ask for a unit's document itself, or for the invoice made from it, before it counts as gone."""
    if not unit.document_id:
        return []
    try:
        return [desk.bc.get_document(entity_of(unit.kind), unit.document_id)]
    except RecordMissing:
        invoice = made_from(desk, unit)
        return [invoice] if invoice is not None else []


def made_from(desk: Desk, unit: Unit) -> Document | None:
    """Return the posted invoice that was made from a unit's order, if exactly one was (BC §4.8).

    It is found by the order's id, else by the order's number; a person may have given it any
    other reference.
    """
    if not unit.kind.is_order or not unit.document_id:
        return None
    found = desk.bc.find_invoices_of_orders([unit.document_id])
    if not found and unit.draft_number:
        named = desk.bc.find_invoices_of_order_numbers([unit.draft_number])
        found = [one for one in named if is_of_order(one, unit)]
    return found[0] if len(found) == 1 else None


def apply(desk: Desk, seen: Sequence[Seen]) -> tuple[list[Unit], list[tuple[Unit, Several]]]:
    """Record what the look-up showed.

    Return the units that may be created, and those with documents to clear away first.
    """
    free: list[Unit] = []
    crowded: list[tuple[Unit, Several]] = []
    proven = _prove(desk, seen)
    with desk.write():
        for one in seen:
            match one.sighting:
                case Nothing():
                    free += _free(desk, one.unit)
                case One(document=document, posted=posted):
                    certain = not is_unclear(document, one.unit) or document.id in proven
                    posted |= proven.get(document.id, False)
                    adopt(desk, one.unit, document, posted=posted, certain=certain)
                case Several() as several:
                    crowded.append((one.unit, several))
                case Verdict() as verdict:
                    desk.hold(one.unit, verdict)
    return free, crowded


def _prove(desk: Desk, seen: Sequence[Seen]) -> dict[str, bool]:
    """Ask about documents of which nothing that was read says whether they are posted."""
    single = [(one.unit, one.sighting) for one in seen if isinstance(one.sighting, One)]
    unclear = [found.document for unit, found in single if is_unclear(found.document, unit)]
    invoices = [
        found.document for _, found in single if found.document.entity is DocumentSet.INVOICES
    ]
    return posted_among(desk, unclear, invoices)


def _free(desk: Desk, unit: Unit) -> list[Unit]:
    """Let a unit be created, unless an earlier create may still land (§4.4.3)."""
    unit = desk.timed_anew(unit)
    if _is_cold(desk) or _may_still_land(desk, unit):
        return _settling(desk, unit)
    if unit.state is State.CREATE_INTENT and unit.sent_at is not None:
        desk.store.units.close_open(unit.unit_id, "never landed", desk.now())
    return [unit]


def _is_cold(desk: Desk) -> bool:
    """Tell whether a database that was rebuilt, restored or moved still waits (§4.5).

    One that a host's clock far ahead has put off waits one horizon from now, no longer.
    """
    answered = desk.bc.clock.answered()
    if desk.cold_until is None:
        return False
    by_host = desk.store.meta("cold_by_host")  # whatever its clock says, it begins by this one
    if by_host or desk.cold_until > answered + desk.settle + FAR:
        desk.cold_until = answered + desk.settle
        desk.store.set_meta("cold_until", iso(desk.cold_until))
        desk.store.set_meta("cold_by_host", "")
    return answered < desk.cold_until


def _may_still_land(desk: Desk, unit: Unit) -> bool:
    """Tell whether a create in doubt is younger than the settle horizon."""
    if unit.state is not State.CREATE_INTENT or unit.sent_at is None:
        return False
    return not desk.is_settled(unit.sent_at)


def _settling(desk: Desk, unit: Unit) -> list[Unit]:
    """Let a unit wait for what may still land; READY and CREATE_INTENT are looked up again.

    One that is not ready keeps its own reason to wait, by which it is planned again.
    """
    if unit.waiting != "settle" and unit.state in (State.READY, State.CREATE_INTENT):
        desk.save(unit, waiting="settle", waiting_since=desk.now())
    return []


def _kind_of(unit: Unit, document: Document) -> DocumentKind:
    """Return the kind under which a document is followed, whatever the configuration says now."""
    if document.order_id or is_of_order(document, unit):
        return unit.kind
    is_order = document.entity is DocumentSet.ORDERS
    if is_order == unit.kind.is_order:
        return unit.kind
    return (_ORDER_KINDS if is_order else _DRAFTS_FIRST)[unit.kind.posts]


def adopt(
    desk: Desk, unit: Unit, document: Document, *, posted: bool, certain: bool | None = None
) -> Unit:
    """Take a document as the unit's own, inside the caller's transaction.

    What it holds is unknown, so it goes through Track, which renews whatever differs. Where it
    is not certain whether it is posted, its draft number stays empty; `certain` says what is
    known of it beyond what it shows itself.
    """
    if certain is None:
        certain = not is_unclear(document, unit)
    desk.store.units.close_open(unit.unit_id, "landed", desk.now())
    desk.report.adopted += 1
    state = State.POSTED if posted else State.DRAFTED
    made = bool(document.order_id) or is_of_order(document, unit)
    saved = desk.save(
        _as_referenced(unit, document),
        state=state,
        kind=_kind_of(unit, document),
        document_id=document.order_id or (unit.document_id if made else document.id),
        invoice_id=document.id if made else "",
        draft_number=unit.draft_number if posted else document.number if certain else "",
        tracked_hash="",
        sent_at=None,
        waiting="",
        waiting_since=None,
    )
    desk.note(
        saved,
        "evidence",
        f"found {document.entity} {document.number} under {document.reference}",
        target=document.id,
        status="adopted",
    )
    if unit.state in (State.SEEN, State.DROPPED):  # found by a rebuild, to be planned next
        desk.store.news.add_unit(unit.unit_id)
    desk.store.news.add_survivors(unit.unit_id)
    return saved


def _as_referenced(unit: Unit, document: Document) -> Unit:
    """Keep the hashed reference of a unit that a lost database has booked under it."""
    reference = code(document.reference)
    if not unit.other_reference or reference != unit.other_reference:
        return unit
    draft = replace(unit.draft, reference=reference) if unit.draft else None
    return replace(unit, reference=reference, other_reference="", draft=draft)
