"""Compute the amounts of lines and documents (business-central.md §2.7, §4.4)."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from bcss.sandbox.businesscentral.rows import ZERO

_HUNDRED = Decimal(100)
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Totals:
    """A document's totals."""

    excluding_tax: Decimal
    tax: Decimal
    including_tax: Decimal


@dataclass(frozen=True, slots=True)
class Rules:
    """How a document's amounts are computed; `step` is the smallest amount of its currency."""

    step: Decimal
    gross: bool
    discount: Decimal = ZERO


def settle(lines: list[Values], rules: Rules) -> Totals:
    """Fill the amounts of the lines in place and return the document's totals.

    Tax is rounded per document and tax percent, and what is left over by rounding goes to the
    later lines, as BC's VAT amount lines do. The invoice discount is spread over the lines by
    their amounts.
    """
    amounts = [_line_amount(line, rules.step) for line in lines]
    spread = _spread(amounts, rules)
    plain = _taxed(lines, amounts, rules)
    if rules.discount:
        net = _taxed(lines, [one - cut for one, cut in zip(amounts, spread, strict=True)], rules)
    else:
        net = plain
    total, tax = ZERO, ZERO
    for line, cut, (excluding, own_tax), (net_excluding, net_tax) in zip(
        lines, spread, plain, net, strict=True
    ):
        line["amountExcludingTax"] = excluding
        line["totalTaxAmount"] = own_tax
        line["amountIncludingTax"] = excluding + own_tax
        line["invoiceDiscountAllocation"] = cut
        line["netAmount"] = net_excluding
        line["netTaxAmount"] = net_tax
        line["netAmountIncludingTax"] = net_excluding + net_tax
        total += net_excluding
        tax += net_tax
    return Totals(total, tax, total + tax)


def _line_amount(line: Values, step: Decimal) -> Decimal:
    full = _round(line["quantity"] * line["unitPrice"], step)
    return full - _round(line["discountAmount"], step)


def _round(amount: Decimal, step: Decimal) -> Decimal:
    return amount.quantize(step, rounding=ROUND_HALF_UP)


def _spread(amounts: list[Decimal], rules: Rules) -> list[Decimal]:
    """Spread the invoice discount; the last lines take what rounding leaves over."""
    base = sum(amounts, ZERO)
    if not rules.discount or not base:
        return [ZERO] * len(amounts)
    spread, seen, given = [], ZERO, ZERO
    for amount in amounts:
        seen += amount
        upto = _round(rules.discount * seen / base, rules.step)
        spread.append(upto - given)
        given = upto
    return spread


def _taxed(
    lines: list[Values], amounts: list[Decimal], rules: Rules
) -> list[tuple[Decimal, Decimal]]:
    """Split amounts into what excludes tax and the tax, cumulatively per tax percent."""
    bases: dict[Decimal, Decimal] = {}
    taxes: dict[Decimal, Decimal] = {}
    found = []
    for line, amount in zip(lines, amounts, strict=True):
        percent = line["taxPercent"]
        if not percent:
            found.append((amount, ZERO))
            continue
        base = bases[percent] = bases.get(percent, ZERO) + amount
        share = percent / (_HUNDRED + percent) if rules.gross else percent / _HUNDRED
        upto = _round(base * share, rules.step)
        tax = upto - taxes.get(percent, ZERO)
        taxes[percent] = upto
        found.append((amount - tax if rules.gross else amount, tax))
    return found
