"""Hold everything one Business Central environment knows, and number it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from bcss.sandbox.businesscentral.rows import Document, Row, Table, guid
from bcss.sandbox.businesscentral.schema import Kind
from bcss.sandbox.kit import SandboxClock

# What can be switched, with its default. A switch that is not named here is refused.
SWITCHES: dict[str, Any] = {
    # The page services of §3.4 are published.
    "tracking_service": True,
    # §3.2: 50 since version 27, 30 before.
    "tracking_length": 50,
    # §5.5: a posting moves lastModifiedDateTime of the items it touches.
    "items_touched_by_posting": False,
    # §4.4: precision of the invoice rounding line that posting adds, "" for none.
    "invoice_rounding": "",
    # §3.3: an invoice makes a posted shipment.
    "shipment_on_invoice": True,
    # §10: an invoice made from an order names it by its id, or by its number alone.
    "order_id_on_invoice": True,
    # §4.3 (U): "body" or "metadata", the order in which properties are validated.
    "property_order": "body",
    # §5.2: "exact", "always" or "never_empty".
    "next_links": "exact",
    # §2.6: Default Posting Date is "none" or "today".
    "default_posting_date": "none",
    # §4.9: first and last allowed posting date, "" for none.
    "allow_posting_from": "",
    "allow_posting_to": "",
    # §4.7
    "external_document_mandatory": False,
    # §4.4
    "location_mandatory": False,
    "variant_mandatory": False,
    # §2.13: sales tax, or VAT, where pricesIncludeTax may be set on orders.
    "vat": False,
    # §1.4: entity sets that answer with the permission failure, and its status.
    "denied": [],
    "denied_status": 403,
    # §1.3: a security filter that hides posted invoices silently.
    "hide_posted": False,
    # §4.9: rules {"match": regular expression over reference or customer, "text": ...,
    # "times": n or 0 for ever} that fail a posting after its number was reserved.
    "fail_post": [],
    # §4.5: stale tags answer 409; outside imitations may say 412.
    "stale_status": 409,
    # The content of an attachment takes If-Match: * only.
    "attachment_star_only": False,
    # §7: notifications are sent by themselves, so many real seconds after the first change.
    "deliveries": False,
    "notification_delay": 30,
    # §7.3: more changes than this in one delivery become one `collection` notification.
    "collection_threshold": 1000,
    # §1.4: calls need a bearer token that this imitation has issued.
    "authentication": True,
}

# Last number used of each series (§4.2); the posted numbers differ from the drafts'.
SERIES = {
    "order": ("S-ORD", 101000),
    "invoice": ("S-INV", 102000),
    "credit": ("S-CR", 104000),
    "posted_invoice": ("PS-INV", 103000),
    "posted_credit": ("PS-CR", 105000),
    "shipment": ("S-SHPT", 102000),
    "customer": ("C", 100000),
    "item": ("I", 100000),
}


@dataclass(slots=True)
class TaxGroup:
    """A tax group: its own percent, or None for the customer's; `identifier` reads back (§2.7)."""

    percent: Decimal | None
    identifier: str


