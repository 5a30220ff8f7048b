"""Have ShipStation make missing products, by helper orders that are deleted afterwards (§6).

No ShipStation API creates a product, but an order with an unknown SKU does (shipstation.md §6.2),
some time after it was taken. Each helper order is noted before it is sent, under a key of its
own, so that a run that died is carried on and nothing is asked for twice.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

from bcss import wire
from bcss.clock import iso, pacific_text, parse_utc
from bcss.errors import FixConfig, RecordMissing, RecordRefused
from bcss.flows.connection import Connection
from bcss.holds import Verdict, Why
from bcss.mapping.customers import UPDATABLE
from bcss.mapping.products import Wanted
from bcss.store.queue import About
from bcss.store.trail import Event

FLOW = "push-items"
KEY_PREFIX = "bcss-catalog-"
_STATE = "catalog_orders"
_COUNT = "catalog_orders_made"
_BATCH = 100
_PATIENCE = timedelta(hours=24)
_DELETABLE = (*UPDATABLE, "cancelled")


@dataclass(frozen=True, slots=True)
class Helper:
    """A helper order that has not been deleted yet; `order_id` is 0 until it was answered."""

    key: str
    number: str
    skus: tuple[str, ...]
    asked_at: str
    order_id: int = 0
    told: bool = False


def waiting(conn: Connection) -> list[Helper]:
    """Return the helper orders that are still in use."""
    text = conn.store.meta(_STATE)
    rows = json.loads(text) if text else []
    return [Helper(**{**row, "skus": tuple(row["skus"])}) for row in rows]


def _keep(conn: Connection, helper: Helper, *, drop: bool = False) -> None:
    """Note a helper order, or forget it, inside the caller's transaction."""
    rest = [one for one in waiting(conn) if one.key != helper.key]
    rows = [asdict(one) for one in (rest if drop else [*rest, helper])]
    conn.store.set_meta(_STATE, json.dumps(rows) if rows else "")


def ask_for(conn: Connection, missing: Sequence[Wanted]) -> bool:
    """Send a helper order for each hundred SKUs not asked for yet; return whether any was sent."""
    by_sku = {one.sku: one for one in missing}
    unanswered = [one for one in waiting(conn) if not one.order_id]
    asked = {sku for one in waiting(conn) for sku in one.skus}
    new = [sku for sku in by_sku if sku not in asked]
    for start in range(0, len(new), _BATCH):
        helper = _new(conn, tuple(new[start : start + _BATCH]))
        with conn.store.write():
            _keep(conn, helper)
        unanswered.append(helper)
    for helper in unanswered:
        _send(conn, helper, by_sku)
    return bool(unanswered)


def _new(conn: Connection, skus: tuple[str, ...]) -> Helper:
    """Name the next helper order; a key is never used again once its order was deleted."""
    made = int(conn.store.meta(_COUNT) or 0)
    facts = (conn.config.shipstation.account, str(_store(conn)), str(made), *skus)
    name = sha256("\n".join(facts).encode()).hexdigest()[:20]
    with conn.store.write():
        conn.store.set_meta(_COUNT, str(made + 1))
    return Helper(f"{KEY_PREFIX}{name}", f"BCSS-CATALOG-{name[:8].upper()}", skus, iso(conn.now()))


def _store(conn: Connection) -> int:
    store_id = conn.config.items.catalog_store
    if store_id is None:
        raise FixConfig(
            "items.missing: order needs items.catalog_store.",
            hint="Name a manual store of the ShipStation account that takes the helper orders.",
        )
    return store_id


def _send(conn: Connection, helper: Helper, by_sku: Mapping[str, Wanted]) -> None:
    """Send a helper order; sent twice under one key, ShipStation keeps one order."""
    body = _body(conn, helper, by_sku)
    count = f"{len(helper.skus)} product(s)"
    _trail(conn, helper, "intent", f"helper order {helper.number} for {count}", "sent", body)
    try:
        order, _ = conn.shipstation.create_order(body)
    except RecordRefused as error:
        _refused(conn, helper, error)
        return
    with conn.store.write():
        _keep(conn, replace(helper, order_id=order.order_id))
        conn.store.holds.close(_subject(helper), conn.now(), by="bcss", note="taken")
        said = f"helper order {helper.number} is order {order.order_id}"
        _trail(conn, helper, "outcome", said, "done")


