"""Turn a family that is ready into the exact Business Central document (design §4.2).

Everything here is pure: the same family, rules and catalog always give the same document, or
the same reason why there is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from bcss.clock import calendar_date
from bcss.config.schema import (
    AccountTarget,
    Agent,
    DocumentKind,
    FixedCustomer,
    Items,
    ItemTarget,
    Kit,
    MatchCustomer,
    Orders,
    StoreRule,
    Target,
)
from bcss.holds import Verdict, Why
from bcss.mapping.amounts import expected, line_amount, lines_total, spread
from bcss.mapping.catalog import Catalog, Found, UnknownSku, find, named
from bcss.mapping.families import Family
from bcss.mapping.text import code, cut
from bcss.mapping.tracking import track
from bcss.money import ZERO, round_amount, show
from bcss.shipstation.records import Address, Order, OrderItem
from bcss.units import Draft, DraftLine

_UNIT_PRICE_PLACES = 5


@dataclass(frozen=True, slots=True)
class Rules:
    """What of the configuration a document depends on."""

    orders: Orders
    items: Items
    store: StoreRule
    agents: Mapping[str, Agent]
    zone: ZoneInfo

    @property
    def kind(self) -> DocumentKind:
        """Return the document kind of this store."""
        return self.store.document or self.orders.document


class Unmappable(Exception):
    """A part of the order has no place in Business Central; carries the verdict."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.verdict = Verdict(why, message)


def build(
    family: Family, rules: Rules, catalog: Catalog, reference: str, posting_date: date
) -> Draft | Verdict:
    """Return the document for a family whose every counting member has shipped."""
    try:
        lines = _lines(family, rules, catalog)
        customer = _customer(family.root, rules.store, catalog)
    except Unmappable as problem:
        return problem.verdict
    return _checked(_draft(family, rules, customer, lines, reference, posting_date, catalog))


def ship_dates(family: Family, zone: ZoneInfo) -> list[date]:
    """Return the calendar dates of the counting shipments in the company's zone."""
    return [calendar_date(one.ship_date, zone) for one in family.evidence.counting()]


def _draft(
    family: Family,
    rules: Rules,
    customer: str,
    lines: list[DraftLine],
    reference: str,
    posting_date: date,
    catalog: Catalog,
) -> Draft:
    store = rules.store
    figures = expected(family, store)
    ordered = family.root.order_date
    by_order = rules.orders.document_date == "order" and ordered is not None
    return Draft(
        kind=rules.kind,
        reference=reference,
        customer=customer,
        currency=store.currency,
        posting_date=posting_date,
        document_date=calendar_date(ordered.text, rules.zone)
        if by_order and ordered is not None
        else posting_date,
        order_number=cut(family.root.order_number, 35),
        ship_to=_ship_to(family.root.ship_to, catalog),
        lines=tuple(lines),
        tracking=track(family.evidence, rules.agents, rules.orders.marker),
        gross=figures.gross,
        net=figures.net,
        tolerance=store.tolerance if store.tax == "business_central" else ZERO,
        tax="computed" if store.tax == "business_central" else "none",
        prices=store.prices,
    )


def _checked(draft: Draft) -> Draft | Verdict:
    """Refuse a document that cannot be right before anything is sent."""
    if not any(line.type == "Item" and line.quantity for line in draft.lines):
        return Verdict(Why.NOTHING_TO_BOOK, "No line of the order has a quantity of an item.")
    if draft.gross < 0:
        return Verdict(
            Why.NEGATIVE_TOTAL, f"The order's total is {show(draft.gross, draft.currency)}."
        )
    ours = lines_total(draft.lines, draft.currency)
    net_prices_with_tax = draft.tax == "computed" and draft.prices == "net"
    stated = draft.net if net_prices_with_tax else draft.gross
    if ours != stated:
        return Verdict(
            Why.TOTAL_DIFFERS,
            f"ShipStation states {show(stated, draft.currency)}, the order's lines, shipping and "
            f"tax come to {show(ours, draft.currency)}: a difference of "
            f"{show(stated - ours, draft.currency)}.",
        )
    return draft


def _lines(family: Family, rules: Rules, catalog: Catalog) -> list[DraftLine]:
    members = sorted(family.members, key=lambda one: (one is not family.root, one.order_id))
    items: list[DraftLine] = []
    charges: list[DraftLine] = []
    discount = ZERO
    for order in members:
        location_id = _location(order, rules.store, catalog)
        for item in order.items:
            amount = item.quantity * item.unit_price
            if not item.adjustment:
                items += _item_lines(item, rules, catalog, location_id)
            elif amount < 0 and rules.store.discount == "spread":
                discount -= round_amount(amount, rules.store.currency)
            elif amount != 0:
                charges.append(_adjustment(item, amount, rules, catalog))
    charges += _order_charges(members, rules, catalog)
    return [*_discounted(items, discount, rules.store.currency), *charges]


