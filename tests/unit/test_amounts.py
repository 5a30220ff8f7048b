"""Money: nothing is lost or made when a discount is spread, and nothing is ever a float."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcss import wire
from bcss.mapping.amounts import spread
from bcss.money import parse_amount, round_amount, show

cents = st.decimals(min_value=0, max_value=100_000, places=2, allow_nan=False)


@given(cents, st.lists(cents, min_size=1, max_size=30))
def test_spreading_a_discount_never_loses_or_makes_a_cent(
    discount: Decimal, amounts: list[Decimal]
) -> None:
    parts = spread(discount, amounts, "USD")

    if discount > sum(amounts):
        assert parts is None
        return
    assert parts is not None
    assert sum(parts) == discount
    assert all(0 <= part <= amount for part, amount in zip(parts, amounts, strict=True))
    assert all(part == round_amount(part, "USD") for part in parts)


@given(st.integers(0, 10**6), st.lists(st.integers(0, 10**5), min_size=1, max_size=9))
def test_a_currency_without_minor_units_is_spread_in_whole_units(
    discount: int, amounts: list[int]
) -> None:
    parts = spread(Decimal(discount), [Decimal(one) for one in amounts], "JPY")

    assert parts is None or all(part == part.to_integral_value() for part in parts)


@pytest.mark.parametrize("value", [1.5, True, None, "ten", "NaN", "Infinity", [], "1e30"])
def test_what_is_no_amount_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        parse_amount(value)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("10", "USD", "10.00 USD"),
        ("1234.5", "USD", "1234.50 USD"),
        ("7", "JPY", "7 JPY"),
        ("0.125", "USD", "0.125 USD"),
        ("1E+3", "USD", "1000.00 USD"),
    ],
)
def test_amounts_are_shown_with_their_currency(amount: str, currency: str, text: str) -> None:
    assert show(Decimal(amount), currency) == text


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=5, allow_nan=False))
def test_an_amount_survives_the_wire_to_the_last_digit(amount: Decimal) -> None:
    assert wire.parse(wire.dumps({"n": amount}))["n"] == amount


def test_a_number_that_a_double_cannot_hold_is_not_sent() -> None:
    with pytest.raises(ValueError, match="survive"):
        wire.dumps({"n": Decimal("12345678901234567.89")})
