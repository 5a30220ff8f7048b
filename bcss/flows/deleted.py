"""Notice orders that were deleted in ShipStation, which no stream and no webhook tells of.

A deleted order is in no list any more, but still answers to its id as it was (shipstation.md
§2.1, §11.21). So what a whole reading did not show is asked for by its id and then by its
number, a few at a time.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from bcss.errors import RecordMissing, RecordRefused
from bcss.flows.capture import is_listed, keep_batch, keep_order, note_gone
from bcss.flows.connection import Connection
from bcss.mapping.families import OPEN_STATUSES
from bcss.shipstation import streams
from bcss.shipstation.records import Order

# Each costs two requests; the next sweep goes on with the others.
_MOST = 25
_LONG_AGO = datetime(2010, 1, 1, tzinfo=UTC)


def note_deleted(conn: Connection, since: datetime, seen: set[int]) -> int:
    """Note which orders are deleted; return for how many a new capture came to light instead.

    `seen` is what a whole reading of orders since a time has shown.
    """
    expected = conn.store.orders.to_compare(since)
    older = [one for one, _, is_older in expected if is_older and one not in seen]
    if older:
        seen = seen | _open_orders(conn)
    missing = [(one, store) for one, store, _ in expected if one not in seen]
    missing = _of_active_stores(conn, missing)
    if len(missing) > _MOST:
        text = (
            f"{len(missing)} orders are in no list of ShipStation; {_MOST} of them were asked for."
        )
        conn.report.notes.append(text)
    return sum(_ask(conn, order_id) for order_id, _ in missing[:_MOST])


def _open_orders(conn: Connection) -> set[int]:
    """List the orders that have not shipped, however long ago they changed."""
    found: set[int] = set()
    for status in OPEN_STATUSES:
        poll = streams.read_orders(conn.shipstation, conn.clock, _LONG_AGO, status=status)
        for batch in poll:
            with conn.store.write():
                keep_batch(conn, batch)
            found |= ids_of(batch)
    return found


def ids_of(batch: streams.Batch) -> set[int]:
    """Return the orders that a batch has shown, those that cannot be read among them."""
    read = {one.record.order_id for one in batch.captured if isinstance(one.record, Order)}
    bad = [one.identity for one in batch.unreadable if one.stream == streams.ORDERS]
    return read | {int(identity) for identity in bad if identity.isdecimal()}


def _of_active_stores(
    conn: Connection, missing: Sequence[tuple[int, int | None]]
) -> list[tuple[int, int | None]]:
    """Leave out the orders of stores that were put away: whether lists show them is not known."""
    if not missing:
        return []
    active = {store.store_id for store in conn.shipstation.stores(inactive=True) if store.active}
    return [(order_id, store_id) for order_id, store_id in missing if store_id in active]


def _ask(conn: Connection, order_id: int) -> bool:
    """Ask for one order by its id and number; return whether it is there, and new to us."""
    try:
        order, raw = conn.shipstation.get_order(order_id)
        listed = not order.order_number or is_listed(conn, order)
    except RecordMissing:
        note_gone(conn, order_id, f"ShipStation has no order {order_id}")
        return False
    except RecordRefused:
        return False  # it cannot be read, which is not the same as gone
    if not listed:
        text = f"order {order.order_number} is in no list of ShipStation: it was deleted there"
        note_gone(conn, order_id, text)
        return False
    with conn.store.write():
        return keep_order(conn, order, raw)
