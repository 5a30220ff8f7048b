"""Turn the lines, charges and discounts of a family into document lines (design §4.2)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from bcss.config.schema import AccountTarget, ItemTarget, Kit, Target
from bcss.holds import Why
from bcss.mapping import kits
from bcss.mapping.amounts import line_amount, spread
from bcss.mapping.catalog import Catalog, Found, UnknownSku, find, named
from bcss.mapping.families import Family
from bcss.mapping.rules import Rules, Unmappable
from bcss.mapping.text import code, cut
from bcss.money import ZERO, round_amount, show
from bcss.shipstation.records import Order, OrderItem
from bcss.units import DraftLine


@dataclass(frozen=True, slots=True)
class _Desk:
    """What every line of one order is made with."""

    rules: Rules
    catalog: Catalog
    order: Order
    location_id: str

    @property
    def currency(self) -> str:
        """Return the currency of all amounts."""
        return self.rules.store.currency


def lines_of(family: Family, rules: Rules, catalog: Catalog) -> list[DraftLine]:
    """Return the lines of a family, root first; raise Unmappable for what has no place."""
    members = sorted(family.members, key=lambda one: (one is not family.root, one.order_id))
    items: list[DraftLine] = []
    charges: list[DraftLine] = []
    discount = ZERO
    for order in members:
        desk = _Desk(rules, catalog, order, _location(order, rules, catalog))
        for item in order.items:
            amount = round_amount(item.quantity * item.unit_price, desk.currency)
            if not item.adjustment:
                items += _item_lines(item, desk)
            elif amount < 0 and rules.store.discount == "spread":
                discount -= amount
            elif amount != 0:
                charges.append(_adjustment(item, amount, rules, catalog))
    charges += _order_charges(members, rules, catalog)
    return [*_discounted(items, discount, rules.store.currency), *charges]


def _item_lines(item: OrderItem, desk: _Desk) -> list[DraftLine]:
    if item.quantity == 0:
        return []
    rules, catalog = desk.rules, desk.catalog
    on = rules.ordered_on(desk.order)
    try:
        found = find(item.sku, rules.orders.skus, rules.items, catalog, on)
        if isinstance(found, Kit):
            return _kit_lines(item, found, desk)
    except UnknownSku as missing:
        raise Unmappable(Why.UNKNOWN_SKU, _unknown(item, missing, catalog)) from None
    price = kits.short_price(item.unit_price, item.quantity, desk.currency)
    if price is None:
        raise Unmappable(
            Why.TOTAL_DIFFERS,
            f"SKU {item.sku}: a price of {item.unit_price} has more decimals than Business "
            "Central keeps.",
        )
    return [_item_line(found, item.quantity, price, rules, desk.location_id)]


def _unknown(item: OrderItem, missing: UnknownSku, catalog: Catalog) -> str:
    text = f"SKU {cut(item.sku, 60) or '(none)'} ({cut(item.name, 40)}): no item {missing}."
    near = catalog.near.get(item.sku, ())
    return f"{text} Nearest: {', '.join(near)}." if near else text


def _item_line(
    found: Found, quantity: Decimal, price: Decimal, rules: Rules, location_id: str
) -> DraftLine:
    return DraftLine(
        type="Item",
        number=found.item.number,
        variant=found.variant,
        variant_id=found.variant_id,
        unit=found.unit,
        tax_code=_tax_code(rules),
        quantity=quantity,
        unit_price=price,
        location_id=location_id,
    )


def _kit_lines(item: OrderItem, kit: Kit, desk: _Desk) -> list[DraftLine]:
    """Give each component its part of the kit's price; together they come to it exactly."""
    parts = [(part, named(part.item, part.variant, desk.catalog)) for part in kit.components]
    whole = round_amount(item.quantity * item.unit_price, desk.currency)
    amounts = kits.amounts(whole, kit, parts, desk.currency)
    if amounts is None:
        raise Unmappable(
            Why.KIT_PRICE,
            f"SKU {item.sku}: its items have neither shares in the config nor prices in Business "
            "Central to divide the price by.",
        )
    lines = []
    for (part, found), amount in zip(parts, amounts, strict=True):
        quantity = item.quantity * part.quantity
        price = _part_price(item, kit, part.quantity, amount, desk.currency)
        if price is None:
            raise Unmappable(
                Why.KIT_PRICE,
                f"SKU {item.sku}: {show(amount, desk.currency)} does not divide by {quantity} "
                f"pieces of {found.item.number}.",
            )
        lines.append(_item_line(found, quantity, price, desk.rules, desk.location_id))
    return lines


