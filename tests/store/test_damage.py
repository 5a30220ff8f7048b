"""A damaged page is found before anything rests on it, or changes nothing; nothing is sent twice.

In process, on a database with one order that is booked and one that is not. What a page holds is
damaged where its cells lie, where they mostly do not, and as a whole.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bcss.cli import state
from bcss.errors import BcssError, Exit, StateBroken
from bcss.store import db
from bcss.store.db import Store
from bcss.store.payloads import compress
from bcss.store.sqlite import open_file
from tests.checker import problems
from tests.enumeration.cases import CASES
from tests.enumeration.play import SETTLED, SOON, Play, Stage
from tests.enumeration.points import Points
from tests.enumeration.snapshot import Snapshot
from tests.memory import tmp_path

__all__ = ["tmp_path"]

_SIZE = 8192
_STATE = "state.db"
_STRETCHES: dict[str, tuple[int, int, Callable[[int], bytes]]] = {
    "cells": (7800, 200, lambda length: b"\xa5" * length),
    "middle": (3800, 600, lambda length: Random(length).randbytes(length)),
    "zeros": (0, _SIZE, bytes),
    "random": (0, _SIZE, lambda length: Random(length).randbytes(length)),
}
Calls = list[tuple[str, str, bytes]]


@dataclass(slots=True)
class Outcome:
    """What a run on a damaged database did."""

    play: Play
    error: BcssError | None
    calls: Calls

    @property
    def writes(self) -> int:
        return sum(method != "GET" for method, _, _ in self.calls)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(CASES["simple"], tmp_path)


def _run(play: Play) -> Outcome:
    """Run once as cron does; whatever is not an error of ours ends the test."""
    points = Points(arrived=play.conduct.arrived, looks=True)
    error: BcssError | None = None
    try:
        with points.around(play.rig):
            summary = play.rig.run()
            error = next((one for one in summary.errors if isinstance(one, StateBroken)), None)
            assert error is not None or summary.exit_code == Exit.DONE
    except BcssError as caught:
        error = caught
    finally:
        play.conduct.ended()
    calls = [one.request for one in play.world.log.calls()]
    return Outcome(play, error, [(one.method, one.path, one.body) for one in calls])


def _damaged(stage: Stage, kind: str) -> Iterator[Snapshot]:
    """Yield the beginning of the case with each page damaged in turn."""
    begin, length, fill = _STRETCHES[kind]
    whole = stage.start.files[_STATE]
    assert len(whole) > 40 * _SIZE
    for page in range(0, len(whole), _SIZE):
        at = page + begin
        body = whole[:at] + fill(length) + whole[at + length :]
        yield Snapshot(stage.start.world, {**stage.start.files, _STATE: body})


def _is_told(error: BcssError) -> None:
    assert isinstance(error, StateBroken)
    assert error.exit_code == Exit.INTERNAL
    assert "the state database is damaged: " in error.message
    assert "\n" not in error.message
    assert _STATE in error.message or "a body cannot be unpacked" in error.message
    assert "bcss rebuild --since DATE" in error.hint


def _begin(stage: Stage, snapshot: Snapshot) -> Play:
    """Begin in another file: a failure's frames may still hold the last one open."""
    for path in stage.folder.glob(f"{_STATE}*"):
        path.unlink()
    return stage.rig(snapshot)


def _restored(stage: Stage, play: Play) -> list[str]:
    """Put the files back as they were before the run, run on, and judge."""
    for path in stage.folder.glob(f"{_STATE}*"):
        path.unlink()
    for name, body in stage.start.files.items():
        (stage.folder / name).write_bytes(body)
    for wait in (SOON, SETTLED):
        play.later(wait)
        play.run()
    return play.broken()


@pytest.mark.parametrize("kind", _STRETCHES)
def test_each_page_in_turn(stage: Stage, kind: str) -> None:
    expected = _run(stage.rig(stage.start)).calls
    ends: Counter[str] = Counter()
    for snapshot in _damaged(stage, kind):
        found = _run(_begin(stage, snapshot))
        if found.error is None:
            assert found.calls == expected
            ends["same"] += 1
            continue
        _is_told(found.error)
        assert found.play.conduct.broken == []
        ends["refused"] += 1
        if found.calls:
            assert _restored(stage, found.play) == []

    if kind in ("zeros", "random"):
        assert set(ends) == {"refused"}
    assert ends["refused"] > 0


