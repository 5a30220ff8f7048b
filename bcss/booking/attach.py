"""Attach tracking that came after posting to the posted document (design §4.5, §5).

Posted documents take no other change through API v2.0 (business-central.md §2.23). A file's
name is made of the shipment's id, and is looked for first, so a repeat attaches nothing twice.
"""

from collections.abc import Sequence

from bcss.booking.desk import Desk
from bcss.businesscentral.records import DocumentSet
from bcss.errors import BcssError
from bcss.mapping.families import one_id
from bcss.mapping.tracking import is_told
from bcss.shipstation.records import Fulfillment, Shipment
from bcss.units import Unit

ATTACH = "attach"


def attach(desk: Desk, units: Sequence[Unit]) -> None:
    """Attach every tracking number that the posted documents of these units do not tell yet."""
    for unit in units:
        try:
            for one in _untold(desk, unit):
                _one(desk, unit, one)
        except BcssError as error:
            if desk.stops(error):
                return
            with desk.write():
                desk.note(unit, "outcome", error.message, status="read again")
            desk.report.notes.append(
                f"{unit.order_number}: new tracking is not attached yet. {error}"
            )
            continue
        with desk.write():
            desk.save(unit, waiting="", tracked_hash=unit.track_hash)


def _untold(desk: Desk, unit: Unit) -> list[Shipment | Fulfillment]:
    evidence = desk.store.orders.evidence_of(desk.store.units.members(unit.unit_id))
    if unit.draft is None:
        return []
    return [one for one in evidence.counting() if not is_told(one, unit.draft.tracking)]


def file_name(one: Shipment | Fulfillment) -> str:
    """Return the name that makes a second attachment of the same shipment findable."""
    mark = "" if isinstance(one, Shipment) else "f"
    return f"tracking-{mark}{one_id(one)}.txt"


def _one(desk: Desk, unit: Unit, one: Shipment | Fulfillment) -> None:
    document_id = unit.invoice_id or unit.document_id
    name = file_name(one)
    known = desk.bc.document_attachments(DocumentSet.INVOICES, document_id)
    found = next((row for row in known if row.file_name == name), None)
    content = f"{one.carrier_code} {one.tracking_number} shipped {one.ship_date}\n".encode()
    if found is not None and found.size:
        return
    with desk.write():
        intent_id = desk.intend(unit, "attach", document_id, content)
    row = found or desk.bc.create_attachment(DocumentSet.INVOICES, document_id, name)
    desk.bc.upload_attachment(row, content, just_created=found is None)
    with desk.write():
        desk.settle_intent(
            unit, intent_id, "done", f"attached {name} to {unit.document_number or document_id}"
        )
