"""Write the CSV files that people import into ShipStation, as text (shipstation.md §6.2, §7).

The files hold text that shoppers and clerks have typed, and a person may open them in a
spreadsheet: no cell begins like a formula. A key cannot be altered, so a row whose key begins
like one is left out, and counted.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bcss.mapping.customers import Place
from bcss.mapping.products import Wanted
from bcss.mapping.text import clean

PRODUCT_COLUMNS = (
    "SKU", "Name", "WarehouseLocation", "WeightOz", "Category", "Tag1", "Tag2", "Tag3", "Tag4",
    "Tag5", "CustomsDescription", "CustomsValue", "CustomsTariffNo", "CustomsCountry",
    "ThumbnailUrl", "UPC", "FillSKU", "Length", "Width", "Height", "UseProductName", "Active",
    "ParentSKU", "IsReturnable",
)  # fmt: skip
CUSTOMER_COLUMNS = (
    "Username", "Full Name", "Company", "Address Line 1", "Address Line 2", "City", "State",
    "Postal Code", "Country Code", "Phone", "Email",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "|", "%")
# A spreadsheet that takes semicolons for separators would begin a new cell behind one.
_BEHIND_SEPARATOR = re.compile(r"(;\s*)(?=[=+\-@|%])")
# Countries in which an address without a state is not one.
_WITH_STATES = ("US", "CA", "AU")


@dataclass(frozen=True, slots=True)
class ImportFile:
    """The text of a file, how many rows it has, and how many had to be left out."""

    text: str
    rows: int
    left_out: int


def products_file(missing: Iterable[Wanted]) -> ImportFile:
    """Write the products that ShipStation lacks in its 24 columns, weight in ounces."""
    return _write(PRODUCT_COLUMNS, (_product(one) for one in missing))


def _product(one: Wanted) -> dict[str, str]:
    names = {
        "Name": "name",
        "WeightOz": "weightOz",
        "CustomsTariffNo": "customsTariffNo",
        "CustomsCountry": "customsCountryCode",
        "UPC": "upc",
    }
    cells = {column: str(one.fields.get(name, "")) for column, name in names.items()}
    return {"SKU": one.sku, "Active": "True" if one.fields.get("active", True) else "False"} | cells


def customers_file(customers: Iterable[tuple[str, str, Place]]) -> ImportFile:
    """Write (number, e-mail, place) of customers; an incomplete address is left out.

    ShipStation requires user name, a name, first line, city, state, postal code and country.
    """
    return _write(CUSTOMER_COLUMNS, (_customer(*one) for one in customers))


def _customer(number: str, email: str, place: Place) -> dict[str, str] | None:
    needed = [place.name, place.street1, place.city, place.postal_code, place.country]
    if place.country in _WITH_STATES:
        needed.append(place.state)
    if not all(needed):
        return None
    return {
        "Username": number,
        "Full Name": place.name,
        "Address Line 1": place.street1,
        "Address Line 2": place.street2,
        "City": place.city,
        "State": place.state,
        "Postal Code": place.postal_code,
        "Country Code": place.country,
        "Phone": place.phone.lstrip("+ "),
        "Email": email.partition(";")[0].strip(),
    }


def _write(columns: Sequence[str], rows: Iterable[Mapping[str, str] | None]) -> ImportFile:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    written = left_out = 0
    for row in rows:
        if row is None or row[columns[0]].startswith(_FORMULA):
            left_out += 1
            continue
        writer.writerow([row[columns[0]], *(safe(row.get(name, "")) for name in columns[1:])])
        written += 1
    return ImportFile(out.getvalue(), written, left_out)


def safe(text: str) -> str:
    """Return text as a cell that no spreadsheet takes for a formula."""
    cleaned = _BEHIND_SEPARATOR.sub(r"\1'", clean(text))
    return f"'{cleaned}" if cleaned.startswith(_FORMULA) else cleaned
