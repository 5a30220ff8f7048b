"""The watch over transitions sees what no row of the table allows, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bcss.clock import SystemClock
from bcss.config.schema import DocumentKind
from bcss.store.db import Store
from bcss.store.trail import Event
from bcss.units import State, Unit
from tests.transitions import TABLE, Machine

_ORDER = 7


class Watched:
    """A store with one unit, each of whose commits a machine watches."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "state.db", SystemClock(), synchronous="OFF")
        self.machine = Machine()
        self.unit = Unit(
            0, "u1", 80001, "KEY", 0, "SO-1", _ORDER, "KEY", "", DocumentKind.POSTED_INVOICE
        )

    def commit(self, *events: Event, state: State | None = None) -> list[str]:
        """Write events and a state in one transaction; return what the machine objects to."""
        conn = self.store.connection
        self.machine.broken.clear()
        self.machine.begin(conn)
        conn.execute("BEGIN IMMEDIATE")
        since = self.machine.opened(conn)
        for event in events:
            self.store.trail.add(self.store.clock.now(), event)
        if state is not None:
            conn.execute("UPDATE unit SET state = ?", (str(state),))
        elif not events:
            self.unit = self.store.units.add(self.unit)
        conn.execute("COMMIT")
        self.machine.committed(conn, since)
        return list(self.machine.broken)

    def event(self, kind: str, status: str = "", text: str = "") -> Event:
        return Event(kind, "orders", f"unit:{self.unit.unit_id}", text, status=status)  # type: ignore[arg-type,unused-ignore]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    found = Watched(tmp_path)
    yield found
    found.store.close()


def test_the_happy_path_is_in_the_table(watched: Watched) -> None:
    event = watched.event

    assert watched.commit() == []
    steps = (
        (State.READY, event("decision", "ready")),
        (State.CREATE_INTENT, event("intent", "sent", "create attempt 1 under KEY")),
        (State.DRAFTED, event("outcome", "done")),
        (None, event("evidence", "exactly one")),
        (State.POST_INTENT, event("intent", "sent", "post attempt 1 under KEY")),
        (State.POSTED, event("outcome", "done")),
        (State.CONFIRMED, event("evidence", "confirmed")),
    )
    for state, beside in steps:
        assert watched.commit(beside, state=state) == []
    assert sum(watched.machine.taken.values()) == len(steps)


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        (State.SEEN, State.DRAFTED, "done"),  # a create without its state
        (State.SEEN, State.POSTED, "done"),
        (State.READY, State.CREATE_INTENT, "done"),  # no intent beside it
        (State.DRAFTED, State.POST_INTENT, "done"),  # no evidence beside it
        (State.POST_INTENT, State.CONFIRMED, "done"),  # no proof beside it
        (State.CONFIRMED, State.SEEN, "done"),
        (State.CONFIRMED, State.REV_NEEDED, "done"),  # nobody approved
        (State.REV_POSTED, State.CONFIRMED, "credited"),  # no next generation
    ],
)
def test_a_state_that_does_not_follow_is_told(
    watched: Watched, before: State, after: State, status: str
) -> None:
    watched.commit()
    watched.commit(state=before)

    (told,) = watched.commit(watched.event("outcome", status), state=after)

    assert f"from {before} to {after}" in told


def test_a_create_in_doubt_is_not_left_open(watched: Watched) -> None:
    watched.commit()
    watched.commit(state=State.CREATE_INTENT)
    now = watched.store.clock.now()
    intent = watched.store.units.intend(watched.unit, "create", b"", now)

    assert watched.commit(watched.event("evidence", "adopted"), state=State.DRAFTED)
    watched.commit(state=State.CREATE_INTENT)
    watched.store.units.settle(intent, "landed", now)
    assert watched.commit(watched.event("evidence", "adopted"), state=State.DRAFTED) == []


def test_what_was_dropped_stays_dropped_without_news_of_its_order(watched: Watched) -> None:
    watched.commit()
    ready = watched.event("decision", "ready")
    assert watched.commit(watched.event("decision", "dropped"), state=State.DROPPED) == []

    assert "from dropped to ready" in watched.commit(ready, state=State.READY)[0]

    watched.commit(watched.event("decision", "dropped"), state=State.DROPPED)
    watched.commit(Event("event", "orders", f"order:{_ORDER}", "changed"))
    assert watched.commit(ready, state=State.READY) == []


def test_a_transaction_that_rolls_back_has_not_happened(watched: Watched) -> None:
    watched.commit()
    conn = watched.store.connection
    conn.execute("BEGIN IMMEDIATE")
    watched.machine.opened(conn)
    conn.execute("UPDATE unit SET state = 'posted'")
    conn.execute("ROLLBACK")

    assert watched.commit(watched.event("decision", "ready"), state=State.READY) == []


def test_every_state_of_a_unit_is_entered_by_some_row() -> None:
    assert {row.after for row in TABLE} == {str(state) for state in State}
    assert {row.before for row in TABLE} - {""} == {str(state) for state in State}
