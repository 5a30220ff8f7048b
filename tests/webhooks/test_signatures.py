"""Signed webhooks: who signed, when, and what becomes of those that are not what they say."""

import json
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from bcss.clock import SystemClock, iso
from bcss.config.schema import SecretRef
from bcss.errors import Exit
from bcss.flows.signingkeys import refresh_keys
from bcss.shipstation.signature import Verdict, judge, keys_url, read_keys
from bcss.store.hints import SIGNING_KEYS, Hints, hints_path
from bcss.wire import NotJson
from tests.webhooks.rig import POINTER, TOKEN, Ear, Got, listening
from tests.webhooks.test_work_hints import Shop, shop

__all__ = ["shop"]
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NOW = datetime(2026, 12, 7, 18, tzinfo=UTC)
V2 = SecretRef("env", "BCSS_TEST_KEY", "shipstation.v2_api_key", "test")
LABEL = {
    "resource_url": "https://api.shipstation.com/v2/labels?batch_id=se-1",
    "resource_type": "LABEL_CREATED_V2",
}


def base64url(number: int) -> str:
    return urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8)).decode().rstrip("=")


def jwk(kid: object = "key-1", private: rsa.RSAPrivateKey = PRIVATE, **more: Any) -> dict[str, Any]:
    numbers = private.public_key().public_numbers()
    key = {"kty": "RSA", "kid": kid, "n": base64url(numbers.n), "e": base64url(numbers.e)}
    return {**key, **more}


def jwks(*keys: object) -> bytes:
    return json.dumps({"keys": keys or [jwk()]}).encode()


def signed(
    body: bytes,
    at: datetime = NOW,
    *,
    kid: str = "key-1",
    private: rsa.RSAPrivateKey = PRIVATE,
    changes: dict[str, str | None] | None = None,
) -> dict[str, str]:
    time = iso(at)
    signature = private.sign(time.encode() + b"." + body, PKCS1v15(), SHA256())
    headers: dict[str, str | None] = {
        "x-shipengine-rsa-sha256-key-id": kid,
        "x-shipengine-rsa-sha256-signature": b64encode(signature).decode(),
        "x-shipengine-timestamp": time,
        **(changes or {}),
    }
    return {name: value for name, value in headers.items() if value is not None}


def judged(headers: dict[str, str], body: bytes, keys: bytes | None = None) -> Verdict:
    raw = {name.encode(): [value.encode("latin-1")] for name, value in headers.items()}
    return judge(raw, body, read_keys(keys or jwks()), NOW)


def test_a_good_signature() -> None:
    assert judged(signed(b"body"), b"body") == "good"
    assert judged(signed(b"\xff\0"), b"\xff\0") == "good"
    assert judged({}, b"body") == "unsigned"


@pytest.mark.parametrize("minutes", [-4.9, 4.9])
def test_a_clock_may_differ_a_little(minutes: float) -> None:
    assert judged(signed(b"x", NOW + timedelta(minutes=minutes)), b"x") == "good"


SIGNATURE = "x-shipengine-rsa-sha256-signature"
KEY = "x-shipengine-rsa-sha256-key-id"
TIME = "x-shipengine-timestamp"


@pytest.mark.parametrize(
    "headers",
    [
        signed(b"other"),
        signed(b"body", private=OTHER),
        signed(b"body", NOW - timedelta(minutes=5, seconds=1)),
        signed(b"body", NOW + timedelta(minutes=5, seconds=1)),
        signed(b"body", changes={SIGNATURE: None}),
        signed(b"body", changes={TIME: None}),
        signed(b"body", changes={KEY: None}),
        signed(b"body", changes={KEY: ""}),
        signed(b"body", changes={KEY: "k" * 200}),
        signed(b"body", changes={SIGNATURE: ""}),
        signed(b"body", changes={SIGNATURE: "!!!"}),
        signed(b"body", changes={SIGNATURE: "é"}),
        signed(b"body", changes={SIGNATURE: b64encode(b"\0" * 256).decode()}),
        signed(b"body", changes={SIGNATURE: "A" * 9000}),
        signed(b"body", changes={TIME: "2026-12-07T18:00:01Z"}),
        signed(b"body", changes={TIME: "1765130400"}),
        signed(b"body", changes={TIME: "now"}),
        signed(b"body", changes={TIME: "9999-12-31T23:59:59-23:59"}),
        signed(b"body", changes={TIME: "2026-12-07T18:00:00"}),
        signed(b"body", changes={TIME: "٢٠٢٦-12-07T18:00:00Z".encode().decode("latin-1")}),
    ],
)
def test_whatever_is_wrong_is_a_bad_signature(headers: dict[str, str]) -> None:
    assert judged(headers, b"body") == "bad signature"


