"""What the disk and other people do to the state database: nothing is sent that is not noted."""

import ctypes
import getpass
import os
import resource
import shutil
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from bcss.errors import Exit
from bcss.sandbox.kit import Request, Response
from tests.checker import problems
from tests.processes.harness import Ended, Host, Step, host, writes

_FINE = (int(Exit.DONE), int(Exit.HELD))
_DROP_FROM_BOUNDING_SET = 24
_DAC = (1, 2)  # what lets root write where the mode says no


class Watch:
    """Look at each create, when it arrives, for its intent on the disk; then do something once."""

    def __init__(self, made: Host, act: Callable[[], None] | None = None) -> None:
        self.made = made
        self.act = act
        self.unannounced: list[str] = []
        self.acted = False
        self.seen = 0
        self.lock = threading.Lock()

    def __call__(self, vendor: str, request: Request, answer: Step) -> Response:
        if vendor == "bc" and request.method == "POST" and request.path.endswith("/salesInvoices"):
            with self.lock:
                self._look(request)
        return answer()

    def _look(self, request: Request) -> None:
        self.seen += 1
        if not self.acted and not _has_intent(self.made.database, request.body):
            self.unannounced.append(request.body.decode())
        if self.act is not None:
            act, self.act = self.act, None
            self.acted = True
            act()


def _has_intent(database: Path, body: bytes) -> bool:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as conn:
        query = "SELECT 1 FROM intent WHERE outcome IS NULL AND body_hash = ?"
        return conn.execute(query, (sha256(body).digest(),)).fetchone() is not None


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Host]:
    one = host(tmp_path / "host", 6)
    yield one
    one.close()


@pytest.fixture
def watch(made: Host) -> Watch:
    made.meddle = found = Watch(made)
    return found


def sync(made: Host, before: Callable[[], None] | None = None) -> Ended:
    return made.wait(made.bcss("sync", "all", before=before))


def impatient(made: Host) -> Ended:
    command = (sys.executable, "-m", "tests.store.impatient", "sync", "all")
    return made.wait(made.start(*command, "--config", str(made.config)))


def refused(ended: Ended, code: Exit, *words: str) -> None:
    """Check that a run ended with a clear message and nothing else."""
    assert ended.code == code, ended.err
    assert "Traceback" not in ended.err
    assert ended.err.startswith("bcss: ")
    assert "internal error" not in ended.err
    for word in words:
        assert word in ended.err


def recovers(made: Host, watch: Watch) -> None:
    """Run on undisturbed and judge: each order once, and no send without its intent."""
    watch.acted = False
    for _ in range(2):
        ended = sync(made)
        assert ended.code in _FINE, ended.err
    assert problems(made.world, made.database) == []
    assert watch.unannounced == []


def test_a_full_disk_at_each_write(made: Host, watch: Watch) -> None:
    """No file may grow beyond a limit, which is raised from run to run until all is booked."""
    ends = []
    for limit in range(64, 640, 48):
        ended = sync(made, partial(_limit_files, limit * 1024))
        ends.append(ended)
        assert "Traceback" not in ended.err
        assert ended.code in (*_FINE, Exit.INTERNAL, Exit.USAGE), ended.err
        if ended.code in _FINE:
            break

    told = [one.err for one in ends if one.code == Exit.INTERNAL]
    assert len(told) >= 3
    for one in told:
        assert "disk I/O error" in one  # what the kernel says of such a limit
        assert f"Free some space on the disk that holds {made.database}" in one
    recovers(made, watch)


