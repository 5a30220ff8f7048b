"""Let things happen in ShipStation: what users, marketplaces and automation do.

Every action takes an optional `at`, an ISO time, for changes that become known late. Wrong
arguments raise ValueError.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from bcss.sandbox.shipstation import times
from bcss.sandbox.shipstation.account import Account
from bcss.sandbox.shipstation.tables import Row
from bcss.sandbox.shipstation.templates import (
    KINDS,
    ORDERS,
    SHIPMENT_ITEM,
    ZERO,
    Body,
    amount,
    fill,
    total,
)

Action = Mapping[str, Any]
_SHIP = ("SHIP_NOTIFY", "ITEM_SHIP_NOTIFY")
_NEW = ("ORDER_NOTIFY", "ITEM_ORDER_NOTIFY")
_FULFILLED = ("FULFILLMENT_SHIPPED",)


def announce(account: Account, events: tuple[str, ...], batch: str, rows: Iterable[Row]) -> None:
    """Make the webhooks of one action, and send them where deliveries are switched on."""
    stores = {int(row.body["advancedOptions"]["storeId"] or 0) for row in rows}
    if not stores:
        return
    switches = account.switches
    messages = account.hooks.announce(events, batch, stores, switches.hook_host)
    if switches.deliveries:
        account.hooks.send(
            messages,
            lose=switches.lose_every,
            double=switches.double_every,
            reorder=switches.reorder,
        )


def announce_orders(account: Account, batch: str, rows: Iterable[Row]) -> None:
    """Announce new orders; those that await payment are withheld (shipstation.md §9.2)."""
    known = [row for row in rows if row.body["orderStatus"] != "awaiting_payment"]
    announce(account, _NEW, batch, known)


def _shipment_items(order: Body) -> list[Body]:
    """Copy the things of an order; shipment items have no tax and no adjustment flag (§3.1)."""
    physical = (item for item in order["items"] or () if not item["adjustment"])
    return [{name: item[name] for name in SHIPMENT_ITEM} for item in physical]


def _new_shipment(
    account: Account, order: Row, action: Action, at: datetime, batch: str, *, back: bool = False
) -> Row:
    body = order.body
    number = account.shipments.next_id
    advanced = {"storeId": body["advancedOptions"]["storeId"]}
    raw = {
        "orderId": order.identity,
        "orderKey": body["orderKey"],
        "orderNumber": body["orderNumber"],
        "customerEmail": body["customerEmail"],
        "carrierCode": action.get("carrierCode", "ups_walleted"),
        "serviceCode": action.get("serviceCode", "ups_ground"),
        "trackingNumber": action.get("trackingNumber", f"1Z999AA1{number}"),
        "shipDate": action.get("shipDate") or times.local_day(at),
        "isReturnLabel": back,
        "warehouseId": body["advancedOptions"]["warehouseId"],
        "shipTo": {**body["shipTo"], "addressVerified": None},
        "advancedOptions": advanced,
        "shipmentItems": _shipment_items(body),
        "createDate": at,
        **action.get("fields", {}),
    }
    return account.add("shipments", {**raw, "batch": batch}, at)


def _label_one(account: Account, order: Row, action: Action, at: datetime, batch: str) -> Row:
    if order.body["orderStatus"] == "cancelled" or order.hidden:
        raise ValueError(f"order {order.identity} is not there to be shipped")
    shipment = _new_shipment(account, order, action, at, batch)
    account.change(
        order,
        at,
        orderStatus="shipped",
        shipDate=shipment.body["shipDate"],
        carrierCode=shipment.body["carrierCode"],
        serviceCode=shipment.body["serviceCode"],
        packageCode="package",
        holdUntilDate=None,
    )
    return shipment


def _label(account: Account, action: Action, at: datetime) -> Body:
    batch = account.new_batch_number()
    shipment = _label_one(account, account.order(action["orderId"]), action, at, batch)
    announce(account, _SHIP, batch, [shipment])
    return {
        "shipmentId": shipment.identity,
        "trackingNumber": shipment.body["trackingNumber"],
        "batchId": batch,
    }


def _label_batch(account: Account, action: Action, at: datetime) -> Body:
    """Label many orders at once; one webhook with one batch (§9.2)."""
    batch = account.new_batch_number()
    orders = [account.order(one) for one in action["orderIds"]]
    shipments = [_label_one(account, order, action, at, batch) for order in orders]
    announce(account, _SHIP, batch, shipments)
    return {"shipmentIds": [row.identity for row in shipments], "batchId": batch}


def _return_label(account: Account, action: Action, at: datetime) -> Body:
    """Buy a return label: the order stays as it is, and no webhook is sent (§9.2)."""
    order = account.order(action["orderId"])
    shipment = _new_shipment(account, order, action, at, "", back=True)
    account.change(order, at)
    return {"shipmentId": shipment.identity}


def _lone_label(account: Account, action: Action, at: datetime) -> Body:
    """Buy a label without an order: orderId, number and ship-to are null (§3.2)."""
    fields: Body = {"orderId": None, "orderKey": None, "orderNumber": None, "createDate": at}
    fields |= {"trackingNumber": f"1Z999AA1{account.shipments.next_id}"}
    shipment = account.add("shipments", {**fields, **action.get("fields", {})}, at)
    return {"shipmentId": shipment.identity}


def _shipped_by(account: Account, order_id: int) -> bool:
    """Tell whether a live outbound label or fulfillment of the order is left."""
    bodies = (row.body for row in account.shipped_by.get(order_id, ()))
    return any(not body["voided"] and not body.get("isReturnLabel") for body in bodies)


def _reopen(account: Account, order_id: object, at: datetime) -> None:
    """Put an order back to awaiting shipment when nothing ships it any more (§3.3)."""
    row = account.orders.rows.get(order_id) if isinstance(order_id, int) else None
    if row is None:
        return
    if row.body["orderStatus"] == "shipped" and not _shipped_by(account, row.identity):
        account.change(row, at, orderStatus="awaiting_shipment", shipDate=None)
    else:
        account.change(row, at)


def _void(account: Account, action: Action, at: datetime) -> Body:
    """Void a label: it stays in the list, and no webhook is sent (§3.3)."""
    return _void_row(account, "shipments", action.get("shipmentId"), at)


def _void_fulfillment(account: Account, action: Action, at: datetime) -> Body:
    return _void_row(account, "fulfillments", action.get("fulfillmentId"), at)


def _void_row(account: Account, name: str, identity: object, at: datetime) -> Body:
    table = account.tables[name]
    row = table.rows.get(identity) if isinstance(identity, int) else None
    if row is None or row.body["voided"]:
        raise ValueError(f"no live row {identity!r} in {name}")
    table.change(row, at, keep=account.switches.late > 0, voided=True, voidDate=at)
    _reopen(account, row.body["orderId"], at)
    return {"orderId": row.body["orderId"]}


def mark_as_shipped(account: Account, action: Action, at: datetime) -> Row:
    """Ship an order without a label: a fulfillment, no shipment (§2.1, §13.1)."""
    order = account.order(action.get("orderId"))
    if order.hidden or order.body["orderStatus"] in ("cancelled", "shipped"):
        raise ValueError(f"order {order.identity} is {order.body['orderStatus']}")
    batch = account.new_batch_number()
    day = str(action.get("shipDate") or times.local_day(at))
    raw = {
        "orderId": order.identity,
        "orderNumber": order.body["orderNumber"],
        "customerEmail": order.body["customerEmail"],
        "trackingNumber": action.get("trackingNumber") or "",
        "createDate": at,
        "shipDate": day,
        "carrierCode": action.get("carrierCode", "Other"),
        "shipTo": order.body["shipTo"],
        **action.get("fields", {}),
    }
    row = account.add("fulfillments", {**raw, "batch": batch}, at)
    account.change(order, at, orderStatus="shipped", shipDate=day[:10])
    announce(account, _FULFILLED, batch, [order])
    return row


def _markasshipped(account: Account, action: Action, at: datetime) -> Body:
    return {"fulfillmentId": mark_as_shipped(account, action, at).identity}


def _edit(account: Account, action: Action, at: datetime) -> Body:
    """Change members of an order; objects are merged, the total follows (§2.9)."""
    row = account.order(action["orderId"])
    changes = dict(action["changes"])
    for name, value in changes.items():
        if isinstance(value, Mapping) and isinstance(row.body.get(name), Mapping):
            changes[name] = {**row.body[name], **value}
    body = fill(ORDERS, {**row.body, **changes, "modifyDate": at})
    if "items" in changes and isinstance(changes["items"], list):
        body["items"] = account.filled_items(changes["items"], at)
    if "orderTotal" not in changes and not body["advancedOptions"]["mergedOrSplit"]:
        body["orderTotal"] = total(body)
    was = row.body["orderStatus"]
    account.change(row, at, **body)
    account.index(row)
    account.link(row, at)
    if was == "awaiting_payment" and body["orderStatus"] not in (was, "cancelled"):
        row.batch = account.new_batch()
        announce_orders(account, row.batch, [row])
    return {"orderId": row.identity}


def _cancel(account: Account, action: Action, at: datetime) -> Body:
    row = account.change(account.order(action["orderId"]), at, orderStatus="cancelled")
    return {"orderId": row.identity}


def _awaiting(account: Account, order_id: object) -> Row:
    """Find an order that may be split or combined: only one awaiting shipment may (§5)."""
    row = account.order(order_id)
    if row.hidden or row.body["orderStatus"] != "awaiting_shipment":
        raise ValueError(f"order {row.identity} is {row.body['orderStatus']}")
    return row


def _split(account: Account, action: Action, at: datetime) -> Body:
    """Split lines off: same key, new ids, and the money stays on the parent (§5, §18.2)."""
    parent = _awaiting(account, action["orderId"])
    old = parent.body
    wanted = set(action["items"])
    moved = [item for item in old["items"] if item["orderItemId"] in wanted]
    left = [item for item in old["items"] if item["orderItemId"] not in wanted]
    if len(moved) != len(wanted) or not left:
        raise ValueError("a split moves some lines of the order, and leaves some")
    suffix = action.get("suffix", account.switches.split_suffix)
    advanced = old["advancedOptions"]
    index = len(advanced["mergedIds"]) + 1
    new = {"orderItemId": 0, "taxAmount": None, "shippingAmount": None, "createDate": None}
    child = account.add_order(
        {
            **old,
            "orderId": 0,
            "orderNumber": f"{old['orderNumber']}-{index}" if suffix else old["orderNumber"],
            "createDate": at,
            "modifyDate": at,
            "items": [{**item, **new, "modifyDate": None} for item in moved],
            "orderTotal": ZERO,
            "amountPaid": ZERO,
            "taxAmount": ZERO,
            "shippingAmount": ZERO,
            "advancedOptions": {
                **advanced,
                "mergedOrSplit": True,
                "mergedIds": [],
                "parentId": parent.identity,
            },
        },
        at,
    )
    merged = [*advanced["mergedIds"], child.identity]
    linked = {**advanced, "mergedOrSplit": True, "mergedIds": merged}
    account.change(parent, at, items=left, advancedOptions=linked)
    return {"orderId": child.identity}


def _merge(account: Account, action: Action, at: datetime) -> Body:
    """Combine orders: the survivor lists the absorbed ids and takes lines and money (§5)."""
    survivor = _awaiting(account, action["into"])
    absorbed = [_awaiting(account, one) for one in action["absorbed"]]
    old = survivor.body
    items = list(old["items"])
    for row in absorbed:
        items += [{**item, "orderItemId": account.new_item_id()} for item in row.body["items"]]
    sums = {
        name: sum((amount(row.body[name]) for row in absorbed), amount(old[name]))
        for name in ("orderTotal", "amountPaid", "taxAmount", "shippingAmount")
    }
    advanced = old["advancedOptions"]
    merged = [*advanced["mergedIds"], *(row.identity for row in absorbed)]
    linked = {**advanced, "mergedOrSplit": True, "mergedIds": merged}
    account.change(survivor, at, items=items, advancedOptions=linked, **sums)
    # What becomes of the absorbed orders is not documented.
    status = action.get("status", account.switches.merged_status)
    for row in absorbed:
        if status == "deleted":
            account.orders.hide(account.change(row, at))
        else:
            account.change(row, at, orderStatus=status)
    return {"orderId": survivor.identity}


def _delete(account: Account, action: Action, at: datetime) -> Body:
    """Soft-delete an order: gone from lists, still there by id (§2.1, §11.21)."""
    row = account.order(action["orderId"])
    account.orders.hide(account.change(row, at))
    return {"orderId": row.identity}


def _vanish(account: Account, action: Action, at: datetime) -> Body:
    """Lose an order altogether: its id answers 404 from now on."""
    del at
    row = account.order(action["orderId"])
    account.orders.remove(row.identity)
    return {"orderId": row.identity}


def _reimport(account: Account, action: Action, at: datetime) -> Body:
    """Import an order again: new orderId, same orderKey; the old one is deleted or kept."""
    old = account.order(action["orderId"])
    if not action.get("keep"):
        account.orders.hide(account.change(old, at))
    items = [{**item, "orderItemId": 0} for item in old.body["items"]]
    fresh = {"orderId": 0, "createDate": at, "modifyDate": at, "items": items, "shipDate": None}
    status = action.get("orderStatus", "awaiting_shipment")
    batch = account.new_batch()
    row = account.add_order({**old.body, **fresh, "orderStatus": status}, at, batch)
    announce_orders(account, batch, [row])
    return {"orderId": row.identity}


def _move_store(account: Account, action: Action, at: datetime) -> Body:
    """Move an order to another store, as a user can (§5)."""
    row = account.order(action["orderId"])
    advanced = {**row.body["advancedOptions"], "storeId": action["storeId"]}
    account.change(row, at, advancedOptions=advanced)
    return {"orderId": row.identity}


def _touch(account: Account, action: Action, at: datetime) -> Body:
    """Bump modifyDate and nothing else (§11.25)."""
    row = account.change(account.order(action["orderId"]), at)
    return {"orderId": row.identity}


def _import(account: Account, action: Action, at: datetime) -> Body:
    """Import new orders from a store, with one batch and one webhook (§9.2)."""
    batch = account.new_batch()
    rows = [account.add_order(raw, at, batch) for raw in action["orders"]]
    for row in rows:
        account.link(row, at)
    announce_orders(account, batch, rows)
    return {"orderIds": [row.identity for row in rows], "importBatch": batch}


def _corrupt(account: Account, action: Action, at: datetime) -> Body:
    """Show a row with members replaced by anything, so that a client cannot read it."""
    del at
    for table in account.tables.values():
        row = table.rows.get(action.get(table.kind.id_field, -1))
        if row is not None:
            row.overlay = dict(action["overlay"])
            row.texts.clear()
            return {table.kind.id_field: row.identity}
    raise ValueError(f"name a row by one of {', '.join(k.id_field for k in KINDS.values())}")


ACTIONS: dict[str, Callable[[Account, Action, datetime], Body]] = {
    "label": _label,
    "label_batch": _label_batch,
    "return_label": _return_label,
    "lone_label": _lone_label,
    "void": _void,
    "void_fulfillment": _void_fulfillment,
    "markasshipped": _markasshipped,
    "edit": _edit,
    "cancel": _cancel,
    "split": _split,
    "merge": _merge,
    "delete": _delete,
    "vanish": _vanish,
    "reimport": _reimport,
    "move_store": _move_store,
    "touch": _touch,
    "import": _import,
    "corrupt": _corrupt,
}


def run(account: Account, action: Action) -> Body:
    """Do one action; raise ValueError for an unknown one or wrong arguments."""
    name = str(action.get("action"))
    if name not in ACTIONS:
        raise ValueError(f"no action {name!r}; there are {', '.join(ACTIONS)}")
    at = times.milliseconds(times.parse(action["at"])) if action.get("at") else account.now()
    account.settle(at)
    try:
        return ACTIONS[name](account, action, at)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{name}: {error!r}") from None
