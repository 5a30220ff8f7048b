"""Bring shipped orders into Business Central as drafts (pull-orders)."""

from bcss.booking.desk import Desk
from bcss.booking.machine import confirm_open, make_drafts
from bcss.clock import parse_utc
from bcss.errors import BcssError
from bcss.flows.capture import capture
from bcss.flows.connection import Connection
from bcss.flows.moved import find_moved
from bcss.flows.newcustomers import create_customers
from bcss.flows.planning import plan
from bcss.flows.reversal import reverse_approved
from bcss.flows.route import tracking_route
from bcss.mapping.readiness import WAITING_FOR_POLL
from bcss.units import CANCEL, REPLACE

FLOW = "pull-orders"


def pull_orders(conn: Connection, only: frozenset[int] | None = None) -> None:
    """Capture, plan, and make a draft of every unit that is ready."""
    with conn.report.halting():
        _pull(conn, only)


def _pull(conn: Connection, only: frozenset[int] | None) -> None:
    capture(conn)
    plan(conn)
    settle_polls(conn)
    desk = desk_of(conn, FLOW, only)
    if not desk.chosen(conn.store.units.unfinished()):
        return
    if reverse_approved(conn, desk):
        plan(conn)
    taken_back = _withdrawals(desk)
    _make(conn, desk)
    if taken_back:
        confirm_open(desk)  # what a person has posted meanwhile
        plan(conn)
        _make(conn, desk)


def _make(conn: Connection, desk: Desk) -> None:
    create_customers(conn, desk)
    find_moved(conn, desk)
    make_drafts(desk)


def settle_polls(conn: Connection) -> None:
    """Poll once more when an order changed at the very moment the last poll began (§4.1)."""
    waiting = [one for one in conn.store.units.unfinished() if one.waiting == WAITING_FOR_POLL]
    if not waiting or conn.polls > 1:
        return
    conn.polled_at = None
    capture(conn)
    plan(conn)


def _withdrawals(desk: Desk) -> bool:
    units = desk.chosen(desk.store.units.unfinished())
    return any(unit.waiting in (REPLACE, CANCEL) and not unit.held for unit in units)


def desk_of(conn: Connection, flow: str, only: frozenset[int] | None = None) -> Desk:
    """Make the booking machine's surroundings for one flow."""

    def fresh() -> bool:
        if conn.is_fresh():
            if conn.store.news.can_be_planned():  # it was in doubt until now
                plan(conn)
            return True
        try:
            capture(conn)
        except BcssError as error:
            conn.report.errors.append(error)
            conn.report.halted = True
            return False
        plan(conn)
        return True

    cold = conn.store.meta("cold_until")
    return Desk(
        store=conn.store,
        bc=conn.bc,
        clock=conn.clock,
        settle=conn.config.orders.settle,
        route=tracking_route(conn),
        fresh=fresh,
        is_fresh=conn.is_fresh,
        lock=lambda: conn.booking(flow),
        limits=conn.limits,
        report=conn.report,
        width=conn.width,
        flow=flow,
        config=conn.config.digest,
        cold_until=parse_utc(cold) if cold else None,
        only=only,
    )
