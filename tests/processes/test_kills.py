"""SIGKILL of the installed bcss at calls that the sandbox sees, again and again, until done."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from bcss.errors import Exit
from tests.checker import problems
from tests.processes.harness import Host, Killer, host, unbooked, writes

KILLS_A_BATCH = 38
BATCHES = 4
assert KILLS_A_BATCH * BATCHES >= 150, "what the README promises of the default suite"
_KILLS_A_WORLD = 12
_QUIET = 6
_ENDS = (int(Exit.DONE), int(Exit.HELD))


@dataclass(slots=True)
class Outcome:
    """What became of the worlds of one batch."""

    kills: int = 0
    runs: int = 0
    broken: list[str] = field(default_factory=list)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("batch", range(BATCHES))
def test_sigkill_at_any_call(
    batch: int, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Two worlds side by side, each killed several times at calls drawn from its seed."""
    with ThreadPoolExecutor(2) as pool:
        halves = list(
            pool.map(lambda half: _until(KILLS_A_BATCH // 2, batch, half, tmp_path), range(2))
        )

    kills = sum(one.kills for one in halves)
    record_property("counts", {"real kills": kills})
    assert [text for one in halves for text in one.broken] == []
    assert kills >= KILLS_A_BATCH


def _until(kills: int, batch: int, half: int, folder: Path) -> Outcome:
    outcome = Outcome()
    for n in count():
        if outcome.kills >= kills:
            return outcome
        seed = 1000 * batch + 100 * half + n
        made = host(folder / f"{seed}", 6 + seed % 4, seed=seed)
        try:
            _play(made, random.Random(seed), outcome, seed)
        finally:
            made.close()
    return outcome


def _play(made: Host, dice: random.Random, outcome: Outcome, seed: int) -> None:
    for _ in range(_KILLS_A_WORLD):
        only_writes = dice.random() < 0.7
        killer = Killer(
            dice.randint(1, 4 if only_writes else 20),
            dice.choice(("before", "after")),
            only_writes=only_writes,
        )
        made.meddle = killer
        killer.victim = made.bcss("sync", "all")
        ended = made.wait(killer.victim)
        outcome.runs += 1
        outcome.kills += ended.code == -9
        if ended.code not in (-9, *_ENDS):
            outcome.broken.append(f"seed {seed}: exit {ended.code}: {ended.err}")
        if ended.code != -9:
            break
    made.meddle = None
    outcome.broken += [f"seed {seed}: {text}" for text in _settle(made, outcome)]


def _settle(made: Host, outcome: Outcome) -> list[str]:
    """Run until nothing is left to do, and judge."""
    for _ in range(_QUIET):
        before = len(made.world.log.calls("bc"))
        ended = made.run("sync", "all")
        outcome.runs += 1
        if ended.code not in _ENDS or "Traceback" in ended.err:
            return [f"exit {ended.code}: {ended.err}"]
        if not writes(made.world, since=before):
            return problems(made.world, made.database) + unbooked(made)
    return ["it never comes to rest"]
