"""Judge what was really asked of the vendors, by the sandbox's own log of calls.

I11: ShipStation's limit is never exceeded, so that it refuses nothing by itself; I14: a second
replay does nothing; I9: the streams miss nothing that the sweep would have to find.
"""

import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from bcss.flows.replay import Choice
from bcss.sandbox.world import Logged, World
from tests.simulation.process import Process

if TYPE_CHECKING:
    from tests.simulation.sim import History, Play

_HOURS = (2, 1)  # after the first replay, all that it has sent has landed
_GONE = ("shop: vanish", "shop: {'action': 'delete'")


def rate_problems(world: World) -> list[str]:
    """I11: count the calls of each window, which begins with its first call."""
    rate = world.shipstation._account.rate
    window = timedelta(seconds=rate.window)
    begun: datetime | None = None
    used = most = 0
    for call in world.log._entries:
        if call.vendor != "shipstation":
            continue
        if begun is None or call.at >= begun + window:
            begun, used = call.at, 0
        used += 1
        most = max(most, used)
    return [f"I11 {most} calls to ShipStation within a window"] if most > rate.limit else []


def replay_problems(play: "Play") -> list[str]:
    """I14: replay twice what has failed; the second time nothing is left to be done.

    What is refused again has no effect, and is not counted.
    """
    done = []
    for hours in _HOURS:
        play.world.clock.advance(hours * 3600)
        play.world.settle()
        before = len(play.world.log)
        Process(play.rig, play.conduct).replay(Choice(failed=True))
        calls = islice(play.world.log._entries, before, None)
        done.append(sum(_has_effect(one) for one in calls))
    return [f"I14 a second replay did {done[1]} writes"] if done[1] else []


def _has_effect(call: Logged) -> bool:
    return (
        call.vendor == "bc"
        and call.request.method != "GET"
        and call.status < HTTPStatus.BAD_REQUEST
    )


def sweep_problems(history: "History", database: Path, since: datetime) -> list[str]:
    """I9: no sweep finds what the streams have missed, once all is quiet.

    It may find what changes while it runs, or after a database was lost, and it is what finds an
    order that was deleted.
    """
    if history.counts["loss"] or any(one.startswith(_GONE) for one in history.steps):
        return []
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as conn:
        swept = conn.execute(
            "SELECT summary FROM audit WHERE flow = 'sweep' AND summary LIKE 'swept 35 days: %' "
            "AND summary NOT LIKE 'swept 35 days: 0 records%' AND at > ?",
            (since.isoformat(),),
        ).fetchall()
    return [f"I9 {text}" for (text,) in swept]
