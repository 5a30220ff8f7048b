"""Load the `business_central` part of the seed data.

All members are optional; what is given is added to what is there, replacing rows of the same
number or code:

- `tenant`, `tenant_id`, `environments` (list), `credentials` ({client id: secret}),
  `company` ({id, name}), `system_version`, `local_currency`, `company_information`
- `items`, `customers`, `accounts`, `locations`, `countries`, `currencies`, `payment_terms`,
  `salespeople`, `tax_areas`: lists of objects with the API's property names. Beside them items take `units` ({code: factor}), `sales_unit`,
  `gross_weight`, `net_weight`, `unit_volume`, `tariff_number`, `country_of_origin`,
  `sales_blocked` and `variants` ([{code, description}]); customers `tax_percent`,
  `prices_include_tax`, `location`, `bill_to`; accounts `tax_group`; currencies `decimals`.
- `units` (list of codes), `tax_groups` ({code: {percent or null, identifier}}),
  `shipping_agents` ({agent: [services]}), `series` ({name: last number})
- `documents`: [{`entity`, `body` (as for POST), `agent`, `service`, `tracking`, `post`}]
- `switches`: see `books.SWITCHES`
- `replace`: true empties the master data first
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bcss.sandbox.businesscentral import documents, posting
from bcss.sandbox.businesscentral.bodies import blank, convert
from bcss.sandbox.businesscentral.books import SWITCHES, Books, Identity, TaxGroup
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
from bcss.sandbox.businesscentral.defaults import DEFAULTS
from bcss.sandbox.businesscentral.entities import Entity
from bcss.sandbox.businesscentral.errors import bad_request
from bcss.sandbox.businesscentral.rows import NO_GUID, Document, Row, Table, changed, encode
from bcss.sandbox.businesscentral.schema import Kind
from bcss.sandbox.kit import SandboxClock

Data = Mapping[str, Any]
_WEIGHTS = ("gross_weight", "net_weight", "unit_volume")


def new_books(clock: SandboxClock) -> Books:
    """Open the books of the default company."""
    company = DEFAULTS["company"]
    identity = Identity("", "", [], {}, company["id"], company["name"], "")
    books = Books(clock, identity, Row({}, 0), DEFAULTS["local_currency"])
    books.company_information = _company_row(books, {})
    load(books, DEFAULTS)
    return books


def load(books: Books, data: Data) -> None:
    """Add data to the books, in the format above; an unknown switch or row is refused."""
    if data.get("replace"):
        _empty(books)
    _load_identity(books, data)
    books.local_currency = data.get("local_currency", books.local_currency)
    if "company_information" in data:
        books.company_information = _company_row(books, data["company_information"])
    set_switches(books, data.get("switches", {}))
    for code, group in data.get("tax_groups", {}).items():
        _load_tax_group(books, code, group)
    for code in data.get("units", []):
        _put(books, books.units, UNITS, "code", {"code": code, "displayName": code})
    _load_tables(books, data)
    for agent, services in data.get("shipping_agents", {}).items():
        books.agents[agent.upper()] = {one.upper() for one in services}
    books.series.update(data.get("series", {}))
    for one in data.get("documents", []):
        _load_document(books, one)


def set_switches(books: Books, switches: Data) -> None:
    """Set switches by name; an unknown one is refused."""
    unknown = set(switches) - set(SWITCHES)
    if unknown:
        raise bad_request(f"Unknown switches: {', '.join(sorted(unknown))}.")
    books.switches.update(switches)
    kind = "VAT" if books.switches["vat"] else "Sales_x0020_Tax"
    for table in (books.tax_group_rows, books.tax_areas):  # one of two worlds (§2.13, §2.14)
        for row in list(table):
            if row.values["taxType"] != kind:
                table.put(Row({**row.values, "taxType": kind}, books.next()), books.stamp())


def ledger_setup(books: Books) -> Row:
    """Return what the ledger set-up shows: the posting period and the local currency."""
    values = blank(LEDGER_SETUP)
    first, last = (books.switches[f"allow_posting_{end}"] for end in ("from", "to"))
    if first:
        values["allowPostingFrom"] = convert(LEDGER_SETUP.fields["allowPostingFrom"], first)
    if last:
        values["allowPostingTo"] = convert(LEDGER_SETUP.fields["allowPostingTo"], last)
    values.update(
        id=books.company_information.values["id"],
        localCurrencyCode=books.local_currency,
        lastModifiedDateTime=books.stamp(),
    )
    return Row(values, 1)


def _load_identity(books: Books, data: Data) -> None:
    identity = books.identity
    identity.tenant = data.get("tenant", identity.tenant)
    identity.tenant_id = data.get("tenant_id", identity.tenant_id)
    identity.environments = list(data.get("environments", identity.environments))
    identity.credentials.update(data.get("credentials", {}))
    company = data.get("company", {})
    identity.company_id = company.get("id", identity.company_id).lower()
    identity.company_name = company.get("name", identity.company_name)
    identity.system_version = data.get("system_version", identity.system_version)


def _empty(books: Books) -> None:
    for table in (books.items, books.variants, books.customers, books.accounts, books.locations):
        for identity in list(table.rows):
            table.remove(identity, books.stamp())
    books.agents.clear()


def _company_row(books: Books, given: Data) -> Row:
    values = blank(COMPANY_INFORMATION)
    values.update(books.company_information.values)
    values.update(_converted(COMPANY_INFORMATION, given))
    if values["id"] == NO_GUID:
        values["id"] = books.new_id()
    values.update(currencyCode=books.local_currency, lastModifiedDateTime=books.stamp())
    return Row(values, books.next())


def _load_tax_group(books: Books, code: str, given: Data) -> None:
    percent = given["percent"]
    books.tax_groups[code] = TaxGroup(
        None if percent is None else Decimal(str(percent)), given["identifier"]
    )
    kind = "VAT" if books.switches["vat"] else "Sales_x0020_Tax"
    row = {"code": code, "displayName": code, "taxType": kind}
    _put(books, books.tax_group_rows, TAX_GROUPS, "code", row)


def _load_tables(books: Books, data: Data) -> None:
    for one in data.get("countries", []):
        given = {"code": one, "displayName": one} if isinstance(one, str) else one
        _put(books, books.countries, COUNTRIES, "code", given)
    for one in data.get("currencies", []):
        _put(books, books.currencies, CURRENCIES, "code", one)
    for one in data.get("payment_terms", []):
        _put(books, books.payment_terms, PAYMENT_TERMS, "code", one)
    for one in data.get("salespeople", []):
        _put(books, books.salespeople, SALESPEOPLE, "code", one)
    kind = "VAT" if books.switches["vat"] else "Sales_x0020_Tax"
    for one in data.get("tax_areas", []):
        _put(books, books.tax_areas, TAX_AREAS, "code", {"taxType": kind, **one})
    for one in data.get("locations", []):
        _put(books, books.locations, LOCATIONS, "code", one)
    for one in data.get("accounts", []):
        account = {"accountType": "Posting", "directPosting": True, **one}
        _put(books, books.accounts, ACCOUNTS, "number", account)
    for one in data.get("customers", []):
        put_customer(books, one)
    for one in data.get("items", []):
        put_item(books, one)


def put_customer(books: Books, given: Data) -> Row:
    """Add or change a customer; the local currency is shown where the card is blank (§2.5)."""
    row = _put(books, books.customers, CUSTOMERS, "number", given)
    values, extra = row.values, row.extra
    extra["tax_liable"] = values["taxLiable"]
    extra["tax_percent"] = Decimal(str(extra.get("tax_percent", 0)))
    currency = books.currencies.one("code", values["currencyCode"])
    values["currencyCode"] = currency.values["code"] if currency else books.local_currency
    values["currencyId"] = currency.values["id"] if currency else NO_GUID
    return row


def put_item(books: Books, given: Data) -> Row:
    """Add or change an item with its variants and units."""
    source = {name: value for name, value in given.items() if name != "variants"}
    row = _put(books, books.items, ITEMS, "number", source)
    values, extra = row.values, row.extra
    values["type"] = "Inventory" if values["type"] == "_x0020_" else values["type"]
    values["baseUnitOfMeasureCode"] = values["baseUnitOfMeasureCode"] or "PCS"
    unit = books.units.one("code", values["baseUnitOfMeasureCode"])
    values["baseUnitOfMeasureId"] = unit.values["id"] if unit else NO_GUID
    values["taxGroupCode"] = values["taxGroupCode"] or "TAXABLE"
    units = extra.get("units", {values["baseUnitOfMeasureCode"]: 1})
    extra["units"] = {code: Decimal(str(factor)) for code, factor in units.items()}
    for name in _WEIGHTS:
        extra[name] = Decimal(str(extra.get(name, 0)))
    for variant in given.get("variants", []):
        _put_variant(books, row, variant)
    return row


def _put_variant(books: Books, item: Row, given: Data) -> None:
    old = books.variants.find("itemId", item.values["id"])
    known = next((one for one in old if one.values["code"] == given["code"].upper()), None)
    values = blank(ITEM_VARIANTS)
    values.update(_converted(ITEM_VARIANTS, given))
    values.update(
        id=known.values["id"] if known else given.get("id", books.new_id()),
        itemId=item.values["id"],
        itemNumber=item.values["number"],
        lastModifiedDateTime=books.stamp(),
    )
    books.variants.put(Row(values, books.next()), books.stamp())


def _put(books: Books, table: Table[Row], entity: Entity, key: str, given: Data) -> Row:
    """Add or change one row; members that are no properties are kept beside it."""
    known = {name: value for name, value in given.items() if name in entity.fields}
    converted = _converted(entity, known)
    old = table.one(key, converted[key])
    values = dict(old.values) if old else blank(entity)
    values.update(converted)
    if values["id"] == NO_GUID:
        values["id"] = books.new_id()
    values["lastModifiedDateTime"] = converted.get("lastModifiedDateTime", books.stamp())
    extra = dict(old.extra) if old else {}
    extra.update({name: value for name, value in given.items() if name not in entity.fields})
    row = Row(values, books.next(), extra)
    table.put(row, books.stamp())
    books.note(entity.name, values["id"], "updated" if old else "created")
    return row


def _converted(entity: Entity, given: Data) -> dict[str, Any]:
    found = {}
    for name, value in given.items():
        field = entity.fields[name]
        number = field.kind == "decimal" and value is not None
        found[name] = Decimal(str(value)) if number else convert(field, value)
    return found


def _load_document(books: Books, given: Data) -> None:
    """Make a document as somebody would have made it, with tracking and posted if asked."""
    kind = Kind(given["entity"])
    document = documents.create(books, kind, encode(given["body"]).encode())
    document = changed(
        document,
        agent=given.get("agent", ""),
        service=given.get("service", ""),
        tracking=given.get("tracking", ""),
    )
    books.documents(kind).put(document, books.stamp())
    if not given.get("post"):
        return
    if kind is Kind.ORDER:
        posting.ship_and_invoice(books, document)
    else:
        posting.post(books, document)


def state(books: Books) -> dict[str, Any]:
    """Return everything that a checker may want to see, ready for JSON but with Decimals."""
    return {
        "clock": plain(books.clock.now()),
        "company": {"id": books.identity.company_id, "name": books.identity.company_name},
        **{kind.value: [_document(one) for one in books.documents(kind)] for kind in Kind},
        "salesShipments": [
            {
                **plain(one.values),
                "lines": [plain(line.values) for line in one.lines],
                "agent": one.agent,
                "service": one.service,
                "trackingNumber": one.tracking,
            }
            for one in books.shipments
        ],
        "items": [plain(one.values) for one in books.items],
        "customers": [plain(one.values) for one in books.customers],
        "documentAttachments": [
            {**plain(one.values), "content": one.content.decode("utf-8", "replace")}
            for one in books.attachments
        ],
        "subscriptions": [plain(one.values) for one in books.subscriptions],
        "changes": len(books.changes),
        "switches": dict(books.switches),
    }


def _document(document: Document) -> dict[str, Any]:
    return {
        **plain(document.values),
        "lines": [plain(line.values) for line in document.lines],
        "posted": document.posted,
        "agent": document.agent,
        "service": document.service,
        "trackingNumber": document.tracking,
        "draftNumber": document.draft_number,
        "postingNumber": document.posting_number,
    }


def plain(value: Any) -> Any:
    """Turn dates and times into text as the API writes them; Decimals stay."""
    match value:
        case dict():
            return {name: plain(one) for name, one in value.items()}
        case None | bool() | int() | str() | Decimal():
            return value
        case _:
            return json.loads(encode(value))
