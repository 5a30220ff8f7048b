"""Open SQLite files safely, whichever SQLite library is at hand.

`sqlite3` here is pysqlite3 where it is installed, since its SQLite has the fix for the
WAL-reset bug and sqlite-utils prefers it as well (stack.md §5.1).
"""

import errno
import getpass
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from bcss.errors import Exit, FixConfig, StateBroken

if TYPE_CHECKING:
    import sqlite3
    from sqlite3 import Error
else:
    try:
        from pysqlite3 import dbapi2 as sqlite3
    except ImportError:
        import sqlite3
    Error = sqlite3.Error

__all__ = [
    "REBUILD",
    "Connection",
    "Error",
    "StateBusy",
    "check_whole",
    "damaged",
    "is_fixed",
    "journal_mode",
    "open_file",
    "sqlite3",
    "trouble",
    "write_tx",
]

P = ParamSpec("P")
R = TypeVar("R")
BUSY_MS: Final = 15_000
REBUILD: Final = (
    "Build it again: bcss rebuild --since DATE. A copy would be refused: it lacks what was booked "
    "since."
)
_PAGE_SIZE = 8192  # a 2 KB row wastes half of a 4 KB page (stack.md §5.2)
_NETWORK = ("9p", "afs", "ceph", "cifs", "fuse.", "gluster", "gpfs", "lustre", "ncp", "nfs", "smb")


class StateBusy(StateBroken):
    """Somebody else has locked the file for longer than we wait; the next run goes on."""

    exit_code = Exit.TEMPORARY


class Connection(sqlite3.Connection):
    """A connection whose statements raise StateBroken for whatever the file does to them.

    `remedy` says what a person does about a damaged file. Once damage has shown, nothing more is
    read or written through it: what a page seems to say is no ground to send anything on.
    """

    path: Path | None = None
    remedy: str = REBUILD
    damage: StateBroken | None = None

    def cursor(self, factory: Any = None) -> Any:
        """Return a cursor of ours, for `execute` as well."""
        return super().cursor(factory or _Cursor)

    def judge(self, error: Error) -> None:
        """Raise StateBroken for an error of the file; return for one of the statement."""
        if not _is_of_file(error):
            return
        if _has(str(error), _DAMAGED):
            raise self.found_damaged(str(error)) from error
        raise trouble(error, self.path, self.remedy) from error

    def found_damaged(self, text: str) -> StateBroken:
        """Return what is to be raised, now and by everything that comes after."""
        self.damage = damaged(text, self.path, self.remedy)
        return self.damage


def _explained(method: Callable[P, R]) -> Callable[P, R]:
    """Wrap a cursor's method so that a failure of the file is explained."""

    @wraps(method)
    def explaining(*given: P.args, **named: P.kwargs) -> R:
        conn: Connection = given[0].connection  # type: ignore[attr-defined]
        if conn.damage is not None:
            raise conn.damage
        try:
            return method(*given, **named)
        except UnicodeDecodeError as error:  # not even SQLite's message about it can be read
            raise conn.found_damaged(error.reason) from error
        except sqlite3.DatabaseError as error:
            conn.judge(error)
            raise

    return explaining


class _Cursor(sqlite3.Cursor):
    """A cursor that explains a failure, which may show as late as in the middle of the rows."""

    execute = _explained(sqlite3.Cursor.execute)
    executemany = _explained(sqlite3.Cursor.executemany)
    fetchone = _explained(sqlite3.Cursor.fetchone)
    fetchall = _explained(sqlite3.Cursor.fetchall)
    __next__ = _explained(sqlite3.Cursor.__next__)  # type: ignore[arg-type]


