"""Serve HTTP/1.1 to strangers, within bounds, on the standard library's threading server.

The library's own reading of a request is replaced: it ignores Transfer-Encoding, takes the
first of two lengths, and waits for ever (stack.md §7.2). Here a request is read strictly, has a
total deadline, and is refused before its body is read when that would be too large.
"""

import io
import re
import socket
import socketserver
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any, Final, Protocol

from bcss.clock import Clock

MAX_HEAD: Final = 8 * 1024
MAX_CONNECTIONS: Final = 64
IDLE_SECONDS: Final = 5.0
DEADLINE_SECONDS: Final = 10.0
GRACE_SECONDS: Final = 1.0  # how long a sender may take before it must give way to another
_LINGER_SECONDS: Final = 1.0
_LINGER_BYTES: Final = 4 * 1024 * 1024
_RETRY_AFTER: Final = 5
_SMALL: Final = 64 * 1024
_REQUEST_LINE = re.compile(rb"([A-Z]{1,20}) (/[\x21-\x7e]*) HTTP/1\.([01])\r\n")
# No blank before the colon, no folded line, no control character: what two readers of one
# request could disagree about is not read at all (reliability.md §6, 5).
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,80}):[ \t]*([\x20-\x7e\x80-\xff\t]*)\r\n")
_LENGTH = re.compile(rb"[0-9]{1,7}")
_ANY_LENGTH = re.compile(rb"[0-9]{1,60}")


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was read whole; path and query as they came, header names in lower case."""

    method: str
    path: str
    query: str
    body: bytes
    headers: Mapping[bytes, list[bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A short answer in plain text."""

    status: int
    body: bytes = b""


class App(Protocol):
    """What is served; called from many threads."""

    def body_limit(self, path: str) -> int:
        """Return the largest body that this path takes, in bytes."""
        ...

    def answer(self, request: Request) -> Answer:
        """Answer a request within a few seconds."""
        ...

    def refuse(self, path: str, status: int) -> Answer:
        """Choose the answer to a request that was not read: its path, and what is wrong."""
        ...


class _Refused(Exception):
    """The request will not be read further."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _Gone(Exception):
    """The client has left or is too slow."""


@dataclass(frozen=True, slots=True)
class _Head:
    """A request's first part; header names in lower case, each with all its values."""

    method: bytes
    path: str
    query: str
    persistent: bool
    headers: Mapping[bytes, list[bytes]]

    def length(self) -> int:
        """Return the body's length, or raise _Refused where readers could disagree about it."""
        if b"transfer-encoding" in self.headers:
            raise _Refused(HTTPStatus.NOT_IMPLEMENTED)
        given = self.headers.get(b"content-length", [b"0"])
        if len(given) > 1 or not _ANY_LENGTH.fullmatch(given[0]):
            raise _Refused(HTTPStatus.BAD_REQUEST)
        if not _LENGTH.fullmatch(given[0]):
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return int(given[0])


