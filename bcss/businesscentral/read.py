"""Read Business Central's JSON into records: strict where a wrong value would decide something.

Amounts, dates, identities and the external document number of sales documents must be what
business-central.md §2 says; texts that decide nothing may be absent, unknown fields are ignored.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from bcss.businesscentral.records import (
    NO_GUID,
    Account,
    Attachment,
    Company,
    Created,
    CreditMemo,
    Customer,
    Document,
    DocumentLine,
    DocumentSet,
    Item,
    ItemDetail,
    ItemVariant,
    Location,
    Subscription,
    TaxCode,
    TrackingRow,
)
from bcss.clock import parse_utc
from bcss.money import ZERO, parse_amount

MAX_TEXT = 4000
BLANK_TIME = datetime(1, 1, 1, tzinfo=UTC)
SHIP_TO = (
    "shipToName",
    "shipToContact",
    "shipToAddressLine1",
    "shipToAddressLine2",
    "shipToCity",
    "shipToState",
    "shipToPostCode",
    "shipToCountry",
)
# What a store may set on a document beside that (§2.6, §2.8).
HEADER = ("salesperson", "paymentTermsId", "shortcutDimension1Code", "shortcutDimension2Code")
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


class UnreadableAnswer(ValueError):
    """A record of Business Central is not what its documentation says; `field` names where."""

    def __init__(self, kind: str, identity: str, field: str, problem: str) -> None:
        super().__init__(f"{kind} {identity[:80]}: {field}: {problem}")
        self.kind = kind
        self.field = field
        self.problem = problem


def as_guid(value: object) -> str | None:
    """Return a GUID in lower case, or None when the value is none."""
    if not isinstance(value, str):
        return None
    lower = value.lower()
    return lower if _GUID.fullmatch(lower) else None


def member_name(text: str) -> str:
    """Undo the escapes of an enum member: `In_x0020_Review` is `In Review`, `_x0020_` is empty."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text).strip()


@dataclass(frozen=True, slots=True)
class _Row:
    """Take fields of one JSON object and name the field when one is wrong."""

    kind: str
    fields: Mapping[str, Any]

    def fail(self, field: str, problem: str) -> UnreadableAnswer:
        identity = self.fields.get("number") or self.fields.get("id") or "?"
        return UnreadableAnswer(self.kind, str(identity), field, problem)

    def identity(self, field: str = "id") -> str:
        found = as_guid(self.fields.get(field))
        if found is None or found == NO_GUID:
            raise self.fail(field, "expected a GUID")
        return found

    def reference(self, field: str) -> str:
        """Read a GUID that may be absent or zero; both read as empty."""
        value = self.fields.get(field)
        if value in (None, "", NO_GUID):
            return ""
        found = as_guid(value)
        if found is None:
            raise self.fail(field, "expected a GUID")
        return found

    def text(self, field: str) -> str:
        value = self.fields.get(field)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.fail(field, "expected text")
        return value[:MAX_TEXT]

    def needed(self, field: str) -> str:
        value = self.text(field)
        if not value:
            raise self.fail(field, "expected text")
        return value

    def present(self, field: str) -> str:
        if not isinstance(self.fields.get(field), str):
            raise self.fail(field, "expected text")
        return self.text(field)

    def member(self, field: str) -> str:
        return member_name(self.text(field))

    def amount(self, field: str) -> Decimal:
        try:
            return parse_amount(self.fields.get(field))
        except ValueError:
            raise self.fail(field, "expected a number") from None

    def amount_or_zero(self, field: str) -> Decimal:
        return ZERO if self.fields.get(field) is None else self.amount(field)

    def truth(self, field: str) -> bool:
        value = self.fields.get(field, False)
        if not isinstance(value, bool):
            raise self.fail(field, "expected true or false")
        return value

    def number(self, field: str) -> int:
        value = self.fields.get(field)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    def day(self, field: str) -> date | None:
        """Read a date; BC writes 0001-01-01 for none."""
        value = self.fields.get(field)
        if value in (None, ""):
            return None
        try:
            day = date.fromisoformat(str(value))
        except ValueError:
            raise self.fail(field, "expected a date") from None
        return None if day == date.min else day

    def time(self, field: str) -> datetime:
        """Read a time; absent and BC's blank one read as the first instant there is."""
        value = self.fields.get(field)
        if value in (None, ""):
            return BLANK_TIME
        try:
            return parse_utc(str(value))
        except (ValueError, OverflowError):
            raise self.fail(field, "expected a time with offset") from None

    def etag(self) -> str:
        value = self.fields.get("@odata.etag")
        return value if isinstance(value, str) else ""