def is_fixed(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> bool:
    """Tell whether this SQLite is free of the WAL-reset bug (stack.md §5.1)."""
    if version[:2] == (3, 52):
        return False
    return (
        version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    )


def open_file(
    path: Path,
    *,
    synchronous: str = "FULL",
    any_thread: bool = False,
    create: bool = True,
    remedy: str = REBUILD,
) -> Connection:
    """Open `path`, created for its owner only, in autocommit mode with 15 s of patience.

    `synchronous` FULL becomes EXTRA without a write-ahead log, where the directory must reach
    the disk too. Raise FixConfig for a symbolic link or a path that cannot be a file, StateBroken
    for a place we may not write, a file that is no database or that this SQLite must not touch.
    """
    _prepare(path, create=create)
    try:
        conn = sqlite3.connect(
            path,
            timeout=BUSY_MS / 1000,
            isolation_level=None,
            check_same_thread=not any_thread,
            factory=Connection,
        )
    except Error as error:
        raise trouble(error, path, remedy) from None
    conn.path, conn.remedy = path, remedy
    try:
        _configure(conn, path, synchronous.upper())
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
    conn.execute("BEGIN IMMEDIATE")
    try:
        yield conn
        conn.execute("COMMIT")
    except BaseException:
        if conn.in_transaction:
            conn.rollback()
        raise


def check_whole(conn: Connection) -> None:
    """Raise StateBroken unless every page is sound and every index fits its table."""
    found = conn.execute("PRAGMA integrity_check(1)").fetchall()
    if found != [("ok",)]:
        said = str(found[0][0]).removeprefix("*** in database main ***")
        raise conn.found_damaged(" ".join(said.split()))


# What SQLite says of a file, which its library does not always give a code.
_LOCKED = ("locked", "busy")
_FULL = ("full",)
_DAMAGED = ("malformed", "not a database", "disk image", "decode to utf-8")
_FORBIDDEN = ("readonly", "unable to open", "permission")


def trouble(error: Error, path: Path | None = None, remedy: str = REBUILD) -> StateBroken:
    """Say what a failed statement means for a person."""
    text = str(error)
    if _has(text, _DAMAGED):
        return damaged(text, path, remedy)
    place = f"{path}: " if path else ""
    said = f"{place}the state cannot be used: {text}."
    if _has(text, _LOCKED):
        return StateBusy(
            said, hint="Another process has held this file for too long; the next run goes on."
        )
    return StateBroken(said, hint=_advice(error, path))


def damaged(text: str, path: Path | None = None, remedy: str = REBUILD) -> StateBroken:
    """Say that a file holds something else than what was written into it."""
    what = "the state database is" if remedy == REBUILD else "this database is"
    place = f"{path}: " if path else ""
    return StateBroken(f"{place}{what} damaged: {text}.", hint=remedy)


def _advice(error: Error, path: Path | None) -> str:
    text = str(error)
    if _has(text, _FORBIDDEN):
        return _permission(path)
    where = f"the disk that holds {path or 'the state'}"
    if _has(text, _FULL):
        return f"Free some space on {where}; nothing is sent while nothing can be recorded."
    if "READ" in getattr(error, "sqlite_errorname", ""):
        return f"Look into the system's log: {where} may be failing."
    # A limit on the size of files, a quota and some file systems do not say that it is full.
    return (
        f"Free some space on {where}, or look into the system's log: it may be failing. "
        "Nothing is sent while nothing can be recorded."
    )


def _permission(path: Path | None) -> str:
    """Say whose permission is lacking, and for what."""
    if path is None:
        return "Let the user that runs bcss write this file and its folder."
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.geteuid())
    return f"Let the user {user} write {path} and its folder {path.parent}."


def _has(text: str, words: tuple[str, ...]) -> bool:
    lowered = text.lower()
    return any(word in lowered for word in words)


def _is_of_file(error: Error) -> bool:
    """Tell a file that fails from a constraint that was broken and from a wrong statement."""
    if type(error) is sqlite3.DatabaseError:
        return True
    if not isinstance(error, sqlite3.OperationalError):
        return False
    of_file = _has(str(error), (*_LOCKED, *_FULL, *_DAMAGED, *_FORBIDDEN))
    return of_file or getattr(error, "sqlite_errorname", "") != "SQLITE_ERROR"


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
        raise _unopened(error, path) from None
    try:
        _check_file(handle, path)
    finally:
        os.close(handle)


def _unopened(error: OSError, path: Path) -> StateBroken | FixConfig:
    """Tell a place that may not be written, or has no room, from a path that is wrong."""
    said = f"{path} cannot be opened: {error.strerror}."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StateBroken(said, hint=_permission(path))
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
        return StateBroken(said, hint=f"Free some space on the disk that holds {path}.")
    return FixConfig(said, hint="Name a file in a folder that can be written: state.path.")


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
    except StateBusy:
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
