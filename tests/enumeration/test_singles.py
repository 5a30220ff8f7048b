"""Fail each operation of a run in each way, for every order shape, and look (REL §7.3 A, B)."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bcss.sandbox.world import Logged
from tests.enumeration.cases import CASES
from tests.enumeration.play import NEXT_DAY, SETTLED, SOON, Play, Stage
from tests.enumeration.points import has_effect
from tests.enumeration.snapshot import fingerprint

Rule = dict[str, Any]
Record = Any
LATE = (1, 59, 300, 1140, 1500)
_READS: tuple[Rule, ...] = (
    {"do": "drop"},
    {"do": "error_after", "status": 500},
    {"do": "truncate"},
    {"do": "html"},
)
_MORE: tuple[Rule, ...] = (
    {"do": "error_after", "status": 504},
    {"do": "reject", "status": 503},
    {"do": "truncate", "cut": True},
    {"do": "throttle", "retry_after": 7},
)
_WRITES: tuple[Rule, ...] = (
    *_READS,
    *_MORE,
    {"do": "error_after", "status": 408},
    {"do": "error_after", "status": 400, "content": '{"error":{"code":"X","message":"odd"}}'},
    *({"do": "late", "after": seconds} for seconds in LATE),
)
# What an answer to a read looks like does not depend on the order's shape.
_EVERY_READ = ("first_run", "simple", "ship_and_invoice")


def _rules(calls: list[Logged], name: str) -> Iterator[tuple[Rule, Logged]]:
    """Yield each fault for each operation, and the call that it meets."""
    reads = (*_READS, *_MORE) if name in _EVERY_READ else _READS
    if name == "five_hundred_lines":
        reads = _READS[:1]
    for n, call in enumerate(calls, 1):
        writes = call.request.method != "GET"
        for rule in _WRITES if writes else reads:
            yield {**rule, "nth": n}, call


def _refuses_create(rule: Rule, call: Logged) -> bool:
    """Tell whether Business Central says no to the document itself, which a person must settle."""
    path = call.request.path
    return rule.get("status") == 400 and path.endswith(("/salesInvoices", "/salesOrders"))


def _afterwards(play: Play, *waits: float) -> list[str]:
    """Let everything land, run until nothing moves, sweep, and judge."""
    play.world.faults.clear()
    for wait in waits:
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
    for rule, call in _rules(clean.world.log.calls(), name):
        play = stage.rig(stage.start)
        play.refused = _refuses_create(rule, call)
        play.fault(rule)
        play.run()
        waits = (NEXT_DAY,) if call.request.method == "GET" else (SOON, SETTLED, NEXT_DAY)
        assert _afterwards(play, *waits) == [], f"{name}: {rule}"
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
        assert mark in seen or has_effect(play.points.names) or not seen
        if mark in seen:
            assert play.conduct.broken == []
            continue
        seen.add(mark)
        died = play.points.names[-1]
        assert _afterwards(play, SOON, SETTLED) == [], f"{name}: died at point {deaths}: {died}"
    assert deaths > 80
    record_property("counts", {"singles": deaths, "kills": deaths})
