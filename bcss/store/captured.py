"""Keep what ShipStation showed: orders, shipments, fulfillments, and how far it was read."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any

from bcss import wire
from bcss.clock import iso, parse_pacific, parse_utc
from bcss.mapping.families import OPEN_STATUSES, Evidence, Related
from bcss.money import show
from bcss.shipstation.records import Fulfillment, Order, Shipment, read_order
from bcss.store import payloads
from bcss.store.sqlite import Connection
from bcss.store.trail import Event, Trail

_DIGEST = 16
_EVIDENCE = (
    "kind, id, order_id, order_number, created, ship_date, tracking, carrier, service, "
    "is_return, voided, store_id"
)
OPEN = f"{OPEN_STATUSES}"


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a stream was read: everything before `reached` is stored.

    `polled_from` is when the last complete poll began, by the vendor's clock.
    """

    stream: str
    reached: datetime
    polled_from: datetime
    completed: datetime


class Captured:
    """The captured side of the state database; callers hold the write transaction."""

    def __init__(self, conn: Connection, trail: Trail) -> None:
        self._conn = conn
        self._trail = trail

    def keep_order(
        self, order: Order, raw: Mapping[str, Any], now: datetime, currency: str = ""
    ) -> bool:
        """Keep an order as captured; return whether anything in it is new to us.

        `currency` is the store's: ShipStation's rows name none.
        """
        body = wire.dumps(raw).encode("utf-8", "surrogatepass")
        digest = sha256(body).digest()[:_DIGEST]
        known = self._conn.execute(
            "SELECT digest, status, modified_first, gone FROM ss_order WHERE order_id = ?",
            (order.order_id,),
        ).fetchone()
        if known and known[0] == digest and not known[3]:
            return False
        if known and known[2] > iso(order.modify_date.latest) and not known[3]:
            return False  # an older page after a newer one, whichever way its hour is read
        payload_id, commit = payloads.put(self._conn, body)
        self._write_order(order, digest, payload_id)
        verb = f"changed from {known[1]} to" if known else "seen as"
        self._trail.add(
            now,
            Event(
                "event",
                "orders",
                f"order:{order.order_id}",
                f"order {order.order_number} {verb} {order.status}, "
                f"total {show(order.order_total, currency)}",
                target="shipstation",
                status=order.status,
                after_id=payload_id,
                after_commit=commit,
            ),
        )
        return True

    def _write_order(self, order: Order, digest: bytes | None, payload_id: int | None) -> None:
        self._conn.execute(
            "INSERT INTO ss_order (order_id, store_id, order_number, order_key, status, "
            "modified_first, modified_last, parent_id, merged_ids, digest, payload_id, gone, dirty)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,0,1) ON CONFLICT (order_id) DO UPDATE SET "
            "store_id=excluded.store_id, order_number=excluded.order_number, "
            "order_key=excluded.order_key, status=excluded.status, "
            "modified_first=excluded.modified_first, modified_last=excluded.modified_last, "
            "parent_id=excluded.parent_id, merged_ids=excluded.merged_ids, "
            "digest=excluded.digest, payload_id=excluded.payload_id, gone=0, dirty=dirty+1",
            (
                order.order_id,
                order.store_id,
                order.order_number,
                order.order_key,
                order.status,
                iso(order.modify_date.earliest),
                iso(order.modify_date.latest),
                order.parent_id,
                json.dumps(order.merged_ids),
                digest,
                payload_id,
            ),
        )
        self._conn.execute("DELETE FROM wanted WHERE order_id = ?", (order.order_id,))
        self._conn.execute("DELETE FROM merged WHERE survivor = ?", (order.order_id,))
        self._conn.executemany(
            "INSERT OR IGNORE INTO merged (order_id, survivor) VALUES (?, ?)",
            [(one, order.order_id) for one in order.merged_ids],
        )
        self._conn.executemany(  # what a merge makes of their own rows is not documented
            "UPDATE ss_order SET dirty = dirty + 1 WHERE order_id = ? AND digest IS NOT NULL",
            [(one,) for one in order.merged_ids],
        )

    def keep_stranger(self, order: Order) -> bool:
        """Keep an order of an unlisted or ignored store by id, number and store only."""
        known = self._conn.execute(
            "SELECT store_id FROM ss_order WHERE order_id = ?", (order.order_id,)
        ).fetchone()
        if known and known[0] == order.store_id:
            return False
        self._conn.execute(
            "INSERT INTO ss_order (order_id, store_id, order_number, order_key, status, "
            "modified_first, modified_last, dirty) VALUES (?,?,?,'','','','',0) "
            "ON CONFLICT (order_id) DO UPDATE SET store_id = excluded.store_id, dirty = 0",
            (order.order_id, order.store_id, order.order_number),
        )
        return True

    def keep_evidence(self, one: Shipment | Fulfillment, now: datetime, *, wanted: bool) -> bool:
        """Keep a shipment or fulfillment; return whether anything in it is new to us.

        With `wanted` its order is asked for where no poll brings it.
        """
        row = _evidence_row(one)
        known = self._conn.execute(
            f"SELECT {_EVIDENCE} FROM evidence WHERE kind = ? AND id = ?",  # noqa: S608
            row[:2],
        ).fetchone()
        if known == row:
            return False
        self._conn.execute(
            f"INSERT OR REPLACE INTO evidence ({_EVIDENCE}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608
            row,
        )
        if one.order_id is not None and known is None and wanted:
            self._conn.execute(
                "INSERT OR IGNORE INTO wanted SELECT ?1 WHERE NOT EXISTS "
                "(SELECT 1 FROM ss_order WHERE order_id = ?1 AND digest IS NOT NULL)",
                (one.order_id,),
            )
        if one.order_id is not None:
            self._conn.execute(
                "UPDATE ss_order SET dirty = dirty + 1 WHERE order_id = ? AND digest IS NOT NULL",
                (one.order_id,),
            )
        name = "shipment" if isinstance(one, Shipment) else "fulfillment"
        voided = " voided" if one.voided else ""
        self._trail.add(
            now,
            Event(
                "event",
                "shipments",
                f"order:{one.order_id}" if one.order_id else f"{name}:{row[1]}",
                f"{name} {row[1]}{voided}: {one.carrier_code} {one.tracking_number} "
                f"on {one.ship_date}" + ("" if one.order_id else "; ignored (no order)"),
                target="shipstation",
                status="voided" if one.voided else "seen",
            ),
        )
        return True

    def mark_gone(self, order_id: int) -> None:
        """Note that ShipStation no longer has this order, captured or not."""
        self._conn.execute(
            "INSERT INTO ss_order (order_id, order_number, order_key, status, modified_first, "
            "modified_last, dirty, gone) VALUES (?,'','','','','',0,1) "
            "ON CONFLICT (order_id) DO UPDATE SET gone = 1, dirty = dirty + 1",
            (order_id,),
        )

    def related(self, order_id: int) -> Related | None:
        """Return the family links of a captured order."""
        row = self._conn.execute(
            "SELECT order_id, parent_id, merged_ids FROM ss_order "
            "WHERE order_id = ? AND digest IS NOT NULL",
            (order_id,),
        ).fetchone()
        return Related(row[0], row[1], tuple(json.loads(row[2]))) if row else None

    def children(self, order_id: int) -> list[Related]:
        """Return the captured orders that name this one as their parent."""
        rows = self._conn.execute(
            "SELECT order_id, parent_id, merged_ids FROM ss_order WHERE parent_id = ? "
            "AND digest IS NOT NULL",
            (order_id,),
        )
        return [Related(row[0], row[1], tuple(json.loads(row[2]))) for row in rows]

    def absorbed_into(self, order_id: int) -> list[int]:
        """Return the captured orders that list this one as merged."""
        rows = self._conn.execute(
            "SELECT survivor FROM merged WHERE order_id = ? ORDER BY survivor", (order_id,)
        )
        return [row[0] for row in rows]

    def order(self, order_id: int) -> Order | None:
        """Return an order as last captured, or None for a stranger or an unknown id."""
        raw = self.raw_order(order_id)
        return read_order(raw) if raw is not None else None

    def raw_order(self, order_id: int) -> dict[str, Any] | None:
        """Return the whole resource of an order as last captured."""
        row = self._conn.execute(
            "SELECT payload_id, digest FROM ss_order WHERE order_id = ?", (order_id,)
        ).fetchone()
        body = payloads.get(self._conn, row[0]) if row and row[0] else None
        # no page check sees what another value in a cell says, and amounts come from here
        if body is not None and sha256(body).digest()[:_DIGEST] != row[1]:
            raise self._conn.found_damaged(f"order {order_id} is not what was captured")
        return wire.parse_object(body) if body is not None else None

    def is_known(self, order_id: int) -> bool:
        """Tell whether the id was captured at all, strangers included."""
        row = self._conn.execute("SELECT 1 FROM ss_order WHERE order_id = ?", (order_id,))
        return row.fetchone() is not None

    def is_shipped(self, order_id: int) -> bool:
        """Tell whether an order was captured whole, and as shipped."""
        row = self._conn.execute(
            "SELECT 1 FROM ss_order WHERE order_id = ? AND digest IS NOT NULL "
            "AND status = 'shipped'",
            (order_id,),
        )
        return row.fetchone() is not None

    def mark_unread(self, order_id: int) -> None:
        """Note that labels of an order may be older than any that is read, and are to be asked for."""
        self._conn.execute("INSERT OR IGNORE INTO unread (order_id) VALUES (?)", (order_id,))

    def mark_tried(self, order_id: int) -> None:
        """Note that ShipStation could not tell the labels of an old order; the others come first."""
        self._conn.execute("UPDATE unread SET tried = tried + 1 WHERE order_id = ?", (order_id,))

    def mark_read(self, order_id: int) -> bool:
        """Note that the labels of an order are read; return whether that was to be done."""
        cursor = self._conn.execute("DELETE FROM unread WHERE order_id = ?", (order_id,))
        return cursor.rowcount > 0

    def unread(self, most: int) -> list[int]:
        """Return old orders whose labels are still to be asked for."""
        rows = self._conn.execute(
            "SELECT order_id FROM unread ORDER BY tried, order_id LIMIT ?", (most,)
        )
        return [row[0] for row in rows]

    def is_unread(self, order_id: int) -> bool:
        """Tell whether the labels of an order are still to be asked for."""
        row = self._conn.execute("SELECT 1 FROM unread WHERE order_id = ?", (order_id,))
        return row.fetchone() is not None

    def is_gone(self, order_id: int) -> bool:
        """Tell whether ShipStation answered that it no longer has this order."""
        row = self._conn.execute("SELECT gone FROM ss_order WHERE order_id = ?", (order_id,))
        return bool((row.fetchone() or (0,))[0])

    def same_key(self, store_id: int, order_key: str) -> list[int]:
        """Return the orders of one store that carry a key, newest id last."""
        rows = self._conn.execute(
            "SELECT order_id FROM ss_order WHERE order_key = ? AND store_id = ? ORDER BY order_id",
            (order_key, store_id),
        )
        return [row[0] for row in rows]

    def find_orders(self, text: str) -> list[int]:
        """Return the orders that a person may mean by a number, a key or a tracking number."""
        rows = self._conn.execute(
            "SELECT order_id FROM ss_order WHERE order_number = ?1 OR order_key = ?1 "
            "UNION SELECT order_id FROM evidence WHERE tracking = ?1 AND order_id IS NOT NULL",
            (text,),
        ).fetchall()
        if not rows and text.isdigit():
            rows = self._conn.execute(
                "SELECT order_id FROM ss_order WHERE order_id = ?", (int(text),)
            ).fetchall()
        return [row[0] for row in rows]

    def open_orders(self) -> list[int]:
        """Return the orders that have not shipped yet, as last captured."""
        rows = self._conn.execute(
            f"SELECT order_id FROM ss_order WHERE status IN {OPEN} AND gone = 0"  # noqa: S608
        )
        return [row[0] for row in rows]

    def to_compare(self, since: datetime) -> list[tuple[int, int | None, bool]]:
        """Return (order, store, open and older) of what a reading since a time must show again.

        Those are the captured orders that changed since, and the open ones that changed before,
        which only a list of open orders shows. What has a document comes first; what has none
        and will have none is left out.
        """
        rows = self._conn.execute(
            "SELECT order_id, ss_order.store_id, modified_first < ?1 FROM ss_order "  # noqa: S608
            "JOIN unit USING (unit_id) WHERE digest IS NOT NULL AND gone = 0 "
            f"AND (modified_first >= ?1 AND state <> 'dropped' OR status IN {OPEN} "
            "AND document_id <> '') ORDER BY document_id = '', order_id",
            (iso(since),),
        )
        return [(row[0], row[1], bool(row[2])) for row in rows]

    def strangers(self, store_ids: Iterable[int]) -> list[tuple[int, int]]:
        """Return (store, how many orders) of captured strangers outside `store_ids`."""
        listed = set(store_ids)
        rows = self._conn.execute(
            "SELECT store_id, COUNT(*) FROM ss_order WHERE digest IS NULL AND store_id IS NOT NULL "
            "GROUP BY store_id"
        )
        return [(row[0], row[1]) for row in rows if row[0] not in listed]

    def stranger_numbers(self, store_id: int) -> list[str]:
        """Return the order numbers of one store that are known by number only."""
        rows = self._conn.execute(
            "SELECT order_number FROM ss_order WHERE digest IS NULL AND store_id = ? "
            "ORDER BY order_id",
            (store_id,),
        )
        return [row[0] for row in rows]

    def store_of(self, order_id: int) -> int | None:
        """Return the store in which an order was last seen, strangers included."""
        row = self._conn.execute("SELECT store_id FROM ss_order WHERE order_id = ?", (order_id,))
        return (row.fetchone() or (None,))[0]

    def evidence_of(self, order_ids: Iterable[int]) -> Evidence:
        """Return the shipments and fulfillments of some orders."""
        ids = list(order_ids)
        marks = ",".join("?" * len(ids))
        rows = self._conn.execute(
            f"SELECT {_EVIDENCE} FROM evidence WHERE order_id IN ({marks}) ORDER BY created, id",  # noqa: S608
            ids,
        ).fetchall()
        found = [_read_evidence(row) for row in rows]
        return Evidence(
            tuple(one for one in found if isinstance(one, Shipment)),
            tuple(one for one in found if isinstance(one, Fulfillment)),
        )

    def wanted(self, stores: Collection[int]) -> list[int]:
        """Return the order ids that evidence names and that were never captured whole.

        Strangers among them are those of some stores only.
        """
        marks = ",".join("?" * len(stores))
        rows = self._conn.execute(
            "SELECT order_id FROM wanted LEFT JOIN ss_order USING (order_id) "  # noqa: S608
            "WHERE ss_order.order_id IS NULL "
            f"OR digest IS NULL AND gone = 0 AND store_id IN ({marks}) ORDER BY order_id",
            tuple(stores),
        )
        return [row[0] for row in rows]

    def want_sent_since(self, day: date) -> None:
        """Have the orders asked for that evidence names from the day before on."""
        self._conn.execute(
            "INSERT OR IGNORE INTO wanted SELECT order_id FROM evidence "
            "WHERE order_id IS NOT NULL AND ship_date >= ?",
            ((day - timedelta(days=1)).isoformat(),),
        )

    def give_up(self, order_id: int) -> None:
        """Stop asking for an order that ShipStation does not have."""
        self._conn.execute("DELETE FROM wanted WHERE order_id = ?", (order_id,))

    def watermark(self, stream: str) -> Watermark | None:
        """Return how far a stream was read."""
        row = self._conn.execute(
            "SELECT stream, reached, polled_from, completed FROM watermark WHERE stream = ?",
            (stream,),
        ).fetchone()
        return Watermark(row[0], *(parse_utc(text) for text in row[1:])) if row else None

    def watermarks(self) -> list[Watermark]:
        """Return how far every stream was read."""
        streams = [row[0] for row in self._conn.execute("SELECT stream FROM watermark")]
        return [found for one in streams if (found := self.watermark(one)) is not None]

    def move_watermark(self, mark: Watermark) -> None:
        """Note how far a stream was read; a watermark never moves back."""
        self._conn.execute(
            "INSERT INTO watermark (stream, reached, polled_from, completed) VALUES (?,?,?,?) "
            "ON CONFLICT (stream) DO UPDATE SET reached = max(reached, excluded.reached), "
            "polled_from = max(polled_from, excluded.polled_from), completed = excluded.completed",
            (mark.stream, iso(mark.reached), iso(mark.polled_from), iso(mark.completed)),
        )

    def forget_watermark(self, stream: str) -> None:
        """Have a stream read again from `orders.start`."""
        self._conn.execute("DELETE FROM watermark WHERE stream = ?", (stream,))

    def step_over(self, stream: str, identity: str) -> bool:
        """Note an unreadable record; return whether it is new."""
        cursor = self._conn.execute(
            "INSERT OR IGNORE INTO stepped_over (stream, identity) VALUES (?, ?)",
            (stream, identity),
        )
        return cursor.rowcount > 0


