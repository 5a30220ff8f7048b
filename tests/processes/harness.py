"""The installed `bcss` against the sandbox on loopback, and means to end it at a chosen call."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path

from bcss.sandbox.kit import Aborted, Request, Response
from bcss.sandbox.world import World
from tests.checker import booked, shipped
from tests.excuses import excuses_of
from tests.rig import world_of
from tests.webhooks.rig import TOKEN
from tests.webhooks.test_process import free_port

BCSS = Path(sys.executable).with_name("bcss")
LONGEST = 60.0
Step = Callable[[], Response]
Meddler = Callable[[str, Request, Step], Response]
_BUSY = "A process of this world ran longer than a minute."

_CONFIG = """\
name: test
business_central:
  tenant: contoso.onmicrosoft.com
  environment: Production
  company: CRONUS USA, Inc.
  client_id: 11111111-2222-3333-4444-555555555555
  client_secret: "env:BCSS_TEST_BC"
  api_url: {bc}
  authority: {bc}
  time_zone: America/New_York
shipstation:
  api_key: "env:BCSS_TEST_KEY"
  api_secret: "env:BCSS_TEST_SECRET"
  api_url: {shipstation}
  requests_per_minute: 10000
orders:
  start: {start}
  first_run_limit: 0
  settle: {settle}
  skus:
    GIFT-24: ITEM-24
    TEE-RED: {{item: TEE, variant: RED}}
    BOX-3: {{kit: [{{item: ITEM-24, quantity: 2}}, {{item: RIBBON, quantity: 1}}]}}
  stores:
    "80001":
      customer: {{number: WEB}}
      shipping: {{account: "40500"}}
      discount: {{account: "40600"}}
      adjustments: {{account: "40650"}}
      tax: {{account: "22300"}}
      tax_code: NONTAXABLE
      currency: USD
      location: EAST
    "80002": ignore
shipping_agents:
  ups_walleted: {{agent: UPS, services: {{ups_ground: GROUND, ups_2nd_day_air: 2DAY}}}}
  fedex: {{agent: FEDEX, services: {{fedex_ground: GROUND}}}}
  stamps_com: {{agent: USPS, services: {{usps_priority_mail: PRIORITY}}}}
state:
  path: {database}
"""
_WEBHOOKS = """
webhooks:
  listen: 127.0.0.1:{port}
  public_url: {url}
  token: "env:BCSS_TEST_HOOK"
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended; `code` is negative for a signal."""

    code: int
    out: str
    err: str


@dataclass(slots=True)
class Host:
    """A host with one connection, whose vendors are a world of its own."""

    folder: Path
    world: World
    environment: Mapping[str, str]
    meddle: Meddler | None = None
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def database(self) -> Path:
        return self.folder / "state" / "bcss.db"

    def start(
        self, *command: str, before: Callable[[], None] | None = None
    ) -> subprocess.Popen[str]:
        """Start a process, in which `before` is done first; it ends with the test at the latest."""
        process = subprocess.Popen(
            command,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=before,  # noqa: PLW1509 - limits must be set in the child
        )
        self.running.append(process)
        return process

    def bcss(
        self, *command: str, before: Callable[[], None] | None = None
    ) -> subprocess.Popen[str]:
        return self.start(str(BCSS), *command, "--config", str(self.config), before=before)

    def worker(self) -> subprocess.Popen[str]:
        """Start what works beside cron: it books without the run lock."""
        return self.start(sys.executable, "-m", "tests.processes.worker", str(self.config))

    def run(self, *command: str) -> Ended:
        return self.wait(self.bcss(*command))

    def wait(self, process: subprocess.Popen[str]) -> Ended:
        try:
            out, err = process.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise AssertionError(_BUSY) from None
        self.running.remove(process)
        return Ended(process.returncode, out, err)

    def advance(self, seconds: float) -> None:
        """Move the vendors' clock on by their own endpoint; the host's stays as it is."""
        port = int(self.world._servers[0].url.rpartition(":")[2])
        with closing(HTTPConnection("127.0.0.1", port, timeout=LONGEST)) as connection:
            body = json.dumps({"advance": seconds})
            connection.request("POST", "/__sandbox/clock", body)
            assert connection.getresponse().status == 200

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.communicate()
        self.world.close()


def host(folder: Path, count: int, *, seed: int = 1, settle: str = "0s") -> Host:
    """Serve a world with shipped orders of the last days on loopback, and configure bcss for it."""
    folder.mkdir(parents=True, exist_ok=True)
    begin = datetime.now(UTC).date() - timedelta(days=4)
    world, _ = world_of(count, seed=seed, start=begin)
    world.clock.set(datetime.now(UTC))
    world.clock.thaw()
    world.shipstation.load({"rate_limit": {"limit": 0}})
    home = {
        name: os.environ[name]
        for name in ("BCSS_TEST_BC", "BCSS_TEST_KEY", "BCSS_TEST_SECRET", "PATH")
    }
    # A process that is killed or has no room must not leave half a compiled module behind.
    own = {"HOME": str(folder), "PYTHONPATH": str(Path.cwd()), "PYTHONDONTWRITEBYTECODE": "1"}
    made = Host(folder, world, {**home, **own})
    _wrap(made)
    urls = world.serve()
    made.config.write_text(
        _CONFIG.format(
            bc=urls.business_central,
            shipstation=urls.shipstation,
            start=begin - timedelta(days=1),
            settle=settle,
            database=made.database,
        )
    )
    made.config.chmod(0o600)
    return made


def _wrap(made: Host) -> None:
    """Put the host's meddler between the servers and the world."""
    world, honest = made.world, made.world.handle

    def handle(vendor: str, request: Request) -> Response:
        if made.meddle is None:
            return honest(vendor, request)
        return made.meddle(vendor, request, lambda: honest(vendor, request))

    world.handle = handle  # type: ignore[method-assign]


