"""Watch every call as it arrives at Business Central, and the database afterwards.

I7: no mutating call without a committed intent; I8: no post without evidence that exactly one
document stands under the reference; I12: no foreign document is written to; I13: no secret lies
in a file; I16: the audit chain holds. Nothing here is shared with the flows.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from bcss.sandbox.kit import Request
from bcss.sandbox.world import World
from tests.simulation.looks import post_problems
from tests.transitions import Machine

try:  # the same library as the store's: a second one would drop its file locks
    from pysqlite3 import dbapi2 as sqlite3
except ImportError:  # pragma: no cover - hosts without the wheel
    import sqlite3

_ID = re.compile(r"/(sales\w+|workflow\w+|documentAttachments)\(([0-9a-f-]{36})\)")
_POSTS = ("Microsoft.NAV.post", "Microsoft.NAV.shipAndInvoice")
_GENESIS = sha256(b"bcss-audit-v1\0").digest()
_COLUMNS = (
    "seq, at, run_id, actor, kind, flow, subject, target, status, summary, "
    "before_id, before_commit, after_id, after_commit, hash"
)
# A decision that comes too late is refused with 2.
_ODD_RUNS = (
    "SELECT count(*) FROM run WHERE exit_code NOT IN (0,3,4,5) "
    "AND NOT (exit_code = 2 AND command = 'hold')"
)


@dataclass(slots=True)
class Conduct:
    """What bcss may not do, noted whenever it does; `foreign` are ids of a person's documents.

    With a `world`, each post is also judged by what was really asked before; `stood_still` tells
    when a process went on after a pause, and how long that was.
    """

    database: Path
    broken: list[str] = field(default_factory=list)
    foreign: set[str] = field(default_factory=set)
    writes: int = 0
    world: World | None = None
    stood_still: list[tuple[datetime, float]] = field(default_factory=list)
    machine: Machine = field(init=False)
    _reader: Any = None

    def __post_init__(self) -> None:
        self.machine = Machine(self.broken)

    def arrived(self, vendor: str, request: Request) -> None:
        """Judge a call at the moment of its arrival, before it has any effect."""
        if vendor != "bc" or request.method == "GET":
            return
        self.writes += 1
        found = _ID.search(request.path)
        document = found[2] if found else ""
        if document in self.foreign or any(one.encode() in request.body for one in self.foreign):
            self._break(f"I12 {request.method} to a foreign document {document}")
        tag = request.headers.get("if-match", "")
        if tag == "*" and not request.path.endswith("/attachmentContent"):
            self._break(f"I12 If-Match: * in {request.method} {request.path}")
        if not tag and (request.method in ("PATCH", "DELETE") or _is_post(request)):
            self._break(f"I12 no If-Match in {request.method} {request.path}")
        if self._reader is None:
            self._reader = _open(self.database)
        self._written_ahead(self._reader, request, document)
        if self.world is not None and _is_post(request):
            self.broken += post_problems(self.world, request, document, self.stood_still)

    def ended(self) -> None:
        """Let go of the database when a process has ended: the file may be another one then."""
        if self._reader is not None:
            self._reader.close()
        self._reader = None

    def _written_ahead(self, conn: Any, request: Request, document: str) -> None:
        pending = conn.execute(
            "SELECT step, body_hash, document_id FROM intent WHERE outcome IS NULL"
        ).fetchall()
        digest = sha256(request.body).digest()
        name = f"{request.method} {request.path[-70:]}"
        if _is_post(request):
            sent = ("post", sha256(b"").digest(), document)
            if "/salesCreditMemos(" in request.path:
                sent = ("credit post", sent[1], _credited_by(conn, document))
            if sent not in pending:
                self._break(f"I7 {name}: no committed intent")
            seen = conn.execute(
                "SELECT 1 FROM audit WHERE kind = 'evidence' AND status = 'exactly one' "
                "AND target = ? LIMIT 1",
                (document,),
            ).fetchone()
            if seen is None:
                self._break(f"I8 {name}: no evidence")
        elif not any(_same(request, one, digest) for one in pending):
            self._break(f"I7 {name}: no committed intent for this body")
        elif (
            request.method == "DELETE"
            and not conn.execute(
                "SELECT 1 FROM audit WHERE kind = 'intent' AND target = ? LIMIT 1", (document,)
            ).fetchone()
        ):
            self._break(f"I7 {name}: no intent names this document")

    def _break(self, text: str) -> None:
        self.broken.append(text)


def _credited_by(conn: Any, memo: str) -> str:
    """Return the document that a credit memo undoes, which its intent names."""
    found = conn.execute("SELECT document_id FROM unit WHERE memo_id = ?", (memo,)).fetchone()
    return str(found[0]) if found else ""


def _is_post(request: Request) -> bool:
    return request.path.endswith(_POSTS)


def _same(request: Request, intent: tuple[str, bytes, str], digest: bytes) -> bool:
    """Compare a call with an intent; two calls may go out under an intent of the whole.

    A number goes alone when agent or service was refused, and a file's row precedes its content.
    """
    step, body_hash, _ = intent
    if body_hash == digest:
        return True
    if step == "track":
        return b"packageTrackingNumber" in request.body and b"AgentCode" not in request.body
    return step == "attach" and request.path.endswith("/documentAttachments")


def _open(database: Path) -> Any:
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=1)


def known_documents(database: Path) -> set[str]:
    """Return the ids of the documents that the database names, none where it has no tables."""
    conn = _open(database)
    try:
        return {row[0] for row in conn.execute("SELECT document_id FROM unit").fetchall()}
    except sqlite3.Error:
        return set()
    finally:
        conn.close()


@dataclass(frozen=True, slots=True)
class Moves:
    """How much stands in the trail of what bcss changed, and how many sweeps it has made."""

    changes: int
    swept: int


def moves(database: Path) -> Moves:
    """Count the trail, none where a database is lost."""
    if not database.exists():
        return Moves(0, 0)
    conn = _open(database)
    try:
        swept = conn.execute(
            "SELECT count(*) FROM audit WHERE flow = 'sweep' AND kind = 'event'"
        ).fetchone()[0]
        rows = conn.execute("SELECT count(*) FROM audit WHERE kind <> 'config'").fetchone()[0]
    except sqlite3.Error:  # it has no tables, or is not one
        return Moves(0, 0)
    finally:
        conn.close()
    return Moves(rows - swept, swept)


def audit_problems(database: Path) -> list[str]:
    """I16: walk the chain as the trail's description has it, and count outcomes."""
    conn = _open(database)
    try:
        rows = conn.execute(f"SELECT {_COLUMNS} FROM audit ORDER BY seq").fetchall()  # noqa: S608
        intents = conn.execute("SELECT count(*) FROM intent").fetchone()[0]
        noted = sum(row[4] == "intent" for row in rows)
        runs = conn.execute(_ODD_RUNS).fetchone()
    finally:
        conn.close()
    found = _chain_problems(rows)
    if intents != noted:
        found.append(f"I16 {intents} intents, {noted} of them in the audit trail")
    if runs[0]:
        found.append(f"I17 {runs[0]} runs ended with an unexpected exit code")
    return found


def _chain_problems(rows: Iterable[tuple[Any, ...]]) -> list[str]:
    parent = _GENESIS
    for n, row in enumerate(rows, 1):
        digest = sha256(parent)
        for value in row[:-1]:
            part = value if isinstance(value, bytes) else str(value).encode("utf-8")
            digest.update(len(part).to_bytes(4, "big") + part)
        if row[0] != n or bytes(row[-1]) != digest.digest():
            return [f"I16 the audit chain breaks at row {n}"]
        parent = digest.digest()
    return []


def secret_problems(folder: Path, world: World, secrets: Iterable[str]) -> list[str]:
    """I13: no secret in any file of the connection, nor in what was asked of a vendor."""
    wanted = [one.encode() for one in secrets]
    found = [
        f"I13 a secret stands in {path.name}"
        for path in folder.rglob("*")
        if path.is_file() and any(one in path.read_bytes() for one in wanted)
    ]
    for call in world.log.calls():
        sent = f"{call.request.path}?{call.request.query}".encode() + call.request.body
        if any(one in sent for one in wanted):
            found.append(f"I13 a secret was sent to {call.vendor} in {call.request.path}")
    return found
