"""What Business Central's master data says about the SKUs of some orders."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bcss.config.schema import ItemAlias, Items, Kit, SkuRule
from bcss.mapping.text import code


@dataclass(frozen=True, slots=True)
class CatalogItem:
    """An item as the cache holds it."""

    number: str
    base_unit: str
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class CatalogCustomer:
    """A customer as the cache holds it."""

    number: str
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Catalog:
    """The cached master data that a mapping may ask; keys are folded as BC folds codes.

    `countries` is empty where they were never read; then no code is doubted.
    """

    items: Mapping[str, CatalogItem] = field(default_factory=dict)
    by_gtin: Mapping[str, CatalogItem] = field(default_factory=dict)
    variants: Mapping[tuple[str, str], str] = field(default_factory=dict)
    customers: Mapping[tuple[str, str], tuple[CatalogCustomer, ...]] = field(default_factory=dict)
    locations: Mapping[str, str] = field(default_factory=dict)
    countries: frozenset[str] = frozenset()


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
    match rules.get(sku) or rules.get(code(sku)):
        case ItemAlias(item=item):
            return (code(item),)
        case Kit(components=components):
            return tuple(code(part.item) for part in components)
        case _:
            return tuple(number for number, _ in _splits(sku, how))


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


def find(sku: str, rules: Mapping[str, SkuRule], how: Items, catalog: Catalog) -> Found | Kit:
    """Resolve a SKU to an item, or to a kit; raise UnknownSku else."""
    match rules.get(sku) or rules.get(code(sku)):
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
    """Return the item of a number that the config names; raise UnknownSku when there is none."""
    number, variant_code = code(item), code(variant)
    if number not in catalog.items:
        raise UnknownSku(number)
    if variant_code and (number, variant_code) not in catalog.variants:
        raise UnknownSku(f"{number} variant {variant_code}")
    found = catalog.items[number]
    variant_id = catalog.variants.get((number, variant_code), "")
    return Found(found, variant_code, variant_id, unit or found.base_unit)