@pytest.mark.parametrize("kind", ["zeros", "random"])
def test_damage_that_is_met_only_in_the_middle_of_a_run(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A large file is looked through once a day; what happens to it in between is met by chance."""
    expected = _run(stage.rig(stage.start)).calls
    monkeypatch.setattr(db, "check_whole", lambda _conn: None)
    ends: Counter[str] = Counter()
    for snapshot in _damaged(stage, kind):
        found = _run(_begin(stage, snapshot))
        assert found.play.conduct.broken == []
        if found.error is not None:
            _is_told(found.error)
        ends["refused" if found.error else "done"] += 1
        if found.writes and found.calls != expected:
            ends["after other writes"] += 1
            assert _restored(stage, found.play) == []

    assert ends["refused"] > 0
    assert ends["after other writes"] > 0


def test_nothing_more_is_asked_of_a_file_once_damage_has_shown(tmp_path: Path) -> None:
    """Another part of the same run must not go on with the pages that are sound."""
    path = tmp_path / "a.db"
    with closing(open_file(path, synchronous="OFF")) as conn:
        conn.execute("CREATE TABLE sound (x)")
        conn.execute("CREATE TABLE hurt (x)")
    with path.open("r+b") as file:
        file.seek(2 * _SIZE)
        file.write(bytes(_SIZE))
    with closing(open_file(path, synchronous="OFF")) as conn:
        assert conn.execute("SELECT * FROM sound").fetchall() == []
        with pytest.raises(StateBroken, match="damaged"):
            conn.execute("SELECT * FROM hurt")
        with pytest.raises(StateBroken, match="damaged"):
            conn.execute("SELECT * FROM sound")


class _Clock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 2, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what is noted of each look through a whole file."""
    seen: list[Any] = []
    monkeypatch.setattr(db, "check_whole", seen.append)
    return seen


def test_a_large_file_is_looked_through_once_a_day(
    tmp_path: Path, checks: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = _Clock()

    def count(hours: float) -> int:
        clock.sleep(hours * 3600)
        Store(tmp_path / _STATE, clock, synchronous="OFF").close()
        return len(checks)

    assert [count(0), count(1), count(1)] == [1, 2, 3]
    monkeypatch.setattr(db, "SMALL", 1000)
    assert [count(1), count(1), count(22), count(2), count(1)] == [4, 4, 4, 5, 5]
    assert count(-2) == 6, "a clock that was wrong must not put it off"


def test_a_check_that_fails_is_not_remembered(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "SMALL", 1000)
    for snapshot in list(_damaged(stage, "zeros"))[-3:]:
        snapshot.restore(stage.folder)
        for _ in range(2):
            with pytest.raises(StateBroken, match="damaged"):
                Store(stage.folder / _STATE, _Clock(), synchronous="OFF")


def test_looking_does_not_wait_for_the_check(stage: Stage, checks: list[Any]) -> None:
    stage.start.restore(stage.folder)
    with state.reading(stage.case.config(stage.folder)) as store:
        assert store is not None
        assert len(store.runs()) == 1
    assert checks == []


def test_an_index_that_does_not_fit_its_table_is_found(stage: Stage) -> None:
    """Each page is sound, and yet a look-up by key would find no order, or another."""
    stage.start.restore(stage.folder)
    exchange = (
        "UPDATE sqlite_master SET rootpage = (SELECT sum(rootpage) FROM sqlite_master "
        "WHERE name IN ('ss_order_key', 'ss_order_number')) - rootpage "
        "WHERE name IN ('ss_order_key', 'ss_order_number')"
    )
    with closing(open_file(stage.folder / _STATE)) as conn:
        conn.execute("UPDATE ss_order SET order_key = 'another'")
        conn.execute("PRAGMA writable_schema = ON")
        conn.execute(exchange)
    with closing(open_file(stage.folder / _STATE)) as conn:
        assert conn.execute("PRAGMA quick_check").fetchall() == [("ok",)]

    with pytest.raises(StateBroken, match="ss_order_") as caught:
        Store(stage.folder / _STATE, _Clock(), synchronous="OFF")

    _is_told(caught.value)


@pytest.mark.parametrize("body", [b"\xff" * 40, compress(b'{"orderId": 1, "orderTotal": 1}')])
def test_another_value_where_no_page_is_hurt_is_not_booked(stage: Stage, body: bytes) -> None:
    stage.rig(stage.start).run()
    with closing(Store(stage.folder / _STATE, _Clock(), synchronous="OFF")) as store:
        kept = "SELECT order_id, payload_id FROM ss_order WHERE payload_id IS NOT NULL"
        order_id, payload_id = store.connection.execute(kept).fetchone()
        assert store.orders.raw_order(order_id) is not None
        change = "UPDATE payload SET body = ? WHERE payload_id = ?"
        store.connection.execute(change, (body, payload_id))
        with pytest.raises(StateBroken, match="damaged"):
            store.orders.raw_order(order_id)


def test_looking_at_a_damaged_file_is_told(stage: Stage) -> None:
    told = 0
    for snapshot in _damaged(stage, "zeros"):
        _begin(stage, snapshot)
        try:
            with state.reading(stage.case.config(stage.folder)) as store:
                assert store is not None
                for run in store.runs():
                    store.holds.new_in_run(run.run_id)
                for order_id in store.units.members(1):
                    store.orders.raw_order(order_id)
                state.find(store, "1001", stage.case.config(stage.folder))
        except StateBroken as error:
            _is_told(error)
            told += 1
    assert told > 5


def test_a_file_that_may_be_lost_is_not_rebuilt_but_deleted(stage: Stage) -> None:
    """Only the state database is built again; the budget is made anew by itself."""
    budget = stage.start.files["budget.db"]
    body = budget[:_SIZE] + b"\xa5" * (len(budget) - _SIZE)
    damaged = Snapshot(stage.start.world, {**stage.start.files, "budget.db": body})
    play = stage.rig(damaged)

    summary = play.rig.run()

    assert summary.exit_code == Exit.INTERNAL
    assert all("budget.db" in one.message for one in summary.errors)
    assert all(one.hint.startswith("Delete this file") for one in summary.errors)
    assert summary.errors
    (stage.folder / "budget.db").unlink()
    for wait in (SOON, SETTLED):
        play.later(wait)
        play.run()
    assert problems(play.world, stage.folder / _STATE, kind=play.kind) == []
