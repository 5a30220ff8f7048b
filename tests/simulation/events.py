"""What shoppers, the warehouse and a clerk do, at random, at any moment."""

import random
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

from bcss.sandbox.world import World

Row = dict[str, Any]
Event = Callable[[random.Random, World], str]
STORE = 80001


def shop(rng: random.Random, world: World) -> str:
    """Let one thing happen in ShipStation; return it in words, empty when there was nothing."""
    return rng.choice(_SHOP)(rng, world)


def shop_widely(rng: random.Random, world: World) -> str:
    """Let one thing happen in ShipStation; an order may also be deleted, lost or opened again."""
    return rng.choice((*_SHOP, _delete, _vanish, _reopen))(rng, world)


def clerk(rng: random.Random, world: World) -> str:
    """Let a person do one thing to a document in Business Central."""
    return rng.choice(_CLERK)(rng, world)


def clerk_widely(rng: random.Random, world: World, known: Collection[str]) -> str:
    """Let a person do one thing in Business Central; a known draft may also be renamed.

    One that bcss has not seen yet could not be found again, and is not promised to be.
    """
    acts: tuple[Event, ...] = (*_CLERK, partial(_rename, known))
    return rng.choice(acts)(rng, world)


def _orders(world: World, *statuses: str) -> list[Row]:
    return [
        row
        for row in world.shipstation.state()["orders"]
        if row["orderStatus"] in statuses
        and row["advancedOptions"]["storeId"] == STORE
        and not row.get("hidden")
    ]


def _act(world: World, **action: Any) -> str:
    try:
        world.shipstation.run(action)
    except ValueError:
        return ""
    return str(action)


def _ship(rng: random.Random, world: World) -> str:
    rows = _orders(world, "awaiting_shipment")
    if not rows:
        return ""
    carrier, service = rng.choice((("ups_walleted", "ups_ground"), ("fedex", "fedex_ground")))
    order_id = rng.choice(rows)["orderId"]
    return _act(world, action="label", orderId=order_id, carrierCode=carrier, serviceCode=service)


def _second_label(rng: random.Random, world: World) -> str:
    rows = _orders(world, "shipped")
    return _act(world, action="label", orderId=rng.choice(rows)["orderId"]) if rows else ""


def _mark(rng: random.Random, world: World) -> str:
    rows = _orders(world, "awaiting_shipment")
    if not rows:
        return ""
    order_id = rng.choice(rows)["orderId"]
    return _act(world, action="markasshipped", orderId=order_id, carrierCode="UPS")


def _void(rng: random.Random, world: World) -> str:
    rows = [row for row in world.shipstation.state()["shipments"] if not row["voided"]]
    return _act(world, action="void", shipmentId=rng.choice(rows)["shipmentId"]) if rows else ""


def _reship(rng: random.Random, world: World) -> str:
    """Void a label and buy another at once."""
    rows = [row for row in world.shipstation.state()["shipments"] if not row["voided"]]
    rows = [row for row in rows if row["orderId"]]
    if not rows:
        return ""
    row = rng.choice(rows)
    first = _act(world, action="void", shipmentId=row["shipmentId"])
    return first + _act(world, action="label", orderId=row["orderId"], carrierCode="fedex")


def _edit(rng: random.Random, world: World) -> str:
    rows = [row for row in _orders(world, "awaiting_shipment") if row["items"]]
    if not rows:
        return ""
    row = rng.choice(rows)
    items = [{**item, "quantity": rng.randint(1, 9)} for item in row["items"]]
    return _act(world, action="edit", orderId=row["orderId"], changes={"items": items})


def _edit_shipped(rng: random.Random, world: World) -> str:
    rows = [row for row in _orders(world, "shipped") if row["items"]]
    if not rows:
        return ""
    row = rng.choice(rows)
    items = [{**item, "quantity": item["quantity"] + 1} for item in row["items"]]
    return _act(world, action="edit", orderId=row["orderId"], changes={"items": items})


def _touch(rng: random.Random, world: World) -> str:
    rows = _orders(world, "awaiting_shipment", "shipped")
    return _act(world, action="touch", orderId=rng.choice(rows)["orderId"]) if rows else ""


def _cancel(rng: random.Random, world: World) -> str:
    rows = _orders(world, "awaiting_shipment")
    return _act(world, action="cancel", orderId=rng.choice(rows)["orderId"]) if rows else ""


