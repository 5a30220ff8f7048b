"""Keep booking units and their intents: what was decided, sent and answered."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from bcss.clock import iso, parse_utc
from bcss.config.schema import DocumentKind
from bcss.store.drafts import pack, unpack
from bcss.store.sqlite import Connection
from bcss.units import Draft, State, Unit

_COLUMNS = tuple(field.name for field in fields(Unit))
_LIST = ", ".join(_COLUMNS)
_UPDATE = ", ".join(f"{name} = ?" for name in _COLUMNS[1:])
_TIMES = ("waiting_since", "sent_at", "updated_at")
_AMOUNTS = ("total", "bc_total")
_FLAGS = ("verified", "post_attempted")


@dataclass(frozen=True, slots=True)
class Intent:
    """One mutating call, noted before it is sent; `outcome` is empty while it is in doubt."""

    intent_id: int
    unit_id: int
    step: str
    attempt: int
    reference: str
    document_id: str
    sent_at: datetime
    outcome: str


class UnitBook:
    """The units of one state database; callers hold the write transaction."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def add(self, unit: Unit) -> Unit:
        """Enter a new unit and return it with its number."""
        values = _row(unit)
        marks = ",".join("?" * (len(_COLUMNS) - 1))
        cursor = self._conn.execute(
            f"INSERT INTO unit ({', '.join(_COLUMNS[1:])}) VALUES ({marks})",  # noqa: S608
            values[1:],
        )
        return _unit((int(cursor.lastrowid or 0), *values[1:]))

    def save(self, unit: Unit) -> None:
        """Write a unit as it stands now."""
        values = _row(unit)
        self._conn.execute(
            f"UPDATE unit SET {_UPDATE} WHERE unit_id = ?",  # noqa: S608
            (*values[1:], unit.unit_id),
        )

    def get(self, unit_id: int) -> Unit:
        """Return a unit by its number; raise LookupError when there is none."""
        found = self._where("unit_id = ?", unit_id)
        if not found:
            raise LookupError(f"unit {unit_id}")
        return found[0]

    def in_states(self, states: Iterable[State]) -> list[Unit]:
        """Return the units in some states that nothing holds, the earliest shipped first."""
        names = [str(state) for state in states]
        marks = ",".join("?" * len(names))
        return self._where(f"state IN ({marks}) AND held = '' ORDER BY ship_date, unit_id", *names)

    def unfinished(self) -> list[Unit]:
        """Return all units that are neither confirmed nor dropped, held ones included."""
        return self._where("state NOT IN ('confirmed', 'dropped') ORDER BY unit_id")

    def waiting_for(self, reason: str) -> list[Unit]:
        """Return the confirmed units that still wait for one thing, held ones left out."""
        return self._where("state = 'confirmed' AND waiting = ? AND held = ''", reason)

    def confirmed_since(self, instant: datetime) -> list[Unit]:
        """Return the units confirmed since a time, held ones included."""
        return self._where("state = 'confirmed' AND updated_at >= ? ORDER BY unit_id", iso(instant))

    def left_out(self, waiting: str, instant: datetime) -> list[Unit]:
        """Return the units dropped since a time for a reason that begins so, with a document."""
        return self._where(
            "document_id <> '' AND state = 'dropped' AND substr(waiting, 1, ?) = ? "
            "AND updated_at >= ? ORDER BY unit_id",
            len(waiting),
            waiting,
            iso(instant),
        )

    def held(self) -> list[Unit]:
        """Return the units that something holds."""
        return self._where("held <> '' ORDER BY unit_id")

    def of_orders(self, order_ids: Iterable[int]) -> list[Unit]:
        """Return the units that these orders belong to."""
        ids = list(order_ids)
        marks = ",".join("?" * len(ids))
        return self._where(
            f"unit_id IN (SELECT unit_id FROM ss_order WHERE order_id IN ({marks})) "  # noqa: S608
            "ORDER BY unit_id",
            *ids,
        )

    def by_key(self, store_id: int, order_key: str) -> list[Unit]:
        """Return the generations of one key in one store, the newest last."""
        return self._where(
            "order_key = ? AND store_id = ? ORDER BY generation", order_key, store_id
        )

    def by_reference(self, reference: str) -> list[Unit]:
        """Return the live unit that owns a reference."""
        return self._where("reference = ? AND state <> 'dropped'", reference)

    def by_document(self, text: str) -> list[Unit]:
        """Return the units whose document or credit memo has this id or number, draft or posted."""
        return self._where(
            "?1 IN (document_id, invoice_id, document_number, draft_number, memo_id, memo_number, "
            "memo_draft) ORDER BY unit_id",
            text,
        )

    def owner_of(self, document_id: str) -> Unit | None:
        """Return the unit that holds a document, if any."""
        found = self._where("document_id = ?1 OR invoice_id = ?1", document_id)
        return found[0] if found else None

    def control(
        self,
        kinds: Iterable[DocumentKind],
        states: Iterable[State],
        *,
        unposted: bool = False,
        but: Collection[int] = (),
    ) -> Unit | None:
        """Return the unit of ours last confirmed present in an entity set (design §4.4.2).

        `unposted` leaves out the documents that a person has posted since, `but` some units.
        """
        kind_names, state_names = [str(one) for one in kinds], [str(one) for one in states]
        found = self._where(
            f"kind IN ({','.join('?' * len(kind_names))}) "
            f"AND state IN ({','.join('?' * len(state_names))}) AND document_id <> '' "
            "AND held = '' AND (document_number = '' OR ?) "
            f"AND unit_id NOT IN ({','.join('?' * len(but))}) ORDER BY updated_at DESC LIMIT 1",
            *kind_names,
            *state_names,
            not unposted,
            *but,
        )
        return found[0] if found else None

    def belong(self, unit_id: int, order_ids: Iterable[int]) -> None:
        """Note which orders make up a unit."""
        self._conn.executemany(
            "UPDATE ss_order SET unit_id = ? WHERE order_id = ?",
            [(unit_id, order_id) for order_id in order_ids],
        )

    def members(self, unit_id: int) -> list[int]:
        """Return the orders that make up a unit."""
        rows = self._conn.execute(
            "SELECT order_id FROM ss_order WHERE unit_id = ? ORDER BY order_id", (unit_id,)
        )
        return [row[0] for row in rows]

    def count_by_state(self) -> dict[str, int]:
        """Return how many units stand in each state; held ones count as `held`."""
        rows = self._conn.execute(
            "SELECT CASE WHEN held <> '' THEN 'held' ELSE state END AS s, COUNT(*) FROM unit "
            "GROUP BY s"
        )
        return {row[0]: row[1] for row in rows}

    def any_posted(self) -> bool:
        """Tell whether bcss has ever confirmed a posting in this database."""
        row = self._conn.execute(
            "SELECT 1 FROM unit WHERE state = 'confirmed' AND post_attempted = 1 LIMIT 1"
        )
        return row.fetchone() is not None

    def intend(self, unit: Unit, step: str, body_hash: bytes, now: datetime) -> int:
        """Note a mutating call before it is sent; return the intent's number."""
        cursor = self._conn.execute(
            "INSERT INTO intent (unit_id, step, attempt, reference, document_id, body_hash, "
            "sent_at) VALUES (?,?,?,?,?,?,?)",
            (
                unit.unit_id,
                step,
                unit.attempt,
                unit.reference,
                unit.document_id,
                body_hash,
                iso(now),
            ),
        )
        return int(cursor.lastrowid or 0)

    def resent(self, intent_id: int, at: datetime) -> None:
        """Count a call in doubt as sent at another time than was noted."""
        sent = (iso(at), intent_id)
        self._conn.execute("UPDATE intent SET sent_at = ? WHERE intent_id = ?", sent)

    def settle(self, intent_id: int, outcome: str, now: datetime) -> None:
        """Note what became of a call."""
        self._conn.execute(
            "UPDATE intent SET outcome = ?, answered_at = ? WHERE intent_id = ?",
            (outcome, iso(now), intent_id),
        )

    def close_open(self, unit_id: int, outcome: str, now: datetime) -> None:
        """Settle every call of a unit that was in doubt, once a read has told."""
        self._conn.execute(
            "UPDATE intent SET outcome = ?, answered_at = ? WHERE unit_id = ? AND outcome IS NULL",
            (outcome, iso(now), unit_id),
        )

    def intents(self, unit_id: int) -> list[Intent]:
        """Return the calls of a unit, oldest first."""
        rows = self._conn.execute(
            "SELECT intent_id, unit_id, step, attempt, reference, document_id, sent_at, "
            "coalesce(outcome, '') FROM intent WHERE unit_id = ? ORDER BY intent_id",
            (unit_id,),
        )
        return [
            Intent(row[0], row[1], row[2], row[3], row[4], row[5], parse_utc(row[6]), row[7])
            for row in rows
        ]

    def _where(self, condition: str, *values: object) -> list[Unit]:
        rows = self._conn.execute(f"SELECT {_LIST} FROM unit WHERE {condition}", values)  # noqa: S608
        return [_unit(row) for row in rows]


def _row(unit: Unit) -> tuple[Any, ...]:
    return tuple(_column(getattr(unit, name)) for name in _COLUMNS)


def _column(value: Any) -> Any:
    match value:
        case None | int():
            return int(value) if isinstance(value, bool) else value
        case datetime():
            return iso(value)
        case Draft():
            return pack(value)
        case _:
            return str(value)


def _unit(row: tuple[Any, ...]) -> Unit:
    value = dict(zip(_COLUMNS, row, strict=True))
    for name in _TIMES:
        value[name] = parse_utc(value[name]) if value[name] else None
    for name in _AMOUNTS:
        value[name] = Decimal(value[name]) if value[name] is not None else None
    for name in _FLAGS:
        value[name] = bool(value[name])
    value["ship_date"] = date.fromisoformat(value["ship_date"]) if value["ship_date"] else None
    value["draft"] = unpack(value["draft"]) if value["draft"] is not None else None
    value["state"] = State(value["state"])
    value["kind"] = DocumentKind(value["kind"])
    return Unit(**value)
