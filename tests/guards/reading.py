"""Scenarios in which a guard of capture and planning is all that keeps a promise."""

from dataclasses import replace
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bcss.sandbox.kit import Request
from bcss.sandbox.shipstation import listing
from tests.guards.stage import (
    hours,
    import_another,
    judged,
    minutes,
    once,
    ship_another,
    shop,
    stage,
)
from tests.rig import STORE, Rig

_SPLIT = "WEB-30001"


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
    rig = stage(folder)
    ids = [import_another(rig, f"WEB-2{n:04}") for n in range(60)]
    rig.run()
    for order_id in ids:
        rig.world.clock.advance(20)
        shop(rig, "label", orderId=order_id)
    hours(rig, 5)
    moving = iter(ids)
    pages = 0

    def churn(vendor: str, request: Request) -> None:
        nonlocal pages
        if vendor == "shipstation" and "modifyDateStart" in request.query:
            pages += 1
            rig.world.clock.advance(1)
            for order_id in islice(moving, 3):
                shop(rig, "touch", orderId=order_id)

    with patch.object(listing, "MAX_PAGE", 10):
        summary = replace(rig, after=churn).run()

    assert pages > 6
    hours(rig, 5)
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


def _order(rig: Rig, order_id: int) -> dict[str, Any]:
    rows = rig.world.shipstation.state()["orders"]
    return next(row for row in rows if row["orderId"] == order_id)


def _order_with_a_free_line(rig: Rig) -> int:
    """Import an order of a set at a price and four ribbons for nothing."""
    lines = [
        {"sku": "ITEM-24", "name": "Gift set", "quantity": 1, "unitPrice": Decimal("24.00")},
        {"sku": "RIBBON", "name": "Ribbon", "quantity": 4, "unitPrice": Decimal(0)},
    ]
    raw = {
        "orderNumber": _SPLIT,
        "orderKey": _SPLIT,
        "items": lines,
        "advancedOptions": {"storeId": STORE},
    }
    return int(shop(rig, "import", orders=[raw])["orderIds"][0])


def _split_order(rig: Rig) -> tuple[int, int]:
    parent = _order_with_a_free_line(rig)
    items = _order(rig, parent)["items"]
    moved = [one["orderItemId"] for one in items if one["sku"] == "RIBBON"]
    return parent, int(shop(rig, "split", orderId=parent, items=moved)["orderId"])


def _is_split(row: dict[str, Any]) -> bool:
    return bool(row["customerPurchaseOrderReference"] == _SPLIT)
