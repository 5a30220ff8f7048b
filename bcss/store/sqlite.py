"""Open SQLite files safely, whichever SQLite library is at hand.

`sqlite3` here is pysqlite3 where it is installed, since its SQLite has the fix for the
WAL-reset bug and sqlite-utils prefers it as well (stack.md §5.1).
"""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bcss.errors import Exit, FixConfig, StateBroken

if TYPE_CHECKING:
    import sqlite3
    from sqlite3 import Connection, Error
else:
    try:
        from pysqlite3 import dbapi2 as sqlite3
    except ImportError:
        import sqlite3
    Connection = sqlite3.Connection
    Error = sqlite3.Error

__all__ = [
    "Connection",
    "Error",
    "StateBusy",
    "is_fixed",
    "journal_mode",
    "open_file",
    "sqlite3",
    "trouble",
    "write_tx",
]

BUSY_MS: Final = 15_000
_PAGE_SIZE = 8192  # a 2 KB row wastes half of a 4 KB page (stack.md §5.2)
_NETWORK = ("9p", "afs", "ceph", "cifs", "fuse.", "gluster", "gpfs", "lustre", "ncp", "nfs", "smb")


class StateBusy(StateBroken):
    """Somebody else has locked the file for longer than we wait; the next run goes on."""

    exit_code = Exit.TEMPORARY


def is_fixed(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> bool:
    """Tell whether this SQLite is free of the WAL-reset bug (stack.md §5.1)."""
    if version[:2] == (3, 52):
        return False
    return (
        version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    )


def open_file(
    path: Path, *, synchronous: str = "FULL", any_thread: bool = False, create: bool = True
) -> Connection:
    """Open `path`, created for its owner only, in autocommit mode with 15 s of patience.

    `synchronous` FULL becomes EXTRA without a write-ahead log, where the directory must reach
    the disk too. Raise FixConfig for a symbolic link or a place we may not write, StateBroken
    for a file that is no database or that this SQLite must not touch.
    """
    _prepare(path, create=create)
    try:
        conn = sqlite3.connect(
            path,
            timeout=BUSY_MS / 1000,
            isolation_level=None,
            check_same_thread=not any_thread,
        )
    except Error as error:
        raise trouble(error, path) from None
    try:
        _configure(conn, path, synchronous.upper())
    except Error as error:
        conn.close()
        raise trouble(error, path) from None
    except BaseException:
        conn.close()
        raise
    return conn


def journal_mode(conn: Connection) -> str:
    """Return the file's journal mode in lower case."""
    return str(conn.execute("PRAGMA journal_mode").fetchone()[0]).lower()


@contextmanager
def write_tx(conn: Connection) -> Iterator[Connection]:
    """Run a block as one write transaction that takes its lock at the start.

    A deferred BEGIN would fail at once when another process writes between our read and our
    write, whatever the busy timeout (stack.md §5.2). Raise StateBroken when the file cannot be
    written; an IntegrityError is the caller's own and passes.
    """
    try:
        conn.execute("BEGIN IMMEDIATE")
        try:
            yield conn
        except BaseException:
            _roll_back(conn)
            raise
        conn.execute("COMMIT")
    except sqlite3.OperationalError as error:
        _roll_back(conn)
        raise trouble(error) from error
    except sqlite3.DatabaseError as error:
        _roll_back(conn)
        if type(error) is sqlite3.DatabaseError:
            raise trouble(error) from error
        raise


def trouble(error: Error, path: Path | None = None) -> StateBroken:
    """Say what a failed statement means for a person."""
    text = str(error)
    place = f"{path}: " if path else ""
    lowered = text.lower()
    if "locked" in lowered or "busy" in lowered:
        return StateBusy(
            f"{place}the state cannot be used: {text}.",
            hint="Another process has held this file for more than 15 s; the next run goes on.",
        )
    if "full" in lowered:
        hint = "Free some space on this disk; nothing is sent while nothing can be recorded."
    elif "malformed" in lowered or "not a database" in lowered:
        hint = "Restore the file from a backup, or build it again with `bcss rebuild`."
    elif "readonly" in lowered or "unable to open" in lowered or "permission" in lowered:
        hint = "Let the user that runs bcss write this file and its folder."
    else:
        hint = "Run `bcss check`; if it persists, restore the file from a backup."
    return StateBroken(f"{place}the state cannot be used: {text}.", hint=hint)


def _roll_back(conn: Connection) -> None:
    if conn.in_transaction:
        conn.execute("ROLLBACK")


def _prepare(path: Path, *, create: bool) -> None:
    """Create the file with mode 0600 before SQLite would create it with the umask's."""
    try:
        if path.is_symlink():
            raise FixConfig(f"{path} is a symbolic link.", hint="Name the file itself.")
        if create:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | (os.O_CREAT if create else 0)
        handle = os.open(path, flags, 0o600)
    except OSError as error:
        raise FixConfig(
            f"{path} cannot be opened: {error.strerror}.",
            hint="Let the user that runs bcss write this file and its folder.",
        ) from None
    try:
        _check_file(handle, path)
    finally:
        os.close(handle)


def _check_file(handle: int, path: Path) -> None:
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        raise FixConfig(f"{path} is not a regular file.", hint="Name another path.")
    if hasattr(os, "fchmod") and status.st_mode & 0o077 and status.st_uid == os.geteuid():
        os.fchmod(handle, 0o600)


def _configure(conn: Connection, path: Path, synchronous: str) -> None:
    conn.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    conn.execute("PRAGMA foreign_keys = ON")
    conn.execute("PRAGMA trusted_schema = OFF")
    mode = _settle_journal(conn, path)
    if synchronous == "FULL" and mode != "wal":
        synchronous = "EXTRA"
    if synchronous not in ("OFF", "NORMAL", "FULL", "EXTRA"):
        raise ValueError(f"no such level of synchronous: {synchronous}")
    conn.execute(f"PRAGMA synchronous = {synchronous}")


def _settle_journal(conn: Connection, path: Path) -> str:
    """Choose the journal mode of a new file, and check that of an old one.

    The mode belongs to the file: a file that exists keeps its own.
    """
    mode = journal_mode(conn)
    may_wal = is_fixed() and not _on_network(path.parent)
    if mode == "wal":
        if not may_wal:
            raise StateBroken(
                f"{path} has a write-ahead log, which SQLite {sqlite3.sqlite_version} "
                "can corrupt here.",
                hint="Install pysqlite3 0.6.1 or newer, and keep the file on a local disk.",
            )
        return mode
    if not may_wal or conn.execute("PRAGMA page_count").fetchone()[0] > 0:
        return mode
    try:
        conn.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
        return str(conn.execute("PRAGMA journal_mode = WAL").fetchone()[0]).lower()
    except sqlite3.OperationalError:
        return journal_mode(conn)  # another process is creating the same file


@cache
def _on_network(folder: Path) -> bool:
    """Tell whether a folder lies on a network file system; unknown counts as local."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    place = str(folder.resolve())
    best, kind = "", ""
    for line in mounts:
        parts = line.split(" ")
        if len(parts) < 3:  # noqa: PLR2004 - device, place, kind
            continue
        mount = parts[1].replace("\\040", " ")
        within = place == mount or place.startswith(mount.rstrip("/") + "/")
        if within and len(mount) >= len(best):
            best, kind = mount, parts[2]
    return kind.startswith(_NETWORK)
