"""Read items, customers, accounts and the other master data (business-central.md §2)."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from bcss import wire
from bcss.businesscentral import odata
from bcss.businesscentral.odata import CHUNK, DECIDING, ENGLISH, Site
from bcss.businesscentral.read import (
    read_account,
    read_country,
    read_customer,
    read_item,
    read_item_detail,
    read_item_variant,
    read_location,
    read_payment_terms,
)
from bcss.businesscentral.records import (
    Account,
    Body,
    Customer,
    Item,
    ItemDetail,
    ItemVariant,
    Location,
)
from bcss.errors import RecordMissing

T = TypeVar("T")

_ITEM = (
    "id,number,displayName,type,blocked,gtin,unitPrice,baseUnitOfMeasureCode,lastModifiedDateTime"
)
_ITEM_DETAIL = "id,number,grossWeight,netWeight,tariffNumber,countryRegionOfOriginCode"
_VARIANT = "id,itemNumber,code,description,lastModifiedDateTime"
_CUSTOMER = (
    "id,number,displayName,addressLine1,addressLine2,city,state,country,postalCode,"
    "phoneNumber,email,currencyCode,blocked,lastModifiedDateTime"
)
_ACCOUNT = "id,number,displayName,blocked,accountType,directPosting"


def items(site: Site, since: datetime | None) -> Iterator[Item]:
    """List the items modified after an instant, or all; bcss's own postings move some (§5.5)."""
    return _list(site, "items", _ITEM, read_item, since)


def item_variants(site: Site, since: datetime | None) -> Iterator[ItemVariant]:
    """List the variants modified after an instant, or all."""
    return _list(site, "itemVariants", _VARIANT, read_item_variant, since)


def customers(site: Site, since: datetime | None) -> Iterator[Customer]:
    """List the customers modified after an instant, or all."""
    return _list(site, "customers", _CUSTOMER, read_customer, since)


def accounts(site: Site) -> Iterator[Account]:
    """List all G/L accounts."""
    return _list(site, "accounts", _ACCOUNT, read_account)


def locations(site: Site) -> Iterator[Location]:
    """List all locations."""
    return _list(site, "locations", "id,code", read_location)


def countries(site: Site) -> list[str]:
    """List the codes that BC accepts as a country, usually but not always ISO 3166's."""
    return list(_list(site, "countriesRegions", "id,code", read_country))


def payment_terms(site: Site) -> dict[str, str]:
    """Read the ids of the payment terms by their code; documents take the id only (§2.15)."""
    return dict(_list(site, "paymentTerms", "id,code", read_payment_terms))


def company_information(site: Site) -> Body:
    """Read the company's own card: its currency code, address and tax number (§2.21)."""
    answer = odata.read_object(site, f"{site.data}/companyInformation")
    rows = answer.get("value")
    if isinstance(rows, list) and rows and isinstance(rows[0], dict):
        return dict(rows[0])
    return answer if "value" not in answer else {}


def find_item(site: Site, number: str) -> Item | None:
    """Look an item up afresh by its number."""
    return _one(site, "items", _ITEM, read_item, number)


def find_customer(site: Site, number: str) -> Customer | None:
    """Look a customer up afresh by its number."""
    return _one(site, "customers", _CUSTOMER, read_customer, number)


def create_customer(site: Site, body: Body) -> Customer:
    """Create a customer under a number of ours; RecordRefused where the number exists."""
    content = odata.encode(body)
    path = f"{site.data}/customers"
    reply = site.session.send("POST", path, headers=ENGLISH, body=content)
    return odata.take_written(read_customer, reply)


def workflow_items(
    site: Site, numbers: Sequence[str] | None = None, *, chunk: int = CHUNK
) -> dict[str, ItemDetail]:
    """Read weight, tariff number and origin by item number, of some items or of all.

    Empty where the company does not publish the service (§3.4). BC documents no time to filter
    these rows by.
    """
    path = f"{site.services}/workflowItems"
    select = ("$select", _ITEM_DETAIL)

    def ask(group: Sequence[str]) -> list[wire.Json]:
        return odata.read_whole(site, path, [("$filter", odata.any_text("number", group)), select])

    try:
        if numbers is None:
            rows = list(odata.read_pages(site, path, [select]))
        else:
            asked = list(dict.fromkeys(one for one in numbers if one.strip()))
            rows = [row for answer in odata.in_chunks(asked, chunk, ask) for row in answer]
    except RecordMissing:
        return {}
    return dict(odata.take(read_item_detail, row) for row in rows)


def _list(
    site: Site,
    entity_set: str,
    select: str,
    read: Callable[[Any], T],
    since: datetime | None = None,
) -> Iterator[T]:
    query = [*odata.changed_since(since), ("$select", select)]
    for row in odata.read_pages(site, f"{site.data}/{entity_set}", query):
        yield odata.take(read, row)


def _one(
    site: Site, entity_set: str, select: str, read: Callable[[Any], T], number: str
) -> T | None:
    """Look one row up; `eq` on text may match more in some versions, so compare again (§5.1)."""
    if not number.strip():
        return None
    query = [("$filter", odata.any_text("number", [number])), ("$select", select)]
    rows = odata.read_object(site, f"{site.data}/{entity_set}", query, DECIDING).get("value")
    for row in rows if isinstance(rows, list) else []:
        found = row.get("number") if isinstance(row, dict) else None
        if isinstance(found, str) and found.upper() == number.strip().upper():
            return odata.take(read, row)
    return None
