"""Keep the review queue: what waits, why, since when, and who decided what."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from bcss.clock import iso, parse_utc
from bcss.holds import Hold, Release, Verdict, label_of
from bcss.store.sqlite import Connection
from bcss.store.trail import Event, Trail

_COLUMNS = (
    "hold_id, subject, why, release, since, next_at, message, order_number, order_key, order_id, "
    "store_id, amount, currency, content, closed_at, assigned"
)


@dataclass(frozen=True, slots=True)
class About:
    """What a hold is about; empty fields where it is not about one order."""

    subject: str
    order_number: str = ""
    order_key: str = ""
    order_id: int | None = None
    store_id: int | None = None
    amount: Decimal | None = None
    currency: str = ""
    content: str = ""

    @property
    def is_order(self) -> bool:
        """Tell whether it is an order, about whose very content a person decides."""
        return self.subject.startswith("unit:")


@dataclass(frozen=True, slots=True)
class Ending:
    """Who ended a hold, and with which words; `by` is `bcss` where what held it was gone."""

    by: str
    note: str


class Queue:
    """The holds of one state database; callers hold the write transaction."""

    def __init__(self, conn: Connection, trail: Trail) -> None:
        self._conn = conn
        self._trail = trail

    def put(self, about: About, verdict: Verdict, now: datetime) -> bool:
        """Hold something; return whether this is new to whoever decides.

        What a person may have read of an order under a number never changes: another amount or
        message is a hold of its own, which takes over age and person. What approving did not
        help comes back under its number; what was ignored stays away until it changes.
        """
        told = _told(about, verdict)
        known = self.open_for(told.subject)
        if (
            known is not None
            and known.why == verdict.why
            and (not told.is_order or _same(known, told, verdict))
        ):
            self._refresh(known, told, verdict)
            return False
        if known is not None:
            self._replace(known, told, verdict, now)
            return True
        last = self._latest(told.subject)
        if last is None or last.why != verdict.why:
            self._insert(told, verdict, now, now)
            return True
        return self._again(last, told, verdict, now)

    def _refresh(self, known: Hold, about: About, verdict: Verdict) -> None:
        if known.message != verdict.message or known.content != about.content:
            self._conn.execute(
                "UPDATE hold SET message = ?, content = ?, next_at = ? WHERE hold_id = ?",
                (verdict.message, about.content, _time(verdict.next_at), known.hold_id),
            )

    def _replace(self, known: Hold, about: About, verdict: Verdict, now: datetime) -> None:
        changed = known.why == verdict.why
        word = "changed" if changed else f"now {verdict.why}"
        self.close(known.subject, now, by="bcss", note=f"{word}: {label_of(self._next())}")
        since = known.since if changed else now
        self._insert(about, verdict, now, since, known.assigned)

    def _again(self, last: Hold, about: About, verdict: Verdict, now: datetime) -> bool:
        """Hold what a person has decided about, as far as that decision does not cover it."""
        same = _same(last, about, verdict)
        match self.decision(last):
            case "ignored" if same and not about.is_order:
                return False
            case "approved" if same:
                self._come_back(last, now)
            case "approved":
                self._insert(about, verdict, now, last.since, last.assigned)
            case _:
                self._insert(about, verdict, now, now)
        return True

    def _come_back(self, hold: Hold, now: datetime) -> None:
        self.reopen(hold)
        text = f"{hold.label} is back, approving did not help: {hold.message}"
        event = Event(
            "decision", "holds", hold.subject, text, target="queue", status=f"held:{hold.why}"
        )
        self._trail.add(now, event)

    def reopen(self, hold: Hold) -> None:
        """Open an ended hold again under its number, as news of this run."""
        self._conn.execute(
            "UPDATE hold SET closed_at = NULL, closed_by = '', note = '', run_id = ? "
            "WHERE hold_id = ?",
            (self._trail.run_id, hold.hold_id),
        )

    def decision(self, hold: Hold) -> str:
        """Return what a person last decided about a hold: approved, ignored, reopened or nothing."""
        rows = self._trail.of([hold.subject])
        said = (
            one.status
            for one in reversed(rows)
            if one.flow == "review" and one.summary.startswith(f"{one.status} {hold.label} ")
        )
        return next((one for one in said if one != "assigned"), "")

    def _latest(self, subject: str) -> Hold | None:
        found = self._where("subject = ? ORDER BY hold_id DESC LIMIT 1", subject)
        return found[0] if found else None

    def _next(self) -> int:
        """Return the number that the next hold will get; none is ever deleted."""
        row = self._conn.execute("SELECT coalesce(max(hold_id), 0) + 1 FROM hold").fetchone()
        return int(row[0])

    def _insert(
        self, about: About, verdict: Verdict, now: datetime, since: datetime, assigned: str = ""
    ) -> None:
        self._conn.execute(
            "INSERT INTO hold (subject, why, release, since, next_at, message, order_number, "
            "order_key, order_id, store_id, amount, currency, content, run_id, assigned) "
            "VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                about.subject,
                str(verdict.why),
                str(verdict.release),
                iso(since),
                _time(verdict.next_at),
                verdict.message,
                about.order_number,
                about.order_key,
                about.order_id,
                about.store_id,
                str(about.amount) if about.amount is not None else None,
                about.currency,
                about.content,
                self._trail.run_id,
                assigned,
            ),
        )
        status = f"held:{verdict.why}"
        event = Event(
            "decision", "holds", about.subject, verdict.message, target="queue", status=status
        )
        self._trail.add(now, event)

    def close(
        self, subject: str, now: datetime, *, by: str, note: str = "", told: bool = False
    ) -> bool:
        """End the open hold of a subject; return whether there was one.

        `told`: the trail says so already.
        """
        cursor = self._conn.execute(
            "UPDATE hold SET closed_at = ?, closed_by = ?, note = ? "
            "WHERE subject = ? AND closed_at IS NULL",
            (iso(now), by, note, subject),
        )
        if cursor.rowcount and not told:
            text = f"hold ended by {by}" + (f": {note}" if note else "")
            self._trail.add(
                now, Event("decision", "holds", subject, text, target="queue", status="released")
            )
        return cursor.rowcount > 0

    def assign(self, hold_id: int, to: str) -> None:
        """Note who looks after a hold; empty for nobody."""
        self._conn.execute("UPDATE hold SET assigned = ? WHERE hold_id = ?", (to, hold_id))

    def open_for(self, subject: str) -> Hold | None:
        """Return the open hold of a subject."""
        found = self._where("subject = ? AND closed_at IS NULL", subject)
        return found[0] if found else None

    def by_number(self, hold_id: int) -> Hold | None:
        """Return a hold by its number, closed ones included."""
        found = self._where("hold_id = ?", hold_id)
        return found[0] if found else None

    def of(self, subjects: Iterable[str]) -> list[Hold]:
        """Return everything that ever held some subjects, oldest first."""
        names = list(subjects)
        marks = ",".join("?" * len(names))
        return self._where(f"subject IN ({marks}) ORDER BY hold_id", *names)

    def ending(self, hold_id: int) -> Ending | None:
        """Return how a hold ended; None for one that is open."""
        row = self._conn.execute(
            "SELECT closed_by, note FROM hold WHERE hold_id = ? AND closed_at IS NOT NULL",
            (hold_id,),
        ).fetchone()
        return Ending(row[0], row[1]) if row else None

    def decided_subjects(self, machines: Iterable[str]) -> frozenset[str]:
        """Return what somebody else than these has ever decided about."""
        names = list(machines)
        marks = ",".join("?" * len(names))
        rows = self._conn.execute(
            "SELECT DISTINCT subject FROM hold WHERE closed_at IS NOT NULL "  # noqa: S608
            f"AND closed_by NOT IN ({marks})",
            names,
        )
        return frozenset(row[0] for row in rows)

    def was_decided(self, subject: str, verdict: Verdict) -> bool:
        """Tell whether a person has already decided about exactly this."""
        row = self._conn.execute(
            "SELECT 1 FROM hold WHERE subject = ? AND why = ? AND message = ? "
            "AND closed_at IS NOT NULL AND closed_by NOT IN ('bcss', 'replay') LIMIT 1",
            (subject, str(verdict.why), verdict.message),
        )
        return row.fetchone() is not None

    def open(self) -> list[Hold]:
        """Return everything that is held, oldest first."""
        return self._where("closed_at IS NULL ORDER BY since, hold_id")

    def taken_up(self) -> list[Hold]:
        """Return the open holds of units that nothing holds: a replay is trying them again."""
        return self._where(
            "closed_at IS NULL AND EXISTS (SELECT 1 FROM unit WHERE held = '' "
            "AND unit_id = CAST(substr(subject, 6) AS INTEGER) AND subject LIKE 'unit:%') "
            "ORDER BY hold_id"
        )

    def stopping(self) -> dict[int, Hold]:
        """Return the stores for which posting is stopped, each with the hold that stops it.

        That is the oldest open one over a total that bcss itself has posted: a stop without a
        hold to decide about cannot be.
        """
        held = self._where(
            "why = 'posted_total_differs' AND closed_at IS NULL AND EXISTS (SELECT 1 FROM unit "
            "WHERE unit_id = CAST(substr(subject, 6) AS INTEGER) AND post_attempted = 1) "
            "ORDER BY since, hold_id"
        )
        return {hold.store_id: hold for hold in reversed(held) if hold.store_id is not None}

    def new_in_run(self, run_id: int) -> list[Hold]:
        """Return what a run held newly and still holds."""
        return self._where("run_id = ? AND closed_at IS NULL ORDER BY hold_id", run_id)

    def _where(self, condition: str, *values: object) -> list[Hold]:
        rows = self._conn.execute(f"SELECT {_COLUMNS} FROM hold WHERE {condition}", values)  # noqa: S608
        return [
            Hold(
                hold_id=row[0],
                subject=row[1],
                why=row[2],
                release=Release(row[3]),
                since=parse_utc(row[4]),
                next_at=parse_utc(row[5]) if row[5] else None,
                message=row[6],
                order_number=row[7],
                order_key=row[8],
                order_id=row[9],
                store_id=row[10],
                amount=Decimal(row[11]) if row[11] is not None else None,
                currency=row[12],
                content=row[13],
                closed_at=parse_utc(row[14]) if row[14] else None,
                assigned=row[15],
            )
            for row in rows
        ]


def _told(about: About, verdict: Verdict) -> About:
    """Let a verdict over several orders say itself what it is about."""
    amount = about.amount if verdict.amount is None else verdict.amount
    return replace(about, amount=amount, content=verdict.content or about.content)


def _same(hold: Hold, about: About, verdict: Verdict) -> bool:
    """Tell whether a hold says what would be said now; the configuration is no part of it."""
    was, now = hold.content.partition(":")[0], about.content.partition(":")[0]
    figures = (hold.amount, hold.currency) == (about.amount, about.currency)
    return hold.message == verdict.message and figures and was == now


def _time(instant: datetime | None) -> str | None:
    return iso(instant) if instant else None
