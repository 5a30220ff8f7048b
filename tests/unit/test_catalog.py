"""SKUs find their item by name, alias, date, variant and kit, or say what is near."""

from datetime import date
from decimal import Decimal

import pytest

from bcss.config.schema import Dated, ItemAlias, Items, Kit, KitPart, SkuRule
from bcss.mapping.catalog import (
    Catalog,
    CatalogItem,
    Found,
    UnknownSku,
    candidates,
    find,
    named,
    nearest,
    priced,
    unknown,
)

PLAIN = Items()
CATALOG = Catalog(
    items={n: CatalogItem(n, "PCS", unit_price=Decimal(2)) for n in ("TEE", "MUG", "A/B", "A")},
    variants={("TEE", "RED"): "v-red", ("A", "B"): "v-b"},
)
RULES: dict[str, SkuRule] = {
    "SHIRT": ItemAlias("tee/red"),
    "OLD": ItemAlias("MUG", until=date(2026, 2, 28)),
    "CHANGED": Dated(
        (ItemAlias("MUG", until=date(2026, 2, 28)), ItemAlias("A", since=date(2026, 3, 1)))
    ),
    "MUG": ItemAlias("A", since=date(2026, 3, 1)),
    "SET": Kit((KitPart("MUG"), KitPart("tee/red")), price="spread"),
    "SHARED": Kit((KitPart("A", share=Decimal(1)),), price="spread"),
}


def number_of(sku: str, on: date | None) -> str:
    found = find(sku, RULES, PLAIN, CATALOG, on)
    assert isinstance(found, Found)
    return f"{found.item.number}/{found.variant}" if found.variant else found.item.number


@pytest.mark.parametrize(
    ("sku", "on", "number"),
    [
        ("SHIRT", None, "TEE/RED"),
        ("OLD", date(2026, 2, 28), "MUG"),
        ("CHANGED", date(2026, 2, 28), "MUG"),
        ("CHANGED", date(2026, 3, 1), "A"),
        ("MUG", date(2026, 3, 1), "A"),
        ("MUG", date(2026, 2, 28), "MUG"),
        ("MUG", None, "MUG"),
        (" mug ", None, "MUG"),
    ],
)
def test_a_sku_means_what_its_date_says(sku: str, on: date | None, number: str) -> None:
    assert number_of(sku, on) == number


@pytest.mark.parametrize(("sku", "on"), [("OLD", date(2026, 3, 1)), ("CHANGED", None), ("", None)])
def test_a_sku_without_meaning_on_its_date_is_unknown(sku: str, on: date | None) -> None:
    with pytest.raises(UnknownSku):
        find(sku, RULES, PLAIN, CATALOG, on)


def test_an_item_number_with_a_slash_is_itself_before_it_is_a_variant() -> None:
    assert named("A/B", "", CATALOG).item.number == "A/B"
    without = Catalog(items={"A": CATALOG.items["A"]}, variants=CATALOG.variants)
    assert (named("A/B", "", without).item.number, named("A/B", "", without).variant) == ("A", "B")


@pytest.mark.parametrize(
    ("sku", "numbers"),
    [
        ("SHIRT", ("TEE", "TEE/RED")),
        ("CHANGED", ("MUG", "A", "CHANGED")),
        ("SET", ("MUG", "TEE", "TEE/RED")),
        ("NEW", ("NEW",)),
    ],
)
def test_every_number_that_a_sku_may_mean_is_looked_up(sku: str, numbers: tuple[str, ...]) -> None:
    assert candidates(sku, RULES, PLAIN) == numbers


def test_only_kits_that_are_spread_by_price_need_prices() -> None:
    assert priced(RULES) == {"MUG", "TEE/RED", "TEE"}


def test_an_unknown_sku_is_told_with_what_is_near() -> None:
    assert unknown(["TEE", "SHIRT", "SHIRTS"], RULES, PLAIN, CATALOG) == ["SHIRTS"]
    assert nearest("shirts", ["SHIRT", "TEE", "Shirt-2"]) == ("SHIRT", "Shirt-2")
    assert nearest("ITEM", [f"ITEM-{n}" for n in range(50)])[3:] == ()
    assert nearest("XYZ", ["SHIRT"]) == ()
