"""Build a lost state database again out of Business Central and ShipStation (REL §2.9)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bcss.booking.desk import Desk
from bcss.booking.judge import One, Several
from bcss.booking.lookup import Seen, apply, look_up
from bcss.booking.machine import batches, confirm_open
from bcss.booking.withdraw import clear
from bcss.clock import iso
from bcss.flows.capture import capture
from bcss.flows.connection import Connection
from bcss.flows.moved import adopt_moved
from bcss.flows.orders import desk_of
from bcss.flows.planning import IGNORED, plan
from bcss.flows.reversal import find_later
from bcss.store.db import Store
from bcss.store.trail import Event
from bcss.units import State, Unit

FLOW = "rebuild"


def rebuild(conn: Connection, since: datetime) -> None:
    """Capture everything since a time, and adopt every document that is already booked.

    The caller has begun the cold hold, since a create of the lost database may still land.
    """
    with conn.store.write():
        conn.store.set_meta("first_posting_run", FLOW)
    conn.since = since
    capture(conn)
    plan(conn)
    adopted = _adopt(conn)
    desk = desk_of(conn, FLOW)
    confirm_open(desk)
    adopted += _later_generations(conn, desk)
    text = f"rebuilt since {since.date()}: {adopted} documents adopted"
    until = desk.sending_at() + desk.settle  # by Business Central's clock, whatever ours says
    with conn.store.write():
        conn.store.set_meta("cold_until", iso(until))
        conn.store.set_meta("cold_by_host", "")
        conn.store.trail.add(conn.now(), Event("event", FLOW, "run:rebuild", text))
    conn.report.notes.append(f"{text}; nothing new is created before {iso(until)}.")


def start_cold_hold(store: Store, settle: timedelta, why: str) -> None:
    """Create nothing for one settle horizon, inside the caller's transaction (design §4.5)."""
    now = store.clock.now()
    store.set_meta("cold_until", iso(now + settle))
    store.set_meta("cold_by_host", "1")
    store.trail.add(now, Event("event", FLOW, "run:cold", f"cold hold: {why}"))


def _adopt(conn: Connection) -> int:
    """Look up every unit, also under the references of the other listed stores."""
    desk = desk_of(conn, FLOW)
    for group in batches(conn.store.units.in_states([State.READY, State.SEEN])):
        with desk.lock():
            _take_up(desk, look_up(desk, group))
    find_unborn(desk, conn.store.units.in_states([State.DROPPED]))
    adopt_moved(conn, desk, conn.store.units.in_states([State.READY, State.SEEN]))
    return desk.report.adopted


def find_unborn(desk: Desk, units: Sequence[Unit]) -> None:
    """Take up documents of orders that were cancelled or unshipped before they were known here."""
    for group in batches([one for one in units if not one.waiting.startswith(IGNORED)]):
        with desk.lock():
            seen = look_up(desk, group)
            _take_up(desk, [one for one in seen if isinstance(one.sighting, One | Several)])


def _take_up(desk: Desk, seen: Sequence[Seen]) -> None:
    """Adopt what was found, and of several documents of a unit the one that counts."""
    _, crowded = apply(desk, seen)
    clear(desk, crowded)


def _later_generations(conn: Connection, desk: Desk) -> int:
    """Follow each order through the credits and new bookings that it has seen."""
    before = desk.report.adopted
    while fresh := find_later(conn, desk):
        plan(conn)
        for group in batches([conn.store.units.get(unit.unit_id) for unit in fresh]):
            with desk.lock():
                _take_up(desk, look_up(desk, group))
        confirm_open(desk)
    return desk.report.adopted - before
