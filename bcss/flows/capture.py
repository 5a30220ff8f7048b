"""Capture all ShipStation streams: read, store, and only then move the watermark (§4.6)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from bcss.clock import calendar_date, iso, near_fall_back, parse_utc
from bcss.errors import RecordMissing, RecordRefused, RetryLater, UpstreamError
from bcss.flows.connection import Connection
from bcss.holds import Verdict, Why
from bcss.mapping.text import clean
from bcss.shipstation import streams
from bcss.shipstation.records import Fulfillment, Order, Shipment
from bcss.store.captured import Watermark
from bcss.store.queue import About
from bcss.store.trail import Event

OVERLAP = timedelta(hours=2)
REPOLL_OVERLAP = timedelta(seconds=60)
_LONG_AGO = datetime(2010, 1, 1, tzinfo=UTC)
_OPEN_STATUSES = ("awaiting_shipment", "on_hold")
_FETCHES = 50
_LISTED = "listed_stores"
_BEGINS = "read_from"


def capture(conn: Connection) -> bool:
    """Poll every stream unless this run has done so within five minutes; return whether it did.

    Raise UpstreamError when ShipStation cannot be read; what was stored until then stays.
    """
    if conn.is_fresh():
        return False
    begun, on = conn.clock.monotonic(), conn.now()
    _note_listing(conn)
    first = conn.store.orders.watermark(streams.ORDERS) is None
    _orders(conn)
    _shipments(conn)
    _fulfillments(conn)
    if first:
        _open_orders(conn)
    _fetch_wanted(conn)
    _read_evidence_of_old(conn)
    _reread_fulfillments(conn)
    _hold_unlisted(conn)
    conn.polled_at, conn.polled_on = begun, on
    conn.polls += 1
    return True


def _since(conn: Connection, stream: str) -> datetime:
    mark = conn.store.orders.watermark(stream)
    if mark is None:
        return conn.start() if stream == streams.ORDERS else conn.evidence_start()
    if conn.polls:
        overlap = OVERLAP if near_fall_back(mark.polled_from) else REPOLL_OVERLAP
        return mark.polled_from - overlap
    return min(mark.reached, mark.polled_from) - OVERLAP


def _orders(conn: Connection) -> None:
    poll = streams.read_orders(conn.shipstation, conn.clock, _since(conn, streams.ORDERS))
    _drain(conn, streams.ORDERS, poll)


def _shipments(conn: Connection) -> None:
    since = _since(conn, streams.SHIPMENTS)
    voids_since = _since(conn, streams.VOIDS)
    poll = streams.read_shipments(conn.shipstation, conn.clock, since)
    _drain(conn, streams.SHIPMENTS, poll)
    voids = streams.read_voids(conn.shipstation, conn.clock, voids_since, poll.started)
    _drain(conn, streams.VOIDS, voids, until=poll.started)


def _fulfillments(conn: Connection) -> None:
    since = _since(conn, streams.FULFILLMENTS)
    poll = streams.read_fulfillments(conn.shipstation, conn.clock, since)
    _drain(conn, streams.FULFILLMENTS, poll)


def _open_orders(conn: Connection) -> None:
    """List open orders once, those that have not changed since `orders.start` included."""
    for status in _OPEN_STATUSES:
        poll = streams.read_orders(conn.shipstation, conn.clock, _LONG_AGO, status=status)
        for batch in poll:
            with conn.store.write():
                keep_batch(conn, batch)


def _drain(
    conn: Connection, stream: str, poll: streams.Poll, *, until: datetime | None = None
) -> None:
    """Store a poll batch by batch; the watermark follows what is durable, never runs ahead."""
    started = until or poll.started
    for batch in poll:
        with conn.store.write():
            keep_batch(conn, batch)
            mark = conn.store.orders.watermark(stream)
            if batch.reached is not None and mark is not None:
                reached = min(batch.reached, started)
                conn.store.orders.move_watermark(
                    Watermark(stream, reached, mark.polled_from, mark.completed)
                )
    with conn.store.write():
        conn.store.orders.move_watermark(Watermark(stream, started, started, conn.now()))


def _is_old(conn: Connection, order: Order) -> bool:
    """Tell whether a shipped order may have been sent before the shipments that are read."""
    if order.status != "shipped" or order.store_id not in conn.booked_stores():
        return False
    made = order.create_date
    before = made is not None and made.earliest < conn.evidence_start()
    return before and not conn.store.orders.is_shipped(order.order_id)


def _read_evidence_of_old(conn: Connection) -> None:
    """Ask, order by order, for what was sent before the shipments that are read.

    Until that has come the order waits: what was sent before `orders.start` must not be booked
    when it is sent again. An order of which ShipStation cannot tell it is held as unreadable.
    """
    for order_id in conn.store.orders.unread(_FETCHES):
        try:
            read_evidence(conn, order_id)
        except (RecordRefused, RetryLater) as error:
            _unless_unreadable(error)
            _note_unreadable(conn, order_id, error.message)
            with conn.store.write():
                conn.store.orders.mark_tried(order_id)


def read_evidence(conn: Connection, order_id: int) -> None:
    """Read the labels and fulfillments of one order from ShipStation, and store them."""
    sent = conn.shipstation.shipments_page(orderId=order_id)
    fulfilled = conn.shipstation.fulfillments_page(orderId=order_id)
    with conn.store.write():
        keep_batch(conn, streams.capture(streams.SHIPMENTS, list(sent.rows)))
        keep_batch(conn, streams.capture(streams.FULFILLMENTS, list(fulfilled.rows)))
        if conn.store.orders.mark_read(order_id):
            conn.store.news.add([order_id])
            _readable_again(conn, f"record:orders:{order_id}")


def _unless_unreadable(error: RecordRefused | RetryLater) -> None:
    """Raise what is trouble of the moment; a 500 is more often a record that cannot be shown."""
    if isinstance(error, RetryLater) and error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
        raise error


def keep_batch(conn: Connection, batch: streams.Batch) -> int:
    """Store what one request brought, inside the caller's transaction.

    Return how many records were new or different.
    """
    now = conn.now()
    news = 0
    for one in batch.captured:
        if isinstance(one.record, Order):
            news += keep_order(conn, one.record, one.raw)
        else:
            kind = "shipments" if isinstance(one.record, Shipment) else "fulfillments"
            wanted = _is_wanted(conn, one.record)
            if conn.store.orders.keep_evidence(one.record, now, wanted=wanted):
                news += 1
                _readable_again(conn, f"record:{kind}:{one.raw.get(kind[:-1] + 'Id')}")
    for bad in batch.unreadable:
        _hold_unreadable(conn, bad)
    return news


def _is_wanted(conn: Connection, one: Shipment | Fulfillment) -> bool:
    """Tell whether an order that was never captured is asked for because of what was sent."""
    zone = conn.config.business_central.time_zone
    return calendar_date(one.ship_date, zone) >= conn.start().astimezone(zone).date()


def keep_order(conn: Connection, order: Order, raw: Mapping[str, Any]) -> bool:
    """Store an order whole when its store is booked, else by id, number and store only.

    Return whether it was new or different.
    """
    orders = conn.store.orders
    if order.store_id is None:
        _hold_unreadable(conn, _without_store(order, raw))
        return False
    booked = order.store_id in conn.booked_stores()
    if booked or orders.related(order.order_id) is not None:
        if _is_old(conn, order):
            orders.mark_unread(order.order_id)
        if not orders.keep_order(order, raw, conn.now(), conn.currency(order.store_id)):
            return False
        _readable_again(conn, f"record:orders:{order.order_id}")
        return True
    return orders.keep_stranger(order)


def _without_store(order: Order, raw: object) -> streams.Unreadable:
    return streams.Unreadable(
        streams.ORDERS, str(order.order_id), "", "advancedOptions.storeId", "no store", raw
    )


def subject_of(bad: streams.Unreadable) -> str:
    """Return the name under which an unreadable record is held."""
    name = "shipments" if bad.stream == streams.VOIDS else bad.stream
    return f"record:{name}:{bad.identity or bad.neighbours}"


def _hold_unreadable(conn: Connection, bad: streams.Unreadable) -> None:
    _, name, identity = subject_of(bad).split(":", 2)
    conn.store.orders.step_over(name, identity)
    number = bad.raw.get("orderNumber") if isinstance(bad.raw, dict) else None
    kind = name[:-1]
    conn.store.holds.put(
        About(
            subject=subject_of(bad),
            order_number=str(number or "")[:50],
            order_id=int(identity) if name == "orders" and identity.isdigit() else None,
            content=_digest(bad.raw),
        ),
        Verdict(
            Why.UNREADABLE_RECORD, f"{kind} {identity} of ShipStation: {bad.field}: {bad.problem}"
        ),
        conn.now(),
    )


def _digest(raw: object) -> str:
    """Return what an ignored record is known by until its row changes; empty without a row."""
    if raw is None:
        return ""
    return sha256(repr(raw).encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _readable_again(conn: Connection, subject: str) -> None:
    conn.store.holds.close(subject, conn.now(), by="bcss", note="readable now")


def _note_listing(conn: Connection) -> None:
    """Read orders again from `orders.start` once a store is booked that was not before.

    Once the start is earlier than any before, all streams are read again. Labels that are known
    already name their orders then, which no reading by change may show.
    """
    listed = ",".join(str(one) for one in sorted(conn.booked_stores())) or "none"
    known, begins = conn.store.meta(_LISTED), conn.store.meta(_BEGINS)
    start = conn.booking_start()
    earlier = bool(begins) and start < parse_utc(begins)
    if listed == known and begins and not earlier:
        return
    newly = set(listed.split(",")) - set(known.split(","))
    with conn.store.write():
        if newly and known:
            conn.store.orders.forget_watermark(streams.ORDERS)
        if (newly and known) or earlier:
            conn.store.orders.want_sent_since(start.date())
        for stream in streams.STREAMS if earlier else ():
            conn.store.orders.forget_watermark(stream)
        conn.store.set_meta(_LISTED, listed)
        if earlier or not begins:
            conn.store.set_meta(_BEGINS, iso(start))


def _hold_unlisted(conn: Connection) -> None:
    """Hold each store that is not listed once, however many orders it has."""
    now = conn.now()
    listed = conn.config.orders.stores
    strangers = conn.store.orders.strangers(())
    names = _store_names(conn, [one for one, _ in strangers if one not in listed])
    with conn.store.write():
        for store_id in listed:
            conn.store.holds.close(f"store:{store_id}", now, by="bcss", note="listed now")
        for store_id, count in strangers:
            if store_id == conn.config.items.catalog_store:
                continue
            if store_id in listed:
                continue
            subject = f"store:{store_id}"
            some = "1 order" if count == 1 else f"{count} orders"
            text = f"{some} of ShipStation store {names[store_id]}, which the config lacks."
            conn.store.holds.put(
                About(subject=subject, store_id=store_id), Verdict(Why.UNKNOWN_STORE, text), now
            )


def _store_names(conn: Connection, store_ids: Sequence[int]) -> dict[int, str]:
    """Return what a person calls some stores, asking ShipStation once for each new one."""
    known = {one: conn.store.meta(f"store_name:{one}") for one in store_ids}
    if any(not name for name in known.values()):
        try:
            found = {one.store_id: clean(one.name)[:50] for one in conn.shipstation.stores()}
        except UpstreamError:
            found = {}  # the number alone will do until ShipStation tells
        known |= {one: found[one] for one in store_ids if found.get(one)}
        with conn.store.write():
            for one in store_ids:
                if found:
                    conn.store.set_meta(f"store_name:{one}", known[one] or "-")
    named = {one: name for one, name in known.items() if name not in ("", "-")}
    return {one: f"{one} ({named[one]})" if one in named else str(one) for one in store_ids}


def _fetch_wanted(conn: Connection) -> None:
    """Fetch the orders that evidence names and that no poll has brought."""
    fetch_orders(conn, conn.store.orders.wanted(conn.booked_stores())[:_FETCHES])


def fetch_orders(conn: Connection, order_ids: Iterable[int]) -> None:
    """Fetch orders one by one; one that ShipStation does not have is noted as gone."""
    for order_id in order_ids:
        try:
            order, raw = conn.shipstation.get_order(order_id)
        except RecordMissing:
            note_gone(conn, order_id, f"ShipStation has no order {order_id}")
            continue
        except (RecordRefused, RetryLater) as error:
            _unless_unreadable(error)
            _note_unreadable(conn, order_id, error.message)
            continue
        if conn.store.orders.is_gone(order_id) and not is_listed(conn, order):
            continue
        with conn.store.write():
            keep_order(conn, order, raw)
            conn.store.orders.give_up(order_id)


def is_listed(conn: Connection, order: Order) -> bool:
    """Tell an order from a deleted one, which still answers to its id (shipstation.md §11.21)."""
    found = conn.shipstation.orders_by_number(order.order_number)
    return any(one.order_id == order.order_id for one, _ in found)


def note_gone(conn: Connection, order_id: int, text: str) -> None:
    """Note that ShipStation no longer has an order, in state and trail at once."""
    with conn.store.write():
        conn.store.orders.mark_gone(order_id)
        conn.store.orders.give_up(order_id)
        event = Event("event", "orders", f"order:{order_id}", text, status="gone")
        conn.store.trail.add(conn.now(), event)


def _note_unreadable(conn: Connection, order_id: int, problem: str) -> None:
    """Hold an order that ShipStation cannot show, and stop asking until it changes."""
    bad = streams.Unreadable(streams.ORDERS, str(order_id), "", "orderId", problem, None)
    with conn.store.write():
        _hold_unreadable(conn, bad)
        conn.store.orders.give_up(order_id)


def _reread_fulfillments(conn: Connection) -> None:
    """Ask again for the fulfillments of changed orders, since their voids have no stream."""
    orders = conn.store.orders
    doubtful = [
        order_id
        for order_id in conn.store.news.orders()
        if any(not one.voided for one in orders.evidence_of([order_id]).fulfillments)
        and (order := orders.order(order_id)) is not None
        and order.status != "shipped"
    ]
    for order_id in doubtful[:_FETCHES]:
        page = conn.shipstation.fulfillments_page(orderId=order_id)
        with conn.store.write():
            keep_batch(conn, streams.capture(streams.FULFILLMENTS, list(page.rows)))
