"""Several processes on one connection: cron twice, cron with listener and replay, one asleep."""

import json
import signal
import sqlite3
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bcss.errors import Exit
from bcss.sandbox.kit import Request, Response
from tests.checker import booked, problems
from tests.processes.harness import (
    LONGEST,
    Host,
    Sleeper,
    Step,
    host,
    is_create,
    is_first_poll,
    is_look_up,
    is_poll,
    is_post,
    listening,
    unbooked,
    writes,
)
from tests.webhooks.rig import hints_of
from tests.webhooks.test_process import until

_REFUSAL = {
    "vendor": "bc",
    "method": "POST",
    "path": "/salesInvoices$",
    "nth": 1,
    "do": "reject",
    "status": 400,
    "content": '{"error":{"code":"Internal_ServerError","message":"Something odd happened."}}',
}
_FINE = (int(Exit.DONE), int(Exit.HELD))


@pytest.fixture
def host_of(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    made: list[Host] = []

    def make(count: int, **how: str) -> Host:
        made.append(host(tmp_path / "host", count, **how))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


def created(made: Host) -> Counter[str]:
    return Counter(
        json.loads(one.body)["externalDocumentNumber"]
        for one in writes(made.world)
        if one.path.endswith("/salesInvoices")
    )


def test_of_two_cron_runs_in_the_same_second_one_ends_with_6(
    host_of: Callable[..., Host],
) -> None:
    made = host_of(4)
    one_has_ended = threading.Event()

    def hold(_vendor: str, _request: Request, answer: Step) -> Response:
        one_has_ended.wait(LONGEST)
        return answer()

    made.meddle = hold
    both = [made.bcss("sync", "all"), made.bcss("sync", "all")]

    def watch(process: subprocess.Popen[str]) -> None:
        process.wait(LONGEST)
        one_has_ended.set()

    watchers = [threading.Thread(target=watch, args=(process,)) for process in both]
    for watcher in watchers:
        watcher.start()
    ended = [made.wait(process) for process in both]
    for watcher in watchers:
        watcher.join()

    assert sorted(one.code for one in ended) in ([0, 6], [3, 6])
    loser = next(one for one in ended if one.code == Exit.LOCKED)
    assert (loser.out, loser.err) == ("", "")
    assert problems(made.world, made.database) == []
    assert unbooked(made) == []
    assert max(created(made).values()) == 1


def test_cron_listener_and_replay_together_book_each_order_once(
    host_of: Callable[..., Host],
) -> None:
    """Real deliveries to the daemon, a refused order for the replay, and cron for the rest."""
    made = host_of(12)
    made.world.faults.add(_REFUSAL)
    assert made.run("sync", "all").code == Exit.HELD
    made.world.faults.clear()
    assert unbooked(made)

    with listening(made) as daemon:
        for number in ("SO-1", "SO-2", "SO-3"):
            _ship(made, number)
        both = [made.bcss("sync", "all"), made.bcss("replay", "--failed")]
        ended = [made.wait(one) for one in both]
        ended += [made.run("sync", "all"), made.run("replay", "--failed")]
        assert until(lambda: not hints_of(made.database) and done(made)["sync hints"] > 0)
        daemon.send_signal(signal.SIGTERM)
        told = made.wait(daemon)
    last = made.run("sync", "all")

    codes = {one.code for one in ended}
    assert codes <= {*_FINE, Exit.TEMPORARY, Exit.LOCKED}
    assert (told.code, last.code) == (Exit.DONE, Exit.DONE)
    assert all("Traceback" not in one.err for one in (*ended, told, last))
    assert min(done(made)[one] for one in ("sync hints", "sync all", "replay")) > 0
    assert problems(made.world, made.database) == []
    assert unbooked(made) == []
    refused = {number: times for number, times in created(made).items() if times > 1}
    assert list(refused.values()) == [2]  # the one that was refused, and was tried again


def _ship(made: Host, number: str) -> None:
    """Import an order and buy its label, of which ShipStation then tells."""
    lines = [{"sku": "ITEM-24", "name": "Gift set", "quantity": 2, "unitPrice": "10.00"}]
    order = {
        "orderNumber": number,
        "orderKey": f"{number}-KEY-1",
        "items": lines,
        "advancedOptions": {"storeId": 80001},
    }
    done = made.world.run("shipstation", {"action": "import", "orders": [order]})
    made.world.run("shipstation", {"action": "label", "orderId": done["orderIds"][0]})


def done(made: Host) -> Counter[str]:
    """Count the runs that came to a good end, by command."""
    with closing(sqlite3.connect(f"file:{made.database}?mode=ro", uri=True)) as conn:
        rows = conn.execute("SELECT command FROM run WHERE exit_code IN (0, 3)").fetchall()
    return Counter(row[0] for row in rows)


@pytest.mark.parametrize("wanted", [is_first_poll, is_poll])
def test_a_worker_that_sleeps_before_booking_wakes_to_what_cron_has_booked(
    host_of: Callable[..., Host], wanted: Callable[[Request], bool]
) -> None:
    """SIGSTOP without any lock, cron books all, 40 minutes pass, SIGCONT."""
    made = host_of(4, settle="2s")
    made.meddle = sleeper = Sleeper(wanted)
    sleeper.victim = victim = made.worker()
    sleeper.wait()

    made.advance(2400)
    cron = made.run("sync", "all")
    posted = booked(made.world)
    victim.send_signal(signal.SIGCONT)
    ended = made.wait(victim)
    last = made.run("sync", "all")

    assert {cron.code, ended.code, last.code} <= set(_FINE)
    assert all("Traceback" not in one.err for one in (cron, ended, last))
    assert posted == booked(made.world) == 4
    assert problems(made.world, made.database) == []
    assert unbooked(made) == []
    assert max(created(made).values()) == 1


@pytest.mark.parametrize("wanted", [is_look_up, is_create, is_post])
def test_a_worker_that_sleeps_past_a_real_horizon_books_nothing_twice(
    host_of: Callable[..., Host], wanted: Callable[[Request], bool]
) -> None:
    """SIGSTOP amid booking: another is turned away though the horizon is over, until SIGCONT."""
    made = host_of(4, settle="2s")
    made.meddle = sleeper = Sleeper(wanted)
    sleeper.victim = victim = made.worker()
    sleeper.wait()

    made.advance(2400)
    sent = len(writes(made.world))
    other = made.wait(made.worker())
    waited = len(writes(made.world))
    victim.send_signal(signal.SIGCONT)
    ended = made.wait(victim)
    made.advance(60)
    last = made.run("sync", "all")

    assert (other.code, waited) == (Exit.TEMPORARY, sent)
    assert {ended.code, last.code} <= set(_FINE)
    assert problems(made.world, made.database) == []
    assert unbooked(made) == []
    assert max(created(made).values()) == 1


@pytest.mark.parametrize("wanted", [is_look_up, is_create, is_post])
def test_a_process_that_sleeps_past_the_horizon_books_nothing_twice(
    host_of: Callable[..., Host], wanted: Callable[[Request], bool]
) -> None:
    """SIGSTOP with the settle horizon at nothing, others go on, SIGCONT."""
    made = host_of(4)
    sleeper = Sleeper(wanted)
    made.meddle = sleeper
    sleeper.victim = victim = made.bcss("sync", "all")
    sleeper.wait()

    cron = made.run("sync", "all")
    worker = made.wait(made.worker())
    victim.send_signal(signal.SIGCONT)
    ended = made.wait(victim)
    last = made.run("sync", "all")

    assert cron.code == Exit.LOCKED
    assert worker.code == Exit.TEMPORARY
    assert "Booking is busy" in worker.err
    assert ended.code in _FINE
    assert last.code in _FINE
    assert problems(made.world, made.database) == []
    assert unbooked(made) == []
    assert max(created(made).values()) == 1


def test_a_killed_process_leaves_no_lock_behind(host_of: Callable[..., Host]) -> None:
    made = host_of(4)
    sleeper = Sleeper(is_create)
    made.meddle = sleeper
    sleeper.victim = victim = made.bcss("sync", "all")
    sleeper.wait()
    victim.kill()
    assert made.wait(victim).code == -signal.SIGKILL

    assert made.run("sync", "all").code in _FINE
    assert problems(made.world, made.database) == []
    assert unbooked(made) == []
