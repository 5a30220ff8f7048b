"""A second process runs to its end at each point of a first one (CO-03): booked once all the same."""

from pathlib import Path
from typing import Any

from tests.enumeration.cases import CASES
from tests.enumeration.play import SETTLED, SOON, Play, Stage
from tests.simulation.process import Interruption, Process


def test_a_worker_beside_cron_at_any_point_breaks_nothing(
    tmp_path: Path, record_property: Any
) -> None:
    stage = Stage(CASES["simple"], tmp_path)
    clean = Process((play := stage.rig(stage.start)).rig, play.conduct)
    clean.cron()
    booked_beside = 0
    # inside a transaction a process is waited for by the other, which cannot get any further
    points = [n for n, name in enumerate(clean.points.names, 1) if name != "before commit"]
    for point in points:
        play = stage.rig(stage.start)
        play.conduct.world = play.world
        first = Process(play.rig, play.conduct)
        posted: list[int] = []

        def happen(play: Play = play, posted: list[int] = posted) -> None:
            posted.append(Process(play.rig, play.conduct).worker().report.posted)

        first.interruption = Interruption(point, happen)
        first.cron()
        where = f"a worker at point {point}: {clean.points.names[point - 1]}"
        assert posted, where
        booked_beside += posted[0]
        for wait in (SOON, SETTLED):
            play.later(wait)
            assert not play.run()
        assert play.broken() == [], where
    assert 0 < booked_beside < len(points)
    record_property("counts", {"second processes": len(points)})
