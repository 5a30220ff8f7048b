"""Create and change sales documents and their lines (business-central.md §4.2 to §4.5)."""

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from bcss.sandbox.businesscentral import headers
from bcss.sandbox.businesscentral.amounts import Rules, Totals, settle
from bcss.sandbox.businesscentral.bodies import Properties, blank, parse_object, read_properties
from bcss.sandbox.businesscentral.books import Books
from bcss.sandbox.businesscentral.errors import (
    Refused,
    bad_request,
    dialog,
    failed_test,
    not_found,
)
from bcss.sandbox.businesscentral.lines import Draft, Setting, new_draft, old_draft, validate
from bcss.sandbox.businesscentral.rows import ZERO, Document, Row, changed
from bcss.sandbox.businesscentral.schema import INVOICE_LINES, Kind

_LINE_STEP = 10000
_SERIES = {Kind.ORDER: "order", Kind.INVOICE: "invoice", Kind.CREDIT: "credit"}
_AFTER_POSTING = {"dueDate", "promisedPayDate", "disputeStatus", "disputeStatusId"}
# Lines being worked on: their values, and what no entity shows of them.
Lines = list[tuple[dict[str, Any], dict[str, Any]]]
POSTED_TEXT = "The invoice has been posted and can no longer be modified."


def create(books: Books, kind: Kind, body: bytes) -> Document:
    """Create a draft with its lines in one transaction: all of it or nothing (§4.3)."""
    source = parse_object(body)
    order = books.switches["property_order"]
    nested = source.pop(kind.lines.name, None) or []
    source.pop("dimensionSetLines", None)
    properties = read_properties(source, kind.entity, order=order)
    if not isinstance(nested, list) or not all(isinstance(one, dict) for one in nested):
        raise bad_request("Invalid Request Body")
    if any("sequence" in one for one in nested):
        # §4.3: a trap of version 22 that nobody should step into.
        raise Refused(
            400, "Internal_ServerError", "You cannot change the value of the SystemId field."
        )
    values = headers.new_values(books, kind, properties)
    setting = setting_of(books, kind, values)
    drafts = [_line(setting, one, order) for one in nested]
    return insert(books, kind, values, [(one.values, one.extra) for one in drafts])


def _line(setting: Setting, source: dict[str, Any], order: str) -> Draft:
    draft = new_draft(setting)
    validate(draft, read_properties(source, setting.kind.lines, order=order))
    return draft


def insert(books: Books, kind: Kind, values: dict[str, Any], lines: Lines) -> Document:
    """Give a new document its number and store it with validated lines."""
    values["id"] = books.new_id()
    values["number"] = books.take_number(_SERIES[kind])
    values["status"] = "Draft"
    document = Document(kind, values, 0, 0, draft_number=values["number"])
    for place, (line, _) in enumerate(lines, 1):
        line["sequence"] = line["sequence"] or place * _LINE_STEP
    stored = store(books, document, lines)
    books.note(kind.value, values["id"], "created")
    return stored


def setting_of(books: Books, kind: Kind, values: dict[str, Any]) -> Setting:
    """Return what lines take from their header."""
    customer = books.customers.get(values["customerId"])
    if customer is None:
        raise dialog("The sell-to customer cannot be found.")
    return Setting(books, kind, customer, step_of(books, values))


def step_of(books: Books, values: dict[str, Any]) -> Decimal:
    """Return the smallest amount of a document's currency."""
    return Decimal(1).scaleb(-books.decimals(values["currencyCode"]))


def store(books: Books, document: Document, lines: Lines) -> Document:
    """Compute amounts and store a document with its lines, each with a new version."""
    values = dict(document.values)
    totals = settle([line for line, _ in lines], _rules(books, values))
    _take_totals(values, totals)
    identity = values["id"]
    rows = []
    for line, extra in lines:
        extra.pop("stored", None)
        line["id"] = line["id"] if line["id"] in books.line_owners else books.new_id()
        line["documentId"] = identity
        books.line_owners[line["id"]] = (document.kind, identity)
        rows.append(Row(line, books.next(), extra))
    return put(books, document, values, tuple(rows))


