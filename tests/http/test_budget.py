"""One quota for all processes: never overdrawn, corrected by the vendor, fair to a small run."""

import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcss.errors import FixConfig, RetryLater
from bcss.http import ApiSession
from bcss.store.budget import Budget, hash_key
from tests.http.rig import Server, StillClock, answer

Open = Callable[..., Budget]


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def budget(tmp_path: Path, clock: StillClock) -> Iterator[Open]:
    opened: list[Budget] = []

    def begin(key: str = "a", limit: int = 40) -> Budget:
        opened.append(Budget(tmp_path / "budget.db", hash_key(key), limit, 60.0, clock))
        return opened[-1]

    yield begin
    for one in opened:
        one.close()


def take(budget: Budget, klass: str = "batch") -> int:
    """Take requests until one would have to wait."""
    count = 0
    while budget.acquire(klass) == 0:
        count += 1
    return count


def test_a_small_run_never_waits(budget: Open) -> None:
    one = budget()
    assert [one.acquire("batch") for _ in range(10)] == [0.0] * 10


@pytest.mark.parametrize(("klass", "most"), [("batch", 30), ("listener", 36), ("operator", 40)])
def test_each_class_leaves_something_to_those_before_it(
    budget: Open, klass: str, most: int
) -> None:
    assert take(budget(), klass) == most


def test_what_a_batch_leaves_is_there_for_the_others(budget: Open) -> None:
    one = budget()
    assert [take(one, klass) for klass in ("batch", "listener", "operator")] == [30, 6, 4]


def test_the_end_of_a_window_belongs_to_everybody(budget: Open, clock: StillClock) -> None:
    one = budget()
    take(one)
    clock.sleep(one.acquire("batch"))
    assert clock.passed == pytest.approx(51.0)
    assert take(one) == 10
    clock.sleep(one.acquire("batch"))
    assert clock.passed == pytest.approx(61.0)
    assert take(one) == 30


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_a_small_quota_can_be_used_too(budget: Open, limit: int) -> None:
    one = budget(limit=limit)
    assert take(one) >= max(1, limit - 1)


def test_all_who_use_a_key_share_it(budget: Open) -> None:
    first, second, other = budget("a"), budget("a"), budget("b")
    assert take(first, "operator") == 40
    assert second.acquire("operator") > 0
    assert other.acquire("batch") == 0
    assert "key" not in hash_key("key")


def test_the_vendor_counts_what_other_tools_took(budget: Open, clock: StillClock) -> None:
    one = budget()
    one.acquire("batch")
    one.feed({"x-rate-limit-remaining": "12", "x-rate-limit-reset": "20"})
    assert take(one) == 2
    assert one.acquire("batch") == pytest.approx(11.0)
    one.feed({"x-rate-limit-remaining": "39"})
    assert one.quota().remaining == 10
    clock.sleep(21.1)
    assert take(one) == 30


@pytest.mark.parametrize("text", ["", "-3", "x", "1e9", "4_0", "٣", "9" * 30])
def test_a_strange_header_changes_nothing(budget: Open, text: str) -> None:
    one = budget()
    one.feed({"x-rate-limit-remaining": text, "x-rate-limit-reset": text})
    assert take(one) == 30


def test_a_block_stops_all_who_share_the_key_and_is_bounded(
    budget: Open, clock: StillClock
) -> None:
    first, second = budget(), budget()
    first.blocked(25)
    assert second.acquire("operator") == pytest.approx(25)
    first.blocked(5)
    assert second.acquire("operator") == pytest.approx(25)
    clock.sleep(25.1)
    assert take(second) == 30
    first.blocked(100_000)
    assert second.acquire("operator") == pytest.approx(900)


def test_a_clock_that_is_set_back_does_not_block(budget: Open, clock: StillClock) -> None:
    one = budget()
    one.blocked(800)
    take(one)
    clock.passed -= 86_400
    assert one.acquire("batch") == 0


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["operator", "listener", "batch"]), st.floats(min_value=0, max_value=9)
        ),
        min_size=50,
        max_size=200,
    )
)
def test_no_window_is_ever_overdrawn(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[str, float]]
) -> None:
    clock = StillClock()
    path = tmp_path_factory.mktemp("budget") / "b.db"
    one = Budget(path, "k", 7, 60.0, clock)
    window, used = -1e9, 0
    for klass, pause in calls:
        clock.sleep(pause)
        if one.acquire(klass) > 0:
            continue
        if clock.passed >= window + 60:
            window, used = clock.passed, 0
        used += 1
        assert used <= 7
    one.close()


def _take_all(path: Path, results: "multiprocessing.SimpleQueue[int]") -> None:
    budget = Budget(path, "k", 40, 60.0, StillClock())
    results.put(take(budget, "operator"))


def test_three_processes_get_one_quota_between_them(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    path = tmp_path / "b.db"
    workers = [context.Process(target=_take_all, args=(path, results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    taken = sum(results.get() for _ in workers)
    for worker in workers:
        worker.join()
    assert taken == 40


def test_a_session_waits_its_turn(budget: Open, clock: StillClock) -> None:
    server = Server(answer(200, {}, {"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "12"}))
    session = ApiSession(
        vendor="shipstation",
        base_url=server.url,
        clock=clock,
        authorize=lambda _: {},
        budget=budget(),
    )
    session.get("/a")
    assert clock.sleeps == []
    session.get("/b")
    assert 13 <= clock.passed < 14
    session.run_ends = clock.passed + 5
    with pytest.raises(RetryLater) as caught:
        session.send("POST", "/c")
    assert caught.value.retry_after is not None
    assert len(server.seen) == 2
    session.close()
    server.close()


def test_a_429_blocks_the_other_processes(budget: Open, clock: StillClock) -> None:
    server = Server(answer(429, None, {"Retry-After": "300"}))
    session = ApiSession(
        vendor="shipstation",
        base_url=server.url,
        clock=clock,
        authorize=lambda _: {},
        budget=budget(),
    )
    with pytest.raises(RetryLater):
        session.get("/a")
    assert budget().acquire("operator") == pytest.approx(300)
    session.close()
    server.close()


def test_a_store_belongs_to_one_connection(budget: Open, clock: StillClock) -> None:
    one = budget()
    one.claim_store("us", 80001)
    one.claim_store("us", 80001)
    one.claim_store("eu", 80002)
    with pytest.raises(FixConfig, match="80001") as caught:
        one.claim_store("eu", 80001)
    assert "'us'" in str(caught.value)
    one.claim_store("eu", 80001, "another account")
    assert [(c.connection, c.store_id) for c in one.claims() if c.key_hash == one.key_hash] == [
        ("us", 80001),
        ("eu", 80002),
    ]


def test_a_store_that_moved_is_free_after_the_next_run(budget: Open, clock: StillClock) -> None:
    one = budget()
    one.claim_stores("us", {80001, 80002})
    with pytest.raises(FixConfig):
        one.claim_stores("eu", {80002, 80003})
    assert {claim.connection for claim in one.claims()} == {"us"}
    one.claim_stores("us", {80001})
    one.claim_stores("eu", {80002, 80003})
    clock.sleep(36 * 86_400)
    one.claim_stores("eu", {80001})
    assert [(claim.connection, claim.store_id) for claim in one.claims()] == [("eu", 80001)]
