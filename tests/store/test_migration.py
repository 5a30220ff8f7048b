"""A migration happens wholly or not at all, whenever its process dies (CR-11)."""

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bcss.clock import SystemClock
from bcss.errors import StateBroken
from bcss.store.db import Store
from bcss.store.schema import VERSION, migrate
from bcss.store.sqlite import open_file
from tests.store.migrating import shape


def test_a_kill_between_any_two_statements_is_made_good_by_the_next_start(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.store.migrating", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)

    assert found["problems"] == []
    assert all(points > 50 for points in found["points"].values())


def test_what_the_disk_holds_between_any_two_statements_is_made_good(tmp_path: Path) -> None:
    """The files as another process would find them after a power cut, at each statement."""
    Store(tmp_path / "whole.db", SystemClock()).close()
    whole = shape(tmp_path / "whole.db")
    left: list[Path] = []
    begun = open_file(tmp_path / "state.db", synchronous="OFF")
    begun.execute("PRAGMA cache_size = 1")

    def copy(_statement: str) -> None:
        place = tmp_path / f"{len(left)}"
        place.mkdir()
        for path in tmp_path.glob("state.db*"):
            if not path.name.endswith("-shm"):
                shutil.copy(path, place / path.name)
        left.append(place / "state.db")

    begun.set_trace_callback(copy)
    migrate(begun)
    begun.set_trace_callback(None)
    begun.close()

    assert len(left) > 50
    for database in left:
        Store(database, SystemClock(), synchronous="OFF").close()
        assert shape(database) == whole


@pytest.mark.parametrize("drop", ["meta", "unit", "hold"])
def test_half_a_database_is_refused_and_left_as_it_is(tmp_path: Path, drop: str) -> None:
    """What no kill leaves, but a bad restore may: some tables, and no version."""
    database = tmp_path / "state.db"
    Store(database, SystemClock(), synchronous="OFF").close()
    with closing(sqlite3.connect(database)) as conn:
        conn.executescript(
            f"DROP TABLE {drop}; DROP TABLE _sqlite_migrations; PRAGMA user_version = 0"
        )
    before = shape(database)

    with pytest.raises(StateBroken, match="state"):
        Store(database, SystemClock())

    assert shape(database) == before


@pytest.mark.parametrize("drop", ["meta", "unit", "hold"])
def test_a_whole_version_without_its_tables_is_refused(tmp_path: Path, drop: str) -> None:
    database = tmp_path / "state.db"
    Store(database, SystemClock(), synchronous="OFF").close()
    with closing(sqlite3.connect(database)) as conn:
        conn.execute(f"DROP TABLE {drop}")
        assert conn.execute("PRAGMA user_version").fetchone() == (VERSION,)

    with pytest.raises(StateBroken, match=drop):
        Store(database, SystemClock())
