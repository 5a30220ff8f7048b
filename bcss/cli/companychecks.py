"""Compare the store rules with how the company is set up, as far as API v2.0 shows it (`check`).

What it does not show is named with the page of Business Central on which it stands; what is
only inferred says so.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import TypeVar

from bcss.businesscentral.records import Account
from bcss.cli.finding import Finding, wrong
from bcss.config.schema import (
    AccountTarget,
    DocumentKind,
    FixedCustomer,
    ItemTarget,
    MatchCustomer,
    StoreRule,
)
from bcss.errors import RecordMissing, StopVendor
from bcss.flows.connection import Connection
from bcss.mapping.text import code
from bcss.money import minor_units

T = TypeVar("T")
Rules = Mapping[str, StoreRule]

# Companies of these countries use sales tax; everywhere else BC has VAT (§2.13).
_SALES_TAX = ("US", "CA", "PR")
_NO_VAT_TARGET = (
    "is for sales-tax companies, and this company uses VAT: set business_central, or excluded "
    "where a marketplace owes the tax"
)


def _rules(conn: Connection) -> dict[str, StoreRule]:
    """Return the rules of the booked stores by their place in the configuration."""
    stores = conn.config.orders.stores.items()
    return {f"orders.stores.{one}": rule for one, rule in stores if isinstance(rule, StoreRule)}


def _readable(read: Callable[[], T]) -> T | None:
    """Read what booking does not need; None where this company does not show it to us."""
    try:
        return read()
    except (StopVendor, RecordMissing):
        return None


def targets(conn: Connection) -> Iterator[Finding]:
    """Compare the accounts, customers and locations of the store rules with the company's."""
    accounts = {account.number: account for account in conn.bc.accounts()}
    places = {code(location.code) for location in conn.bc.locations()}
    for where, rule in _rules(conn).items():
        yield from _accounts(where, rule, accounts)
        for place in filter(None, (rule.location, *rule.locations.values())):
            if code(place) not in places:
                yield wrong("location", f"{where}: the company has no location {place}")
        if isinstance(rule.customer, FixedCustomer):
            yield from _customer(conn, where, rule.customer.number)
        elif isinstance(rule.customer.otherwise, FixedCustomer):
            yield from _customer(conn, where, rule.customer.otherwise.number)
    yield Finding("store rules", "ok", "accounts, customers and locations were compared")


def _accounts(where: str, rule: StoreRule, accounts: Mapping[str, Account]) -> Iterator[Finding]:
    named = {
        "shipping": rule.shipping,
        "discount": rule.discount,
        "adjustments": rule.adjustments,
        "tax": rule.tax,
    }
    for name, target in named.items():
        if not isinstance(target, AccountTarget):
            continue
        account = accounts.get(target.number)
        if account is None:
            yield wrong("account", f"{where}.{name}: the company has no account {target.number}")
        elif not account.usable:
            text = (
                f"account {target.number} takes no sales line: it must be a posting account with "
                "direct posting, and not blocked"
            )
            yield wrong("account", f"{where}.{name}: {text}")


def _customer(conn: Connection, where: str, number: str) -> Iterator[Finding]:
    customer = conn.bc.find_customer(number)
    if customer is None:
        yield wrong("customer", f"{where}: the company has no customer {number}")
    elif customer.blocked:
        yield wrong("customer", f"{where}: customer {number} is blocked ({customer.blocked})")


def headers(conn: Connection) -> Iterator[Finding]:
    """Compare the codes that store rules put into a document's header, and their currencies."""
    rules = _rules(conn)
    if any(rule.payment_terms for rule in rules.values()):
        terms = _readable(conn.bc.payment_terms)
        known = None if terms is None else {code(one) for one in terms}
        yield from _named("payment terms", "payment_terms", rules, known, "Payment Terms")
    if any(rule.salesperson for rule in rules.values()):
        people = _readable(conn.bc.salespeople)
        known = None if people is None else {code(one) for one in people}
        yield from _named("salesperson", "salesperson", rules, known, "Salespeople/Purchasers")
    if any(rule.dimensions for rule in rules.values()):
        text = "the values of dimensions are not compared; look at Dimensions > Dimension Values"
        yield Finding("dimensions", "look", text)


def _named(
    what: str, field: str, rules: Rules, known: set[str] | None, page: str
) -> Iterator[Finding]:
    """Compare one header field; `known` is None where the company does not show the table."""
    if known is None:
        text = f"{page} cannot be read; look there for what orders.stores names"
        yield Finding(what, "look", text)
        return
    for where, rule in rules.items():
        value = str(getattr(rule, field))
        if value and code(value) not in known:
            yield wrong(what, f"{where}.{field}: the company has no {what} {value}")
    yield Finding(what, "ok", f"what the store rules name is among {page}")


