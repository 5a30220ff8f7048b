"""ShipStation V1's orders, shipments, fulfillments and products as it names them.

Strict where a wrong value would book money or lose a record, lenient where the vendor adds a
field or leaves one out (shipstation.md §1.6, §2.6 to §2.9, §3.1, §4, §6.3).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bcss.clock import PacificTime, parse_pacific
from bcss.money import ZERO, parse_amount

MAX_TEXT = 4000


class UnreadableRecord(ValueError):
    """A record lacks something that we cannot do without; `field` names it."""

    def __init__(self, kind: str, identity: str, field: str, problem: str) -> None:
        super().__init__(f"{kind} {identity}: {field}: {problem}")
        self.kind = kind
        self.identity = identity
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Address:
    """A bill-to or ship-to address; empty text where ShipStation has null."""

    name: str = ""
    company: str = ""
    street1: str = ""
    street2: str = ""
    street3: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""
    phone: str = ""


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One line of an order; an adjustment is a discount or a fee, not a thing."""

    order_item_id: int
    line_item_key: str
    sku: str
    name: str
    quantity: Decimal
    unit_price: Decimal
    adjustment: bool


@dataclass(frozen=True, slots=True)
class Order:
    """An order row. Several rows may form one family (shipstation.md §5)."""

    order_id: int
    order_number: str
    order_key: str
    status: str
    store_id: int | None
    order_date: PacificTime | None
    create_date: PacificTime | None
    modify_date: PacificTime
    customer_username: str
    customer_email: str
    ship_to: Address
    items: tuple[OrderItem, ...]
    order_total: Decimal
    tax_amount: Decimal
    shipping_amount: Decimal
    warehouse_id: int | None
    parent_id: int | None
    merged_ids: tuple[int, ...]
    externally_fulfilled: bool
    externally_fulfilled_by: str
    requested_service: str


@dataclass(frozen=True, slots=True)
class Shipment:
    """A label bought in ShipStation; the list never says which store but in advancedOptions."""

    shipment_id: int
    order_id: int | None
    order_number: str
    create_date: PacificTime
    ship_date: str
    tracking_number: str
    carrier_code: str
    service_code: str
    is_return: bool
    voided: bool
    store_id: int | None


@dataclass(frozen=True, slots=True)
class Fulfillment:
    """An order marked as shipped, or shipped by a provider: no key, no lines, maybe no number."""

    fulfillment_id: int
    order_id: int | None
    order_number: str
    create_date: PacificTime
    ship_date: str
    tracking_number: str
    carrier_code: str
    provider: str
    voided: bool


@dataclass(frozen=True, slots=True)
class Product:
    """A product; `raw` is the whole resource, which a PUT must send back."""

    product_id: int
    sku: str
    name: str
    active: bool
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Store:
    """A store of the account."""

    store_id: int
    name: str
    active: bool


@dataclass(frozen=True, slots=True)
class _Reader:
    """Take fields of one JSON object and name the field when one is wrong."""

    kind: str
    row: Mapping[str, Any]
    id_field: str

    def fail(self, field: str, problem: str) -> UnreadableRecord:
        return UnreadableRecord(self.kind, str(self.row.get(self.id_field)), field, problem)

    def identity(self, field: str) -> int:
        value = self.row.get(field)
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise self.fail(field, "expected a positive whole number")
        return value

    def reference(self, field: str) -> int | None:
        value = self.row.get(field)
        if value in (None, 0, ""):
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fail(field, "expected a whole number or null")
        return value

    def text(self, field: str) -> str:
        value = self.row.get(field)
        if value is None:
            return ""
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise self.fail(field, "expected text")
        return value[:MAX_TEXT]

    def required(self, field: str) -> str:
        text = self.text(field)
        if not text:
            raise self.fail(field, "expected text")
        return text

    def truth(self, field: str) -> bool:
        value = self.row.get(field)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self.fail(field, "expected true or false")
        return value

    def amount(self, field: str) -> Decimal:
        value = self.row.get(field)
        if value is None:
            return ZERO
        try:
            return parse_amount(value)
        except ValueError:
            raise self.fail(field, "expected an amount") from None

    def time(self, field: str) -> PacificTime:
        found = self.time_or_none(field)
        if found is None:
            raise self.fail(field, "expected a time")
        return found

    def time_or_none(self, field: str) -> PacificTime | None:
        value = self.row.get(field)
        if value in (None, ""):
            return None
        try:
            return parse_pacific(str(value))
        except (ValueError, OverflowError):
            raise self.fail(field, "expected a time") from None

    def nested(self, field: str) -> "_Reader":
        value = self.row.get(field)
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            raise self.fail(field, "expected an object")
        return _Reader(self.kind, value, self.id_field)

    def rows(self, field: str) -> list[Mapping[str, Any]]:
        value = self.row.get(field)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in value):
            raise self.fail(field, "expected a list of objects")
        return value


