"""Reads are tried again within bounds, writes are sent once, and doubt is called doubt."""

import gzip
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bcss.clock import SystemClock
from bcss.errors import (
    FixCredential,
    InDoubt,
    RecordChanged,
    RecordMissing,
    RecordRefused,
    RetryLater,
    StopVendor,
    UpstreamError,
    UrlTooLong,
)
from bcss.http import ApiSession, Exchange, Problem, Verdict, _tls
from bcss.request import target_of
from tests.http.rig import Server, Step, StillClock, answer, hang_up, reset

Start = Callable[..., tuple[Server, ApiSession, StillClock]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a scripted server and a session with it."""
    opened: list[Any] = []

    def begin(*steps: Step, **options: Any) -> tuple[Server, ApiSession, StillClock]:
        server, clock = Server(*steps), StillClock()
        session = ApiSession(
            **{
                "vendor": "shipstation",
                "base_url": server.url,
                "clock": clock,
                "authorize": lambda _: {"Authorization": "Basic abc"},
                **options,
            }
        )
        opened.extend([server, session])
        return server, session, clock

    yield begin
    for thing in opened:
        thing.close()


def test_a_read_sends_path_query_and_credentials(start: Start) -> None:
    server, session, _ = start(answer(200, {"total": 1.10}), user_agent="bcss/9")
    reply = session.get(
        "/orders", query=[("$filter", "name eq 'O''Neil & Söhne+1'"), ("page", "2")]
    )
    assert str(reply.json()["total"]) == "1.1"
    seen = server.seen[0]
    assert seen.target == ("/orders?$filter=name%20eq%20'O''Neil%20%26%20S%C3%B6hne%2B1'&page=2")
    assert seen.headers["authorization"] == "Basic abc"
    assert seen.headers["user-agent"] == "bcss/9"
    assert seen.headers["host"] == f"127.0.0.1:{server.port}"
    assert session.requests == 1


def test_a_path_cannot_smuggle_a_query(start: Start) -> None:
    server, session, _ = start(answer(200, {}))
    session.get("Company('A b?c#d%20e')/x")
    assert server.seen[0].target == "/Company('A%20b%3Fc%23d%20e')/x"


def test_the_path_of_the_base_address_stays(start: Start) -> None:
    server, session, _ = start(answer(200, {}))
    session.base_url += "/v1"
    session.get("/orders")
    assert server.seen[0].target == "/v1/orders"


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_a_read_is_tried_again(start: Start, status: int) -> None:
    server, session, clock = start(answer(status, {"message": "no"}), answer(200, {"ok": True}))
    assert session.get("/orders").json() == {"ok": True}
    assert len(server.seen) == session.requests == 2
    assert len(clock.sleeps) == 1


@pytest.mark.parametrize(
    "step", [hang_up, reset, answer(200, "<html>Sign in"), answer(200, b'{"a":')]
)
def test_a_read_survives_a_broken_answer(start: Start, step: Step) -> None:
    _, session, _ = start(step, answer(200, [1]))
    assert session.get("/orders").json() == [1]


def test_a_read_that_ends_early_is_tried_again(start: Start) -> None:
    half = answer(200, {"orders": []}).replace(b"Content-Length: 14", b"Content-Length: 99")

    def cut(conn: socket.socket) -> None:
        conn.sendall(half)

    _, session, _ = start(cut, answer(200, [1]))
    assert session.get("/orders").json() == [1]


def test_tries_are_bounded(start: Start) -> None:
    server, session, clock = start(answer(503))
    with pytest.raises(RetryLater) as caught:
        session.get("/orders")
    assert len(server.seen) == 5
    assert caught.value.status == 503
    assert clock.passed < 120


def test_a_500_gets_one_more_try_only(start: Start) -> None:
    server, session, _ = start(answer(500, {"ExceptionMessage": "Object reference"}))
    with pytest.raises(RetryLater, match="Object reference"):
        session.get("/orders")
    assert len(server.seen) == 2


def test_the_caller_may_ask_for_fewer_tries(start: Start) -> None:
    server, session, _ = start(answer(503))
    with pytest.raises(RetryLater):
        session.get("/orders", tries=1)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("headers", "least"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "Mon, 23 Nov 2026 09:00:22 GMT"}, 22),
        ({"X-Rate-Limit-Reset": "21"}, 21),
        ({"Retry-After": "5", "X-Rate-Limit-Reset": "50"}, 5),
    ],
)
def test_the_vendor_says_how_long(start: Start, headers: Mapping[str, str], least: float) -> None:
    _, session, clock = start(answer(429, None, headers), answer(200, {}))
    session.get("/orders")
    assert least <= clock.sleeps[0] <= least + 1


def test_a_wait_beyond_the_bound_is_not_begun(start: Start) -> None:
    server, session, clock = start(answer(429, None, {"Retry-After": "3600"}))
    with pytest.raises(RetryLater) as caught:
        session.get("/orders")
    assert caught.value.retry_after == 3600
    assert clock.sleeps == []
    assert len(server.seen) == 1


def test_a_wait_beyond_the_run_is_not_begun(start: Start) -> None:
    _, session, clock = start(answer(429, None, {"Retry-After": "30"}), run_ends=20.0)
    with pytest.raises(RetryLater):
        session.get("/orders")
    assert clock.sleeps == []


def test_a_throttled_body_counts_whatever_the_status(start: Start) -> None:
    _, session, clock = start(
        answer(200, {"message": "Too Many Requests"}, {"X-Rate-Limit-Reset": "9"}),
        answer(200, {"a": 1}),
    )
    session.explain = lambda reply: throttled(reply.body)
    assert session.get("/orders").json() == {"a": 1}
    assert clock.sleeps[0] >= 9


def throttled(body: bytes) -> Any:
    return Problem("throttled", verdict=Verdict.THROTTLED if b"Too Many" in body else None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RecordRefused),
        (402, StopVendor),
        (403, StopVendor),
        (404, RecordMissing),
        (405, RecordRefused),
        (409, RecordChanged),
        (412, RecordChanged),
        (413, UrlTooLong),
        (414, UrlTooLong),
        (431, UrlTooLong),
        (501, RecordRefused),
        (302, RetryLater),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_definite_answer_is_final(
    start: Start, status: int, kind: type[UpstreamError], method: str
) -> None:
    server, session, _ = start(answer(status, {"error": {"code": "X", "message": "No."}}))
    with pytest.raises(UpstreamError) as caught:
        session.get("/a") if method == "GET" else session.send(method, "/a", body=b"{}")
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.status) == ("X", status)
    assert caught.value.hint
    assert len(server.seen) == 1


def test_a_redirect_is_never_followed(start: Start) -> None:
    other, _, _ = start(answer(200, {}))
    _, session, _ = start(answer(307, None, {"Location": other.url + "/orders"}))
    with pytest.raises(RetryLater, match="307"):
        session.get("/orders")
    assert other.seen == []


@pytest.mark.parametrize(
    "step",
    [
        answer(408),
        answer(500, {"message": "An error"}),
        answer(502, "<html>"),
        answer(503, None, {"Retry-After": "1"}),
        answer(504),
        answer(200, "<html>Welcome</html>"),
        answer(201, b'{"id": "7'),
        hang_up,
        reset,
    ],
)
def test_a_write_in_doubt_is_sent_once(start: Start, step: Step) -> None:
    server, session, clock = start(step, answer(200, {}))
    with pytest.raises(InDoubt) as caught:
        session.send("POST", "/salesInvoices", body=b"{}")
    assert len(server.seen) == 1
    assert clock.sleeps == []
    assert "POST salesInvoices" in str(caught.value)


def test_a_throttled_write_is_sent_again(start: Start) -> None:
    server, session, clock = start(answer(429, None, {"Retry-After": "3"}), answer(201, {"id": 1}))
    assert session.send("POST", "/orders", body=b'{"a":1}').json() == {"id": 1}
    assert [seen.body for seen in server.seen] == [b'{"a":1}'] * 2
    assert server.seen[0].headers["content-type"] == "application/json"
    assert clock.sleeps[0] >= 3


def test_a_write_that_never_left_is_definitely_not(start: Start) -> None:
    _, session, clock = start(answer(200), base_url=f"http://127.0.0.1:{_closed_port()}")
    with pytest.raises(RetryLater, match="cannot be reached"):
        session.send("POST", "/orders", body=b"{}")
    assert len(clock.sleeps) == 4


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_an_empty_answer_to_a_write_is_fine(start: Start) -> None:
    _, session, _ = start(answer(204))
    assert session.send("POST", "/post").status == 204


def test_one_fresh_token_after_a_401(start: Start) -> None:
    asked: list[bool] = []

    def authorize(force: bool) -> dict[str, str]:
        asked.append(force)
        return {"Authorization": f"Bearer {len(asked)}"}

    server, session, _ = start(answer(401), answer(200, {}), answer(401), authorize=authorize)
    session.send("POST", "/orders", body=b"{}")
    assert asked == [False, True]
    assert [seen.headers["authorization"] for seen in server.seen] == ["Bearer 1", "Bearer 2"]
    with pytest.raises(StopVendor):
        session.get("/orders")
    assert asked == [False, True, False, True]


def test_a_sign_in_that_fails_for_now_is_tried_again(start: Start) -> None:
    fails = [RetryLater("busy"), RetryLater("busy")]

    def authorize(_: bool) -> dict[str, str]:
        if fails:
            raise fails.pop()
        return {}

    server, session, _ = start(answer(201, {}), authorize=authorize)
    session.send("POST", "/orders", body=b"{}")
    assert len(server.seen) == 1


def test_a_credential_with_a_line_break_is_refused(start: Start) -> None:
    server, session, _ = start(answer(200, {}), authorize=lambda _: {"API-Key": "abc\nX: y"})
    with pytest.raises(FixCredential) as caught:
        session.get("/orders")
    assert "abc" not in str(caught.value)
    assert server.seen == []


def test_a_next_page_comes_from_our_host_only(start: Start) -> None:
    server, session, _ = start(answer(200, {"value": []}))
    target = "/v2.0/t/items?$skiptoken='a%20b'&%24top=5"
    session.get_url(server.url + target, headers={"Prefer": "odata.maxpagesize=5"})
    assert server.seen[0].target == target
    assert server.seen[0].headers["prefer"] == "odata.maxpagesize=5"
    for url in (
        f"http://127.0.0.1.evil.example:{server.port}/x",
        f"http://user@127.0.0.1:{server.port}/x",
        f"https://127.0.0.1:{server.port}/x",
        f"http://127.0.0.1:{server.port + 1}/x",
        "//127.0.0.1/x",
        "file:///etc/passwd",
        "http://[",
    ):
        with pytest.raises(StopVendor):
            session.get_url(url)
    assert len(server.seen) == 1


def test_a_standard_port_is_the_same_host() -> None:
    assert target_of("https://API.example:443/v2?x=1", "https://api.example") == "/v2?x=1"
    assert target_of("https://api.example", "https://api.example:443") == "/"
    assert target_of("https://api.example:444/v2", "https://api.example") is None
    assert target_of("https://api.example:port/v2", "https://api.example") is None


def test_a_tag_cannot_smuggle_a_header(start: Start) -> None:
    server, session, _ = start(answer(200, {}))
    with pytest.raises(RecordRefused):
        session.send("PATCH", "/x", headers={"If-Match": 'W/"a"\r\nX-Evil: 1'})
    assert server.seen == []


def test_throttling_without_a_time_waits_longer(start: Start) -> None:
    _, session, clock = start(answer(429), answer(429), answer(200, {}))
    session.get("/x")
    assert 5 <= clock.sleeps[0] + clock.sleeps[1] <= 15
    assert clock.sleeps[0] >= 2.5


def test_a_file_may_be_plain_text(start: Start) -> None:
    _, session, _ = start(answer(200, b"1Z999", {"Content-Type": "text/plain"}))
    assert session.get("/content", headers={"Accept": "*/*"}).body == b"1Z999"
    with pytest.raises(RetryLater, match="cannot be read"):
        session.get("/content")


def self_signed(folder: Path) -> Path:
    """Write key and certificate of localhost into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begun)
        .not_valid_after(begun + timedelta(days=99_999))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "localhost.pem"
    path.write_bytes(private + built.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.mark.parametrize("trusted", [True, False])
def test_only_a_trusted_host_gets_a_byte(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    pem = self_signed(tmp_path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    _tls.cache_clear()
    server = Server(answer(201, {"id": 1}), certificate=pem)
    _, session, _ = start(answer(200), base_url=f"https://localhost:{server.port}")
    _tls.cache_clear()
    if trusted:
        assert session.send("POST", "/orders", body=b"{}").json() == {"id": 1}
    else:
        with pytest.raises(RetryLater, match="cannot be reached: ConnectError"):
            session.send("POST", "/orders", body=b"{}")
        assert server.seen == []
    server.close()


def test_packed_answers_are_bounded(start: Start) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    _, session, _ = start(answer(200, bomb, {"Content-Encoding": "gzip"}), max_body=1_000_000)
    with pytest.raises(UrlTooLong, match="great a length"):
        session.get("/orders")


def test_packed_answers_are_unpacked_and_must_be_whole(start: Start) -> None:
    whole = gzip.compress(b'{"a": "' + b"x" * 5000 + b'"}')
    packed = {"Content-Encoding": "gzip"}
    _, session, _ = start(answer(200, whole[:-12], packed), answer(200, whole, packed))
    assert len(session.get("/orders").json()["a"]) == 5000
    assert session.requests == 2


def test_an_unknown_packing_is_not_guessed(start: Start) -> None:
    _, session, _ = start(answer(201, b"{}", {"Content-Encoding": "br"}))
    with pytest.raises(InDoubt, match="packed"):
        session.send("POST", "/orders")


def test_long_answers_to_writes_are_doubt(start: Start) -> None:
    _, session, _ = start(answer(200, b"[" + b"1," * 5000 + b"1]"), max_body=1000)
    with pytest.raises(InDoubt):
        session.send("PATCH", "/orders")


def test_a_dripping_body_ends_at_the_deadline(start: Start) -> None:
    gone = threading.Event()

    def drip(conn: socket.socket) -> None:
        conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not gone.wait(0.02):
            conn.sendall(b" ")

    _, session, _ = start(drip, clock=SystemClock(), write_deadline=0.15)
    begun = SystemClock().monotonic()
    with pytest.raises(InDoubt, match="too long"):
        session.send("POST", "/orders")
    gone.set()
    assert SystemClock().monotonic() - begun < 2


def test_silence_ends_at_the_deadline(start: Start) -> None:
    gone = threading.Event()
    _, session, _ = start(lambda _: gone.wait(5) and None, write_deadline=0.1)
    with pytest.raises(InDoubt, match="ReadTimeout"):
        session.send("POST", "/orders")
    gone.set()


def test_requests_queue_before_the_pool(start: Start) -> None:
    server, session, _ = start(answer(200, {}), max_connections=2)
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda _: session.get("/x").status, range(60)))
    assert replies == [200] * 60
    assert session.requests == len(server.seen) == 60
    assert server.most_busy <= 2


def test_the_session_still_works_after_many_time_outs(start: Start) -> None:
    gone = threading.Event()

    def mute(conn: socket.socket) -> None:
        if gone.wait(5):
            conn.sendall(answer(200, {}))

    _, session, _ = start(mute, max_connections=1, deadline=0.05)

    def read(_: int) -> int:
        try:
            return session.get("/x", tries=1).status
        except RetryLater:
            return 0

    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(read, range(8)))
    gone.set()
    assert session.get("/x").status == 200