def test_another_hash_and_a_header_that_comes_twice_are_bad() -> None:
    weak = PRIVATE.sign(iso(NOW).encode() + b".body", PKCS1v15(), SHA1())  # noqa: S303 - the point
    headers = signed(b"body", changes={SIGNATURE: b64encode(weak).decode()})
    assert judged(headers, b"body") == "bad signature"
    twice = {name.encode(): [value.encode()] * 2 for name, value in signed(b"body").items()}
    assert judge(twice, b"body", read_keys(jwks()), NOW) == "bad signature"


def test_a_key_that_is_not_in_the_set_is_unknown() -> None:
    assert judged(signed(b"body", kid="key-2"), b"body") == "unknown key"
    assert judged(signed(b"body", kid="key-2"), b"body", jwks(jwk(), jwk("key-2"))) == "good"


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "key",
        {},
        jwk(kty="EC"),
        jwk(use="enc"),
        jwk(alg="none"),
        jwk(alg="HS256"),
        jwk(kid=""),
        jwk(kid=7),
        jwk(n=""),
        jwk(n=7),
        jwk(n="é"),
        jwk(n=base64url(2**1023 + 1)),
        jwk(n="A" * 5000),
        jwk(e=base64url(1)),
        jwk(e=base64url(65536)),
        jwk(e=base64url(2**64 + 1)),
    ],
)
def test_a_key_that_is_not_fit_is_left_out(entry: object) -> None:
    assert set(read_keys(jwks(entry, jwk("good")))) == {"good"}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"keys": 7}', b"<html>"])
def test_what_is_no_key_set_is_refused(body: bytes) -> None:
    with pytest.raises(NotJson):
        read_keys(body)


def test_an_imitation_has_its_own_keys() -> None:
    assert keys_url("https://api.shipstation.com/") == "https://api.shipengine.com/jwks"
    assert keys_url("http://127.0.0.1:9") == "http://127.0.0.1:9/jwks"


# In the listener --------------------------------------------------------------------------------


@pytest.fixture
def ear(shop: Shop) -> Iterator[Ear]:
    shop.config = replace(shop.config, shipstation=replace(shop.config.shipstation, v2_api_key=V2))
    with listening(shop.config) as found:
        yield found


def keep(ear: Ear, keys: bytes) -> None:
    with closing(Hints(hints_path(ear.config.state.path), SystemClock())) as hints:
        hints.note({SIGNING_KEYS: keys.decode()})


def tallies(ear: Ear) -> dict[str, int]:
    with closing(Hints(hints_path(ear.config.state.path), SystemClock())) as hints:
        return hints.tallies()


def post(ear: Ear, message: object, **changes: Any) -> Got:
    body = json.dumps(message).encode()
    headers = signed(body, SystemClock().now(), **changes)
    return ear.send("POST", f"/bcss/{TOKEN}/shipstation", body, headers)


def test_signed_by_shipstation(ear: Ear) -> None:
    keep(ear, jwks())
    assert post(ear, LABEL).status == 200
    assert [(one.kind, json.loads(one.body)) for one in ear.hints()] == [("signed", LABEL)]


