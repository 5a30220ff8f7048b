"""What Business Central's master data says about the SKUs of some orders."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from difflib import get_close_matches

from bcss.config.schema import Dated, ItemAlias, Items, Kit, SkuRule
from bcss.mapping.text import code
from bcss.money import ZERO

_NEAREST = 3
_ALIKE = 0.6
_SLASH = "/"


@dataclass(frozen=True, slots=True)
class CatalogItem:
    """An item as the cache holds it; its price is in the local currency."""

    number: str
    base_unit: str
    blocked: bool = False
    unit_price: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class CatalogCustomer:
    """A customer as the cache holds it."""

    number: str
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Catalog:
    """The cached master data that a mapping may ask; keys are folded as BC folds codes.

    `countries` is empty where they were never read; then no code is doubted. `near` names the
    known SKUs most like an unknown one. `payment_terms` are ids by code.
    """

    items: Mapping[str, CatalogItem] = field(default_factory=dict)
    by_gtin: Mapping[str, CatalogItem] = field(default_factory=dict)
    variants: Mapping[tuple[str, str], str] = field(default_factory=dict)
    customers: Mapping[tuple[str, str], tuple[CatalogCustomer, ...]] = field(default_factory=dict)
    locations: Mapping[str, str] = field(default_factory=dict)
    countries: frozenset[str] = frozenset()
    near: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    payment_terms: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Found:
    """The item, variant and unit of measure that a SKU stands for."""

    item: CatalogItem
    variant: str
    variant_id: str
    unit: str


class UnknownSku(LookupError):
    """No item answers to this SKU; the argument says which name was looked for."""


def candidates(sku: str, rules: Mapping[str, SkuRule], how: Items) -> tuple[str, ...]:
    """Return the item numbers that a SKU may stand for, so that they can be looked up."""
    entries = _entries(sku, rules)
    named_by_rule = [number for one in entries for number in _numbers_of(one)]
    always = any(one.since is None and one.until is None for one in entries)
    plain = [] if always else [number for number, _ in _splits(sku, how)]
    return tuple(dict.fromkeys([*named_by_rule, *plain]))


def _entries(sku: str, rules: Mapping[str, SkuRule]) -> tuple[ItemAlias | Kit, ...]:
    match rules.get(sku) or rules.get(code(sku)):
        case None:
            return ()
        case Dated(rules=entries):
            return entries
        case one:
            return (one,)


def _numbers_of(rule: ItemAlias | Kit) -> list[str]:
    names = [rule.item] if isinstance(rule, ItemAlias) else [one.item for one in rule.components]
    found = []
    for name in map(code, names):
        found += [name.rpartition(_SLASH)[0], name] if _SLASH in name else [name]
    return found


def _holds(rule: ItemAlias | Kit, on: date | None) -> bool:
    """Tell whether a rule holds for an order's date; one with dates needs to know it."""
    if on is None:
        return rule.since is None and rule.until is None
    return (rule.since is None or rule.since <= on) and (rule.until is None or on <= rule.until)


def _splits(sku: str, how: Items) -> list[tuple[str, str]]:
    """Return (number, variant) readings of a SKU, the whole SKU first."""
    folded = code(sku)
    found = [(folded, "")]
    if how.sku == "number+variant":
        parts = folded.split(how.variant_separator)
        found += [
            (how.variant_separator.join(parts[:n]), how.variant_separator.join(parts[n:]))
            for n in range(len(parts) - 1, 0, -1)
        ]
    return found


def find(
    sku: str, rules: Mapping[str, SkuRule], how: Items, catalog: Catalog, on: date | None = None
) -> Found | Kit:
    """Resolve a SKU of an order of some date to an item, or to a kit; raise UnknownSku else."""
    match next((one for one in _entries(sku, rules) if _holds(one, on)), None):
        case ItemAlias(item=item, variant=variant, unit=unit):
            return named(item, variant, catalog, unit)
        case Kit() as kit:
            return kit
        case _:
            pass
    if how.sku == "gtin":
        by_gtin = catalog.by_gtin.get(code(sku))
        if by_gtin is None:
            raise UnknownSku(sku)
        return Found(by_gtin, "", "", by_gtin.base_unit)
    for number, variant in _splits(sku, how):
        if number in catalog.items and (not variant or (number, variant) in catalog.variants):
            return named(number, variant, catalog)
    raise UnknownSku(sku)


def named(item: str, variant: str, catalog: Catalog, unit: str = "") -> Found:
    """Return the item of a number that the config names; raise UnknownSku when there is none.

    `TEE/RED` is item TEE in variant RED, unless an item has that very number.
    """
    number, variant_code = code(item), code(variant)
    if number not in catalog.items and not variant_code and _SLASH in number:
        number, _, variant_code = number.rpartition(_SLASH)
    if number not in catalog.items:
        raise UnknownSku(number)
    if variant_code and (number, variant_code) not in catalog.variants:
        raise UnknownSku(f"{number} variant {variant_code}")
    found = catalog.items[number]
    variant_id = catalog.variants.get((number, variant_code), "")
    return Found(found, variant_code, variant_id, unit or found.base_unit)


def unknown(
    skus: Iterable[str], rules: Mapping[str, SkuRule], how: Items, catalog: Catalog
) -> list[str]:
    """Return the SKUs that no item and no rule answers to, for suggestions."""
    found = []
    for sku in sorted(set(skus)):
        try:
            find(sku, rules, how, catalog)
        except UnknownSku:
            found.append(sku)
    return found


def nearest(sku: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return at most three of the names that look most like a SKU."""
    folded = {code(name): name for name in reversed(names)}
    close = get_close_matches(code(sku), list(folded), n=_NEAREST, cutoff=_ALIKE)
    return tuple(folded[name] for name in close)


def priced(rules: Mapping[str, SkuRule]) -> frozenset[str]:
    """Return the items whose own prices decide how a kit's price is spread."""
    kits = [
        one
        for sku in rules
        for one in _entries(sku, rules)
        if isinstance(one, Kit) and one.price == "spread"
    ]
    return frozenset(
        number for kit in kits if kit.components[0].share is None for number in _numbers_of(kit)
    )
