"""Keep rows by id and in the order of their times."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bcss.sandbox.shipstation import times
from bcss.sandbox.shipstation.templates import Body, Kind, render

_CACHED_ROWS = 20_000
_KEPT_VERSIONS = 8


@dataclass(slots=True, eq=False)
class Row:
    """One record, its earlier versions, and what the wire never shows.

    `batch` is the import batch of an order or the batch id of a shipment, `changed` the time of
    the last change, `hidden` a soft delete.
    """

    identity: int
    body: Body
    changed: datetime
    batch: str = ""
    hidden: bool = False
    overlay: Body | None = None
    history: list[tuple[datetime, Body]] = field(default_factory=list)
    texts: dict[bool, str] = field(default_factory=dict)

    def visible(self, at: datetime, lag: timedelta) -> "Row | None":
        """Return this row as lists show it while changes become visible late."""
        if self.changed + lag <= at:
            return self
        for changed, body in reversed(self.history):
            if changed + lag <= at:
                return Row(self.identity, body, changed, self.batch, self.hidden, self.overlay)
        return None


class Table:
    """All rows of one kind."""

    def __init__(self, kind: Kind, rows: Iterable[Row] = ()) -> None:
        self.kind = kind
        self.rows = {row.identity: row for row in rows}
        self.next_id = kind.first_id
        self._sorted: dict[tuple[str, bool], tuple[list[Any], list[Row]]] = {}

    def new_id(self) -> int:
        """Take the next free id."""
        self.next_id += 1
        return self.next_id - 1

    def put(self, row: Row) -> Row:
        """Add or replace a row."""
        self.rows[row.identity] = row
        self.next_id = max(self.next_id, row.identity + 1)
        self._sorted.clear()
        return row

    def remove(self, identity: int) -> None:
        """Forget a row altogether."""
        del self.rows[identity]
        self._sorted.clear()

    def change(self, row: Row, at: datetime, *, keep: bool, **members: Any) -> Row:
        """Give a row a new body; with `keep` the old one remains visible for a while."""
        if keep:
            row.history = [*row.history, (row.changed, row.body)][-_KEPT_VERSIONS:]
        row.body = {**row.body, **members}
        row.changed = at
        row.texts.clear()
        self._sorted.clear()
        return row

    def hide(self, row: Row) -> None:
        """Take a row out of all lists; it still answers to its id."""
        row.hidden = True
        self._sorted.clear()

    def key(self, row: Row, name: str, *, local: bool) -> Any:
        """Return what a row sorts by; `local` compares wall-clock text, as one reading of §10."""
        if name == self.kind.id_field:
            return row.identity
        value = row.body.get(name)
        if name in self.kind.long_times or name in self.kind.trimmed_times:
            moment = value or times.EARLIEST
            return times.local(moment) if local else moment
        return str(value or "").lower()

    def sorted_by(self, name: str, *, local: bool) -> tuple[list[Any], list[Row]]:
        """Return keys and rows in ascending order of one member; equal keys by id."""
        found = self._sorted.get((name, local))
        if found is None:
            pairs = [
                (self.key(row, name, local=local), row.identity)
                for row in self.rows.values()
                if not row.hidden
            ]
            pairs.sort()
            found = [pair[0] for pair in pairs], [self.rows[pair[1]] for pair in pairs]
            self._sorted[name, local] = found
        return found

    def window(self, name: str, start: Any, end: Any, *, local: bool) -> list[Row]:
        """Return the rows whose member lies between two keys, both inclusive, in its order."""
        keys, rows = self.sorted_by(name, local=local)
        low = bisect_left(keys, start)
        high = len(keys) if end is None else bisect_right(keys, end)
        return rows[low:high]

    def text(self, row: Row, *, items: bool) -> str:
        """Return the JSON of a row, kept for small tables."""
        found = row.texts.get(items)
        if found is None:
            found = render(self.kind, row.body, row.overlay, items=items)
            if len(self.rows) <= _CACHED_ROWS:
                row.texts[items] = found
        return found

    def seen(self, at: datetime, lag: float) -> "Table":
        """Return the table as lists show it, `lag` seconds behind."""
        if not lag:
            return self
        delay = timedelta(seconds=lag)
        versions = (row.visible(at, delay) for row in self.rows.values())
        return Table(self.kind, (row for row in versions if row is not None))
