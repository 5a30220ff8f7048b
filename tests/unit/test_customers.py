"""Which addresses are the same, and what of a ship-to may change."""

from dataclasses import replace
from typing import Any

import pytest

from bcss.mapping.customers import Place, goes_to, is_marketplace, moved, needs_move
from bcss.shipstation.records import read_address

BEFORE = Place(
    "Example Retail", "4 Sample Street", "Suite 5", "Springfield", "IL", "62701", "US", "555-0100"
)
AFTER = replace(BEFORE, street1="9 New Road", street2="", postal_code="62702")


def ship_to(**changes: Any) -> dict[str, Any]:
    return {
        "name": "A. Clerk",
        "company": "Example Retail",
        "street1": "4 Sample Street",
        "street2": "Suite 5",
        "street3": None,
        "city": "Springfield",
        "state": "IL",
        "postalCode": "62701",
        "country": "US",
        "phone": "555 0100",
        "residential": False,
        "addressVerified": "Address validated successfully",
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"street1": "4  SAMPLE STREET.", "city": "SPRINGFIELD"}, True),
        ({"street1": "Suite 5", "street2": "4 Sample Street"}, True),
        ({"postalCode": "62701-0001"}, True),
        ({"postalCode": "627010001"}, True),
        ({"country": None}, True),
        ({"postalCode": "62702"}, False),
        ({"postalCode": "6270"}, False),
        ({"street2": None}, False),
        ({"street3": "Dock B"}, False),
        ({"street1": "5 Sample Street"}, False),
        ({"city": "Chicago"}, False),
        ({"state": "MO"}, False),
        ({"country": "CA"}, False),
    ],
)
def test_what_counts_as_the_same_address(changes: dict[str, Any], same: bool) -> None:
    assert goes_to(read_address(ship_to(**changes)), BEFORE) is same


def test_two_extended_codes_must_agree() -> None:
    address = read_address(ship_to(postalCode="62701-0001"))
    assert not goes_to(address, replace(BEFORE, postal_code="62701-0002"))


def test_a_move_takes_the_postal_fields_and_leaves_the_person() -> None:
    raw = ship_to(extra="kept")
    new = moved(raw, read_address(raw), BEFORE, AFTER)
    assert new == {
        **raw,
        "street1": "9 New Road",
        "street2": None,
        "postalCode": "62702",
        "residential": None,
        "addressVerified": None,
    }


def test_name_and_telephone_follow_where_they_were_bcs() -> None:
    after = replace(BEFORE, name="Example Group", phone="555-0111")
    raw = ship_to()
    new = moved(raw, read_address(raw), BEFORE, after)
    assert new == {**raw, "company": "Example Group", "phone": "555-0111"}
    other = ship_to(phone="555-0999", company="Other")
    assert not needs_move(other, read_address(other), BEFORE, after)


def test_what_arrived_already_is_not_moved() -> None:
    raw = ship_to(street1="9 NEW ROAD", street2="", postalCode="62702-0001")
    assert not needs_move(raw, read_address(raw), BEFORE, AFTER)


@pytest.mark.parametrize(
    ("raw", "marketplace"),
    [
        ({}, False),
        ({"advancedOptions": None}, False),
        ({"advancedOptions": {"source": "web shop"}}, False),
        ({"advancedOptions": {"source": "eBay US"}}, True),
        ({"customerEmail": "x@marketplace.amazon.com"}, True),
        ({"customerEmail": "buyer@amazon-lovers.example.test"}, False),
        ({"externallyFulfilled": True}, True),
    ],
)
def test_marketplace_orders_are_told_apart(raw: dict[str, Any], marketplace: bool) -> None:
    assert is_marketplace(raw) is marketplace
