"""Name every setting of a connection, once; each field carries the text of its documentation.

Plain frozen dataclasses: whoever imports this module pays for no YAML and no validation. The
words beside each field are what `examples/config.yaml` and `bcss init` print above it, and the
names are the configuration file's own (design §3).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

SecretScheme = Literal["keyring", "env", "file", "command", "credential"]
# What the text of `orders.marker` may name.
MARKER_FIELDS = ("carrier", "tracking")
TrackingRoute = Literal["auto", "extension", "workflow", "page", "comment"]


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is kept, never the secret; `bcss.secrets.resolve` reads it, late."""

    scheme: SecretScheme
    value: str = field(repr=False)
    slot: str = ""
    connection: str = ""
    vault: Path | None = None  # the encrypted file of a host without keyring

    def __str__(self) -> str:
        return f"{self.scheme}: ({self.slot})"


class DocumentKind(StrEnum):
    """What Business Central gets for an order."""

    POSTED_INVOICE = "posted_invoice"
    DRAFT_INVOICE = "draft_invoice"
    SALES_ORDER = "sales_order"
    SHIP_AND_INVOICE = "ship_and_invoice"

    @property
    def posts(self) -> bool:
        """Tell whether documents of this kind are posted, which nobody can take back silently."""
        return self in {DocumentKind.POSTED_INVOICE, DocumentKind.SHIP_AND_INVOICE}

    @property
    def is_order(self) -> bool:
        """Tell whether documents of this kind begin as sales orders."""
        return self in {DocumentKind.SALES_ORDER, DocumentKind.SHIP_AND_INVOICE}


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with which the app registration signs in instead of a client secret."""

    private_key: Annotated[SecretRef, "the private key in PEM form, as a reference"]
    thumbprint: Annotated[str, "the certificate's thumbprint as the app registration shows it"]


@dataclass(frozen=True, slots=True)
class BusinessCentral:
    """One company of Business Central and how to sign in to it."""

    tenant: Annotated[str, "domain name or id of the Microsoft Entra tenant"]
    environment: Annotated[str, "name of the Business Central environment"]
    company: Annotated[str, "the company's name or id"]
    client_id: Annotated[str, "application (client) id of the app registration"]
    time_zone: Annotated[ZoneInfo, "the company's time zone, for posting dates (an IANA name)"]
    client_secret: Annotated[
        SecretRef | None, "the app registration's secret, as a reference; or give a certificate"
    ] = None
    certificate: Annotated[
        Certificate | None, "instead of client_secret: {private_key: REFERENCE, thumbprint: HEX}"
    ] = None
    api_url: Annotated[str, "another address only for an imitation"] = (
        "https://api.businesscentral.dynamics.com"
    )
    authority: Annotated[str, "where tokens come from; a national cloud has its own"] = (
        "https://login.microsoftonline.com"
    )
    tracking: Annotated[
        TrackingRoute,
        "how tracking numbers reach documents: auto | extension | workflow | page | comment",
    ] = "auto"


@dataclass(frozen=True, slots=True)
class ShipStation:
    """One ShipStation account and its keys."""

    api_key: Annotated[SecretRef, "V1 API key, as a reference"]
    api_secret: Annotated[SecretRef, "V1 API secret, as a reference"]
    account: Annotated[
        str, "a label for the account; part of references, so it can never change later"
    ] = "main"
    v2_api_key: Annotated[
        SecretRef | None, "optional: label details, stock levels, signed webhooks"
    ] = None
    api_url: Annotated[str, "another address only for an imitation"] = (
        "https://ssapi.shipstation.com"
    )
    v2_api_url: Annotated[str, "another address only for an imitation"] = (
        "https://api.shipstation.com"
    )
    requests_per_minute: Annotated[int, "what the account's plan allows"] = 40


@dataclass(frozen=True, slots=True)
class Items:
    """How Business Central items become ShipStation products."""

    sku: Annotated[
        Literal["number", "gtin", "number+variant"],
        "what a ShipStation SKU is in Business Central: number | gtin | number+variant",
    ] = "number"
    variant_separator: Annotated[str, "joins number and variant"] = "-"
    weight_unit: Annotated[
        Literal["kg", "g", "lb", "oz"], "unit of Business Central's weights: kg | g | lb | oz"
    ] = "kg"
    missing: Annotated[
        Literal["csv", "order", "ignore"],
        "products that ShipStation lacks: csv (import file) | order (a helper order) | ignore",
    ] = "csv"
    catalog_store: Annotated[int | None, "the manual store that takes the helper orders"] = None


@dataclass(frozen=True, slots=True)
class Customers:
    """How customer detail reaches ShipStation."""

    ship_to: Annotated[
        Literal["open-orders", "none"],
        "align the ship-to of open orders with the customer's address: open-orders | none",
    ] = "open-orders"


@dataclass(frozen=True, slots=True)
class ItemAlias:
    """Another name of one item."""

    item: Annotated[str, "item number"]
    variant: Annotated[str, "variant code"] = ""
    unit: Annotated[str, "unit of measure code; the item's base unit when left out"] = ""
    since: Annotated[date | None, "first order date for which this holds"] = None
    until: Annotated[date | None, "last order date for which this holds"] = None


@dataclass(frozen=True, slots=True)
class KitPart:
    """One component of a kit; the quantity is per kit sold."""

    item: Annotated[str, "item number"]
    variant: Annotated[str, "variant code"] = ""
    quantity: Annotated[Decimal, "pieces in one kit"] = Decimal(1)
    share: Annotated[Decimal | None, "its part of the kit's price, beside the others' shares"] = (
        None
    )


@dataclass(frozen=True, slots=True)
class Kit:
    """A SKU that is several items in Business Central."""

    components: Annotated[tuple[KitPart, ...], "the items in one kit"]
    price: Annotated[
        Literal["first", "spread"],
        "first: the first item takes the whole price; spread: by shares, else by BC's prices",
    ] = "first"
    since: Annotated[date | None, "first order date for which this holds"] = None
    until: Annotated[date | None, "last order date for which this holds"] = None


@dataclass(frozen=True, slots=True)
class Dated:
    """Several meanings of one SKU; the first whose dates hold for the order counts."""

    rules: tuple[ItemAlias | Kit, ...]


SkuRule = ItemAlias | Kit | Dated


@dataclass(frozen=True, slots=True)
class AccountTarget:
    """A G/L account that takes an amount."""

    number: str


@dataclass(frozen=True, slots=True)
class ItemTarget:
    """An item (of type service or non-inventory) that takes an amount."""

    number: str


Target = AccountTarget | ItemTarget


@dataclass(frozen=True, slots=True)
class FixedCustomer:
    """Book every order of the store on this customer."""

    number: str


@dataclass(frozen=True, slots=True)
class MatchCustomer:
    """Look the customer up, and say what happens when there is none.

    `template` holds what a created customer gets beside its name and address, by BC's names.
    """

    by: Literal["email", "username", "phone"]
    otherwise: Literal["hold", "create"] | FixedCustomer = "hold"
    template: Mapping[str, str | bool | Decimal] = field(default_factory=dict)


CustomerRule = FixedCustomer | MatchCustomer


@dataclass(frozen=True, slots=True)
class StoreRule:
    """How the orders of one ShipStation store are booked."""

    customer: Annotated[
        CustomerRule,
        "{number: NO} or {match: email | username | phone, otherwise: hold | create | {number: NO}}",
    ]
    currency: Annotated[str, "the store's currency, ISO 4217"]
    shipping: Annotated[
        Target | None, "takes shipping: {account: NO} or {item: NO}; unset: such orders are held"
    ] = None
    discount: Annotated[
        Target | Literal["spread"] | None,
        "takes discounts: {account: NO}, {item: NO}, or spread over the item lines; unset: held",
    ] = None
    adjustments: Annotated[
        Target | None, "takes positive adjustment lines such as gift wrap; unset: held"
    ] = None
    tax: Annotated[
        Target | Literal["excluded", "business_central"],
        "{account: NO} or {item: NO}; excluded (a marketplace owes it); business_central computes it",
    ] = "business_central"
    tax_code: Annotated[str, "sent on each line when Business Central must not compute tax"] = ""
    prices: Annotated[
        Literal["net", "gross"], "whether the store's prices include tax: net | gross"
    ] = "net"
    tolerance: Annotated[
        Decimal, "in the store's currency; for tax that Business Central computes, never for net"
    ] = Decimal(0)
    location: Annotated[str, "location code on the lines; unset: Business Central decides"] = ""
    locations: Annotated[
        Mapping[int, str], "location code by ShipStation warehouse id, before the default"
    ] = field(default_factory=dict)
    split: Annotated[Literal["wait"], "a half-shipped order waits for its siblings"] = "wait"
    hold_after: Annotated[
        timedelta | None, "hold an order whose siblings have not shipped by then; unset: never"
    ] = None
    externally_fulfilled: Annotated[
        Literal["hold", "ignore", "book"],
        "orders that somebody else fulfilled, such as FBA: hold | ignore | book",
    ] = "hold"
    document: Annotated[
        DocumentKind | None, "this store's own kind of document, instead of orders.document"
    ] = None
    salesperson: Annotated[str, "salesperson code on the document; unset: the customer's"] = ""
    payment_terms: Annotated[str, "payment terms code; unset: the customer's"] = ""
    dimensions: Annotated[
        Mapping[int, str], "values of the two shortcut dimensions, such as {1: SALES, 2: WEB}"
    ] = field(default_factory=dict)
    late_after: Annotated[
        timedelta | None, "hold what is booked this long after its ship date; unset: never"
    ] = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """A store whose orders are never booked."""


IGNORED = Ignored()


@dataclass(frozen=True, slots=True)
class Orders:
    """What is booked, from when on, and as what."""

    document: Annotated[
        DocumentKind, "posted_invoice | draft_invoice | sales_order | ship_and_invoice"
    ] = DocumentKind.POSTED_INVOICE
    when: Annotated[
        Literal["shipped", "open"],
        "shipped, or open: a sales order as soon as the order is open, kept current until it ships",
    ] = "shipped"
    start: Annotated[
        date | None,
        "orders shipped before this day are never booked; required before anything is posted",
    ] = None
    document_date: Annotated[
        Literal["ship", "order"], "the document date is the ship date or the order date"
    ] = "ship"
    first_run_limit: Annotated[
        int, "documents that the very first posting run may post; 0 for no limit"
    ] = 20
    settle: Annotated[
        timedelta, "how long a create without an answer may still take effect; at least 20m"
    ] = timedelta(minutes=20)
    marker: Annotated[
        str, "the comment line on each document; it prints on the customer's invoice"
    ] = "Shipped {carrier} {tracking}"
    label_pdf: Annotated[
        bool, "attach each new label's PDF to its document: true | false; needs v2_api_key"
    ] = False
    skus: Annotated[
        Mapping[str, SkuRule],
        "SKU to item: NO, NO/VARIANT, {item, variant, unit} or {kit: [...], price: first | spread}",
    ] = field(default_factory=dict)
    countries: Annotated[
        Mapping[str, str], "ShipStation country code to Business Central's, where they differ"
    ] = field(default_factory=dict)
    states: Annotated[
        Mapping[str, str], "state as ShipStation writes it to Business Central's, where they differ"
    ] = field(default_factory=dict)
    stores: Annotated[
        Mapping[int, StoreRule | Ignored],
        "by ShipStation store id; the orders of a store that is not listed are held",
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Agent:
    """A shipping agent of Business Central and its services by ShipStation service code."""

    agent: Annotated[str, "shipping agent code"]
    services: Annotated[
        Mapping[str, str], "shipping agent service code by ShipStation service code"
    ] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The listener, and what Business Central tells it."""

    public_url: Annotated[str, "the prefix under which the TLS proxy serves the listener"]
    token: Annotated[SecretRef, "the secret part of the listener's addresses, as a reference"]
    listen: Annotated[tuple[str, int], "address and port of the listener, behind the proxy"] = (
        "127.0.0.1",
        8464,
    )
    subscriptions: Annotated[tuple[str, ...], "Business Central entities to be told about"] = (
        "items",
        "customers",
        "salesInvoices",
    )


