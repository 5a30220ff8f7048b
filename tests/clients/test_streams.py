"""Each row of a stream arrives, whatever the list does while it is read."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcss import wire
from bcss.errors import RetryLater, StopVendor
from bcss.shipstation.paging import MAX_BAD_RUN, ask_since, ask_until, page_after
from bcss.shipstation.records import Fulfillment, Order, Shipment
from bcss.shipstation.streams import (
    Batch,
    Poll,
    Unreadable,
    capture,
    read_fulfillments,
    read_orders,
    read_shipments,
    read_voids,
)
from tests.clients.shipstation_fake import Fake, pacific

SINCE = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def ids(poll: Poll) -> list[int]:
    return [identity(one.record) for batch in poll.batches for one in batch.captured]


def identity(record: Order | Shipment | Fulfillment) -> int:
    match record:
        case Order():
            return record.order_id
        case Shipment():
            return record.shipment_id
        case Fulfillment():
            return record.fulfillment_id


def spread(fake: Fake, count: int, *, step: float = 7.3) -> list[int]:
    for number in range(1, count + 1):
        fake.order(number, NOON + timedelta(seconds=step * number))
    return list(range(1, count + 1))


def all_of(fake: Fake) -> tuple[list[int], list[Unreadable], list[Batch]]:
    batches = list(read_orders(fake.client(), fake.clock, SINCE).batches)
    found = [identity(one.record) for batch in batches for one in batch.captured]
    return found, [one for batch in batches for one in batch.unreadable], batches


# Asking and ending --------------------------------------------------------------------------


def test_an_empty_stream_costs_one_request() -> None:
    fake = Fake()
    for read in (read_orders, read_shipments, read_fulfillments):
        assert ids(read(fake.client(), fake.clock, SINCE)) == []
    assert ids(read_voids(fake.client(), fake.clock, SINCE, NOON)) == []
    assert len(fake.log) == 4


def test_what_is_asked() -> None:
    fake = Fake()
    client = fake.client()
    list(read_orders(client, fake.clock, SINCE, status="awaiting_shipment"))
    list(read_shipments(client, fake.clock, SINCE))
    list(read_fulfillments(client, fake.clock, SINCE))
    list(read_voids(client, fake.clock, SINCE, NOON))
    paging = {"sortDir": "ASC", "page": "1", "pageSize": "500"}
    by_creation = {"createDateStart": "2026-11-19 22:00:00", "sortBy": "CreateDate"}
    assert fake.log == [
        {
            "": "/orders",
            "orderStatus": "awaiting_shipment",
            "modifyDateStart": "2026-11-19 22:00:00",
            "sortBy": "ModifyDate",
            **paging,
        },
        {"": "/shipments", **by_creation, **paging},
        {"": "/fulfillments", **by_creation, **paging},
        {
            "": "/shipments",
            "voidDateStart": "2026-11-19 22:00:00",
            "voidDateEnd": "2026-11-20 04:00:01",
            "sortBy": "CreateDate",
            **paging,
        },
    ]


def test_a_backlog_is_read_from_the_last_time_seen() -> None:
    fake = Fake()
    expected = spread(fake, 1200)
    found, unreadable, batches = all_of(fake)
    assert found == expected
    assert not unreadable
    assert [params["page"] for params in fake.log] == ["1", "1", "1"]
    assert [len(batch.captured) for batch in batches] == [500, 499, 201]
    asked = [params["modifyDateStart"] for params in fake.log]
    assert asked == sorted(set(asked))
    reached = [batch.reached for batch in batches]
    assert reached[-1] == NOON + timedelta(seconds=7.3 * 1200)
    assert reached == sorted(one for one in reached if one)


def test_a_row_on_the_page_edge_that_moves_hides_no_other() -> None:
    """Page numbers over this list lose one order per move (reliability.md §3.1)."""
    fake = Fake()
    spread(fake, 1500)
    moved = {2: 3, 3: 400, 4: 1499}

    def move(request: int) -> None:
        if request in moved:
            fake.touch(moved[request], NOON + timedelta(days=1))

    fake.before = move
    found, _, _ = all_of(fake)
    assert set(found) == set(range(1, 1501))
    assert sorted(number for number in found if found.count(number) > 1) == [3, 3, 400, 400]


def test_twelve_hundred_orders_of_one_second_all_arrive() -> None:
    fake = Fake()
    spread(fake, 30)
    for number in range(1001, 2201):
        fake.order(number, NOON + timedelta(hours=1))
    fake.order(3000, NOON + timedelta(hours=2))
    found, _, _ = all_of(fake)
    assert sorted(found) == [*range(1, 31), *range(1001, 2201), 3000]
    assert len(fake.log) == 3


def test_a_tie_that_loses_rows_while_it_is_read_loses_none_of_ours() -> None:
    fake = Fake()
    for number in range(1, 1201):
        fake.order(number, NOON)

    def move(request: int) -> None:
        if request == 2:
            for number in range(1, 41):
                fake.touch(number, NOON + timedelta(hours=1))

    fake.before = move
    found, _, _ = all_of(fake)
    assert set(found) == set(range(1, 1201))
    assert len(found) == 1240  # the moved ones came in both versions


def test_a_list_that_never_holds_still_is_given_up() -> None:
    fake = Fake()
    for number in range(1, 1201):
        fake.order(number, NOON)

    def move(request: int) -> None:
        for number in range(request * 20, request * 20 + 20):
            fake.touch(number, NOON + timedelta(hours=1))

    fake.before = move
    with pytest.raises(RetryLater, match="does not hold still"):
        all_of(fake)


def test_a_server_that_gives_shorter_pages_than_asked_is_read_to_the_end() -> None:
    fake = Fake(cap=100)
    expected = spread(fake, 350)
    assert all_of(fake)[0] == expected


def test_shorter_pages_and_one_time_together_are_read_to_the_end() -> None:
    fake = Fake(cap=100)
    for number in range(1, 351):
        fake.order(number, NOON)
    assert all_of(fake)[0] == list(range(1, 351))


def test_a_total_that_is_too_large_costs_one_request() -> None:
    fake = Fake(total=99)
    expected = spread(fake, 8)
    assert all_of(fake)[0] == expected
    assert len(fake.log) == 2


@pytest.mark.parametrize("total", [0, -1, "many", None, 10**30, True])
def test_a_total_that_makes_no_sense_is_no_matter(total: Any) -> None:
    fake = Fake()
    fake.order(1, NOON)
    row = fake.entries["orders"][0].row
    fake.answer = lambda _: httpx.Response(200, json={"orders": [row], "total": total})
    assert all_of(fake)[0] == [1]
    assert len(fake.log) == 1


def test_a_server_that_gives_one_page_for_ever_is_given_up() -> None:
    fake = Fake()
    rows = [{**order_row(number), "modifyDate": pacific(NOON)} for number in range(500)]
    fake.answer = lambda _: httpx.Response(200, json={"orders": rows, "total": 500})
    with pytest.raises(RetryLater):
        all_of(fake)
    assert len(fake.log) < 30


def order_row(number: int) -> dict[str, Any]:
    fake = Fake()
    fake.order(number + 1, NOON)
    row = fake.entries["orders"][0].row
    assert row is not None
    return row


def test_null_rows_are_counted() -> None:
    fake = Fake()
    spread(fake, 3)
    rows = [None, *(entry.row for entry in fake.entries["orders"]), None]
    fake.answer = lambda _: httpx.Response(200, json={"orders": rows, "total": 5})
    poll = read_orders(fake.client(), fake.clock, SINCE)
    assert ids(poll) == [1, 2, 3]
    assert poll.ignored == 2


def test_a_null_list_is_an_empty_one() -> None:
    fake = Fake(answer=lambda _: httpx.Response(200, json={"orders": None, "total": 0}))
    assert all_of(fake)[0] == []


@pytest.mark.parametrize(
    "body", [{"message": "ok"}, {"Orders": []}, {"orders": {}}, {"orders": 3}, [], "x", 1]
)
def test_another_shape_is_no_empty_list(body: Any) -> None:
    fake = Fake(answer=lambda _: httpx.Response(200, json=body))
    with pytest.raises(RetryLater):
        all_of(fake)
    assert len(fake.log) == 1


def test_a_list_out_of_order_is_refused() -> None:
    fake = Fake()
    rows = [order_row(1), {**order_row(2), "modifyDate": pacific(NOON - timedelta(seconds=2))}]
    fake.answer = lambda _: httpx.Response(200, json={"orders": rows, "total": 2})
    with pytest.raises(RetryLater, match="not in the order"):
        all_of(fake)


def test_rows_of_one_second_may_stand_in_any_order() -> None:
    fake = Fake()
    early = {**order_row(2), "modifyDate": pacific(NOON - timedelta(milliseconds=900))}
    fake.answer = lambda _: httpx.Response(200, json={"orders": [order_row(1), early], "total": 2})
    assert all_of(fake)[0] == [2, 3]


# Times ------------------------------------------------------------------------------------------


def test_started_is_our_instant_when_the_clocks_agree() -> None:
    fake = Fake()
    fake.clock.passed = 0.75
    before = fake.clock.now()
    assert read_orders(fake.client(), fake.clock, SINCE).started == before


@pytest.mark.parametrize("skew", [-300.0, 300.0, 4000.0])
def test_started_is_the_vendors_time_when_they_do_not(skew: float) -> None:
    fake = Fake(skew=skew)

    def wait(_: int) -> None:
        fake.clock.passed += 3

    fake.before = wait
    first = fake.clock.now() + timedelta(seconds=skew)
    started = read_orders(fake.client(), fake.clock, SINCE).started
    assert first - timedelta(seconds=3) <= started <= first


def test_started_is_our_instant_when_the_vendor_names_none() -> None:
    fake = Fake(answer=lambda _: httpx.Response(200, json={"orders": [], "total": 0}))
    assert read_orders(fake.client(), fake.clock, SINCE).started == fake.clock.now()


# Pacific time fell back on 2026-11-01 at 09:00 UTC: 01:00 to 01:59 stood twice on the clock.
FALL_BACK = datetime(2026, 11, 1, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (FALL_BACK - timedelta(hours=1, seconds=1), "2026-11-01 00:59:59"),
        (FALL_BACK - timedelta(hours=1), "2026-11-01 00:59:59"),
        (FALL_BACK - timedelta(minutes=1), "2026-11-01 00:59:59"),
        (FALL_BACK, "2026-11-01 00:59:59"),
        (FALL_BACK + timedelta(minutes=59, seconds=59), "2026-11-01 00:59:59"),
        (FALL_BACK + timedelta(hours=1), "2026-11-01 02:00:00"),
        (datetime(2026, 3, 8, 10, 0, 0, 999999, tzinfo=UTC), "2026-03-08 03:00:00"),
        (datetime(2026, 7, 1, 0, 0, tzinfo=UTC), "2026-06-30 17:00:00"),
    ],
)
def test_a_lower_bound_is_never_too_late(instant: datetime, text: str) -> None:
    ask = ask_since(instant)
    assert ask.text == text
    assert ask.instant <= instant


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (FALL_BACK - timedelta(hours=1, seconds=2), "2026-11-01 00:59:59"),
        (FALL_BACK - timedelta(hours=1), "2026-11-01 02:00:00"),
        (FALL_BACK + timedelta(minutes=30), "2026-11-01 02:00:00"),
        (datetime(2026, 7, 1, 0, 0, 0, 1, tzinfo=UTC), "2026-06-30 17:00:01"),
    ],
)
def test_an_upper_bound_is_never_too_early(instant: datetime, text: str) -> None:
    assert ask_until(instant).text == text
    assert ask_until(instant).instant >= instant


@pytest.mark.parametrize("reading", ["text", "first", "second"])
@pytest.mark.parametrize("offset", [-7200, -3601, -1800, 0, 1800, 3599, 3600])
def test_the_night_that_repeats_an_hour_loses_nothing(reading: str, offset: int) -> None:
    """Whatever a server takes an ambiguous text for, and wherever the poll begins."""
    fake = Fake(reading=reading)
    for number in range(1, 1601):
        fake.order(number, FALL_BACK + timedelta(seconds=9 * number - 7200))
    since = FALL_BACK + timedelta(seconds=offset)
    found = ids(read_orders(fake.client(), fake.clock, since))
    expected = {number for number in range(1, 1601) if 9 * number - 7200 >= offset}
    assert expected <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("reading", ["text", "first", "second"])
def test_voids_of_the_night_that_repeats_an_hour(reading: str) -> None:
    fake = Fake(reading=reading)
    for number in range(1, 200):
        voided = FALL_BACK + timedelta(minutes=number - 100)
        fake.shipment(number, NOON, voided=voided)
    since, until = FALL_BACK - timedelta(minutes=5), FALL_BACK + timedelta(minutes=10)
    found = ids(read_voids(fake.client(), fake.clock, since, until))
    assert set(range(95, 111)) <= set(found)


# Records that cannot be read or shown ---------------------------------------------------------


def test_an_unreadable_row_is_named_and_the_others_arrive() -> None:
    fake = Fake()
    spread(fake, 3)
    fake.entries["orders"][1].row = {**order_row(41), "orderTotal": "a lot"} | {
        "modifyDate": fake.entries["orders"][1].row["modifyDate"]  # type: ignore[index]
    }
    found, unreadable, _ = all_of(fake)
    assert found == [1, 3]
    (bad,) = unreadable
    assert (bad.stream, bad.identity, bad.field) == ("orders", "42", "orderTotal")
    assert bad.raw["orderNumber"] == "N42"
    before, after = bad.neighbours.split("|")
    assert before.startswith("1@2026-11-20T04:00:07.3")
    assert after.startswith("3@")


@pytest.mark.parametrize("row", ["text", 5, [], {}, {"orderId": None}, {"modifyDate": "soon"}])
def test_a_row_without_id_or_time_is_unreadable_once(row: Any) -> None:
    fake = Fake()
    rows = [order_row(1), row, row, order_row(3)]
    fake.answer = lambda _: httpx.Response(200, json={"orders": rows, "total": 4})
    found, unreadable, _ = all_of(fake)
    assert found == [2, 4]
    assert [one.raw for one in unreadable] == [row, row]
    assert all(one.problem and not one.identity and one.neighbours for one in unreadable)


@pytest.mark.parametrize("bad", [1, 2, 3, 137, 250, 499, 500, 501, 900, 1100])
def test_a_page_that_answers_500_is_narrowed_down(bad: int) -> None:
    fake = Fake(poison={bad})
    spread(fake, 1100)
    found, unreadable, _ = all_of(fake)
    assert sorted(found) == [number for number in range(1, 1101) if number != bad]
    assert len(found) == len(set(found))
    (one,) = unreadable
    assert (one.stream, one.identity, one.field, one.raw) == ("orders", "", "page", None)
    before, after = one.neighbours.split("|")
    assert before.split("@")[0] == (str(bad - 1) if bad > 1 else "")
    assert after.split("@")[0] == (str(bad + 1) if bad < 1100 else "")
    assert "StackTrace" not in one.problem
    assert len(fake.log) < 70


def test_a_bad_record_has_the_same_key_wherever_the_poll_begins() -> None:
    """The second poll begins between the row before the bad one and the bad one."""
    fake = Fake(poison={20})
    spread(fake, 40)
    keys = set()
    for seconds in (0, 100, 19 * 7.3 + 2, 20 * 7.3 - 1):
        poll = read_orders(fake.client(), fake.clock, NOON + timedelta(seconds=seconds))
        keys |= {one.neighbours for batch in poll.batches for one in batch.unreadable}
    assert len(keys) == 1
    assert [part.split("@")[0] for part in keys.pop().split("|")] == ["19", "21"]


def test_bad_records_side_by_side_are_told_apart() -> None:
    fake = Fake(poison={20, 21, 22})
    spread(fake, 40)
    found, unreadable, _ = all_of(fake)
    assert found == [number for number in range(1, 41) if number not in fake.poison]
    assert len({one.neighbours for one in unreadable}) == 3


def test_a_bad_record_within_a_tie() -> None:
    fake = Fake(poison={777})
    for number in range(1, 1201):
        fake.order(number, NOON)
    found, unreadable, _ = all_of(fake)
    assert sorted(found) == [number for number in range(1, 1201) if number != 777]
    assert len(unreadable) == 1


def test_a_bad_record_in_a_dense_list_is_met_once() -> None:
    """Asking again from less than a second after it would meet it again."""
    fake = Fake(poison={30})
    for number in range(1, 200):
        fake.order(number, NOON + timedelta(milliseconds=50 * number))
    found, unreadable, _ = all_of(fake)
    assert found == [number for number in range(1, 200) if number != 30]
    assert len(unreadable) == 1


def test_rows_that_move_behind_a_bad_record() -> None:
    fake = Fake(poison={600})
    for number in range(1, 1201):
        fake.order(number, NOON)
    found: list[int] = []
    bad = 0
    for batch in read_orders(fake.client(), fake.clock, SINCE):
        found += [identity(one.record) for one in batch.captured]
        bad += len(batch.unreadable)
        if bad and 700 < len(found) < 1100:
            for number in range(605, 655):
                fake.touch(number, NOON + timedelta(hours=1))
    assert set(found) == set(range(1, 1201)) - {600}
    assert bad == 1


def test_a_record_that_fails_now_and_then_is_given_up() -> None:
    """It fails whenever it is about to be delivered, and answers whenever it is checked."""
    fake = Fake()
    spread(fake, 20)
    asked = {"10": 0}

    def flicker(request: int) -> httpx.Response | None:
        params = fake.log[request - 1]
        if params["pageSize"] != "1":
            return httpx.Response(500, json={})
        if params["page"] != "10":
            return None
        asked["10"] += 1
        return None if asked["10"] % 3 == 0 else httpx.Response(500, json={})

    fake.answer = flicker
    with pytest.raises(RetryLater, match="hold still"):
        all_of(fake)
    assert len(fake.log) < 150


def test_a_bad_record_among_shipments_and_voids() -> None:
    fake = Fake(poison={30})
    for number in range(1, 61):
        at = NOON + timedelta(minutes=number)
        fake.shipment(number, at, voided=at + timedelta(hours=1))
    rest = [number for number in range(1, 61) if number != 30]
    assert ids(read_shipments(fake.client(), fake.clock, SINCE)) == rest
    until = NOON + timedelta(days=1)
    poll = read_voids(fake.client(), fake.clock, SINCE, until)
    batches = list(poll.batches)
    assert [identity(one.record) for batch in batches for one in batch.captured] == rest
    assert [one.stream for batch in batches for one in batch.unreadable] == ["voids"]
    assert all(batch.reached is None for batch in batches)


def test_an_outage_is_no_bad_record() -> None:
    fake = Fake(answer=lambda _: httpx.Response(500, json={"message": "down"}))
    with pytest.raises(RetryLater) as caught:
        all_of(fake)
    assert caught.value.status == 500
    assert len(fake.log) <= 2 * (MAX_BAD_RUN + 3)


@pytest.mark.parametrize("start", range(1, 12))
def test_an_outage_while_narrowing_holds_no_good_record(start: int) -> None:
    """Ten requests fail; then the service is back, and nothing was passed over."""
    fake = Fake()
    expected = spread(fake, 60)

    def down(request: int) -> httpx.Response | None:
        return httpx.Response(500, json={}) if start <= request < start + 10 else None

    fake.answer = down
    try:
        found, unreadable, _ = all_of(fake)
    except RetryLater:
        return
    assert found == expected
    assert not unreadable


def test_a_bad_record_that_recovers_is_delivered() -> None:
    fake = Fake(poison={20})
    expected = spread(fake, 40)

    def recover(request: int) -> None:
        if request == 9:
            fake.poison.clear()

    fake.before = recover
    found, unreadable, _ = all_of(fake)
    assert found == expected
    assert not unreadable


def test_broken_json_is_narrowed_down_too() -> None:
    fake = Fake()
    spread(fake, 30)

    def broken(request: int) -> httpx.Response | None:
        params = fake.log[request - 1]
        size, page = int(params["pageSize"]), int(params["page"])
        first = fake.entries["orders"][0].row
        if size == 1 or page > 1 or first is None:
            return None
        if params["modifyDateStart"] > pacific(NOON).replace("T", " "):
            return None
        return httpx.Response(
            200, text='{"orders": [{"orderId": ', headers={"content-type": "application/json"}
        )

    fake.answer = broken
    assert all_of(fake)[0] == list(range(1, 31))


def test_throttling_is_never_taken_for_a_bad_record() -> None:
    fake = Fake()
    throttled = {"message": "Too Many Requests"}
    fake.answer = lambda _: httpx.Response(500, json=throttled, headers={"x-rate-limit-reset": "9"})
    with pytest.raises(RetryLater) as caught:
        all_of(fake)
    assert caught.value.code == "throttled"
    assert {params["pageSize"] for params in fake.log} == {"500"}


def test_throttling_is_waited_out() -> None:
    fake = Fake()
    expected = spread(fake, 3)
    throttled = {"message": "Too Many Requests"}
    fake.answer = lambda n: httpx.Response(200, json=throttled) if n == 1 else None
    assert all_of(fake)[0] == expected


@pytest.mark.parametrize("status", [401, 402, 403])
def test_a_refused_key_stops_the_poll(status: int) -> None:
    fake = Fake(answer=lambda _: httpx.Response(status, json={"message": "no"}))
    with pytest.raises(StopVendor):
        all_of(fake)
    assert {params["pageSize"] for params in fake.log} == {"500"}


def test_a_poll_that_breaks_off_has_delivered_what_came_before() -> None:
    fake = Fake()
    spread(fake, 900)
    fake.answer = lambda n: httpx.Response(503) if n > 1 else None
    poll = read_orders(fake.client(), fake.clock, SINCE)
    first = next(poll.batches)
    assert len(first.captured) == 500
    assert first.reached == NOON + timedelta(seconds=7.3 * 500)
    with pytest.raises(RetryLater):
        next(poll.batches)


# Voids ------------------------------------------------------------------------------------------


def test_voids_are_read_again_when_one_comes_in_between() -> None:
    fake = Fake()
    for number in range(2, 1002):
        fake.shipment(number, NOON + timedelta(seconds=number), voided=NOON)

    def void(request: int) -> None:
        if request == 2:
            fake.shipment(1, NOON, voided=NOON)

    fake.before = void
    found = ids(read_voids(fake.client(), fake.clock, SINCE, NOON + timedelta(hours=1)))
    assert sorted(found) == list(range(1, 1002))
    assert len(found) == len(set(found))


def test_voids_that_never_hold_still_are_given_up() -> None:
    fake = Fake()
    for number in range(1, 1002):
        fake.shipment(number, NOON + timedelta(seconds=number), voided=NOON)
    fake.before = lambda n: fake.shipment(5000 + n, NOON, voided=NOON)
    with pytest.raises(RetryLater, match="hold still"):
        ids(read_voids(fake.client(), fake.clock, SINCE, NOON + timedelta(hours=1)))


# Rows from elsewhere, and properties ------------------------------------------------------------


def test_rows_asked_for_in_another_way() -> None:
    rows = wire.parse(json.dumps([order_row(1), None, {"orderId": 5}, order_row(2)]))
    batch = capture("orders", rows)
    assert [identity(one.record) for one in batch.captured] == [2, 3]
    assert [one.identity for one in batch.unreadable] == ["5"]
    assert batch.reached is None


@given(
    behind=st.integers(0, 3000),
    low=st.integers(0, 3000),
    size=st.sampled_from([500, 125, 25, 5, 1]),
)
@settings(max_examples=150, deadline=None)
def test_the_next_page_begins_where_it_must(behind: int, low: int, size: int) -> None:
    low = min(low, behind)
    number, rows = page_after(behind, low, size)
    first = (number - 1) * rows
    assert 1 <= rows <= size
    assert low <= first <= behind < first + rows


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_order_that_stays_arrives_once(data: st.DataObject) -> None:
    """Ties, gaps, bad records and moves in any mix; then the walk ends and has it all."""
    steps = data.draw(st.lists(st.sampled_from([0.0, 0.0, 0.3, 1.0, 40.0]), max_size=60))
    fake = Fake()
    at, repeat = NOON, data.draw(st.sampled_from([1, 7, 40]))
    number = 0
    for step in steps:
        at += timedelta(seconds=step)
        for _ in range(repeat):
            number += 1
            fake.order(number, at)
    everything = list(range(1, number + 1))
    bad = data.draw(st.sets(st.sampled_from(everything), max_size=2)) if everything else set()
    fake.poison = bad
    moves = data.draw(st.dictionaries(st.integers(2, 8), st.integers(1, 2500), max_size=3))
    moved = {order for order in moves.values() if order <= number and order not in bad}

    def move(request: int) -> None:
        if moves.get(request) in moved:
            fake.touch(moves[request], NOON + timedelta(days=1, seconds=request))

    if not bad:  # moves beside a bad record are left to the overlap of polls
        fake.before = move
    found, unreadable, _ = all_of(fake)
    assert set(found) == set(everything) - bad
    assert len(unreadable) == len(bad)
    stays = [order for order in found if order not in moved]
    assert len(stays) == len(set(stays))
