"""Look behind the streams once a day: what they missed, and documents nobody expects (§4.6)."""

from collections.abc import Sequence
from datetime import timedelta

from bcss.booking.desk import Desk
from bcss.booking.gone import gone, may_go
from bcss.booking.judge import Nothing, One, Several, is_credited, is_posted, is_under, judge
from bcss.booking.lookup import adopt, by_id, read_documents
from bcss.booking.machine import batches, confirm_open
from bcss.booking.withdraw import clear
from bcss.businesscentral.records import Document
from bcss.clock import iso, parse_utc
from bcss.flows.capture import capture, keep_batch, subject_of
from bcss.flows.connection import Connection
from bcss.flows.deleted import ids_of, note_deleted
from bcss.flows.orders import desk_of
from bcss.flows.planning import IGNORED, plan
from bcss.flows.rebuild import find_unborn
from bcss.holds import Verdict
from bcss.shipstation import streams
from bcss.store.trail import Event
from bcss.units import CANCEL, CREDITED, REPLACE, State, Unit

FLOW = "sweep"
AGE = timedelta(hours=20)
SPAN = timedelta(days=35)
_KEY = "swept"
_MOST_LOST = 50  # documents a group may ask for by their ids
_RECORDS = ("record:orders:", "record:shipments:", "record:fulfillments:")


def sweep_if_due(conn: Connection) -> None:
    """Sweep when the last sweep is over 20 h old; the first is due a day after the first run."""
    last = conn.store.meta(_KEY) or conn.store.meta("created")
    if (
        not timedelta(0) <= conn.now() - parse_utc(last) < AGE
    ):  # a clock that was ahead is not trusted
        sweep(conn)


def sweep(conn: Connection) -> None:
    """Compare the last 35 days of ShipStation, and clear away drafts that landed late."""
    begun = conn.now()
    capture(conn)
    plan(conn)
    rescued = _compare(conn)
    plan(conn)
    cleared = _documents(conn)
    with conn.store.write():
        conn.store.set_meta(_KEY, iso(begun))
        conn.store.set_meta("sweep_rescue", str(rescued))
        text = f"swept 35 days: {rescued} records that the streams missed, {cleared} documents"
        conn.store.trail.add(conn.now(), Event("event", FLOW, "run:sweep", text))
    if rescued:
        conn.report.notes.append(f"The sweep found {rescued} records that the streams missed.")


def _compare(conn: Connection) -> int:
    """Read 35 days of every stream again; return how many records were new or different."""
    since, sent = (max(conn.now() - SPAN, one) for one in (conn.start(), conn.evidence_start()))
    client, clock = conn.shipstation, conn.clock
    rescued = 0
    unreadable: set[str] = set()
    seen: set[int] = set()
    for poll in (
        streams.read_orders(client, clock, since),
        streams.read_shipments(client, clock, sent),
        streams.read_fulfillments(client, clock, sent),
    ):
        for batch in poll:
            with conn.store.write():
                rescued += keep_batch(conn, batch)
            unreadable |= {subject_of(bad) for bad in batch.unreadable}
            seen |= ids_of(batch)
    _release_readable(conn, unreadable)
    return rescued + note_deleted(conn, since, seen)


def _release_readable(conn: Connection, unreadable: set[str]) -> None:
    """End the holds of records that a whole reading no longer stumbles over."""
    oldest = conn.now() - SPAN
    with conn.store.write():
        for hold in conn.store.holds.open():
            ours = hold.subject.startswith(_RECORDS) and hold.since > oldest
            if ours and hold.subject not in unreadable:
                conn.store.holds.close(hold.subject, conn.now(), by="bcss", note="readable now")


