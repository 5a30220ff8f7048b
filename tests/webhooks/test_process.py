"""The listener and its worker as the processes that they are: started, killed, ended."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from bcss.clock import SystemClock
from bcss.config.load import load
from bcss.keeper import Keeper
from bcss.sandbox.world import World
from bcss.store.hints import Arrival, Hints, hints_path
from tests.webhooks.rig import POINTER, TOKEN, hints_of

SERVE = [sys.executable, "-m", "bcss", "serve-webhooks"]
CONFIG = """
name: test
business_central:
  tenant: contoso.onmicrosoft.com
  environment: Production
  company: CRONUS USA, Inc.
  client_id: 11111111-2222-3333-4444-555555555555
  client_secret: "env:BCSS_TEST_BC"
  time_zone: America/New_York
  api_url: {bc}
  authority: {bc}
shipstation:
  api_key: "env:BCSS_TEST_KEY"
  api_secret: "env:BCSS_TEST_SECRET"
  api_url: {shipstation}
orders:
  start: {start}
  settle: 0s
  stores:
    "80001":
      customer: {{number: WEB}}
      currency: USD
      shipping: {{account: "40500"}}
      tax: {{account: "22300"}}
      tax_code: NONTAXABLE
webhooks:
  listen: 127.0.0.1:{port}
  public_url: http://127.0.0.1:{port}/bcss
  token: "env:BCSS_TEST_HOOK"
state:
  path: {state}
