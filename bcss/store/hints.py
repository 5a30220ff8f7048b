"""Keep what the listener was told until it is worked off, in a file of its own (design §7).

The listener adds and the worker takes; neither ever waits behind booking, which has another
file. What is full is not refused: instead of each hint it notes only that a poll is due.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from bcss.clock import Clock, iso
from bcss.errors import StateBroken
from bcss.store.sqlite import Connection, open_file, write_tx

# A pointer as it came, unsigned or with a signature that is good; what Business Central says has
# changed; poll, or refresh, everything.
Kind = Literal["shipstation", "signed", "business_central", "poll", "refresh"]

SIGNING_KEYS: Final = "signing keys"  # the fact that holds ShipStation's key set
UNKNOWN_KEY: Final = "unknown key"  # the tally of webhooks signed by a key that is not in it
MAX_WAITING: Final = 100_000
MAX_STARTS: Final = 10  # a hint that ends its worker each time must not do so for ever
MAX_TRIES: Final = 3
_PAGE: Final = 500
_INSTEAD: Final[dict[Kind, Kind]] = {
    "shipstation": "poll",
    "signed": "poll",
    "business_central": "refresh",
}
_SCHEMA: Final = """CREATE TABLE IF NOT EXISTS hint (
    hint_id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, body BLOB NOT NULL,
    received_at TEXT NOT NULL, starts INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0, single TEXT UNIQUE) STRICT"""
_FACTS: Final = (
    "CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT"
)
_TALLY: Final = "tally:"
_REMEDY: Final = "Delete this file, start the listener anew and run bcss sync all."


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the listener took in; of kinds without body only the latest is kept."""

    kind: Kind
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Hint:
    """A hint that waits; nothing in its body has been checked."""

    hint_id: int
    kind: Kind
    body: bytes


def hints_path(state: Path) -> Path:
    """Name the hints' file, beside the state database."""
    return state.with_name(f"{state.name}.hints")


class Hints:
    """The hints of one connection. Every method raises StateBroken when the file fails us."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        synchronous: str = "FULL",
        most: int = MAX_WAITING,
    ) -> None:
        self.path = path
        self._clock = clock
        self._most = most
        self._conn = open_file(path, synchronous=synchronous, remedy=_REMEDY)
        try:
            if not self._conn.execute("SELECT 1 FROM sqlite_schema WHERE name = 'fact'").fetchone():
                self._conn.execute(_SCHEMA)
                self._conn.execute(_FACTS)
            self._inode = path.stat().st_ino
        except BaseException:
            self._conn.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._conn.close()

    def add(self, arrivals: Iterable[Arrival]) -> None:
        """Store hints durably, all in one transaction."""
        self._still_there()
        at = iso(self._clock.now())
        with write_tx(self._conn) as conn:
            full = self._is_full(conn)
            conn.executemany(
                "INSERT OR REPLACE INTO hint (kind, body, received_at, single) VALUES (?,?,?,?)",
                [_row(one, at, full=full) for one in arrivals],
            )

    def any_waiting(self) -> bool:
        """Tell whether anything waits."""
        return self._conn.execute("SELECT 1 FROM hint LIMIT 1").fetchone() is not None

    def count(self) -> int:
        """Return how many hints wait."""
        return int(self._conn.execute("SELECT count(*) FROM hint").fetchone()[0])

    def begin(self) -> int:
        """Note that everything that waits is being worked on; return the last hint's number, or 0.

        What has ended the worker too often is deleted first.
        """
        with write_tx(self._conn) as conn:
            conn.execute("DELETE FROM hint WHERE starts >= ?", (MAX_STARTS,))
            last = int(conn.execute("SELECT coalesce(max(hint_id), 0) FROM hint").fetchone()[0])
            conn.execute("UPDATE hint SET starts = starts + 1 WHERE hint_id <= ?", (last,))
        return last

    def upto(self, last: int) -> Iterator[Hint]:
        """Return the hints up to a number, oldest first, a page at a time."""
        seen = 0
        while True:
            rows = self._conn.execute(
                "SELECT hint_id, kind, body FROM hint WHERE hint_id > ? AND hint_id <= ? "
                "ORDER BY hint_id LIMIT ?",
                (seen, last, _PAGE),
            ).fetchall()
            yield from (Hint(row[0], row[1], bytes(row[2])) for row in rows)
            if not rows:
                return
            seen = rows[-1][0]

    def done(self, last: int) -> None:
        """Delete the hints up to a number: their work is done."""
        with write_tx(self._conn) as conn:
            conn.execute("DELETE FROM hint WHERE hint_id <= ?", (last,))

    def failed(self, last: int) -> int:
        """Note that work on the hints up to a number failed; return how many were given up."""
        with write_tx(self._conn) as conn:
            conn.execute("UPDATE hint SET tries = tries + 1 WHERE hint_id <= ?", (last,))
            return conn.execute("DELETE FROM hint WHERE tries >= ?", (MAX_TRIES,)).rowcount

    def put_back(self, last: int) -> None:
        """Leave the hints up to a number to the next worker, as if they had not been begun."""
        with write_tx(self._conn) as conn:
            conn.execute(
                "UPDATE hint SET starts = starts - 1 WHERE hint_id <= ? AND starts > 0", (last,)
            )

    # What listener and worker tell each other beside the hints -----------------------------------

    def fact(self, name: str) -> str:
        """Return a noted fact; empty when there is none."""
        row = self._conn.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else ""

    def note(self, facts: Mapping[str, str]) -> None:
        """Note facts in place of what was noted under these names."""
        with write_tx(self._conn) as conn:
            conn.executemany(
                "INSERT OR REPLACE INTO fact (name, value) VALUES (?,?)", facts.items()
            )

    def tally(self, counts: Mapping[str, int]) -> None:
        """Add to counters; all that is left of messages that are not kept."""
        with write_tx(self._conn) as conn:
            conn.executemany(
                "INSERT INTO fact (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE "
                "SET value = CAST(CAST(value AS INTEGER) + CAST(excluded.value AS INTEGER) AS TEXT)",
                [(f"{_TALLY}{name}", str(number)) for name, number in counts.items()],
            )

    def tallies(self) -> dict[str, int]:
        """Return the counters."""
        rows = self._conn.execute(
            "SELECT name, value FROM fact WHERE name >= ? AND name < ? ORDER BY name",
            (_TALLY, f"{_TALLY}\U0010ffff"),
        )
        return {str(name).removeprefix(_TALLY): int(value) for name, value in rows}

    def _is_full(self, conn: Connection) -> bool:
        """Compare the numbers' span first, since counting reads the whole table."""
        span = conn.execute(
            "SELECT (SELECT max(hint_id) FROM hint) - (SELECT min(hint_id) FROM hint)"
        ).fetchone()[0]
        return span is not None and span + 1 >= self._most and self.count() >= self._most

    def _still_there(self) -> None:
        """Refuse to answer 200 for what would go into a file that nobody can open any more."""
        try:
            inode = os.stat(self.path).st_ino  # noqa: PTH116 - Path.stat would do the same
        except OSError:
            inode = 0
        if inode != self._inode:
            raise StateBroken(f"{self.path} was removed or replaced.", hint="It is opened anew.")


def _row(one: Arrival, at: str, *, full: bool) -> tuple[str, bytes, str, str | None]:
    # A single one replaces its like under a new number, so that a worker that has begun on the
    # old one cannot delete the new one with it.
    kind = _INSTEAD.get(one.kind, one.kind) if full else one.kind
    single = kind if kind in _INSTEAD.values() else None
    return kind, b"" if single else one.body, at, single
