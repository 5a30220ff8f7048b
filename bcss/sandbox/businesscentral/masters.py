"""Answer the master data: items, customers and the small tables (business-central.md §2)."""

from typing import Any

from bcss.sandbox.businesscentral import loading
from bcss.sandbox.businesscentral.answers import Call, check_match, count, created, listing, one
from bcss.sandbox.businesscentral.bodies import parse_object, read_properties
from bcss.sandbox.businesscentral.books import Books
from bcss.sandbox.businesscentral.cards import (
    ACCOUNTS,
    COMPANY_INFORMATION,
    COUNTRIES,
    CURRENCIES,
    CUSTOMERS,
    ITEM_VARIANTS,
    ITEMS,
    LEDGER_SETUP,
    LOCATIONS,
    PAYMENT_TERMS,
    SALESPEOPLE,
    TAX_AREAS,
    TAX_GROUPS,
    UNITS,
)
from bcss.sandbox.businesscentral.entities import Entity
from bcss.sandbox.businesscentral.errors import (
    Refused,
    dialog,
    no_segment,
    not_allowed,
    not_found,
    not_related,
)
from bcss.sandbox.businesscentral.rows import Row, Table
from bcss.sandbox.kit import Response

# Lower-case entity set: its properties and its table in the books.
_TABLES: dict[str, tuple[Entity, str]] = {
    "items": (ITEMS, "items"),
    "itemvariants": (ITEM_VARIANTS, "variants"),
    "customers": (CUSTOMERS, "customers"),
    "accounts": (ACCOUNTS, "accounts"),
    "locations": (LOCATIONS, "locations"),
    "countriesregions": (COUNTRIES, "countries"),
    "paymentterms": (PAYMENT_TERMS, "payment_terms"),
    "unitsofmeasure": (UNITS, "units"),
    "currencies": (CURRENCIES, "currencies"),
    "taxgroups": (TAX_GROUPS, "tax_group_rows"),
    "taxareas": (TAX_AREAS, "tax_areas"),
    "salespeoplepurchasers": (SALESPEOPLE, "salespeople"),
    "generalledgersetup": (LEDGER_SETUP, ""),
    "companyinformation": (COMPANY_INFORMATION, ""),
}
NAMES = tuple(_TABLES)
_WRITABLE = {"items": "item", "customers": "customer"}


def answer(call: Call, name: str, key: str, below: str) -> Response:
    """Answer a call on master data; `below` is the lower-case segment after the key."""
    entity, table_name = _TABLES[name]
    if not table_name:
        return _single(call, entity, key)
    table: Table[Row] = getattr(call.books, table_name)
    if below:
        return _below(call, name, entity, table, key, below)
    match call.request.method, bool(key):
        case "GET", False:
            return listing(call, entity, table)
        case "GET", True:
            return one(call, entity, _require(table, key))
        case "POST", False if name in _WRITABLE:
            return created(call, entity, _create(call.books, name, entity, call.request.body))
        case "PATCH", True if name in _WRITABLE:
            row = _require(table, key)
            check_match(call, row.version, required=True)
            return one(call, entity, _patch(call.books, name, entity, row, call.request.body))
        case method, _:
            raise not_allowed(method, entity.name)


def _below(
    call: Call, name: str, entity: Entity, table: Table[Row], key: str, below: str
) -> Response:
    if below == "$count" and not key:
        return count(call, entity, table)
    if name == "items" and below == "itemvariants" and key:
        rows = call.books.variants.find("itemId", _require(table, key).values["id"])
        return listing(call, ITEM_VARIANTS, rows)
    raise no_segment(below)


def _single(call: Call, entity: Entity, key: str) -> Response:
    """Answer a set of one row: the company's own card, or its ledger set-up."""
    card = call.books.company_information
    row = card if entity is COMPANY_INFORMATION else loading.ledger_setup(call.books)
    if call.request.method != "GET":
        raise not_allowed(call.request.method, entity.name)
    if key:
        return one(call, entity, row)
    return listing(call, entity, [row])


def _require(table: Table[Row], key: str) -> Row:
    row = table.get(key)
    if row is None:
        raise not_found()
    return row


def _create(books: Books, name: str, entity: Entity, body: bytes) -> Row:
    """Make a customer or an item; a number that is taken is refused (§2.5)."""
    source = parse_object(body)
    if "inventory" in source:
        raise dialog("Inventory cannot be changed during on insert.")
    given: dict[str, Any] = dict(read_properties(source, entity))
    if name == "customers" and not given.get("displayName"):
        raise dialog('A "displayName" must be provided.')
    _check(books, given)
    number = given.get("number") or books.take_number(_WRITABLE[name])
    if getattr(books, name).one("number", number) is not None:
        raise Refused(
            400,
            "Internal_EntityWithSameKeyExists",
            f"The record in table {entity.singular.capitalize()} already exists. "
            f"Identification fields and values: No.='{number}'",
        )
    return _put(books, name, {**given, "number": number})


def _patch(books: Books, name: str, entity: Entity, row: Row, body: bytes) -> Row:
    given = dict(read_properties(parse_object(body), entity))
    if given.get("displayName") == "":
        raise dialog('The blank "displayName" is not allowed.')
    _check(books, given)
    given.pop("number", None)
    return _put(books, name, {**given, "number": row.values["number"]})


def _put(books: Books, name: str, given: dict[str, Any]) -> Row:
    plain = {key: loading.plain(value) for key, value in given.items()}
    return (loading.put_item if name == "items" else loading.put_customer)(books, plain)


def _check(books: Books, given: dict[str, Any]) -> None:
    country = given.get("country", "")
    if country and books.countries.one("code", country) is None:
        raise not_related("Country/Region Code", "Customer", country, "Country/Region")
    if any(mark.isalpha() for mark in given.get("phoneNumber", "")):
        raise dialog("You cannot enter letters in this field.")