def _item_lines(
    item: OrderItem, rules: Rules, catalog: Catalog, location_id: str
) -> list[DraftLine]:
    if item.quantity == 0:
        return []
    try:
        found = find(item.sku, rules.orders.skus, rules.items, catalog)
        if isinstance(found, Kit):
            return _kit_lines(item, found, rules, catalog, location_id)
    except UnknownSku as missing:
        raise Unmappable(
            Why.UNKNOWN_SKU,
            f"SKU {item.sku or '(none)'} ({cut(item.name, 40)}): no item {missing}.",
        ) from None
    return [_item_line(found, item.quantity, item.unit_price, rules, location_id)]


def _item_line(
    found: Found, quantity: Decimal, price: Decimal, rules: Rules, location_id: str
) -> DraftLine:
    return DraftLine(
        type="Item",
        number=found.item.number,
        variant=found.variant,
        variant_id=found.variant_id,
        unit=found.unit,
        tax_code=_tax_code(rules.store),
        quantity=quantity,
        unit_price=price,
        location_id=location_id,
    )


def _kit_lines(
    item: OrderItem, kit: Kit, rules: Rules, catalog: Catalog, location_id: str
) -> list[DraftLine]:
    """Give the kit's whole price to its first component; the others go at zero."""
    lines: list[DraftLine] = []
    for part in kit.components:
        found = named(part.item, part.variant, catalog)
        price = ZERO if lines else item.unit_price / part.quantity
        line = _item_line(found, item.quantity * part.quantity, price, rules, location_id)
        lines.append(line)
    whole = round_amount(item.quantity * item.unit_price, rules.store.currency)
    first = replace(lines[0], unit_price=round(lines[0].unit_price, _UNIT_PRICE_PLACES))
    if line_amount(first, rules.store.currency) != whole:
        raise Unmappable(
            Why.KIT_PRICE,
            f"SKU {item.sku}: {show(item.unit_price)} does not divide over its first component.",
        )
    return [first, *lines[1:]]


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
    rounded = round_amount(amount, store.currency)
    name = cut(item.name or item.sku or "adjustment", 40)
    target = store.discount if rounded < 0 else store.adjustments
    if target is None or target == "spread":
        field = "discount" if rounded < 0 else "adjustments"
        raise Unmappable(
            Why.UNMAPPED_ADJUSTMENT,
            f"{name} of {show(rounded, store.currency)} has no place: the store has no {field}.",
        )
    return _charge(target, rounded, rules, catalog)


def _order_charges(members: list[Order], rules: Rules, catalog: Catalog) -> list[DraftLine]:
    shipping = sum((order.shipping_amount for order in members), ZERO)
    tax = sum((order.tax_amount for order in members), ZERO)
    lines = []
    if shipping:
        lines.append(_named_charge("shipping", rules.store.shipping, shipping, rules, catalog))
    if tax and not isinstance(rules.store.tax, str):
        lines.append(_named_charge("tax", rules.store.tax, tax, rules, catalog))
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
    tax_code = _tax_code(rules.store)
    match target:
        case AccountTarget(number=number):
            return DraftLine(
                "Account",
                code(number),
                tax_code=tax_code,
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


def _tax_code(store: StoreRule) -> str:
    return "" if store.tax == "business_central" else store.tax_code


def _location(order: Order, store: StoreRule, catalog: Catalog) -> str:
    named_location = store.locations.get(order.warehouse_id or 0, store.location)
    if not named_location:
        return ""
    location_id = catalog.locations.get(code(named_location))
    if location_id is None:
        raise Unmappable(
            Why.UNKNOWN_LOCATION, f"The config names location {named_location}, which is unknown."
        )
    return location_id


def _customer(root: Order, store: StoreRule, catalog: Catalog) -> str:
    match store.customer:
        case FixedCustomer(number=number):
            return code(number)
        case MatchCustomer(by=by, otherwise=otherwise):
            value = customer_key(root, by)
            found = catalog.customers.get((by, value), ()) if value else ()
            if len(found) == 1 and not found[0].blocked:
                return found[0].number
            if isinstance(otherwise, FixedCustomer) and not found:
                return code(otherwise.number)
            count = f"{len(found)} customers" if found else "no customer"
            raise Unmappable(
                Why.UNKNOWN_CUSTOMER, f"{count} in Business Central with {by} {cut(value, 60)}."
            )


def customer_key(order: Order, by: str) -> str:
    """Return what a customer is matched by, folded; empty where the order does not say."""
    match by:
        case "email":
            return order.customer_email.strip().casefold()
        case "username":
            return code(order.customer_username)
        case _:
            return "".join(c for c in order.ship_to.phone if c.isdigit())


def _ship_to(address: Address, catalog: Catalog) -> dict[str, str]:
    """Cut the ship-to to Business Central's lengths (business-central.md §2.6, §2.8)."""
    country = code(address.country)
    known = not catalog.countries or country in catalog.countries
    second = " ".join(part for part in (address.street2, address.street3) if part)
    return {
        "shipToName": cut(address.company or address.name, 100),
        "shipToContact": cut(address.name if address.company else "", 100),
        "shipToAddressLine1": cut(address.street1, 100),
        "shipToAddressLine2": cut(second, 50),
        "shipToCity": cut(address.city, 30),
        "shipToState": cut(address.state, 30),
        "shipToPostCode": code(cut(address.postal_code, 20)),
        "shipToCountry": country if known else "",
    }
