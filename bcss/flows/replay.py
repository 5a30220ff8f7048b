"""Try held records again, from the source; twice is the same as once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bcss.errors import FixConfig, RecordRefused
from bcss.flows.capture import fetch_orders, read_evidence
from bcss.flows.connection import Connection
from bcss.flows.orders import pull_orders
from bcss.flows.planning import IGNORED
from bcss.flows.shipments import pull_shipments
from bcss.holds import REPLAY, Hold, Why
from bcss.mapping.text import clean
from bcss.shipstation import streams
from bcss.store.queue import Queue
from bcss.store.trail import Event
from bcss.units import AFTER_POST, State, Unit

FLOW = REPLAY
# What was posted is not looked at again by itself, so only a person can end these.
_DECISIONS = (Why.POSTED_TOTAL_DIFFERS, Why.BOOKED_TWICE, Why.SURPLUS_DRAFT)
_BY_EVIDENCE = (Why.NO_SHIP_EVIDENCE, Why.VOIDED_AFTER_POST, Why.WAITING_TOO_LONG)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which records to try again; several conditions narrow each other."""

    failed: bool = False
    orders: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    since: datetime | None = None
    run: int | None = None
    captured: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a choice comes to; `left` are holds that only a decision ends."""

    units: tuple[Unit, ...]
    holds: tuple[Hold, ...]
    left: tuple[Hold, ...]


def choose(conn: Connection, choice: Choice) -> Chosen:
    """Return what is to be tried again; raise FixConfig for an order that nobody knows."""
    named = [one for one in _named(conn, choice.orders) if not is_ignored(one)]
    recent = set(_of_run(conn.store.holds, choice.run)) if choice.run is not None else None
    holds = [
        hold
        for hold in conn.store.holds.open()
        if (not choice.reasons or hold.why in choice.reasons)
        and (choice.since is None or hold.since >= choice.since)
        and (recent is None or hold.hold_id in recent)
        and (not choice.orders or hold.subject in _subjects(named))
    ]
    again = [hold for hold in holds if not _decided_by_person(conn, hold)]
    left = tuple(hold for hold in holds if hold not in again)
    closed = {hold.subject for hold in left}
    units = {unit.unit_id: unit for unit in named if f"unit:{unit.unit_id}" not in closed}
    units |= {unit.unit_id: unit for hold in again for unit in _units_of(conn, hold)}
    return Chosen(tuple(units.values()), tuple(again), left)


def replay(conn: Connection, choice: Choice) -> None:
    """Read the chosen orders again, end their holds, and book those and no others."""
    chosen = choose(conn, choice)
    ignored = [one for one in _named(conn, choice.orders) if is_ignored(one)]
    conn.report.notes += [_ignored_text(conn, one) for one in ignored]
    conn.report.notes += [
        f"{hold.label} ({hold.why}) is not tried again: it needs a decision, bcss hold show "
        f"{hold.label}."
        for hold in chosen.left
    ]
    if not chosen.units and not chosen.holds:
        conn.report.notes += [] if ignored else ["There is nothing to try again."]
        return
    if not choice.captured:
        _read_again(conn, chosen)
    _release(conn, chosen)
    only = frozenset(unit.unit_id for unit in chosen.units)
    tried = False
    try:
        pull_orders(conn, only)
        if not conn.report.errors:
            pull_shipments(conn, only)
        tried = not conn.report.errors
    finally:
        _settle(conn, chosen, tried=tried)


def _settle(conn: Connection, chosen: Chosen, *, tried: bool) -> None:
    """Say what is still held, and hold again what nobody got to."""
    with conn.store.write():
        for unit in chosen.units:
            current = conn.store.units.get(unit.unit_id)
            subject = f"unit:{unit.unit_id}"
            if current.held:
                hold = conn.store.holds.open_for(subject)
                said = f": {hold.message}" if hold else "."
                conn.report.notes.append(f"{unit.order_number} is still held, {current.held}{said}")
                continue
            booked = current.state in AFTER_POST and unit.state not in AFTER_POST
            if not tried and not booked and conn.store.holds.open_for(subject):
                conn.store.units.save(replace(current, held=unit.held))


def _named(conn: Connection, texts: Iterable[str]) -> list[Unit]:
    found: list[Unit] = []
    for text in texts:
        units = conn.store.units.of_orders(conn.store.orders.find_orders(text))
        units = units or conn.store.units.by_document(text)
        if not units:
            raise FixConfig(f"No order is known by {text!r}.", hint="bcss why says more.")
        found += units
    return found


def is_ignored(unit: Unit) -> bool:
    """Tell whether a person has left an order out for good."""
    return unit.state is State.DROPPED and unit.waiting.startswith(IGNORED)


def _ignored_text(conn: Connection, unit: Unit) -> str:
    """Say who left an order out, when and why, and how to take that back."""
    by = unit.waiting.removeprefix(IGNORED)
    zone = conn.config.business_central.time_zone
    on = f" on {unit.waiting_since.astimezone(zone).date()}" if unit.waiting_since else ""
    text = f"{unit.order_number} was ignored by {by}{on} and is not tried again"
    holds = conn.store.holds
    hold = next((one for one in reversed(holds.of([f"unit:{unit.unit_id}"]))), None)
    ending = holds.ending(hold.hold_id) if hold else None
    if hold is None or ending is None:
        return f"{text}."
    return (
        f'{text} ({hold.label}: "{clean(ending.note)}"). bcss hold reopen {hold.hold_id} --note '
        '"why" takes that back.'
    )


def _subjects(units: Iterable[Unit]) -> set[str]:
    return {f"unit:{unit.unit_id}" for unit in units}


def _of_run(holds: Queue, run: int) -> list[int]:
    return [hold.hold_id for hold in holds.new_in_run(run)]


def _units_of(conn: Connection, hold: Hold) -> list[Unit]:
    kind, _, number = hold.subject.partition(":")
    return [conn.store.units.get(int(number))] if kind == "unit" else []


def _decided_by_person(conn: Connection, hold: Hold) -> bool:
    posted = any(unit.state in AFTER_POST for unit in _units_of(conn, hold))
    return posted and hold.why in _DECISIONS


def _read_again(conn: Connection, chosen: Chosen) -> None:
    """Fetch the orders from ShipStation, and the labels where those were the trouble."""
    for unit in chosen.units:
        members = conn.store.units.members(unit.unit_id)
        _fetch(conn, members)
        if unit.held in _BY_EVIDENCE:
            for order_id in members:
                read_evidence(conn, order_id)
    for hold in chosen.holds:
        _read_record(conn, hold)


def _fetch(conn: Connection, order_ids: Sequence[int]) -> None:
    """Fetch orders; one that still cannot be read stays as it was captured, and is said."""
    for order_id in order_ids:
        try:
            fetch_orders(conn, [order_id])
        except RecordRefused as problem:
            conn.report.notes.append(problem.message)


def _read_record(conn: Connection, hold: Hold) -> None:
    """Read a record again that could not be read; a stream's is found by reading it anew."""
    kind, _, rest = hold.subject.partition(":")
    stream, _, identity = rest.partition(":")
    if kind != "record":
        return
    if stream == streams.ORDERS and identity.isdecimal():
        _fetch(conn, [int(identity)])
        return
    with conn.store.write():
        conn.store.orders.forget_watermark(stream)


def _release(conn: Connection, chosen: Chosen) -> None:
    """Have the chosen units planned again; a hold that comes back keeps its number and age."""
    now = conn.now()
    with conn.booking(FLOW), conn.store.write():
        for unit in chosen.units:
            current = conn.store.units.get(unit.unit_id)
            subject = f"unit:{unit.unit_id}"
            if current.held:
                conn.store.units.save(replace(current, held="", updated_at=now))
            conn.store.news.add_unit(unit.unit_id)
            text = f"order {unit.order_number} is tried again"
            conn.store.trail.add(now, Event("decision", FLOW, subject, text, status="replay"))
