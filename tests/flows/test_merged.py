"""An order that is booked and is then merged into another: nothing is billed twice unasked."""

from decimal import Decimal
from pathlib import Path

import pytest

from bcss.flows import review
from bcss.holds import Why
from tests.flows.stage import Stage, balance

NUMBER, SURVIVOR = "SO-1001", "SO-1002"
DAY = 86_400
STATUSES = ("cancelled", "deleted", "awaiting_shipment", "shipped")


def merged(folder: Path, status: str, *, void: bool) -> Stage:
    """Book an order, open it again, and merge it into another one that is shipped then."""
    stage = Stage.of(folder, NUMBER, SURVIVOR)
    label = stage.ship(NUMBER)
    stage.run()
    if void:
        stage.ss("void", shipmentId=label["shipmentId"])
    else:
        stage.ss("edit", NUMBER, changes={"orderStatus": "awaiting_shipment"})
    stage.run()
    absorbed = [stage.orders[NUMBER]]
    stage.ss("merge", into=stage.orders[SURVIVOR], absorbed=absorbed, status=status)
    stage.run()
    stage.ship(SURVIVOR)
    for pause in (0, 0, DAY, 0):
        stage.pass_time(pause)
        stage.run()
    return stage


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("void", [True, False])
def test_both_orders_are_held(tmp_path: Path, status: str, void: bool) -> None:
    stage = merged(tmp_path, status, void=void)

    assert sorted(hold.why for hold in stage.holds()) == [
        Why.CANCELLED_AFTER_POST,
        Why.MERGED_AFTER_POST,
    ]
    assert balance(stage) == Decimal("25.50")


def test_approving_credits_the_one_and_lets_the_other_go_on(tmp_path: Path) -> None:
    stage = merged(tmp_path, "awaiting_shipment", void=False)
    with stage.rig.connection() as conn:
        holds = {hold.why: hold for hold in conn.store.holds.open()}
        review.approve(
            conn, review.Decision(holds[Why.CANCELLED_AFTER_POST], "clerk", "merged by mistake")
        )

    for _ in range(3):
        stage.run()

    assert stage.holds() == []
    assert balance(stage) == Decimal("51.00")
