"""The audit trail shows the first row that is altered, missing, cut or written anew."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bcss.clock import SystemClock
from bcss.store.db import Store
from bcss.store.trail import Event

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path / "state.db", SystemClock(), synchronous="OFF")
    found.begin_run("test", "tester", "0", "config")
    with found.write():
        for n in range(12):
            body = f'{{"name": "Example Buyer {n}"}}'.encode()
            found.trail.add(NOW, Event("event", "test", f"unit:{n}", f"row {n}", after=body))
    found.end_run(0, {})
    yield found
    found.close()


def tamper(store: Store, *statements: str) -> None:
    """Do what somebody with write access to the file could do."""
    conn = store.connection
    conn.execute("DROP TRIGGER audit_no_update")
    conn.execute("DROP TRIGGER audit_no_delete")
    for statement in statements:
        conn.execute(statement)


def test_an_untouched_trail_verifies(store: Store) -> None:
    assert store.trail.verify() is None


@pytest.mark.parametrize(
    ("statement", "seq", "problem"),
    [
        ("UPDATE audit SET summary = 'nothing' WHERE seq = 5", 5, "altered"),
        ("UPDATE audit SET actor = 'somebody' WHERE seq = 7", 7, "altered"),
        ("DELETE FROM audit WHERE seq = 6", 6, "missing"),
        ("DELETE FROM audit WHERE seq > 9", 10, "cut"),
        ("UPDATE payload SET body = x'00' WHERE payload_id = 4", 5, "body was altered"),
        ("DELETE FROM payload WHERE payload_id = 4", 5, "body is missing"),
    ],
)
def test_tampering_is_found_at_its_row(
    store: Store, statement: str, seq: int, problem: str
) -> None:
    tamper(store, statement)

    broken = store.trail.verify()

    assert broken is not None
    assert broken.seq == seq
    assert problem in broken.problem


def test_an_erased_body_leaves_the_chain_whole(store: Store) -> None:
    store.connection.execute(
        "UPDATE payload SET body = NULL, salt = NULL, erased_at = '2026-03-03T00:00:00.000Z' "
        "WHERE payload_id = 4"
    )

    assert store.trail.verify() is None


@pytest.mark.parametrize("statement", ["UPDATE audit SET summary = ''", "DELETE FROM audit"])
def test_the_trail_refuses_changes_by_accident(store: Store, statement: str) -> None:
    refuse: Callable[[], object] = lambda: store.connection.execute(statement)  # noqa: E731

    with pytest.raises(Exception, match="append-only"):
        refuse()
    assert store.trail.verify() is None