def test_the_observer_sees_every_attempt_without_host_or_secret(start: Start) -> None:
    seen: list[Exchange] = []
    server, session, _ = start(hang_up, answer(200, {"a": 1}), observer=seen.append)
    session.get("/orders", query=[("page", "1")])
    assert [(one.status, bool(one.error)) for one in seen] == [(None, True), (200, False)]
    assert seen[1].url == "/orders?page=1"
    assert seen[1].response_body == b'{"a": 1}'
    assert str(server.port) not in repr(seen)
    assert "Basic" not in repr(seen)


@pytest.mark.parametrize(
    ("date", "instant"),
    [("Mon, 23 Nov 2026 08:59:58 GMT", "2026-11-23 08:59:58+00:00"), ("yesterday", "None")],
)
def test_the_server_tells_its_time(start: Start, date: str, instant: str) -> None:
    _, session, _ = start(answer(200, {}, {"Date": date}))
    session.get("/orders")
    assert str(session.server_time) == instant


def test_nothing_is_logged(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        _, session, _ = start(answer(200, {}, {"Set-Cookie": "a=b"}))
        session.get("/orders", query=[("customerName", "Somebody")])
    assert "Somebody" not in caplog.text


def test_loopback_does_not_go_through_a_proxy(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    _, session, _ = start(answer(200, {"direct": True}))
    assert session.get("/orders").json() == {"direct": True}


def test_another_host_is_reached_through_the_proxy_of_the_environment(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _, _ = start(answer(200, {"through": "proxy"}))
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    _, session, _ = start(answer(), base_url="http://shipstation.test")
    assert session.get("/orders").json() == {"through": "proxy"}
    assert server.seen[0].headers["host"] == "shipstation.test"


def test_cookies_are_not_kept(start: Start) -> None:
    server, session, _ = start(answer(200, {}, {"Set-Cookie": "route=7; Path=/"}))
    session.get("/a")
    session.get("/b")
    assert "cookie" not in server.seen[1].headers
