"""Open the state database of one connection and hold its parts together."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from bcss.clock import Clock, iso, parse_utc
from bcss.errors import FixConfig, StateBroken
from bcss.store.cache import Cache
from bcss.store.captured import Captured
from bcss.store.labels import LabelBook
from bcss.store.news import News
from bcss.store.queue import Queue
from bcss.store.schema import migrate
from bcss.store.sqlite import Connection, Error, check_whole, open_file, trouble, write_tx
from bcss.store.trail import Event, Trail
from bcss.store.unitbook import UnitBook

SMALL = 16 * 1024 * 1024
_CHECKED = "checked"
_CHECK_LASTS = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command, as recorded."""

    run_id: int
    command: str
    actor: str
    started_at: datetime
    ended_at: datetime | None
    exit_code: int | None
    summary: Mapping[str, Any]


class Store:
    """The state and audit of one connection; every write goes through `write`."""

    def __init__(
        self, path: Path, clock: Clock, *, synchronous: str = "FULL", checked: bool = True
    ) -> None:
        """Open the file, and look for damage unless it is opened only to be looked at."""
        self.path = path
        self.clock = clock
        self._conn = open_file(path, synchronous=synchronous)
        self._inode = os.stat(path).st_ino  # noqa: PTH116 - Path.stat would do the same
        try:
            migrate(self._conn)
            if checked:
                self._check()
            self.trail = Trail(self._conn)
            self.orders = Captured(self._conn, self.trail)
            self.news = News(self._conn)
            self.units = UnitBook(self._conn)
            self.holds = Queue(self._conn, self.trail)
            self.cache = Cache(self._conn)
            self.labels = LabelBook(self._conn)
            self.database_id = self._identity()
        except BaseException:
            self._conn.close()
            raise

    @property
    def connection(self) -> Connection:
        """Return the raw connection, for the store's own modules and for tests."""
        return self._conn

    @contextmanager
    def write(self) -> Iterator[None]:
        """Run a block as one durable write transaction; inside another it joins that one."""
        if self._conn.in_transaction:
            yield
            return
        self._still_there()
        with write_tx(self._conn):
            yield

    def _still_there(self) -> None:
        """Refuse to go on writing into a file that was replaced under us (ST-04).

        It costs 3 µs, and no intent may be written where nobody will find it.
        """
        try:
            inode = os.stat(self.path).st_ino  # noqa: PTH116
        except OSError:
            inode = 0
        if inode != self._inode:
            raise StateBroken(
                f"{self.path} was removed or replaced while bcss was running.",
                hint="Put the file back, or build it again: bcss rebuild --since DATE.",
            )

    def version_of_others(self) -> int:
        """Return a number that changes whenever another process has written.

        Inside one transaction it tells whether what was read in an earlier one still stands.
        """
        return int(self._conn.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._conn.close()

    def _identity(self) -> str:
        found = self.meta("database_id")
        if found:
            return found
        with self.write():
            if not self.meta("database_id"):
                self.set_meta("database_id", uuid4().hex)
                self.set_meta("created", iso(self.clock.now()))
        return self.meta("database_id")

    def _check(self) -> None:
        """Look through the whole file for damage, when it is small or was not looked at today.

        It costs 2 ms per MiB. Without it a run would act on what a damaged page seems to say, and
        would find out only when it meets the page itself. Nobody is kept from writing meanwhile.
        """
        now = self.clock.now()
        size = self.path.stat().st_size
        last = self.meta(_CHECKED) if size > SMALL else ""
        if last and timedelta() <= now - parse_utc(last) < _CHECK_LASTS:
            return
        check_whole(self._conn)
        if size > SMALL:
            with self.write():
                self.set_meta(_CHECKED, iso(now))

    def meta(self, key: str) -> str:
        """Return a fact about this database, or empty text."""
        row = self._conn.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else ""

    def set_meta(self, key: str, value: str) -> None:
        """Note a fact about this database, inside the caller's transaction."""
        self._conn.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )

    def bind(self, facts: Mapping[str, str]) -> None:
        """Bind the database to tenant, environment, company and account at first use.

        Raise FixConfig when a later configuration names others (design §3).
        """
        for key, value in facts.items():
            bound = self.meta(f"bound:{key}")
            if bound and bound != value:
                raise FixConfig(
                    f"{self.path} belongs to {key} {bound}, the configuration names {value}.",
                    hint="Use another state path for another connection.",
                )
        if all(self.meta(f"bound:{key}") for key in facts):
            return
        with self.write():
            for key, value in facts.items():
                self.set_meta(f"bound:{key}", value)

    def begin_run(self, command: str, actor: str, version: str, config: str) -> int:
        """Record that a run begins; everything until `end_run` is written on its behalf."""
        now = self.clock.now()
        with self.write():
            cursor = self._conn.execute(
                "INSERT INTO run (command, actor, version, config, started_at) VALUES (?,?,?,?,?)",
                (command, actor, version, config, iso(now)),
            )
            self.trail.run_id = int(cursor.lastrowid or 0)
            self.trail.actor = actor
            if self.meta("config") != config:
                self.set_meta("config", config)
                text = f"configuration {config[:12]} with bcss {version}"
                self.trail.add(now, Event("config", "run", f"run:{self.trail.run_id}", text))
        return self.trail.run_id

    def end_run(self, exit_code: int, summary: Mapping[str, Any]) -> None:
        """Record how the run ended, with the head of the audit chain."""
        now = self.clock.now()
        seq, head = self.trail.head()
        body = json.dumps({**summary, "audit": {"seq": seq, "head": head}}, sort_keys=True)
        with self.write():
            self._conn.execute(
                "UPDATE run SET ended_at = ?, exit_code = ?, summary = ? WHERE run_id = ?",
                (iso(now), exit_code, body, self.trail.run_id),
            )

    def last_run(self) -> int:
        """Return the number of the last run, 0 before the first."""
        return int(self._conn.execute("SELECT coalesce(max(run_id), 0) FROM run").fetchone()[0])

    def runs(self, limit: int = 20) -> list[Run]:
        """Return the last runs, newest first."""
        rows = self._conn.execute(
            "SELECT run_id, command, actor, started_at, ended_at, exit_code, summary FROM run "
            "ORDER BY run_id DESC LIMIT ?",
            (limit,),
        )
        return [
            Run(
                row[0],
                row[1],
                row[2],
                parse_utc(row[3]),
                parse_utc(row[4]) if row[4] else None,
                row[5],
                json.loads(row[6]),
            )
            for row in rows
        ]

    def store_stops(self) -> dict[int, str]:
        """Return the ShipStation stores for which posting is stopped, and until when."""
        stopping = self.holds.stopping().items()
        return {one: f"until {hold.label} is decided: {hold.message}" for one, hold in stopping}


def copy_database(source: Path, target: Path) -> None:
    """Copy a state database as it stands at this moment, also while a run is writing to it."""
    with closing(open_file(source, create=False)) as here, closing(open_file(target)) as there:
        try:
            here.backup(there)
        except Error as error:
            raise trouble(error, source) from None
