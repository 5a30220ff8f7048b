"""Fail each operation of a run in each way, for every order shape, and look (REL §7.3 A, B)."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bcss.sandbox.world import Logged
from tests.enumeration.cases import CASES
from tests.enumeration.play import NEXT_DAY, SETTLED, SOON, Play, Stage
from tests.enumeration.snapshot import fingerprint

Rule = dict[str, Any]
Record = Any
LATE = (1, 59, 300, 1140, 1500)
_ANY: tuple[Rule, ...] = (
    {"do": "drop"},
    {"do": "error_after", "status": 500},
    {"do": "error_after", "status": 504},
    {"do": "reject", "status": 503},
    {"do": "truncate"},
    {"do": "truncate", "cut": True},
    {"do": "html"},
    {"do": "throttle", "retry_after": 7},
)
_WRITES: tuple[Rule, ...] = (
    *_ANY,
    {"do": "error_after", "status": 408},
    {"do": "error_after", "status": 400, "content": '{"error":{"code":"X","message":"odd"}}'},
    *({"do": "late", "after": seconds} for seconds in LATE),
)
_BIG: tuple[Rule, ...] = ({"do": "drop"}, {"do": "truncate"})


def _rules(calls: list[Logged], *, big: bool) -> Iterator[tuple[Rule, bool]]:
    """Yield each fault for each operation, and whether that operation may change something."""
    for n, call in enumerate(calls, 1):
        writes = call.request.method != "GET"
        for rule in _WRITES if writes else _BIG if big else _ANY:
            yield {**rule, "nth": n}, writes


def _afterwards(play: Play, *, thorough: bool) -> list[str]:
    """Let everything land, run until nothing moves, sweep, and judge."""
    play.world.faults.clear()
    for wait in (SOON, SETTLED, NEXT_DAY) if thorough else (SOON, NEXT_DAY):
        play.later(wait)
        play.run()
    return play.broken()


@pytest.mark.parametrize("name", CASES)
def test_one_fault_at_any_operation_breaks_nothing(
    name: str, tmp_path: Path, record_property: Record
) -> None:
    stage = Stage(CASES[name], tmp_path)
    clean = stage.rig(stage.start)
    clean.run()
    assert clean.broken() == []
    kinds: Counter[str] = Counter()
    for rule, writes in _rules(clean.world.log.calls(), big=name == "five_hundred_lines"):
        play = stage.rig(stage.start)
        play.fault(rule)
        play.run()
        assert _afterwards(play, thorough=writes) == [], f"{name}: {rule}"
        kinds[f"fault {rule['do']}"] += 1
    record_property("counts", {"singles": sum(kinds.values()), **kinds})


@pytest.mark.parametrize("name", CASES)
def test_death_at_any_point_breaks_nothing(
    name: str, tmp_path: Path, record_property: Record
) -> None:
    stage = Stage(CASES[name], tmp_path)
    seen: set[bytes] = set()
    deaths = 0
    while True:
        play = stage.rig(stage.start)
        if not play.run(die_at=deaths + 1):
            break
        deaths += 1
        mark = fingerprint(play.world, tmp_path / "state.db")
        if mark in seen:
            assert play.conduct.broken == []
            continue
        seen.add(mark)
        died = play.points.names[-1]
        assert _afterwards(play, thorough=True) == [], f"{name}: died at point {deaths}: {died}"
    assert deaths > 80
    record_property("counts", {"singles": deaths, "kills": deaths})
