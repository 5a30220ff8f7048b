"""Kill a migration between any two of its statements: python -m tests.store.migrating FOLDER.

One process that forks, so that a real SIGKILL at each of some hundred points takes two seconds.
It prints the number of points, and what was wrong with the database that each kill left.
"""

import json
import os
import signal
import sqlite3 as plain
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bcss.clock import SystemClock
from bcss.errors import BcssError
from bcss.store.db import Store
from bcss.store.schema import migrate
from bcss.store.sqlite import open_file


def main(folder: Path) -> None:
    _open(folder / "whole.db")
    whole = shape(folder / "whole.db")
    found: list[str] = []
    points = {}
    for journal in ("wal", "delete"):
        point = 1
        while _killed(database := folder / f"{journal}{point}.db", point, journal):
            found += _problems(database, whole, f"{journal}, killed at statement {point}")
            point += 1
        found += _problems(database, whole, f"{journal}, not killed")
        points[journal] = point - 1
    found += _at_once(folder / "once.db", whole)
    sys.stdout.write(json.dumps({"points": points, "problems": found}))


def shape(database: Path) -> list[tuple[str, ...]]:
    """Return everything that a migration declares."""
    with closing(plain.connect(database)) as conn:
        rows = conn.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master ORDER BY 1, 2")
        version = conn.execute("PRAGMA user_version").fetchone()
        application = conn.execute("PRAGMA application_id").fetchone()
        return [*rows.fetchall(), (str(version), str(application))]


def _killed(database: Path, point: int, journal: str) -> bool:
    """Migrate a new file in a process that dies before its n-th statement; return whether it did."""
    if journal == "delete":  # a file that exists keeps its mode
        with closing(plain.connect(database)) as conn:
            conn.executescript("CREATE TABLE a (b); DROP TABLE a")
    child = os.fork()
    if child == 0:
        _migrate_until(database, point)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status):
        raise SystemExit(f"the migration of {database} failed")
    return False


def _migrate_until(database: Path, point: int) -> None:
    conn = open_file(database, synchronous="OFF")
    conn.execute("PRAGMA cache_size = 1")  # so that pages reach the disk before the commit
    seen = 0

    def statement(_text: str) -> None:
        nonlocal seen
        seen += 1
        if seen == point:
            os.kill(os.getpid(), signal.SIGKILL)

    conn.set_trace_callback(statement)
    _leave(lambda: migrate(conn))


def _leave(work: Callable[[], None]) -> None:
    """Do the work of a child, and end without what the parent would do."""
    ended = 1
    try:
        work()
        ended = 0
    finally:
        os._exit(ended)


def _problems(database: Path, whole: list[tuple[str, ...]], what: str) -> list[str]:
    """The next start finishes the migration, or refuses; it never works on half a database."""
    before = shape(database)
    tables = [row for row in before if row[0] == "table"]
    if tables and len(before) != len(whole) and "(0,)" not in before[-1]:
        return [f"{what}: half a database says that it is whole"]
    try:
        _open(database)
    except BcssError as error:
        return [f"{what}: refused, {error}"]
    return [] if shape(database) == whole else [f"{what}: the next start left half a database"]


def _at_once(database: Path, whole: list[tuple[str, ...]]) -> list[str]:
    """Several first starts in the same moment."""
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            _leave(lambda: _open(database))
        children.append(child)
    ends = [os.waitpid(child, 0)[1] for child in children]
    found = [] if not any(ends) else [f"started at once: {ends}"]
    return found if shape(database) == whole else [*found, "started at once: half a database"]


def _open(database: Path) -> None:
    Store(database, SystemClock(), synchronous="OFF").close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