class Killer:
    """Kill a process when its n-th call arrives: before the effect, or after it.

    Other calls that are under way at that moment happen all the same, as on a network.
    """

    def __init__(self, at: int, when: str, *, only_writes: bool) -> None:
        self.at = at
        self.when = when
        self.only_writes = only_writes
        self.seen = 0
        self.victim: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def __call__(self, vendor: str, request: Request, answer: Step) -> Response:
        if not self._is_due(vendor, request):
            return answer()
        if self.when == "before":
            self._kill()
            raise Aborted
        with suppress(Aborted):
            answer()
        self._kill()
        raise Aborted

    def _is_due(self, vendor: str, request: Request) -> bool:
        if self.only_writes and (vendor != "bc" or request.method == "GET"):
            return False
        if "oauth2" in request.path:
            return False
        with self._lock:
            self.seen += 1
            return self.seen == self.at

    def _kill(self) -> None:
        assert self.victim is not None
        self.victim.send_signal(signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self.victim.wait(LONGEST)


class Sleeper:
    """Stop a process at its first call of a kind, once it has had its effect or before.

    The call itself is answered at once; whether the process reads it is its own affair.
    """

    def __init__(self, wanted: Callable[[Request], bool]) -> None:
        self.wanted = wanted
        self.victim: subprocess.Popen[str] | None = None
        self.asleep = threading.Event()
        self._lock = threading.Lock()

    def __call__(self, _vendor: str, request: Request, answer: Step) -> Response:
        with self._lock:
            if self.victim is not None and not self.asleep.is_set() and self.wanted(request):
                self.victim.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, self.victim.pid, os.WSTOPPED | os.WNOWAIT)
                self.asleep.set()
        return answer()

    def wait(self) -> None:
        """Wait until the victim sleeps."""
        assert self.asleep.wait(LONGEST)


def is_create(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("/salesInvoices")


def is_look_up(request: Request) -> bool:
    return request.method == "GET" and request.path.endswith("/salesInvoices")


def is_poll(request: Request) -> bool:
    return request.path.endswith("/fulfillments")


def is_first_poll(request: Request) -> bool:
    return request.path.endswith("/orders") and "modifyDateStart" in request.query


def is_post(request: Request) -> bool:
    return "Microsoft.NAV" in request.path


def writes(world: World, since: int = 0) -> list[Request]:
    """Return the calls that changed something in Business Central, of those after the first n."""
    calls = world.log.calls("bc")[since:]
    return [
        one.request
        for one in calls
        if one.request.method != "GET" and "oauth2" not in one.request.path
    ]


def unbooked(made: Host) -> list[str]:
    """Return what is held or waits, and whether another number was posted than was shipped."""
    with closing(sqlite3.connect(f"file:{made.database}?mode=ro", uri=True)) as conn:
        found = [str(one) for one in excuses_of(conn)]
    posted, wanted = booked(made.world), shipped(made.world)
    return found if posted == wanted else [*found, f"{posted} posted of {wanted} shipped"]


@contextmanager
def listening(made: Host) -> Iterator[subprocess.Popen[str]]:
    """Run the listener with its worker, and have ShipStation tell it what was shipped."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/bcss"
    made.config.write_text(made.config.read_text() + _WEBHOOKS.format(port=port, url=url))
    made.environment = {**made.environment, "BCSS_TEST_HOOK": TOKEN}
    process = made.bcss("serve-webhooks", "--worker")
    assert process.stderr is not None
    assert "listening on 127.0.0.1" in process.stderr.readline()
    hook = {"WebHookID": 1, "Url": f"{url}/{TOKEN}/shipstation", "HookType": "SHIP_NOTIFY"}
    made.world.load({"shipstation": {"deliveries": True, "webhooks": [hook]}})
    yield process
