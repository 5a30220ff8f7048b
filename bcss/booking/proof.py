"""Tell a posted invoice from a released draft where its number and status do not (design §4.5).

Both say `Open` (business-central.md §4.6), and a document found by its reference alone comes
without the draft number that it had. The tracking service shows drafts only.
"""

from collections.abc import Sequence

from bcss.booking.desk import Desk
from bcss.businesscentral.odata import CHUNK
from bcss.businesscentral.records import Document, DocumentSet
from bcss.errors import RecordMissing
from bcss.units import State, Unit

_EITHER = "Open"


def is_unclear(document: Document, unit: Unit) -> bool:
    """Tell whether neither status nor number says if a document is posted."""
    known = document.id == unit.document_id and unit.draft_number
    made = document.order_id.strip("0-") or document.order_number
    invoice = document.entity is DocumentSet.INVOICES and not made
    return invoice and document.status == _EITHER and not known


def posted_among(
    desk: Desk, unclear: Sequence[Document], drafts: Sequence[Document]
) -> dict[str, bool]:
    """Return which of the unclear documents are posted, by id; those unproven are left out.

    An absent row proves posting only beside a draft that the same answer shows, and when the
    document is read from `salesInvoices` after that: a deleted draft is absent from both.
    """
    if not unclear or desk.route != "workflow":
        return {}
    ids = [one.id for one in unclear]
    control = _control(desk, drafts)
    rows = desk.bc.read_tracking(ids, control=control)
    proven = {one: False for one in ids if one in rows}
    beside = bool(proven) and len(ids) < CHUNK
    if beside or (control is not None and control in rows):
        proven |= {one: True for one in ids if one not in rows and stands(desk, one)}
    return proven


def stands(desk: Desk, document_id: str) -> bool:
    """Tell whether `salesInvoices` still has a document, posted or not."""
    try:
        desk.bc.get_document(DocumentSet.INVOICES, document_id)
    except RecordMissing:
        return False
    return True


def _control(desk: Desk, drafts: Sequence[Document]) -> str | None:
    """Name an invoice draft that is known to stand: one just read, or a unit's own."""
    found = [one.id for one in drafts if one.status == "Draft"]
    found += [
        one.document_id
        for one in desk.store.units.in_states([State.DRAFTED])
        if one.document_id and one.draft_number and not one.post_attempted and not one.kind.is_order
    ]
    return next(iter(found), None)
