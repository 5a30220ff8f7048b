"""Read what happened in ShipStation since a time: orders, shipments, voids and fulfillments.

Each stream is delivered in batches of one request each, so that memory does not grow with the
backlog. A watermark may follow `Batch.reached`, and only when the poll has ended without an
error to `Poll.started`; neither is this module's business (design §4.6).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from bcss.clock import AGREEMENT, Clock
from bcss.errors import RetryLater
from bcss.shipstation.answers import VENDOR
from bcss.shipstation.client import ShipStationClient
from bcss.shipstation.paging import Block, Gap, Row, Source, ask_since, ask_until, row_of, walk
from bcss.shipstation.records import (
    Fulfillment,
    Order,
    Shipment,
    UnreadableRecord,
    read_fulfillment,
    read_order,
    read_shipment,
)

ORDERS: Final = "orders"
SHIPMENTS: Final = "shipments"
VOIDS: Final = "voids"
FULFILLMENTS: Final = "fulfillments"
STREAMS: Final = (ORDERS, SHIPMENTS, VOIDS, FULFILLMENTS)
MAX_PASSES: Final = 4
_READERS: Final[Mapping[str, Callable[[object], Order | Shipment | Fulfillment]]] = {
    ORDERS: read_order,
    SHIPMENTS: read_shipment,
    VOIDS: read_shipment,
    FULFILLMENTS: read_fulfillment,
}


# Which fields of a row are its identity and the time it is sorted or found by.
_FIELDS: Final[Mapping[str, tuple[str, str]]] = {
    ORDERS: ("orderId", "modifyDate"),
    SHIPMENTS: ("shipmentId", "createDate"),
    VOIDS: ("shipmentId", "voidDate"),
    FULFILLMENTS: ("fulfillmentId", "createDate"),
}


@dataclass(frozen=True, slots=True)
class Captured:
    """A record that was read, with the whole resource it was read from."""

    record: Order | Shipment | Fulfillment
    raw: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that must be held: its row makes no sense, or ShipStation cannot show it.

    `identity` is the vendor's id, empty where there is none; then `neighbours`, the ids and
    times of the rows before and after, is the key that stays the same from run to run.
    """

    stream: str
    identity: str
    neighbours: str
    field: str
    problem: str
    raw: Any


@dataclass(frozen=True, slots=True)
class Batch:
    """What one request brought.

    `reached` is the earliest reading of the last row's time: everything before it has been
    delivered. None for a batch without times, and always for voids.
    """

    captured: tuple[Captured, ...]
    unreadable: tuple[Unreadable, ...]
    reached: datetime | None


@dataclass(slots=True)
class Poll:
    """One reading of a stream; it is complete when `batches` has ended without an error.

    `started` is a lower bound of the vendor's clock at the first request. `ignored` counts null
    rows among the batches taken so far.
    """

    started: datetime
    batches: Iterator[Batch]
    ignored: int = 0

    def __iter__(self) -> Iterator[Batch]:
        return self.batches


def read_orders(
    client: ShipStationClient, clock: Clock, since: datetime, *, status: str | None = None
) -> Poll:
    """Read orders changed since a time, oldest change first."""
    filters: dict[str, str | int] = {"orderStatus": status} if status else {}
    source = Source(
        name=ORDERS,
        fetch=lambda query: client.page("orders", query),
        filters=filters,
        fields=_FIELDS[ORDERS],
        sort="ModifyDate",
        since="modifyDateStart",
        until="modifyDateEnd",
    )
    return _poll(clock, ORDERS, walk(source, since))


def read_shipments(client: ShipStationClient, clock: Clock, since: datetime) -> Poll:
    """Read labels created since a time, oldest first, voided and return labels included."""
    source = _by_creation(SHIPMENTS, client)
    return _poll(clock, SHIPMENTS, walk(source, since))


def read_fulfillments(client: ShipStationClient, clock: Clock, since: datetime) -> Poll:
    """Read fulfillments created since a time, oldest first, voided ones included."""
    source = _by_creation(FULFILLMENTS, client)
    return _poll(clock, FULFILLMENTS, walk(source, since))