def _row(kind: str, value: object) -> _Row:
    if not isinstance(value, Mapping):
        raise UnreadableAnswer(kind, "?", "(whole)", "expected an object")
    return _Row(kind, value)


def read_line(value: object) -> DocumentLine:
    """Read a line of an order or invoice; a comment line may lack amounts."""
    row = _row("line", value)
    line_type = row.member("lineType") or "Comment"
    amount = row.amount_or_zero if line_type == "Comment" else row.amount
    return DocumentLine(
        id=row.identity(),
        etag=row.etag(),
        line_type=line_type,
        object_number=row.text("lineObjectNumber"),
        description=row.text("description"),
        unit_of_measure=row.text("unitOfMeasureCode"),
        quantity=amount("quantity"),
        unit_price=amount("unitPrice"),
        discount_amount=amount("discountAmount"),
        tax_percent=amount("taxPercent"),
        tax_amount=amount("totalTaxAmount"),
        variant_id=row.reference("itemVariantId"),
        location_id=row.reference("locationId"),
        shipped_quantity=row.amount_or_zero("shippedQuantity"),
        invoiced_quantity=row.amount_or_zero("invoicedQuantity"),
        sequence=row.number("sequence"),
    )


def _read_lines(row: _Row, entity: DocumentSet) -> tuple[DocumentLine, ...]:
    lines = row.fields.get(entity.lines)
    if not isinstance(lines, list):
        raise row.fail(entity.lines, "expected the lines that were asked for")
    if row.fields.get(f"{entity.lines}@odata.nextLink"):
        raise row.fail(entity.lines, "not all lines were given")
    return tuple(read_line(line) for line in lines)


def read_document(entity: DocumentSet, value: object, *, with_lines: bool = True) -> Document:
    """Read a sales order or invoice; `with_lines` says whether its lines were asked for."""
    row = _row(entity.value, value)
    return Document(
        entity=entity,
        id=row.identity(),
        etag=row.etag(),
        number=row.needed("number"),
        reference=row.present("externalDocumentNumber"),
        status=row.member("status"),
        customer_number=row.present("customerNumber"),
        currency_code=row.text("currencyCode"),
        posting_date=row.day("postingDate"),
        document_date=row.day(entity.document_date),
        order_id=row.reference("orderId"),
        order_number=row.text("orderNumber"),
        prices_include_tax=row.truth("pricesIncludeTax"),
        total_excluding_tax=row.amount("totalAmountExcludingTax"),
        total_tax=row.amount("totalTaxAmount"),
        total_including_tax=row.amount("totalAmountIncludingTax"),
        ship_to={name: row.text(name) for name in SHIP_TO},
        purchase_order_reference=row.text("customerPurchaseOrderReference"),
        lines=_read_lines(row, entity) if with_lines else (),
        header={name: row.text(name) for name in HEADER},
    )


def read_created(value: object) -> Created:
    """Read what is needed of a create's answer to find the document again."""
    row = _row("created document", value)
    return Created(id=row.identity(), number=row.needed("number"), etag=row.etag())


def read_credit_memo(value: object) -> CreditMemo:
    """Read a credit memo without its lines (business-central.md §2.26)."""
    row = _row("salesCreditMemos", value)
    return CreditMemo(
        id=row.identity(),
        etag=row.etag(),
        number=row.needed("number"),
        status=row.member("status"),
        customer_number=row.text("customerNumber"),
        currency_code=row.text("currencyCode"),
        posting_date=row.day("postingDate"),
        invoice_id=row.reference("invoiceId"),
        invoice_number=row.text("invoiceNumber"),
        total_excluding_tax=row.amount("totalAmountExcludingTax"),
        total_tax=row.amount("totalTaxAmount"),
        total_including_tax=row.amount("totalAmountIncludingTax"),
    )


def read_tracking_row(value: object) -> TrackingRow:
    """Read a row of `workflowSalesDocuments` (business-central.md §3.4)."""
    row = _row("workflowSalesDocuments", value)
    return TrackingRow(
        id=row.identity(),
        etag=row.etag(),
        shipping_agent=row.text("shippingAgentCode"),
        shipping_agent_service=row.text("shippingAgentServiceCode"),
        tracking_number=row.present("packageTrackingNumber"),
    )


def read_attachment(value: object) -> Attachment:
    """Read a row of `documentAttachments`."""
    row = _row("documentAttachments", value)
    return Attachment(
        id=row.identity(),
        etag=row.etag(),
        file_name=row.text("fileName"),
        size=row.number("byteSize"),
    )


