"""Keep instants in UTC, show Pacific wall clock without offset (shipstation.md §10)."""

import re
from datetime import UTC, date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

PACIFIC = ZoneInfo("America/Los_Angeles")
Autumn = Literal["first", "second", "text"]
EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:\.(\d{1,9}))?(Z| ?[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)


def parse(text: str, *, fold: int = 0, honour_offset: bool = True) -> datetime:
    """Read a time or a date as an instant; without offset it is Pacific. Raise ValueError.

    `fold` 1 takes the second of the two hours that autumn repeats.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not a time: {text!r}")
    day, minute, second, fraction, offset = found.groups()
    clock = f"{minute or '00:00'}{second or ':00'}.{(fraction or '0')[:6]:0<6}"
    try:
        if offset and honour_offset:
            return datetime.fromisoformat(f"{day}T{clock}{offset.strip()}").astimezone(UTC)
        naive = datetime.fromisoformat(f"{day}T{clock}")
        return naive.replace(tzinfo=PACIFIC, fold=fold).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"not a time: {text!r}") from None


def local(instant: datetime) -> datetime:
    """Return the naive Pacific wall clock, in which two instants of autumn are the same."""
    return instant.astimezone(PACIFIC).replace(tzinfo=None, fold=0)


def local_day(instant: datetime) -> str:
    """Return the Pacific date, as orders and shipments show a ship date."""
    return instant.astimezone(PACIFIC).date().isoformat()


def long_text(instant: datetime) -> str:
    """Render with 7 fractional digits, as orders, shipments and fulfillments do."""
    return f"{local(instant).isoformat(timespec='microseconds')}0"


def trimmed_text(instant: datetime) -> str:
    """Render with up to 3 fractional digits and no trailing zeros, as items and products do."""
    text = local(instant).isoformat(timespec="milliseconds")
    return text.rstrip("0").rstrip(".") if "." in text else text


def utc_text(instant: datetime) -> str:
    """Render in UTC for seed data and for the state of the sandbox."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def milliseconds(instant: datetime) -> datetime:
    """Cut to milliseconds, the precision seen in recorded answers."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def read_day(value: object) -> str:
    """Read a bare date out of a date or time text; raise ValueError."""
    return date.fromisoformat(str(value)[:10]).isoformat()
