"""Put files beside booked documents, each once: tracking that came late, and labels (§4.5, §5).

Posted documents take no other change through API v2.0 (business-central.md §2.23), and creating
a file's row is not idempotent. So a file's name is made of the shipment's id and looked for
first, and while an attempt may still land nothing is created again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bcss.booking.body import comment_lines
from bcss.booking.desk import Desk
from bcss.businesscentral.records import DocumentSet
from bcss.errors import BcssError, InDoubt
from bcss.mapping.families import one_id
from bcss.mapping.tracking import is_told
from bcss.shipstation.records import Fulfillment, Shipment
from bcss.units import Tracking, Unit, entity_of

ATTACH = "attach"
# Of its intents, those with other outcomes are in doubt: confirming a unit closes them wholesale.
_ATTACHED, _NOT_ATTACHED = "attached", "not attached"


@dataclass(frozen=True, slots=True)
class File:
    """A file that a document shall have."""

    name: str
    content: bytes


def attach(desk: Desk, units: Sequence[Unit]) -> None:
    """Attach every tracking number that the posted documents of these units do not tell yet."""
    for unit in units:
        try:
            there = [put_file(desk, unit, _told_by(one)) for one in _untold(desk, unit)]
        except BcssError as error:
            if desk.stops(error):
                return
            with desk.write():
                desk.note(unit, "outcome", error.message, status="read again")
            desk.report.notes.append(
                f"{unit.order_number}: new tracking is not attached yet. {error}"
            )
            continue
        if all(there):
            with desk.write():
                desk.save(unit, waiting="", tracked_hash=unit.track_hash)


def _untold(desk: Desk, unit: Unit) -> list[Shipment | Fulfillment]:
    evidence = desk.store.orders.evidence_of(desk.store.units.members(unit.unit_id))
    tracking = unit.draft.tracking if unit.draft else _written(desk, unit)
    return [one for one in evidence.counting() if not is_told(one, tracking)]


def _written(desk: Desk, unit: Unit) -> Tracking:
    """Read what a document tells that a rebuild found before its order could be drafted again."""
    document = desk.bc.get_document(*_place(unit))
    return Tracking(comments=tuple(line.description for line in comment_lines(document)))


def _told_by(one: Shipment | Fulfillment) -> File:
    content = f"{one.carrier_code} {one.tracking_number} shipped {one.ship_date}\n"
    return File(file_name(one), content.encode())


def file_name(one: Shipment | Fulfillment) -> str:
    """Return the name that makes a second attachment of the same shipment findable."""
    mark = "" if isinstance(one, Shipment) else "f"
    return f"tracking-{mark}{one_id(one)}.txt"


def put_file(desk: Desk, unit: Unit, file: File) -> bool:
    """Put a file beside a confirmed unit's document, unless it is there.

    Return False while an earlier attempt may still land. Raise what Business Central answers.
    """
    entity, document_id = _place(unit)
    known = desk.bc.document_attachments(entity, document_id)
    found = next((row for row in known if row.file_name == file.name), None)
    if found is not None and found.size:
        return True
    if found is None and _may_still_land(desk, unit):
        return False
    with desk.write():
        intent_id = desk.intend(unit, ATTACH, document_id, file.content)
    try:
        row = found or desk.bc.create_attachment(entity, document_id, file.name)
        desk.bc.upload_attachment(row, file.content, just_created=found is None)
    except InDoubt:
        raise
    except BcssError as error:
        with desk.write():
            desk.settle_intent(unit, intent_id, _NOT_ATTACHED, error.message)
        raise
    number = unit.document_number or unit.draft_number or document_id
    with desk.write():
        desk.settle_intent(unit, intent_id, _ATTACHED, f"attached {file.name} to {number}")
    return True


def _place(unit: Unit) -> tuple[DocumentSet, str]:
    """Return where the document of a confirmed unit is: posted ones are invoices of every kind."""
    if unit.kind.posts or unit.document_number:
        return DocumentSet.INVOICES, unit.invoice_id or unit.document_id
    return entity_of(unit.kind), unit.document_id


def _may_still_land(desk: Desk, unit: Unit) -> bool:
    """Tell whether the creation of a file in doubt is younger than the settle horizon."""
    return any(
        one.step == ATTACH
        and one.document_id == unit.document_id
        and one.outcome not in (_ATTACHED, _NOT_ATTACHED)
        and not desk.is_settled(one.sent_at)
        for one in desk.store.units.intents(unit.unit_id)
    )
