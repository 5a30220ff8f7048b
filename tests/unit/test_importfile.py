"""The import files hold what people typed, and no cell of theirs is a formula."""

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcss.mapping.customers import Place
from bcss.mapping.importfile import PRODUCT_COLUMNS, customers_file, products_file, safe
from bcss.mapping.products import Wanted

PLACE = Place("Example Retail", "4 Sample Street", "", "Springfield", "IL", "62701", "US", "555")


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_product_stands_in_24_columns() -> None:
    fields: dict[str, str | Decimal | bool] = {
        "name": 'Box, "large"',
        "weightOz": Decimal("28.20"),
        "customsTariffNo": "4819.20",
        "customsCountryCode": "US",
        "upc": "0001",
        "price": Decimal(1),
        "active": True,
    }
    file = products_file([Wanted("ITEM-24", fields)])
    (row,) = rows(file.text)
    assert tuple(row) == PRODUCT_COLUMNS
    assert len(PRODUCT_COLUMNS) == 24
    assert {name: value for name, value in row.items() if value} == {
        "SKU": "ITEM-24",
        "Name": 'Box, "large"',
        "WeightOz": "28.20",
        "CustomsTariffNo": "4819.20",
        "CustomsCountry": "US",
        "UPC": "0001",
        "Active": "True",
    }


def test_without_rows_there_is_only_the_head() -> None:
    assert products_file([]).text == ",".join(PRODUCT_COLUMNS) + "\r\n"


def test_a_key_like_a_formula_is_left_out_and_counted() -> None:
    file = products_file([Wanted("=1+1", {}), Wanted("OK", {"name": "=1+1"})])
    assert (file.rows, file.left_out) == (1, 1)
    assert [(row["SKU"], row["Name"]) for row in rows(file.text)] == [("OK", "'=1+1")]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("plain", "plain"),
        ("a-b; c", "a-b; c"),
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("\t=1", "'=1"),
        (" @x", "'@x"),
        ("&#61;1", "'=1"),
        ("\u200b=1", "'=1"),
        ("x;=1", "x;'=1"),
        ("two\r\nlines", "two lines"),
    ],
)
def test_cells(text: str, cell: str) -> None:
    assert safe(text) == cell


@given(st.text(max_size=30))
def test_no_cell_is_a_formula(text: str) -> None:
    cell = safe(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert "\n" not in cell


def test_a_customer_with_a_plus_and_two_emails() -> None:
    place = Place(**{**{n: getattr(PLACE, n) for n in PLACE.__slots__}, "phone": "+1 555"})
    file = customers_file([("10000", "a@example.test;b@example.test", place)])
    (row,) = rows(file.text)
    assert (row["Username"], row["Full Name"], row["Phone"], row["Email"]) == (
        "10000",
        "Example Retail",
        "1 555",
        "a@example.test",
    )


@pytest.mark.parametrize("gap", ["name", "street1", "city", "state", "postal_code", "country"])
def test_an_incomplete_address_is_left_out(gap: str) -> None:
    place = Place(**{**{n: getattr(PLACE, n) for n in PLACE.__slots__}, gap: ""})
    assert customers_file([("10000", "", place)]).left_out == 1


def test_a_german_address_needs_no_state() -> None:
    place = Place("Beispiel", "Weg 1", "", "Berlin", "", "10115", "DE", "")
    assert customers_file([("10000", "", place)]).rows == 1
