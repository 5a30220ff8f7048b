"""A rebuild that dies anywhere still keeps the cold hold: a create may be under way (REL §2.9)."""

from pathlib import Path
from typing import Any

from bcss.errors import StateBroken
from tests.enumeration.cases import CASES
from tests.enumeration.play import SETTLED, SOON, Play, Stage
from tests.enumeration.points import Killed, Points
from tests.enumeration.snapshot import Snapshot
from tests.simulation.process import Process


def _under_way(stage: Stage) -> Snapshot:
    """Lose the database while a create is on its way for 15 minutes."""
    play = stage.rig(stage.start)
    play.fault({"do": "late", "after": 900, "vendor": "bc", "method": "POST", "nth": 1})
    play.run()
    play.world.faults.clear()
    for suffix in ("", "-wal", "-shm"):
        database = stage.folder / f"state.db{suffix}"
        database.unlink(missing_ok=True)
    return Snapshot.take(play.world, stage.folder)


def _creates(play: Play) -> int:
    calls = play.world.log.calls("bc")
    return sum(
        one.request.method == "POST" and one.request.path.endswith("/salesInvoices")
        for one in calls
        if not one.late
    )


def _run_or_rebuild(play: Play) -> None:
    process = Process(play.rig, play.conduct)
    try:
        process.cron()
    except StateBroken:
        process.rebuild()


def test_nothing_is_created_before_the_settle_horizon(tmp_path: Path, record_property: Any) -> None:
    stage = Stage(CASES["simple"], tmp_path)
    lost = _under_way(stage)
    deaths = 0
    while True:
        play = stage.rig(lost)
        before = _creates(play)
        dying = Process(play.rig, play.conduct, Points(deaths + 1))
        try:
            dying.rebuild()
        except Killed as death:
            deaths += 1
            where = f"died at point {deaths}: {death}"
        else:
            break
        play.later(SOON)
        _run_or_rebuild(play)
        assert _creates(play) == before, where
        for wait in (SETTLED, SETTLED):
            play.later(wait)
            _run_or_rebuild(play)
        assert play.broken() == [], where
    assert deaths > 50
    record_property("counts", {"singles": deaths, "kills": deaths, "rebuilds": deaths})