def read_voids(client: ShipStationClient, clock: Clock, since: datetime, until: datetime) -> Poll:
    """Read labels voided between two times, in no order of voiding.

    ShipStation does not sort by voidDate, so pages are counted, and the window is read again
    while its size changes.
    """
    source = Source(
        name=VOIDS,
        fetch=lambda query: client.page("shipments", query),
        filters={"voidDateStart": ask_since(since).text, "voidDateEnd": ask_until(until).text},
        fields=_FIELDS[VOIDS],
        sort="CreateDate",
    )
    return _poll(clock, VOIDS, _until_steady(source, since))


def capture(stream: str, rows: list[Any]) -> Batch:
    """Read rows that were asked for in another way, such as by orderId or a webhook's pointer."""
    fields = _FIELDS[stream]
    found = tuple(row_of(value, *fields) for value in rows if value is not None)
    return replace(_batch(stream, Block(found)), reached=None)


def _by_creation(name: str, client: ShipStationClient) -> Source:
    return Source(
        name=name,
        fetch=lambda query: client.page(name, query),
        filters={},
        fields=_FIELDS[name],
        sort="CreateDate",
        since="createDateStart",
        until="createDateEnd",
    )


def _until_steady(source: Source, since: datetime) -> Iterator[Block]:
    """Read a fixed window until one pass sees the same total from its first to its last page."""
    seen: dict[str, datetime] = {}
    for _ in range(MAX_PASSES):
        totals: set[int] = set()
        for block in walk(source, since, seen):
            if block.rows or not block.gaps:
                totals.add(block.total)
            yield block
        if len(totals) <= 1:
            return
    raise RetryLater(
        f"ShipStation's list of {source.name} does not hold still.",
        hint="Nothing was lost: the next run reads it again from the same time.",
        vendor=VENDOR,
        code="unsteady",
    )


def _poll(clock: Clock, stream: str, blocks: Iterator[Block]) -> Poll:
    """Read the first block now, which tells the vendor's time, and the others when asked."""
    before = clock.now()
    first = next(blocks)
    started = _lower_bound(before, clock.now(), first.server_time)
    poll = Poll(started, iter(()))
    poll.batches = _batches(poll, stream, first, blocks)
    return poll


def _lower_bound(before: datetime, after: datetime, server: datetime | None) -> datetime:
    """Place the first request on the vendor's clock, not later than it was.

    Two clocks that agree are taken for one, which keeps the fractions of a second that the
    Date header lacks.
    """
    if server is None or before - AGREEMENT <= server <= after + AGREEMENT:
        return before
    return server - (after - before)


def _batches(poll: Poll, stream: str, first: Block, rest: Iterator[Block]) -> Iterator[Batch]:
    poll.ignored += first.nulls
    yield _batch(stream, first)
    del first
    for block in rest:
        poll.ignored += block.nulls
        yield _batch(stream, block)


def _batch(stream: str, block: Block) -> Batch:
    read = _READERS[stream]
    captured: list[Captured] = []
    unreadable = [_spoiled(stream, gap) for gap in block.gaps]
    for position, row in enumerate(block.rows):
        if not row.fresh:
            continue
        try:
            captured.append(Captured(read(row.value), row.value))
        except UnreadableRecord as error:
            around = _neighbours(block.rows, position)
            unreadable.append(
                Unreadable(stream, row.identity, around, error.field, error.problem, row.value)
            )
    reached = None
    if stream != VOIDS:
        reached = next((row.time.earliest for row in reversed(block.rows) if row.time), None)
    return Batch(tuple(captured), tuple(unreadable), reached)


def _spoiled(stream: str, gap: Gap) -> Unreadable:
    more = f"#{gap.ordinal}" if gap.ordinal > 1 else ""
    return Unreadable(stream, "", f"{gap.before}|{gap.after}{more}", "page", gap.problem, None)


def _neighbours(rows: tuple[Row, ...], position: int) -> str:
    before = rows[position - 1].label if position else ""
    after = rows[position + 1].label if position + 1 < len(rows) else ""
    return f"{before}|{after}"
