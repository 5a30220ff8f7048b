"""A clerk at the queue: stages on which something is held, and decisions about it."""

from pathlib import Path

from bcss.flows import review
from bcss.flows.reopening import reopen
from bcss.flows.replay import Choice, replay
from bcss.holds import Hold, Why
from tests.flows.stage import Stage, order_row

LEFT_OUT = (
    'will not be booked by bcss, not even if it ships later. bcss hold reopen {} --note "why" '
    "takes that back."
)
NUMBER, OTHER, THIRD = "SO-1001", "SO-1002", "SO-1003"


def booked(folder: Path, **orders: object) -> Stage:
    """Return a stage on which one order is posted and two others wait."""
    stage = Stage.of(folder, NUMBER, OTHER, THIRD, **orders)
    stage.ship(NUMBER)
    stage.run()
    assert [row["posted"] for row in stage.invoices] == [True]
    return stage


def disputed(folder: Path) -> Stage:
    """Return a stage on which two posted totals differ, and a third order is to be posted."""
    stage = booked(folder)
    stage.bc("set", switches={"invoice_rounding": "1.00"})
    stage.ship(OTHER)
    stage.ship(THIRD)
    stage.run()
    stage.bc("set", switches={"invoice_rounding": ""})
    stage.take(order_row("SO-1004", ("ITEM-24", 1, "24.00")))
    stage.ship("SO-1004")
    assert [hold.why for hold in stage.holds()] == [Why.POSTED_TOTAL_DIFFERS] * 2
    return stage


def decide(stage: Stage, verb: str, hold: Hold, note: str = "as agreed") -> str:
    acts = {"approve": review.approve, "ignore": review.ignore, "reopen": reopen}
    with stage.rig.connection() as conn:
        return acts[verb](conn, review.Decision(hold, "clerk", note))


def stops(stage: Stage) -> dict[int, str]:
    with stage.rig.connection() as conn:
        return conn.store.store_stops()


def replayed(stage: Stage, number: str) -> list[str]:
    parts = [("replay", lambda conn: replay(conn, Choice(orders=(number,))))]
    return stage.rig.run(parts).report.notes


def trail(stage: Stage, number: str) -> list[str]:
    with stage.rig.connection() as conn:
        unit = conn.store.units.of_orders([stage.orders[number]])[-1]
        return [row.summary for row in conn.store.trail.of([f"unit:{unit.unit_id}"])]


def unknown_sku(folder: Path) -> Stage:
    stage = Stage.of(folder)
    stage.take(order_row(NUMBER, ("MYSTERY", 1, "7.00")))
    stage.ship(NUMBER)
    stage.run()
    assert [hold.why for hold in stage.holds()] == [Why.UNKNOWN_SKU]
    return stage
