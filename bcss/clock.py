"""Ask the time, sleep, and convert between zones; nothing else in bcss does any of it.

Inside bcss every instant is an aware `datetime` in UTC. ShipStation V1 sends and expects
US Pacific wall-clock text without offset (shipstation.md §10).
"""

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, Protocol
from zoneinfo import ZoneInfo

PACIFIC = ZoneInfo("America/Los_Angeles")
# Two clocks that agree are taken for one, which keeps the fractions that a Date header lacks.
AGREEMENT: Final = timedelta(seconds=2)
# What a clock has noted that is further ahead than this was noted by a wrong one.
FAR: Final = timedelta(days=2)
_FRACTION_DIGITS = 6
_YEARS = range(2020, 2100)


class Clock(Protocol):
    """What the rest of bcss may know of time."""

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The clock of this host."""

    def now(self) -> datetime:
        """Return the host's wall clock in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the host's monotonic seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Sleep on the host's clock."""
        time.sleep(max(0.0, seconds))


class VendorClock:
    """A vendor's clock as its answers tell it; until one has come, the host's own.

    How long ago a vendor got something must not depend on a host's clock that is set meanwhile.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: tuple[str, datetime, float] | None = None

    def hear(self, date: str) -> None:
        """Note the Date header of an answer that has just come; empty ones say nothing."""
        if date:
            self._heard = (date, self._clock.now(), self._clock.monotonic())

    def said(self) -> datetime | None:
        """Return what the last answer's header says, in whole seconds; None when it is none."""
        return http_date(self._heard[0]) if self._heard else None

    def answered(self) -> datetime:
        """Return when the last answer came."""
        said = self.said()
        if self._heard is None or said is None:
            return self._clock.now()
        at = self._heard[1]
        return at if abs(at - said) <= AGREEMENT else said

    def now(self) -> datetime:
        """Return the present instant, rather later than earlier: a host may have slept."""
        if self._heard is None or self.said() is None:
            return self._clock.now()
        _, at, steady = self._heard
        passed = max((self._clock.now() - at).total_seconds(), self._clock.monotonic() - steady)
        answered = self.answered()
        instant = answered + timedelta(seconds=passed)
        return instant if answered == at else instant.replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class PacificTime:
    """A wall-clock text of ShipStation with both instants it may mean.

    The two differ only in the hour that autumn repeats (shipstation.md §10).
    """

    text: str
    earliest: datetime
    latest: datetime


def parse_pacific(text: str) -> PacificTime:
    """Read a ShipStation time: 0 to 7 fractional digits, no offset, or a bare date.

    Raise ValueError when the text is none. An explicit offset, which the documentation does
    not promise, is honoured when present.
    """
    naive = datetime.fromisoformat(text.strip())
    if naive.tzinfo is not None:
        instant = naive.astimezone(UTC)
        return PacificTime(text, instant, instant)
    first = naive.replace(tzinfo=PACIFIC, fold=0).astimezone(UTC)
    second = naive.replace(tzinfo=PACIFIC, fold=1).astimezone(UTC)
    return PacificTime(text, min(first, second), max(first, second))


def pacific_text(instant: datetime) -> str:
    """Render an instant as ShipStation expects it in a query, whole seconds, rounded down."""
    return instant.astimezone(PACIFIC).strftime("%Y-%m-%d %H:%M:%S")


def near_fall_back(instant: datetime) -> bool:
    """Tell whether Pacific time falls back within one hour before to two hours after `instant`.

    In that span a wall-clock text does not name one instant (design §4.4.6).
    """
    before = (instant - timedelta(hours=2)).astimezone(PACIFIC).utcoffset()
    after = (instant + timedelta(hours=1)).astimezone(PACIFIC).utcoffset()
    return before is not None and after is not None and after < before


def calendar_date(text: str, zone: ZoneInfo) -> date:
    """Read a vendor's ship date as the date in the company's zone (design §4.2).

    A bare date and a datetime at midnight are calendar dates and are never shifted; any other
    time is a Pacific instant and is converted to `zone`. Raise ValueError when it is neither.
    """
    naive = datetime.fromisoformat(text.strip())
    if naive.tzinfo is None and naive.time() == datetime.min.time():
        return naive.date()
    return parse_pacific(text).earliest.astimezone(zone).date()


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """Return the instant at which `day` begins in `zone`, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def parse_utc(text: str) -> datetime:
    """Read an ISO 8601 time with offset, such as Business Central's; raise ValueError else."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"time without offset: {text!r}")
    return instant.astimezone(UTC) if instant.year > 1 else instant.replace(tzinfo=UTC)


def http_date(text: str) -> datetime | None:
    """Read a Date header; None when it is none, or of another century."""
    try:
        instant = parsedate_to_datetime(text)
        instant = instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return instant if instant.year in _YEARS else None


def iso(instant: datetime) -> str:
    """Render an instant in UTC with milliseconds, as stored and as printed in JSON."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
