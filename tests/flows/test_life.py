"""What an order goes through, and where it must end (reliability.md §2.8): one row a life."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from bcss.flows import review
from bcss.units import State
from tests.flows.stage import ANOTHER, Stage, balance, order_row

NUMBER = "SO-1001"
UNLISTED = 80009


def run(stage: Stage) -> None:
    stage.run()


def draft(stage: Stage) -> None:
    """Run as far as the draft: nothing may be posted."""
    stage.run(max_post=0)
    assert [row["posted"] for row in stage.invoices] == [False]


def ship(stage: Stage) -> None:
    count = len(stage.rig.world.shipstation.state()["shipments"])
    stage.ship(NUMBER, trackingNumber=f"1ZNUMBER{count + 1}")


def void(stage: Stage) -> None:
    last = [row for row in stage.rig.world.shipstation.state()["shipments"] if not row["voided"]]
    stage.ss("void", shipmentId=last[-1]["shipmentId"])


def mark(stage: Stage) -> None:
    stage.ss("markasshipped", NUMBER, trackingNumber="HAND1", carrierCode="UPS")


def void_mark(stage: Stage) -> None:
    row = stage.rig.world.shipstation.state()["fulfillments"][-1]
    stage.ss("void_fulfillment", fulfillmentId=row["fulfillmentId"])


def return_label(stage: Stage) -> None:
    stage.ss("return_label", NUMBER)


def edit(stage: Stage) -> None:
    stage.reprice(NUMBER, "12.00")


def edit_back(stage: Stage) -> None:
    stage.reprice(NUMBER, "10.00")


def move_address(stage: Stage) -> None:
    stage.ss("edit", NUMBER, changes={"shipTo": {"city": "Elsewhere"}})


def hold(stage: Stage) -> None:
    stage.ss("edit", NUMBER, changes={"orderStatus": "on_hold"})


def release(stage: Stage) -> None:
    stage.ss("edit", NUMBER, changes={"orderStatus": "awaiting_shipment"})


def revive(stage: Stage) -> None:
    stage.ss("edit", NUMBER, changes={"orderStatus": "shipped"})


def cancel(stage: Stage) -> None:
    stage.ss("cancel", NUMBER)


def touch(stage: Stage) -> None:
    stage.ss("touch", NUMBER)


def delete(stage: Stage) -> None:
    stage.ss("delete", NUMBER)


def vanish(stage: Stage) -> None:
    stage.ss("vanish", NUMBER)


def reimport(stage: Stage) -> None:
    """The store sends the order again: a new id with the same key, the old row deleted."""
    stage.orders[NUMBER] = stage.ss("reimport", NUMBER)["orderId"]


def reimport_beside(stage: Stage) -> None:
    stage.orders[NUMBER] = stage.ss("reimport", NUMBER, keep=True)["orderId"]


def move(stage: Stage) -> None:
    stage.ss("move_store", NUMBER, storeId=ANOTHER)


def move_away(stage: Stage) -> None:
    stage.ss("move_store", NUMBER, storeId=UNLISTED)


def split(stage: Stage) -> None:
    items = stage.order(NUMBER)["items"]
    child = stage.ss("split", NUMBER, items=[items[1]["orderItemId"]])
    stage.orders["child"] = child["orderId"]


def ship_child(stage: Stage) -> None:
    stage.ship("child", trackingNumber="1ZCHILD")


def cancel_child(stage: Stage) -> None:
    stage.ss("cancel", "child")


def lose_child(stage: Stage) -> None:
    stage.ss("vanish", "child")


def other_order(stage: Stage) -> None:
    stage.take(order_row("SO-2002", ("ITEM-24", 1, "7.00")))


def merge_into_other(stage: Stage) -> None:
    stage.ss("merge", into=stage.orders["SO-2002"], absorbed=[stage.orders[NUMBER]])


def merge_other(stage: Stage) -> None:
    stage.ss("merge", into=stage.orders[NUMBER], absorbed=[stage.orders["SO-2002"]])


def ship_other(stage: Stage) -> None:
    stage.ship("SO-2002", trackingNumber="1ZOTHER")


def later(stage: Stage) -> None:
    stage.pass_time(7200)


Act = Callable[[Stage], None]


@dataclass(frozen=True)
class Life:
    """Events, then where the order ends: state, hold, what is booked, and drafts left."""

    name: str
    acts: tuple[Act, ...]
    state: State
    held: str = ""
    booked: str = "0"
    drafts: int = 0
    posted: int | None = None
    told: tuple[str, ...] = ()


CONFIRMED, DROPPED, SEEN, DRAFTED = State.CONFIRMED, State.DROPPED, State.SEEN, State.DRAFTED
ONE, TWO = ("1ZNUMBER1",), ("1ZNUMBER1", "1ZNUMBER2")

LIVES = (
    # before any document
    Life("shipped", (ship,), CONFIRMED, booked="25.50", told=ONE),
    Life("edited, then shipped", (run, edit, ship), CONFIRMED, booked="29.50"),
    Life("on hold", (run, hold), SEEN),
    Life("held, released, shipped", (hold, run, release, ship), CONFIRMED, booked="25.50"),
    Life("cancelled while open", (run, cancel), DROPPED),
    Life("label voided before the first run", (ship, void), SEEN),
    Life(
        "voided and shipped again", (ship, void, ship), CONFIRMED, booked="25.50", told=TWO[1:]
    ),
    Life("only a return label", (return_label,), SEEN),
    Life("marked as shipped", (mark,), CONFIRMED, booked="25.50", told=("HAND1",)),
    Life("mark taken back", (mark, void_mark), SEEN),
    Life("moved before shipping", (run, move, ship), CONFIRMED, booked="25.50"),
    Life("moved to a store unknown", (run, move_away, ship), SEEN, held="unknown_store"),
    Life("deleted while open", (run, delete), SEEN),
    Life("imported again, shipped", (run, reimport, ship), CONFIRMED, booked="25.50"),
    Life("imported beside, shipped", (run, reimport_beside, ship), CONFIRMED, booked="25.50"),
    Life("half shipped", (split, ship), SEEN),
    Life("split, all shipped", (split, ship, run, ship_child), CONFIRMED, booked="25.50"),
    Life("split, rest cancelled", (split, ship, cancel_child), SEEN, held="partly_cancelled"),
    Life("split, a part is lost", (split, lose_child, ship), SEEN, "vanished"),
    Life("merged away, shipped", (other_order, run, merge_into_other, ship_other), DROPPED,
         booked="32.50", posted=1),
    Life("takes another in", (other_order, run, merge_other, ship), CONFIRMED, booked="32.50"),
    # with a draft, not posted yet
    Life("draft, edited", (ship, draft, edit), CONFIRMED, booked="29.50"),
    Life("draft, edited and back", (ship, draft, edit, edit_back), CONFIRMED, booked="25.50"),
    Life("draft, address", (ship, draft, move_address), CONFIRMED, booked="25.50"),
    Life("draft, touched", (ship, draft, touch), CONFIRMED, booked="25.50"),
    Life("draft, cancelled", (ship, draft, cancel), DROPPED),
    Life("draft, voided", (ship, draft, void), DRAFTED, drafts=1),
    Life("draft, voided, cancelled", (ship, draft, void, run, cancel), DROPPED),
    Life("draft, voided, shipped again", (ship, draft, void, ship), CONFIRMED, booked="25.50",
         told=TWO[1:]),
    Life("draft, voided, seen, shipped", (ship, draft, void, run, ship), CONFIRMED,
         booked="25.50", told=TWO[1:]),
    Life("draft, second label", (ship, draft, ship), CONFIRMED, booked="25.50", told=TWO),
    Life("draft, mark taken back", (mark, draft, void_mark), DRAFTED, drafts=1),
    Life("draft, moved", (ship, draft, move), CONFIRMED, booked="25.50"),
    Life("draft, moved away", (ship, draft, move_away), DRAFTED, held="unknown_store", drafts=1),
    Life("draft, deleted", (ship, draft, delete), CONFIRMED, booked="25.50"),
    Life("draft, vanished", (ship, draft, vanish), CONFIRMED, booked="25.50"),
    Life("draft, imported again", (ship, draft, reimport), CONFIRMED, booked="25.50"),
    Life("draft, voided and split", (ship, draft, void, split, ship), DRAFTED, drafts=1),
    Life("draft, split, all shipped", (ship, draft, void, split, ship, run, ship_child),
         CONFIRMED, booked="25.50", told=("1ZNUMBER2", "1ZCHILD")),
    Life("draft, absorbed by a merge", (other_order, ship, draft, void, merge_into_other), DROPPED),
    Life("draft, absorbed, survivor shipped",
         (other_order, ship, draft, void, merge_into_other, run, ship_other), DROPPED,
         booked="32.50", posted=1),
    Life("draft, takes another in", (other_order, ship, draft, void, merge_other, ship), CONFIRMED,
         booked="32.50"),
    # posted
    Life("posted, touched", (ship, run, touch), CONFIRMED, booked="25.50"),
    Life("posted, address", (ship, run, move_address), CONFIRMED, booked="25.50"),
    Life("posted, second label", (ship, run, ship), CONFIRMED, booked="25.50", told=TWO),
    Life("posted, voided and shipped again", (ship, run, void, ship), CONFIRMED, booked="25.50",
         told=TWO),
    Life("posted, voided, seen, shipped again", (ship, run, void, run, ship), CONFIRMED,
         booked="25.50", told=TWO),
    Life("posted, voided", (ship, run, void), CONFIRMED, "voided_after_post", "25.50"),
    Life("posted, mark taken back", (mark, run, void_mark), CONFIRMED, "voided_after_post",
         "25.50"),
    Life("posted, edited", (ship, run, edit), CONFIRMED, "edited_after_post", "25.50"),
    Life("posted, cancelled", (ship, run, cancel), CONFIRMED, "cancelled_after_post", "25.50"),
    Life("posted, return label", (ship, run, return_label), CONFIRMED, booked="25.50"),
    Life("posted, moved", (ship, run, move), CONFIRMED, booked="25.50"),
    Life("posted, moved away", (ship, run, move_away), CONFIRMED, booked="25.50"),
    Life("posted, deleted", (ship, run, delete, later), CONFIRMED, booked="25.50"),
    Life("posted, vanished", (ship, run, vanish, later), CONFIRMED, booked="25.50"),
    Life("posted, imported again", (ship, run, reimport), CONFIRMED, booked="25.50"),
    Life("posted, imported again, shipped", (ship, run, reimport, run, ship), CONFIRMED,
         "key_shared", "25.50"),
    Life("posted, voided and split", (ship, run, void, split), CONFIRMED, "edited_after_post",
         "25.50"),
)  # fmt: skip


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.name)
def test_each_life_ends_as_the_table_says(tmp_path: Path, life: Life) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    first = stage.orders[NUMBER]

    for act in life.acts:
        act(stage)
    for _ in range(3):
        assert stage.run().errors == ()

    assert [hold.why for hold in stage.holds()] == [life.held][: bool(life.held)]
    stage.orders["first"] = first
    assert stage.unit("first").state is life.state
    assert balance(stage) == Decimal(life.booked)
    wanted = life.posted if life.posted is not None else int(life.state is CONFIRMED)
    assert len(stage.posted) == wanted
    assert len(stage.invoices) - len(stage.posted) == life.drafts
    assert all(number in told(stage) for number in life.told)


def test_what_is_left_of_an_order_is_booked_when_approved(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    for act in (split, lose_child, ship):
        act(stage)
    total = stage.order(NUMBER)["items"][0]["unitPrice"] * 2
    stage.run()
    stage.decide(review.approve)
    stage.run()
    assert [hold.why for hold in stage.holds()] == ["total_differs"]

    stage.ss("edit", NUMBER, changes={"orderTotal": total})
    stage.run()

    assert (balance(stage), stage.holds()) == (Decimal("20.00"), [])


def told(stage: Stage) -> str:
    """Return every text of the documents, the names and sizes of their files among them."""
    lines = " ".join(line["description"] for row in stage.invoices for line in row["lines"])
    return lines + str(stage.rows("documentAttachments"))


def test_a_create_that_lands_after_its_order_was_cancelled_is_taken_back(tmp_path: Path) -> None:
    """It lands even after the settle horizon, when the draft of the second try is gone already."""
    stage = Stage.of(tmp_path, NUMBER)
    stage.ship(NUMBER)
    path = "/salesInvoices$"
    late = {"vendor": "bc", "method": "POST", "path": path, "do": "late", "after": 2400}
    stage.rig.world.faults.add(late)
    stage.run()
    stage.pass_time(1300)
    stage.run(max_post=0)
    stage.ss("void", shipmentId=stage.rig.world.shipstation.state()["shipments"][0]["shipmentId"])
    stage.ss("cancel", NUMBER)
    stage.run()
    assert stage.invoices == []
    stage.pass_time(900)
    stage.rig.world.settle()
    assert len(stage.invoices) == 1

    stage.pass_time(86_400)
    stage.run()
    stage.run()

    assert (stage.invoices, stage.holds()) == ([], [])
