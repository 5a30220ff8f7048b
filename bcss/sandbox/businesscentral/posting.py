"""Post invoices, credit memos and orders (business-central.md §4.8, §4.9).

A posting first checks, then takes and keeps its numbers, then posts in one transaction: what
fails after the numbers were taken leaves them on the draft, and a retry uses them.
"""

import re
from dataclasses import replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from bcss.sandbox.businesscentral import documents
from bcss.sandbox.businesscentral.bodies import blank
from bcss.sandbox.businesscentral.books import Books, Shipment
from bcss.sandbox.businesscentral.errors import dialog, empty_field
from bcss.sandbox.businesscentral.headers import check_blocked
from bcss.sandbox.businesscentral.rows import (
    NO_DATE,
    NO_GUID,
    ZERO,
    Document,
    Row,
    changed,
)
from bcss.sandbox.businesscentral.schema import SALES_SHIPMENTS, SHIPMENT_LINES, Kind

_NO_LINES = {
    Kind.INVOICE: "Please add at least one line item to the invoice.",
    Kind.CREDIT: "Please add at least one line item to the credit memo.",
    # §4.9: sic.
    Kind.ORDER: "Please add at least one line item to the estimate.",
}
_NOTHING = "There is nothing to post because the document does not contain a quantity or amount."
_OUT_OF_RANGE = "Posting Date is not within your range of allowed posting dates."
_POSTED_LINE_TYPES = {
    "Comment": "_x0020_",
    "Account": "G_x002F_L_x0020_Account",
    "Item": "Item",
}
Values = dict[str, Any]


def post(books: Books, document: Document) -> Document:
    """Post a draft invoice or credit memo; it keeps its id and takes its posted number (§4.8)."""
    if document.posted:
        raise dialog("The action can be applied to a draft invoice only.")
    _check(books, document, document.values["totalAmountIncludingTax"])
    document = _reserve(books, document)
    _check_late(books, document)
    lines = documents.rounded_lines(books, document)
    posted = _settled(books, document, lines)
    if document.kind is Kind.INVOICE:
        if books.switches["shipment_on_invoice"]:
            _ship(books, posted, {row.values["id"]: row.values["quantity"] for row in posted.lines})
    else:
        _credit(books, posted)
    _touch_items(books, posted)
    return posted


def _settled(books: Books, document: Document, lines: documents.Lines) -> Document:
    """Turn the draft into the posted document, with the posting number and status (§4.6)."""
    values = {**document.values, "number": document.posting_number}
    posted = documents.store(books, replace(document, values=values, posted=True), lines)
    total = posted.values["totalAmountIncludingTax"]
    final = dict(posted.values)
    final["status"] = "Open" if total else "Paid"
    if document.kind is Kind.CREDIT:
        final["status"] = "Paid"
    if "remainingAmount" in final and final["status"] == "Paid":
        final["remainingAmount"] = ZERO
    return documents.put(books, posted, final, posted.lines)


def _check(books: Books, document: Document, total: Decimal) -> None:
    """Check what is checked before numbers are taken."""
    values, kind = document.values, document.kind
    if not document.lines:
        raise dialog(_NO_LINES[kind])
    if values["status"] == "In_x0020_Review":
        raise dialog(
            f"Sales {kind.title} {values['number']} must be approved and released before you can "
            "perform this action."
        )
    if values["postingDate"] == NO_DATE:
        raise _dialog_of(empty_field("Posting Date", _record(document)))
    _check_date(books, values["postingDate"])
    if not documents.has_quantity(document):
        raise dialog(_NOTHING)
    customer = books.customers.get(values["customerId"])
    if customer is None:
        raise dialog("The sell-to customer cannot be found.")
    check_blocked(customer, kind, posting=True)
    if books.switches["external_document_mandatory"] and not values["externalDocumentNumber"]:
        raise _dialog_of(empty_field("External Document No.", _record(document)))
    _check_lines(books, document)
    if total < 0:
        raise dialog("The total amount for the invoice must be 0 or greater.")


def _record(document: Document) -> str:
    number = document.values["number"]
    return f"Sales Header: Document Type={document.kind.title}, No.={number}"


def _dialog_of(error: Exception) -> Exception:
    """Give a failed test the code that posting gives it: DialogException (§4.9)."""
    return dialog(getattr(error, "message", str(error)))


def _check_date(books: Books, posting_date: date) -> None:
    first, last = books.switches["allow_posting_from"], books.switches["allow_posting_to"]
    if (first and posting_date < date.fromisoformat(first)) or (
        last and posting_date > date.fromisoformat(last)
    ):
        raise dialog(_OUT_OF_RANGE)


