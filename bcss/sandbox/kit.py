"""Give both imitations requests, answers, a clock that can be moved, and an HTTP server.

An imitation is an `App`: it turns a `Request` into a `Response`, reads time from a
`SandboxClock` only, and guards its state with one lock of its own. Faults, the request log and
the control endpoint stand around it in `bcss.sandbox.world`.
"""

import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

MAX_BODY = 64 * 1024 * 1024
IDLE_SECONDS = 120
_EXACT_DIGITS = 15
_JSON_TYPE = {"content-type": "application/json; charset=utf-8"}
_MARKED = re.compile(r'"\\u0000([-+.0-9E]+)"')


class Aborted(Exception):
    """The connection must be closed without an answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came over the wire.

    `path` is percent-encoded and without query, `query` is the raw query string, `headers`
    have lower-case names.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; header names in lower case.

    A `content-length` larger than the body makes the server cut the connection in mid-answer.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class App(Protocol):
    """An imitation: a function of its state and its clock, safe to call from many threads."""

    def handle(self, request: Request) -> Response:
        """Answer one request, or raise Aborted to close the connection instead."""
        ...


def _number(value: object) -> int | float | str:
    """Render a Decimal with exactly its digits; long ones are marked and unquoted later."""
    if not isinstance(value, Decimal):
        raise TypeError(f"{type(value).__name__} is not JSON")
    if value == value.to_integral_value() and abs(value) < 10**_EXACT_DIGITS:
        return int(value)
    if len(value.as_tuple().digits) <= _EXACT_DIGITS:
        return float(value)
    return f"\0{value}"


def dumps(value: object) -> str:
    """Write compact JSON with Decimals as JSON numbers of the same digits."""
    text = json.dumps(value, default=_number, separators=(",", ":"))
    return _MARKED.sub(r"\1", text) if "\\u0000" in text else text


def loads(text: str | bytes) -> Any:
    """Read JSON with every fractional number as Decimal; raise ValueError when it is none."""
    return json.loads(text, parse_float=Decimal)


def json_response(status: int, value: object, headers: Mapping[str, str] | None = None) -> Response:
    """Make a JSON answer; Decimals are rendered as JSON numbers."""
    merged = {**_JSON_TYPE, **headers} if headers else _JSON_TYPE
    return Response(status, merged, dumps(value).encode())


class SandboxClock:
    """A clock that starts at real time and runs, until it is set, advanced or frozen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # One tuple, so that now() needs no lock: the instant, and when it was true (or frozen).
        self._state: tuple[datetime, float | None] = (datetime.now(UTC), time.monotonic())

    def now(self) -> datetime:
        """Return the sandbox's instant, aware, in UTC."""
        base, mark = self._state
        return base if mark is None else base + timedelta(seconds=time.monotonic() - mark)

    def set(self, instant: datetime) -> None:
        """Move to an instant; a frozen clock stays frozen, a running one runs on."""
        if instant.tzinfo is None:
            raise ValueError("the sandbox clock needs a time with offset")
        with self._lock:
            mark = None if self._state[1] is None else time.monotonic()
            self._state = (instant.astimezone(UTC), mark)

    def advance(self, seconds: float) -> None:
        """Move on by so many seconds."""
        with self._lock:
            base, mark = self._state
            self._state = (base + timedelta(seconds=seconds), mark)

    def freeze(self) -> None:
        """Stop at the present instant."""
        with self._lock:
            self._state = (self.now(), None)

    def thaw(self) -> None:
        """Run on from the present instant."""
        with self._lock:
            self._state = (self.now(), time.monotonic())


@lru_cache(maxsize=64)
def _date_text(second: int) -> str:
    return formatdate(second, usegmt=True)


def http_date(instant: datetime) -> str:
    """Render an instant for a Date header."""
    return _date_text(int(instant.timestamp()))


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    block_on_close = False

    def __init__(self, address: tuple[str, int], app: App) -> None:
        self.app = app
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that went away is part of what the sandbox is for."""


class _Handler(BaseHTTPRequestHandler):
    server: _HttpServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = IDLE_SECONDS

    def _length(self) -> int:
        """Return the size of the body, or -1 for a request that cannot be read safely."""
        lengths = self.headers.get_all("content-length") or ["0"]
        if len(lengths) > 1 or "transfer-encoding" in self.headers:
            return -1
        if not re.fullmatch(r"[0-9]{1,9}", lengths[0]):
            return -1
        return int(lengths[0])

    def _request(self, length: int) -> Request:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, path, query, headers, self.rfile.read(length))

    def _answer(self) -> None:
        length = self._length()
        if not 0 <= length <= MAX_BODY:
            self.close_connection = True
            self._send(Response(HTTPStatus.BAD_REQUEST, {"connection": "close"}))
            return
        try:
            response = self.server.app.handle(self._request(length))
        except Aborted:
            self.close_connection = True
            return
        self._send(response)

    def _send(self, response: Response) -> None:
        headers = dict(response.headers)
        headers.setdefault("date", self.date_time_string())
        body = response.body
        if response.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            body = b""
        else:
            headers.setdefault("content-length", str(len(body)))
        if headers.get("content-length", str(len(body))) != str(len(body)):
            self.close_connection = True
        self.send_response_only(response.status)
        for name, value in headers.items():
            self.send_header(name.title(), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _answer  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing: the request log is kept around the apps."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running HTTP server of one app."""

    http: _HttpServer
    thread: threading.Thread

    @property
    def url(self) -> str:
        """Return the base address, without a slash at the end."""
        host, port = self.http.server_address[:2]
        return f"http://{host!s}:{port}"

    def close(self) -> None:
        """Stop listening."""
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


def serve(app: App, host: str = "127.0.0.1", port: int = 0) -> Server:
    """Serve an app over HTTP/1.1 with keep-alive in background threads; port 0 takes a free one.

    Unbuffered small writes with Nagle's algorithm cost 40 ms an answer (stack.md §7.1).
    """
    http = _HttpServer((host, port), app)
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    return Server(http, thread)
