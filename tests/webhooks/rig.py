"""A listener on a free port of loopback, and the means to speak to it, well or badly."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from http.client import HTTPConnection
from pathlib import Path

import pytest

from bcss.clock import SystemClock
from bcss.config.schema import Config, SecretRef, Webhooks
from bcss.listener import Listener
from bcss.store.hints import Hint, Hints, hints_path
from tests.rig import config_for

TOKEN = "hook-token-for-tests-0123456789"
TOKEN_REF = SecretRef("env", "BCSS_TEST_HOOK", "webhooks.token", "test")
POINTER = {
    "resource_url": "https://ssapi6.shipstation.com/shipments?batchId=1&includeShipmentItems=False",
    "resource_type": "SHIP_NOTIFY",
}


@dataclass(frozen=True, slots=True)
class Got:
    """What the listener answered."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Ear:
    """A running listener."""

    config: Config
    listener: Listener

    @property
    def port(self) -> int:
        return self.listener.address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/bcss"

    def send(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Got:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=15)) as connection:
            connection.request(method, path, body or None, headers or {})
            answer = connection.getresponse()
            names = {name.lower(): value for name, value in answer.getheaders()}
            return Got(answer.status, names, answer.read())

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def raw(self, *pieces: bytes) -> bytes:
        """Send bytes as they are, then read until the listener closes the connection."""
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            found = b""
            while piece := connection.recv(65536):
                found += piece
            return found

    def point(self, pointer: object = None, token: str = TOKEN) -> Got:
        return self.send(
            "POST", f"/bcss/{token}/shipstation", json.dumps(pointer or POINTER).encode()
        )

    def hints(self) -> list[Hint]:
        return hints_of(self.config.state.path)


def hints_of(state: Path) -> list[Hint]:
    with closing(Hints(hints_path(state), SystemClock(), synchronous="OFF")) as hints:
        return list(hints.upto(2**62))


def with_webhooks(config: Config, url: str = "http://127.0.0.1:1/bcss") -> Config:
    return replace(
        config, webhooks=Webhooks(public_url=url, token=TOKEN_REF, listen=("127.0.0.1", 0))
    )


@contextmanager
def listening(config: Config) -> Iterator[Ear]:
    """Listen; the configuration's public address is made to be the real one."""
    os.environ["BCSS_TEST_HOOK"] = TOKEN
    listener = Listener(with_webhooks(config), synchronous="OFF")
    host, port = listener.address
    listener.start()
    try:
        yield Ear(with_webhooks(config, f"http://{host}:{port}/bcss"), listener)
    finally:
        listener.drain()


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    with listening(config_for(tmp_path, start=date(2026, 12, 1))) as found:
        yield found
