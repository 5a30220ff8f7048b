"""I15: the transitions a unit may make, as data, and who watches that no other ever happens.

The table is reliability.md §2.5 as design §4.3 and §4.5 amend it: a hold is kept beside the state,
a proof may come by a read of its own, and reversals go through the corrective credit memo. Nothing
here is shared with the flows; a row names what must be committed in the same transaction.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Transition:
    """One arrow: its number in the table, from, to, and what must stand beside it.

    `needs` are audit rows of the unit in the same transaction, written `kind:status`, intents by
    their step; `settled`: no create or post stays in doubt; `change`: an order or a label of it
    has changed since it was planned last; `next`: the next generation exists.
    """

    name: str
    before: str
    after: str
    needs: tuple[str, ...] = ()


def _rows(name: str, before: str, after: str, *needs: str) -> Iterator[Transition]:
    for one in before.split():
        yield Transition(name, one if one != "-" else "", after, needs)


TABLE: tuple[Transition, ...] = tuple(
    row
    for rows in (
        # planning: an order is seen, ready, no longer ready, to be left out, or back again
        _rows("T1 seen", "-", "seen"),
        _rows("T2 ready", "seen", "ready", "decision:ready"),
        _rows("T2 not ready any more", "ready", "seen", "decision:seen"),
        _rows("T12 nothing to book", "seen ready", "dropped", "decision:dropped"),
        _rows("T1 back again", "dropped", "seen", "decision:seen", "change"),
        _rows("T1 back again", "dropped", "ready", "decision:ready", "change"),
        # the draft
        _rows("T3 create", "ready", "create_intent", "intent:create"),
        _rows("T4 created", "create_intent", "drafted", "outcome:done", "settled"),
        _rows("T3 refused", "create_intent", "ready", "outcome:refused", "settled"),
        _rows("T3 not sent", "create_intent", "ready", "outcome:not sent", "settled"),
        _rows("T5 adopt", "seen ready create_intent", "drafted", "evidence:adopted", "settled"),
        _rows("T5 found by a rebuild", "dropped", "drafted", "evidence:adopted"),
        _rows("T6 found by a rebuild", "dropped", "posted", "evidence:adopted"),
        _rows("T9 keep another", "post_intent posted", "drafted", "evidence:adopted", "settled"),
        _rows("T12 taken back", "drafted", "seen", "outcome:done"),
        _rows("T12 taken back", "drafted", "dropped", "outcome:done"),
        _rows("T12 is gone", "drafted confirmed", "seen", "gone"),
        _rows("T12 is gone", "drafted", "dropped", "gone"),
        _rows("T10 make anew", "drafted post_intent", "ready", "decision:approved", "settled"),
        _rows("T10 make anew", "drafted post_intent", "seen", "decision:approved", "settled"),
        # posting
        _rows("T7a post", "drafted", "post_intent", "intent:post", "exactly one"),
        _rows("T7b posted", "post_intent", "posted", "outcome:done", "settled"),
        _rows("T7a not sent", "post_intent", "drafted", "outcome:not sent", "settled"),
        _rows("T7a no effect", "post_intent posted", "drafted", "settled"),
        _rows("T6 adopt posted", "seen ready create_intent", "posted", "evidence:adopted"),
        _rows("T6 adopt posted", "drafted post_intent", "posted", "evidence:adopted"),
        _rows("T8 confirm", "post_intent posted", "confirmed", "evidence:confirmed", "settled"),
        _rows("T8 held", "post_intent posted", "confirmed", "decision:held", "settled"),
        _rows("T8 stands", "drafted", "confirmed", "decision:", "exactly one"),
        # a person
        _rows("left out", "seen ready create_intent drafted", "dropped", "decision:ignored"),
        _rows("left out, its invoice is gone", "posted", "dropped", "decision:ignored"),
        _rows("stays as it is", "post_intent posted", "confirmed", "decision:ignored"),
        _rows("taken back", "dropped", "seen", "decision:reopened"),
        _rows("taken back", "dropped", "create_intent", "decision:reopened"),
        _rows("taken back", "dropped", "drafted", "decision:reopened"),
        _rows("taken back", "rev_needed", "confirmed", "decision:reopened"),
        # documents that stand as drafts by the store's choice follow their orders
        _rows("T10 changed", "confirmed", "drafted", "decision:drafted", "change"),
        _rows("T9 keep another", "confirmed", "drafted", "evidence:adopted"),
        _rows("T6 adopt posted", "confirmed", "posted", "evidence:adopted"),
        _rows("T12 left out", "confirmed", "dropped", "decision:ignored"),
        _rows("T10 make anew", "confirmed", "ready", "decision:approved"),
        # reversal
        _rows("T14 approved", "confirmed", "rev_needed", "decision:approved"),
        _rows("T14 lapsed", "rev_needed", "confirmed", "decision:confirmed"),
        _rows("T14 make", "rev_needed", "rev_intent", "intent:credit"),
        _rows("T14 refused", "rev_intent", "rev_needed", "outcome:refused", "settled"),
        _rows("T14 not sent", "rev_intent", "rev_needed", "outcome:not sent", "settled"),
        _rows("T14 never landed", "rev_intent", "rev_needed", "settled"),
        _rows("T14 found", "rev_intent", "rev_drafted", "settled"),
        _rows("T14 found posted", "rev_intent rev_drafted", "rev_post_intent", "settled"),
        _rows("T14 post", "rev_drafted", "rev_post_intent", "intent:credit post", "exactly one"),
        _rows("T14 no effect", "rev_post_intent", "rev_drafted", "settled"),
        _rows("T14 posted", "rev_post_intent", "rev_posted", "evidence:credited", "settled"),
        _rows("T14 done", "rev_posted", "confirmed", "decision:credited", "next"),
        _rows("T14 by hand", "rev_needed confirmed", "rev_posted", "decision:approved"),
        _rows("T14 look again", "rev_needed rev_drafted", "rev_intent", "decision:approved"),
        _rows("T14 look again", "rev_post_intent", "rev_intent", "decision:approved"),
        _rows("T14 left", "rev_needed rev_drafted rev_posted", "confirmed", "decision:ignored"),
    )
    for row in rows
)


def _arrows() -> dict[tuple[str, str], list[Transition]]:
    found: dict[tuple[str, str], list[Transition]] = defaultdict(list)
    for row in TABLE:
        found[row.before, row.after].append(row)
    return found


_ARROWS = _arrows()
_WATCH = (
    """CREATE TEMP TRIGGER watch_born AFTER INSERT ON unit
    BEGIN SELECT watch(new.unit_id, '', new.state); END""",
    """CREATE TEMP TRIGGER watch_moved AFTER UPDATE OF state ON unit WHEN old.state <> new.state
    BEGIN SELECT watch(new.unit_id, old.state, new.state); END""",
)


@dataclass(slots=True)
class Machine:
    """Watch one state database through all processes; `broken` names what is in no row.

    Each transaction that commits is told by `begin` and `committed`, in the order of commits.
    """

    broken: list[str] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)
    _watched: list[Any] = field(default_factory=list)
    _moves: list[tuple[int, str, str]] = field(default_factory=list)

    def begin(self, conn: Any) -> None:
        """Watch a connection from its first transaction on."""
        if any(one is conn for one in reversed(self._watched)):
            return
        self._watched.append(conn)
        conn.create_function("watch", 3, lambda *move: self._moves.append(move))
        for statement in _WATCH:
            conn.execute(statement)

    def opened(self, conn: Any) -> int:
        """Note that a transaction has its lock; return the last row of the audit trail."""
        self._moves.clear()
        return int(conn.execute("SELECT coalesce(max(seq), 0) FROM audit").fetchone()[0])

    def committed(self, conn: Any, since: int) -> None:
        """Judge what a transaction has changed, once that is durable."""
        moves = list(self._moves)
        self._moves.clear()
        for unit_id, before, after in moves:
            self._judge(_Beside(conn, unit_id, since), before, after)

    def _judge(self, beside: "_Beside", before: str, after: str) -> None:
        for row in _ARROWS.get((before, after), ()):
            if all(beside.has(one) for one in row.needs):
                self.taken[row.name] += 1
                return
        text = f"I15 unit {beside.unit_id} went from {before or 'nothing'} to {after}"
        self.broken.append(f"{text} beside {beside.said()}")


@dataclass(frozen=True, slots=True)
class _Beside:
    """What one transaction has committed for a unit beside its state."""

    conn: Any
    unit_id: int
    since: int

    def has(self, need: str) -> bool:
        match need:
            case "change":
                return self._has_changed()
            case "settled":
                return not self._doubtful()
            case "gone":
                return self._one("SELECT 1 FROM intent WHERE unit_id = ? AND outcome = 'gone'") or (
                    not self._doubtful() and not self._trail()
                )
            case "exactly one":
                return self._one(
                    "SELECT 1 FROM audit WHERE subject = 'unit:' || ? AND kind = 'evidence' "
                    "AND status = 'exactly one'"
                )
            case "next":
                return self._one(
                    "SELECT 1 FROM unit AS a JOIN unit AS b ON b.order_key = a.order_key "
                    "AND b.store_id = a.store_id AND b.generation = a.generation + 1 "
                    "WHERE a.unit_id = ?"
                )
            case _:
                return any(one.startswith(need) for one in self._trail())

    def said(self) -> str:
        more = [one for one in ("change", "settled", "exactly one", "next") if self.has(one)]
        return ", ".join([*self._trail(), *more]) or "nothing"

    def _has_changed(self) -> bool:
        """Tell whether there is news of its orders since it was planned last."""
        return self._one(
            "SELECT 1 FROM audit WHERE kind = 'event' AND subject IN ("
            "SELECT 'order:' || order_id FROM ss_order WHERE unit_id = ?1 "
            "UNION SELECT 'order:' || root_order_id FROM unit WHERE unit_id = ?1) "
            "AND seq > (SELECT coalesce(max(seq), 0) FROM audit WHERE subject = 'unit:' || ?1 "
            "AND kind = 'decision' AND flow = 'orders' AND seq <= ?2)",
            self.since,
        )

    def _trail(self) -> list[str]:
        rows: Iterable[tuple[str, str, str]] = self.conn.execute(
            "SELECT kind, status, summary FROM audit WHERE subject = ? AND seq > ?",
            (f"unit:{self.unit_id}", self.since),
        ).fetchall()
        return [
            f"intent:{text.partition(' attempt')[0]}" if kind == "intent" else f"{kind}:{status}"
            for kind, status, text in rows
        ]

    def _doubtful(self) -> bool:
        return self._one(
            "SELECT 1 FROM intent WHERE unit_id = ? AND outcome IS NULL "
            "AND step IN ('create', 'post', 'credit', 'credit post')"
        )

    def _one(self, query: str, *more: int) -> bool:
        found = self.conn.execute(f"{query} LIMIT 1", (self.unit_id, *more)).fetchone()
        return found is not None