def read_company(value: object) -> Company:
    """Read a company; its key in ODataV4 URLs is `name`, never `displayName`."""
    row = _row("companies", value)
    return Company(
        id=row.identity(), name=row.needed("name"), system_version=row.text("systemVersion")
    )


def read_item(value: object) -> Item:
    """Read an item card."""
    row = _row("items", value)
    return Item(
        id=row.identity(),
        number=row.needed("number"),
        display_name=row.text("displayName"),
        type=row.member("type"),
        blocked=row.truth("blocked"),
        gtin=row.text("gtin"),
        unit_price=row.amount_or_zero("unitPrice"),
        base_unit_of_measure=row.text("baseUnitOfMeasureCode"),
        last_modified=row.time("lastModifiedDateTime"),
    )


def read_item_detail(value: object) -> tuple[str, ItemDetail]:
    """Read a row of `workflowItems` as item number and what only it knows."""
    row = _row("workflowItems", value)
    weight = row.amount_or_zero("grossWeight") or row.amount_or_zero("netWeight")
    detail = ItemDetail(
        weight=weight or None,
        tariff_number=row.text("tariffNumber"),
        country_of_origin=row.text("countryRegionOfOriginCode"),
    )
    return row.needed("number"), detail


def read_item_variant(value: object) -> ItemVariant:
    """Read a variant; its code is unique within the item only."""
    row = _row("itemVariants", value)
    return ItemVariant(
        id=row.identity(),
        item_number=row.needed("itemNumber"),
        code=row.needed("code"),
        description=row.text("description"),
        last_modified=row.time("lastModifiedDateTime"),
    )


def read_customer(value: object) -> Customer:
    """Read a customer card."""
    row = _row("customers", value)
    return Customer(
        id=row.identity(),
        number=row.needed("number"),
        display_name=row.text("displayName"),
        email=row.text("email"),
        phone=row.text("phoneNumber"),
        address_line1=row.text("addressLine1"),
        address_line2=row.text("addressLine2"),
        city=row.text("city"),
        state=row.text("state"),
        country=row.text("country"),
        postal_code=row.text("postalCode"),
        currency_code=row.text("currencyCode"),
        blocked=row.member("blocked"),
        last_modified=row.time("lastModifiedDateTime"),
    )


def read_account(value: object) -> Account:
    """Read a G/L account; usable as business-central.md §2.19 says."""
    row = _row("accounts", value)
    usable = row.member("accountType") == "Posting" and row.truth("directPosting")
    return Account(
        id=row.identity(),
        number=row.needed("number"),
        display_name=row.text("displayName"),
        usable=usable and not row.truth("blocked"),
    )


def read_location(value: object) -> Location:
    """Read a location."""
    row = _row("locations", value)
    return Location(id=row.identity(), code=row.needed("code"))


def read_country(value: object) -> str:
    """Read the code of a country."""
    return _row("countriesRegions", value).needed("code")


def read_payment_terms(value: object) -> tuple[str, str]:
    """Read payment terms as code and id."""
    row = _row("paymentTerms", value)
    return row.needed("code"), row.identity()


def read_code(value: object) -> str:
    """Read the code of a row of which nothing else is asked."""
    return _row("code table", value).needed("code")


def read_currency(value: object) -> tuple[str, Decimal]:
    """Read a currency's code and the precision of its invoice rounding (§2.17)."""
    row = _row("currencies", value)
    return row.needed("code"), row.amount_or_zero("amountRoundingPrecision")


def read_tax_code(value: object) -> TaxCode:
    """Read a tax group or tax area (§2.13, §2.14)."""
    row = _row("tax table", value)
    return TaxCode(row.needed("code"), is_vat=row.member("taxType").upper() == "VAT")


def read_posting_period(value: object) -> tuple[date | None, date | None]:
    """Read the first and last day that may be posted to; None where it is open (§2.26)."""
    row = _row("generalLedgerSetup", value)
    return row.day("allowPostingFrom"), row.day("allowPostingTo")


def read_subscription(value: object) -> Subscription:
    """Read a webhook subscription (business-central.md §7.1)."""
    row = _row("subscriptions", value)
    return Subscription(
        id=row.needed("subscriptionId"),
        etag=row.etag(),
        notification_url=row.text("notificationUrl"),
        resource=row.text("resource"),
        client_state=row.text("clientState"),
        expires=row.time("expirationDateTime"),
    )
