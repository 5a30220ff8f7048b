"""Handle amounts as Decimal from the wire to the wire."""

from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

CONTEXT = Context(prec=28, rounding=ROUND_HALF_UP)
# ISO 4217 minor units that are not two.
_MINOR_UNITS = {"JPY": 0, "KRW": 0, "CLP": 0, "ISK": 0, "VND": 0}
_THREE_DECIMALS = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
ZERO = Decimal(0)
_LARGEST = Decimal(10) ** 12


def minor_units(currency: str) -> int:
    """Return how many decimals amounts of `currency` have."""
    return 3 if currency in _THREE_DECIMALS else _MINOR_UNITS.get(currency, 2)


def round_amount(amount: Decimal, currency: str) -> Decimal:
    """Round half up to the smallest unit of `currency`, as Business Central does."""
    step = Decimal(1).scaleb(-minor_units(currency))
    return amount.quantize(step, rounding=ROUND_HALF_UP, context=CONTEXT)


def parse_amount(value: object) -> Decimal:
    """Read an amount from JSON or configuration text; raise ValueError for anything else.

    A float is refused: it has lost digits before it came here.
    """
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError(f"not an amount: {value!r}")
    try:
        amount = Decimal(value) if not isinstance(value, Decimal) else value
    except InvalidOperation:
        raise ValueError(f"not an amount: {value!r}") from None
    if not amount.is_finite() or abs(amount) >= _LARGEST:
        raise ValueError(f"not an amount: {value!r}")
    return amount


def show(amount: Decimal, currency: str = "") -> str:
    """Print an amount with the decimals of its currency, never in scientific notation."""
    places = max(minor_units(currency), -int(amount.normalize().as_tuple().exponent or 0), 0)
    return f"{amount:.{places}f} {currency}".rstrip()
