"""Judge anew what is held, before a person's decision about it is carried out (design §4.5).

What was shown may be hours old: the order is read again from ShipStation, and its document from
Business Central, as every read that decides something.
"""

from dataclasses import dataclass, replace

from bcss.booking.desk import Desk, about
from bcss.booking.judge import Several, is_credited, is_posted, is_under, judge
from bcss.booking.lookup import by_id, read_documents
from bcss.booking.proof import is_unclear, posted_among
from bcss.booking.replan import credited_by_hand
from bcss.booking.reverse import invoice_of
from bcss.businesscentral.records import Document, DocumentSet
from bcss.errors import FixConfig, RecordMissing
from bcss.flows.capture import fetch_orders, read_evidence
from bcss.flows.connection import Connection
from bcss.flows.orders import desk_of
from bcss.flows.planning import plan_again
from bcss.holds import Hold, Verdict, Why
from bcss.money import show
from bcss.store.trail import Event
from bcss.units import CREDITED, State, Unit

FLOW = "review"
_MEMBERS = 50


@dataclass(frozen=True, slots=True)
class Sight:
    """What Business Central shows of a unit's unposted document; None when it is not there.

    `asked`: whether there was anything to ask for.
    """

    document: Document | None = None
    posted: bool = False
    asked: bool = False

    @property
    def gone(self) -> bool:
        """Tell whether a document that the unit had is there no more."""
        return self.asked and self.document is None


def look(conn: Connection, unit: Unit) -> Sight:
    """Read the document that a unit is thought to have as a draft."""
    if not _may_have_moved(unit):
        return Sight()
    desk = desk_of(conn, FLOW)
    found = by_id(desk, unit)
    if not found:
        return Sight(asked=True)
    return Sight(found[0], _posted(desk, unit, found[0]), asked=True)


def _may_have_moved(unit: Unit) -> bool:
    standing = unit.state in (State.DRAFTED, State.CONFIRMED)
    lost = unit.state is State.POST_INTENT and unit.held == Why.DRAFT_GONE
    return bool(unit.document_id) and not unit.document_number and (standing or lost)


def _posted(desk: Desk, unit: Unit, document: Document) -> bool:
    if is_posted(document, unit):
        return True
    unclear = [document] if is_unclear(document, unit) else []
    return posted_among(desk, unclear, ()).get(document.id, False)


def read_again(conn: Connection, unit: Unit) -> None:
    """Read the orders of a booked unit and their labels again, and plan them."""
    members = conn.store.units.members(unit.unit_id)[:_MEMBERS]
    fetch_orders(conn, members)
    for order_id in members:
        read_evidence(conn, order_id)
    plan_again(conn, members)


def is_undone(conn: Connection, unit: Unit) -> bool:
    """Tell whether somebody has credited a unit's invoice in Business Central."""
    try:
        invoice = conn.bc.get_document(DocumentSet.INVOICES, invoice_of(unit))
    except RecordMissing:
        return False  # the correction itself says what is missing
    return is_credited(invoice)


def hold_credited(conn: Connection, unit: Unit) -> Hold | None:
    """Ask about an edited order whose invoice is credited already; return the new hold."""
    number = unit.document_number or unit.draft_number
    total = show(unit.total, unit.currency) if unit.total is not None else "unknown"
    with conn.store.write():
        text = f"{number} was credited in Business Central"
        event = Event("evidence", FLOW, f"unit:{unit.unit_id}", text, status="credited")
        conn.store.trail.add(conn.now(), event)
        return hold_instead(conn, replace(unit, waiting=CREDITED), credited_by_hand(number, total))


def hold_instead(conn: Connection, unit: Unit, verdict: Verdict) -> Hold | None:
    """Hold a unit for what was found now, inside the caller's transaction; return that hold."""
    conn.store.holds.put(about(unit, conn.config.digest), verdict, conn.now())
    conn.store.units.save(replace(unit, held=str(verdict.why), updated_at=conn.now()))
    return conn.store.holds.open_for(f"unit:{unit.unit_id}")


def beside(conn: Connection, unit: Unit) -> None:
    """Raise FixConfig while more than one document stands under a unit's reference."""
    desk = desk_of(conn, FLOW)
    found = [one for one in read_documents(desk, [unit]) if is_under(one, unit)]
    match judge(unit, found):
        case Several(keep=keep, surplus=surplus, left=left):
            others = ", ".join(sorted(one.number for one in (*surplus, *left)))
            raise FixConfig(
                f"{others} still stands beside {keep.number} in Business Central.",
                hint="Delete the one that is too many there, then approve.",
            )
        case Verdict() as verdict:
            with conn.store.write():
                hold_instead(conn, unit, verdict)
        case _:
            pass
