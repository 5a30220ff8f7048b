"""Raw bytes against the listener: what two readers of one request could disagree about."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from bcss import httpserver
from bcss.clock import SystemClock
from bcss.httpserver import Answer, Request, Server
from tests.webhooks.rig import TOKEN, Ear

PATH = f"/{TOKEN}/shipstation".encode()
SMUGGLED = b"POST " + PATH + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nbad"


def head(
    *lines: bytes, path: bytes = PATH, method: bytes = b"POST", version: bytes = b"1.1"
) -> bytes:
    start = method + b" " + path + b" HTTP/" + version
    return b"\r\n".join([start, b"Host: a", *lines, b"", b""])


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


CASES = {
    "chunked": (head(b"Transfer-Encoding: chunked") + b"0\r\n\r\n", 501),
    "chunked and length": (
        head(b"Content-Length: 4", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
        501,
    ),
    "odd chunked": (head(b"Transfer-Encoding: xchunked"), 501),
    "identity": (head(b"Transfer-Encoding: identity", b"Content-Length: 0"), 501),
    "two lengths": (head(b"Content-Length: 0", b"Content-Length: 5") + b"abcde", 400),
    "two equal lengths": (head(b"Content-Length: 0", b"Content-Length: 0"), 400),
    "list of lengths": (head(b"Content-Length: 0, 0"), 400),
    "signed length": (head(b"Content-Length: +0"), 400),
    "negative length": (head(b"Content-Length: -1"), 400),
    "hexadecimal length": (head(b"Content-Length: 0x0"), 400),
    "text length": (head(b"Content-Length: abc"), 400),
    "empty length": (head(b"Content-Length:"), 400),
    "underscored length": (head(b"Content-Length: 1_0") + b"0123456789", 400),
    "foreign digits": (head("Content-Length: ٣".encode()) + b"abc", 400),
    "huge length": (head(b"Content-Length: 99999999999"), 413),
    "large length": (head(b"Content-Length: 4097"), 413),
    "blank before colon": (head(b"Content-Length : 3") + b"abc", 400),
    "folded line": (head(b"X: a", b" Content-Length: 3") + b"abc", 400),
    "bare line feed": (b"POST " + PATH + b" HTTP/1.1\nHost: a\nContent-Length: 0\n\n", 400),
    "bare line feed in a header": (head(b"X: a\nContent-Length: 3") + b"abc", 400),
    "carriage return in a header": (head(b"X: a\rTransfer-Encoding: chunked"), 400),
    "nul in a header": (head(b"X: \0"), 400),
    "header without name": (head(b": x"), 400),
    "header without colon": (head(b"nonsense"), 400),
    "two hosts": (head(b"Host: b"), 400),
    "absolute target": (head(path=b"http://other" + PATH), 400),
    "no target": (b"POST HTTP/1.1\r\n\r\n", 400),
    "blank in target": (b"POST /a b HTTP/1.1\r\n\r\n", 400),
    "lower-case method": (head(method=b"post"), 400),
    "old version": (b"GET /healthz\r\n\r\n", 400),
    "new version": (head(version=b"2.0"), 400),
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "odd expectation": (head(b"Expect: miracles", b"Content-Length: 0"), 400),
    "long header": (head(b"X: " + b"y" * 8192), 431),
    "many headers": (head(*(b"X%d: y" % number for number in range(2000))), 431),
    "long target": (head(path=b"/" + b"x" * 70_000), 431),
}


@pytest.mark.parametrize("case", CASES)
def test_a_dubious_request_is_refused_and_nothing_after_it_is_read(ear: Ear, case: str) -> None:
    sent, status = CASES[case]
    answer = ear.raw(sent + SMUGGLED)
    assert statuses(answer) == [status]
    assert b"Connection: close\r\n" in answer
    assert ear.hints() == []


def test_requests_in_one_piece_are_answered_in_turn(ear: Ear) -> None:
    one = head(b"Content-Length: 1")
    last = head(b"Content-Length: 1", b"Connection: keep-alive, Close") + b"c"
    assert statuses(ear.raw(one + b"a" + one + b"b" + last + SMUGGLED)) == [200, 200, 200]
    assert [hint.body for hint in ear.hints()] == [b"a", b"b", b"c"]


def test_the_first_version_of_http_gets_one_answer(ear: Ear) -> None:
    sent = head(path=b"/healthz", method=b"GET", version=b"1.0")
    assert statuses(ear.raw(sent + SMUGGLED)) == [200]


def test_head_has_no_body(ear: Ear) -> None:
    path = b"/business-central?validationToken=abc"
    answer = ear.raw(head(b"Connection: close", method=b"HEAD", path=path))
    assert b"Content-Length: 3\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_client_that_asks_first_is_told_to_go_on(ear: Ear) -> None:
    sent = head(b"Expect: 100-continue", b"Content-Length: 2", b"Connection: close") + b"ok"
    assert statuses(ear.raw(sent)) == [100, 200]
    refused = head(b"Expect: 100-continue", b"Content-Length: 4097")
    assert statuses(ear.raw(refused)) == [413]


def test_half_a_body_is_never_stored(ear: Ear) -> None:
    assert ear.raw(head(b"Content-Length: 10") + b"12345") == b""
    assert ear.hints() == []


def test_a_client_that_goes_on_sending_still_sees_the_refusal(ear: Ear) -> None:
    """Closing over what it still sends would reset the connection, and the answer with it."""
    nap = threading.Event()
    with socket.create_connection(("127.0.0.1", ear.port), timeout=20) as connection:
        connection.sendall(head(b"Content-Length: 2000000"))
        for _ in range(4):
            nap.wait(0.05)
            connection.sendall(b"x" * 500_000)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")


# Time and number --------------------------------------------------------------------------------


class Echo:
    """An app that gives the body back."""

    def body_limit(self, path: str) -> int:
        return 100 if path == "/" else 0

    def answer(self, request: Request) -> Answer:
        if request.query == "fail":
            raise ZeroDivisionError
        return Answer(200, request.body)

    def refuse(self, path: str, status: int) -> Answer:
        return Answer(status)


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(httpserver, "IDLE_SECONDS", 0.4)
    monkeypatch.setattr(httpserver, "DEADLINE_SECONDS", 0.6)
    server = Server(("127.0.0.1", 0), Echo(), SystemClock())
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield int(server.server_address[1])
    server.drain()
    thread.join()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=5)


def drip(connection: socket.socket, text: bytes) -> float:
    """Send a byte each 50 ms; return after how many seconds the server had enough."""
    begun = time.monotonic()
    for byte in text:
        try:
            connection.sendall(bytes([byte]))
            connection.settimeout(0.05)
            if connection.recv(100) == b"":
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - begun


def test_a_client_that_drips_is_cut_off_by_the_total_deadline(port: int) -> None:
    with connect(port) as connection:
        assert 0.5 < drip(connection, b"POST / HTTP/1.1\r\nX: " + b"y" * 200) < 2.5


def test_a_silent_client_is_let_go(port: int) -> None:
    with connect(port) as connection:
        begun = time.monotonic()
        assert connection.recv(1) == b""
        assert 0.2 < time.monotonic() - begun < 2


def test_a_connection_stays_open_between_requests(port: int) -> None:
    with connect(port) as connection:
        for body in (b"1", b"2", b"3"):
            connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n" + body)
            assert connection.recv(1000).endswith(b"\r\n\r\n" + body)


def test_more_clients_than_places_are_turned_away_at_once(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(httpserver.MAX_CONNECTIONS):
            stack.enter_context(connect(port)).sendall(b"P")
        refused = stack.enter_context(connect(port))
        answer = refused.recv(1000)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 5\r\n" in answer
    assert any(served(port) for _ in range(50)), "the places were never given back"


def served(port: int) -> bool:
    with connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        return connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_bug_ends_one_connection_and_says_so_in_one_line(
    port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with connect(port) as connection:
        connection.sendall(b"GET /?fail HTTP/1.1\r\n\r\n")
        assert connection.recv(1000) == b""
    with connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "ZeroDivisionError" in said


def test_draining_wakes_those_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpserver, "IDLE_SECONDS", 60.0)
    server = Server(("127.0.0.1", 0), Echo(), SystemClock())
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    with connect(int(server.server_address[1])) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")
        nap = threading.Event()
        while not server._idle:
            nap.wait(0.01)
        begun = time.monotonic()
        server.drain()
        thread.join()
        assert time.monotonic() - begun < 5
        assert connection.recv(1) == b""
