"""Hold the members of each resource as recorded, and render rows for the wire.

A body is never changed in place, so the defaults below are shared between rows. Instants stand
in it as aware datetimes and amounts as Decimal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from bcss.sandbox.kit import dumps
from bcss.sandbox.shipstation import times

Body = dict[str, Any]
ZERO = Decimal(0)

# shipstation.md §2.8 and §18.1
ADDRESS: Body = dict.fromkeys(
    ("name", "company", "street1", "street2", "street3", "city", "state", "postalCode", "country",
     "phone", "residential", "addressVerified")
)  # fmt: skip
WEIGHT: Body = {"value": ZERO, "units": "ounces", "WeightUnits": 1}
INSURANCE: Body = {"provider": None, "insureShipment": False, "insuredValue": ZERO}
# shipstation.md §2.7
ITEM: Body = {
    "orderItemId": 0, "lineItemKey": None, "sku": None, "name": "", "imageUrl": None,
    "weight": WEIGHT, "quantity": 1, "unitPrice": ZERO, "taxAmount": None,
    "shippingAmount": None, "warehouseLocation": None, "options": [], "productId": None,
    "fulfillmentSku": None, "adjustment": False, "upc": None, "createDate": None,
    "modifyDate": None,
}  # fmt: skip
# shipstation.md §2.10
ADVANCED: Body = {
    "warehouseId": 70001, "nonMachinable": False, "saturdayDelivery": False,
    "containsAlcohol": False, "mergedOrSplit": False, "mergedIds": [], "parentId": None,
    "storeId": 80001, "customField1": None, "customField2": None, "customField3": None,
    "source": None, "billToParty": None, "billToAccount": None, "billToPostalCode": None,
    "billToCountryCode": None, "billToMyOtherAccount": None,
}  # fmt: skip
# shipstation.md §2.6
ORDER: Body = {
    "orderId": 0, "orderNumber": "", "orderKey": "", "orderDate": None, "createDate": None,
    "modifyDate": None, "paymentDate": None, "shipByDate": None,
    "orderStatus": "awaiting_shipment", "customerId": None, "customerUsername": None,
    "customerEmail": None, "billTo": ADDRESS, "shipTo": ADDRESS, "items": [],
    "orderTotal": ZERO, "amountPaid": ZERO, "taxAmount": ZERO, "shippingAmount": ZERO,
    "customerNotes": None, "internalNotes": None, "gift": False, "giftMessage": None,
    "paymentMethod": None, "requestedShippingService": None, "carrierCode": None,
    "serviceCode": None, "packageCode": None, "confirmation": "none", "shipDate": None,
    "holdUntilDate": None, "weight": WEIGHT, "dimensions": None, "insuranceOptions": INSURANCE,
    "internationalOptions": {"contents": None, "customsItems": None, "nonDelivery": None},
    "advancedOptions": ADVANCED, "tagIds": None, "userId": None, "externallyFulfilled": False,
    "externallyFulfilledBy": None, "externallyFulfilledById": None,
    "externallyFulfilledByName": None, "labelMessages": None,
}  # fmt: skip
# shipstation.md §3.1
SHIPMENT: Body = {
    "shipmentId": 0, "orderId": None, "orderKey": None, "userId": None, "customerEmail": None,
    "orderNumber": None, "createDate": None, "shipDate": None, "shipmentCost": Decimal("8.21"),
    "insuranceCost": ZERO, "trackingNumber": "", "isReturnLabel": False, "batchNumber": None,
    "carrierCode": "ups_walleted", "serviceCode": "ups_ground", "packageCode": "package",
    "confirmation": None, "warehouseId": 70001, "voided": False, "voidDate": None,
    "marketplaceNotified": False, "notifyErrorMessage": None, "shipTo": ADDRESS,
    "weight": WEIGHT, "dimensions": None, "insuranceOptions": INSURANCE,
    "advancedOptions": {"billToParty": "4", "billToAccount": None, "billToPostalCode": None,
                        "billToCountryCode": None, "storeId": 80001},
    "shipmentItems": None, "labelData": None, "formData": None,
}  # fmt: skip
SHIPMENT_ITEM = (
    "orderItemId", "lineItemKey", "sku", "name", "imageUrl", "weight", "quantity", "unitPrice",
    "warehouseLocation", "options", "productId", "fulfillmentSku",
)  # fmt: skip
# shipstation.md §4
FULFILLMENT: Body = {
    "fulfillmentId": 0, "orderId": 0, "orderNumber": "", "userId": None, "customerEmail": None,
    "trackingNumber": "", "createDate": None, "shipDate": None, "voidDate": None,
    "deliveryDate": None, "carrierCode": None, "sellerFillProviderId": None,
    "sellerFillProviderName": None, "fulfillmentProviderCode": None,
    "fulfillmentServiceCode": None, "fulfillmentFee": ZERO, "voidRequested": False,
    "voided": False, "marketplaceNotified": False, "notifyErrorMessage": None, "shipTo": ADDRESS,
}  # fmt: skip
# shipstation.md §6.3
PRODUCT: Body = {
    "aliases": None, "productId": 0, "sku": None, "name": None, "price": ZERO,
    "defaultCost": ZERO, "length": None, "width": None, "height": None, "weightOz": None,
    "internalNotes": None, "fulfillmentSku": None, "createDate": None, "modifyDate": None,
    "active": True, "productCategory": None, "productType": None, "warehouseLocation": None,
    "defaultCarrierCode": None, "defaultServiceCode": None, "defaultPackageCode": None,
    "defaultIntlCarrierCode": None, "defaultIntlServiceCode": None,
    "defaultIntlPackageCode": None, "defaultConfirmation": None, "defaultIntlConfirmation": None,
    "customsDescription": None, "customsValue": None, "customsTariffNo": None,
    "customsCountryCode": None, "noCustoms": None, "tags": None, "upc": None,
    "thumbnailUrl": None,
}  # fmt: skip
# shipstation.md §7
CUSTOMER: Body = {
    "customerId": 0, "createDate": None, "modifyDate": None, "name": None, "company": None,
    "street1": None, "street2": None, "city": None, "state": None, "postalCode": None,
    "countryCode": None, "phone": None, "email": None, "addressVerified": "Verified",
    "marketplaceUsernames": [], "tags": None,
}  # fmt: skip
# shipstation.md §8.1
STORE: Body = {
    "storeId": 0, "storeName": "", "marketplaceId": 0, "marketplaceName": "ShipStation",
    "accountName": None, "email": None, "integrationUrl": None, "active": True,
    "companyName": "", "phone": "", "publicEmail": "", "website": "", "refreshDate": None,
    "lastRefreshAttempt": None, "createDate": "2014-11-18T15:36:11.32",
    "modifyDate": "2014-11-18T15:36:11.32", "autoRefresh": False,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """What distinguishes one resource: its names, defaults, first id and how times look.

    `members` are the objects inside it that are filled in with their own defaults.
    """

    name: str
    id_field: str
    first_id: int
    defaults: Body
    changed: str
    long_times: tuple[str, ...] = ()
    trimmed_times: tuple[str, ...] = ()
    days: tuple[str, ...] = ()
    amounts: tuple[str, ...] = ()
    members: Mapping[str, Body] = field(default_factory=dict)


# Ids lie above 2**31, as the real ones do (shipstation.md §1.6).
ORDERS = Kind(
    "orders",
    "orderId",
    3_000_000_101,
    ORDER,
    "modifyDate",
    long_times=("orderDate", "createDate", "modifyDate", "paymentDate", "shipByDate"),
    days=("shipDate", "holdUntilDate"),
    amounts=("orderTotal", "amountPaid", "taxAmount", "shippingAmount"),
    members={"billTo": ADDRESS, "shipTo": ADDRESS, "advancedOptions": ADVANCED},
)
SHIPMENTS = Kind(
    "shipments",
    "shipmentId",
    3_200_000_301,
    SHIPMENT,
    "createDate",
    long_times=("createDate", "voidDate"),
    days=("shipDate",),
    amounts=("shipmentCost", "insuranceCost"),
    members={"shipTo": ADDRESS, "advancedOptions": SHIPMENT["advancedOptions"]},
)
FULFILLMENTS = Kind(
    "fulfillments",
    "fulfillmentId",
    3_300_000_401,
    FULFILLMENT,
    "createDate",
    long_times=("createDate", "shipDate", "voidDate", "deliveryDate"),
    members={"shipTo": ADDRESS},
)
PRODUCTS = Kind(
    "products",
    "productId",
    17_000_001,
    PRODUCT,
    "modifyDate",
    trimmed_times=("createDate", "modifyDate"),
)
CUSTOMERS = Kind(
    "customers",
    "customerId",
    51_000_007,
    CUSTOMER,
    "modifyDate",
    trimmed_times=("createDate", "modifyDate"),
)
KINDS = {kind.name: kind for kind in (ORDERS, SHIPMENTS, FULFILLMENTS, PRODUCTS, CUSTOMERS)}
ITEM_TIMES = ("createDate", "modifyDate")


def amount(value: Any) -> Decimal:
    """Read a number as it stands in JSON or seed data; null counts as nothing."""
    if value is None:
        return ZERO
    return value if isinstance(value, Decimal) else Decimal(str(value))


def instant(value: Any) -> datetime | None:
    """Read an instant of seed data: ISO with offset, or Pacific without."""
    if value is None or isinstance(value, datetime):
        return value
    return times.parse(str(value))


def fill(kind: Kind, raw: Mapping[str, Any]) -> Body:
    """Complete a row of seed data with the defaults of its kind; extra members stay."""
    body: Body = {**kind.defaults, **raw}
    for name, defaults in kind.members.items():
        if isinstance(raw.get(name), Mapping):
            body[name] = {**defaults, **raw[name]}
    for name in (*kind.long_times, *kind.trimmed_times):
        body[name] = instant(body[name])
    for name in kind.days:
        if body[name] is not None:
            body[name] = times.read_day(body[name])
    for name in kind.amounts:
        if body[name] is not None:
            body[name] = amount(body[name])
    return body


def fill_item(raw: Mapping[str, Any]) -> Body:
    """Complete an order line of seed data."""
    item = {**ITEM, **raw}
    for name in ITEM_TIMES:
        item[name] = instant(item[name])
    if item["unitPrice"] is not None:
        item["unitPrice"] = amount(item["unitPrice"])
    return item


def total(body: Body) -> Decimal:
    """Add up an order: lines, then order tax and shipping (shipstation.md §2.9)."""
    lines = sum((item["quantity"] * amount(item["unitPrice"]) for item in body["items"]), ZERO)
    return lines + amount(body["taxAmount"]) + amount(body["shippingAmount"])


def _item_for_wire(item: Body) -> Body:
    shown = dict(item)
    for name in ITEM_TIMES:
        if isinstance(shown.get(name), datetime):
            shown[name] = times.trimmed_text(shown[name])
    return shown


def for_wire(kind: Kind, body: Body) -> Body:
    """Show a body as ShipStation does: Pacific texts with the digits of its kind."""
    shown = dict(body)
    for name in kind.long_times:
        if shown[name] is not None:
            shown[name] = times.long_text(shown[name])
    for name in kind.trimmed_times:
        if shown[name] is not None:
            shown[name] = times.trimmed_text(shown[name])
    if kind is ORDERS and shown["items"]:
        shown["items"] = [_item_for_wire(item) for item in shown["items"]]
    return shown


def render(kind: Kind, body: Body, overlay: Body | None, *, items: bool = True) -> str:
    """Write one row as JSON text; `overlay` replaces members to make a hostile row."""
    shown = for_wire(kind, body)
    if not items and kind is SHIPMENTS:
        shown["shipmentItems"] = None  # shipstation.md §3.1, includeShipmentItems
    return dumps({**shown, **overlay} if overlay else shown)


def for_state(body: Body) -> Body:
    """Show a body with instants in UTC, as seed data has them."""
    shown: Body = {}
    for name, value in body.items():
        match value:
            case datetime():
                shown[name] = times.utc_text(value)
            case list() if value and isinstance(value[0], dict):
                shown[name] = [for_state(member) for member in value]
            case _:
                shown[name] = value
    return shown
