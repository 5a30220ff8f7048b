"""Say in a few words how a document comes to its total, for whoever must find a difference."""

from collections.abc import Sequence
from decimal import Decimal

from bcss.mapping.amounts import line_amount
from bcss.money import show
from bcss.units import DraftLine

_LINES = 8


def line_text(line: DraftLine, currency: str) -> str:
    """Render one line with its arithmetic."""
    name = f"{line.number}/{line.variant}" if line.variant else line.number
    less = f" less {show(line.discount, currency)}" if line.discount else ""
    amount = show(line_amount(line, currency), currency)
    return f"{name} {plain(line.quantity)} x {show(line.unit_price)}{less} = {amount}"


def lines_text(lines: Sequence[DraftLine], currency: str) -> str:
    """Render the lines of a document, bounded."""
    shown = [line_text(line, currency) for line in lines[:_LINES]]
    rest = len(lines) - len(shown)
    return "; ".join(shown + ([f"… and {rest} more lines"] if rest > 0 else []))


def plain(number: Decimal) -> str:
    """Print a quantity without needless zeros."""
    return f"{number.normalize():f}" if number else "0"
