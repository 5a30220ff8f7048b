"""Find documents of a lost database that were made while an order was in another store (§4.1).

The store of an order's first capture is part of its reference. A database that was built again
does not know that store, so it asks under the name of each listed one.
"""

from collections.abc import Sequence
from dataclasses import replace

from bcss.booking.desk import Desk
from bcss.booking.judge import One
from bcss.booking.lookup import Seen, apply, look_up
from bcss.booking.machine import batches
from bcss.clock import parse_utc
from bcss.flows.connection import Connection
from bcss.mapping.reference import Identity, hashed_form, plain_form, unit_hash
from bcss.units import State, Unit


def find_moved(conn: Connection, desk: Desk) -> None:
    """Look for what the lost database may have made, before an order of that time is booked.

    A plain reference is the same in every store, and is looked up before each create anyhow.
    """
    rebuilt = conn.store.meta("cold_until")
    if not rebuilt:
        return
    ready = desk.chosen(conn.store.units.in_states([State.READY]))
    adopt_moved(conn, desk, [one for one in ready if _may_be_booked(conn, one, rebuilt)])


def _may_be_booked(conn: Connection, unit: Unit, rebuilt: str) -> bool:
    if unit.attempt or unit.other_reference:
        return False
    order = conn.store.orders.order(unit.root_order_id)
    made = order.create_date if order else None
    return made is None or made.earliest < parse_utc(rebuilt)


def adopt_moved(conn: Connection, desk: Desk, units: Sequence[Unit]) -> None:
    """Look units up under the references of the other listed stores, and adopt what is found."""
    for store_id in sorted(conn.booked_stores()):
        for group in batches(units):
            with desk.lock():
                left = [conn.store.units.get(unit.unit_id) for unit in group]
                moved = [one for unit in left if (one := _as_of(conn, unit, store_id)) is not None]
                seen = look_up(desk, moved)
                apply(desk, [one for one in seen if _has_moved(conn, desk, one)])


def _has_moved(conn: Connection, desk: Desk, seen: Seen) -> bool:
    """Tell whether a document was made for this very order, and not for one of the same key there."""
    if not isinstance(seen.sighting, One):
        return False
    document, unit = seen.sighting.document, seen.unit
    for owned in filter(None, (document.id, document.order_id)):
        owner = desk.store.units.owner_of(owned)
        if owner is not None and owner.unit_id != unit.unit_id:
            return False
    there = conn.shipstation.orders_by_number(unit.order_number)
    return not any(
        (order.store_id, order.order_key) == (unit.store_id, unit.order_key) for order, _ in there
    )


def _as_of(conn: Connection, unit: Unit, store_id: int) -> Unit | None:
    """Return the unit as it would be, had it been captured first in another store.

    None for that store itself, and for a unit that something else has become of.
    """
    if store_id == unit.store_id or unit.held or unit.state not in (State.READY, State.SEEN):
        return None
    account = conn.config.shipstation.account
    identity = Identity(account, store_id, unit.order_key, unit.generation)
    hashed = hashed_form(identity, unit.order_number)
    plain = plain_form(identity)
    return replace(
        unit,
        store_id=store_id,
        unit_hash=unit_hash(identity),
        reference=plain or hashed,
        other_reference=hashed if plain else "",
        draft=replace(unit.draft, reference=plain or hashed) if unit.draft else None,
    )
