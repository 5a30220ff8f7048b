"""Render a draft as Business Central's JSON, and compare a document with what was sent."""

import re
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from bcss.businesscentral.records import NO_GUID, Body, Document, DocumentLine, DocumentSet
from bcss.mapping.text import code
from bcss.mapping.tracking import with_marker
from bcss.units import Draft, DraftLine, Unit, entity_of, marker

_Line = tuple[str, str, Decimal, Decimal, Decimal, str, str]
# Of what differs, that which a new label changes.
_DATES = ("posting date", "document date")
_MARKER = re.compile(r"\(bcss ([0-9a-f]{10})-([0-9]{1,9})\)$")


def render(draft: Draft, unit: Unit) -> Body:
    """Return the deep insert: header, then lines in the order that Business Central needs.

    Item, then variant, unit and tax code come before quantity, price and discount, since each
    validation resets those after it (business-central.md §4.3).
    """
    entity = entity_of(draft.kind)
    header: Body = {
        "customerNumber": draft.customer,
        "currencyCode": draft.currency,
        entity.document_date: draft.document_date.isoformat(),
        "postingDate": draft.posting_date.isoformat(),
        "externalDocumentNumber": draft.reference,
    }
    if entity is DocumentSet.INVOICES and draft.order_number:
        header["customerPurchaseOrderReference"] = draft.order_number
    header |= draft.header
    header |= {name: value for name, value in draft.ship_to.items() if value}
    header[entity.lines] = [
        *(_line_body(line) for line in draft.lines),
        *(_comment_body(text) for text in comments(draft, unit.unit_hash, unit.attempt)),
    ]
    return header


def comments(draft: Draft, unit_hash: str, attempt: int) -> tuple[str, ...]:
    """Return the comment lines of a document; the first carries the marker."""
    first, *others = draft.tracking.comments or ("",)
    return (with_marker(first, marker(unit_hash, attempt)), *others)


def _line_body(line: DraftLine) -> Body:
    body: Body = {"lineType": line.type, "lineObjectNumber": line.number}
    if line.variant_id:
        body["itemVariantId"] = line.variant_id
    if line.unit:
        body["unitOfMeasureCode"] = line.unit
    if line.tax_code:
        body["taxCode"] = line.tax_code
    body |= {
        "quantity": line.quantity,
        "unitPrice": line.unit_price,
        "discountAmount": line.discount,
    }
    if line.location_id:
        body["locationId"] = line.location_id
    return body


def _comment_body(text: str) -> Body:
    return {"lineType": "Comment", "description": text}


def provenance(document: Document) -> tuple[str, int] | None:
    """Return (unit hash, attempt) of the marker that a document carries, or None."""
    for line in document.lines:
        found = _MARKER.search(line.description) if _is_comment(line) else None
        if found:
            return found[1], int(found[2])
    return None


def is_ours(document: Document, unit: Unit) -> bool:
    """Tell whether a document's marker names this unit."""
    found = provenance(document)
    return found is not None and found[0] == unit.unit_hash


def differences(draft: Draft, unit: Unit, document: Document) -> list[str]:
    """Name every field and line that differs from what was sent, but for tax codes.

    Empty when the document is what bcss wrote. The comment lines are compared without the
    attempt, which a late create may have left behind.
    """
    found = [*_header_differences(draft, document), *_goods_differences(draft, document)]
    wanted = [_unmarked(text) for text in comments(draft, unit.unit_hash, 0)]
    present = [_unmarked(line.description) for line in document.lines if _is_comment(line)]
    if wanted != present:
        found.append(f"comment lines: {present} instead of {wanted}")
    return found


def unexplained(draft: Draft, unit: Unit, document: Document) -> list[str]:
    """Name what differs from a draft both as it is to be and as it was before a renewal."""
    known = {*renewable(draft, unit.unit_hash), *draft.earlier}
    texts = [line.description for line in comment_lines(document)]
    present = _labelled(document.posting_date, document.document_date, texts)
    found = [one for one in present if one not in known]
    return [*content_differences(draft, document), *found]


def renewable(draft: Draft, unit_hash: str) -> tuple[str, ...]:
    """Return what a renewal writes, each text with its place."""
    return _labelled(draft.posting_date, draft.document_date, comments(draft, unit_hash, 0))


def _labelled(
    posting_date: date | None, document_date: date | None, texts: Sequence[str]
) -> tuple[str, ...]:
    lines = (f"comment {place} {_unmarked(text)!r}" for place, text in enumerate(texts, start=1))
    dates = (f"posting date {posting_date}", f"document date {document_date}")
    return (*dates, *lines)