def _evidence_row(one: Shipment | Fulfillment) -> tuple[object, ...]:
    common = (one.order_id, one.order_number, iso(one.create_date.earliest), one.ship_date)
    sent = (one.tracking_number, one.carrier_code)
    match one:
        case Shipment():
            flags = (one.service_code, int(one.is_return), int(one.voided), one.store_id)
            return ("s", one.shipment_id, *common, *sent, *flags)
        case Fulfillment():
            return ("f", one.fulfillment_id, *common, *sent, one.provider, 0, int(one.voided), None)


def _read_evidence(row: tuple[Any, ...]) -> Shipment | Fulfillment:
    kind, number, order_id, order_number, created, ship_date, tracking, carrier, service = row[:9]
    create_date = parse_pacific(created)
    if kind == "s":
        return Shipment(
            shipment_id=number,
            order_id=order_id,
            order_number=order_number,
            create_date=create_date,
            ship_date=ship_date,
            tracking_number=tracking,
            carrier_code=carrier,
            service_code=service,
            is_return=bool(row[9]),
            voided=bool(row[10]),
            store_id=row[11],
        )
    return Fulfillment(
        fulfillment_id=number,
        order_id=order_id,
        order_number=order_number,
        create_date=create_date,
        ship_date=ship_date,
        tracking_number=tracking,
        carrier_code=carrier,
        provider=service,
        voided=bool(row[10]),
    )
