"""The number of a created customer never changes; else all would be created again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcss.mapping.buyers import new_number


@pytest.mark.parametrize(
    ("account", "by", "value", "number"),
    [
        ("main", "email", "alex.example@example.test", "SS-TDXPD443EBMSW4K3"),
        ("main", "phone", "15550100", "SS-Q7CYJTISZUGFXGSN"),
        ("eu", "email", "alex.example@example.test", "SS-3LSAUKR3ZDCIUBM3"),
        ("main", "username", "ALEX", "SS-WBC5MPRU5AZ4QUMB"),
    ],
)
def test_the_number_of_a_customer_is_frozen(account: str, by: str, value: str, number: str) -> None:
    assert new_number(account, by, value) == number


@given(st.text(min_size=1), st.text(min_size=1), st.sampled_from(["email", "username", "phone"]))
def test_a_number_fits_and_is_a_code(account: str, value: str, by: str) -> None:
    number = new_number(account, by, value)

    assert len(number) <= 20
    assert number == number.strip().upper()
    assert number.isascii()
