"""Business Central's records as API v2.0 names them (business-central.md §2, §3.4, §4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

NO_GUID = "00000000-0000-0000-0000-000000000000"


class DocumentSet(StrEnum):
    """The two entity sets a sales document may stand in."""

    ORDERS = "salesOrders"
    INVOICES = "salesInvoices"

    @property
    def lines(self) -> str:
        """Return the name of the navigation to the lines."""
        return "salesOrderLines" if self is DocumentSet.ORDERS else "salesInvoiceLines"

    @property
    def document_date(self) -> str:
        """Return the property that carries BC's Document Date."""
        return "orderDate" if self is DocumentSet.ORDERS else "invoiceDate"

    @property
    def action(self) -> str:
        """Return the bound action that posts."""
        return "shipAndInvoice" if self is DocumentSet.ORDERS else "post"

    @property
    def attachment_parent(self) -> str:
        """Return the `parentType` of attachments to such a document, as it goes over the wire."""
        return f"Sales_x0020_{'Order' if self is DocumentSet.ORDERS else 'Invoice'}"


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """A line as read; amounts in the document's currency."""

    id: str
    etag: str
    line_type: str
    object_number: str
    description: str
    unit_of_measure: str
    quantity: Decimal
    unit_price: Decimal
    discount_amount: Decimal
    tax_percent: Decimal
    tax_amount: Decimal
    variant_id: str
    location_id: str
    shipped_quantity: Decimal
    invoiced_quantity: Decimal
    sequence: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """A sales order or invoice as read, with its lines.

    `number` is the draft's until posting and the posted one afterwards (business-central.md
    §4.8); `order_id` is the order's that an invoice was made from, or empty.
    """

    entity: DocumentSet
    id: str
    etag: str
    number: str
    reference: str
    status: str
    customer_number: str
    currency_code: str
    posting_date: date | None
    document_date: date | None
    order_id: str
    order_number: str
    prices_include_tax: bool
    total_excluding_tax: Decimal
    total_tax: Decimal
    total_including_tax: Decimal
    ship_to: Mapping[str, str] = field(default_factory=dict)
    purchase_order_reference: str = ""
    lines: tuple[DocumentLine, ...] = ()
    header: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Created:
    """What a create answered: enough to find the document again."""

    id: str
    number: str
    etag: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One complete look-up: what was asked, what came, and whether the control was there.

    `control_seen` is None where no control was asked for.
    """

    references: tuple[str, ...]
    documents: tuple[Document, ...]
    control_seen: bool | None


@dataclass(frozen=True, slots=True)
class TrackingRow:
    """A draft as the page service `workflowSalesDocuments` shows it; its tag is its own."""

    id: str
    etag: str
    shipping_agent: str
    shipping_agent_service: str
    tracking_number: str


@dataclass(frozen=True, slots=True)
class CreditMemo:
    """A sales credit memo; `invoice_id` is the posted invoice it applies to, or empty.

    As with invoices, `number` is the draft's until posting.
    """

    id: str
    etag: str
    number: str
    status: str
    customer_number: str
    currency_code: str
    posting_date: date | None
    invoice_id: str
    invoice_number: str
    total_excluding_tax: Decimal
    total_tax: Decimal
    total_including_tax: Decimal


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file beside a document; a row comes before its content (business-central.md §2.23)."""

    id: str
    etag: str
    file_name: str
    size: int


@dataclass(frozen=True, slots=True)
class Company:
    """A company of the environment."""

    id: str
    name: str
    system_version: str


@dataclass(frozen=True, slots=True)
class Item:
    """An item card, with the fields that only `workflowItems` knows where they were read."""

    id: str
    number: str
    display_name: str
    type: str
    blocked: bool
    gtin: str
    unit_price: Decimal
    base_unit_of_measure: str
    last_modified: datetime
    weight: Decimal | None = None
    tariff_number: str = ""
    country_of_origin: str = ""


class ItemDetail(NamedTuple):
    """What only `workflowItems` tells of an item; the weight is in the company's own unit.

    `weight` is the gross weight, else the net weight, else None.
    """

    weight: Decimal | None
    tariff_number: str
    country_of_origin: str


@dataclass(frozen=True, slots=True)
class ItemVariant:
    """A variant of an item."""

    id: str
    item_number: str
    code: str
    description: str
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer card; `blocked` is empty where BC says `_x0020_`."""

    id: str
    number: str
    display_name: str
    email: str
    phone: str
    address_line1: str
    address_line2: str
    city: str
    state: str
    country: str
    postal_code: str
    currency_code: str
    blocked: str
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """A G/L account; only a posting account with direct posting takes a sales line."""

    id: str
    number: str
    display_name: str
    usable: bool


@dataclass(frozen=True, slots=True)
class TaxCode:
    """A tax group or area, or in a VAT company a posting group: one of two worlds per company."""

    code: str
    is_vat: bool


@dataclass(frozen=True, slots=True)
class Location:
    """A location; sales lines take its id, never its code."""

    id: str
    code: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook subscription; it lives three days (business-central.md §7)."""

    id: str
    etag: str
    notification_url: str
    resource: str
    client_state: str
    expires: datetime


Body = dict[str, Any]
