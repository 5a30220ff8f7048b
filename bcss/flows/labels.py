"""Learn tracking URL, cost and PDF of labels from ShipStation V2, after booking (design §5).

Nothing of booking waits for this: it is a part of its own at the end of a run, and whatever
fails here leaves documents as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice

from bcss.booking.attach import File, put_file
from bcss.booking.desk import Desk
from bcss.errors import InDoubt, RecordRefused
from bcss.flows.connection import Connection
from bcss.flows.orders import desk_of
from bcss.money import show
from bcss.shipstation.records import Label
from bcss.store.labels import Lacking, Missing
from bcss.store.trail import Event
from bcss.units import State

FLOW = "labels"
SPAN = timedelta(days=35)  # a label's address is good for 90 days
# V2 may show a label later than V1 its shipment; after these waits it is asked no more.
_WAITS = (timedelta(hours=1), timedelta(days=1), timedelta(days=3))
_MOST_SHIPMENTS = 2000
_MOST_PAGES = 30
_MOST_SINGLES = 30
_MOST_FILES = 100
_FEW = 3  # fewer shipments than this are asked for one by one
_GAP = timedelta(hours=6)  # a longer pause between shipments begins another window
# V1 tells wall-clock times, which in autumn may mean an hour later.
_BEFORE, _AFTER = timedelta(minutes=5), timedelta(minutes=65)


def pull_labels(conn: Connection) -> None:
    """Ask for the labels of booked shipments, and attach their PDFs where that is chosen.

    Raise what ShipStation V2 or Business Central answers.
    """
    if conn.config.shipstation.v2_api_key is None or conn.dry_run:
        return
    _ask(conn)
    if conn.config.orders.label_pdf:
        _attach(conn)


def label_name(shipment_id: int) -> str:
    """Return the name that makes a second attachment of the same label findable."""
    return f"label-{shipment_id}.pdf"


def _out_of_time(conn: Connection) -> bool:
    ends = conn.limits.ends
    return ends is not None and conn.clock.monotonic() >= ends


# What V2 knows ------------------------------------------------------------------------------------


def _ask(conn: Connection) -> None:
    """Ask in bulk at first, and one by one for what was missing then."""
    now = conn.now()
    lacking = conn.store.labels.lacking(now - SPAN, now, _MOST_SHIPMENTS)
    singles = [one for one in lacking if one.tries]
    pages = _MOST_PAGES
    for group in _windows([one for one in lacking if not one.tries]):
        if len(group) < _FEW:
            singles += group
        elif pages > 0 and not _out_of_time(conn):
            pages -= _ask_window(conn, group, pages)
    for one in singles[:_MOST_SINGLES]:
        if _out_of_time(conn):
            return
        label = conn.labels.label(one.shipment_id)
        _note(conn, [one], {} if label is None else {one.shipment_id: label})


def _windows(lacking: Sequence[Lacking]) -> Iterator[list[Lacking]]:
    """Cut shipments at long pauses, so that no window spans days without any."""
    group: list[Lacking] = []
    for one in lacking:
        if group and one.created - group[-1].created > _GAP:
            yield group
            group = []
        group.append(one)
    if group:
        yield group


def _ask_window(conn: Connection, group: Sequence[Lacking], most: int) -> int:
    """Read the labels of one window, at most so many pages; return how many it took.

    What the list has passed without showing it counts as missing.
    """
    begin, end = group[0].created - _BEFORE, group[-1].created + _AFTER
    waiting = {one.shipment_id: one for one in group}
    taken = 0
    for page in islice(conn.labels.made_between(begin, end), most):
        taken += 1
        reached = end if page.last else page.reached
        asked = [
            one
            for one in waiting.values()
            if one.shipment_id in page.labels or page.last or _is_passed(one, reached)
        ]
        _note(conn, asked, page.labels)
        for one in asked:
            del waiting[one.shipment_id]
        if not waiting or _out_of_time(conn):
            break
    return taken


def _is_passed(one: Lacking, reached: datetime | None) -> bool:
    return reached is not None and one.created + _AFTER < reached


def _note(conn: Connection, asked: Sequence[Lacking], found: Mapping[int, Label]) -> None:
    """Keep what came, and when to ask again for the rest."""
    with conn.store.write():
        for one in asked:
            label = found.get(one.shipment_id)
            if label is None:
                _missed(conn, one)
                continue
            conn.store.labels.keep(label, file=conn.config.orders.label_pdf)
            _event(conn, one.order_id, f"label {_told(label)}", "label")


def _told(label: Label) -> str:
    cost = None if label.cost is None else show(label.cost, label.currency)
    parts = (
        f"se-{label.shipment_id}",
        "voided" if label.voided else "",
        f"cost {cost}" if cost else "",
        label.tracking_url,
    )
    return " ".join(part for part in parts if part)


def _missed(conn: Connection, one: Lacking) -> None:
    """Ask again later, and in the end not at all: older labels and others' are not in V2."""
    if one.tries < len(_WAITS):
        next_at = conn.now() + _WAITS[one.tries]
        conn.store.labels.miss(one.shipment_id, one.tries + 1, next_at)
        return
    conn.store.labels.miss(one.shipment_id, one.tries + 1, None)
    text = f"label se-{one.shipment_id} is not in ShipStation V2; it is not asked for again"
    _event(conn, one.order_id, text, "none")


