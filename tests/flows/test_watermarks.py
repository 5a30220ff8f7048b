"""What the streams may miss, and what finds it: ties, late rows, churn, autumn, odd clocks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcss import app
from bcss.clock import iso
from bcss.flows.capture import capture
from bcss.sandbox.kit import Request
from bcss.sandbox.shipstation.times import Autumn
from bcss.sandbox.world import World
from tests.checker import problems
from tests.rig import PARTS, STORE, Rig, VirtualClock, config_for

START = date(2026, 3, 1)
NOON = datetime(2026, 3, 4, 20, tzinfo=UTC)
CAPTURE: Sequence[app.Part] = (("capture", lambda conn: void(capture(conn))),)
BOOK = PARTS[:2]


def void(_: object) -> None:
    """Drop what a function returns."""


def rig_at(folder: Path, instant: datetime, *, start: date = START) -> Rig:
    world = World()
    world.clock.freeze()
    world.clock.set(instant)
    world.shipstation.load({"rate_limit": {"limit": 0}})
    return Rig(world, config_for(folder, start=start), folder)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return rig_at(tmp_path, NOON)


def orders(rig: Rig, count: int, *, first: int = 0) -> list[int]:
    """Import orders of one line each, all at this moment."""
    line = {"sku": "ITEM-24", "name": "Gift set", "quantity": 1, "unitPrice": Decimal("9.90")}
    raw = [
        {
            "orderNumber": f"WEB-{first + n:06}",
            "orderKey": f"WEB-{first + n:06}",
            "items": [line],
            "advancedOptions": {"storeId": STORE},
        }
        for n in range(count)
    ]
    answer = rig.world.shipstation.run({"action": "import", "orders": raw})
    return [int(one) for one in answer["orderIds"]]


def shipped(rig: Rig, count: int, *, first: int = 0) -> list[int]:
    ids = orders(rig, count, first=first)
    rig.world.shipstation.run({"action": "label_batch", "orderIds": ids})
    return ids


def wait(rig: Rig, **time: float) -> None:
    rig.world.clock.advance(timedelta(**time).total_seconds())
    rig.world.settle()


def captured(rig: Rig) -> dict[int, str]:
    """Return the captured orders with their status."""
    with rig.connection() as conn:
        rows = conn.store.connection.execute("SELECT order_id, status FROM ss_order").fetchall()
    return {row[0]: row[1] for row in rows}


def mark(rig: Rig, stream: str = "orders") -> Any:
    with rig.connection() as conn:
        return conn.store.orders.watermark(stream)


def rescued(rig: Rig) -> str:
    with rig.connection() as conn:
        return conn.store.meta("sweep_rescue")


def touched_during(rig: Rig, ids: Sequence[int], *, each: int, limit: int) -> Rig:
    """Have some orders touched after each page of orders, so that they move to the end."""
    left = list(ids)
    pages = 0

    def churn(vendor: str, request: Request) -> None:
        nonlocal pages
        if vendor != "shipstation" or "modifyDateStart" not in request.query or pages >= limit:
            return
        pages += 1
        rig.world.clock.advance(1)
        for order_id in left[:each]:
            rig.world.shipstation.run({"action": "touch", "orderId": order_id})
        del left[:each]

    return replace(rig, after=churn)


# Ties and churn


def test_1200_rows_of_one_second_are_all_seen(rig: Rig) -> None:
    ids = shipped(rig, 1200)
    wait(rig, minutes=5)

    summary = rig.run(CAPTURE)

    assert summary.errors == ()
    assert captured(rig) == dict.fromkeys(ids, "shipped")
    assert summary.requests["shipstation"] <= 20


def test_a_tie_is_seen_again_after_the_watermark_stands_at_it(rig: Rig) -> None:
    first = shipped(rig, 700)
    rig.run(CAPTURE)
    second = shipped(rig, 700, first=700)
    wait(rig, minutes=5)

    rig.run(CAPTURE)

    assert captured(rig) == dict.fromkeys([*first, *second], "shipped")


def test_rows_that_move_while_pages_are_read_are_all_seen(rig: Rig) -> None:
    ids = []
    for n in range(30):
        ids += orders(rig, 50, first=50 * n)
        wait(rig, seconds=40)
    rig.run(CAPTURE)
    for n in range(0, len(ids), 50):
        rig.world.shipstation.run({"action": "label_batch", "orderIds": ids[n : n + 50]})
        wait(rig, seconds=40)
    wait(rig, hours=5)

    summary = touched_during(rig, ids, each=60, limit=8).run(CAPTURE)

    assert summary.errors == ()
    assert captured(rig) == dict.fromkeys(ids, "shipped")


# Rows that become visible late


@pytest.mark.parametrize(
    ("lag", "missed"),
    [
        (timedelta(minutes=1), 0),
        (timedelta(minutes=90), 0),
        (timedelta(hours=2) - timedelta(seconds=1), 0),
        (timedelta(hours=2, minutes=10), 3),
        (timedelta(hours=7), 3),
    ],
)
def test_the_sweep_counts_what_became_visible_after_the_overlap(
    rig: Rig, lag: timedelta, missed: int
) -> None:
    """Polls go on every five minutes, and three changes show much later than they were made."""
    ids = orders(rig, 5)
    rig.run(CAPTURE)
    wait(rig, hours=1)
    rig.world.shipstation.load({"switches": {"late": lag.total_seconds()}})
    for order_id in ids[:3]:
        rig.world.shipstation.run({"action": "touch", "orderId": order_id})
    changed = rig.world.clock.now()
    while rig.world.clock.now() <= changed + lag:
        rig.run(CAPTURE)
        wait(rig, minutes=5)
    rig.run(CAPTURE)
    wait(rig, hours=21)

    summary = rig.run(PARTS)

    assert summary.errors == ()
    assert rescued(rig) == str(missed)
    told = [note for note in summary.report.notes if "streams missed" in note]
    assert len(told) == bool(missed)


def test_an_order_that_the_streams_missed_is_booked_by_the_sweep(rig: Rig) -> None:
    order_id = orders(rig, 1)[0]
    rig.run(BOOK)
    wait(rig, hours=1)
    rig.world.shipstation.load({"switches": {"late": 7 * 3600.0}})
    rig.world.shipstation.run({"action": "label", "orderId": order_id})
    for _ in range(8):
        wait(rig, hours=1)
        rig.run(BOOK)
    wait(rig, hours=14)
    assert rig.invoices() == []

    rig.run(PARTS)
    rig.run(BOOK)

    assert int(rescued(rig)) > 0
    assert problems(rig.world, rig.config.state.path) == []
    assert [row["posted"] for row in rig.invoices()] == [True]


# The watermark itself


def test_the_watermark_never_passes_the_start_of_the_poll(rig: Rig) -> None:
    shipped(rig, 3)
    begun: list[datetime] = []

    def slow(vendor: str, request: Request) -> None:
        begun.append(rig.world.clock.now())
        wait(rig, seconds=30)

    replace(rig, before=slow).run(CAPTURE)

    assert mark(rig).reached <= begun[0]
    for stream in ("shipments", "voids", "fulfillments"):
        assert mark(rig, stream).reached <= begun[-1]


def test_the_watermark_stays_where_a_poll_broke_off(rig: Rig) -> None:
    orders(rig, 3)
    rig.run(CAPTURE)
    before = mark(rig)
    wait(rig, hours=3)
    shipped(rig, 3, first=3)
    rig.world.faults.add({"vendor": "shipstation", "do": "reject", "status": 503, "times": 0})

    broken = rig.run(CAPTURE)

    assert broken.errors
    assert mark(rig) == before
    rig.world.faults.clear()
    rig.run(CAPTURE)
    assert len(captured(rig)) == 6


def test_what_was_read_before_the_break_counts(rig: Rig) -> None:
    """A poll of many pages that breaks in the middle goes on where its rows end."""
    ids = []
    for n in range(12):
        ids += orders(rig, 100, first=100 * n)
        wait(rig, minutes=30)
    rig.world.faults.add(
        {"vendor": "shipstation", "path": "/orders", "nth": 2, "do": "reject", "status": 400}
    )

    broken = rig.run(CAPTURE)
    seen = captured(rig)
    rig.world.faults.clear()
    rig.run(CAPTURE)

    assert broken.errors
    assert 0 < len(seen) < len(ids)
    assert set(captured(rig)) == set(ids)


# Clocks and calendars

FALL_BACK = datetime(2026, 11, 1, 8, tzinfo=UTC)  # 01:00 PDT; PST begins one hour later


@pytest.mark.parametrize("reading", ["first", "second", "text"])
@pytest.mark.parametrize("late", [False, True])
def test_orders_of_both_halves_of_the_autumn_hour_are_booked(
    tmp_path: Path, reading: Autumn, late: bool
) -> None:
    """01:30 comes twice; a poll every quarter of an hour, or a single one hours later."""
    rig = rig_at(tmp_path, FALL_BACK - timedelta(hours=3), start=date(2026, 10, 30))
    rig.world.shipstation.load({"switches": {"autumn": reading}})
    rig.run(BOOK)
    for n in range(24):
        shipped(rig, 1, first=n)
        wait(rig, minutes=15)
        if not late:
            rig.run(BOOK)
    wait(rig, hours=3)

    for _ in range(2):
        rig.run(BOOK)

    assert problems(rig.world, rig.config.state.path) == []
    assert sum(row["posted"] for row in rig.invoices()) == 24
    wait(rig, hours=21)
    rig.run(PARTS)
    assert rescued(rig) == "0"


def test_an_edit_in_the_second_half_of_the_autumn_hour_is_seen(tmp_path: Path) -> None:
    """Its text is earlier than that of the version before it, which is no older page therefore."""
    rig = rig_at(tmp_path, datetime(2026, 11, 1, 8, 20, tzinfo=UTC), start=date(2026, 10, 20))
    (order,) = orders(rig, 1)
    rig.world.clock.set(datetime(2026, 11, 1, 8, 40, tzinfo=UTC))  # 01:40 in summer time
    rig.world.shipstation.run({"action": "touch", "orderId": order})
    rig.run(BOOK)
    rig.world.clock.set(datetime(2026, 11, 1, 9, 10, tzinfo=UTC))  # 01:10 in winter time
    rig.world.shipstation.run({"action": "label", "orderId": order})

    rig.run(BOOK)
    wait(rig, hours=2)
    rig.run(BOOK)

    assert captured(rig) == {order: "shipped"}
    assert problems(rig.world, rig.config.state.path) == []


def test_orders_around_the_hour_that_spring_leaves_out_are_booked(tmp_path: Path) -> None:
    rig = rig_at(tmp_path, datetime(2026, 3, 8, 9, tzinfo=UTC), start=date(2026, 3, 6))
    for n in range(8):
        shipped(rig, 1, first=n)
        wait(rig, minutes=15)
        rig.run(BOOK)
    wait(rig, hours=1)
    rig.run(BOOK)

    assert problems(rig.world, rig.config.state.path) == []
    assert sum(row["posted"] for row in rig.invoices()) == 8


@dataclass(slots=True)
class SkewedClock:
    """A host whose wall clock is wrong; its monotonic one is right."""

    honest: VirtualClock
    off: timedelta

    def now(self) -> datetime:
        return self.honest.now() + self.off

    def monotonic(self) -> float:
        return self.honest.monotonic()

    def sleep(self, seconds: float) -> None:
        self.honest.sleep(seconds)


def run_with(rig: Rig, off: timedelta, parts: Sequence[app.Part] = BOOK) -> app.Summary:
    around = rig.around
    around.clock = SkewedClock(VirtualClock(rig.world), off)
    return app.run(rig.config, "test", parts, app.Options(), around)


@pytest.mark.parametrize("off", [timedelta(days=1), timedelta(days=-1), timedelta(hours=-2)])
def test_a_clock_that_jumps_loses_no_order(rig: Rig, off: timedelta) -> None:
    """The watermark follows ShipStation's clock, not the host's."""
    skews = [timedelta(0), off, timedelta(0), off, timedelta(0)]
    for n, skew in enumerate(skews):
        shipped(rig, 2, first=2 * n)
        wait(rig, minutes=1)
        summary = run_with(rig, skew)
        assert mark(rig).reached <= rig.world.clock.now(), iso(mark(rig).reached)
        assert summary.errors == ()
        wait(rig, minutes=10)
    wait(rig, hours=3)
    rig.run(BOOK)

    assert problems(rig.world, rig.config.state.path) == []
    assert sum(row["posted"] for row in rig.invoices()) == 10


def test_a_week_without_a_run_is_caught_up(rig: Rig) -> None:
    """Every webhook of a week is lost, and so is every cron run."""
    shipped(rig, 2)
    wait(rig, minutes=1)
    rig.run(BOOK)
    for n in range(14):
        shipped(rig, 3, first=2 + 3 * n)
        wait(rig, hours=12)

    summary = rig.run(BOOK)

    assert summary.errors == ()
    assert problems(rig.world, rig.config.state.path) == []
    assert sum(row["posted"] for row in rig.invoices()) == 44