class _Patience(io.RawIOBase):
    """Read from a socket until a deadline: a timeout alone begins anew with each byte."""

    def __init__(self, connection: socket.socket, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._until = 0.0

    def allow(self, seconds: float) -> None:
        """Set the deadline."""
        self._until = self._clock.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left; raise TimeoutError when there are none."""
        left = self._until - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(self.left())
        return self._connection.recv_into(buffer)


class _Handler(socketserver.StreamRequestHandler):
    server: "Server"
    disable_nagle_algorithm = True  # 40 ms an answer otherwise (stack.md §7.1)

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.close_connection = False
        self.patience = _Patience(self.connection, self.server.clock)
        self.reader = io.BufferedReader(self.patience, MAX_HEAD)
        self.rfile = self.reader

    def handle(self) -> None:
        with suppress(_Gone, OSError):
            while not self.close_connection and self._await_request():
                self._serve_one()

    def finish(self) -> None:
        self.server.has_read(self.connection)
        super().finish()

    def _await_request(self) -> bool:
        """Wait for the first byte of a request; return False when there will be none."""
        self.patience.allow(IDLE_SECONDS)
        self.server.reads(self.connection)
        with self.server.idling(self.connection) as may_wait:
            return may_wait and bool(self.reader.peek(1))

    def _serve_one(self) -> None:
        self.patience.allow(DEADLINE_SECONDS)
        path = ""
        try:
            line = self._line(MAX_HEAD)
            path = _path_of(line)
            head = self._head(line)
            self.close_connection = not head.persistent
            request = self._request(head)
            self.server.has_read(self.connection)
            answer = self.server.app.answer(request)
            sends_body = head.method != b"HEAD"
        except _Refused as refusal:
            self.close_connection = True
            self._send(self.server.app.refuse(path, refusal.status), body=True)
            self._linger()
            return
        self.close_connection |= self.server.draining
        self._send(answer, body=sends_body)

    def _head(self, line: bytes) -> _Head:
        found = _REQUEST_LINE.fullmatch(line)
        if found is None:
            raise _Refused(HTTPStatus.BAD_REQUEST)
        headers = self._headers(MAX_HEAD - len(line))
        if len(headers.get(b"host", ())) > 1:
            raise _Refused(HTTPStatus.BAD_REQUEST)
        path, _, query = found[2].decode("ascii").partition("?")
        tokens = b",".join(headers.get(b"connection", ())).lower().split(b",")
        closing = found[3] == b"0" or b"close" in [token.strip() for token in tokens]
        return _Head(found[1], path, query, not closing, headers)

    def _headers(self, room: int) -> dict[bytes, list[bytes]]:
        headers: dict[bytes, list[bytes]] = {}
        while (line := self._line(room)) != b"\r\n":
            room -= len(line)
            found = _HEADER.fullmatch(line)
            if found is None:
                raise _Refused(HTTPStatus.BAD_REQUEST)
            headers.setdefault(found[1].lower(), []).append(found[2].strip())
        return headers

    def _line(self, room: int) -> bytes:
        line = self.reader.readline(room + 1)
        if len(line) > room:
            raise _Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if not line.endswith(b"\n"):
            raise _Gone
        return line

    def _request(self, head: _Head) -> Request:
        length = head.length()
        if length > self.server.app.body_limit(head.path):
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        expected = head.headers.get(b"expect", [])
        if expected and expected != [b"100-continue"]:
            raise _Refused(HTTPStatus.BAD_REQUEST)
        if expected:
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.reader.read(length)
        if len(body) < length:
            raise _Gone  # half a message is none
        return Request(head.method.decode("ascii"), head.path, head.query, body, head.headers)

    def _send(self, answer: Answer, *, body: bool) -> None:
        content = message(answer, closing=self.close_connection, body=body)
        self.connection.settimeout(self.patience.left())
        self.connection.sendall(content)

    def _linger(self) -> None:
        """Read on for a moment: closing over unread bytes would destroy our answer."""
        self.patience.allow(_LINGER_SECONDS)
        self.connection.shutdown(socket.SHUT_WR)
        left = _LINGER_BYTES
        while left > 0 and (piece := self.reader.read1(_SMALL)):
            left -= len(piece)


class Server(ThreadingHTTPServer):
    """The server of one app; at most 64 connections at a time, each with a thread.

    Raise OSError when the address cannot be had.
    """

    daemon_threads = False
    block_on_close = True
    request_queue_size = (
        1024  # a burst that finds no room in the queue is tried again by the second
    )

    def __init__(
        self,
        address: tuple[str, int],
        app: App,
        clock: Clock,
        *,
        inherited: socket.socket | None = None,
    ) -> None:
        self.app = app
        self.clock = clock
        self.draining = False
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._lock = threading.Lock()
        self._idle: set[socket.socket] = set()
        self._slow: dict[socket.socket, float] = {}
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler, bind_and_activate=inherited is None)
        if inherited is not None:
            self.socket.close()
            self.socket = inherited
            self.server_address = inherited.getsockname()
        # A client that left before it was accepted must not make the accepting thread wait.
        self.socket.setblocking(False)

    def server_bind(self) -> None:
        """Bind without asking the name service for our own name."""
        socketserver.TCPServer.server_bind(self)

    def reads(self, connection: socket.socket) -> None:
        """Note since when a connection has had the time to send a request."""
        with self._lock:
            self._slow.pop(connection, None)
            self._slow[connection] = self.clock.monotonic()

    def has_read(self, connection: socket.socket) -> None:
        """Note that a connection has sent a whole request, or has ended."""
        with self._lock:
            self._slow.pop(connection, None)

    def _make_room(self) -> bool:
        """End the connection that has been slowest to send, for the sake of a new one.

        An honest sender's request is read within milliseconds; a second is slow.
        """
        with self._lock:
            slowest, since = next(iter(self._slow.items()), (None, 0.0))
            if slowest is None or self.clock.monotonic() - since < GRACE_SECONDS:
                return False
            del self._slow[slowest]
            with suppress(OSError):
                slowest.shutdown(socket.SHUT_RDWR)
        return self._places.acquire(timeout=GRACE_SECONDS)

    def idling(self, connection: socket.socket) -> "_Idling":
        """Note that a connection waits for a request and may be closed at any time."""
        return _Idling(self._idle, self._lock, connection, self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection its thread, or turn it away at once."""
        if not self._places.acquire(blocking=False) and not self._make_room():
            self._turn_away(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no further thread can be had
            self._places.release()
            self._turn_away(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection and free its place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say in one line that a handler failed; a client that left never comes here."""
        error = sys.exception()
        sys.stderr.write(f"bcss: a request failed: {type(error).__name__}: {error}\n")

    def _turn_away(self, request: socket.socket) -> None:
        with suppress(OSError):
            request.settimeout(0.1)
            request.sendall(message(Answer(HTTPStatus.SERVICE_UNAVAILABLE), closing=True))
        self.shutdown_request(request)

    def drain(self) -> None:
        """Finish what has been begun, take nothing new, and end; call it from another thread."""
        with self._lock:
            self.draining = True
            for connection in self._idle:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)
        self.shutdown()
        self.server_close()


@dataclass(frozen=True, slots=True)
class _Idling:
    """While it is entered, `drain` may wake the connection's thread."""

    idle: set[socket.socket]
    lock: threading.Lock
    connection: socket.socket
    server: Server

    def __enter__(self) -> bool:
        with self.lock:
            self.idle.add(self.connection)
            return not self.server.draining

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.idle.discard(self.connection)


def message(answer: Answer, *, closing: bool, body: bool = True) -> bytes:
    """Write an answer; it names no program and no version."""
    lines = [
        f"HTTP/1.1 {int(answer.status)} {HTTPStatus(answer.status).phrase}",
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Length: {len(answer.body)}",
        "Content-Type: text/plain; charset=utf-8",
        "X-Content-Type-Options: nosniff",
        "Cache-Control: no-store",
    ]
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE:
        lines.append(f"Retry-After: {_RETRY_AFTER}")
    if closing:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + (answer.body if body else b"")


def _path_of(line: bytes) -> str:
    """Guess the path of a request line that may be malformed, for the right kind of refusal."""
    parts = line[:MAX_HEAD].split(b" ")
    target = parts[1] if len(parts) > 1 else b""
    return target.partition(b"?")[0].decode("latin-1")