def test_a_bad_signature_leaves_nothing_but_a_count(ear: Ear) -> None:
    keep(ear, jwks())
    for _ in range(3):
        assert post(ear, POINTER, private=OTHER).status == 400
    assert post(ear, POINTER).status == 200  # its commit comes after the counts'
    assert [one.kind for one in ear.hints()] == ["signed"]
    assert tallies(ear) == {"bad signature": 3}


def test_an_unknown_key_is_a_reason_to_poll_and_counted(ear: Ear) -> None:
    for _ in range(3):
        assert post(ear, LABEL).status == 200
    assert [(one.kind, one.body) for one in ear.hints()] == [("poll", b"")]
    assert tallies(ear) == {"unknown key": 3}


def test_without_signature_it_is_a_pointer_as_ever(ear: Ear) -> None:
    assert ear.point().status == 200
    assert [one.kind for one in ear.hints()] == ["shipstation"]


def test_the_token_comes_before_the_signature(ear: Ear) -> None:
    body = json.dumps(LABEL).encode()
    headers = signed(body, SystemClock().now(), private=OTHER)
    assert ear.send("POST", "/bcss/wrong/shipstation", body, headers).status == 404
    assert tallies(ear) == {}


def test_without_a_v2_key_signatures_are_not_looked_at(shop: Shop) -> None:
    with listening(shop.config) as ear:
        assert post(ear, POINTER, private=OTHER).status == 200
        assert [one.kind for one in ear.hints()] == ["shipstation"]


# In the worker ----------------------------------------------------------------------------------


def test_a_signed_v2_webhook_polls_and_books(shop: Shop, ear: Ear) -> None:
    shop.ship("SO-1")
    shop.hint(LABEL, "signed")
    assert shop.drain() == Exit.DONE
    assert shop.posted() == ["SO-1"]
    assert not any("/v2/" in path for path, _ in shop.calls())


@pytest.mark.parametrize("kind", ["TRACK_EVENT_V2", "CARRIER_CONNECTED", 7, None])
def test_other_news_ask_for_nothing(shop: Shop, kind: object) -> None:
    shop.ship("SO-1")
    shop.world.log.clear()
    shop.hint({**LABEL, "resource_type": kind}, "signed")
    shop.hint(b"rubbish", "signed")
    assert shop.drain() == Exit.DONE
    assert shop.calls() == []


class KeyServer:
    """Publishes keys on a free port."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.asked: list[str] = []
        self.headers: set[str] = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.headers |= {name.lower() for name in self.headers}
                self.send_response(200)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_keys_are_fetched_once_a_day_and_for_an_unknown_one(shop: Shop, ear: Ear) -> None:
    clock = shop.around.clock
    with closing(KeyServer(jwks())) as server:
        config = replace(
            ear.config, shipstation=replace(ear.config.shipstation, v2_api_url=server.url)
        )

        def look(later: float = 0) -> str:
            shop.world.clock.advance(later)
            return refresh_keys(config, clock)

        assert look() == ""
        assert server.asked == ["/jwks"]
        assert "authorization" not in server.headers
        assert (look(), look(3600)) == ("", "")
        assert len(server.asked) == 1
        assert post(ear, LABEL, kid="new").status == 200
        assert post(ear, LABEL, kid="new").status == 200
        assert ear.point().status == 200  # by now the count is kept
        assert look() == ""
        assert len(server.asked) == 2
        look(3600)
        assert len(server.asked) == 2
        look(23 * 3600)
        assert len(server.asked) == 3
        server.body = b"<html>"
        assert "without keys" in look(25 * 3600)
        assert look(60) == ""  # not again so soon
        assert "without keys" in look(300)
        server.body = jwks(jwk("key-3"))
        assert look(300) == ""
    with closing(Hints(hints_path(config.state.path), clock)) as hints:
        assert set(read_keys(hints.fact(SIGNING_KEYS).encode())) == {"key-3"}


def test_a_key_server_that_is_down_stops_nothing(shop: Shop, ear: Ear) -> None:
    config = replace(
        ear.config, shipstation=replace(ear.config.shipstation, v2_api_url="http://127.0.0.1:1")
    )
    assert "cannot be reached" in refresh_keys(config, shop.around.clock)
