"""Signing in: one call an hour, the old token while it lasts, and words for each refusal."""

import base64
import datetime as dt
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from bcss.businesscentral.auth import TokenProvider
from bcss.errors import BcssError, Exit, FixConfig, FixCredential, RetryLater
from bcss.http import ApiSession, raw_sender
from tests.http.rig import Server, Step, StillClock, answer, hang_up

Start = Callable[..., tuple[Server, TokenProvider, StillClock]]
CLIENT = "11111111-2222-3333-4444-555555555555"
SECRET = "invented+secret/with&signs=~"


def token(value: str = "first", seconds: Any = 3599) -> bytes:
    return answer(
        200, {"token_type": "Bearer", "expires_in": seconds, "access_token": f"token.{value}"}
    )


def refusal(code: int, *, status: int = 401, listed: bool = True) -> bytes:
    text = (
        f"AADSTS{code}: Something is not right. Trace ID: aaaa-bbbb Correlation ID: cccc-dddd "
        "Timestamp: 2026-11-23 09:00:00Z"
    )
    value: dict[str, Any] = {
        "error": "invalid_client",
        "error_description": text,
        "trace_id": "aaaa-bbbb",
        "correlation_id": "cccc-dddd",
        "timestamp": "2026-11-23 09:00:00Z",
    }
    if listed:
        value["error_codes"] = [code]
    return answer(status, value)


@pytest.fixture
def start() -> Iterator[Start]:
    opened: list[Callable[[], None]] = []

    def begin(*steps: Step, **options: Any) -> tuple[Server, TokenProvider, StillClock]:
        server, clock = Server(*steps), StillClock()
        send, close = raw_sender(server.url, clock)
        provider = TokenProvider(
            **{
                "authority": server.url,
                "tenant": "contoso.onmicrosoft.com",
                "client_id": CLIENT,
                "credential": SECRET,
                "send": send,
                "clock": clock,
                **options,
            }
        )
        opened.extend([server.close, close])
        return server, provider, clock

    yield begin
    for close in opened:
        close()


def test_one_request_signs_in(start: Start) -> None:
    server, provider, _ = start(token())
    assert provider.authorize() == {"Authorization": "Bearer token.first"}
    assert provider.authorize(False) == {"Authorization": "Bearer token.first"}
    assert [seen.target for seen in server.seen] == ["/contoso.onmicrosoft.com/oauth2/v2.0/token"]
    form = parse_qs(server.seen[0].body.decode())
    assert form["client_secret"] == [SECRET]
    assert form["client_id"] == [CLIENT]
    assert form["grant_type"] == ["client_credentials"]
    assert form["scope"] == ["https://api.businesscentral.dynamics.com/.default"]


def test_the_authority_may_have_a_path(start: Start) -> None:
    server, provider, _ = start(token())
    begun = TokenProvider(
        authority=server.url + "/login/",
        tenant="t",
        client_id=CLIENT,
        credential=lambda: SECRET,
        send=provider._send,
        clock=StillClock(),
    )
    begun.authorize()
    assert server.seen[0].target == "/login/t/oauth2/v2.0/token"


def test_it_renews_five_minutes_before_the_end(start: Start) -> None:
    server, provider, clock = start(token("a"), token("b"))
    provider.authorize()
    clock.sleep(3290)
    assert provider.authorize() == {"Authorization": "Bearer token.a"}
    clock.sleep(10)
    assert provider.authorize() == {"Authorization": "Bearer token.b"}
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    "trouble", [answer(503), answer(200, "<html>Sign in"), hang_up, refusal(7000215)]
)
def test_a_good_token_outlives_trouble_at_the_authority(start: Start, trouble: Step) -> None:
    _, provider, clock = start(token("a"), trouble, trouble, token("b"))
    provider.authorize()
    clock.sleep(3500)
    assert provider.authorize() == {"Authorization": "Bearer token.a"}
    clock.sleep(50)
    with pytest.raises(BcssError):
        provider.authorize()
    assert provider.authorize() == {"Authorization": "Bearer token.b"}


def test_a_refused_token_is_replaced(start: Start) -> None:
    server, provider, _ = start(token("a"), token("b"))
    provider.authorize()
    assert provider.authorize(True) == {"Authorization": "Bearer token.b"}
    assert len(server.seen) == 2


def test_threads_that_are_refused_together_sign_in_once(start: Start) -> None:
    server, provider, _ = start(token("a"), token("b"))
    barrier = threading.Barrier(5)

    def work(_: int) -> str:
        provider.authorize()
        barrier.wait()
        return provider.authorize(True)["Authorization"]

    with ThreadPoolExecutor(5) as pool:
        assert set(pool.map(work, range(5))) == {"Bearer token.b"}
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (7000215, "not its Secret ID"),
        (7000222, "expired"),
        (700016, "client_id is unknown"),
        (7000112, "disabled"),
        (90002, "tenant is wrong"),
        (700027, "2026-11-23T09:00:00.000Z"),
        (650057, "admin consent"),
        (53003, "Conditional Access"),
        (999999, "login.microsoftonline.com/error"),
    ],
)
@pytest.mark.parametrize("listed", [True, False])
def test_each_refusal_says_what_to_do(start: Start, code: int, words: str, listed: bool) -> None:
    _, provider, _ = start(refusal(code, listed=listed))
    with pytest.raises(FixCredential) as caught:
        provider.authorize()
    assert caught.value.exit_code == Exit.DENIED
    assert words in caught.value.hint
    for part in (f"AADSTS{code}", "aaaa-bbbb", "cccc-dddd", "2026-11-23 09:00:00Z"):
        assert str(caught.value).count(part) == 1
    assert SECRET not in str(caught.value)


