"""Files are private, the journal fits the library, and a write waits its turn."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bcss.errors import FixConfig, StateBroken
from bcss.store.sqlite import Connection, is_fixed, journal_mode, open_file, sqlite3, write_tx


@pytest.mark.parametrize(
    ("version", "fixed"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 1), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), False),
        ((3, 53, 0), True),
        ((4, 0, 0), True),
    ],
)
def test_which_libraries_may_use_a_write_ahead_log(version: tuple[int, ...], fixed: bool) -> None:
    assert is_fixed(version) is fixed


def test_a_new_file_belongs_to_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "state" / "a.db"
    old = os.umask(0)
    try:
        conn = open_file(path)
        with write_tx(conn):
            conn.execute("CREATE TABLE t (x)")
        modes = {item.name: item.stat().st_mode & 0o777 for item in path.parent.iterdir()}
        assert set(modes.values()) == {0o600}
        assert path.parent.stat().st_mode & 0o777 == 0o700
        conn.close()
    finally:
        os.umask(old)


def test_a_file_open_to_others_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.touch(0o644)
    open_file(path).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(FixConfig, match="symbolic link"):
        open_file(link)
    assert not (tmp_path / "elsewhere.db").exists()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FixConfig):
        open_file(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(FixConfig):
        open_file(tmp_path / "file" / "a.db")
    with pytest.raises(FixConfig, match="No such file"):
        open_file(tmp_path / "none.db", create=False)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"no database at all, but long enough to be looked at" * 99)
    with pytest.raises(StateBroken, match=r"a\.db") as caught:
        open_file(path)
    assert "rebuild" in caught.value.hint


def test_the_journal_decides_how_much_is_synced(tmp_path: Path) -> None:
    conn = open_file(tmp_path / "a.db")
    level = conn.execute("PRAGMA synchronous").fetchone()[0]
    expected = ("wal", 2) if is_fixed(sqlite3.sqlite_version_info) else ("delete", 3)
    assert (journal_mode(conn), level) == expected
    conn.close()


def test_an_old_file_keeps_its_journal(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as old:
        old.execute("CREATE TABLE t (x)")
    old.close()
    conn = open_file(path)
    assert journal_mode(conn) == "delete"
    assert conn.execute("PRAGMA synchronous").fetchone()[0] == 3
    conn.close()


def test_a_log_is_refused_where_the_library_corrupts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    old = sqlite3.connect(path)
    old.execute("PRAGMA journal_mode = WAL")
    old.execute("CREATE TABLE t (x)")
    old.close()
    monkeypatch.setattr("bcss.store.sqlite.is_fixed", lambda: False)
    with pytest.raises(StateBroken, match="write-ahead log") as caught:
        open_file(path)
    assert "pysqlite3" in caught.value.hint


def _insert(conn: Connection, *values: int | None) -> None:
    """Insert in one transaction; None is the person at the keyboard who has had enough."""
    with write_tx(conn):
        for value in values:
            if value is None:
                raise KeyboardInterrupt
            conn.execute("INSERT INTO t VALUES (?)", (value,))


def test_a_block_is_all_or_nothing(tmp_path: Path) -> None:
    conn = open_file(tmp_path / "a.db", synchronous="OFF")
    conn.execute("CREATE TABLE t (x INTEGER UNIQUE) STRICT")
    with write_tx(conn):
        conn.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(sqlite3.IntegrityError):
        _insert(conn, 2, 1)
    with pytest.raises(KeyboardInterrupt):
        _insert(conn, 3, None)
    assert conn.execute("SELECT x FROM t").fetchall() == [(1,)]
    conn.close()


def test_a_full_disk_is_the_worlds_doing(tmp_path: Path) -> None:
    conn = open_file(tmp_path / "a.db", synchronous="OFF")
    conn.execute("CREATE TABLE t (x TEXT)")
    conn.execute("PRAGMA max_page_count = 4")
    with pytest.raises(StateBroken, match="full") as caught, write_tx(conn):
        conn.execute("INSERT INTO t VALUES (?)", ("x" * 100_000,))
    assert "space" in caught.value.hint
    assert not conn.in_transaction
    conn.close()


def test_a_lock_that_stays_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    first, second = open_file(path), open_file(path)
    second.execute("PRAGMA busy_timeout = 1")
    with write_tx(first), pytest.raises(StateBroken, match="locked"), write_tx(second):
        pass
    first.close()
    second.close()


def _count_up(path: Path, times: int) -> None:
    conn = open_file(path, synchronous="OFF")
    for _ in range(times):
        with write_tx(conn):
            (value,) = conn.execute("SELECT x FROM t").fetchone()
            conn.execute("UPDATE t SET x = ?", (value + 1,))
    conn.close()


def test_processes_that_read_then_write_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    conn = open_file(path, synchronous="OFF")
    conn.execute("CREATE TABLE t (x INTEGER)")
    conn.execute("INSERT INTO t VALUES (0)")
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_count_up, args=(path, 50)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert conn.execute("SELECT x FROM t").fetchone() == (150,)
    conn.close()


def test_processes_may_create_the_same_file_at_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from bcss.store.sqlite import open_file, write_tx\n"
        "c = open_file(Path(sys.argv[1]))\n"
        "with write_tx(c): c.execute('CREATE TABLE IF NOT EXISTS t (x)')\n"
        "with write_tx(c): c.execute('INSERT INTO t VALUES (1)')\n"
    )
    path = tmp_path / "a.db"
    folder = Path(__file__).parents[2]
    workers = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], cwd=folder) for _ in range(4)
    ]
    assert [worker.wait() for worker in workers] == [0] * 4
    conn = open_file(path)
    assert conn.execute("SELECT count(*) FROM t").fetchone() == (4,)
    conn.close()
    shutil.rmtree(tmp_path)
