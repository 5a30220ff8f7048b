"""What every decision about a hold needs: the hold as it was shown, its orders, and the trail."""

from collections.abc import Iterable
from dataclasses import dataclass

from bcss.errors import FixConfig
from bcss.flows.anew import FLOW
from bcss.flows.connection import Connection
from bcss.flows.gathering import booked_order, sharing_notes
from bcss.holds import Hold, Why
from bcss.mapping.explain import orders_text
from bcss.mapping.families import Evidence, Family, root_of
from bcss.mapping.families import close as closure_of
from bcss.mapping.text import clean
from bcss.money import show
from bcss.store.trail import Event
from bcss.units import Unit


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's word on a hold as it was shown to them."""

    hold: Hold
    by: str
    note: str


def find(conn: Connection, text: str) -> Hold:
    """Find an open hold by its name, such as H-0017 or 17; raise FixConfig when there is none."""
    hold = numbered(conn, text)
    if hold.closed_at is not None:
        raise _has_ended(conn, hold)
    return hold


def numbered(conn: Connection, text: str) -> Hold:
    """Find a hold by its name, ended or not; raise FixConfig when there is none."""
    number = text.strip().upper().removeprefix("H-")
    hold = conn.store.holds.by_number(int(number)) if number.isdecimal() else None
    if hold is None:
        raise FixConfig(f"There is no hold {text!r}.", hint="bcss hold list shows them.")
    return hold


def unchanged(conn: Connection, shown: Hold) -> Hold:
    """Return a hold as it is now; raise FixConfig when it is not what was shown."""
    now = conn.store.holds.by_number(shown.hold_id)
    if now is None or now.closed_at is not None:
        raise _has_ended(conn, now or shown)
    if (now.message, now.amount) != (shown.message, shown.amount):
        raise has_changed(conn, shown, now)
    return now


def has_changed(conn: Connection, shown: Hold, now: Hold | None) -> FixConfig:
    """Say what a hold that was shown has become."""
    if now is None:
        return _has_ended(conn, shown)
    amount = f", {show(now.amount, now.currency)}" if now.amount is not None else ""
    return FixConfig(
        f"{shown.label} has changed since it was shown: now {now.label}{amount}: {now.message}",
        hint=f"bcss hold show {now.hold_id} shows it; then decide about {now.label}.",
    )


def _has_ended(conn: Connection, hold: Hold) -> FixConfig:
    holds = conn.store.holds
    now, ending = holds.open_for(hold.subject), holds.ending(hold.hold_id)
    decision = holds.decision(hold)
    if now is not None and not decision:
        return has_changed(conn, hold, now)
    text = f"{hold.label} has ended already"
    if ending is not None and decision:
        text += f": {decision} by {ending.by} on {_day(conn, hold)}: {ending.note}"
    elif ending is not None and ending.note:
        text += f": {ending.note}"
    if now is not None:
        text += f" The order is held again: {now.label}."
    return FixConfig(f"{text.rstrip('.')}.", hint="bcss hold list shows the rest.")


def _day(conn: Connection, hold: Hold) -> str:
    zone = conn.config.business_central.time_zone
    return hold.closed_at.astimezone(zone).date().isoformat() if hold.closed_at else "another day"


def need_reason(note: str) -> None:
    """Raise FixConfig for a decision without a reason."""
    if not clean(note):
        raise FixConfig("A decision needs a reason.", hint='Add --note "why".')


def unit_of(conn: Connection, hold: Hold) -> Unit | None:
    """Return the unit that a hold is about, None where it is about something else."""
    kind, _, number = hold.subject.partition(":")
    return conn.store.units.get(int(number)) if kind == "unit" else None


def close(conn: Connection, hold: Hold, verb: str, meaning: str, by: str, note: str) -> None:
    """End a hold by a person's word, inside the caller's transaction."""
    now = conn.now()
    text = f"{verb} {hold.label} ({hold.why}) by {by}: {meaning} Note: {note}"
    event = Event("decision", FLOW, hold.subject, text, target="queue", status=verb)
    conn.store.trail.add(now, event)
    conn.store.holds.close(hold.subject, now, by=by, note=note, told=True)


def family_of(conn: Connection, unit: Unit) -> Family:
    """Return the orders of a unit with their evidence, as planning sees them."""
    orders = (conn.store.orders.order(one) for one in members_of(conn, unit))
    members = {order.order_id: order for order in orders if order is not None}
    return Family(root_of(members), tuple(members.values()), evidence_of(conn, unit))


def evidence_of(conn: Connection, unit: Unit) -> Evidence:
    """Return the labels and fulfillments of a unit's orders."""
    return conn.store.orders.evidence_of(members_of(conn, unit))


def members_of(conn: Connection, unit: Unit) -> tuple[int, ...]:
    """Return the orders of a unit as planning sees them, without older imports of the same."""
    orders = conn.store.orders
    return closure_of(unit.root_order_id, orders.related, orders.children).members


def not_booked(conn: Connection, unit: Unit, hold: Hold, *, beside: bool = False) -> str:
    """Name the orders that an ignored hold leaves out, with the amount of each, and their sum.

    With `beside` one of them is booked, and is not named.
    """
    ids: Iterable[int] = members_of(conn, unit)
    if hold.why == Why.KEY_SHARED:
        ids = conn.store.units.members(unit.unit_id)
    found = (conn.store.orders.order(one) for one in sorted(ids) if not _gone(conn, one))
    orders = [one for one in found if one is not None and one.status != "cancelled"]
    booked = booked_order(unit, orders) if beside else None
    notes = sharing_notes(conn, orders)
    named = [one for one in orders if one.order_id != booked]
    currency = unit.currency or conn.currency(unit.store_id)
    return orders_text(named, currency, notes) or unit.order_number


def _gone(conn: Connection, order_id: int) -> bool:
    return conn.store.orders.is_gone(order_id)


def goes_on(conn: Connection, unit: Unit, hold: Hold) -> str:
    """Say whether a store posts again once this hold over a posted total has ended."""
    others = [
        one
        for one in conn.store.holds.open()
        if one.why == hold.why and one.store_id == unit.store_id and one.hold_id != hold.hold_id
    ]
    if not others:
        return f"store {unit.store_id} posts again"
    return f"store {unit.store_id} stays stopped until {others[0].label} is decided"
