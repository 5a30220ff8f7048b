"""Tell a change that matters from one that does not (design §4.2)."""

from collections.abc import Sequence
from hashlib import sha256

from bcss import wire
from bcss.mapping.families import Family
from bcss.shipstation.records import Order
from bcss.units import Draft, Tracking

# Ends the hash of a family that was deleted in ShipStation.
GONE = "-gone"


def money_hash(family: Family) -> str:
    """Hash what re-opens a unit: lines, order tax and shipping, status, links, and deletion."""
    rows = _short([_order_money(order) for order in sorted(family.members, key=_by_id)])
    return f"{rows}{GONE if family.gone else ''}"


def booked_hash(family: Family) -> str:
    """Hash what a posted document stands for: as `money_hash`, without the status.

    A status that moves between shipped and awaiting shipment is told by voids and cancels.
    """
    rows = [_order_money(order)[:-1] for order in sorted(family.members, key=_by_id)]
    return _short(rows)


def track_hash(draft: Draft, tracking: Tracking) -> str:
    """Hash what the Track step writes: shipping fields, comment lines and both dates."""
    return _short(
        [
            tracking.agent,
            tracking.service,
            tracking.number,
            list(tracking.comments),
            draft.posting_date.isoformat(),
            draft.document_date.isoformat(),
        ]
    )


def _by_id(order: Order) -> int:
    return order.order_id


def _order_money(order: Order) -> list[object]:
    items = [[item.sku, item.quantity, item.unit_price, item.adjustment] for item in order.items]
    return [
        order.order_id,
        sorted(items, key=wire.canonical),
        order.tax_amount,
        order.shipping_amount,
        order.order_total,
        order.parent_id,
        sorted(order.merged_ids),
        order.status,
    ]


def _short(value: Sequence[object]) -> str:
    return sha256(wire.canonical(list(value))).hexdigest()[:24]
