"""What Business Central's items make of ShipStation's products, without any I/O."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcss.config.schema import Items
from bcss.mapping.products import (
    Wanted,
    changes,
    compare,
    fold,
    show_changes,
    wanted,
    weight_in_ounces,
)
from bcss.shipstation.records import Product, read_product


def item(number: str = "ITEM-24", **changes: Any) -> dict[str, Any]:
    return {
        "number": number,
        "name": "Gift box",
        "type": "Inventory",
        "blocked": False,
        "gtin": "",
        "price": "24",
        "weight": None,
        "tariff_number": "",
        "country_of_origin": "",
        **changes,
    }


def product(sku: str, product_id: int = 1, **members: Any) -> Product:
    return read_product({"productId": product_id, "sku": sku, **members})


@pytest.mark.parametrize(
    ("weight", "unit", "ounces"),
    [
        ("0.8", "kg", "28.22"),
        ("800", "g", "28.22"),
        ("28.349523125", "g", "1.00"),
        ("1.5", "lb", "24.00"),
        ("7", "oz", "7.00"),
        ("0.00001", "g", "0.00"),
    ],
)
def test_weights_become_ounces(weight: str, unit: str, ounces: str) -> None:
    assert weight_in_ounces(weight, unit) == Decimal(ounces)


def test_no_weight_stays_none() -> None:
    assert weight_in_ounces(None, "kg") is None


def test_what_bc_leaves_blank_is_not_wanted() -> None:
    (one,) = wanted([item(price="0", name=" ")], (), Items())
    assert one == Wanted("ITEM-24", {"active": True})


@pytest.mark.parametrize(("country", "sent"), [("us", "US"), ("USA", None), ("1A", None)])
def test_only_iso_country_codes_are_sent(country: str, sent: str | None) -> None:
    (one,) = wanted([item(country_of_origin=country)], (), Items())
    assert one.fields.get("customsCountryCode") == sent


def test_services_and_items_without_gtin_are_no_products() -> None:
    items = [item("FREIGHT", type="Service"), item("A", gtin="0001"), item("B")]
    assert [one.sku for one in wanted(items, (), Items(sku="gtin"))] == ["0001"]
    assert [one.sku for one in wanted(items, (), Items())] == ["A", "B"]


def test_variants_take_the_items_values_but_not_its_barcode() -> None:
    how = Items(sku="number+variant", variant_separator=".")
    found = {
        one.sku: one
        for one in wanted(
            [item("TEE", gtin="0001"), item("CUP")],
            [("tee", "RED", "Red tee"), ("TEE", "BLUE", "")],
            how,
        )
    }
    assert set(found) == {"TEE", "TEE.RED", "TEE.BLUE", "CUP"}
    assert found["TEE.RED"].fields == {
        "active": True,
        "price": Decimal("24.00"),
        "name": "Red tee",
    }
    assert found["TEE.BLUE"].fields["name"] == "Gift box"
    assert {sku: one.expected for sku, one in found.items()} == {
        "TEE": False,
        "TEE.RED": True,
        "TEE.BLUE": True,
        "CUP": True,
    }


def test_each_sku_stands_once_or_is_doubtful_or_missing() -> None:
    asked = [Wanted(sku, {}) for sku in ("A", "B", "C", "D", "E 1", "F", "f")]
    asked.append(Wanted("G", {}, expected=False))
    products = [
        product("A", 1),
        product("B", 2),
        product("B", 3, active=False),
        product("c", 4),
        product("E1", 5),
        product("F", 6),
        product("", 7),
        product("Z", 8),
    ]
    found = compare(asked, products)
    assert [(one.sku, held.product_id) for one, held in found.matched] == [("A", 1)]
    assert [one.sku for one in found.missing] == ["D"]
    assert set(found.doubtful) == {"B", "C", "E 1", "F", "f"}
    assert found.doubtful["B"] == (
        'SKU B stands 2 times in ShipStation: "B" (product 2), "B" (product 3).'
    )
    assert "written otherwise" in found.doubtful["C"]
    assert "two items in Business Central" in found.doubtful["F"]


def test_only_what_differs_changes() -> None:
    raw = {"name": "Gift box", "price": Decimal("24.000"), "active": None, "upc": None}
    (one,) = wanted([item(gtin="0001", weight="0.8")], (), Items())
    assert changes(raw, one) == {"weightOz": Decimal("28.22"), "upc": "0001"}


@pytest.mark.parametrize("held", [None, "", "x", True, [], {}, Decimal("NaN")])
def test_a_price_that_is_none_differs(held: object) -> None:
    (one,) = wanted([item()], (), Items())
    assert changes({"name": "Gift box", "active": True, "price": held}, one) == {
        "price": Decimal("24.00")
    }


def test_changes_are_shown_in_words() -> None:
    raw = {"name": "a\nb", "active": True}
    shown = show_changes(raw, {"name": "c", "active": False, "price": Decimal("1.50")})
    assert shown == 'name "a b" -> "c", active yes -> no, price none -> 1.50'


@given(st.lists(st.text(max_size=6), max_size=8), st.lists(st.text(max_size=6), max_size=8))
def test_no_wanted_sku_is_lost_or_guessed(asked: list[str], held: list[str]) -> None:
    found = compare(
        [Wanted(sku, {}) for sku in asked], [product(sku, n + 1) for n, sku in enumerate(held)]
    )
    matched = [one.sku for one, _ in found.matched]
    missing = [one.sku for one in found.missing]
    assert set(matched) | set(missing) | set(found.doubtful) == set(asked)
    for one, hit in found.matched:
        assert hit.sku == one.sku
        assert [fold(sku) for sku in held].count(fold(one.sku)) == 1