@dataclass(slots=True)
class Shipment:
    """A posted shipment with the tracking fields its entity does not show (§2.10, §3.3)."""

    values: dict[str, Any]
    version: int
    lines: tuple[Row, ...]
    agent: str
    service: str
    tracking: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that a subscription may hear of."""

    resource: str
    identity: str
    kind: str
    at: datetime


@dataclass(slots=True)
class Identity:
    """Where this environment stands and who may call it."""

    tenant: str
    tenant_id: str
    environments: list[str]
    credentials: dict[str, str]
    company_id: str
    company_name: str
    system_version: str


@dataclass(slots=True)
class Attachment:
    """A document attachment and its content (§2.23)."""

    values: dict[str, Any]
    version: int
    content: bytes = b""
    text: str = ""


@dataclass(slots=True)
class Subscription:
    """A webhook subscription (§7.1)."""

    values: dict[str, Any]
    version: int
    attempts: int = 0


@dataclass(slots=True)
class Books:
    """The tables of the company and what stands around them."""

    clock: SandboxClock
    identity: Identity
    company_information: Row
    local_currency: str
    switches: dict[str, Any] = field(default_factory=lambda: dict(SWITCHES))
    items: Table[Row] = field(default_factory=lambda: Table("number"))
    variants: Table[Row] = field(default_factory=lambda: Table("itemId", "itemNumber"))
    customers: Table[Row] = field(default_factory=lambda: Table("number"))
    accounts: Table[Row] = field(default_factory=lambda: Table("number"))
    locations: Table[Row] = field(default_factory=lambda: Table("code"))
    countries: Table[Row] = field(default_factory=lambda: Table("code"))
    payment_terms: Table[Row] = field(default_factory=lambda: Table("code"))
    units: Table[Row] = field(default_factory=lambda: Table("code"))
    currencies: Table[Row] = field(default_factory=lambda: Table("code"))
    tax_group_rows: Table[Row] = field(default_factory=lambda: Table("code"))
    tax_areas: Table[Row] = field(default_factory=lambda: Table("code"))
    salespeople: Table[Row] = field(default_factory=lambda: Table("code"))
    orders: Table[Document] = field(
        default_factory=lambda: Table("externalDocumentNumber", "number")
    )
    invoices: Table[Document] = field(
        default_factory=lambda: Table("externalDocumentNumber", "number", "orderId", "orderNumber")
    )
    credits: Table[Document] = field(
        default_factory=lambda: Table(
            "externalDocumentNumber", "number", "invoiceId", "invoiceNumber"
        )
    )
    shipments: Table[Shipment] = field(
        default_factory=lambda: Table("externalDocumentNumber", "number", "orderNumber")
    )
    attachments: Table[Attachment] = field(default_factory=lambda: Table("parentId"))
    subscriptions: Table[Subscription] = field(default_factory=lambda: Table(key="subscriptionId"))
    tax_groups: dict[str, TaxGroup] = field(default_factory=dict)
    agents: dict[str, set[str]] = field(default_factory=dict)
    line_owners: dict[str, tuple[Kind, str]] = field(default_factory=dict)
    tokens: dict[str, datetime] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    series: dict[str, int] = field(
        default_factory=lambda: {name: last for name, (_, last) in SERIES.items()}
    )
    counter: int = 0
    today: date = date.min

    def documents(self, kind: Kind) -> Table[Document]:
        """Return the table of one kind of document."""
        match kind:
            case Kind.ORDER:
                return self.orders
            case Kind.INVOICE:
                return self.invoices
            case Kind.CREDIT:
                return self.credits

    def next(self) -> int:
        """Return a number never used before, for versions and ids."""
        self.counter += 1
        return self.counter

    def new_id(self) -> str:
        """Return a GUID never used before."""
        return guid(self.next())

    def stamp(self) -> datetime:
        """Return the present instant as BC stores it, in milliseconds (§5.5)."""
        now = self.clock.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def work_date(self) -> date:
        """Return today, which BC takes for dates that were not sent."""
        return self.clock.now().date()

    def take_number(self, series: str) -> str:
        """Consume the next number of a series."""
        self.series[series] += 1
        return f"{SERIES[series][0]}{self.series[series]}"

    def decimals(self, currency: str) -> int:
        """Return the decimals of amounts in a currency as stored, blank for the local one."""
        row = self.currencies.one("code", currency or self.local_currency)
        return 2 if row is None else int(row.extra.get("decimals", 2))

    def note(self, resource: str, identity: str, kind: str) -> None:
        """Remember a change for the subscriptions to that resource, if there are any."""
        if self.subscriptions:
            self.changes.append(Change(resource, identity, kind, self.stamp()))

    def keep_journals(self) -> None:
        """Remember the past of documents from now on, so that a replica may lag."""
        for table in (self.orders, self.invoices, self.credits, self.shipments):
            table.keep_journal()


def rounded(amount: Decimal, decimals: int) -> Decimal:
    """Round half away from zero, as BC does (§4.4)."""
    return amount.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values with changes, in the order of the properties."""
    return {**values, **changes}