def _check_lines(books: Books, document: Document) -> None:
    for row in document.lines:
        if row.values["lineType"] != "Item" or not row.values["quantity"]:
            continue
        where = (
            f"Sales Line: Document Type={document.kind.title}, "
            f"Document No.={document.values['number']}, Line No.={row.values['sequence']}"
        )
        if books.switches["location_mandatory"] and row.values["locationId"] == NO_GUID:
            raise _dialog_of(empty_field("Location Code", where))
        has_variants = bool(books.variants.find("itemId", row.values["itemId"]))
        if (
            books.switches["variant_mandatory"]
            and has_variants
            and row.values["itemVariantId"] == NO_GUID
        ):
            raise _dialog_of(empty_field("Variant Code", where))


def _reserve(books: Books, document: Document) -> Document:
    """Take the numbers and keep them on the draft, whatever happens next."""
    number = document.posting_number or books.take_number(
        "posted_credit" if document.kind is Kind.CREDIT else "posted_invoice"
    )
    ships = document.kind is Kind.ORDER or (
        document.kind is Kind.INVOICE and books.switches["shipment_on_invoice"]
    )
    shipping = document.shipping_number
    if ships and not shipping:
        shipping = books.take_number("shipment")
    if (number, shipping) == (document.posting_number, document.shipping_number):
        return document
    return documents.put(
        books,
        document,
        document.values,
        document.lines,
        posting_number=number,
        shipping_number=shipping,
    )


def _check_late(books: Books, document: Document) -> None:
    """Fail as the switch `fail_post` says; the numbers stay taken."""
    for rule in books.switches["fail_post"]:
        subject = (document.values["externalDocumentNumber"], document.values["customerNumber"])
        if not any(re.search(rule["match"], one) for one in subject):
            continue
        times = rule.get("times", 0)
        done = rule["done"] = rule.get("done", 0) + 1
        if not times or done <= times:
            raise dialog(rule["text"])


def _ship(books: Books, source: Document, quantities: dict[str, Decimal]) -> None:
    """Make the posted shipment, with the tracking fields that TransferFields copies (§3.3)."""
    values = blank(SALES_SHIPMENTS)
    for name in values:
        if name in source.values:
            values[name] = source.values[name]
    values.update(
        id=books.new_id(),
        number=source.shipping_number,
        invoiceDate=source.values[source.kind.document_date],
        lastModifiedDateTime=books.stamp(),
    )
    if source.kind is Kind.ORDER:
        values["orderNumber"] = source.values["number"]
    lines = tuple(
        _shipment_line(books, values, row, quantities[row.values["id"]])
        for row in source.lines
        if quantities.get(row.values["id"]) or row.values["lineType"] == "Comment"
    )
    shipment = Shipment(values, books.next(), lines, source.agent, source.service, source.tracking)
    books.shipments.put(shipment, books.stamp())


def _shipment_line(books: Books, header: Values, row: Row, quantity: Decimal) -> Row:
    values = blank(SHIPMENT_LINES)
    for name in values:
        if name in row.values:
            values[name] = row.values[name]
    values.update(
        id=books.new_id(),
        documentId=header["id"],
        documentNo=header["number"],
        lineType=_POSTED_LINE_TYPES[row.values["lineType"]],
        quantity=quantity,
    )
    return Row(values, books.next())


def ship_and_invoice(books: Books, order: Document) -> Document:
    """Post what an order has to ship and to invoice; a complete order disappears (§4.8).

    The invoice has a new id and carries orderId, orderNumber and the order's reference.
    """
    _check(books, order, ZERO)
    quantities = {row.values["id"]: row.values.get("shipQuantity", ZERO) for row in order.lines}
    billed = {row.values["id"]: row.values.get("invoiceQuantity", ZERO) for row in order.lines}
    if not any(quantities.values()) and not any(billed.values()):
        raise dialog(_NOTHING)
    incomplete = any(
        row.values["shipQuantity"] != row.values["quantity"] - row.values["shippedQuantity"]
        for row in order.lines
    )
    if incomplete and not order.values["partialShipping"]:
        raise dialog(
            "This document cannot be shipped completely. "
            "Change the value in the Shipping Advice field to Partial."
        )
    order = _reserve(books, order)
    _check_late(books, order)
    invoice = _invoice_of(books, order, billed)
    if any(quantities.values()):
        _ship(books, order, quantities)
    _carry_attachments(books, order, invoice)
    _leave_rest(books, order, quantities, billed)
    _touch_items(books, order)
    return invoice


