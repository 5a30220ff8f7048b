"""Walk a list of ShipStation's that changes while it is read, and lose no row of it.

The list is sorted by time and asked for "from the last time seen" again and again, because page
numbers skip rows once a row in front of them moves away (reliability.md §3.1). Only where that
leads nowhere, as when a bulk edit gave hundreds of orders one time, pages are counted, each
overlapping the one before so that a moved row is noticed. A page that the server cannot show is
narrowed down to the record that spoils it, which becomes a `Gap` (shipstation.md §1.5).
"""

import hashlib
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from bcss.clock import PacificTime, pacific_text, parse_pacific
from bcss.errors import RetryLater, UpstreamError, UrlTooLong
from bcss.shipstation.answers import ENVELOPE, THROTTLED, VENDOR, Page
from bcss.shipstation.client import PAGE_SIZE
from bcss.wire import canonical

SIZES: Final = (PAGE_SIZE, 125, 25, 5, 1)
MAX_BAD_RUN: Final = 5
MAX_REWINDS: Final = 5
_SECOND: Final = timedelta(seconds=1)
_HOUR: Final = timedelta(hours=1)
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_IDLE_PAGES: Final = 10
_LABEL: Final = 64


@dataclass(frozen=True, slots=True)
class Source:
    """A list: how to ask for it and how its rows are told apart.

    `fields` name a row's identity and time, `sort` what the list is sorted by, `since` and
    `until` the parameters that bound it; a list without `since` is fixed by its filters and
    read by page number.
    """

    name: str
    fetch: Callable[[Mapping[str, str | int]], Page]
    filters: Mapping[str, str | int]
    fields: tuple[str, str]
    sort: str
    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it came; one that is not fresh was delivered before."""

    value: Any
    identity: str
    label: str
    time: PacificTime | None
    fresh: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """A record that the server cannot show, by the rows around it."""

    before: str
    after: str
    ordinal: int
    problem: str


@dataclass(frozen=True, slots=True)
class Block:
    """What one request brought, in the list's order."""

    rows: tuple[Row, ...]
    gaps: tuple[Gap, ...] = ()
    nulls: int = 0
    total: int = 0
    server_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """A bound as ShipStation is asked for it, with the earliest instant that it may mean."""

    text: str
    instant: datetime


def ask_since(instant: datetime) -> Ask:
    """Render a lower bound; it never exceeds `instant`, however the server reads it.

    Inside the hour that autumn repeats a text names two instants, so the bound moves to the
    second before that hour.
    """
    text = pacific_text(instant)
    known = parse_pacific(text)
    if known.earliest != known.latest:
        before = known.earliest.replace(minute=0, second=0, microsecond=0) - _SECOND
        return Ask(pacific_text(before), before)
    return Ask(text, known.earliest)


def ask_until(instant: datetime) -> Ask:
    """Render an upper bound; it never falls short of `instant`, however the server reads it."""
    later = instant + _SECOND
    known = parse_pacific(pacific_text(later))
    if known.earliest != known.latest:
        later = known.latest.replace(minute=0, second=0, microsecond=0) + _HOUR
    return Ask(pacific_text(later), later)


def walk(
    source: Source, since: datetime, seen: dict[str, datetime] | None = None
) -> Iterator[Block]:
    """Read the list from `since` to its end, at least one block; rows come once as fresh.

    `seen` carries over what an earlier walk of the same list has delivered. Raise what the
    client raises, and RetryLater when the list is out of order or does not hold still.
    """
    return _Walk(source, ask_since(since), seen=seen if seen is not None else {}).blocks()


def row_of(value: Any, identity: str, time: str, seen: Container[str] = ()) -> Row:
    """Label a row by its id and time, or by its content where it lacks one of them."""
    known = value if isinstance(value, Mapping) else {}
    found, text = known.get(identity), known.get(time)
    instant = _time(text)
    name = "" if found is None else str(found)[:_LABEL]
    if name and instant is not None:
        label = f"{name}@{str(text)[:_LABEL]}"
    else:
        label = f"{name or '?'}@{hashlib.sha256(canonical([value])).hexdigest()[:16]}"
    return Row(value, name, label, instant, fresh=label not in seen)


