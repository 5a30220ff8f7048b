"""A server on loopback that answers by script, and a clock that sleeps without waiting."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Step = bytes | Callable[[socket.socket], None]


class StillClock:
    """A clock that moves only when somebody sleeps, and remembers each sleep."""

    def __init__(self) -> None:
        self.start = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
        self.passed = 0.0
        self.sleeps: list[float] = []
        self._lock = threading.Lock()

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.sleeps.append(seconds)
            self.passed += seconds


@dataclass(frozen=True, slots=True)
class Seen:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


def answer(status: int = 200, value: Any = None, headers: Mapping[str, str] | None = None) -> bytes:
    """Write an answer; bytes and text go out as they are, anything else as JSON."""
    kind = "application/json"
    match value:
        case None:
            body = b""
        case bytes():
            body = value
        case str():
            body, kind = value.encode(), "text/html"
        case _:
            body = json.dumps(value).encode()
    merged = {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {text}\r\n" for name, text in merged.items())
    return f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode("latin-1") + body


def hang_up(_: socket.socket) -> None:
    """Read the request and close without a word."""


def reset(conn: socket.socket) -> None:
    """Cut the connection with RST."""
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Server:
    """Answers the n-th request with the n-th step, and the last step for ever after."""

    def __init__(self, *steps: Step, certificate: Path | None = None) -> None:
        self.steps = list(steps)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
        if self._tls and certificate:
            self._tls.load_cert_chain(certificate)
        self.seen: list[Seen] = []
        self.busy = 0
        self.most_busy = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                conn, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn: socket.socket) -> None:
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls:
            try:
                conn = self._tls.wrap_socket(conn, server_side=True)
            except OSError:
                conn.close()
                return
        with suppress(OSError), conn, conn.makefile("rb") as stream:
            while request := _read(stream):
                with self._lock:
                    self.seen.append(request)
                    step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
                    self.busy += 1
                    self.most_busy = max(self.busy, self.most_busy)
                try:
                    if callable(step):
                        step(conn)
                        return
                    conn.sendall(step)
                finally:
                    with self._lock:
                        self.busy -= 1

    def close(self) -> None:
        self._listener.close()


def _read(stream: Any) -> Seen | None:
    line = stream.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    headers: dict[str, str] = {}
    while text := stream.readline().decode("latin-1").strip():
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    return Seen(line[0], line[1], headers, stream.read(int(headers.get("content-length", "0"))))