@dataclass(frozen=True, slots=True)
class State:
    """Where the connection remembers what it has done."""

    path: Annotated[Path, "the state database; back it up, and never share it"]


@dataclass(frozen=True, slots=True)
class Config:
    """One connection: one company, one ShipStation account, one state database."""

    name: Annotated[str, "a short name for this connection, used in messages and file names"]
    path: Path
    digest: str  # SHA-256 of the file, in hexadecimal
    business_central: Annotated[BusinessCentral, "Microsoft Dynamics 365 Business Central"]
    shipstation: Annotated[ShipStation, "ShipStation"]
    state: Annotated[State, "the memory of this connection"]
    items: Annotated[Items, "items to ShipStation products"] = field(default_factory=Items)
    customers: Annotated[Customers, "customers to ShipStation"] = field(default_factory=Customers)
    orders: Annotated[Orders, "orders to Business Central"] = field(default_factory=Orders)
    shipping_agents: Annotated[
        Mapping[str, Agent],
        "ShipStation carrier code or display name to shipping agent; case does not matter",
    ] = field(default_factory=dict)
    webhooks: Annotated[Webhooks | None, "optional: without this section everything is polled"] = (
        None
    )
    notes: tuple[str, ...] = ()  # what is set but not used, for `bcss check` to say


def vault_path(database: Path) -> Path:
    """Name the encrypted file of a connection, beside its state database."""
    return database.with_name(database.name + ".vault")


def secret_references(config: Config) -> dict[str, SecretRef]:
    """Return every secret of a connection by slot, in the order of the file."""
    central, shipstation = config.business_central, config.shipstation
    found = (
        central.client_secret,
        central.certificate.private_key if central.certificate else None,
        shipstation.api_key,
        shipstation.api_secret,
        shipstation.v2_api_key,
        config.webhooks.token if config.webhooks else None,
    )
    return {ref.slot: ref for ref in found if ref is not None}
