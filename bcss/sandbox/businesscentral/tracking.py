"""Show unposted documents and items as the page services do (business-central.md §3.4, §2.1)."""

from collections.abc import Iterable
from typing import Any

from bcss.sandbox.businesscentral import documents
from bcss.sandbox.businesscentral.bodies import Properties, blank, parse_object, read_properties
from bcss.sandbox.businesscentral.books import Books
from bcss.sandbox.businesscentral.cards import WORKFLOW_ITEMS
from bcss.sandbox.businesscentral.errors import (
    Refused,
    not_found,
    not_related,
    read_only,
)
from bcss.sandbox.businesscentral.rows import NO_TIME, Document, Row, Table, changed
from bcss.sandbox.businesscentral.schema import WORKFLOW_DOCUMENTS, Kind

# Properties of the page that the aggregate buffers too, by the aggregate's names.
_BUFFERED = {
    "externalDocumentNumber": "externalDocumentNumber",
    "postingDate": "postingDate",
    "shipToName": "shipToName",
    "shipToAddress": "shipToAddressLine1",
    "shipToAddress2": "shipToAddressLine2",
    "shipToCity": "shipToCity",
    "shipToPostCode": "shipToPostCode",
    "shipToCounty": "shipToState",
    "shipToCountryRegionCode": "shipToCountry",
}
_STATUS = {"Draft": "Open", "Open": "Released", "In_x0020_Review": "Pending_x0020_Approval"}


def document_row(document: Document) -> Row:
    """Show an unposted document as a row of `workflowSalesDocuments`, with its own tag."""
    source = document.values
    values = blank(WORKFLOW_DOCUMENTS)
    for name, other in _BUFFERED.items():
        values[name] = source[other]
    reference = source.get("customerPurchaseOrderReference", document.reference)
    values.update(
        id=source["id"],
        documentType=document.kind.title.replace(" ", "_x0020_"),
        sellToCustomerNumber=source["customerNumber"],
        number=source["number"],
        yourReference=reference,
        orderDate=source["lastModifiedDateTime"].date(),
        documentDate=source[document.kind.document_date],
        currencyCode=source["currencyCode"] if _is_foreign(source) else "",
        shippingNumber=document.shipping_number,
        postingNumber=document.posting_number,
        shippingAgentCode=document.agent,
        packageTrackingNumber=document.tracking,
        shippingAgentServiceCode=document.service,
        status=_STATUS.get(source["status"], "Open"),
    )
    return Row(values, document.header_version)


def _is_foreign(values: dict[str, Any]) -> bool:
    return bool(values["currencyId"].strip("0-"))


def document_rows(tables: Iterable[Table[Document]]) -> Table[Row]:
    """Show all unposted documents."""
    found: Table[Row] = Table("number", "externalDocumentNumber")
    for table in tables:
        for document in table:
            if not document.posted:
                found.put(document_row(document), NO_TIME)
    return found


def find_rows(tables: Iterable[Table[Document]], identities: Iterable[Any]) -> list[Row]:
    """Show the unposted documents among the given ids, without touching any other."""
    every = list(tables)
    found = []
    for identity in dict.fromkeys(identities):
        for table in every:
            document = table.get(identity)
            if document is not None and not document.posted:
                found.append(document_row(document))
    return found


def find_document(books: Books, identity: str) -> Document:
    """Return the unposted document of a row, or refuse with 404."""
    for kind in Kind:
        document = books.documents(kind).get(identity)
        if document is not None and not document.posted:
            return document
    raise not_found()


def patch(books: Books, document: Document, body: bytes) -> Document:
    """Write tracking fields in body order: validating the agent clears the service (§3.4).

    The aggregate's row changes only where a buffered field does, so its tag stays otherwise.
    """
    properties = read_properties(parse_object(body), WORKFLOW_DOCUMENTS)
    updated = _apply(books, document, properties)
    values = dict(updated.values)
    for name, value in properties:
        if name in _BUFFERED:
            values[_BUFFERED[name]] = value
        elif name == "yourReference" and "customerPurchaseOrderReference" in values:
            values["customerPurchaseOrderReference"] = value
    if values != document.values:
        return documents.put(books, updated, values, updated.lines)
    stored = changed(updated, header_version=books.next())
    books.documents(document.kind).put(stored, books.stamp())
    return stored


def _apply(books: Books, document: Document, properties: Properties) -> Document:
    changes: dict[str, Any] = {
        "agent": document.agent,
        "service": document.service,
        "tracking": document.tracking,
        "reference": document.reference,
    }
    for name, value in properties:
        match name:
            case "shippingAgentCode":
                _check_open(document)
                _check_agent(books, value)
                changes["agent"], changes["service"] = value, ""
            case "shippingAgentServiceCode":
                _check_open(document)
                _check_service(books, changes["agent"], value)
                changes["service"] = value
            case "packageTrackingNumber":
                changes["tracking"] = _number(books, value)
            case "yourReference":
                changes["reference"] = value
            case _ if name in _BUFFERED:
                pass
            case _:
                raise read_only(name)
    return changed(document, **changes)


def _check_open(document: Document) -> None:
    if documents.is_released(document):
        raise documents.released(document)


def _check_agent(books: Books, value: str) -> None:
    if value and value not in books.agents:
        raise not_related("Shipping Agent Code", "Sales Header", value, "Shipping Agent")


def _check_service(books: Books, agent: str, value: str) -> None:
    if value and value not in books.agents.get(agent, ()):
        raise not_related(
            "Shipping Agent Service Code", "Sales Header", value, "Shipping Agent Services"
        )


def _number(books: Books, value: str) -> str:
    """Take a tracking number of 50 characters, 30 before version 27 (§3.2)."""
    longest = books.switches["tracking_length"]
    if len(value) > longest:
        raise Refused(
            400,
            "Application_StringExceededLength",
            f"The length of the string is {len(value)}, but it must be less than or equal to "
            f"{longest} characters. Value: {value}",
        )
    return value


def item_rows(books: Books) -> Table[Row]:
    """Show the items as `workflowItems` does: weights, tariff number, origin (§2.1)."""
    found: Table[Row] = Table("number")
    for item in books.items:
        card, extra = item.values, item.extra
        values = blank(WORKFLOW_ITEMS)
        for name in ("id", "number", "type", "unitPrice", "gtin", "blocked"):
            values[name] = card[name]
        values.update(
            description=card["displayName"],
            baseUnitOfMeasure=card["baseUnitOfMeasureCode"],
            salesUnitOfMeasure=extra.get("sales_unit", ""),
            grossWeight=extra["gross_weight"],
            netWeight=extra["net_weight"],
            unitVolume=extra["unit_volume"],
            tariffNumber=extra.get("tariff_number", ""),
            countryRegionOfOriginCode=extra.get("country_of_origin", ""),
            lastDateModified=card["lastModifiedDateTime"].date(),
        )
        found.put(Row(values, item.version), NO_TIME)
    return found
