"""All pairs of deaths: one in the first run, another in the run that was to recover (CR-02).

Deaths that leave the same database and the same world behind are played on as one, and counted
each. In the second run those are the points up to the next effect; `test_singles` shows that
nothing differs between them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.enumeration.cases import CASES
from tests.enumeration.play import SETTLED, SOON, Play, Stage
from tests.enumeration.points import has_effect
from tests.enumeration.snapshot import Snapshot, fingerprint

SHAPES = ("simple", "split", pytest.param("ship_and_invoice", marks=pytest.mark.nightly))
PARTS = 4


@dataclass(slots=True)
class First:
    """A first death: what it left, and how many other first deaths left the same."""

    point: int
    name: str
    left: Snapshot
    times: int = 1


def _firsts(stage: Stage) -> list[First]:
    found: dict[bytes, First] = {}
    point = 1
    while (play := stage.rig(stage.start)).run(die_at=point):
        assert play.conduct.broken == []
        play.later(SOON)
        mark = fingerprint(play.world, stage.folder / "state.db")
        if mark in found:
            found[mark].times += 1
        else:
            left = Snapshot.take(play.world, stage.folder)
            found[mark] = First(point, play.points.names[-1], left)
        point += 1
    return list(found.values())


def _seconds(stage: Stage, first: First) -> Iterator[Play]:
    """Yield the first run to its end, then one that dies at each point after an effect."""
    whole = stage.rig(first.left)
    whole.run()
    names = list(whole.points.names)
    yield whole
    for point, name in enumerate(names, 1):
        if has_effect(name):
            play = stage.rig(first.left)
            assert play.run(die_at=point)
            yield play


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", SHAPES)
def test_two_deaths_in_a_row_break_nothing(
    name: str, part: int, tmp_path: Path, record_property: Any
) -> None:
    stage = Stage(CASES[name], tmp_path)
    judged: set[bytes] = set()
    pairs = played = 0
    for first in _firsts(stage)[part::PARTS]:
        for n, play in enumerate(_seconds(stage, first)):
            if n == 0:
                pairs += first.times * len(play.points.names)
            played += 1
            mark = fingerprint(play.world, tmp_path / "state.db")
            if mark in judged:
                assert play.conduct.broken == []
                continue
            judged.add(mark)
            died = f"{first.point} ({first.name}), then at {play.points.names[-1]}"
            play.later(SETTLED)
            assert not play.run()
            assert play.broken() == [], f"{name}: died at {died}, number {len(play.points.names)}"
    record_property("counts", {"pairs": pairs, "pairs played": played, "kills": 2 * played})