def _object(kind: str, row: object, id_field: str) -> _Reader:
    if not isinstance(row, Mapping):
        raise UnreadableRecord(kind, "?", id_field, "expected an object")
    return _Reader(kind, row, id_field)


def read_address(row: Mapping[str, Any]) -> Address:
    """Read an address; anything that is not text reads as empty."""

    def text(field: str) -> str:
        value = row.get(field)
        return value.strip()[:MAX_TEXT] if isinstance(value, str) else ""

    return Address(
        name=text("name"),
        company=text("company"),
        street1=text("street1"),
        street2=text("street2"),
        street3=text("street3"),
        city=text("city"),
        state=text("state"),
        postal_code=text("postalCode"),
        country=text("country"),
        phone=text("phone"),
    )


def _read_item(row: Mapping[str, Any], order_id: int) -> OrderItem:
    reader = _Reader("order", {**row, "orderId": order_id}, "orderId")
    quantity = reader.row.get("quantity")
    if isinstance(quantity, bool) or not isinstance(quantity, int | Decimal):
        raise reader.fail("items.quantity", "expected a number")
    return OrderItem(
        order_item_id=reader.reference("orderItemId") or 0,
        line_item_key=reader.text("lineItemKey"),
        sku=reader.text("sku"),
        name=reader.text("name"),
        quantity=Decimal(quantity),
        unit_price=reader.amount("unitPrice"),
        adjustment=reader.truth("adjustment"),
    )


def read_order(row: object) -> Order:
    """Read one order; raise UnreadableRecord naming the field that is wrong."""
    reader = _object("order", row, "orderId")
    order_id = reader.identity("orderId")
    advanced = reader.nested("advancedOptions")
    merged = advanced.row.get("mergedIds") or []
    if not isinstance(merged, list) or not all(isinstance(one, int) for one in merged):
        raise reader.fail("advancedOptions.mergedIds", "expected a list of whole numbers")
    if "orderTotal" not in reader.row or reader.row["orderTotal"] is None:
        raise reader.fail("orderTotal", "expected an amount")
    status = reader.text("orderStatus")
    if not status:
        raise reader.fail("orderStatus", "expected text")
    return Order(
        order_id=order_id,
        order_number=reader.text("orderNumber"),
        order_key=reader.text("orderKey"),
        status=status,
        store_id=advanced.reference("storeId"),
        order_date=reader.time_or_none("orderDate"),
        create_date=reader.time_or_none("createDate"),
        modify_date=reader.time("modifyDate"),
        customer_username=reader.text("customerUsername"),
        customer_email=reader.text("customerEmail"),
        ship_to=read_address(reader.nested("shipTo").row),
        items=tuple(_read_item(item, order_id) for item in reader.rows("items")),
        order_total=reader.amount("orderTotal"),
        tax_amount=reader.amount("taxAmount"),
        shipping_amount=reader.amount("shippingAmount"),
        warehouse_id=advanced.reference("warehouseId"),
        parent_id=advanced.reference("parentId"),
        merged_ids=tuple(merged),
        externally_fulfilled=reader.truth("externallyFulfilled"),
        externally_fulfilled_by=reader.text("externallyFulfilledByName")
        or reader.text("externallyFulfilledBy"),
        requested_service=reader.text("requestedShippingService"),
    )


def read_shipment(row: object) -> Shipment:
    """Read one shipment; raise UnreadableRecord naming the field that is wrong."""
    reader = _object("shipment", row, "shipmentId")
    shipment_id = reader.identity("shipmentId")
    return Shipment(
        shipment_id=shipment_id,
        order_id=reader.reference("orderId"),
        order_number=reader.text("orderNumber"),
        create_date=reader.time("createDate"),
        ship_date=_ship_date(reader),
        tracking_number=reader.text("trackingNumber").strip(),
        carrier_code=reader.text("carrierCode"),
        service_code=reader.text("serviceCode"),
        is_return=reader.truth("isReturnLabel"),
        voided=reader.truth("voided") or reader.row.get("voidDate") not in (None, ""),
        store_id=reader.nested("advancedOptions").reference("storeId"),
    )


