"""Keep what ShipStation V2 tells of labels: what was asked, what came, and what was attached.

A shipment without a row was never asked about. `state` is `asked` (not there yet, `next_at` says
when to ask again), `known`, or `none` (never to be asked for again). `file` is empty where no
PDF is wanted, else `wanted` or `refused`; `attached` is the document that has it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from bcss.clock import iso, parse_utc
from bcss.shipstation.records import Label
from bcss.store.sqlite import Connection

_LABEL = "shipment_id, tracking_url, cost, currency, voided, pdf_url"
_BOOKED = "('drafted', 'post_intent', 'posted', 'confirmed')"
_UNIT_OF = "JOIN ss_order o ON o.order_id = e.order_id JOIN unit u ON u.unit_id = o.unit_id"


@dataclass(frozen=True, slots=True)
class Lacking:
    """A shipment of a booked order whose label is not known; `tries` counts the misses."""

    shipment_id: int
    order_id: int
    created: datetime
    tries: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A PDF that its document lacks."""

    shipment_id: int
    unit_id: int
    order_number: str
    pdf_url: str
    tries: int


class LabelBook:
    """The labels of one state database; callers hold the write transaction."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def lacking(self, since: datetime, now: datetime, limit: int) -> list[Lacking]:
        """Return shipments of booked orders to ask about, made since a time, oldest first."""
        columns = "e.id, e.order_id, e.created"
        live = f"e.kind = 's' AND e.is_return = 0 AND e.voided = 0 AND u.state IN {_BOOKED}"
        rows = self._conn.execute(
            f"SELECT {columns}, 0 FROM evidence e INDEXED BY evidence_created {_UNIT_OF} "  # noqa: S608
            f"WHERE e.created >= ? AND {live} "
            "AND NOT EXISTS (SELECT 1 FROM label WHERE shipment_id = e.id) UNION ALL "
            f"SELECT {columns}, l.tries FROM label l JOIN evidence e "
            f"ON e.kind = 's' AND e.id = l.shipment_id {_UNIT_OF} "
            f"WHERE l.state = 'asked' AND l.next_at <= ? AND {live} ORDER BY 3, 1 LIMIT ?",
            (iso(since), iso(now), limit),
        )
        return [Lacking(row[0], row[1], parse_utc(row[2]), row[3]) for row in rows]

    def keep(self, label: Label, *, file: bool) -> None:
        """Note a label; `file` asks for its PDF as well."""
        wanted = "wanted" if file and label.pdf_url else ""
        cost = None if label.cost is None else str(label.cost)
        self._conn.execute(
            f"INSERT INTO label ({_LABEL}, state, tries, file) VALUES (?,?,?,?,?,?,'known',0,?) "  # noqa: S608
            "ON CONFLICT (shipment_id) DO UPDATE SET state = 'known', tries = 0, next_at = NULL, "
            "tracking_url = excluded.tracking_url, cost = excluded.cost, "
            "currency = excluded.currency, voided = excluded.voided, "
            "pdf_url = excluded.pdf_url, file = excluded.file",
            (
                label.shipment_id,
                label.tracking_url,
                cost,
                label.currency,
                int(label.voided),
                label.pdf_url,
                wanted,
            ),
        )

    def miss(self, shipment_id: int, tries: int, next_at: datetime | None) -> None:
        """Note that V2 does not have a label; without `next_at` it is not asked for again."""
        state = "none" if next_at is None else "asked"
        self._conn.execute(
            "INSERT INTO label (shipment_id, state, tries, next_at) VALUES (?,?,?,?) "
            "ON CONFLICT (shipment_id) DO UPDATE SET state = excluded.state, "
            "tries = excluded.tries, next_at = excluded.next_at",
            (shipment_id, state, tries, iso(next_at) if next_at else None),
        )

    def of(self, shipment_ids: Iterable[int]) -> dict[int, Label]:
        """Return the labels that are known of some shipments."""
        ids = list(shipment_ids)
        rows = self._conn.execute(
            f"SELECT {_LABEL} FROM label WHERE state = 'known' "  # noqa: S608
            f"AND shipment_id IN ({','.join('?' * len(ids))})",
            ids,
        )
        return {row[0]: _label(row) for row in rows}

    def missing_files(self, since: datetime, now: datetime, limit: int) -> list[Missing]:
        """Return the PDFs that booked documents lack, of shipments made since a time."""
        rows = self._conn.execute(
            "SELECT e.id, u.unit_id, u.order_number, l.pdf_url, l.tries FROM evidence e "  # noqa: S608
            "INDEXED BY evidence_created "
            f"JOIN label l ON l.shipment_id = e.id {_UNIT_OF} WHERE e.created >= ? "
            "AND e.kind = 's' AND e.voided = 0 AND l.voided = 0 AND l.file = 'wanted' "
            "AND (l.next_at IS NULL OR l.next_at <= ?) AND u.state = 'confirmed' "
            "AND u.held = '' AND l.attached <> u.document_id ORDER BY e.created, e.id LIMIT ?",
            (iso(since), iso(now), limit),
        )
        return [Missing(*row) for row in rows]

    def attach(self, shipment_id: int, document_id: str) -> None:
        """Note which document has the PDF."""
        self._conn.execute(
            "UPDATE label SET attached = ?, tries = 0, next_at = NULL WHERE shipment_id = ?",
            (document_id, shipment_id),
        )

    def postpone(self, shipment_id: int, tries: int, next_at: datetime) -> None:
        """Try a PDF again later."""
        self._conn.execute(
            "UPDATE label SET tries = ?, next_at = ? WHERE shipment_id = ?",
            (tries, iso(next_at), shipment_id),
        )

    def refuse(self, shipment_id: int) -> None:
        """Give a PDF up for good."""
        self._conn.execute(
            "UPDATE label SET file = 'refused', next_at = NULL WHERE shipment_id = ?",
            (shipment_id,),
        )


def _label(row: tuple[Any, ...]) -> Label:
    cost = None if row[2] is None else Decimal(row[2])
    return Label(row[0], row[1], cost, row[3], bool(row[4]), row[5])
