"""Carry out approved reversals, and open the next generation of what they undid (T14)."""

from datetime import UTC, datetime

from bcss.booking.desk import Desk
from bcss.booking.lookup import read_set
from bcss.booking.reverse import reverse
from bcss.businesscentral.records import DocumentSet
from bcss.flows.connection import Connection
from bcss.mapping.reference import Identity, hashed_form, unit_hash
from bcss.mapping.text import code
from bcss.units import CREDITED, REVERSING, State, Unit

_MANUAL = "duplicate"
_EVER = datetime(2010, 1, 1, tzinfo=UTC)


def reverse_approved(conn: Connection, desk: Desk) -> bool:
    """Credit what a person approved; return whether any order is to be planned anew."""
    units = desk.chosen(conn.store.units.in_states(REVERSING))
    if not units:
        return False
    with desk.lock():
        current = [conn.store.units.get(unit.unit_id) for unit in units]
        undone = reverse(desk, current)
        for unit in undone:
            with desk.write():
                open_next(conn, desk, unit)
    return bool(undone)


def find_later(conn: Connection, desk: Desk) -> list[Unit]:
    """Open the next generation of each booked unit that has a document under that reference.

    For a rebuild: the lost database had credited the invoice and booked the order again.
    """
    units = conn.store.units
    newest = [one for one in units.confirmed_since(_EVER) if units.members(one.unit_id)]
    wanted = {_next_reference(conn, unit): unit for unit in newest}
    if not wanted:
        return []
    with desk.lock():
        terms = sorted(wanted)
        rows = [*read_set(desk, DocumentSet.ORDERS, terms)]
        rows += read_set(desk, DocumentSet.INVOICES, terms)
    found = {code(row.reference) for row in rows}
    with desk.write():
        return [_credited(conn, desk, unit) for ref, unit in wanted.items() if ref in found]


def _credited(conn: Connection, desk: Desk, unit: Unit) -> Unit:
    """Open the next generation, and end what was held of the one that it follows."""
    return open_next(conn, desk, desk.release(unit))


def _next_reference(conn: Connection, unit: Unit) -> str:
    return hashed_form(_next_identity(conn, unit), unit.order_number)


def _next_identity(conn: Connection, unit: Unit) -> Identity:
    account = conn.config.shipstation.account
    return Identity(account, unit.store_id, unit.order_key, unit.generation + 1)


def open_next(conn: Connection, desk: Desk, unit: Unit) -> Unit:
    """Close a unit for good and give its orders to the next generation, in one transaction."""
    members = conn.store.units.members(unit.unit_id)
    closed = desk.save(unit, state=State.CONFIRMED, waiting=CREDITED, held="", sent_at=None)
    identity = _next_identity(conn, unit)
    fresh = conn.store.units.add(
        Unit(
            unit_id=0,
            unit_hash=unit_hash(identity),
            store_id=unit.store_id,
            order_key=unit.order_key,
            generation=identity.generation,
            order_number=unit.order_number,
            root_order_id=unit.root_order_id,
            reference=hashed_form(identity, unit.order_number),
            other_reference="",
            kind=unit.kind,
            approved=_MANUAL if _MANUAL in unit.approved else "",
            updated_at=conn.now(),
        )
    )
    conn.store.units.belong(fresh.unit_id, members)
    conn.store.news.add(members)
    text = f"{unit.document_number} is credited; generation {fresh.generation} begins"
    desk.note(closed, "decision", text, status="credited")
    desk.note(fresh, "decision", text, status="generation")
    return fresh