def _rules(books: Books, values: dict[str, Any]) -> Rules:
    return Rules(step_of(books, values), values["pricesIncludeTax"], values["discountAmount"])


def _take_totals(values: dict[str, Any], totals: Totals) -> None:
    values["totalAmountExcludingTax"] = totals.excluding_tax
    values["totalTaxAmount"] = totals.tax
    values["totalAmountIncludingTax"] = totals.including_tax
    if "remainingAmount" in values:
        values["remainingAmount"] = totals.including_tax


def put(
    books: Books,
    document: Document,
    values: dict[str, Any],
    lines: tuple[Row, ...],
    *,
    touch: bool = False,
    **changes: Any,
) -> Document:
    """Store changed contents; the buffer's version and stamp move only when a value moved (§5.5)."""
    table = books.documents(document.kind)
    stamp = books.stamp()
    known = table.get(values["id"]) is not None
    if known and values == document.values and not touch:
        version = document.version
    else:
        values["lastModifiedDateTime"] = stamp
        version = books.next()
    stored = changed(
        document,
        values=values,
        lines=lines,
        version=version,
        header_version=books.next(),
        **changes,
    )
    table.put(stored, stamp)
    if known:
        books.note(document.kind.value, values["id"], "updated")
    return stored


def require(books: Books, kind: Kind, identity: str) -> Document:
    """Return a document, or refuse with 404; posted ones may be hidden (§1.3)."""
    document = books.documents(kind).get(identity)
    if document is None or (document.posted and books.switches["hide_posted"]):
        raise not_found()
    return document


def patch(books: Books, document: Document, body: bytes) -> Document:
    """Change a header; a posted one takes four properties only (§2.8)."""
    source = parse_object(body)
    if document.kind.lines.name in source:
        raise bad_request("Deep updates are not supported.")
    properties = read_properties(
        source, document.kind.entity, order=books.switches["property_order"]
    )
    if document.posted and {name for name, _ in properties} - _AFTER_POSTING:
        raise dialog(POSTED_TEXT)
    return _apply(books, document, properties)


def _apply(books: Books, document: Document, properties: Properties) -> Document:
    values = dict(document.values)
    if document.posted:
        values.update(properties)
        return put(books, document, values, document.lines)
    headers.apply(books, document.kind, values, properties, has_lines=bool(document.lines))
    if _same_amounts(document.values, values):
        return put(books, document, values, document.lines)
    setting = setting_of(books, document.kind, values)
    lines = [_reopened(row, setting) for row in document.lines]
    return store(books, replace(document, values=values), lines)


def _same_amounts(old: dict[str, Any], new: dict[str, Any]) -> bool:
    names = ("customerId", "currencyCode", "pricesIncludeTax", "discountAmount")
    return all(old[name] == new[name] for name in names)


def _reopened(row: Row, setting: Setting) -> tuple[dict[str, Any], dict[str, Any]]:
    draft = old_draft(row, setting)
    validate(draft, [])
    return draft.values, draft.extra


def delete(books: Books, document: Document) -> None:
    """Delete a draft; a posted document or a shipped order stays."""
    if document.posted:
        raise dialog(POSTED_TEXT)
    if any(row.values.get("shippedQuantity") for row in document.lines):
        raise dialog("You cannot delete the order because it has been shipped in part.")
    forget(books, document)


def forget(books: Books, document: Document) -> None:
    """Remove a document with its lines and attachments."""
    for row in document.lines:
        books.line_owners.pop(row.values["id"], None)
    identity = document.values["id"]
    for attachment in books.attachments.find("parentId", identity):
        books.attachments.remove(attachment.values["id"], books.stamp())
    books.documents(document.kind).remove(identity, books.stamp())
    books.note(document.kind.value, identity, "deleted")


def add_line(books: Books, document: Document, body: bytes) -> Row:
    """Add one line to a draft."""
    _editable(document)
    setting = setting_of(books, document.kind, document.values)
    draft = _line(setting, parse_object(body), books.switches["property_order"])
    taken = [row.values["sequence"] for row in document.lines]
    if draft.values["sequence"] in taken:
        raise Refused(
            400,
            "Internal_EntityWithSameKeyExists",
            "The record in table Sales Line already exists. Identification fields and values: "
            f"Line No.='{draft.values['sequence']}'",
        )
    draft.values["sequence"] = draft.values["sequence"] or max(taken, default=0) + _LINE_STEP
    return _restore(books, document, [*map(_kept, document.lines), (draft.values, draft.extra)], -1)