def _delete(rng: random.Random, world: World) -> str:
    rows = _orders(world, "awaiting_shipment", "shipped")
    return _act(world, action="delete", orderId=rng.choice(rows)["orderId"]) if rows else ""


def _vanish(rng: random.Random, world: World) -> str:
    rows = _orders(world, "awaiting_shipment", "shipped")
    if not rows:
        return ""
    row = rng.choice(rows)
    done = _act(world, action="vanish", orderId=row["orderId"])
    return done and f"vanish {row['orderNumber']}"


def _reopen(rng: random.Random, world: World) -> str:
    """Set an order back that has its label; it may be merged into another one then."""
    rows = _orders(world, "shipped")
    if not rows:
        return ""
    changes = {"orderStatus": "awaiting_shipment"}
    return _act(world, action="edit", orderId=rng.choice(rows)["orderId"], changes=changes)


def _split(rng: random.Random, world: World) -> str:
    rows = [row for row in _orders(world, "awaiting_shipment") if len(row["items"]) > 1]
    if not rows:
        return ""
    row = rng.choice(rows)
    return _act(
        world, action="split", orderId=row["orderId"], items=[row["items"][0]["orderItemId"]]
    )


def _merge(rng: random.Random, world: World) -> str:
    rows = [
        row
        for row in _orders(world, "awaiting_shipment")
        if not row["advancedOptions"]["mergedOrSplit"]
    ]
    if len(rows) < 2:
        return ""
    into, absorbed = rng.sample(rows, 2)
    return _act(world, action="merge", into=into["orderId"], absorbed=[absorbed["orderId"]])


def _import(rng: random.Random, world: World) -> str:
    """Let a new order come in, to be shipped later or at once."""
    number = f"SO-{rng.randint(500_000, 900_000)}"
    items = [
        {"sku": sku, "name": sku, "quantity": rng.randint(1, 3), "unitPrice": 12.5}
        for sku in rng.sample(["ITEM-24", "RIBBON", "TEE-RED"], rng.randint(1, 3))
    ]
    order = {
        "orderNumber": number,
        "orderKey": number if rng.random() < 0.7 else f"key-{number}",
        "items": items,
        "advancedOptions": {"storeId": STORE},
        "shipTo": {"name": "Alex Example", "street1": "1 Test St", "city": "Testville",
                   "state": "TX", "postalCode": "75001", "country": "US"},
    }  # fmt: skip
    return _act(world, action="import", orders=[order]) and f"import {number}"


def _rows(world: World) -> list[Row]:
    state = world.bc.state()
    return [row for row in [*state["salesInvoices"], *state["salesOrders"]] if not row["posted"]]


def _by_person(action: str) -> Event:
    def act(rng: random.Random, world: World) -> str:
        rows = _rows(world)
        if not rows:
            return ""
        row = rng.choice(rows)
        given: Row = {"action": action, "id": row["id"]}
        if action == "edit_by_person":
            given["changes"] = {"shipToName": "Somebody Else"}
        try:
            world.bc.run(given)
        except Exception:  # noqa: BLE001 - the imitation refuses with exceptions of its own
            return ""
        return (
            f"{action} {row.get('customerPurchaseOrderReference') or row['externalDocumentNumber']}"
        )

    return act


def _rename(known: Collection[str], rng: random.Random, world: World) -> str:
    """Give a draft another external document number; what is posted keeps its own."""
    rows = [row for row in _rows(world) if row["id"] in known]
    rows = [row for row in rows if row.get("customerPurchaseOrderReference")]
    if not rows:
        return ""
    row = rng.choice(rows)
    changes = {"externalDocumentNumber": f"PO-{rng.randint(1, 999)}"}
    try:
        world.bc.run({"action": "edit_by_person", "id": row["id"], "changes": changes})
    except Exception:  # noqa: BLE001 - the imitation refuses with exceptions of its own
        return ""
    return f"rename_by_person {row['customerPurchaseOrderReference']}"


_SHOP: tuple[Event, ...] = (
    _ship, _ship, _ship, _mark, _void, _reship, _second_label, _edit, _touch, _cancel, _split,
    _merge, _import, _import, _edit_shipped,
)  # fmt: skip
_CLERK: tuple[Event, ...] = (
    _by_person("post_by_person"),
    _by_person("edit_by_person"),
    _by_person("delete_by_person"),
    _by_person("release"),
)
