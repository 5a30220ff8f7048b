"""Scenarios in which a guard of capture and planning is all that keeps a promise."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

from bcss.sandbox.kit import Request
from bcss.sandbox.shipstation import listing
from tests.guards.stage import (
    ORDERS,
    hours,
    judged,
    minutes,
    once,
    only_order,
    ship_another,
    shop,
    stage,
)
from tests.rig import STORE, Rig


def order_that_becomes_visible_late(folder: Path) -> list[str]:
    """Changes show an hour after their timestamp, and a poll lies between the two."""
    rig = stage(folder)
    rig.world.shipstation.load({"switches": {"late": 3600}})
    rig.run()
    ship_another(rig, "WEB-20001")
    minutes(rig, 30)
    rig.run()
    hours(rig, 2)

    rig.run()

    return judged(rig, held=False)


def orders_that_move_while_pages_are_read(folder: Path) -> list[str]:
    """Rows that were delivered are touched between two pages, so that those behind move up."""
    rig = stage(folder, 60)
    for n in range(60):
        ship_another(rig, f"WEB-2{n:04}")
    ids = iter([row["orderId"] for row in rig.world.shipstation.state()["orders"]])
    pages = 0

    def churn(vendor: str, request: Request) -> None:
        nonlocal pages
        if vendor == "shipstation" and request.path == "/orders" and "modifyDateStart" in request.query:
            pages += 1
            rig.world.clock.advance(1)
            for _ in range(3):
                if pages < 12 and (order_id := next(ids, None)):
                    shop(rig, "touch", orderId=order_id)

    with patch.object(listing, "MAX_PAGE", 10):
        summary = replace(rig, after=churn).run()

    assert pages > 6
    rig.run()
    return [str(one) for one in summary.errors] + judged(rig, held=False)


def sibling_that_lists_do_not_show(folder: Path) -> list[str]:
    """A split's child is missing from the lists, and answers to its id."""
    rig = stage(folder, 2)
    parent, child = _split_order(rig)
    rig.world.faults.add(
        {"vendor": "shipstation", "do": "hide", "field": "orderId", "match": str(child)}
    )
    shop(rig, "label", orderId=parent)
    minutes(rig, 5)

    rig.run()

    posted = [row for row in rig.invoices() if row["posted"] and _is_split(row)]
    return ["booked while a sibling awaits shipment" for _ in posted]


def split_between_two_polls_of_one_run(folder: Path) -> list[str]:
    """An order is re-labelled and split after the orders were read, before the labels are."""
    rig = stage(folder, 1)
    order_id = _order_with_a_free_line(rig)
    label = int(shop(rig, "label", orderId=order_id)["shipmentId"])
    minutes(rig, 30)

    def split() -> None:
        rig.world.clock.advance(3)
        shop(rig, "void", shipmentId=label)
        row = _order(rig, order_id)
        moved = [one["orderItemId"] for one in row["items"] if one["sku"] == "RIBBON"]
        child = shop(rig, "split", orderId=order_id, items=moved)["orderId"]
        shop(rig, "label", orderId=order_id)
        shop(rig, "label", orderId=child)
        rig.world.clock.advance(3)

    replace(rig, before=once(_is_label_poll, split)).run()

    found = []
    for row in rig.invoices():
        ribbons = [one for one in row["lines"] if one["lineObjectNumber"] == "RIBBON"]
        if _is_split(row) and row["posted"] and sum(one["quantity"] for one in ribbons) != 4:
            found.append("booked more ribbons than were ordered")
    return found


def _is_label_poll(vendor: str, request: Request) -> bool:
    return vendor == "shipstation" and request.path == "/shipments"


def _order(rig: Rig, order_id: int) -> dict[str, object] | object:
    rows = rig.world.shipstation.state()["orders"]
    return next(row for row in rows if row["orderId"] == order_id)
