"""Take webhooks in: check, store a hint durably, answer at once (design §7).

Nothing here asks anybody for anything. The process that listens holds the token of its own
address and no vendor's secret; a worker process drains the hints.
"""

import hmac
import os
import queue
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Final, Literal, assert_never
from urllib.parse import parse_qsl, unquote_to_bytes

import bcss
from bcss.clock import Clock, SystemClock
from bcss.config.schema import Config
from bcss.errors import BcssError, Exit, FixConfig
from bcss.httpserver import Answer, Request, Server
from bcss.keeper import Keeper, say
from bcss.notifications import read_notifications
from bcss.request import is_loopback
from bcss.secrets import resolve
from bcss.signatures import Signatures
from bcss.store.hints import Arrival, Hints, hints_path
from bcss.systemd import OURS, inherited_socket, notify

MAX_POINTER: Final = 4 * 1024
MAX_NOTIFICATION: Final = 1024 * 1024
_COMMIT_SECONDS: Final = 8.0
_GROUP: Final = 512
_MAX_FIELDS: Final = 20
# A signal may reach another thread than the one that waits for it, and does not wake that.
_BEAT: Final = 0.5

Place = Literal["shipstation", "business-central", "healthz", ""]


@dataclass(slots=True)
class _Ticket:
    """What one request wants stored, and whether it was."""

    arrivals: tuple[Arrival, ...]
    settled: threading.Event = field(default_factory=threading.Event)
    stored: bool = False


class Writer:
    """One thread that commits all hints that wait in one transaction (stack.md §7.1)."""

    def __init__(self, path: Path, clock: Clock, *, synchronous: str = "FULL") -> None:
        self._path = path
        self._clock = clock
        self._synchronous = synchronous
        self._queue: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
        self._ready = threading.Event()
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._problem: BcssError | None = None
        self._thread = threading.Thread(target=self._run, name="hints", daemon=True)

    def start(self) -> None:
        """Open the file, in the thread that owns it; raise FixConfig or StateBroken."""
        self._thread.start()
        self._ready.wait()
        if self._problem is not None:
            raise self._problem

    def store(self, arrivals: Iterable[Arrival]) -> bool:
        """Store hints; return True only once they are durable."""
        ticket = _Ticket(tuple(arrivals))
        self._queue.put(ticket)
        return ticket.settled.wait(_COMMIT_SECONDS) and ticket.stored

    def tally(self, name: str) -> None:
        """Count what is not stored, at some time soon; nobody waits for it."""
        with self._lock:
            first = not self._counts
            self._counts[name] += 1
        if first:
            self._queue.put(_Ticket(()))

    def is_alive(self) -> bool:
        """Tell whether hints can be stored at all."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Store what waits, and end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        hints: Hints | None = None
        try:
            hints = self._open()
        except BcssError as error:
            self._problem = error
            return
        finally:
            self._ready.set()
        while (tickets := self._next()) is not None:
            hints = self._commit(hints, tickets)
        if hints is not None:
            hints.close()

    def _open(self) -> Hints:
        return Hints(self._path, self._clock, synchronous=self._synchronous)

    def _next(self) -> list[_Ticket] | None:
        """Return what waits, at least one; None when the writer shall end."""
        ticket = self._queue.get()
        if ticket is None:
            return None
        tickets = [ticket]
        while len(tickets) < _GROUP:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                break
            if more is None:
                self._queue.put(None)  # for the next round
                break
            tickets.append(more)
        return tickets

    def _commit(self, hints: Hints | None, tickets: list[_Ticket]) -> Hints | None:
        """Commit for all; a file that failed is opened anew for the next."""
        try:
            hints = hints or self._open()
            hints.add([one for ticket in tickets for one in ticket.arrivals])
            stored = True
            with self._lock:
                counts, self._counts = self._counts, Counter()
            if counts:
                hints.tally(counts)
        except BcssError as error:
            say(f"a hint was not stored, its sender was told to try again: {error}")
            if hints is not None:
                hints.close()
            hints, stored = None, False
        for ticket in tickets:
            ticket.stored = stored
            ticket.settled.set()
        return hints


@dataclass(frozen=True, slots=True)
class Receiver:
    """The addresses that the listener answers; everything else is 404, and looks the same."""

    token: str
    writer: Writer
    signatures: Signatures | None = None

    def body_limit(self, path: str) -> int:
        """Return the largest body: a pointer is short, notifications come in batches."""
        return MAX_NOTIFICATION if self._place(path) == "business-central" else MAX_POINTER

    def answer(self, request: Request) -> Answer:
        """Store what a vendor says, then agree."""
        match self._place(request.path):
            case "business-central":
                return self._business_central(request)
            case "shipstation" if request.method == "POST":
                return self._shipstation(request)
            case "healthz" if request.method in ("GET", "HEAD"):
                alive = self.writer.is_alive()
                return Answer(HTTPStatus.OK if alive else HTTPStatus.SERVICE_UNAVAILABLE)
            case _:
                return Answer(HTTPStatus.NOT_FOUND)

    def refuse(self, path: str, status: int) -> Answer:
        """Refuse a request that was not read; Business Central never gets a 4xx.

        It would delete its subscription (business-central.md §7.3): what is too much for us
        means that everything may have changed, the rest it may send again.
        """
        place = self._place(path)
        if place == "business-central":
            if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                return self._stored([Arrival("refresh")])
            return Answer(HTTPStatus.SERVICE_UNAVAILABLE)
        if place == "" and status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return Answer(HTTPStatus.NOT_FOUND)
        return Answer(status)

    def _place(self, path: str) -> Place:
        """Tell which address this is; what the proxy puts before the last two parts is its own."""
        parts = path.rstrip("/").split("/")
        last, before = parts[-1], parts[-2] if len(parts) > 1 else ""
        given = unquote_to_bytes(before)
        known = hmac.compare_digest(given, self.token.encode())
        match last:
            case "business-central":
                return "business-central"
            case "healthz":
                return "healthz"
            case "shipstation" if known:
                return "shipstation"
            case _:
                return ""

    def _shipstation(self, request: Request) -> Answer:
        """Take a pointer; one whose signature is wrong leaves nothing but a count."""
        verdict = self.signatures.judge(request) if self.signatures else "unsigned"
        match verdict:
            case "unsigned":
                return self._stored([Arrival("shipstation", request.body)])
            case "good":
                return self._stored([Arrival("signed", request.body)])
            case "unknown key":
                self.writer.tally(verdict)
                return self._stored([Arrival("poll")])
            case "bad signature":
                self.writer.tally(verdict)
                return Answer(HTTPStatus.BAD_REQUEST)
            case _:
                assert_never(verdict)

    def _business_central(self, request: Request) -> Answer:
        challenge = _validation_token(request.query)
        if challenge is not None:
            return Answer(HTTPStatus.OK, challenge.encode("utf-8", "replace"))
        if request.method != "POST":
            return Answer(HTTPStatus.OK)
        changed = read_notifications(request.body, self.token)
        if not changed:
            return Answer(HTTPStatus.OK)
        return self._stored(Arrival("business_central", body) for body in changed.values())

    def _stored(self, arrivals: Iterable[Arrival]) -> Answer:
        stored = self.writer.store(arrivals)
        return Answer(HTTPStatus.OK if stored else HTTPStatus.SERVICE_UNAVAILABLE)


def _validation_token(query: str) -> str | None:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        return None
    return next((value for name, value in pairs if name.lower() == "validationtoken"), None)


class Listener:
    """A listener that runs in threads of this process, until it is drained."""

    def __init__(
        self, config: Config, clock: Clock | None = None, *, synchronous: str = "FULL"
    ) -> None:
        clock = clock or SystemClock()
        if config.webhooks is None:
            raise FixConfig(
                "The configuration has no webhooks section.",
                hint="Add webhooks: {public_url: …, token: …}; `bcss init` shows one.",
            )
        token, path = resolve(config.webhooks.token), hints_path(config.state.path)
        self.writer = Writer(path, clock, synchronous=synchronous)
        self.writer.start()
        signed = config.shipstation.v2_api_key is not None
        receiver = Receiver(token, self.writer, Signatures(path, clock) if signed else None)
        try:
            self._server = _bind(config.webhooks.listen, receiver, clock)
        except BaseException:
            self.writer.close()
            raise
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="accept"
        )

    @property
    def address(self) -> tuple[str, int]:
        """Return where it listens; a configured port 0 has become a real one."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def drain(self) -> None:
        """Answer what has begun, store it, and end."""
        self._server.drain()
        self._thread.join()
        self.writer.close()


