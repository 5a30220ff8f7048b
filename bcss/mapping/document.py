"""Turn a family that is ready into the exact Business Central document (design §4.2).

Everything here is pure: the same family, rules and catalog always give the same document, or
the same reason why there is none.
"""

from collections.abc import Mapping
from datetime import date
from zoneinfo import ZoneInfo

from bcss.clock import calendar_date
from bcss.config.schema import StoreRule
from bcss.holds import Verdict, Why
from bcss.mapping.amounts import expected, lines_total
from bcss.mapping.buyers import customer_of
from bcss.mapping.catalog import Catalog
from bcss.mapping.explain import lines_text
from bcss.mapping.families import Family
from bcss.mapping.lines import lines_of
from bcss.mapping.rules import Rules, Unmappable
from bcss.mapping.shipto import fit_ship_to
from bcss.mapping.text import code, cut
from bcss.mapping.tracking import track
from bcss.money import ZERO, show
from bcss.units import Draft, DraftLine

_NUMBER_LENGTH = 35


def build(
    family: Family, rules: Rules, catalog: Catalog, reference: str, posting_date: date
) -> Draft | Verdict:
    """Return the document for a family whose every counting member has shipped."""
    try:
        lines = lines_of(family, rules, catalog)
        customer = customer_of(family.root, rules, catalog)
        header = _header(rules.store, catalog)
    except Unmappable as problem:
        return problem.verdict
    return _checked(
        _draft(family, rules, customer, header, lines, reference, posting_date, catalog)
    )


def ship_dates(family: Family, zone: ZoneInfo) -> list[date]:
    """Return the calendar dates of the counting shipments in the company's zone."""
    return [calendar_date(one.ship_date, zone) for one in family.evidence.counting()]


def too_late(draft: Draft, store: StoreRule, today: date) -> Verdict | None:
    """Hold what is booked long after it shipped, since its period may be reported already."""
    if store.late_after is None or today - draft.posting_date <= store.late_after:
        return None
    return Verdict(
        Why.LATE_SHIPMENT,
        f"Shipped on {draft.posting_date} and not booked within {store.late_after.days} days, the "
        "store's limit.",
    )


def _draft(
    family: Family,
    rules: Rules,
    customer: str,
    header: Mapping[str, str],
    lines: list[DraftLine],
    reference: str,
    posting_date: date,
    catalog: Catalog,
) -> Draft:
    store = rules.store
    figures = expected(family, store)
    ship_to = fit_ship_to(family.root.ship_to, rules.orders, catalog)
    return Draft(
        kind=rules.kind,
        reference=reference,
        customer=customer,
        currency=store.currency,
        posting_date=posting_date,
        document_date=_document_date(family, rules, posting_date),
        order_number=cut(family.root.order_number, _NUMBER_LENGTH),
        ship_to=ship_to.fields,
        lines=tuple(lines),
        tracking=track(family.evidence, rules.agents, rules.orders.marker),
        gross=figures.gross,
        net=figures.net,
        tolerance=store.tolerance if store.tax == "business_central" else ZERO,
        tax="computed" if store.tax == "business_central" else "none",
        prices=store.prices,
        header=header,
        cut=ship_to.cut,
    )


def _document_date(family: Family, rules: Rules, posting_date: date) -> date:
    by_order = rules.orders.document_date == "order"
    return (rules.ordered_on(family.root) if by_order else None) or posting_date


def _header(store: StoreRule, catalog: Catalog) -> dict[str, str]:
    """Return the store's own header fields by BC's names; what is not sent BC takes itself."""
    fields = {
        "salesperson": code(store.salesperson),
        "paymentTermsId": _payment_terms(store, catalog),
        "shortcutDimension1Code": code(store.dimensions.get(1, "")),
        "shortcutDimension2Code": code(store.dimensions.get(2, "")),
    }
    return {name: value for name, value in fields.items() if value}


def _payment_terms(store: StoreRule, catalog: Catalog) -> str:
    if not store.payment_terms:
        return ""
    found = catalog.payment_terms.get(code(store.payment_terms))
    if found is None:
        raise Unmappable(
            Why.UNKNOWN_TERMS,
            f"The config names payment terms {store.payment_terms}, which are unknown.",
        )
    return found


def _checked(draft: Draft) -> Draft | Verdict:
    """Refuse a document that cannot be right before anything is sent."""
    if not any(line.type == "Item" and line.quantity for line in draft.lines):
        return Verdict(Why.NOTHING_TO_BOOK, "No line of the order has a quantity of an item.")
    if draft.gross < 0:
        return Verdict(
            Why.NEGATIVE_TOTAL, f"The order's total is {show(draft.gross, draft.currency)}."
        )
    ours = lines_total(draft.lines, draft.currency)
    net_prices_with_tax = draft.tax == "computed" and draft.prices == "net"
    stated = draft.net if net_prices_with_tax else draft.gross
    if ours != stated:
        return Verdict(
            Why.TOTAL_DIFFERS,
            f"ShipStation states {show(stated, draft.currency)}, the order's lines, shipping and "
            f"tax come to {show(ours, draft.currency)}: a difference of "
            f"{show(stated - ours, draft.currency)}. {lines_text(draft.lines, draft.currency)}.",
        )
    return draft