"""


def free_port() -> int:
    import socket  # noqa: PLC0415 - only here

    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Daemon:
    """A listener in a process of its own."""

    process: subprocess.Popen[str]
    port: int
    state: Path

    def post(self, body: bytes) -> int:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=15)) as connection:
            connection.request("POST", f"/bcss/{TOKEN}/shipstation", body)
            return connection.getresponse().status

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(40)


@contextmanager
def daemon(
    folder: Path, *, worker: bool, bc: str = "http://127.0.0.1:1", shipstation: str = ""
) -> Iterator[Daemon]:
    port = free_port()
    state = folder / "state.db"
    start = (datetime.now(UTC) - timedelta(days=3)).date()
    path = folder / "config.yaml"
    text = CONFIG.format(bc=bc, shipstation=shipstation or bc, port=port, state=state, start=start)
    path.write_text(text)
    path.chmod(0o600)
    process = subprocess.Popen(
        [*SERVE, "--config", str(path), "--worker" if worker else "--no-worker"],
        env={**os.environ, "BCSS_TEST_HOOK": TOKEN},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        assert "listening on 127.0.0.1" in process.stderr.readline()
        yield Daemon(process, port, state)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def until(true: Callable[[], bool], seconds: float = 30.0) -> bool:
    deadline = time.monotonic() + seconds
    nap = threading.Event()
    while time.monotonic() < deadline:
        if true():
            return True
        nap.wait(0.05)
    return False


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    """Four senders post until the process is killed: each 2xx they saw is in the file."""
    answered: list[bytes] = []
    with daemon(tmp_path, worker=False) as listener:

        def send(sender: int) -> None:
            for number in range(100_000):
                body = f"{sender}-{number}".encode()
                try:
                    if listener.post(body) == 200:
                        answered.append(body)
                except (OSError, HTTPException):
                    return

        senders = [threading.Thread(target=send, args=(one,)) for one in range(4)]
        for sender in senders:
            sender.start()
        assert until(lambda: len(answered) > 100)
        listener.process.kill()
        for sender in senders:
            sender.join()
    assert set(answered) <= {hint.body for hint in hints_of(tmp_path / "state.db")}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_it_drains_and_ends(tmp_path: Path, number: int, code: int) -> None:
    with daemon(tmp_path, worker=False) as listener:
        connection = HTTPConnection("127.0.0.1", listener.port, timeout=15)
        body = json.dumps(POINTER).encode()
        connection.putrequest("POST", f"/{TOKEN}/shipstation")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body[:5])
        assert listener.post(b"first") == 200
        listener.process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            listener.process.wait(0.5)
        connection.send(body[5:])
        assert connection.getresponse().status == 200
        connection.close()
        assert listener.process.wait(20) == code
        assert listener.process.stderr is not None
        assert listener.process.stderr.read() == ""
    assert [hint.body for hint in hints_of(tmp_path / "state.db")] == [b"first", body]


def test_an_address_in_use_is_said(tmp_path: Path) -> None:
    with daemon(tmp_path, worker=False):
        again = subprocess.run(
            [*SERVE, "--config", str(tmp_path / "config.yaml"), "--no-worker"],
            env={**os.environ, "BCSS_TEST_HOOK": TOKEN},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    assert "cannot be listened on" in again.stderr
    assert again.returncode == 2


def test_the_listeners_process_loads_no_client_of_a_vendor(tmp_path: Path) -> None:
    """It holds no vendor's secret, and nothing to send one with."""
    code = "import sys, bcss.listener; print([m for m in sys.modules if m in sys.argv[1:]])"
    heavy = ["httpx", "msal", "keyring", "bcss.http", "bcss.app", "yaml", "pydantic"]
    found = subprocess.run(
        [sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True, timeout=30
    )
    assert found.stdout.strip() == "[]"


def test_from_a_webhook_to_a_posted_invoice_between_processes(tmp_path: Path) -> None:
    world = World({"shipstation": {"rate_limit": {"limit": 0}, "deliveries": True}})
    urls = world.serve()
    try:
        with daemon(
            tmp_path, worker=True, bc=urls.business_central, shipstation=urls.shipstation
        ) as listener:
            target = f"http://127.0.0.1:{listener.port}/bcss/{TOKEN}/shipstation"
            hook = {"WebHookID": 1, "Url": target, "HookType": "SHIP_NOTIFY"}
            world.load({"shipstation": {"webhooks": [hook]}})
            lines = [{"sku": "ITEM-24", "name": "Gift set", "quantity": 2, "unitPrice": "10.00"}]
            order = {"orderNumber": "SO-1", "orderKey": "SO-1-KEY-1", "items": lines}
            made = world.run("shipstation", {"action": "import", "orders": [order]})
            world.run("shipstation", {"action": "label", "orderId": made["orderIds"][0]})
            assert until(lambda: posted(world) == ["SO-1"], 10), world.bc.state()["salesInvoices"]
            assert until(lambda: hints_of(listener.state) == [])
            assert listener.end() == 0
            assert listener.process.stderr is not None
            assert listener.process.stderr.read() == ""
    finally:
        world.close()


def posted(world: World) -> list[str]:
    rows = world.bc.state()["salesInvoices"]
    return [row["customerPurchaseOrderReference"] for row in rows if row["status"] != "Draft"]


# The worker's keeper ----------------------------------------------------------------------------


def test_a_worker_that_dies_is_started_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lives = tmp_path / "lives"
    code = f"open({str(lives)!r}, 'a').write('x'); raise SystemExit(3)"
    keeper = Keeper([sys.executable, "-c", code], dict(os.environ), SystemClock(), first=0.01)
    keeper.start()
    assert until(lambda: lives.exists() and len(lives.read_text()) >= 3)
    keeper.stop()
    assert "the worker ended (exit 3); it is started again in" in capfd.readouterr().err
    count = len(lives.read_text())
    assert keeper.pid is None
    assert len(lives.read_text()) == count


def test_a_worker_is_ended_kindly(tmp_path: Path) -> None:
    ready, ended = tmp_path / "ready", tmp_path / "ended"
    code = (
        "import signal, sys\n"
        f"signal.signal(signal.SIGTERM, lambda *_: (open({str(ended)!r}, 'w'), sys.exit(0)))\n"
        f"open({str(ready)!r}, 'w')\n"
        "signal.pause()"
    )
    keeper = Keeper([sys.executable, "-c", code], dict(os.environ), SystemClock())
    keeper.start()
    assert until(ready.exists)
    keeper.stop()
    assert ended.exists()
    assert keeper.pid is None


def test_a_program_that_cannot_be_started_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    keeper = Keeper(["/no/such/program"], {}, SystemClock(), first=0.01)
    keeper.start()
    said: list[str] = []

    def heard() -> bool:
        said.append(capfd.readouterr().err)
        return "No such file" in "".join(said)

    assert until(heard)
    keeper.stop()


def test_a_worker_whose_listener_has_died_ends_by_itself(tmp_path: Path) -> None:
    """The listener is killed, so that it cannot end its worker; nobody may be left behind."""
    with daemon(tmp_path, worker=True) as listener:
        children = Path(f"/proc/{listener.process.pid}/task/{listener.process.pid}/children")
        if not children.parent.exists():
            pytest.skip("this system does not tell about children")
        found: list[str] = []

        def started() -> bool:
            tasks = Path(f"/proc/{listener.process.pid}/task").glob("*/children")
            found[:] = [pid for task in tasks for pid in task.read_text().split()]
            return any(b"bcss.worker" in command(pid) for pid in found)

        assert until(started)
        worker = next(pid for pid in found if b"bcss.worker" in command(pid))
        with closing(Hints(hints_path(listener.state), SystemClock())) as hints:
            hints.add([Arrival("shipstation", b"rubbish")])
        assert until(lambda: hints_of(listener.state) == [])  # it is at work by now
        listener.process.kill()
        listener.process.wait()
        assert until(lambda: b"bcss.worker" not in command(worker))


def command(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_the_configuration_of_these_tests_is_good(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    url = "http://127.0.0.1:1"
    path.write_text(
        CONFIG.format(bc=url, shipstation=url, port=1, state="s.db", start="2026-12-01")
    )
    path.chmod(0o600)
    assert load(path).webhooks is not None