def _event(conn: Connection, order_id: int, text: str, status: str) -> None:
    event = Event("event", FLOW, f"order:{order_id}", text, target="shipstation", status=status)
    conn.store.trail.add(conn.now(), event)


# PDFs ---------------------------------------------------------------------------------------------


def _attach(conn: Connection) -> None:
    """Put the PDFs beside the documents, a bounded number of them in one run."""
    now = conn.now()
    jobs = conn.store.labels.missing_files(now - SPAN, now, _MOST_FILES)
    desk = desk_of(conn, FLOW) if jobs else None
    for job in jobs:
        assert desk is not None  # noqa: S101 - there are jobs
        if desk.out_of_time():
            return
        try:
            content = conn.labels.pdf(job.pdf_url)
        except RecordRefused as refusal:
            _give_up(conn, desk, job, refusal.message)
            continue
        with desk.lock():
            _attach_one(conn, desk, job, File(label_name(job.shipment_id), content))


def _attach_one(conn: Connection, desk: Desk, job: Missing, file: File) -> None:
    """Attach one PDF; what is in doubt is looked for once the settle horizon has passed."""
    unit = desk.store.units.get(job.unit_id)
    if unit.state is not State.CONFIRMED or unit.held:
        return
    try:
        there = put_file(desk, unit, file)
    except InDoubt as doubt:
        there = False
        desk.report.notes.append(f"{unit.order_number}: {file.name} is in doubt. {doubt}")
    except RecordRefused as refusal:
        _refused(conn, desk, job, refusal.message)
        return
    with desk.write():
        if there:
            conn.store.labels.attach(job.shipment_id, unit.document_id)
        else:
            next_at = desk.now() + desk.settle
            conn.store.labels.postpone(job.shipment_id, job.tries, next_at)


def _refused(conn: Connection, desk: Desk, job: Missing, reason: str) -> None:
    if job.tries >= len(_WAITS):
        _give_up(conn, desk, job, reason)
        return
    with desk.write():
        next_at = desk.now() + _WAITS[job.tries]
        conn.store.labels.postpone(job.shipment_id, job.tries + 1, next_at)
    desk.report.notes.append(f"{job.order_number}: the label is not attached yet. {reason}")


def _give_up(conn: Connection, desk: Desk, job: Missing, reason: str) -> None:
    text = f"{label_name(job.shipment_id)} is not attached: {reason}"
    with desk.write():
        conn.store.labels.refuse(job.shipment_id)
        desk.note(desk.store.units.get(job.unit_id), "event", text, status="refused")
    desk.report.notes.append(f"{job.order_number}: {text}")
