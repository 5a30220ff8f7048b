"""Share one vendor's request quota among all processes of this host (stack.md §4.3).

A small file of its own, so that nobody waits for it behind booking. It may be lost: the
vendor's own headers correct it, and each run claims its stores again.
"""

import hashlib
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from bcss.clock import Clock, iso
from bcss.errors import FixConfig
from bcss.store.sqlite import Connection, open_file, write_tx

# What each class must leave to those before it, in parts of a window's whole quota:
# of ShipStation's 40 the listener leaves 4 and a batch 10.
RESERVES: Final = {"operator": 0.0, "listener": 0.1, "batch": 0.25}
_LAST_PART = 6.0  # in the last sixth of a window nobody's reserve is worth keeping
_MARGIN = 1.0  # the vendor's window begins a little after ours, and Reset is in whole seconds
_LONGEST_BLOCK = 900.0
_DIGITS = 8
_LONGEST_WINDOW = 2.0  # windows; a reset further away comes from a clock that was set back
_CLAIM_LIFE = timedelta(days=35)
_REMEDY = "Delete this file: each run makes it anew."
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS budget (
        key_hash TEXT PRIMARY KEY, quota INTEGER NOT NULL, remaining INTEGER NOT NULL,
        reset_at REAL NOT NULL, blocked_until REAL NOT NULL) STRICT""",
    """CREATE TABLE IF NOT EXISTS claims (
        key_hash TEXT NOT NULL, store_id INTEGER NOT NULL, connection TEXT NOT NULL,
        claimed_at TEXT NOT NULL, PRIMARY KEY (key_hash, store_id)) STRICT""",
)


@dataclass(frozen=True, slots=True)
class Claim:
    """Which connection books the orders of a store."""

    connection: str
    store_id: int
    key_hash: str
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of the present window, as far as this host knows."""

    limit: int
    remaining: int
    resets_in: float
    blocked_for: float


def hash_key(api_key: str) -> str:
    """Name a key without telling it: connections that share one share one budget."""
    return hashlib.sha256(b"bcss budget\0" + api_key.encode()).hexdigest()[:32]


