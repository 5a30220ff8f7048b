"""What the shop knows of its order families, read from the sandbox's ShipStation."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bcss.sandbox.world import World

KNOWN_SKUS = {"ITEM-24", "RIBBON", "1896-S", "GIFT-24", "TEE-RED", "BOX-3", "FREIGHT"}
ITEMS = {
    "GIFT-24": {"ITEM-24": 1},
    "TEE-RED": {"TEE": 1},
    "BOX-3": {"ITEM-24": 2, "RIBBON": 1},
}
SHIPPING, TAX, DISCOUNT, WRAPPING = "40500", "22300", "40600", "40650"
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Family:
    """What the shop knows of one order family; `deleted` when ShipStation lists none of it."""

    number: str
    eligible: bool
    cancelled: bool
    deleted: bool
    shipped: bool
    total: Decimal
    items: Counter[str]
    charges: Mapping[str, Decimal]
    sent: tuple[Row, ...]
    counting: tuple[Row, ...]
    members: tuple[Row, ...]
    live: tuple[bool, ...]

    @property
    def voided(self) -> bool:
        return any(one["voided"] for one in self.sent)


def families_of(world: World, store: int) -> tuple[dict[str, Family], dict[str, Family]]:
    """Return the families to book, and those of orders that were merged away or are not ours."""
    state = world.shipstation.state()
    orders = {row["orderId"]: row for row in state["orders"]}
    families: dict[int, list[Row]] = defaultdict(list)
    for row in orders.values():
        top = row
        while (parent := top["advancedOptions"].get("parentId")) in orders:
            top = orders[parent]
        families[top["orderId"]].append(row)
    sent = _sent(state)
    absorbed = {
        one
        for row in orders.values()
        for one in row["advancedOptions"].get("mergedIds") or []
        if one in orders and orders[one]["advancedOptions"].get("parentId") != row["orderId"]
    }
    found: tuple[dict[str, Family], dict[str, Family]] = {}, {}
    for root, members in families.items():
        other = orders[root]["advancedOptions"]["storeId"] != store or root in absorbed
        number = orders[root]["orderNumber"]
        found[other][number] = _family(number, members, sent)
    return found


def _sent(state: Row) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in [*state["shipments"], *state["fulfillments"]]:
        if row.get("orderId") and not row.get("isReturnLabel"):
            found[row["orderId"]].append(row)
    return found


def _when(one: Row) -> tuple[str, int]:
    """Order labels by their time, and those of one second by their number."""
    return one["createDate"], one.get("shipmentId") or one["fulfillmentId"]


def _family(number: str, members: list[Row], sent: dict[int, list[Row]]) -> Family:
    live = [[one for one in sent[row["orderId"]] if not one["voided"]] for row in members]
    lines = [item for row in members for item in row["items"]]
    goods = [item for item in lines if not item["adjustment"]]
    return Family(
        number=number,
        eligible=all(row["orderStatus"] == "shipped" for row in members)
        and all(live)
        and not any(row.get("hidden") for row in members)
        and not any(row["externallyFulfilled"] for row in members)
        and goods_of(members) <= KNOWN_SKUS,
        cancelled=all(row["orderStatus"] == "cancelled" for row in members),
        shipped=all(row["orderStatus"] == "shipped" for row in members),
        deleted=all(row.get("hidden") for row in members),
        total=sum((Decimal(row["orderTotal"]) for row in members), Decimal(0)),
        items=_items(goods),
        charges=_charges(members, [item for item in lines if item["adjustment"]]),
        sent=tuple(one for row in members for one in sent[row["orderId"]]),
        counting=tuple(sorted((one for rows in live for one in rows), key=_when)),
        members=tuple(members),
        live=tuple(bool(rows) for rows in live),
    )


def _items(goods: Iterable[Row]) -> Counter[str]:
    """Count what left the warehouse, by Business Central's item."""
    found: Counter[str] = Counter()
    for item in goods:
        for name, each in ITEMS.get(item["sku"], {item["sku"]: 1}).items():
            found[name] += each * item["quantity"]
    return found


def _charges(members: Iterable[Row], adjustments: Iterable[Row]) -> dict[str, Decimal]:
    """Add up what must stand on each account."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    for row in members:
        found[SHIPPING] += Decimal(row["shippingAmount"] or 0)
        found[TAX] += Decimal(row["taxAmount"] or 0)
    for item in adjustments:
        amount = Decimal(item["unitPrice"]) * item["quantity"]
        found[DISCOUNT if amount < 0 else WRAPPING] += amount
    return {account: amount for account, amount in found.items() if amount}


def goods_of(members: Iterable[Row]) -> set[str]:
    return {item["sku"] for row in members for item in row["items"] if not item["adjustment"]}
