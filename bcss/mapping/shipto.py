"""Cut and translate an address to what Business Central takes (business-central.md §2.6, §2.8)."""

from dataclasses import dataclass, field

from bcss.config.schema import Orders
from bcss.mapping.catalog import Catalog
from bcss.mapping.text import clean, code, cut, units
from bcss.shipstation.records import Address

_MOST_NOTES = 12


@dataclass(slots=True)
class Fitted:
    """Text fields as they will be sent, and a note on each that lost something."""

    fields: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def put(self, name: str, text: str, length: int) -> None:
        """Clean and cut one field."""
        kept = cut(text, length)
        self.fields[name] = kept
        before = units(clean(text))
        if before > length:
            self.notes.append(f"{name} cut from {before} to {units(kept)} characters")

    @property
    def cut(self) -> str:
        """Return the notes as one text, bounded."""
        return "; ".join(self.notes[:_MOST_NOTES])


def fit_ship_to(address: Address, orders: Orders, catalog: Catalog) -> Fitted:
    """Return the ship-to fields of a document."""
    fitted = Fitted()
    second = " ".join(part for part in (address.street2, address.street3) if part)
    fitted.put("shipToName", address.company or address.name, 100)
    fitted.put("shipToContact", address.name if address.company else "", 100)
    fitted.put("shipToAddressLine1", address.street1, 100)
    fitted.put("shipToAddressLine2", second, 50)
    fitted.put("shipToCity", address.city, 30)
    fitted.put("shipToState", state_of(address, orders), 30)
    fitted.put("shipToPostCode", code(address.postal_code), 20)
    fitted.put("shipToCountry", country_of(address, orders), 10)
    country = fitted.fields["shipToCountry"]
    if country and catalog.countries and country not in catalog.countries:
        fitted.fields["shipToCountry"] = ""
        fitted.notes.append(f"shipToCountry left out: Business Central has no country {country}")
    return fitted


def country_of(address: Address, orders: Orders) -> str:
    """Return the country's code as Business Central has it."""
    given = code(clean(address.country))
    return code(orders.countries.get(given, given))


def state_of(address: Address, orders: Orders) -> str:
    """Return the state as Business Central has it."""
    given = clean(address.state)
    return orders.states.get(given.upper(), given)