def read_fulfillment(row: object) -> Fulfillment:
    """Read one fulfillment; raise UnreadableRecord naming the field that is wrong."""
    reader = _object("fulfillment", row, "fulfillmentId")
    return Fulfillment(
        fulfillment_id=reader.identity("fulfillmentId"),
        order_id=reader.reference("orderId"),
        order_number=reader.text("orderNumber"),
        create_date=reader.time("createDate"),
        ship_date=_ship_date(reader),
        tracking_number=reader.text("trackingNumber").strip(),
        carrier_code=reader.text("carrierCode"),
        provider=reader.text("fulfillmentProviderCode"),
        voided=reader.truth("voided") or reader.row.get("voidDate") not in (None, ""),
    )


def _ship_date(reader: _Reader) -> str:
    """Take the ship date as text; the posting date is made of it in the company's zone."""
    text = reader.text("shipDate") or reader.text("createDate")
    try:
        parse_pacific(text)
    except (ValueError, OverflowError):
        raise reader.fail("shipDate", "expected a date") from None
    return text


def read_product(row: object) -> Product:
    """Read one product; raise UnreadableRecord naming the field that is wrong."""
    reader = _object("product", row, "productId")
    active = reader.row.get("active")
    return Product(
        product_id=reader.identity("productId"),
        sku=reader.text("sku"),
        name=reader.text("name"),
        active=True if active is None else reader.truth("active"),
        raw=reader.row,
    )


def read_store(row: object) -> Store:
    """Read one store; raise UnreadableRecord naming the field that is wrong."""
    reader = _object("store", row, "storeId")
    active = reader.row.get("active")
    return Store(
        reader.identity("storeId"),
        reader.text("storeName"),
        active=True if active is None else reader.truth("active"),
    )


@dataclass(frozen=True, slots=True)
class Carrier:
    """A carrier account; several may share one code (shipstation.md §8.3)."""

    code: str
    name: str
    nickname: str


@dataclass(frozen=True, slots=True)
class Service:
    """What a carrier offers."""

    carrier_code: str
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook that the account sends; `store_id` is None when it covers all stores."""

    hook_id: int
    event: str
    url: str
    name: str
    store_id: int | None
    active: bool


@dataclass(frozen=True, slots=True)
class Label:
    """What V2 tells of a V1 shipment's label; what could not be used is empty or None.

    `cost` is without insurance (shipstation.md §12.4); `pdf_url` is where its PDF may be fetched.
    """

    shipment_id: int
    tracking_url: str
    cost: Decimal | None
    currency: str
    voided: bool
    pdf_url: str


@dataclass(frozen=True, slots=True)
class OrderResult:
    """What became of one order of a batch; `order_id` may be None on failure."""

    order_id: int | None
    order_number: str
    order_key: str
    success: bool
    error: str


def read_carrier(row: object) -> Carrier:
    """Read one carrier account; raise UnreadableRecord naming the field that is wrong."""
    reader = _object("carrier", row, "code")
    return Carrier(reader.required("code"), reader.text("name"), reader.text("nickname"))


def read_service(row: object) -> Service:
    """Read one service of a carrier; raise UnreadableRecord naming the field that is wrong."""
    reader = _object("service", row, "code")
    return Service(reader.text("carrierCode"), reader.required("code"), reader.text("name"))


def read_webhook(row: object) -> Webhook:
    """Read one row of the webhook list, the only list in PascalCase (shipstation.md §9.1)."""
    reader = _object("webhook", row, "WebHookID")
    active = reader.row.get("Active")
    return Webhook(
        hook_id=reader.identity("WebHookID"),
        event=reader.text("HookType"),
        url=reader.text("Url"),
        name=reader.text("Name"),
        store_id=reader.reference("StoreID"),
        active=True if active is None else reader.truth("Active"),
    )


def read_order_result(row: object) -> OrderResult:
    """Read one row of createorders' answer; raise UnreadableRecord naming the field."""
    reader = _object("result", row, "orderKey")
    if not isinstance(reader.row.get("success"), bool):
        raise reader.fail("success", "expected true or false")
    return OrderResult(
        order_id=reader.reference("orderId"),
        order_number=reader.text("orderNumber"),
        order_key=reader.text("orderKey"),
        success=reader.truth("success"),
        error=reader.text("errorMessage"),
    )
