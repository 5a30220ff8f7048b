"""An order that is booked and is then merged into another: nothing is billed twice unasked."""

from decimal import Decimal
from pathlib import Path

import pytest

from bcss.config.schema import DocumentKind
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


def merge_and_ship(stage: Stage, into: str, absorbed: str) -> None:
    stage.ss("merge", into=stage.orders[into], absorbed=[stage.orders[absorbed]])
    stage.ship(into)
    for pause in (0, 0, DAY, 0):
        stage.pass_time(pause)
        stage.run()


def reopened(stage: Stage, number: str) -> None:
    stage.ss("edit", number, changes={"orderStatus": "awaiting_shipment"})


def test_a_post_in_doubt_keeps_the_survivor_waiting_until_it_is_known(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER, SURVIVOR)
    stage.ship(NUMBER)
    stage.dies("after", "Microsoft.NAV")
    reopened(stage, NUMBER)
    merge_and_ship(stage, SURVIVOR, NUMBER)

    assert balance(stage) == Decimal("25.50")
    assert Why.MERGED_AFTER_POST in [hold.why for hold in stage.holds()]


@pytest.mark.parametrize("kind", [DocumentKind.POSTED_INVOICE, DocumentKind.DRAFT_INVOICE])
def test_a_draft_that_a_person_posts_before_the_merge_holds_the_survivor(
    tmp_path: Path, kind: DocumentKind
) -> None:
    stage = Stage.of(tmp_path, NUMBER, SURVIVOR, document=kind)
    stage.ship(NUMBER)
    stage.run(max_post=0)
    stage.bc("post_by_person", id=stage.invoices[0]["id"])
    reopened(stage, NUMBER)
    merge_and_ship(stage, SURVIVOR, NUMBER)

    assert len(stage.invoices) == 1
    assert Why.MERGED_AFTER_POST in [hold.why for hold in stage.holds()]


def test_a_merge_of_a_merge_is_followed_to_what_is_booked(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER, "SO-1003", SURVIVOR)
    stage.ship(NUMBER)
    stage.run()
    reopened(stage, NUMBER)
    absorbed = [stage.orders[NUMBER]]
    stage.ss("merge", into=stage.orders["SO-1003"], absorbed=absorbed)
    stage.run()
    merge_and_ship(stage, SURVIVOR, "SO-1003")

    assert balance(stage) == Decimal("25.50")
    assert Why.MERGED_AFTER_POST in [hold.why for hold in stage.holds()]
