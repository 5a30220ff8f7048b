"""Say what ShipStation's products should be, out of Business Central's items (design §6).

Pure: cached items in, differences out. bcss owns name, price, weight, tariff number, origin, UPC
and the active flag of a product; everything else in it is ShipStation's or a person's.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from bcss.config.schema import Items
from bcss.mapping.text import clean, code
from bcss.money import CONTEXT, parse_amount
from bcss.shipstation.records import Product

Json = Mapping[str, Any]

# Exact by definition: the international avoirdupois pound is 453.59237 g, of 16 ounces.
_GRAMS_PER_OUNCE = Decimal("28.349523125")
_GRAMS = {"kg": Decimal(1000), "g": Decimal(1)}
_OUNCES = {"lb": Decimal(16), "oz": Decimal(1)}
_HUNDREDTH = Decimal("0.01")
_LARGEST_PRICE = Decimal("9999999.99")  # shipstation.md §18.4
_COUNTRY_LETTERS = 2
OWNED = ("name", "price", "weightOz", "customsTariffNo", "customsCountryCode", "upc", "active")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What Business Central says of one SKU; `fields` are members of ShipStation's product.

    A member that Business Central leaves blank is absent and will not be touched. `expected`
    tells whether ShipStation should have the product at all.
    """

    sku: str
    fields: Mapping[str, str | Decimal | bool]
    expected: bool = True


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the wanted SKUs stand in ShipStation; `doubtful` says of each SKU why it is held."""

    matched: Sequence[tuple[Wanted, Product]]
    missing: Sequence[Wanted]
    doubtful: Mapping[str, str] = field(default_factory=dict)


def wanted(
    items: Iterable[Json], variants: Iterable[tuple[str, str, str]], how: Items
) -> list[Wanted]:
    """Return what is wanted of every SKU that items and variants make, in order of SKU.

    Services are no products. An item that has variants under SKUs of their own is updated where
    ShipStation has it, and not missed where it has not.
    """
    of_item: dict[str, list[tuple[str, str]]] = defaultdict(list)
    if how.sku == "number+variant":
        for number, variant, description in variants:
            of_item[code(number)].append((variant, description))
    found: list[Wanted] = []
    for item in items:
        if item["type"] != "Service":
            found += _of_item(item, of_item.get(code(item["number"]), []), how)
    return sorted(found, key=lambda one: one.sku)


def _of_item(item: Json, variants: Sequence[tuple[str, str]], how: Items) -> list[Wanted]:
    sku = (item["gtin"] if how.sku == "gtin" else item["number"]).strip()
    if not sku:
        return []
    fields = _fields(item, how)
    on_sale = not item["blocked"]
    found = [Wanted(sku, fields, on_sale and not variants)]
    for variant, description in variants:
        name = _line(description) or fields.get("name", "")
        # A GTIN on the card belongs to the item, not to one of its variants.
        own = {key: value for key, value in fields.items() if key not in ("upc", "name")}
        own |= {"name": name} if name else {}
        found.append(Wanted(f"{sku}{how.variant_separator}{variant}", own, on_sale))
    return found


def _fields(item: Json, how: Items) -> dict[str, str | Decimal | bool]:
    """Return the members that Business Central has a value for.

    A price of 0 on the card is how BC says that prices are kept elsewhere, and is left alone.
    """
    fields: dict[str, str | Decimal | bool] = {"active": not item["blocked"]}
    price = _hundredths(Decimal(item["price"]))
    country = code(item["country_of_origin"])
    texts = {
        "name": _line(item["name"]),
        "customsTariffNo": _line(item["tariff_number"]),
        "customsCountryCode": country if _is_iso(country) else "",
        "upc": item["gtin"].strip(),
    }
    fields |= {name: text for name, text in texts.items() if text}
    if 0 < price <= _LARGEST_PRICE:
        fields["price"] = price
    ounces = weight_in_ounces(item["weight"], how.weight_unit)
    return fields | ({"weightOz": ounces} if ounces else {})


def _line(text: str) -> str:
    """Fold blanks and line ends; the rest stays as Business Central has it."""
    return " ".join(text.split())


def _is_iso(country: str) -> bool:
    """Tell whether a country code can be an ISO one; a company may use codes of its own."""
    return len(country) == _COUNTRY_LETTERS and country.isascii() and country.isalpha()


def _hundredths(value: Decimal) -> Decimal:
    return value.quantize(_HUNDREDTH, rounding=ROUND_HALF_UP, context=CONTEXT)


def weight_in_ounces(weight: str | Decimal | None, unit: str) -> Decimal | None:
    """Convert a weight of Business Central to ounces with two decimals; None stays None."""
    if weight is None:
        return None
    amount = Decimal(weight)
    if unit in _OUNCES:
        return _hundredths(amount * _OUNCES[unit])
    return _hundredths(CONTEXT.divide(amount * _GRAMS[unit], _GRAMS_PER_OUNCE))


def fold(sku: str) -> str:
    """Fold what a careless eye overlooks in a SKU: case and blanks."""
    return "".join(sku.split()).casefold()


def compare(wanted_skus: Sequence[Wanted], products: Iterable[Product]) -> Comparison:
    """Find the product of every wanted SKU: exactly one with exactly this SKU, else none."""
    asked = Counter(fold(one.sku) for one in wanted_skus)
    held: dict[str, list[Product]] = defaultdict(list)
    for product in products:
        if (folded := fold(product.sku)) in asked:
            held[folded].append(replace(product, raw=_owned(product.raw)))
    matched: list[tuple[Wanted, Product]] = []
    missing: list[Wanted] = []
    doubtful: dict[str, str] = {}
    for one in wanted_skus:
        alike = held.get(fold(one.sku), [])
        if asked[fold(one.sku)] > 1:
            doubtful[one.sku] = f"SKU {one.sku} stands for two items in Business Central."
        elif len(alike) == 1 and alike[0].sku == one.sku:
            matched.append((one, alike[0]))
        elif alike:
            doubtful[one.sku] = _alike(one.sku, sorted(alike, key=lambda one: one.product_id))
        elif one.expected:
            missing.append(one)
    return Comparison(matched, missing, doubtful)


def _alike(sku: str, products: Sequence[Product]) -> str:
    shown = ", ".join(f'"{one.sku[:50]}" (product {one.product_id})' for one in products[:5])
    if len(products) == 1:
        return f"SKU {sku} is written otherwise in ShipStation: {shown}."
    return f"SKU {sku} stands {len(products)} times in ShipStation: {shown}."


def changes(raw: Json, one: Wanted) -> dict[str, str | Decimal | bool]:
    """Return the members of a product that differ from what is wanted."""
    return {name: value for name, value in one.fields.items() if not _same(raw.get(name), value)}


def _same(held: object, value: str | Decimal | bool) -> bool:
    match value:
        case bool():
            return held is value or (held is None and value)
        case Decimal():
            return _number(held) == value
        case str():
            return held == value


def _number(held: object) -> Decimal | None:
    """Read an amount of ShipStation's, to the hundredth as it is compared."""
    try:
        return _hundredths(parse_amount(held))
    except ValueError:
        return None


def _owned(raw: Json) -> dict[str, Any]:
    """Keep only what is compared; whoever writes reads the whole product afresh."""
    return {name: raw[name] for name in OWNED if name in raw}


def show_changes(raw: Json, changed: Json) -> str:
    """Say what a change does, member by member."""
    return ", ".join(
        f"{name} {_shown(raw.get(name))} -> {_shown(value)}" for name, value in changed.items()
    )


def _shown(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case Decimal() | int():
            return str(value)
        case _:
            return f'"{clean(str(value))[:100]}"'