def test_a_refusal_is_not_remembered(start: Start) -> None:
    _, provider, _ = start(refusal(7000222, status=400), token("new"))
    with pytest.raises(FixCredential):
        provider.authorize()
    assert provider.authorize() == {"Authorization": "Bearer token.new"}


@pytest.mark.parametrize(
    "step",
    [
        answer(503),
        answer(500, {"error": "x"}),
        answer(200, "<html>Hotel WLAN</html>"),
        answer(200, {}),
        answer(200, [1]),
        answer(200, {"access_token": "x", "expires_in": "soon"}),
        refusal(90033, status=400),
        hang_up,
    ],
)
def test_what_will_pass_is_tried_later(start: Start, step: Step) -> None:
    _, provider, _ = start(step, token())
    with pytest.raises(RetryLater) as caught:
        provider.authorize()
    assert caught.value.exit_code == Exit.TEMPORARY
    assert provider.authorize() == {"Authorization": "Bearer token.first"}


def test_a_throttled_sign_in_says_when(start: Start) -> None:
    throttled = answer(429, {"error": "temporarily_unavailable"}, {"Retry-After": "40"})
    _, provider, _ = start(throttled, token())
    with pytest.raises(RetryLater) as caught:
        provider.authorize()
    assert caught.value.retry_after == 40
    assert provider.authorize()


@pytest.mark.parametrize("seconds", [0, -5, 10**9])
def test_an_absurd_life_means_a_short_one(start: Start, seconds: int) -> None:
    server, provider, clock = start(token("a", seconds), token("b"))
    provider.authorize()
    clock.sleep(200)
    provider.authorize()
    assert len(server.seen) == 1
    clock.sleep(200)
    assert provider.authorize() == {"Authorization": "Bearer token.b"}


@pytest.mark.parametrize(
    "change",
    [
        {"authority": "http://login.example.com"},
        {"authority": "login.microsoftonline.com"},
        {"authority": "ftp://127.0.0.1"},
        {"authority": "https://a:b@login.example.com"},
        {"tenant": "contoso/../evil"},
        {"tenant": "contoso.com?x="},
        {"tenant": ""},
    ],
)
def test_a_wrong_address_is_refused_at_once(start: Start, change: dict[str, str]) -> None:
    with pytest.raises(FixConfig):
        start(token(), **change)


def certificate() -> dict[str, Any]:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bcss test")])
    begun = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(begun)
        .not_valid_after(begun + dt.timedelta(days=999))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "private_key": private.decode(),
        "thumbprint": built.fingerprint(hashes.SHA1()).hex(),  # noqa: S303 - what Entra calls it
    }


def test_a_certificate_is_sent_as_an_assertion(start: Start) -> None:
    server, provider, _ = start(token(), credential=certificate())
    provider.authorize()
    form = parse_qs(server.seen[0].body.decode())
    head, body, signature = form["client_assertion"][0].split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    assert claims["iss"] == claims["sub"] == CLIENT
    assert claims["aud"].endswith("/contoso.onmicrosoft.com/oauth2/v2.0/token")
    assert head.startswith("eyJ")
    assert signature
    assert "client_secret" not in form


@pytest.mark.parametrize(
    "credential", [{"private_key": "no key", "thumbprint": "ab"}, {"thumbprint": "ab"}]
)
def test_a_certificate_that_is_none_is_a_credential_to_fix(
    start: Start, credential: dict[str, str]
) -> None:
    server, provider, _ = start(token(), credential=credential)
    with pytest.raises(FixCredential) as caught:
        provider.authorize()
    assert "no key" not in str(caught.value)
    assert server.seen == []


def test_the_secret_is_fetched_when_it_is_needed(start: Start) -> None:
    def missing() -> str:
        raise FixCredential("business_central.client_secret is not set.")

    _, provider, _ = start(token(), credential=missing)
    with pytest.raises(FixCredential, match="not set"):
        provider.authorize()


def test_a_session_signs_in_again_when_the_token_is_revoked(start: Start) -> None:
    _, provider, clock = start(token("a"), answer(503), token("b"))
    api = Server(answer(401), answer(200, {"value": []}))
    session = ApiSession(vendor="bc", base_url=api.url, clock=clock, authorize=provider.authorize)
    assert session.get("/companies").json() == {"value": []}
    assert [seen.headers["authorization"] for seen in api.seen][-1] == "Bearer token.b"
    session.close()
    api.close()


def test_nothing_of_an_answer_is_logged(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    _, provider, _ = start(answer(200, "<html>private page</html>"))
    with pytest.raises(RetryLater):
        provider.authorize()
    assert "private page" not in caplog.text


def test_signing_in_is_cheap_after_the_import(start: Start) -> None:
    _, provider, _ = start(token())
    provider.authorize()
    begun = time.process_time()
    for _ in range(10):
        provider._token = None
        provider.authorize()
    assert time.process_time() - begun < 1