def _refused(conn: Connection, helper: Helper, error: RecordRefused) -> None:
    """Hold a helper order that ShipStation does not take; each run tries it again."""
    text = f"ShipStation does not take helper order {helper.number}: {error.message}"
    with conn.store.write():
        _trail(conn, helper, "outcome", error.message, "refused")
        about = About(_subject(helper), order_number=helper.number, order_key=helper.key)
        conn.store.holds.put(about, Verdict(Why.REFUSED_BY_SHIPSTATION, text), conn.now())


def _subject(helper: Helper) -> str:
    return f"catalog:{helper.key}"


def _body(conn: Connection, helper: Helper, by_sku: Mapping[str, Wanted]) -> dict[str, Any]:
    """Make an order that nobody can ship: unpaid, without value, and addressed to nobody."""
    place = {
        "name": "bcss catalogue, do not ship",
        "street1": "Do not ship",
        "city": "Nowhere",
        "postalCode": "00000",
        "country": "US",
    }
    return {
        "orderNumber": helper.number,
        "orderKey": helper.key,
        "orderDate": pacific_text(parse_utc(helper.asked_at)).replace(" ", "T"),
        "orderStatus": "awaiting_payment",
        "billTo": place,
        "shipTo": place,
        "items": [_line(sku, by_sku.get(sku)) for sku in helper.skus],
        "amountPaid": 0,
        "taxAmount": 0,
        "shippingAmount": 0,
        "internalNotes": "Made by bcss so that ShipStation makes these products. Do not ship.",
        "advancedOptions": {"storeId": _store(conn)},
    }


def _line(sku: str, one: Wanted | None) -> dict[str, Any]:
    fields = one.fields if one else {}
    line = {
        "lineItemKey": sku,
        "sku": sku,
        "name": fields.get("name", sku),
        "quantity": 1,
        "unitPrice": 0,
    }
    weight = fields.get("weightOz")
    return line | ({"weight": {"value": weight, "units": "ounces"}} if weight else {})


def clean_up(conn: Connection, missing: frozenset[str]) -> None:
    """Delete the helper orders whose products all exist now and were completed."""
    for helper in waiting(conn):
        left = [sku for sku in helper.skus if sku in missing]
        if not helper.order_id:
            continue
        if left:
            _tell_late(conn, helper, left)
        else:
            _delete(conn, helper)


def _tell_late(conn: Connection, helper: Helper, left: Sequence[str]) -> None:
    """Say once that ShipStation has not made the products within a day."""
    if helper.told or conn.now() - parse_utc(helper.asked_at) < _PATIENCE:
        return
    conn.report.notes.append(
        f"ShipStation has not made {len(left)} product(s) of helper order {helper.number}, "
        f"{left[0]} for one; look at the order there, or add them by hand."
    )
    with conn.store.write():
        _keep(conn, replace(helper, told=True))


def _delete(conn: Connection, helper: Helper) -> None:
    """Delete a helper order, unless it is not ours any more or was shipped by somebody."""
    try:
        order, _ = conn.shipstation.get_order(helper.order_id)
    except RecordMissing:
        _done(conn, helper, f"helper order {helper.number} was gone already", "gone")
        return
    if order.order_key != helper.key or order.status not in _DELETABLE:
        conn.report.notes.append(
            f"Helper order {helper.number} is {order.status} and was not deleted; "
            "look at it in ShipStation."
        )
        _done(conn, helper, f"helper order {helper.number} left: {order.status}", "left")
        return
    _trail(conn, helper, "intent", f"delete helper order {helper.number}", "sent")
    conn.shipstation.delete_order(helper.order_id)
    _done(conn, helper, f"helper order {helper.number} deleted, its products exist", "done")


def _done(conn: Connection, helper: Helper, summary: str, status: str) -> None:
    with conn.store.write():
        _keep(conn, helper, drop=True)
        _trail(conn, helper, "outcome", summary, status)


def _trail(
    conn: Connection,
    helper: Helper,
    kind: str,
    summary: str,
    status: str,
    after: Mapping[str, Any] | None = None,
) -> None:
    event = Event(
        kind,
        FLOW,
        _subject(helper),
        summary,
        target="shipstation",
        status=status,
        after=None if after is None else wire.canonical(after),
    )
    with conn.store.write():
        conn.store.trail.add(conn.now(), event)