def is_poison(error: UpstreamError) -> bool:
    """Tell whether a page failed in a way that one bad record in it can cause.

    That is a 500, an answer that is no JSON, or one that exceeds every bound; never throttling.
    """
    if error.code in (THROTTLED, ENVELOPE):
        return False
    return isinstance(error, UrlTooLong) or error.status in (
        HTTPStatus.OK,
        HTTPStatus.INTERNAL_SERVER_ERROR,
    )


def page_after(behind: int, low: int, size: int) -> tuple[int, int]:
    """Choose the page number and size that bring most rows after the first `behind` ones.

    The page begins at row `low` or later, has at most `size` rows and, where that is possible,
    repeats the row before the new ones.
    """
    best, found = 0, (0, 0)
    for rows in range(size, 1, -1):
        pages = (behind - 1) // rows if behind else 0
        new = pages * rows + rows - behind
        if pages * rows >= low and new > best:
            best, found = new, (pages + 1, rows)
    if best:
        return found
    rows = next(rows for rows in range(size, 0, -1) if behind % rows == 0)
    return behind // rows + 1, rows


@dataclass(slots=True)
class _Walk:
    """Where a walk stands: the list asked for from `ask`, and `behind` of its rows done with."""

    source: Source
    ask: Ask
    seen: dict[str, datetime]
    size: int = PAGE_SIZE
    limit: int = PAGE_SIZE  # the most the server has been seen to give
    behind: int = 0
    low: int = 0  # the first row after the last gap
    suspect: int = 0  # among so many rows ahead one spoils the page
    last: str = ""  # label of the row before `behind`, to see whether rows have moved
    trail: str = ""  # the same, but kept across restarts
    idle: int = 0
    rewinds: int = 0

    def blocks(self) -> Iterator[Block]:
        """Yield block after block; the walk is complete when this ends without an error."""
        while True:
            number, size = page_after(self.behind, self.low, min(self.size, self.limit))
            offset = (number - 1) * size
            try:
                page = self._fetch(number, size)
            except UpstreamError as error:
                if not is_poison(error):
                    raise
                if size > 1 and (self.suspect or self._single(self.behind) is not None):
                    self.suspect = min(self.suspect or size, size)
                    self.size = _smaller(self.suspect)
                    continue
                gaps = self._step_over(error)
                if gaps:
                    yield Block((), gaps)
                continue
            rows = self._rows(page)
            if not self._joins(rows, offset):
                self._rewind()
                continue
            fresh = sum(row.fresh for row in rows)
            self._remember(rows)
            yield Block(tuple(rows), (), len(page.rows) - len(rows), page.total, page.server_time)
            if self._is_end(page, offset, size, fresh):
                return
            self._advance(rows, offset + len(page.rows), len(page.rows), fresh)

    def _fetch(self, number: int, size: int) -> Page:
        source = self.source
        bound = {source.since: self.ask.text} if source.since else {}
        order = {"sortBy": source.sort, "sortDir": "ASC"}
        return source.fetch({**source.filters, **bound, **order, "page": number, "pageSize": size})

    def _single(self, position: int) -> Page | None:
        """Read one row by its position; None when the server cannot show it."""
        try:
            return self._fetch(position + 1, 1)
        except UpstreamError as error:
            if not is_poison(error):
                raise
            return None

    def _rows(self, page: Page) -> list[Row]:
        """Label the rows and check their order; null rows are left out."""
        rows: list[Row] = []
        floor: datetime | None = None
        for value in page.rows:
            if value is None:
                continue
            row = self._row(value)
            if row.time is not None and self.source.since:
                # Rows within one second may stand in any order: each restart begins a second
                # earlier. In the hour that autumn repeats, texts may step back.
                if floor is not None and row.time.latest < floor - _SECOND:
                    raise self._unsteady("is not in the order that was asked for")
                floor = max(floor or row.time.earliest, row.time.earliest)
            rows.append(row)
        return rows

    def _row(self, value: Any) -> Row:
        return row_of(value, *self.source.fields, self.seen)

    def _joins(self, rows: list[Row], offset: int) -> bool:
        """Tell whether an overlapping page still holds the row that was the last one."""
        if offset >= self.behind or not self.last:
            return True
        return any(row.label == self.last for row in rows)

    def _rewind(self) -> None:
        """Read the list from its start, or from the last gap, because rows have moved."""
        self._count_trouble()
        self.behind, self.last = self.low, ""

    def _count_trouble(self) -> None:
        self.rewinds += 1
        if self.rewinds > MAX_REWINDS:
            raise self._unsteady("does not hold still")

    def _remember(self, rows: list[Row]) -> None:
        for row in rows:
            self.seen[row.label] = row.time.latest if row.time else _NEVER

    def _is_end(self, page: Page, offset: int, size: int, fresh: int) -> bool:
        """Trust a short page, unless the total says that the server gives shorter pages."""
        count = len(page.rows)
        if count == 0:
            return True
        if count >= size:
            return False
        if page.total <= offset + count or not fresh:
            return True
        self.limit = count
        return False

    def _advance(self, rows: list[Row], behind: int, count: int, fresh: int) -> None:
        self.idle = 0 if fresh else self.idle + 1
        if self.idle > len(self.seen) // self.size + _IDLE_PAGES:
            raise self._unsteady("does not end")
        if self.suspect:
            self.suspect = max(0, self.suspect - fresh)
        self.size = _smaller(self.suspect) if self.suspect else _larger(self.size)
        if rows:
            self.trail = rows[-1].label
        if not self._restart(rows, count):
            self.behind = max(self.behind, behind)
            self.last = rows[-1].label if rows else ""

    def _restart(self, rows: list[Row], count: int) -> bool:
        """Ask from the last time seen, less a second, unless that brings mostly the same rows.

        It follows that a row of this page lies before the new bound, and with it any gap.
        """
        last = next((row.time for row in reversed(rows) if row.time), None)
        if last is None or not self.source.since:
            return False
        ask = ask_since(last.earliest - _SECOND)
        if ask.instant <= self.ask.instant:
            return False
        again = sum(row.time is None or row.time.latest >= ask.instant for row in rows)
        if again * 2 > count:
            return False
        self.ask, self.behind, self.low = ask, 0, 0
        self.last = ""
        self.seen = {label: time for label, time in self.seen.items() if time >= ask.instant}
        return True

    def _step_over(self, error: UpstreamError) -> tuple[Gap, ...]:
        """Pass the record at `behind`, once it is certain that it and nothing else is at fault.

        A row behind it must be readable, and it must fail again after that; otherwise nothing is
        passed. Raise `error` when nothing is readable.
        """
        bad = self.behind
        end, page = self._readable_after(bad, error)
        for position in range(bad, end):
            again = self._single(position)
            if again is not None:
                end, page = position, again
                break
        self.suspect, self.size = 0, SIZES[-2]
        if end == bad:
            self._count_trouble()
            return ()
        before = self.trail or self._row_before()
        after = next((self._row(row) for row in page.rows if row is not None), None)
        self.behind = self.low = end
        self.last = ""
        label = after.label if after else ""
        return tuple(Gap(before, label, number + 1, error.message) for number in range(end - bad))

    def _readable_after(self, bad: int, error: UpstreamError) -> tuple[int, Page]:
        for position in range(bad + 1, bad + 1 + MAX_BAD_RUN):
            page = self._single(position)
            if page is not None:
                return position, page
        raise error

    def _row_before(self) -> str:
        """Name the row before the first one asked for, so that a gap there is named alike later."""
        source = self.source
        if not source.until:
            return ""
        bound = {source.until: self.ask.text, "sortBy": source.sort, "sortDir": "DESC"}
        try:
            page = source.fetch({**source.filters, **bound, "page": 1, "pageSize": 1})
        except UpstreamError as error:
            if not is_poison(error):
                raise
            return ""
        return next((self._row(row).label for row in page.rows if row is not None), "")

    def _unsteady(self, problem: str) -> RetryLater:
        return RetryLater(
            f"ShipStation's list of {self.source.name} {problem}.",
            hint="Nothing was lost: the next run reads it again from the same time.",
            vendor=VENDOR,
            code="unsteady",
        )


def _smaller(suspect: int) -> int:
    """Choose the size of pages that search `suspect` rows for a bad one."""
    return next(size for size in SIZES if size <= max(1, suspect // 2))


def _larger(size: int) -> int:
    return next((larger for larger in reversed(SIZES) if larger > size), PAGE_SIZE)


def _time(text: object) -> PacificTime | None:
    if not isinstance(text, str):
        return None
    try:
        return parse_pacific(text)
    except (ValueError, OverflowError):
        return None
