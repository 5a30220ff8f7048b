"""Write the audit trail: append-only and chained, so that a change anywhere shows (design §8)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from bcss.clock import iso
from bcss.errors import StateBroken
from bcss.store import payloads
from bcss.store.sqlite import Connection

_GENESIS = sha256(b"bcss-audit-v1\0").digest()
_SUMMARY_LENGTH = 2000
_COLUMNS = (
    "seq, at, run_id, actor, kind, flow, subject, target, status, summary, "
    "before_id, before_commit, after_id, after_commit, hash"
)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing worth proving.

    `subject` is `unit:7`, `order:30000001`, `product:SKU`, `store:80001` or `run:3`;
    `kind` is event, intent, outcome, evidence, decision, config or run.
    """

    kind: str
    flow: str
    subject: str
    summary: str
    target: str = ""
    status: str = ""
    before: bytes | None = None
    after: bytes | None = None
    after_id: int | None = None
    after_commit: bytes | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the trail as read."""

    seq: int
    at: str
    run_id: int
    actor: str
    kind: str
    flow: str
    subject: str
    target: str
    status: str
    summary: str
    before_id: int | None
    after_id: int | None


class Trail:
    """The audit trail of one state database, written on behalf of one run and actor."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.run_id = 0
        self.actor = ""

    def add(self, at: datetime, event: Event) -> int:
        """Append inside the caller's write transaction; return the row's number.

        The head is read in that same transaction, so two processes can never share a parent.
        """
        head = self._conn.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
        seq, parent = head.fetchone() or (0, _GENESIS)
        before_id, before_commit = self._keep(event.before)
        after_id, after_commit = self._keep(event.after)
        if event.after_id is not None:
            after_id, after_commit = event.after_id, event.after_commit
        row = (
            seq + 1,
            iso(at),
            self.run_id,
            self.actor,
            event.kind,
            event.flow,
            event.subject,
            event.target,
            event.status,
            event.summary[:_SUMMARY_LENGTH],
            before_id,
            before_commit,
            after_id,
            after_commit,
        )
        self._conn.execute(
            f"INSERT INTO audit ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608
            (*row, chain(parent, row)),
        )
        return int(seq) + 1

    def _keep(self, body: bytes | None) -> tuple[int | None, bytes | None]:
        return (None, None) if body is None else payloads.put(self._conn, body)

    def head(self) -> tuple[int, str]:
        """Return the number and hash of the last row, to be anchored outside."""
        row = self._conn.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
        return (int(row[0]), bytes(row[1]).hex()) if row else (0, _GENESIS.hex())

    def of(self, subjects: list[str], after: int = 0) -> list[Entry]:
        """Return the rows of some subjects, oldest first."""
        marks = ",".join("?" * len(subjects))
        rows = self._conn.execute(
            "SELECT seq, at, run_id, actor, kind, flow, subject, target, status, summary, "  # noqa: S608
            f"before_id, after_id FROM audit WHERE subject IN ({marks}) AND seq > ? ORDER BY seq",
            (*subjects, after),
        )
        return [Entry(*row) for row in rows]

    def since(self, after: int, statuses: list[str]) -> list[Entry]:
        """Return the rows behind a row that carry some status, oldest first."""
        marks = ",".join("?" * len(statuses))
        rows = self._conn.execute(
            "SELECT seq, at, run_id, actor, kind, flow, subject, target, status, summary, "  # noqa: S608
            f"before_id, after_id FROM audit WHERE seq > ? AND status IN ({marks}) ORDER BY seq",
            (after, *statuses),
        )
        return [Entry(*row) for row in rows]

    def latest(self, limit: int) -> list[Entry]:
        """Return the last rows of all subjects, oldest first."""
        rows = self._conn.execute(
            "SELECT seq, at, run_id, actor, kind, flow, subject, target, status, summary, "
            "before_id, after_id FROM audit ORDER BY seq DESC LIMIT ?",
            (limit,),
        ).fetchall()
        return [Entry(*row) for row in reversed(rows)]

    def verify(self) -> "Broken | None":
        """Walk the chain and return the first row that is altered, missing or cut."""
        expected, parent = 1, _GENESIS
        for row in self._rows():
            if row[0] != expected:
                return Broken(expected, "a row is missing")
            if bytes(row[-1]) != chain(parent, row[:-1]):
                return Broken(expected, "a row was altered")
            bad = self._altered_body(row)
            if bad:
                return Broken(expected, bad)
            expected, parent = expected + 1, bytes(row[-1])
        return self._cut(expected)

    def _cut(self, expected: int) -> "Broken | None":
        """Compare with the head that each run noted when it ended: a cut tail shows there."""
        rows = self._conn.execute(
            "SELECT json_extract(summary, '$.audit.seq'), json_extract(summary, '$.audit.head') "
            "FROM run WHERE ended_at IS NOT NULL ORDER BY run_id"
        )
        for seq, head in rows.fetchall():
            if not seq:
                continue
            if seq >= expected:
                return Broken(expected, "the end of the trail was cut off")
            found = self._conn.execute("SELECT hash FROM audit WHERE seq = ?", (seq,)).fetchone()
            if bytes(found[0]).hex() != head:
                return Broken(seq, "the trail was written anew")
        return None

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        """Page through the table, so that no long read makes writers wait."""
        last = 0
        while True:
            rows = self._conn.execute(
                f"SELECT {_COLUMNS} FROM audit WHERE seq > ? ORDER BY seq LIMIT 500",  # noqa: S608
                (last,),
            ).fetchall()
            yield from rows
            if not rows:
                return
            last = rows[-1][0]

    def _altered_body(self, row: tuple[Any, ...]) -> str:
        for payload_id, commit in ((row[10], row[11]), (row[12], row[13])):
            if payload_id is None:
                continue
            found = self._conn.execute(
                "SELECT dictionary, salt, body, erased_at FROM payload WHERE payload_id = ?",
                (payload_id,),
            ).fetchone()
            if found is None:
                return "a body is missing"
            dictionary, salt, body, erased_at = found
            if body is None:
                if erased_at is None:
                    return "a body is missing"
                continue
            try:
                whole = payloads.expand(body, dictionary)
            except StateBroken:
                return "a body was altered"
            if payloads.commitment(salt, whole) != commit:
                return "a body was altered"
        return ""


@dataclass(frozen=True, slots=True)
class Broken:
    """Where the chain first fails, and how."""

    seq: int
    problem: str


def chain(parent: bytes, row: tuple[object, ...]) -> bytes:
    """Hash a row onto its parent; every column counts, each with its length."""
    digest = sha256(parent)
    for value in row:
        part = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()
