"""Decide whether an order still goes where Business Central said, and where it goes now (§6).

Pure. ShipStation rewrites addresses: capitals, ZIP+4, a country filled in, lines swapped
(shipstation.md §2.4), so what differs only in that counts as the same.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from bcss.mapping.text import clean, code, cut
from bcss.money import ZERO
from bcss.shipstation.records import Address, Order

Json = Mapping[str, Any]

# Not pending_fulfillment, shipped or cancelled (shipstation.md §2.3).
UPDATABLE = ("awaiting_payment", "awaiting_shipment", "on_hold")
_ZIP, _ZIP4 = 5, 9
_COUNTRY_LETTERS = 2
_LONGEST_NAME = 100
_MARKETPLACES = (
    "amazon", "ebay", "etsy", "walmart", "wayfair", "newegg", "rakuten", "target plus", "overstock",
    "zalando", "otto market", "allegro", "cdiscount", "mercado", "tiktok", "faire", "groupon",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """A customer's address as Business Central has it, cleaned; empty text where it has none."""

    name: str = ""
    street1: str = ""
    street2: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""
    phone: str = ""


def place_of(customer: Json, home: str = "") -> Place:
    """Read a cached customer; a blank country is `home`, the company's own."""
    values = {one.name: clean(str(customer.get(one.name) or "")) for one in fields(Place)}
    values["country"] = code(values["country"]) or home
    return Place(**values)


def place_json(place: Place) -> dict[str, Any]:
    """Write a place as it is noted."""
    return asdict(place)


def is_complete(place: Place) -> bool:
    """Tell whether ShipStation could take the place as a ship-to."""
    country = place.country
    iso = len(country) == _COUNTRY_LETTERS and country.isascii() and country.isalpha()
    return iso and all((place.name, place.street1, place.city, place.postal_code))


def goes_to(address: Address, place: Place) -> bool:
    """Tell whether an order's ship-to is this place, whoever receives it there."""
    return (
        _lines(address.street1, address.street2, address.street3)
        == _lines(place.street1, place.street2)
        and _folded(address.city) == _folded(place.city)
        and (not place.state or _folded(address.state) == _folded(place.state))
        and _same_code(address.postal_code, place.postal_code)
        and (not address.country or code(address.country) == place.country)
    )


def _lines(*lines: str) -> list[str]:
    return sorted(folded for line in lines if (folded := _folded(line)))


def _folded(text: str) -> str:
    """Fold case, blanks and punctuation."""
    kept = "".join(c if c.isalnum() else " " for c in clean(text))
    return " ".join(kept.casefold().split())


def _same_code(one: str, other: str) -> bool:
    first, second = ("".join(_folded(text).split()) for text in (one, other))
    if first == second:
        return True
    short, long = sorted((first, second), key=len)
    is_zip = (len(short), len(long)) == (_ZIP, _ZIP4) and long.isdigit()
    return is_zip and long.startswith(short)


def moved(ship_to: Json, address: Address, before: Place, after: Place) -> dict[str, Any]:
    """Return the ship-to with what Business Central changed; the rest stays as it is.

    The name of a person at the customer, and a telephone that was never BC's, are kept.
    """
    new = dict(ship_to)
    if not goes_to(address, after):
        new |= {
            "street1": after.street1,
            "street2": after.street2 or None,
            "street3": None,
            "city": after.city,
            "state": after.state or None,
            "postalCode": after.postal_code,
            "country": after.country,
            "residential": None,
            "addressVerified": None,
        }
    if before.name != after.name:
        for name, held in (("name", address.name), ("company", address.company)):
            if held and _folded(held) == _folded(before.name):
                new[name] = cut(after.name, _LONGEST_NAME)
    if before.phone != after.phone and _digits(address.phone) == _digits(before.phone):
        new["phone"] = after.phone or None
    return new


def _digits(text: str) -> str:
    return "".join(c for c in text if c.isdigit())


def needs_move(ship_to: Json, address: Address, before: Place, after: Place) -> bool:
    """Tell whether an order that goes where BC said before must be sent with what it says now."""
    if not goes_to(address, before):
        return False
    return moved(ship_to, address, before, after) != dict(ship_to)


def is_marketplace(raw: Json) -> bool:
    """Tell whether a marketplace answers for the order's address, as far as the order shows."""
    if raw.get("externallyFulfilled"):
        return True
    advanced = raw.get("advancedOptions")
    source = advanced.get("source") if isinstance(advanced, Mapping) else None
    texts = (str(source or "").casefold(), _domain(raw.get("customerEmail")))
    return any(name in text for name in _MARKETPLACES for text in texts)


def _domain(email: object) -> str:
    domain = str(email or "").rpartition("@")[2].casefold()
    return domain if domain.startswith(("marketplace.", "members.", "relay.")) else ""


def keeps_its_total(order: Order) -> bool:
    """Tell whether ShipStation, adding the order up again, comes to the total it has now.

    Totals of split orders and of some imported ones are not the sum of their parts
    (shipstation.md §2.9); sending such an order back might change what is to be booked.
    """
    lines = sum((item.quantity * item.unit_price for item in order.items), ZERO)
    return lines + order.tax_amount + order.shipping_amount == order.order_total
