"""Nothing gets past the pointer's check but what ShipStation sends."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcss.shipstation.pointer import EVENTS, MAX_BODY, Pointer, read_pointer

HOSTILE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "hostile_pointers.json").read_text(encoding="utf-8")
)
SAMPLES = Path(__file__).parent.parent / "samples" / "shipstation"
GUID = "00000000-1111-2222-3333-444444444444"
STORES = {80001, 80002}
ORDERS = "https://ssapi6.shipstation.com/orders"
SHIPMENTS = "https://ssapi11.shipstation.com/shipments"


def body(url: str, kind: str = "ORDER_NOTIFY", **more: Any) -> bytes:
    return json.dumps({"resource_url": url, "resource_type": kind, **more}).encode()


def test_what_shipstation_sends() -> None:
    order = read_pointer((SAMPLES / "webhook_order_notify.json").read_bytes(), stores=STORES)
    assert order == Pointer("orders", (("storeID", "80001"), ("importBatch", GUID)), "ORDER_NOTIFY")
    label = read_pointer((SAMPLES / "webhook_ship_notify.json").read_bytes())
    assert label == Pointer(
        "shipments", (("batchId", "187980001"), ("includeShipmentItems", "False")), "SHIP_NOTIFY"
    )


@pytest.mark.parametrize(
    ("url", "resource"),
    [
        (f"https://ssapi.shipstation.com/orders?importBatch={GUID}", "orders"),
        (f"https://ssapi13.shipstation.com/orders?importBatch={GUID}", "orders"),
        (f"https://ssapi999.shipstation.com/Orders?IMPORTBATCH={GUID}", "orders"),
        (f"https://SSAPI6.ShipStation.com/orders?importBatch={GUID}", "orders"),
        (
            f"{ORDERS}?storeID=80001&importBatch={GUID}&includeOrderItems=True",
            "orders",
        ),
        (
            f"{SHIPMENTS}?storeID=80002&batchId=12345678&includeShipmentItems=True",
            "shipments",
        ),
        ("https://ssapi7.shipstation.com/fulfillments?fulfillmentId=3300000401", "fulfillments"),
    ],
)
def test_good_pointers(url: str, resource: str) -> None:
    found = read_pointer(body(url), stores=STORES)
    assert found is not None
    assert found.resource == resource
    sent = {name.lower(): value for name, value in parse_qsl(urlsplit(url).query)}
    assert {name.lower(): value for name, value in found.query} == sent


@pytest.mark.parametrize("kind", sorted(EVENTS))
def test_each_event(kind: str) -> None:
    found = read_pointer(body(f"https://ssapi6.shipstation.com/orders?importBatch={GUID}", kind))
    assert found is not None
    assert found.kind == kind


def test_names_come_out_as_documented() -> None:
    found = read_pointer(body("https://ssapi6.shipstation.com/SHIPMENTS?storeid=1&BATCHID=2"))
    assert found == Pointer("shipments", (("storeID", "1"), ("batchId", "2")), "ORDER_NOTIFY")


@pytest.mark.parametrize("url", HOSTILE["urls"])
def test_hostile_urls(url: str) -> None:
    assert read_pointer(body(url), stores=STORES) is None


@pytest.mark.parametrize("text", HOSTILE["bodies"])
def test_hostile_bodies(text: str) -> None:
    assert read_pointer(text.encode()) is None


@pytest.mark.parametrize("raw", [b"\xff\xfe", b"\x00", b"[" * 100_000, b'{"a":' * 50_000])
def test_rubbish(raw: bytes) -> None:
    assert read_pointer(raw) is None


def test_length_is_bounded() -> None:
    url = f"https://ssapi6.shipstation.com/orders?importBatch={GUID}"
    assert read_pointer(body(url, note="x" * 1000)) is not None
    assert read_pointer(body(url, note="x" * MAX_BODY)) is None
    assert read_pointer(body(url + "&storeID=1" * 20)) is None


def test_the_configured_host_counts_too_but_only_with_https_and_without_port() -> None:
    url = "https://{}/orders?importBatch=1"
    for host in ("hooks.example.test", "127.0.0.1"):
        assert read_pointer(body(url.format(host)), host=host) is not None
        assert read_pointer(body(url.format(host))) is None
        assert read_pointer(body(url.format(f"x{host}")), host=host) is None
        assert read_pointer(body(url.format(f"{host}:8464")), host=host) is None
        assert read_pointer(body(url.format(host).replace("https", "http")), host=host) is None
    assert read_pointer(body(url.format("")), host="") is None


def test_stores_are_checked_only_where_they_are_given() -> None:
    url = "https://ssapi6.shipstation.com/orders?storeID=5&importBatch=1"
    assert read_pointer(body(url)) is not None
    assert read_pointer(body(url), stores={5}) is not None
    assert read_pointer(body(url), stores=set()) is None
    assert read_pointer(body(url.replace("storeID=5&", "")), stores=set()) is not None


URLS = st.from_regex(
    r"https?://[a-z0-9.@:\\#?/-]{0,20}ssapi[0-9]{0,4}\.shipstation\.com[a-z0-9.@:\\#?/%-]{0,20}"
    r"/(orders|shipments)\?[a-zA-Z]{1,12}=[a-zA-Z0-9%\[\]-]{0,12}",
    fullmatch=True,
)


@given(st.one_of(st.text(max_size=80), URLS))
def test_what_is_accepted_means_the_same_to_every_parser(url: str) -> None:
    """Both URL parsers in use see ShipStation's host, no port and no user information."""
    if read_pointer(body(url)) is None:
        return
    parts, other = urlsplit(url), httpx.URL(url)
    assert parts.hostname == other.host
    assert (parts.port, parts.username, parts.fragment) == (None, None, "")
    assert (other.port, other.userinfo, other.fragment) == (None, b"", "")
    assert other.host.endswith(".shipstation.com")
    assert other.host.startswith("ssapi")


@given(st.binary(max_size=200))
def test_any_bytes_are_survived(raw: bytes) -> None:
    assert read_pointer(raw) is None
