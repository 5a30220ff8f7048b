"""Play many seeds; a failing one prints the one command that repeats it, and its fault plan."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from tests.simulation.desk import simulate_desk
from tests.simulation.sim import History, simulate

CHUNK = 125
DEFAULT = range(0, 3000, CHUNK)
NIGHTLY = range(3000, 148_000, 500)
DESK = range(0, 100, 25)
DESK_NIGHTLY = range(100, 5_100, 250)
Simulate = Callable[[int, Path], History]


def _play(
    first: int, count: int, folder: Path, record_property: Any, simulate: Simulate = simulate
) -> None:
    counts: Counter[str] = Counter(seeds=count)
    broken = []
    for seed in range(first, first + count):
        place = folder / str(seed)
        place.mkdir()
        history = simulate(seed, place)
        broken += [history.story()] if history.broken else []
        counts += history.totals()
        rmtree(place)
    record_property("counts", dict(counts))
    assert not broken, "\n\n".join(broken[:5])


@pytest.mark.parametrize("first", DEFAULT)
def test_seeds(first: int, tmp_path: Path, record_property: Any) -> None:
    _play(first, CHUNK, tmp_path, record_property)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", NIGHTLY)
def test_many_seeds(first: int, tmp_path: Path, record_property: Any) -> None:
    _play(first, NIGHTLY.step, tmp_path, record_property)


@pytest.mark.parametrize("first", DESK)
def test_seeds_at_the_desk(first: int, tmp_path: Path, record_property: Any) -> None:
    _play(first, DESK.step, tmp_path, record_property, simulate_desk)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", DESK_NIGHTLY)
def test_many_seeds_at_the_desk(first: int, tmp_path: Path, record_property: Any) -> None:
    _play(first, DESK_NIGHTLY.step, tmp_path, record_property, simulate_desk)
