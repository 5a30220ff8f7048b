"""`orders.when: open`: the sales order stands while the order is open, and follows it."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcss.config.schema import DocumentKind
from bcss.flows import review
from bcss.holds import Why
from bcss.units import State
from tests.flows.stage import Killed, Killer, Stage, balance, order_row

NUMBER = "SO-1001"
KINDS = (DocumentKind.SALES_ORDER, DocumentKind.SHIP_AND_INVOICE)


def opened(folder: Path, kind: DocumentKind, **orders: Any) -> Stage:
    """Return a stage on which an open order stands in Business Central."""
    stage = Stage.of(folder, NUMBER, document=kind, when="open", **orders)
    stage.run()
    return stage


def comments(stage: Stage) -> str:
    rows = [*stage.bc_orders, *stage.invoices]
    return " | ".join(
        line["description"] for row in rows for line in row["lines"] if line["description"]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_sales_order_stands_as_soon_as_the_order_is_open(
    tmp_path: Path, kind: DocumentKind
) -> None:
    stage = opened(tmp_path, kind)

    again = stage.run()

    (row,) = stage.bc_orders
    assert Decimal(row["totalAmountIncludingTax"]) == Decimal("25.50")
    assert (row["postingDate"], row["trackingNumber"]) == ("2026-03-09", "")
    unit = stage.unit(NUMBER)
    assert (unit.state, unit.waiting, unit.verified) == (State.DRAFTED, "not-shipped", True)
    assert "ShipStation order SO-1001" in comments(stage)
    assert (stage.invoices, stage.holds()) == ([], [])
    assert again.requests.get("business_central", 0) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_shipping_brings_tracking_dates_and_posting(tmp_path: Path, kind: DocumentKind) -> None:
    stage = opened(tmp_path, kind)
    standing = stage.bc_orders[0]["id"]

    stage.ship(NUMBER, trackingNumber="1ZTEST", shipDate="2026-03-10")
    summary = stage.run()

    assert (summary.errors, summary.new_holds) == ((), ())
    (row,) = stage.posted or stage.bc_orders
    assert (row["agent"], row["service"], row["trackingNumber"]) == ("UPS", "GROUND", "1ZTEST")
    assert row["postingDate"] == "2026-03-10"
    assert "1ZTEST" in comments(stage)
    assert standing in (row["id"], row.get("orderId"))
    assert len(stage.posted) == kind.posts
    assert stage.unit(NUMBER).state is State.CONFIRMED
    assert stage.run().report.posted == 0


def change_quantity(stage: Stage) -> None:
    items = [dict(item) for item in stage.order(NUMBER)["items"]]
    items[0]["quantity"] = 5
    stage.ss("edit", NUMBER, changes={"items": items})


def change_address(stage: Stage) -> None:
    stage.ss("edit", NUMBER, changes={"shipTo": {"city": "Elsewhere"}})


def nothing(_stage: Stage) -> None:
    pass


def ship(stage: Stage) -> None:
    stage.ship(NUMBER)


def hold(stage: Stage) -> None:
    stage.ss("edit", NUMBER, changes={"orderStatus": "on_hold"})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("edit", "total", "city"),
    [(change_quantity, "55.50", "Testville"), (change_address, "25.50", "Elsewhere")],
)
def test_an_edit_is_followed_until_it_ships(
    tmp_path: Path, kind: DocumentKind, edit: Callable[[Stage], None], total: str, city: str
) -> None:
    stage = opened(tmp_path, kind)

    edit(stage)
    stage.run()

    (row,) = stage.bc_orders
    assert (Decimal(row["totalAmountIncludingTax"]), row["shipToCity"]) == (Decimal(total), city)
    assert stage.unit(NUMBER).waiting == "not-shipped"
    stage.ship(NUMBER)
    stage.run()
    assert stage.holds() == []
    assert balance(stage) == (Decimal(total) if kind.posts else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_changes_no_document_costs_no_call(tmp_path: Path, kind: DocumentKind) -> None:
    stage = opened(tmp_path, kind)

    for happen in (lambda: stage.ss("touch", NUMBER), lambda: hold(stage)):
        happen()
        summary = stage.run()
        assert summary.requests.get("business_central", 0) <= 3  # the items, at most
        assert len(stage.bc_orders) == 1
        assert stage.unit(NUMBER).waiting == "not-shipped"


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancelled_order_takes_its_sales_order_along(tmp_path: Path, kind: DocumentKind) -> None:
    stage = opened(tmp_path, kind)

    stage.ss("cancel", NUMBER)
    stage.run()

    assert (stage.bc_orders, stage.holds()) == ([], [])
    assert stage.unit(NUMBER).state is State.DROPPED


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("then", ["edit", "cancel", "ship"])
def test_what_a_person_changed_is_never_overwritten(
    tmp_path: Path, kind: DocumentKind, then: str
) -> None:
    stage = opened(tmp_path, kind)
    stage.bc("edit_by_person", id=stage.bc_orders[0]["id"], line=0, changes={"quantity": 3})

    if then == "edit":
        change_quantity(stage)
    elif then == "cancel":
        stage.ss("cancel", NUMBER)
    else:
        stage.ship(NUMBER)
    stage.run()

    assert [one.why for one in stage.holds()] == [Why.BC_DRAFT_EDITED]
    assert Decimal(stage.bc_orders[0]["lines"][0]["quantity"]) == 3
    assert stage.posted == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_person_who_posts_before_it_ships_is_seen(tmp_path: Path, kind: DocumentKind) -> None:
    stage = opened(tmp_path, kind)
    stage.bc("post_by_person", id=stage.bc_orders[0]["id"])

    stage.ship(NUMBER, trackingNumber="1ZTEST")
    for _ in range(3):
        stage.run()

    assert (len(stage.posted), stage.bc_orders, stage.holds()) == (1, [], [])
    unit = stage.unit(NUMBER)
    assert (unit.state, unit.document_number) == (State.CONFIRMED, stage.posted[0]["number"])
    files = stage.rows("documentAttachments")
    assert len(files) == 1
    assert files[0]["parentId"] == stage.posted[0]["id"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_label_voided_before_posting_reopens_the_sales_order(
    tmp_path: Path, kind: DocumentKind
) -> None:
    stage = opened(tmp_path, kind)
    stage.post_from("2026-04-01")
    label = stage.ship(NUMBER, trackingNumber="1ZFIRST")
    stage.run()
    if kind.posts:
        assert [one.why for one in stage.holds()] == [Why.PERIOD_CLOSED]
        return
    stage.ss("void", shipmentId=label["shipmentId"])
    stage.run()
    assert stage.unit(NUMBER).waiting == "not-shipped"
    stage.ship(NUMBER, trackingNumber="1ZSECOND")
    stage.run()

    (row,) = stage.bc_orders
    assert row["trackingNumber"] == "1ZSECOND"
    assert stage.unit(NUMBER).state is State.CONFIRMED


def test_a_split_while_open_stays_one_sales_order(tmp_path: Path) -> None:
    stage = opened(tmp_path, DocumentKind.SHIP_AND_INVOICE)
    items = stage.order(NUMBER)["items"]
    child = stage.ss("split", NUMBER, items=[items[1]["orderItemId"]])["orderId"]
    stage.run()
    stage.run()
    assert [Decimal(row["totalAmountIncludingTax"]) for row in stage.bc_orders] == [
        Decimal("25.50")
    ]

    stage.ship(NUMBER)
    stage.run()
    assert (stage.posted, len(stage.bc_orders)) == ([], 1)
    stage.orders["child"] = child
    stage.ship("child")
    stage.run()

    assert balance(stage) == Decimal("25.50")
    assert (len(stage.posted), stage.bc_orders, stage.holds()) == (1, [], [])


def test_an_unpaid_order_waits(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, document=DocumentKind.SALES_ORDER, when="open")
    stage.take(order_row(NUMBER, ("ITEM-24", 1, "3.00"), orderStatus="awaiting_payment"))

    stage.run()
    assert stage.bc_orders == []
    stage.ss("edit", NUMBER, changes={"orderStatus": "awaiting_shipment"})
    stage.run()

    assert len(stage.bc_orders) == 1


def test_an_unknown_item_is_held_while_the_order_is_open(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, document=DocumentKind.SALES_ORDER, when="open")
    stage.take(order_row(NUMBER, ("NO-SUCH", 1, "3.00")))

    assert [one.why for one in stage.run().new_holds] == [Why.UNKNOWN_SKU]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("settle", [timedelta(0), timedelta(minutes=20)])
@pytest.mark.parametrize("kind", KINDS)
def test_dying_at_any_call_of_an_orders_life_leaves_one_document(
    tmp_path: Path, kind: DocumentKind, settle: timedelta, when: str
) -> None:
    """Open, edit, ship: the process dies once, at each call in turn."""
    total = 0
    at = 0
    while at <= total:
        stage = Stage.of(tmp_path / f"{at}", NUMBER, document=kind, when="open", settle=settle)
        killer = Killer(at, when)
        killer.install(stage.rig)
        died = 0
        for act in (nothing, change_quantity, ship):
            act(stage)
            try:
                stage.run()
            except Killed:
                died += 1
            stage.pass_time(settle.total_seconds() + 1)
        total = total or killer.seen
        assert died == (at > 0)
        stage.run()
        stage.pass_time(settle.total_seconds() + 1)
        stage.run()
        assert stage.holds() == [], f"killed {when} call {at}"
        rows = stage.posted or stage.bc_orders
        assert len([*stage.invoices, *stage.bc_orders]) == 1, f"killed {when} call {at}"
        assert [Decimal(row["totalAmountIncludingTax"]) for row in rows] == [Decimal("55.50")]
        assert bool(stage.posted) == kind.posts
        assert all(row["trackingNumber"] for row in rows)
        at += 1


def test_an_edited_sales_order_is_taken_as_it_stands_when_approved(tmp_path: Path) -> None:
    stage = opened(tmp_path, DocumentKind.SHIP_AND_INVOICE)
    stage.bc("edit_by_person", id=stage.bc_orders[0]["id"], line=0, changes={"unitPrice": 15})
    stage.ship(NUMBER)
    stage.run()

    stage.decide(review.approve)
    stage.run()

    assert [Decimal(row["totalAmountIncludingTax"]) for row in stage.posted] == [Decimal("35.50")]
    assert stage.holds() == []
