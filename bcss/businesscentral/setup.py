"""Read how a company is set up, as far as API v2.0 shows it; only `check` asks.

Number series, posting set-up and the switch for invoice rounding are in no entity (§2, §2.26).
"""

from datetime import date
from decimal import Decimal

from bcss.businesscentral import odata
from bcss.businesscentral.odata import Site
from bcss.businesscentral.read import (
    read_code,
    read_currency,
    read_posting_period,
    read_tax_code,
)
from bcss.businesscentral.records import TaxCode


def salespeople(site: Site) -> list[str]:
    """List the codes of salespeople and purchasers."""
    rows = odata.read_pages(site, f"{site.data}/salespeoplePurchasers")
    return [odata.take(read_code, row) for row in rows]


def currencies(site: Site) -> dict[str, Decimal]:
    """Read the invoice rounding precision by currency; the local one has no row (§2.17)."""
    rows = odata.read_pages(site, f"{site.data}/currencies")
    return dict(odata.take(read_currency, row) for row in rows)


def tax_codes(site: Site) -> list[TaxCode]:
    """List tax groups, or in a VAT company VAT product posting groups (§2.13)."""
    rows = odata.read_pages(site, f"{site.data}/taxGroups")
    return [odata.take(read_tax_code, row) for row in rows]


def tax_areas(site: Site) -> list[TaxCode]:
    """List tax areas, or in a VAT company VAT business posting groups (§2.14)."""
    rows = odata.read_pages(site, f"{site.data}/taxAreas")
    return [odata.take(read_tax_code, row) for row in rows]


def posting_period(site: Site) -> tuple[date | None, date | None]:
    """Read the first and last day that may be posted to; None where it is open."""
    rows = list(odata.read_pages(site, f"{site.data}/generalLedgerSetup"))
    return odata.take(read_posting_period, rows[0]) if rows else (None, None)