def _invoice_of(books: Books, order: Document, billed: dict[str, Decimal]) -> Document:
    values = blank(Kind.INVOICE.entity)
    values.update({name: order.values[name] for name in values if name in order.values})
    values.update(
        id=books.new_id(),
        number=order.posting_number,
        invoiceDate=order.values["orderDate"],
        dueDate=order.values["orderDate"],
        orderId=order.values["id"] if books.switches["order_id_on_invoice"] else NO_GUID,
        orderNumber=order.values["number"],
        customerPurchaseOrderReference=order.reference,
        status="Open",
    )
    lines = []
    for row, (line, extra) in zip(
        order.lines, documents.copied_lines(order, Kind.INVOICE), strict=True
    ):
        quantity = billed[row.values["id"]]
        if not quantity and line["lineType"] != "Comment":
            continue
        _take_share(line, row, quantity, documents.step_of(books, values))
        lines.append((line, extra))
    invoice = Document(
        Kind.INVOICE,
        values,
        0,
        0,
        posted=True,
        agent=order.agent,
        service=order.service,
        tracking=order.tracking,
        draft_number=order.posting_number,
        posting_number=order.posting_number,
    )
    lines = documents.with_rounding(books, values, lines)
    total = documents.total_of(books, values, lines)
    if total < 0:
        raise dialog("The total amount for the invoice must be 0 or greater.")
    values["status"] = "Open" if total else "Paid"
    stored = documents.store(books, invoice, lines)
    books.note(Kind.INVOICE.value, values["id"], "created")
    return stored


def _take_share(line: Values, row: Row, quantity: Decimal, step: Decimal) -> None:
    """Set the invoiced quantity and its share of the line discount."""
    whole = row.values["quantity"]
    if whole and quantity != whole:
        share = line["discountAmount"] * quantity / whole
        line["discountAmount"] = share.quantize(step, rounding=ROUND_HALF_UP)
    line["quantity"] = quantity


def _leave_rest(
    books: Books, order: Document, shipped: dict[str, Decimal], billed: dict[str, Decimal]
) -> None:
    """Delete the order when nothing is outstanding, else leave the rest in it."""
    lines = []
    for row in order.lines:
        values = dict(row.values)
        values["shippedQuantity"] += shipped[values["id"]]
        values["invoicedQuantity"] += billed[values["id"]]
        values["shipQuantity"] = values["quantity"] - values["shippedQuantity"]
        values["invoiceQuantity"] = values["quantity"] - values["invoicedQuantity"]
        lines.append((values, dict(row.extra)))
    if all(line["quantity"] == line["invoicedQuantity"] for line, _ in lines):
        documents.forget(books, order)
        return
    cleared = changed(order, posting_number="", shipping_number="")
    documents.store(books, cleared, lines)


def _carry_attachments(books: Books, order: Document, invoice: Document) -> None:
    """Copy the order's attachments to the posted invoice (§2.23)."""
    for attachment in books.attachments.find("parentId", order.values["id"]):
        values = {
            **attachment.values,
            "id": books.new_id(),
            "parentId": invoice.values["id"],
            "parentType": "Sales_x0020_Invoice",
        }
        copy = replace(attachment, values=values, version=books.next(), text="")
        books.attachments.put(copy, books.stamp())


def _touch_items(books: Books, document: Document) -> None:
    """Move the items' stamps, as inventory posting does where the switch says so (§5.5)."""
    if not books.switches["items_touched_by_posting"]:
        return
    for identity in {row.values["itemId"] for row in document.lines} - {NO_GUID}:
        item = books.items.get(identity)
        if item is None:
            continue
        values = {**item.values, "lastModifiedDateTime": books.stamp()}
        books.items.put(Row(values, books.next(), item.extra), books.stamp())
        books.note("items", identity, "updated")


def _posted_invoice(document: Document) -> None:
    if not document.posted:
        raise dialog("The action can be applied to a posted invoice only.")
    if document.values["status"] == "Canceled":
        raise dialog("The invoice cannot be canceled because it has already been canceled.")
    if document.values["status"] == "Paid":
        raise dialog(
            "The invoice is closed. The corrective credit memo will not be applied to the invoice."
        )


def make_corrective_credit_memo(books: Books, invoice: Document) -> Document:
    """Draft a credit memo that applies to a posted invoice (§4.8)."""
    _posted_invoice(invoice)
    values = blank(Kind.CREDIT.entity)
    values.update({name: invoice.values[name] for name in values if name in invoice.values})
    today = books.work_date()
    values.update(
        creditMemoDate=today,
        postingDate=today,
        invoiceId=invoice.values["id"],
        invoiceNumber=invoice.values["number"],
    )
    return documents.insert(
        books, Kind.CREDIT, values, documents.copied_lines(invoice, Kind.CREDIT)
    )


def cancel(books: Books, invoice: Document) -> Document:
    """Credit a posted invoice with a posted corrective credit memo (§4.8)."""
    return post(books, make_corrective_credit_memo(books, invoice))


def _credit(books: Books, memo: Document) -> None:
    """Close the invoice a credit memo applies to; a full credit cancels it (§4.6)."""
    invoice = books.invoices.get(memo.values["invoiceId"])
    if invoice is None:
        return
    left = invoice.values["remainingAmount"] - memo.values["totalAmountIncludingTax"]
    values = {**invoice.values, "remainingAmount": max(left, ZERO)}
    if left <= 0:
        values["status"] = "Canceled"
    documents.put(books, invoice, values, invoice.lines)
