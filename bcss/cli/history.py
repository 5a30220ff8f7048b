"""Tell what became of an order over all its generations: holds, decisions, credits, re-bookings."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from bcss.cli.render import when
from bcss.cli.words import memo_words, standing
from bcss.clock import parse_utc
from bcss.holds import REPLAY, Hold, Why
from bcss.money import show
from bcss.store.db import Store
from bcss.store.trail import Entry
from bcss.units import CREDITED, REVERSING, State, Unit

_DECIDED = ("approved", "ignored", "reopened")
_TOLD = (*_DECIDED, "confirmed", CREDITED)
# Who ends holds without being a person.
_MACHINES = ("bcss", REPLAY)
_DISPUTED = (Why.POSTED_TOTAL_DIFFERS, Why.BOOKED_TWICE)
_NOTE = " Note: "
_LABEL = re.compile(r"\bH-\d+(?: \([\w-]+\))?")


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened to an order; `order` tells those of one instant apart."""

    at: datetime
    order: int
    text: str


def generations(store: Store, unit: Unit) -> list[Unit]:
    """Return every generation of a unit's order, the newest last."""
    return store.units.by_key(unit.store_id, unit.order_key) or [unit]


def told_of(store: Store, units: Sequence[Unit], zone: ZoneInfo) -> str:
    """Tell what happened to the generations of one order; empty where it is the usual course."""
    found: list[Happening] = []
    eventful = len(units) > 1
    for unit in units:
        rows = [row for row in store.trail.of([f"unit:{unit.unit_id}"]) if row.status in _TOLD]
        decisions = list(_decisions(unit, rows, zone))
        eventful = eventful or bool(decisions) or unit.is_credited
        found += [*decisions, *_booking(store, unit, rows), *_credit(unit, rows)]
    if not eventful or not found:
        return ""
    ordered = sorted(found, key=lambda one: (one.at, one.order))
    return f"So far: {'; '.join(one.text for one in ordered)}."


def _booking(store: Store, unit: Unit, rows: Sequence[Entry]) -> Iterator[Happening]:
    if not unit.document_number:
        return
    verb = "booked again as" if unit.generation else "booked as"
    yield Happening(_booked_at(store, unit, rows), unit.generation * 3, f"{verb} {_named(unit)}")


def _booked_at(store: Store, unit: Unit, rows: Sequence[Entry]) -> datetime:
    """Return when a posting was confirmed, or found to be disputed."""
    times = [parse_utc(row.at) for row in rows if row.status == "confirmed"]
    holds = store.holds.of([f"unit:{unit.unit_id}"])
    times += [hold.since for hold in holds if hold.why in _DISPUTED]
    return min(times) if times else unit.updated_at or store.clock.now()


def _named(unit: Unit) -> str:
    amount = f" ({show(unit.bc_total, unit.currency)})" if unit.bc_total is not None else ""
    return f"{unit.document_number}{amount}"


def _credit(unit: Unit, rows: Sequence[Entry]) -> Iterator[Happening]:
    at = next((parse_utc(row.at) for row in rows if row.status == CREDITED), unit.updated_at)
    if unit.is_credited and at is not None:
        text = f"{unit.document_number} credited{memo_words(unit)}"
        yield Happening(at, unit.generation * 3 + 2, text)


def _decisions(unit: Unit, rows: Sequence[Entry], zone: ZoneInfo) -> Iterator[Happening]:
    for row in rows:
        named = _LABEL.search(row.summary)
        if named is not None and row.status in _DECIDED:
            text = f"{named[0]} {_decision(row, zone)}"
            yield Happening(parse_utc(row.at), unit.generation * 3 + 1, text)


def _decision(row: Entry, zone: ZoneInfo) -> str:
    """Say who decided what, when, and why, as a row of the trail has kept it."""
    note = row.summary.rpartition(_NOTE)[2] if _NOTE in row.summary else ""
    said = f', "{note}"' if note else ""
    return f"{row.status} by {row.actor} on {when(parse_utc(row.at), zone)}{said}"


