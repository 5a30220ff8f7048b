"""The disk fails at any commit of a run and stays so: nothing is sent that is not noted.

All three failures are SQLite's own. The first two are met by a statement just before the commit;
the third by the commit itself, to whose write the kernel says no.
"""

import getpass
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bcss.errors import Exit, StateBroken
from bcss.store.sqlite import Connection
from tests.enumeration.cases import CASES
from tests.enumeration.play import SETTLED, SOON, Play, Stage
from tests.enumeration.points import Points

Fault = Callable[[Connection], AbstractContextManager[None]]


@contextmanager
def _no_page_left(conn: Connection) -> Iterator[None]:
    """Let the file not grow any more, and ask for a page."""
    conn.execute("PRAGMA max_page_count = 1")
    conn.execute("CREATE TABLE filler AS SELECT zeroblob(4000000)")
    yield


@contextmanager
def _only_to_be_read(conn: Connection) -> Iterator[None]:
    conn.execute("PRAGMA query_only = ON")
    conn.execute("UPDATE meta SET value = value")
    yield


@contextmanager
def _no_byte_written(_conn: Connection) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


FAULTS: dict[str, tuple[Fault, str, str]] = {
    "full": (
        _no_page_left,
        "database or disk is full",
        "Free some space on the disk that holds {};",
    ),
    "no write": (
        _no_byte_written,
        "disk I/O error",
        "Free some space on the disk that holds {}, or look",
    ),
    "read-only": (
        _only_to_be_read,
        "readonly database",
        f"Let the user {getpass.getuser()} write {{}} and",
    ),
}


@dataclass
class Failing(Points):
    """Let the disk fail at the n-th commit and at each after it; never when it is 0."""

    fail_at: int = 0
    fault: Fault = _no_page_left
    commits: int = 0

    @contextmanager
    def transaction(self, conn: Connection) -> Iterator[Any]:
        self.conn = conn
        with ExitStack() as self.until_done, super().transaction(conn) as same:
            yield same

    def reach(self, name: str) -> None:
        super().reach(name)
        if name == "before commit":
            self.commits += 1
            if 0 < self.fail_at <= self.commits:
                self.until_done.enter_context(self.fault(self.conn))


def _run(play: Play, fault: Fault, fail_at: int) -> StateBroken | None:
    """Run once as cron does; return how it was refused, or None when the disk held out."""
    conduct = play.conduct
    points = Failing(arrived=conduct.arrived, machine=conduct.machine, fail_at=fail_at, fault=fault)
    try:
        with points.around(play.rig):
            play.rig.run()
    except StateBroken as error:
        return error
    finally:
        conduct.ended()
    return None


def _again(stage: Stage) -> Play:
    """Begin anew in another file: a failure's frames may still hold the last one open."""
    for path in stage.folder.glob("state.db*"):
        path.unlink()
    return stage.rig(stage.start)


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("name", ["simple", "ship_and_invoice"])
def test_a_disk_that_fails_at_any_commit_breaks_nothing(
    name: str, kind: str, tmp_path: Path, record_property: Any
) -> None:
    fault, said, advice = FAULTS[kind]
    database = tmp_path / "state.db"
    stage = Stage(CASES[name], tmp_path)
    sent: list[int] = []
    while True:
        play = _again(stage)
        error = _run(play, fault, len(sent) + 1)
        if error is None:
            break
        sent.append(play.conduct.writes)
        where = f"{name}, {kind} at commit {len(sent)}"
        assert play.conduct.broken == [], where
        assert error.exit_code == Exit.INTERNAL, where
        assert said in error.message, where
        assert str(database) in error.message, where
        assert error.hint.startswith(advice.format(database)), where
        for wait in (SOON, SETTLED):
            play.later(wait)
            play.run()
        assert play.broken() == [], where

    assert sent == sorted(sent)
    assert set(sent) == set(range(play.conduct.writes + 1)), "between any two sends"
    record_property("counts", {"singles": len(sent), f"disk {kind}": len(sent)})
