"""A kit's price is divided to the cent, whatever the kit and the price."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcss.config.schema import Kit, KitPart
from bcss.mapping import kits
from bcss.mapping.catalog import CatalogItem, Found
from bcss.money import round_amount

prices = st.decimals(min_value=0, max_value=1000, places=2, allow_nan=False)
wholes = st.decimals(min_value=-10_000, max_value=10_000, places=2, allow_nan=False)


def found(price: Decimal) -> Found:
    return Found(CatalogItem("X", "PCS", unit_price=price), "", "", "PCS")


@given(wholes, st.lists(st.tuples(prices, st.integers(1, 20)), min_size=1, max_size=12))
def test_spreading_a_kit_never_loses_or_makes_a_cent(
    whole: Decimal, parts: list[tuple[Decimal, int]]
) -> None:
    components = tuple(KitPart("X", quantity=Decimal(pieces)) for _, pieces in parts)
    kit = Kit(components, price="spread")
    pairs = [(part, found(price)) for part, (price, _) in zip(components, parts, strict=True)]

    amounts = kits.amounts(whole, kit, pairs, "USD")

    if whole and not any(price for price, _ in parts):
        assert amounts is None
        return
    assert amounts is not None
    assert sum(amounts) == whole
    assert all(one == round_amount(one, "USD") for one in amounts)
    assert all(one * whole >= 0 for one in amounts), "no part goes the other way"
    free = [one for one, (price, _) in zip(amounts, parts, strict=True) if not price]
    assert not any(free), "what costs nothing by itself takes nothing"


@given(wholes, st.lists(st.integers(1, 100), min_size=1, max_size=9))
def test_shares_divide_a_currency_without_cents_in_whole_units(
    whole: Decimal, shares: list[int]
) -> None:
    whole = round_amount(whole, "JPY")
    components = tuple(KitPart("X", share=Decimal(share)) for share in shares)
    pairs = [(part, found(Decimal(0))) for part in components]

    amounts = kits.amounts(whole, Kit(components, price="spread"), pairs, "JPY")

    assert amounts is not None
    assert sum(amounts) == whole
    assert all(one == one.to_integral_value() for one in amounts)


@given(wholes, st.integers(1, 999))
def test_up_to_999_pieces_any_amount_has_a_unit_price(amount: Decimal, quantity: int) -> None:
    price = kits.price_for(amount, Decimal(quantity), "USD")

    assert price is not None
    assert round_amount(price * quantity, "USD") == amount
    assert price == round(price, 5)


@pytest.mark.parametrize(
    ("price", "quantity", "kept"),
    [
        ("0.3333333", "3", "0.33333"),
        ("24", "2", "24"),
        ("0.125", "1", "0.125"),
        ("0.0000001", "100000", None),
    ],
)
def test_a_price_keeps_five_decimals_or_is_refused(
    price: str, quantity: str, kept: str | None
) -> None:
    found = kits.short_price(Decimal(price), Decimal(quantity), "USD")

    assert found == (None if kept is None else Decimal(kept))
