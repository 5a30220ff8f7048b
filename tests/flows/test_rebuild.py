"""A state database that is lost, cut or old: refuse, rebuild, wait, go on; book nothing twice."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcss import app
from bcss.errors import Exit, StateBroken
from bcss.sandbox.kit import Request
from bcss.store import witness
from tests.checker import booked, problems
from tests.rig import PARTS, STORE, Rig, config_for, store_rule, world_of

START = date(2026, 3, 1)
SINCE = datetime(2026, 3, 1, tzinfo=UTC)
SETTLE = timedelta(minutes=20)
SUFFIXES = ("", "-wal", "-shm", "-journal")


def rig_in(folder: Path, count: int = 3, **orders: Any) -> Rig:
    folder.mkdir(parents=True, exist_ok=True)
    world, _ = world_of(count)
    return Rig(world, config_for(folder, start=START, settle=SETTLE, **orders), folder)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return rig_in(tmp_path)


def files(rig: Rig) -> list[Path]:
    path = rig.config.state.path
    return [path.with_name(path.name + suffix) for suffix in SUFFIXES]


def delete(rig: Rig) -> None:
    for path in files(rig):
        path.unlink(missing_ok=True)


def empty(rig: Rig) -> None:
    delete(rig)
    rig.config.state.path.touch(mode=0o600)


def cut(rig: Rig) -> None:
    """Cut the file as a full disk or a broken copy does."""
    path = rig.config.state.path
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def somebody_elses(rig: Rig) -> None:
    other = rig_in(rig.folder / "other")
    other.run(())
    delete(rig)
    shutil.copy2(other.config.state.path, rig.config.state.path)


def kept(rig: Rig) -> Callable[[], None]:
    """Keep a copy of the closed database, and return what puts it back."""
    copies = {path: path.read_bytes() for path in files(rig) if path.exists()}

    def put_back() -> None:
        delete(rig)
        for path, body in copies.items():
            path.write_bytes(body)
            path.chmod(0o600)

    return put_back


def rebuild(rig: Rig) -> app.Summary:
    return app.rebuild(rig.config, SINCE, rig.around)


def pass_by(rig: Rig, time: timedelta) -> None:
    rig.world.clock.advance(time.total_seconds())
    rig.world.settle()


def landed(rig: Rig) -> int:
    """Return how many creates of ours took effect."""
    return sum(
        one.status == 201
        for one in rig.world.log.calls("bc")
        if one.request.method == "POST" and one.request.path.endswith("/salesInvoices")
    )


def ship(rig: Rig, number: str, store: int = STORE) -> int:
    line = {"sku": "ITEM-24", "name": "Gift set", "quantity": 1, "unitPrice": Decimal("9.90")}
    raw = {
        "orderNumber": number,
        "orderKey": number,
        "items": [line],
        "advancedOptions": {"storeId": store},
    }
    made = rig.world.shipstation.run({"action": "import", "orders": [raw]})
    order_id = int(made["orderIds"][0])
    rig.world.shipstation.run({"action": "label", "orderId": order_id})
    pass_by(rig, timedelta(minutes=1))
    return order_id


# Refusing


def test_a_first_installation_starts_at_once(rig: Rig) -> None:
    assert rig.run().report.posted == 3
    with rig.connection() as conn:
        assert conn.store.meta("cold_until") == ""


@pytest.mark.parametrize("lose", [delete, empty, cut, somebody_elses])
def test_the_next_run_refuses_and_names_rebuild(rig: Rig, lose: Callable[[Rig], None]) -> None:
    rig.run()
    sent = len(rig.world.log)
    lose(rig)

    for _ in range(2):
        with pytest.raises(StateBroken) as refused:
            rig.run()
        assert "rebuild" in str(refused.value)

    assert refused.value.exit_code is Exit.INTERNAL
    assert len(rig.world.log) == sent


def test_an_old_copy_is_refused_even_one_run_old(rig: Rig) -> None:
    rig.run()
    put_back = kept(rig)
    rig.run()
    put_back()

    with pytest.raises(StateBroken, match="old copy"):
        rig.run()


def test_a_witness_that_cannot_be_read_is_no_reason_to_go_on(rig: Rig) -> None:
    rig.run()
    file = next((rig.folder / "host").rglob("*.json"))
    file.write_text("{")

    with pytest.raises(StateBroken, match="witness"):
        rig.run()


# Rebuilding


@pytest.mark.parametrize("lose", [delete, empty, cut, somebody_elses])
@pytest.mark.parametrize("how_far", [1, 2])
def test_rebuild_adopts_what_stands_and_goes_on_after_the_cold_hold(
    tmp_path: Path, lose: Callable[[Rig], None], how_far: int
) -> None:
    """Lost after the drafts, or after the posting; one more order ships in the meantime."""
    rig = rig_in(tmp_path, 12)
    rig.run(PARTS[:how_far])
    before = landed(rig)
    lose(rig)
    ship(rig, "WEB-50001")

    summary = rebuild(rig)

    assert summary.errors == ()
    assert summary.report.adopted == before
    rig.run()
    assert landed(rig) == before
    assert booked(rig.world) == before
    pass_by(rig, SETTLE)
    rig.run()
    assert landed(rig) == booked(rig.world) == before + 1
    assert problems(rig.world, rig.config.state.path) == []
    assert rig.run().report.posted == 0
    with rig.connection() as conn:
        assert conn.store.holds.open() == []
        assert conn.store.units.count_by_state()["confirmed"] == before + 1


def test_rebuild_keeps_what_is_left_of_the_old_file(rig: Rig) -> None:
    rig.run()
    rebuild(rig)

    left = [path for path in rig.folder.glob("state.db.2*") if not path.name.endswith("-shm")]
    assert len(left) >= 1
    assert left[0].stat().st_size > 0
    with rig.connection() as conn:
        assert [run.command for run in conn.store.runs()] == ["look", "rebuild"]


def test_rebuild_finds_an_order_that_has_moved_to_another_store(tmp_path: Path) -> None:
    """The reference of an odd key depends on the store in which the order was first seen."""
    stores = {STORE: store_rule(), 80003: store_rule()}
    rig = rig_in(tmp_path, 1, stores=stores)
    rig.world.shipstation.load({"stores": [{"storeId": 80003, "storeName": "Second shop"}]})
    order_id = ship(rig, "odd key #1")
    rig.run()
    before = landed(rig)
    rig.world.shipstation.run({"action": "move_store", "orderId": order_id, "storeId": 80003})
    delete(rig)

    rebuild(rig)
    pass_by(rig, SETTLE)
    rig.run()

    assert landed(rig) == booked(rig.world) == before == 2


# At every crash point


class Killed(BaseException):
    """The process dies here."""


def dying(rig: Rig, at: int, when: str) -> Rig:
    """Return a rig whose process dies at its n-th call to Business Central."""
    seen = 0

    def before(vendor: str, request: Request) -> None:
        nonlocal seen
        seen += vendor == "bc"
        if vendor == "bc" and seen == at and when == "before":
            raise Killed

    def after(vendor: str, request: Request) -> None:
        if vendor == "bc" and seen == at and when == "after":
            raise Killed

    return replace(rig, before=before, after=after)


def calls_of(rig: Rig, act: Callable[[Rig], object]) -> int:
    before = len(rig.world.log.calls("bc"))
    act(rig)
    return len(rig.world.log.calls("bc")) - before


def judge(rig: Rig, told: str) -> None:
    rig.run()
    pass_by(rig, SETTLE)
    rig.run()
    pass_by(rig, timedelta(hours=21))
    rig.run()
    assert problems(rig.world, rig.config.state.path) == [], told
    assert booked(rig.world) == 3, told


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("lose", [delete, "old copy"])
def test_a_database_lost_at_any_call_of_a_run(
    tmp_path: Path, when: str, lose: Callable[[Rig], None] | str
) -> None:
    total = calls_of(rig_in(tmp_path / "clean"), Rig.run)
    assert total > 15
    for at in range(1, total + 1):
        rig = rig_in(tmp_path / f"{at}")
        rig.run(())
        put_back = kept(rig)
        with pytest.raises(Killed):
            dying(rig, at, when).run()
        if callable(lose):
            lose(rig)
        else:
            put_back()
        with pytest.raises(StateBroken):
            rig.run()
        rebuild(rig)
        judge(rig, f"lost {when} call {at}")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_rebuild_that_dies_at_any_call_is_demanded_again(tmp_path: Path, when: str) -> None:
    clean = rig_in(tmp_path / "clean")
    clean.run(PARTS[:1])
    total = calls_of(clean, rebuild)
    assert total > 3
    for at in range(1, total + 1):
        rig = rig_in(tmp_path / f"{at}")
        rig.run(PARTS[:1])
        delete(rig)
        with pytest.raises(Killed):
            rebuild(dying(rig, at, when))
        with pytest.raises(StateBroken, match=r"has not finished\..*--since 2026-"):
            rig.run()
        rebuild(rig)
        judge(rig, f"rebuild died {when} call {at}")


def test_a_rebuild_that_dies_before_its_first_call_leaves_no_first_installation(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is on the disk when the new file has begun, no run creates anything at once."""
    rig.run(PARTS[:1])
    delete(rig)

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(witness, "forget", die)
        with pytest.raises(Killed):
            rebuild(rig)
    with pytest.raises(StateBroken):
        rig.run()
    with monkeypatch.context() as patch:
        patch.setattr(app, "flow_rebuild", die)
        with pytest.raises(Killed):
            rebuild(rig)
    with pytest.raises(StateBroken):
        rig.run()

    rebuild(rig)
    rig.world.clock.advance(61)
    rebuilt = rig.run()
    with rig.connection() as conn:
        assert conn.store.meta("cold_until")
    assert rebuilt.report.created == 0
    judge(rig, "died before the first call")
