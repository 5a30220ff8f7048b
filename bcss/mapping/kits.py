"""Divide the price of a kit over its components, to the cent (design §3, `orders.skus`)."""

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal

from bcss.config.schema import Kit, KitPart
from bcss.mapping.catalog import Found
from bcss.money import CONTEXT, ZERO, minor_units, round_amount

PRICE_PLACES = 5
_STEP = Decimal(1).scaleb(-PRICE_PLACES)


def amounts(
    whole: Decimal, kit: Kit, parts: Sequence[tuple[KitPart, Found]], currency: str
) -> list[Decimal] | None:
    """Return what each component takes of a line's amount; None where nothing says how."""
    if kit.price == "first" or not whole:
        return [whole] + [ZERO] * (len(parts) - 1)
    weights = [_weight(part, found) for part, found in parts]
    if not sum(weights):
        return None
    return _divide(whole, weights, currency)


def _weight(part: KitPart, found: Found) -> Decimal:
    """Return a component's share, or what it costs by itself in Business Central."""
    return part.quantity * found.item.unit_price if part.share is None else part.share


def _divide(whole: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Round every part towards zero; the last component that bears anything takes the rest."""
    cent = Decimal(1).scaleb(-minor_units(currency))
    total = sum(weights, ZERO)
    parts = [
        (whole * weight / total).quantize(cent, rounding=ROUND_DOWN, context=CONTEXT)
        for weight in weights
    ]
    last = max(n for n, weight in enumerate(weights) if weight)
    parts[last] += whole - sum(parts, ZERO)
    return parts


def price_for(amount: Decimal, quantity: Decimal, currency: str) -> Decimal | None:
    """Return the unit price, of five decimals, at which a quantity comes to an amount."""
    price = (amount / quantity).quantize(_STEP, context=CONTEXT)
    return price if round_amount(price * quantity, currency) == amount else None


def short_price(price: Decimal, quantity: Decimal, currency: str) -> Decimal | None:
    """Return a price with the five decimals that BC keeps, if it comes to the same amount."""
    short = price if price == price.quantize(_STEP, context=CONTEXT) else None
    if short is not None:
        return short
    return price_for(round_amount(price * quantity, currency), quantity, currency)
