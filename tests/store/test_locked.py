"""Somebody else has locked the state database: a short lock is waited out, a long one is told.

In process, with the store's own library: another one would not see its locks.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bcss.clock import SystemClock
from bcss.errors import Exit
from bcss.sandbox.kit import Request
from bcss.store import sqlite
from bcss.store.db import Store
from bcss.store.sqlite import StateBusy, sqlite3
from tests.enumeration.cases import CASES
from tests.enumeration.play import SETTLED, SOON, Play, Stage
from tests.enumeration.points import Points
from tests.memory import tmp_path

__all__ = ["tmp_path"]

_SHORT = 0.2


@dataclass(slots=True)
class Other:
    """Another process that writes to the file, for a while or until it is told to stop."""

    database: Path
    free: threading.Event = field(default_factory=threading.Event)
    took: int = 0
    _holder: threading.Thread | None = None

    def lock(self, seconds: float | None) -> None:
        """Lock the file from now on."""
        locked = threading.Event()
        self.took += 1

        def hold() -> None:
            with closing(sqlite3.connect(self.database, isolation_level=None)) as conn:
                conn.execute("BEGIN IMMEDIATE")
                locked.set()
                self.free.wait(seconds)
                conn.execute("COMMIT")
                self.free.set()

        self._holder = threading.Thread(target=hold, daemon=True)
        self._holder.start()
        assert locked.wait(10)

    def unlock(self) -> None:
        self.free.set()
        if self._holder is not None:
            self._holder.join()


@dataclass(slots=True)
class Scene:
    """A run and the other process, which locks the file before it or at its first write."""

    play: Play
    other: Other

    def run(self, when: str, seconds: float | None) -> StateBusy | None:
        """Run once as cron does; return how it was refused."""
        points = Points(arrived=self._locking(seconds) if when == "middle" else self._watched())
        if when == "before":
            self.other.lock(seconds)
        try:
            with points.around(self.play.rig):
                assert self.play.rig.run().exit_code == Exit.DONE
        except StateBusy as error:
            return error
        finally:
            self.play.conduct.ended()
        return None

    def _watched(self) -> Callable[[str, Request], None]:
        def arrived(vendor: str, request: Request) -> None:
            assert self.other.free.is_set(), "nothing can have been written down yet"
            self.play.conduct.arrived(vendor, request)

        return arrived

    def _locking(self, seconds: float | None) -> Callable[[str, Request], None]:
        def arrived(vendor: str, request: Request) -> None:
            self.play.conduct.arrived(vendor, request)
            if vendor == "bc" and request.method != "GET" and not self.other.took:
                self.other.lock(seconds)

        return arrived


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    stage = Stage(CASES["simple"], tmp_path)
    other = Other(tmp_path / "state.db")
    yield Scene(stage.rig(stage.start), other)
    other.unlock()


@pytest.mark.parametrize("when", ["before", "middle"])
def test_a_short_lock_is_waited_out(
    scene: Scene, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_MS", 5000)

    assert scene.run(when, _SHORT) is None

    assert scene.other.took == 1
    assert scene.other.free.is_set()
    assert scene.play.conduct.writes == 3
    assert scene.play.broken() == []


@pytest.mark.parametrize(("when", "sent"), [("before", 0), ("middle", 1)])
def test_a_lock_that_outlasts_the_patience_is_told(
    scene: Scene, when: str, sent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent for which nothing could be noted; the next run goes on from there."""
    monkeypatch.setattr(sqlite, "BUSY_MS", 20)

    error = scene.run(when, None)

    assert error is not None
    assert error.exit_code == Exit.TEMPORARY
    assert "locked" in error.message
    assert "the next run goes on" in error.hint
    assert scene.play.conduct.writes == sent
    scene.other.unlock()
    for wait in (SOON, SETTLED):
        scene.play.later(wait)
        scene.play.run()
    assert scene.play.broken() == []


def test_the_patience_is_15_seconds(tmp_path: Path) -> None:
    """So who locks the file for 40 s is told, and a backup of some seconds is not."""
    with closing(Store(tmp_path / "state.db", SystemClock())) as store:
        assert store.connection.execute("PRAGMA busy_timeout").fetchone() == (15_000,)