def tax(conn: Connection) -> Iterator[Finding]:
    """Tell a VAT company from a sales-tax company, and compare the tax rules with that."""
    groups = _readable(conn.bc.tax_codes) or []
    tables = [*groups, *(_readable(conn.bc.tax_areas) or ())]
    if tables:
        vat = any(one.is_vat for one in tables)
        yield Finding("tax", "ok", f"the company's tax tables are those of {_world(vat)}")
    else:
        country = str(conn.bc.company_information().get("country") or "")
        vat = code(country) not in _SALES_TAX
        yield _inferred(country, vat)
    for where, rule in _rules(conn).items():
        for text in _tax_problems(where, rule, vat):
            yield wrong("tax", text) if tables else Finding("tax", "warning", text)
        if (
            rule.tax_code
            and groups
            and code(rule.tax_code) not in {code(one.code) for one in groups}
        ):
            table = "VAT product posting group" if vat else "tax group"
            yield wrong("tax", f"{where}.tax_code: the company has no {table} {rule.tax_code}")


def _world(vat: bool) -> str:
    return "VAT" if vat else "sales tax"


def _inferred(country: str, vat: bool) -> Finding:
    text = (
        f"neither tax groups nor tax areas can be read, so that {_world(vat)} is only inferred "
        f"from the company's country ({country or 'none'}); look at VAT Posting Setup and Tax Areas"
    )
    return Finding("tax", "warning", text)


def _tax_problems(where: str, rule: StoreRule, vat: bool) -> Iterator[str]:
    if vat and isinstance(rule.tax, AccountTarget | ItemTarget):
        yield f"{where}.tax: a line for tax {_NO_VAT_TARGET}"
    if not vat and rule.prices == "gross":
        yield f"{where}.prices: gross needs VAT, and this company uses sales tax: set net"


def currencies(conn: Connection) -> Iterator[Finding]:
    """Compare the stores' currencies, and find rounding that changes totals at posting."""
    local = code(str(conn.bc.company_information().get("currencyCode") or ""))
    foreign = _readable(conn.bc.currencies)
    for where, rule in _rules(conn).items():
        if foreign is not None and rule.currency != local and rule.currency not in foreign:
            text = f"{where}.currency: the company has no currency {rule.currency}"
            yield wrong("currency", text)
    used = {rule.currency for rule in _rules(conn).values()} - {local}
    for currency in sorted(used & set(foreign or {})):
        yield from _rounding(currency, (foreign or {})[currency])
    unread = f"{local or 'the local currency'}: no API shows it"
    if foreign is None and used:
        unread = f"{', '.join(sorted(used))}: Currencies cannot be read"
    yield Finding(
        "invoice rounding",
        "look",
        f"of {unread}; in Sales & Receivables Setup leave Invoice Rounding off, or Inv. Rounding "
        "Precision (LCY) of General Ledger Setup at the smallest coin: else totals change at "
        "posting and are held",
    )


def _rounding(currency: str, precision: Decimal) -> Iterator[Finding]:
    smallest = Decimal(1).scaleb(-minor_units(currency))
    if precision > smallest:
        text = (
            f"{currency} is rounded to {precision} when Invoice Rounding is on: totals would change "
            "at posting, and each such invoice is held"
        )
        yield Finding("invoice rounding", "warning", text)


def period(conn: Connection) -> Iterator[Finding]:
    """Tell whether today may be posted to."""
    found = _readable(conn.bc.posting_period)
    if found is None:
        text = "Allow Posting From and To of General Ledger Setup cannot be read; look there"
        yield Finding("posting period", "look", text)
        return
    first, last = found
    today = conn.now().astimezone(conn.config.business_central.time_zone).date()
    span = f"from {first or 'the beginning'} to {last or 'the end of days'}"
    if (first and today < first) or (last and today > last):
        text = f"open {span}: what ships today cannot be posted; a user's own period may differ"
        yield Finding("posting period", "warning", text)
    else:
        yield Finding("posting period", "ok", f"open {span}; a user's own period may differ")


def series(conn: Connection) -> Iterator[Finding]:
    """Say what number series must allow, which no entity shows (business-central.md §4.2)."""
    rules = _rules(conn).values()
    kinds = {rule.document or conn.config.orders.document for rule in rules}
    page = "of Sales & Receivables Setup > Number Series"
    drafts = ("Invoice Nos.", "Order Nos.")
    used = [drafts[order] for order in (False, True) if any(one.is_order is order for one in kinds)]
    if used:
        text = f"{' and '.join(used)} {page} must allow gaps: drafts that are taken back leave some"
        yield Finding("number series", "look", text)
    if DocumentKind.POSTED_INVOICE in kinds:
        text = (
            f"Posted Invoice Nos. {page} should be another series than Invoice Nos.: the new number "
            "is what proves a posting"
        )
        yield Finding("number series", "look", text)
    if any(_creates(rule) for rule in rules):
        text = f"Customer Nos. {page} must allow Manual Nos.: new customers get numbers of ours"
        yield Finding("number series", "look", text)


def _creates(rule: StoreRule) -> bool:
    return isinstance(rule.customer, MatchCustomer) and rule.customer.otherwise == "create"