def _limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_file_that_somebody_has_locked(made: Host, watch: Watch) -> None:
    assert sync(made).code in _FINE
    sent = len(writes(made.world))

    with closing(sqlite3.connect(made.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ended = impatient(made)

    refused(ended, Exit.TEMPORARY, "locked", "the next run goes on")
    assert len(writes(made.world)) == sent
    recovers(made, watch)


@pytest.mark.nightly
def test_a_file_that_is_locked_for_longer_than_the_real_patience(made: Host, watch: Watch) -> None:
    """The same with 15 s, of the 40 s that the other would take."""
    assert sync(made).code in _FINE
    sent = len(writes(made.world))

    with closing(sqlite3.connect(made.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ended = sync(made)

    refused(ended, Exit.TEMPORARY, "locked", "the next run goes on")
    assert len(writes(made.world)) == sent
    recovers(made, watch)


def test_a_file_that_is_locked_in_the_middle_of_a_run(made: Host, watch: Watch) -> None:
    """The first create has left when somebody locks the file; its outcome cannot be noted."""
    other = sqlite3.connect(made.folder / "none", isolation_level=None, check_same_thread=False)

    def lock() -> None:
        other.execute("ATTACH ? AS state", (str(made.database),))
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE state.meta SET value = value")

    watch.act = lock
    ended = impatient(made)
    other.close()

    refused(ended, Exit.TEMPORARY, "locked")
    assert 1 <= watch.seen <= 3
    recovers(made, watch)


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize(
    ("file_mode", "folder_mode", "said"),
    [
        (0o400, 0o700, "cannot be opened: Permission denied"),
        (0o600, 0o500, "attempt to write a readonly database"),
        (0o400, 0o500, "cannot be opened: Permission denied"),
    ],
    ids=["file", "folder", "both"],
)
def test_a_file_that_may_not_be_written(
    made: Host, watch: Watch, filled: bool, file_mode: int, folder_mode: int, said: str
) -> None:
    """The file, its folder or both, as whoever is not root meets them."""
    folder = made.database.parent
    folder.mkdir(mode=0o700)
    made.database.touch(mode=0o600)
    if filled:
        assert sync(made).code in _FINE
        assert made.database.stat().st_size > 0
    else:
        made.database.with_name(f"{made.database.name}.run.lock").touch(mode=0o600)
    sent = len(writes(made.world))
    made.database.chmod(file_mode)
    folder.chmod(folder_mode)

    ended = sync(made, _mere_mortal)

    refused(ended, Exit.INTERNAL, said, f"Let the user {getpass.getuser()} write {made.database}")
    assert f"and its folder {folder}" in ended.err
    assert len(writes(made.world)) == sent
    folder.chmod(0o700)
    made.database.chmod(0o600)
    recovers(made, watch)


def _mere_mortal() -> None:
    """Give up what lets root pass over permissions; for anybody else there is nothing to do."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in _DAC:
            if libc.prctl(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "prctl")


def _whole_file(made: Host) -> None:
    """Bring everything from the log into the file, as the last one to close does."""
    with closing(sqlite3.connect(made.database, isolation_level=None)) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _damage_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"This is not a database at all...")


def _damage_pages(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * (size - 8192))


def _cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 3 // 8192 * 8192)


@pytest.mark.parametrize("damage", [_damage_header, _damage_pages, _cut])
def test_a_damaged_file(made: Host, watch: Watch, damage: Callable[[Path], None]) -> None:
    assert sync(made).code in _FINE
    _whole_file(made)
    shutil.copy2(made.database, made.folder / "kept")
    sent = len(writes(made.world))
    damage(made.database)

    ended = sync(made)

    refused(ended, Exit.INTERNAL, "rebuild")
    assert len(writes(made.world)) == sent
    for suffix in ("", "-wal", "-shm"):
        made.database.with_name(made.database.name + suffix).unlink(missing_ok=True)
    shutil.copy2(made.folder / "kept", made.database)
    recovers(made, watch)


def test_a_newer_schema(made: Host, watch: Watch) -> None:
    assert sync(made).code in _FINE
    sent = len(writes(made.world))
    with closing(sqlite3.connect(made.database, isolation_level=None)) as conn:
        version = conn.execute("PRAGMA user_version").fetchone()[0]
        conn.execute("PRAGMA user_version = 99")

    refused(sync(made), Exit.INTERNAL, "schema 99", "newer bcss")

    assert len(writes(made.world)) == sent
    with closing(sqlite3.connect(made.database, isolation_level=None)) as conn:
        conn.execute(f"PRAGMA user_version = {version}")
    recovers(made, watch)


@pytest.mark.parametrize("instead", ["copy", "nothing", "other"])
def test_a_file_that_is_replaced_while_bcss_runs(made: Host, watch: Watch, instead: str) -> None:
    kept = made.folder / "kept"

    def replace() -> None:
        made.database.replace(kept)
        if instead == "copy":
            shutil.copy2(kept, made.database)
        if instead == "other":
            made.database.write_bytes(b"")

    watch.act = replace
    ended = sync(made)

    refused(ended, Exit.INTERNAL, "removed or replaced")
    assert watch.seen <= 3
    made.database.unlink(missing_ok=True)
    kept.replace(made.database)
    recovers(made, watch)