def _documents(conn: Connection) -> int:
    """Look for documents under the references of settled units; delete our surplus drafts."""
    units = [*conn.store.units.confirmed_since(conn.now() - SPAN), *_waiting(conn)]
    forgotten = _forgotten(conn)
    ignored = conn.store.units.left_out(IGNORED, conn.now() - SPAN)[:_MOST_LOST]
    if not units and not forgotten and not ignored:
        return 0
    desk = desk_of(conn, FLOW)
    find_unborn(desk, forgotten)
    with desk.lock():
        for unit in ignored:
            _posted_after_all(desk, unit)
    surplus = 0
    for group in batches(units):
        with desk.lock():
            surplus += _compare_documents(desk, group)
    confirm_open(desk)
    return surplus


def _posted_after_all(desk: Desk, unit: Unit) -> None:
    """Take up the draft of an ignored order that a person has posted instead of deleting it."""
    found = by_id(desk, unit)
    with desk.write():
        current = desk.store.units.get(unit.unit_id)
        taken = desk.store.units.by_reference(unit.reference)
        if current != unit or taken or (found and not is_posted(found[0], unit)):
            return
        if not found:
            desk.save(unit, document_id="", draft_number="")  # deleted, as it was to be
            return
        adopt(desk, unit, found[0], posted=True)
        desk.report.notes.append(
            f"{unit.order_number} was ignored, and {found[0].number} was posted for it by hand: "
            "bcss takes that as its invoice."
        )


def _waiting(conn: Connection) -> list[Unit]:
    """Return the units whose documents stand until their orders ship."""
    drafted = conn.store.units.in_states([State.DRAFTED])
    return [unit for unit in drafted if unit.waiting and unit.waiting not in (REPLACE, CANCEL)]


def _forgotten(conn: Connection) -> list[Unit]:
    """Return the orders not to be booked now that may have a document all the same.

    A create of theirs may have landed after its horizon, when another draft had been taken back
    already; in a database that was built again, the lost one may have booked them.
    """
    oldest = conn.now() - SPAN
    lost = bool(conn.store.meta("cold_until"))
    idle = conn.store.units.in_states([State.SEEN, State.DROPPED])
    recent = [unit for unit in idle if unit.updated_at and unit.updated_at >= oldest]
    return [unit for unit in recent if lost or unit.attempt]


def _compare_documents(desk: Desk, units: Sequence[Unit]) -> int:
    found = read_documents(desk, units)
    lost = [unit for unit in units if _stands(unit) and not _under(found, unit)]
    asked = {unit.unit_id: by_id(desk, unit) for unit in lost[:_MOST_LOST]}
    crowded: list[tuple[Unit, Several]] = []
    with desk.write():
        for unit in units:
            mine = [*_under(found, unit), *asked.get(unit.unit_id, ())]
            match judge(unit, mine):
                case Several() as several:
                    crowded.append((unit, several))
                case Verdict() as verdict:
                    desk.hold_anew(unit, verdict)
                case One(document=document, posted=True) if _is_news(unit):
                    adopt(desk, unit, document, posted=True)
                case Nothing() if unit.unit_id in asked:
                    text = f"{unit.draft_number} was deleted in Business Central by somebody."
                    gone(desk, unit, text)
                case One():
                    may_go(desk, unit)
                    _note_credit(desk, unit, mine)
                case Nothing():
                    pass
    clear(desk, crowded)
    return sum(len(several.surplus) for _, several in crowded)


def _under(found: Sequence[Document], unit: Unit) -> list[Document]:
    return [one for one in found if is_under(one, unit)]


def _note_credit(desk: Desk, unit: Unit, documents: Sequence[Document]) -> None:
    credited = next((one for one in documents if is_credited(one)), None)
    if credited is None or unit.is_credited:
        return
    text = f"{credited.number} was credited in Business Central"
    desk.note(unit, "evidence", text, status=CREDITED)
    desk.save(unit, waiting=CREDITED)


def _stands(unit: Unit) -> bool:
    """Tell whether a unit's document is to stand as a draft, so that it can be deleted."""
    unposted = unit.state is State.DRAFTED or not unit.kind.posts
    return unposted and bool(unit.document_id) and not unit.document_number


def _is_news(unit: Unit) -> bool:
    """Tell whether a posting was done by a person: bcss left the document standing."""
    return _stands(unit) and not unit.held
