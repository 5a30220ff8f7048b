"""Say in a few words how a document comes to its total, for whoever must find a difference."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from bcss.mapping.amounts import line_amount
from bcss.money import ZERO, round_amount, show
from bcss.shipstation.records import Order
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


def parts_text(cancelled: Sequence[Order], shipped: Sequence[Order], currency: str) -> str:
    """Say what a partly cancelled split order comes to, part by part.

    ShipStation keeps the money of a split order on its first part, whatever becomes of the
    others, so that the shipped part is computed from the rows (shipstation.md §5).
    """
    kept, lost = _items_total(shipped, currency), _items_total(cancelled, currency)
    whole = sum((order.order_total for order in (*cancelled, *shipped)), ZERO)
    charges = whole - kept - lost
    return (
        f"{len(cancelled)} of {len(cancelled) + len(shipped)} parts are cancelled. "
        f"Shipped: {_items_text(shipped, currency)}; cancelled: {_items_text(cancelled, currency)}. "
        f"ShipStation states {show(whole, currency)} for the whole order; the shipped part comes to "
        f"{_with_charges(kept, charges, currency)}."
    )


def _with_charges(kept: Decimal, charges: Decimal, currency: str) -> str:
    if not charges:
        return show(kept, currency)
    return (
        f"{show(kept + charges, currency)}: {show(kept, currency)} and the "
        f"{show(charges, currency)} of shipping, tax and discounts of the whole order"
    )


def _items_total(orders: Sequence[Order], currency: str) -> Decimal:
    amounts = (
        round_amount(item.quantity * item.unit_price, currency)
        for order in orders
        for item in order.items
    )
    return sum(amounts, ZERO)


def _items_text(orders: Sequence[Order], currency: str) -> str:
    lines = [
        f"{order.order_number} {(item.sku or item.name)[:40]} {plain(item.quantity)} x "
        f"{show(item.unit_price)} = "
        f"{show(round_amount(item.quantity * item.unit_price, currency), currency)}"
        for order in orders
        for item in order.items
    ]
    rest = len(lines) - _LINES
    return (
        ", ".join(lines[:_LINES] + ([f"… and {rest} more lines"] if rest > 0 else [])) or "nothing"
    )


def orders_text(
    orders: Sequence[Order], currency: str, notes: Mapping[int, str] | None = None
) -> str:
    """Name some orders with the amount of each, and the sum of several; `notes` are by order id."""
    told = notes or {}
    shown = [
        f"{one.order_number} ({show(one.order_total, currency)}{told.get(one.order_id, '')})"
        for one in orders[:_LINES]
    ]
    rest = len(orders) - len(shown)
    shown += [f"{rest} more orders"] if rest else []
    if len(shown) < 2:  # noqa: PLR2004 - nothing to add up
        return "".join(shown)
    total = show(sum((one.order_total for one in orders), ZERO), currency)
    return f"{', '.join(shown[:-1])} and {shown[-1]}, {total} together,"


def apart(there: Decimal, said: Decimal, currency: str) -> str:
    """Say by how much a document's total is less or more than what ShipStation says."""
    if there == said:
        return f"as ShipStation says ({show(said, currency)})"
    word = "less" if there < said else "more"
    return f"{show(abs(there - said), currency)} {word} than ShipStation's {show(said, currency)}"


def plain(number: Decimal) -> str:
    """Print a quantity without needless zeros."""
    return f"{number.normalize():f}" if number else "0"
