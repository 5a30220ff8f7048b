"""Several processes on one connection: cron twice, cron with worker and replay, and one asleep."""

import json
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bcss.errors import Exit
from bcss.sandbox.kit import Request, Response
from tests.checker import problems
from tests.processes.harness import (
    LONGEST,
    Host,
    Sleeper,
    Step,
    host,
    is_create,
    is_look_up,
    is_post,
    unbooked,
    writes,
)

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


def test_cron_worker_and_replay_together_book_each_order_once(
    host_of: Callable[..., Host],
) -> None:
    made = host_of(12)

    processes = [made.bcss("sync", "all"), made.worker(), made.bcss("replay", "--failed")]
    processes.append(made.worker())
    ended = [made.wait(process) for process in processes]
    last = made.run("sync", "all")

    assert {one.code for one in ended} <= {*_FINE, Exit.TEMPORARY, Exit.LOCKED}
    assert last.code in _FINE
    assert all("Traceback" not in one.err for one in ended)
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