def patch_line(books: Books, document: Document, line_id: str, body: bytes) -> Row:
    """Change one line of a draft."""
    _editable(document)
    setting = setting_of(books, document.kind, document.values)
    order = books.switches["property_order"]
    place = place_of(document, line_id)
    draft = old_draft(document.lines[place], setting)
    validate(draft, read_properties(parse_object(body), document.kind.lines, order=order))
    lines = list(map(_kept, document.lines))
    lines[place] = (draft.values, draft.extra)
    return _restore(books, document, lines, place)


def delete_line(books: Books, document: Document, line_id: str) -> None:
    """Remove one line of a draft."""
    _editable(document)
    lines = list(map(_kept, document.lines))
    gone, _ = lines.pop(place_of(document, line_id))
    if gone.get("shippedQuantity"):
        raise dialog("You cannot delete the line because it has been shipped.")
    books.line_owners.pop(line_id, None)
    store(books, document, lines)


def place_of(document: Document, line_id: str) -> int:
    """Return the place of a line, or refuse with 404."""
    for place, row in enumerate(document.lines):
        if row.values["id"] == line_id:
            return place
    raise not_found()


def _kept(row: Row) -> tuple[dict[str, Any], dict[str, Any]]:
    return dict(row.values), dict(row.extra)


def _restore(
    books: Books,
    document: Document,
    lines: Lines,
    place: int,
) -> Row:
    return store(books, document, lines).lines[place]


def _editable(document: Document) -> None:
    if document.posted:
        raise dialog(POSTED_TEXT)
    if is_released(document):
        raise released(document)


def released(document: Document) -> Refused:
    """Refuse to change what a released document keeps (§4.9)."""
    return failed_test(
        "Status must be equal to 'Open' in Sales Header: Document Type="
        f"{document.kind.title}, No.={document.values['number']}. Current value is 'Released'."
    )


def rounded_lines(books: Books, document: Document) -> Lines:
    """Return a document's lines with the rounding line that posting adds."""
    return with_rounding(books, document.values, list(map(_kept, document.lines)))


def total_of(books: Books, values: dict[str, Any], lines: Lines) -> Decimal:
    """Compute the total of lines under a header."""
    return settle([line for line, _ in lines], _rules(books, values)).including_tax


def with_rounding(books: Books, values: dict[str, Any], lines: Lines) -> Lines:
    """Add an account line that rounds the total, where Invoice Rounding is on (§4.4)."""
    precision = books.switches["invoice_rounding"]
    if not precision:
        return lines
    step = Decimal(precision)
    total = total_of(books, values, lines)
    wanted = (total / step).quantize(Decimal(1), rounding=ROUND_HALF_UP) * step
    if wanted == total:
        return lines
    line = blank(INVOICE_LINES)
    line.update(
        id="",
        lineType="Account",
        description="Invoice Rounding",
        quantity=Decimal(1),
        unitPrice=wanted - total,
        sequence=max((one["sequence"] for one, _ in lines), default=0) + _LINE_STEP,
    )
    return [*lines, (line, {"group": "", "factor": Decimal(1)})]


def copied_lines(document: Document, kind: Kind) -> Lines:
    """Copy lines to another kind of document, with the properties that one has."""
    copies = []
    for row in document.lines:
        fresh = blank(kind.lines)
        fresh.update({name: row.values[name] for name in fresh if name in row.values})
        fresh["id"] = ""
        copies.append((fresh, dict(row.extra)))
    return copies


def is_released(document: Document) -> bool:
    """Tell whether an unposted document was released (§4.6)."""
    return not document.posted and document.values["status"] == "Open"


def has_quantity(document: Document) -> bool:
    """Tell whether any line has a quantity (§4.9)."""
    return any(row.values["quantity"] != ZERO for row in document.lines)
