"""Histories that once broke a promise, by their seeds, and what they have in common by name."""

import sqlite3
from datetime import date
from pathlib import Path

import pytest

from bcss import app
from tests.checker import problems
from tests.rig import Rig, config_for, world_of
from tests.simulation.process import SINCE
from tests.simulation.sim import simulate


@pytest.mark.parametrize(
    ("seed", "what"),
    [
        (75, "a posted invoice found by a rebuild was taken for a draft, and an edit went unseen"),
        (145, "a draft of an unshipped order found by a rebuild was never planned again"),
        (345, "the same as 75, edited before the first run after the rebuild"),
        (1352, "a label that came at the moment of a poll was not attached after posting"),
        (1704, "a label that came between posting and its confirmation was not attached"),
        (1393, "an order edited after booking stopped its store after a rebuild"),
        (2134, "the same as 1393 for invoices"),
    ],
)
def test_a_seed_that_once_failed_keeps_every_promise(seed: int, what: str, tmp_path: Path) -> None:
    history = simulate(seed, tmp_path)

    assert not history.broken, f"{what}\n{history.story()}"


def test_a_rebuild_confirms_what_is_posted_though_no_draft_is_left_to_compare(
    tmp_path: Path,
) -> None:
    """Number and status do not tell a posted invoice from a released draft: posting again does."""
    world, _ = world_of(12)
    rig = Rig(world, config_for(tmp_path, start=date(2026, 3, 1)), tmp_path)
    posted = rig.run().report.posted
    rig.config.state.path.unlink()

    app.rebuild(rig.config, SINCE, rig.around)
    world.clock.advance(60)
    summary = rig.run()

    assert summary.new_holds == ()
    assert summary.report.posted <= posted
    assert problems(world, rig.config.state.path) == []
    with sqlite3.connect(rig.config.state.path) as conn:
        states = dict(conn.execute("SELECT state, count(*) FROM unit GROUP BY state"))
    assert states["confirmed"] == posted