def _bind(listen: tuple[str, int], receiver: Receiver, clock: Clock) -> Server:
    try:
        return Server(listen, receiver, clock, inherited=inherited_socket())
    except OSError as error:
        host, port = listen
        raise FixConfig(
            f"{host}:{port} cannot be listened on: {error.strerror}.",
            hint="Choose another webhooks.listen, or end the program that has this address.",
        ) from None


def serve(config: Config, *, worker: bool) -> int:
    """Listen until SIGTERM (exit 0) or Ctrl-C (130), with a worker process beside unless told not.

    Raise FixConfig, FixCredential or StateBroken when it cannot begin.
    """
    clock = SystemClock()
    ended = threading.Event()
    listener = Listener(config, clock)
    caught: list[int] = []

    def end(number: int, _frame: object) -> None:
        caught.append(number)
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    keeper = Keeper(_worker_command(config), _worker_env(), clock) if worker else None
    listener.start()
    if keeper:
        keeper.start()
    host, port = listener.address
    say(f"{config.name}: listening on {host}:{port}.")
    if not is_loopback(host):
        say(f"{host} can be reached from outside, without TLS: put a TLS proxy before it.")
    notify("READY=1")
    while not ended.wait(_BEAT):
        if listener.writer.is_alive():
            notify("WATCHDOG=1")
    notify("STOPPING=1")
    listener.drain()
    if keeper:
        keeper.stop()
    return int(Exit.INTERRUPTED if caught[0] == signal.SIGINT else Exit.DONE)


def _worker_command(config: Config) -> list[str]:
    """Run this same program's worker; -P keeps the present folder out of its search path."""
    return [sys.executable, "-P", "-m", "bcss.worker", str(config.path.absolute())]


def _worker_env() -> dict[str, str]:
    """Pass the environment on, but what systemd tells the listener alone."""
    kept = {name: value for name, value in os.environ.items() if name not in OURS}
    return {**kept, "PYTHONPATH": str(Path(bcss.__file__).parent.parent)}