def decision_words(store: Store, hold: Hold, zone: ZoneInfo) -> str:
    """Say how a person ended a hold, when, and why; empty where no person did."""
    ending = store.holds.ending(hold.hold_id)
    if ending is None or ending.by in _MACHINES:
        return ""
    rows = [row for row in store.trail.of([hold.subject]) if _decides(row, hold)]
    return _decision(rows[-1], zone) if rows else f"decided by {ending.by}"


def _decides(row: Entry, hold: Hold) -> bool:
    named = _LABEL.search(row.summary)
    return row.status in _DECIDED and named is not None and named[0].partition(" ")[0] == hold.label


def ending_words(store: Store, hold: Hold, zone: ZoneInfo) -> str:
    """Say how a hold ended, by a person or by itself."""
    ending = store.holds.ending(hold.hold_id)
    if ending is None:
        return ""
    note = f": {ending.note}" if ending.note else ""
    by_itself = f"ended by itself on {when(hold.closed_at, zone)}{note}"
    return decision_words(store, hold, zone) or by_itself


def ending_object(store: Store, hold: Hold, zone: ZoneInfo) -> dict[str, Any] | None:
    """Return how a hold ended as `--json` shows it; None for one that is open."""
    ending = store.holds.ending(hold.hold_id)
    if ending is None:
        return None
    decision = decision_words(store, hold, zone).partition(" ")[0]
    return {
        "at": hold.closed_at,
        "by": ending.by,
        "note": ending.note,
        "decision": decision,
        "came_of_it": came_of(store, hold, zone),
    }


def came_of(store: Store, hold: Hold, zone: ZoneInfo) -> str:
    """Say what came of a hold that has ended."""
    kind, _, number = hold.subject.partition(":")
    if kind != "unit":
        again = store.holds.open_for(hold.subject)
        return f"It is held again as {again.label}." if again else "It is held no longer."
    unit = store.units.get(int(number))
    *_, newest = generations(store, unit)
    again = store.holds.open_for(f"unit:{newest.unit_id}")
    if unit.state in REVERSING and again is None:
        return f"{unit.document_number} is being credited: the next run goes on with it."
    credited = corrected(unit, newest)
    return credited or standing(newest, again, zone)


def corrected(unit: Unit, newest: Unit) -> str:
    """Say by what an invoice was credited, and what its order is booked by now."""
    if not unit.is_credited:
        return ""
    text = f"{_named(unit)} credited{memo_words(unit)}"
    if newest.unit_id == unit.unit_id:
        return f"{text}."
    if newest.document_number and newest.state is State.CONFIRMED:
        return f"{text}, booked again as {_named(newest)}."
    if newest.state is State.DROPPED:
        return f"{text}; nothing more is booked: {newest.waiting}."
    held = f" (held: {newest.held})" if newest.held else ""
    return f"{text}; not booked again yet{held}."


def corrections(store: Store, after: int) -> list[dict[str, Any]]:
    """Return what was credited, re-booked or booked by a decision since a row of the trail."""
    rows = store.trail.since(after, ["confirmed", CREDITED])
    decided = store.holds.decided_subjects(_MACHINES) if rows else frozenset()
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for subject in dict.fromkeys(row.subject for row in rows):
        unit = store.units.get(int(subject.partition(":")[2]))
        if subject in decided or unit.generation or unit.memo_number:
            found[unit.store_id, unit.order_key] = _correction(store, generations(store, unit))
    return list(found.values())


def _correction(store: Store, units: Sequence[Unit]) -> dict[str, Any]:
    newest = units[-1]
    credited = next((one for one in reversed(units) if one.is_credited), None)
    holds = store.holds.of([f"unit:{one.unit_id}" for one in units])
    ended = [hold.label for hold in holds if hold.closed_at is not None]
    booked = newest if newest.document_number and not newest.is_credited else None
    text = corrected(credited, newest) if credited else f"booked as {_named(newest)}."
    return {
        "hold": ended[-1] if ended else "",
        "order_number": newest.order_number,
        "order_key": newest.order_key,
        "credited": credited.document_number if credited else "",
        "credit_memo": credited.memo_number if credited else "",
        "credited_amount": credited.bc_total if credited else None,
        "booked_as": booked.document_number if booked else "",
        "booked_amount": booked.bc_total if booked else None,
        "currency": newest.currency or (credited.currency if credited else ""),
        "text": text,
    }
