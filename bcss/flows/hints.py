"""Work off what webhooks hinted at, with the same flow code as cron (design §7).

A hint only says where to look. What it points at is fetched with our own credentials and
stored, then all streams are polled once for all hints that wait, and the orders that were
touched are booked under the same rules as ever.
"""

from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from bcss.errors import BcssError, RecordRefused
from bcss.flows.capture import capture, keep_batch
from bcss.flows.catalog import note_change
from bcss.flows.connection import Connection
from bcss.flows.orders import pull_orders
from bcss.flows.planning import plan
from bcss.flows.shipments import pull_shipments
from bcss.mapping.readiness import WAITING_FOR_POLL
from bcss.reply import clean
from bcss.shipstation import streams
from bcss.shipstation.pointer import Pointer, asks_for_poll, read_pointer
from bcss.store.hints import Hint, Hints, hints_path
from bcss.store.trail import Event
from bcss.units import State, Unit
from bcss.wire import NotJson, parse_object

FLOW: Final = "hints"
_MAX_FETCHES: Final = 10  # beyond so many pointers the poll alone is cheaper
_MAX_REFUSED: Final = 3
_SHOWN: Final = 120
_POLLS: Final = 3
_CHUNK: Final = 500
_REFRESHED: Final = ("items", "customers")
_BOOKABLE: Final = (
    State.READY,
    State.CREATE_INTENT,
    State.DRAFTED,
    State.POST_INTENT,
    State.POSTED,
)


@dataclass(slots=True)
class _Work:
    """What all hints that wait come to; `poll` when a pointer does not say which orders.

    Of what changed `wholly` nobody knows since when: it must be read from the beginning.
    """

    pointers: dict[Pointer, None] = field(default_factory=dict)
    poll: bool = False
    changed: Counter[str] = field(default_factory=Counter)
    wholly: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)


def work_hints(conn: Connection) -> int:
    """Work off all hints that wait; return how many, 0 when they must wait for another try.

    Upstream trouble goes into the report. After three failures the hints are left to the next
    poll, which sees the same and more.
    """
    with closing(Hints(hints_path(conn.store.path), conn.clock)) as hints:
        last = hints.begin()
        if not last:
            return 0
        work = _read(conn, hints.upto(last))
        errors = len(conn.report.errors)
        try:
            _do(conn, work)
        except BcssError as error:
            conn.report.errors.append(error)
        if _was_stopped(conn):
            hints.put_back(last)
            return 0
        if len(conn.report.errors) > errors:
            _give_up(conn, hints.failed(last))
            return 0
        hints.done(last)
        return work.taken.total()


def _was_stopped(conn: Connection) -> bool:
    ends = conn.limits.ends
    return ends is not None and conn.clock.monotonic() >= ends


def _read(conn: Connection, waiting: Iterable[Hint]) -> _Work:
    """Check every hint; what is not exactly as documented is noted and goes no further."""
    work = _Work()
    host = urlsplit(conn.config.shipstation.api_url).hostname
    stores = conn.config.orders.stores.keys()
    for hint in waiting:
        work.taken[hint.kind] += 1
        match hint.kind:
            case "poll":
                work.poll = True
            case "refresh":
                work.changed.update(_REFRESHED)
                work.wholly.update(_REFRESHED)
            case "business_central":
                _read_changes(conn, hint.body, work)
            case "shipstation" | "signed":
                pointer = read_pointer(hint.body, host=host, stores=stores)
                if pointer is None and hint.kind == "signed":
                    work.poll |= asks_for_poll(hint.body)
                elif pointer is None:
                    work.refused.append(clean(hint.body[:200].decode("utf-8", "replace"), _SHOWN))
                else:
                    work.pointers[pointer] = None
    return work


