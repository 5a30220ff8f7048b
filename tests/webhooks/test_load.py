"""How many hints a second become durable, how fast, and that a kill loses none (design §10).

Runs at night; prints its figures. `pytest -m nightly -n0 -s tests/webhooks/test_load.py`.
"""

import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from os import environ, getloadavg
from pathlib import Path

import pytest

from bcss.clock import SystemClock
from bcss.store.hints import Hints, hints_path
from tests.webhooks.rig import TOKEN
from tests.webhooks.test_process import CONFIG, SERVE, daemon, free_port

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600)]

SECONDS = float(environ.get("BCSS_LOAD_SECONDS", "60"))
RATE = 550  # hints a second that the paced client sends, over 8 connections
SENDERS = 8
LEAST = 500
SLOWEST = 0.1
_SCRIPT = """\
wrk.method = "POST"
wrk.body = '{"resource_url":"https://ssapi6.shipstation.com/orders?importBatch=1","resource_type":"ORDER_NOTIFY"}'
"""


@dataclass(slots=True)
class Drain:
    """Takes hints out as a worker does, so that the file does not only grow."""

    state: Path
    taken: list[bytes] = field(default_factory=list)

    def once(self) -> None:
        with closing(Hints(hints_path(self.state), SystemClock())) as hints:
            last = hints.begin()
            self.taken += [hint.body for hint in hints.upto(last)]
            hints.done(last)


@contextmanager
def draining(state: Path) -> Iterator[Drain]:
    drain, ended = Drain(state), threading.Event()

    def work() -> None:
        while not ended.wait(2.0):
            drain.once()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield drain
    finally:
        ended.set()
        thread.join()
        drain.once()


@dataclass(slots=True)
class Sender:
    """One connection that posts at a steady pace and reconnects when it must."""

    name: int
    port: int
    until: float
    acknowledged: list[bytes] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    failed: int = 0

    def run(self) -> None:
        begun = time.perf_counter()
        nap, number, connection = threading.Event(), 0, self._connect()
        while (due := begun + number * SENDERS / RATE) < self.until:
            nap.wait(max(0.0, due - time.perf_counter()))
            body = f"{self.name}-{number}".encode()
            number += 1
            try:
                connection.request("POST", f"/bcss/{TOKEN}/shipstation", body)
                answer = connection.getresponse()
                answer.read()
            except (OSError, HTTPException):
                self.failed += 1
                connection.close()
                connection = self._connect()
                continue
            if answer.status == 200:
                # From when it was due: a listener that stalls must not slow its own measure.
                self.seconds.append(time.perf_counter() - due)
                self.acknowledged.append(body)
        connection.close()

    def _connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=15)


def tell(figures: str) -> None:
    sys.stdout.write(f"\n{figures}\n")


def send(port: int, seconds: float) -> list[Sender]:
    until = time.perf_counter() + seconds
    senders = [Sender(name, port, until) for name in range(SENDERS)]
    threads = [threading.Thread(target=one.run) for one in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return senders


def test_a_paced_client(tmp_path: Path) -> None:
    with daemon(tmp_path, worker=False) as listener, draining(listener.state) as drain:
        senders = send(listener.port, SECONDS)
    times = sorted(one for sender in senders for one in sender.seconds)
    rate, p99 = len(times) / SECONDS, times[int(len(times) * 0.99)]
    tell(
        f"paced: {rate:.0f} hints/s for {SECONDS:.0f} s, p50 {times[len(times) // 2] * 1000:.1f} "
        f"ms, p99 {p99 * 1000:.1f} ms, longest {times[-1] * 1000:.0f} ms, load {getloadavg()[0]:.1f}"
    )
    assert {one for sender in senders for one in sender.acknowledged} <= set(drain.taken)
    assert sum(sender.failed for sender in senders) == 0
    assert rate >= LEAST
    assert p99 < SLOWEST


def test_a_public_load_generator(tmp_path: Path) -> None:
    wrk = shutil.which("wrk")
    if wrk is None:
        pytest.skip("wrk is not installed (Debian: apt install wrk)")
    script = tmp_path / "post.lua"
    script.write_text(_SCRIPT)
    with daemon(tmp_path, worker=False) as listener, draining(listener.state) as drain:
        url = f"http://127.0.0.1:{listener.port}/bcss/{TOKEN}/shipstation"
        command = [wrk, "-t1", "-c16", f"-d{SECONDS:.0f}s", "--latency", "-s", str(script), url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = dict(re.findall(r"(\d\d)%\s+([\d.]+[mu]?s)", done.stdout))
    total = int(re.findall(r"(\d+) requests in", done.stdout)[0])
    tell(
        f"wrk, 16 connections: {total / SECONDS:.0f} hints/s for {SECONDS:.0f} s, "
        f"p50 {found['50']}, p99 {found['99']}, load {getloadavg()[0]:.1f}"
    )
    assert "Non-2xx" not in done.stdout
    assert "Socket errors" not in done.stdout
    assert len(drain.taken) >= total
    assert total / SECONDS >= LEAST
    assert seconds_of(found["99"]) < SLOWEST


def seconds_of(text: str) -> float:
    scale = 1e-6 if text.endswith("us") else 1e-3 if text.endswith("ms") else 1.0
    return float(text.rstrip("mus")) * scale


def test_no_acknowledged_hint_is_lost_by_kills(tmp_path: Path) -> None:
    port, state = free_port(), tmp_path / "state.db"
    path, nowhere = tmp_path / "config.yaml", "http://127.0.0.1:1"
    path.write_text(
        CONFIG.format(bc=nowhere, shipstation=nowhere, port=port, state=state, start="2026-12-01")
    )
    path.chmod(0o600)
    ended, kills = threading.Event(), [0]

    def live_and_die() -> None:
        while not ended.is_set():
            process = subprocess.Popen(
                [*SERVE, "--config", str(path), "--no-worker"],
                env={**environ, "BCSS_TEST_HOOK": TOKEN},
                stderr=subprocess.PIPE,
                text=True,
            )
            assert process.stderr is not None
            process.stderr.readline()
            ended.wait(3.0)
            process.kill()
            process.wait()
            process.stderr.close()
            kills[0] += 1

    life = threading.Thread(target=live_and_die)
    life.start()
    try:
        with draining(state) as drain:
            senders = send(port, SECONDS)
            ended.set()
            life.join()
    finally:
        ended.set()
        life.join()
    acknowledged = {one for sender in senders for one in sender.acknowledged}
    tell(f"{kills[0]} kills, {len(acknowledged)} hints acknowledged, none of them lost")
    assert acknowledged <= set(drain.taken)
    assert len(acknowledged) > 100
    assert kills[0] > SECONDS / 10