def content_differences(draft: Draft, document: Document) -> list[str]:
    """Name what differs besides the dates and comment lines, which follow the labels."""
    header = _header_differences(draft, document)
    kept = [one for one in header if not one.startswith(_DATES)]
    return [*kept, *_goods_differences(draft, document)]


def _goods_differences(draft: Draft, document: Document) -> list[str]:
    ours = [_sent(line) for line in draft.lines]
    theirs = _goods(document)
    return _line_differences(ours, theirs) if ours != theirs else []


def _goods(document: Document) -> list[_Line]:
    return [_read(line) for line in document.lines if not _is_comment(line)]


def _header_differences(draft: Draft, document: Document) -> list[str]:
    """Name every header field that differs from what was sent."""
    pairs: list[tuple[str, object, object]] = [
        ("customer", code(document.customer_number), code(draft.customer)),
        ("currency", code(document.currency_code), code(draft.currency)),
        ("posting date", document.posting_date, draft.posting_date),
        ("document date", document.document_date, draft.document_date),
        ("reference", code(document.reference), code(draft.reference)),
    ]
    pairs += [
        (name, _folded(document.ship_to.get(name, "")), _folded(value))
        for name, value in draft.ship_to.items()
        if value
    ]
    pairs += [
        (name, _folded(document.header.get(name, "")), _folded(value))
        for name, value in draft.header.items()
    ]
    return [f"{name}: {there} instead of {ours}" for name, there, ours in pairs if there != ours]


def same_goods(one: Document, other: Document) -> bool:
    """Tell whether two documents have the same lines, comments left out."""
    return _goods(one) == _goods(other)


def same_content(draft: Draft, document: Document) -> bool:
    """Tell whether a document without marker is the very one we would have made (§4.1)."""
    ours = [_sent(line) for line in draft.lines]
    theirs = _goods(document)
    return (
        code(document.customer_number) == code(draft.customer)
        and code(document.currency_code) == code(draft.currency)
        and document.total_including_tax == draft.gross
        and ours == theirs
    )


def _sent(line: DraftLine) -> _Line:
    return (
        line.type,
        code(line.number),
        line.quantity,
        line.unit_price,
        line.discount,
        line.variant_id.lower(),
        line.location_id.lower(),
    )


def _read(line: DocumentLine) -> _Line:
    """Read a line as `_sent` would have it; ids that were not sent are left out by `_blank`."""
    return (
        line.line_type,
        code(line.object_number),
        line.quantity,
        line.unit_price,
        line.discount_amount,
        _blank(line.variant_id),
        _blank(line.location_id) if line.line_type == "Item" else "",
    )


def _blank(guid: str) -> str:
    return "" if guid == NO_GUID else guid.lower()


def _line_differences(ours: list[_Line], theirs: list[_Line]) -> list[str]:
    found = []
    for n in range(max(len(ours), len(theirs))):
        left = ours[n] if n < len(ours) else None
        right = theirs[n] if n < len(theirs) else None
        if left is not None and right is not None and not left[6] and left[:6] == right[:6]:
            continue  # no location was sent; Business Central chose one
        if left != right:
            found.append(f"line {n + 1}: {_show(right)} instead of {_show(left)}")
    return found


def _show(line: _Line | None) -> str:
    if line is None:
        return "nothing"
    discount = f" less {line[4]}" if line[4] else ""
    return f"{line[0]} {line[1]} {line[2]} at {line[3]}{discount}"


def _is_comment(line: DocumentLine) -> bool:
    return line.line_type == "Comment"


def _unmarked(text: str) -> str:
    return _MARKER.sub("", text).strip()


def _folded(text: str) -> str:
    """Compare text as BC keeps it: trimmed; a Code field also in upper case."""
    return text.strip().upper()


def renewals(draft: Draft, unit: Unit, document: Document) -> Body:
    """Return the header fields that must change before a re-shipped draft is decided."""
    changes: Body = {}
    if document.document_date != draft.document_date:
        changes[document.entity.document_date] = draft.document_date.isoformat()
    if document.posting_date != draft.posting_date:
        changes["postingDate"] = draft.posting_date.isoformat()
    return changes


def comment_lines(document: Document) -> list[DocumentLine]:
    """Return the comment lines of a document, in their order."""
    return [line for line in document.lines if _is_comment(line)]


def carries_quantity(lines: Iterable[DocumentLine]) -> bool:
    """Tell whether anything of an order was shipped or invoiced already."""
    return any(line.shipped_quantity or line.invoiced_quantity for line in lines)
