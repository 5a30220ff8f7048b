"""Look behind the streams once a day: what they missed, and documents nobody expects (§4.6)."""

from datetime import timedelta

from bcss.booking.judge import One, Several, judge
from bcss.booking.lookup import adopt, read_documents
from bcss.booking.machine import batches, confirm_open
from bcss.booking.withdraw import clear
from bcss.clock import iso, parse_utc
from bcss.flows.capture import capture, keep_batch, subject_of
from bcss.flows.connection import Connection
from bcss.flows.orders import desk_of
from bcss.flows.planning import plan
from bcss.holds import Verdict
from bcss.shipstation import streams
from bcss.store.trail import Event
from bcss.units import Unit

FLOW = "sweep"
AGE = timedelta(hours=20)
SPAN = timedelta(days=35)
_KEY = "swept"
_CREDITED = ("Canceled", "Corrective")
_RECORDS = ("record:orders:", "record:shipments:", "record:fulfillments:")


def sweep_if_due(conn: Connection) -> None:
    """Sweep when the last sweep is over 20 h old; the first is due a day after the first run."""
    last = conn.store.meta(_KEY) or conn.store.meta("created")
    if conn.now() - parse_utc(last) >= AGE:
        sweep(conn)


def sweep(conn: Connection) -> None:
    """Compare the last 35 days of ShipStation, and clear away drafts that landed late."""
    begun = conn.now()
    capture(conn)
    plan(conn)
    rescued = _compare(conn)
    if rescued:
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
    since = max(conn.now() - SPAN, conn.start())
    client, clock = conn.shipstation, conn.clock
    rescued = 0
    unreadable: set[str] = set()
    for poll in (
        streams.read_orders(client, clock, since),
        streams.read_shipments(client, clock, since),
        streams.read_fulfillments(client, clock, since),
    ):
        for batch in poll:
            with conn.store.write():
                rescued += keep_batch(conn, batch)
            unreadable |= {subject_of(bad) for bad in batch.unreadable}
    _release_readable(conn, unreadable)
    return rescued


def _release_readable(conn: Connection, unreadable: set[str]) -> None:
    """End the holds of records that a whole reading no longer stumbles over."""
    oldest = conn.now() - SPAN
    with conn.store.write():
        for hold in conn.store.holds.open():
            ours = hold.subject.startswith(_RECORDS) and hold.since > oldest
            if ours and hold.subject not in unreadable:
                conn.store.holds.close(hold.subject, conn.now(), by="bcss", note="readable now")


def _documents(conn: Connection) -> int:
    """Look for documents under the references of confirmed units; delete our surplus drafts."""
    units = conn.store.units.confirmed_since(conn.now() - SPAN)
    desk = desk_of(conn, FLOW) if units else None
    surplus = 0
    for group in batches(units):
        assert desk is not None  # noqa: S101 - there are units
        with desk.lock():
            found = read_documents(desk, group)
            crowded: list[tuple[Unit, Several]] = []
            with conn.store.write():
                for unit in group:
                    mine = [one for one in found if one.reference.upper() == unit.reference]
                    match judge(unit, mine):
                        case Several() as several:
                            crowded.append((unit, several))
                        case Verdict() as verdict:
                            desk.hold(unit, verdict)
                        case One(document=document, posted=True) if _is_news(unit):
                            adopt(desk, unit, document, posted=True)
                        case _:
                            credited = [one for one in mine if one.status in _CREDITED]
                            if credited and unit.waiting != "credited":
                                text = f"{credited[0].number} was credited in Business Central"
                                desk.note(unit, "evidence", text, status="credited")
                                desk.save(unit, waiting="credited")
            clear(desk, crowded)
            surplus += sum(len(several.surplus) for _, several in crowded)
    if desk is not None:
        confirm_open(desk)
    return surplus


def _is_news(unit: Unit) -> bool:
    """Tell whether a posting was done by a person: bcss left the document standing."""
    return not unit.kind.posts and not unit.document_number and not unit.held
