"""All pairs of deaths: one in the first run, another in the run that was to recover (CR-02).

Deaths that leave the same database and the same world behind are played on as one, and counted
each. In the second run those are the points up to the next effect: `test_singles` shows for first
runs that nothing differs between them, and the last test here for a sample of second runs.

The counts: `pairs` are all there are, `distinct pairs` the states that were judged for them, and
`kills` the processes that did die; first deaths, which each part plays, are counted in one.
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
SAMPLE = 3


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
    for point in range(1, len(names) + 1):
        if has_effect(names[:point]):
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
    firsts = _firsts(stage)
    pairs = 0
    kills = 0 if part else sum(one.times for one in firsts)
    for first in firsts[part::PARTS]:
        for n, play in enumerate(_seconds(stage, first)):
            if n == 0:
                pairs += first.times * len(play.points.names)
            kills += n > 0
            mark = fingerprint(play.world, tmp_path / "state.db")
            if mark in judged:
                assert play.conduct.broken == []
                continue
            judged.add(mark)
            died = f"{first.point} ({first.name}), then at {play.points.names[-1]}"
            play.later(SETTLED)
            assert not play.run()
            assert play.broken() == [], f"{name}: died at {died}, number {len(play.points.names)}"
    counts = {"pairs": pairs, "distinct pairs": len(judged), "kills": kills}
    record_property("counts", counts)


@pytest.mark.parametrize("name", SHAPES)
def test_a_second_death_without_effect_leaves_what_the_point_before_left(
    name: str, tmp_path: Path
) -> None:
    stage = Stage(CASES[name], tmp_path)
    firsts = _firsts(stage)
    for first in firsts[:: len(firsts) // SAMPLE]:
        left = fingerprint(first.left.restore(tmp_path), tmp_path / "state.db")
        point = 1
        while (play := stage.rig(first.left)).run(die_at=point):
            assert play.conduct.broken == []
            mark = fingerprint(play.world, tmp_path / "state.db")
            died = play.points.names
            assert mark == left or has_effect(died), f"{first.point}, {point}: {died[-1]}"
            left, point = mark, point + 1
        assert point > 20