class Budget:
    """The quota of one API key: `limit` requests in each `window` of seconds."""

    def __init__(self, path: Path, key_hash: str, limit: int, window: float, clock: Clock) -> None:
        self.key_hash = key_hash
        self._limit = max(1, limit)
        self._window = window
        self._clock = clock
        self._lock = threading.Lock()  # a connection is for one thread at a time
        self._conn = open_file(path, synchronous="OFF", any_thread=True, remedy=_REMEDY)
        _create(self._conn)

    def acquire(self, klass: str) -> float:
        """Take one request for `klass`; return 0, or the seconds after which to ask again."""
        with self._lock, write_tx(self._conn) as conn:
            now = self._now()
            remaining, reset_at, blocked_until = self._row(conn, now)
            if blocked_until > now:
                return blocked_until - now
            wait = self._wait(klass, remaining, reset_at - now)
            if wait == 0:
                self._save(conn, remaining - 1, reset_at, blocked_until)
            return wait

    def feed(self, headers: Mapping[str, str]) -> None:
        """Believe the vendor where it counts fewer requests than we do.

        Its window replaces ours: other tools may use the same key.
        """
        remaining = _number(headers.get("x-rate-limit-remaining"))
        reset = _number(headers.get("x-rate-limit-reset"))
        if remaining is None:
            return
        with self._lock, write_tx(self._conn) as conn:
            now = self._now()
            known, reset_at, blocked_until = self._row(conn, now)
            if reset is not None and reset <= self._window * _LONGEST_WINDOW:
                reset_at = now + reset + _MARGIN
            self._save(conn, min(known, remaining), reset_at, blocked_until)

    def blocked(self, seconds: float) -> None:
        """Stop all processes that use this key for so many seconds, 1 to 900."""
        with self._lock, write_tx(self._conn) as conn:
            now = self._now()
            _, reset_at, blocked_until = self._row(conn, now)
            until = now + min(max(1.0, seconds), _LONGEST_BLOCK)
            # When the block ends, the vendor counts from nothing again.
            self._save(conn, 0, min(reset_at, until), max(blocked_until, until))

    def quota(self) -> Quota:
        """Return what is left, for `status` and `check`."""
        with self._lock, write_tx(self._conn) as conn:
            now = self._now()
            remaining, reset_at, blocked_until = self._row(conn, now)
            return Quota(self._limit, remaining, reset_at - now, max(0.0, blocked_until - now))

    def claim_store(
        self, connection: str, store_id: int, account_key_hash: str | None = None
    ) -> None:
        """Record that `connection` books this store; raise FixConfig when another one does."""
        with self._lock, write_tx(self._conn) as conn:
            self._claim(conn, connection, store_id, account_key_hash or self.key_hash)

    def claim_stores(
        self, connection: str, store_ids: Collection[int], account_key_hash: str | None = None
    ) -> None:
        """Record all stores that `connection` books, and release those it no longer names."""
        key_hash = account_key_hash or self.key_hash
        with self._lock, write_tx(self._conn) as conn:
            conn.execute(
                "DELETE FROM claims WHERE key_hash = ? AND connection = ?", (key_hash, connection)
            )
            for store_id in sorted(store_ids):
                self._claim(conn, connection, store_id, key_hash)

    def claims(self) -> list[Claim]:
        """Return who books which store, for all keys of this host."""
        with self._lock:
            rows = self._conn.execute(
                "SELECT connection, store_id, key_hash, claimed_at FROM claims "
                "ORDER BY key_hash, store_id"
            ).fetchall()
        return [
            Claim(name, store, key, datetime.fromisoformat(at)) for name, store, key, at in rows
        ]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._conn.close()

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _row(self, conn: Connection, now: float) -> tuple[int, float, float]:
        """Return remaining, reset and block, with a window that is over begun anew."""
        row = conn.execute(
            "SELECT remaining, reset_at, blocked_until FROM budget WHERE key_hash = ?",
            (self.key_hash,),
        ).fetchone()
        fresh = (self._limit, now + self._window + _MARGIN)
        if row is None:
            return *fresh, 0.0
        remaining, reset_at, blocked_until = row
        if blocked_until > now + _LONGEST_BLOCK:
            blocked_until = 0.0
        if reset_at <= now or reset_at > now + self._window * _LONGEST_WINDOW + _MARGIN:
            return *fresh, blocked_until
        return min(remaining, self._limit), reset_at, blocked_until

    def _wait(self, klass: str, remaining: int, resets_in: float) -> float:
        reserve = int(self._limit * RESERVES[klass])
        if remaining <= 0:
            return resets_in
        last_part = self._window / _LAST_PART
        if remaining > reserve or resets_in <= last_part:
            return 0.0
        return resets_in - last_part

    def _save(self, conn: Connection, remaining: int, reset_at: float, blocked: float) -> None:
        conn.execute(
            "INSERT INTO budget VALUES (?, ?, ?, ?, ?) ON CONFLICT (key_hash) DO UPDATE SET "
            "quota = excluded.quota, remaining = excluded.remaining, "
            "reset_at = excluded.reset_at, blocked_until = excluded.blocked_until",
            (self.key_hash, self._limit, max(0, remaining), reset_at, blocked),
        )

    def _claim(self, conn: Connection, connection: str, store_id: int, key_hash: str) -> None:
        now = self._clock.now()
        row = conn.execute(
            "SELECT connection, claimed_at FROM claims WHERE key_hash = ? AND store_id = ?",
            (key_hash, store_id),
        ).fetchone()
        if row and row[0] != connection and now - datetime.fromisoformat(row[1]) < _CLAIM_LIFE:
            raise FixConfig(
                f"Store {store_id} is booked by the connection {row[0]!r} already, "
                f"and {connection!r} claims it too.",
                hint=f"List the store in one of them only; after removing it from {row[0]!r}, "
                "run that one once.",
            )
        conn.execute(
            "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?)",
            (key_hash, store_id, connection, iso(now)),
        )


def _create(conn: Connection) -> None:
    tables = conn.execute("SELECT count(*) FROM sqlite_schema WHERE type = 'table'").fetchone()[0]
    if tables >= len(_SCHEMA):
        return
    with write_tx(conn):
        for statement in _SCHEMA:
            conn.execute(statement)


def _number(text: str | None) -> int | None:
    """Read a header's count; Python's int() would take signs, blanks and underscores."""
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < _DIGITS else None