def _read_changes(conn: Connection, body: bytes, work: _Work) -> None:
    """Count what changed in Business Central, of our company only."""
    try:
        value = parse_object(body)
    except NotJson:
        return
    company, _, entity = str(value.get("resource")).partition("/")
    bound = conn.store.meta("bound:company")
    if bound and company != f"companies({bound})":
        return
    work.changed[entity] += 1
    changes = value.get("changes")
    if isinstance(changes, dict) and "collection" in changes:
        work.wholly.add(entity)


def _do(conn: Connection, work: _Work) -> None:
    _note(conn, work)
    if not work.pointers and not work.poll:
        return
    named = _follow(conn, work)
    capture(conn)
    touched = set(conn.store.news.orders()) if work.poll else named
    plan(conn)
    _poll_again(conn, touched)
    units = _units(conn, touched)
    only = frozenset(unit.unit_id for unit in units)
    if any(unit.state in _BOOKABLE and not unit.held for unit in units):
        pull_orders(conn, only)
        pull_shipments(conn, only)


def _note(conn: Connection, work: _Work) -> None:
    """Leave a trace of what came, and tell the next sync what to read afresh."""
    counts = ", ".join(f"{number} {kind}" for kind, number in sorted(work.taken.items()))
    now = conn.now()
    subject = f"run:{conn.store.trail.run_id}"
    with conn.store.write():
        conn.store.trail.add(now, Event("event", FLOW, subject, f"hints: {counts}"))
        for entity, number in sorted(work.changed.items()):
            if entity in _REFRESHED:
                note_change(conn, entity, wholly=entity in work.wholly)
            text = f"Business Central says that {entity} changed ({number} notifications)"
            event = Event("event", FLOW, subject, text, target="business_central")
            conn.store.trail.add(now, event)
        if work.refused:
            shown = "; ".join(work.refused[:_MAX_REFUSED])
            text = f"{len(work.refused)} pointers are not as documented and were not followed: "
            event = Event("event", FLOW, subject, text + shown, status="refused")
            conn.store.trail.add(now, event)


def _follow(conn: Connection, work: _Work) -> set[int]:
    """Fetch what the pointers name and store it; return the orders it concerns.

    A pointer that shows nothing, or of which no answer is documented, asks for a poll instead.
    """
    if len(work.pointers) > _MAX_FETCHES:
        work.poll = True
    if work.poll:
        return set()
    found: set[int] = set()
    for pointer in work.pointers:
        orders = _fetch(conn, pointer)
        work.poll |= not orders
        found |= orders
    return found


def _fetch(conn: Connection, pointer: Pointer) -> set[int]:
    """Fetch one pointer; no order at all means that a poll must find out."""
    if pointer.resource == streams.FULFILLMENTS or not pointer.query:
        return set()
    try:
        page = conn.shipstation.get_pointer(pointer.resource, pointer.query)
    except RecordRefused:
        return set()
    batch = streams.capture(pointer.resource, page.rows)
    with conn.store.write():
        keep_batch(conn, batch)
    if page.total > len(page.rows):
        return set()
    return {one.record.order_id for one in batch.captured if one.record.order_id is not None}


def _poll_again(conn: Connection, touched: set[int]) -> None:
    """Poll once more, a little later, for an order that changed in the second of the poll."""
    for _ in range(_POLLS):
        if all(unit.waiting != WAITING_FOR_POLL for unit in _units(conn, touched)):
            return
        conn.clock.sleep(1.0)
        conn.polled_at = None
        capture(conn)
        plan(conn)


def _units(conn: Connection, order_ids: set[int]) -> list[Unit]:
    """Return the units of some orders."""
    ids = sorted(order_ids)
    units = {
        unit.unit_id: unit
        for start in range(0, len(ids), _CHUNK)
        for unit in conn.store.units.of_orders(ids[start : start + _CHUNK])
    }
    return list(units.values())


def _give_up(conn: Connection, number: int) -> None:
    if not number:
        return
    text = f"{number} hints are left to the next poll after three failures"
    event = Event("event", FLOW, f"run:{conn.store.trail.run_id}", text, status="given up")
    with conn.store.write():
        conn.store.trail.add(conn.now(), event)