def _part_price(
    item: OrderItem, kit: Kit, per_kit: Decimal, amount: Decimal, currency: str
) -> Decimal | None:
    """Return a component's unit price; the shopper's own price divided by its pieces if it fits."""
    quantity = item.quantity * per_kit
    if kit.price == "first" and amount:
        price = round(item.unit_price / per_kit, kits.PRICE_PLACES)
        if round_amount(price * quantity, currency) == amount:
            return price
    return kits.price_for(amount, quantity, currency)


def _discounted(items: list[DraftLine], discount: Decimal, currency: str) -> list[DraftLine]:
    parts = spread(discount, [line_amount(line, currency) for line in items], currency)
    if parts is None:
        raise Unmappable(
            Why.TOTAL_DIFFERS,
            f"A discount of {show(discount, currency)} is larger than the lines it is spread over.",
        )
    return [
        replace(line, discount=part) if part else line
        for line, part in zip(items, parts, strict=True)
    ]


def _adjustment(item: OrderItem, amount: Decimal, rules: Rules, catalog: Catalog) -> DraftLine:
    store = rules.store
    target = store.discount if amount < 0 else store.adjustments
    if target is None or target == "spread":
        field = "discount" if amount < 0 else "adjustments"
        name = cut(item.name or item.sku or "adjustment", 40)
        raise Unmappable(
            Why.UNMAPPED_ADJUSTMENT,
            f"{name} of {show(amount, store.currency)} has no place: the store has no {field}.",
        )
    return _charge(target, amount, rules, catalog)


def _order_charges(members: Sequence[Order], rules: Rules, catalog: Catalog) -> list[DraftLine]:
    store = rules.store
    shipping = round_amount(sum((o.shipping_amount for o in members), ZERO), store.currency)
    tax = round_amount(sum((o.tax_amount for o in members), ZERO), store.currency)
    lines = []
    if shipping:
        lines.append(_named_charge("shipping", store.shipping, shipping, rules, catalog))
    if tax and not isinstance(store.tax, str):
        lines.append(_named_charge("tax", store.tax, tax, rules, catalog))
    return lines


def _named_charge(
    name: str, target: Target | None, amount: Decimal, rules: Rules, catalog: Catalog
) -> DraftLine:
    if target is None:
        shown = show(amount, rules.store.currency)
        raise Unmappable(
            Why.UNMAPPED_CHARGE, f"{name.capitalize()} of {shown} has no place: set {name}."
        )
    return _charge(target, amount, rules, catalog)


def _charge(target: Target, amount: Decimal, rules: Rules, catalog: Catalog) -> DraftLine:
    """Make one line of an amount; a negative one is quantity -1 at a positive price."""
    quantity = Decimal(-1) if amount < 0 else Decimal(1)
    match target:
        case AccountTarget(number=number):
            return DraftLine(
                "Account",
                code(number),
                tax_code=_tax_code(rules),
                quantity=quantity,
                unit_price=abs(amount),
            )
        case ItemTarget(number=number):
            try:
                found = named(number, "", catalog)
            except UnknownSku:
                raise Unmappable(
                    Why.UNKNOWN_SKU, f"The config names item {number}, which does not exist."
                ) from None
            return _item_line(found, quantity, abs(amount), rules, "")


def _tax_code(rules: Rules) -> str:
    return "" if rules.store.tax == "business_central" else rules.store.tax_code


def _location(order: Order, rules: Rules, catalog: Catalog) -> str:
    store = rules.store
    chosen = store.locations.get(order.warehouse_id or 0, store.location)
    if not chosen:
        return ""
    location_id = catalog.locations.get(code(chosen))
    if location_id is None:
        raise Unmappable(
            Why.UNKNOWN_LOCATION, f"The config names location {chosen}, which is unknown."
        )
    return location_id
