"""Work out what a document must come to, and spread discounts without losing a cent."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from bcss.config.schema import StoreRule
from bcss.mapping.families import Family
from bcss.money import ZERO, minor_units, round_amount
from bcss.units import DraftLine


@dataclass(frozen=True, slots=True)
class Expected:
    """The two figures of design §4.2, in the store's currency."""

    gross: Decimal
    net: Decimal


def expected(family: Family, rule: StoreRule) -> Expected:
    """Return what the document must come to, from the totals that ShipStation states.

    The money of a split family stays on its parent, so totals are summed over the family
    (shipstation.md §2.9).
    """
    total = sum((order.order_total for order in family.members), ZERO)
    tax = sum((order.tax_amount for order in family.members), ZERO)
    total, tax = round_amount(total, rule.currency), round_amount(tax, rule.currency)
    match rule.tax:
        case "excluded":
            return Expected(total - tax, total - tax)
        case "business_central" if rule.prices == "net":
            return Expected(total, total - tax)
        case _:
            return Expected(total, total)


def line_amount(line: DraftLine, currency: str) -> Decimal:
    """Return what Business Central makes of a line: rounded, then less the line discount."""
    return round_amount(line.quantity * line.unit_price, currency) - line.discount


def lines_total(lines: Sequence[DraftLine], currency: str) -> Decimal:
    """Return the sum of the lines as Business Central will add them."""
    return sum((line_amount(line, currency) for line in lines), ZERO)


def spread(discount: Decimal, amounts: Sequence[Decimal], currency: str) -> list[Decimal] | None:
    """Divide a discount over line amounts in proportion, to the cent, none above its line.

    Return None when the lines together are smaller than the discount.
    """
    bearing = sum((amount for amount in amounts if amount > 0), ZERO)
    if discount > bearing:
        return None
    if discount == 0:
        return [ZERO] * len(amounts)
    cent = Decimal(1).scaleb(-minor_units(currency))
    shares = [discount * max(amount, ZERO) / bearing for amount in amounts]
    parts = [share.quantize(cent, rounding=ROUND_DOWN) for share in shares]
    rest = discount - sum(parts, ZERO)
    order = sorted(range(len(parts)), key=lambda n: (parts[n] - shares[n], n))
    while rest > 0:
        room = [n for n in order if amounts[n] - parts[n] >= min(cent, rest)]
        for n in room:
            step = min(cent, rest)
            parts[n] += step
            rest -= step
            if rest <= 0:
                break
    return parts
