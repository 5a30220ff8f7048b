"""Say what an order would be booked as now, by what was captured; asks neither vendor."""

from dataclasses import replace
from datetime import timedelta

from bcss.flows.connection import Connection
from bcss.flows.planning import known_to
from bcss.mapping.families import Family, close, root_of
from bcss.mapping.readiness import Drop, Moment, Readiness, assess
from bcss.units import Unit

_A_MOMENT = timedelta(seconds=1)


def proposal(conn: Connection, unit: Unit) -> Readiness | None:
    """Return what planning would make of a unit's orders as they were last captured.

    None where nothing of them is known, or their store is not booked.
    """
    family = family_of(conn, unit)
    if family is None:
        return None
    if family.gone:
        return Drop("deleted in ShipStation")
    rules = conn.rules(family.root.store_id)
    if rules is None:
        return None
    now = conn.now()
    moment = Moment(
        now=now,
        today=now.astimezone(conn.config.business_central.time_zone).date(),
        polled_from=max(now, family.newest_change + _A_MOMENT),
        waiting_since=unit.waiting_since,
    )
    reference = unit.reference or unit.other_reference
    return assess(family, rules, known_to(conn, [family]), reference, moment)


def family_of(conn: Connection, unit: Unit) -> Family | None:
    """Bring a unit's family together as it was last captured."""
    orders = conn.store.orders
    ids = close(unit.root_order_id, orders.related, orders.children).members
    members = {one: order for one in ids if (order := orders.order(one)) is not None}
    if not members:
        return None
    gone = all(orders.is_gone(one) for one in members)
    family = Family(root_of(members), tuple(members.values()), orders.evidence_of(members))
    return replace(family, gone=gone)
