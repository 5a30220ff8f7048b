"""Each call asks as documented, and each answer means what ShipStation meant."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from bcss import wire
from bcss.errors import (
    InDoubt,
    RecordMissing,
    RecordRefused,
    RetryLater,
    StopVendor,
    UpstreamError,
)
from bcss.http import ApiSession
from bcss.shipstation.client import ShipStationClient, basic_authorize
from bcss.shipstation.records import UnreadableRecord
from tests.http.rig import StillClock

SAMPLES = Path(__file__).parent.parent / "samples" / "shipstation"
Answer = httpx.Response | Exception


def sample(name: str, status: int = 200) -> httpx.Response:
    path = SAMPLES / (name if "." in name else f"{name}.json")
    kind = "text/html" if name.endswith(".html") else "application/json; charset=utf-8"
    return httpx.Response(status, content=path.read_bytes(), headers={"content-type": kind})


def text(name: str) -> Any:
    return wire.parse((SAMPLES / f"{name}.json").read_bytes())


class Script:
    """Answers request after request; the last answer stands for ever."""

    def __init__(self, *answers: Callable[[], Answer]) -> None:
        self.answers = list(answers)
        self.seen: list[tuple[str, str, bytes]] = []
        self.headers: list[httpx.Headers] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append((request.method, request.url.raw_path.decode(), request.read()))
        self.headers.append(request.headers)
        answer = (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])()
        if isinstance(answer, Exception):
            raise answer
        return answer


def scripted(*answers: Callable[[], Answer]) -> tuple[ShipStationClient, Script]:
    script = Script(*answers)
    session = ApiSession(
        vendor="shipstation",
        base_url="http://shipstation.test",
        clock=StillClock(),
        authorize=basic_authorize("key", "secret"),
        transport=httpx.MockTransport(script),
    )
    return ShipStationClient(session), script


def says(value: Any, status: int = 200) -> Callable[[], Answer]:
    return lambda: httpx.Response(status, json=value)


def test_the_client_needs_no_http_library_to_be_imported() -> None:
    """What only reads records, such as `why`, must not pay for httpx."""
    names = "bcss.shipstation.client, bcss.shipstation.streams, bcss.shipstation.pointer"
    code = f"import sys, {names}; print(sorted({{'httpx', 'ssl', 'tenacity'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_credentials_are_one_line_of_basic() -> None:
    key, secret = "k" * 60, "s" * 60
    header = basic_authorize(key, secret)(False)["Authorization"]
    scheme, token = header.split(" ")
    assert (scheme, base64.b64decode(token).decode()) == ("Basic", f"{key}:{secret}")
    assert "\n" not in header


def test_each_request_carries_them() -> None:
    client, script = scripted(lambda: sample("stores"))
    client.stores()
    assert (
        script.headers[0]["authorization"]
        == basic_authorize("key", "secret")(True)["Authorization"]
    )


# Reading ----------------------------------------------------------------------------------------


def test_an_order_comes_with_the_whole_resource() -> None:
    client, script = scripted(lambda: sample("order_shipped_discount"))
    order, raw = client.get_order(3000000102)
    assert script.seen == [("GET", "/orders/3000000102", b"")]
    assert order.order_number == "100235"
    assert raw == text("order_shipped_discount")
    assert raw["orderTotal"] == Decimal("104.5")


def test_an_order_that_is_gone() -> None:
    client, script = scripted(lambda: sample("error_not_found", 404))
    with pytest.raises(RecordMissing):
        client.get_order(1)
    assert len(script.seen) == 1


def test_an_order_that_makes_no_sense_is_refused_by_name() -> None:
    client, _ = scripted(says({"orderId": 7, "orderStatus": "shipped"}))
    with pytest.raises(RecordRefused, match="orderTotal"):
        client.get_order(7)


def test_orders_by_number_are_compared_because_the_search_is_by_prefix() -> None:
    rows = [{**text("order_open"), "orderNumber": number} for number in ("100", "1001", "100")]
    plain = json.loads(json.dumps({"orders": rows, "total": 3}, default=float))
    client, script = scripted(says(plain))
    assert len(client.orders_by_number("100")) == 2
    assert script.seen[0][1] == "/orders?orderNumber=100&page=1&pageSize=500"


def test_values_are_encoded() -> None:
    client, script = scripted(says({"orders": [], "total": 0}))
    client.orders_page(orderNumber="A&B #1/ü", modifyDateStart="2026-11-20 01:02:03", page=2)
    assert script.seen[0][1] == (
        "/orders?orderNumber=A%26B%20%231/%C3%BC&modifyDateStart=2026-11-20%2001:02:03&page=2"
    )


def test_a_page_tells_the_servers_time_and_keeps_null_rows() -> None:
    body = {"shipments": [None], "total": 1, "page": 1, "pages": 0}
    date = {"date": "Fri, 20 Nov 2026 12:00:01 GMT"}
    client, script = scripted(lambda: httpx.Response(200, json=body, headers=date))
    page = client.shipments_page(orderId=5)
    assert (page.rows, page.total) == ([None], 1)
    assert page.server_time is not None
    assert page.server_time.isoformat() == "2026-11-20T12:00:01+00:00"
    assert script.seen[0][1] == "/shipments?orderId=5"


def test_a_pointer_is_read_on_our_own_host() -> None:
    client, script = scripted(lambda: sample("fulfillments"))
    page = client.get_pointer("fulfillments", (("batchId", "1"), ("storeID", "2")))
    assert len(page.rows) == 4
    assert script.seen[0][1] == "/fulfillments?batchId=1&storeID=2&pageSize=500"


def test_products_are_read_to_the_end_inactive_ones_too() -> None:
    row = json.loads(json.dumps(text("products")["products"][0], default=float))
    full = {"products": [{**row, "productId": n + 1} for n in range(500)], "total": 502}
    rest = {"products": [{**row, "productId": n} for n in (501, 502)], "total": 502}
    client, script = scripted(says(full), says(rest))
    found = list(client.products())
    assert [one.product_id for one in found] == list(range(1, 503))
    ask = "/products?sortBy=CreateDate&sortDir=ASC&showInactive=true&page={}&pageSize=500"
    assert [url for _, url, _ in script.seen] == [ask.format(1), ask.format(2)]


def test_a_product_that_cannot_be_read_stops_nothing_where_somebody_counts_it() -> None:
    body = {"products": [{"productId": "x", "sku": "A"}, {"productId": 2, "sku": "B"}, None]}
    client, _ = scripted(says(body))
    bad: list[UnreadableRecord] = []
    assert [one.sku for one in client.products(sku="B", unreadable=bad.append)] == ["B"]
    assert [one.field for one in bad] == ["productId"]
    with pytest.raises(UnreadableRecord):
        list(client.products())


def test_a_total_that_counts_more_than_there_is_costs_one_request() -> None:
    client, script = scripted(lambda: sample("products_empty_but_counted"))
    assert list(client.products(inactive=False)) == []
    assert len(script.seen) == 1
    assert "showInactive" not in script.seen[0][1]


def test_the_account() -> None:
    client, script = scripted(
        lambda: sample("stores"),
        lambda: sample("carriers"),
        lambda: sample("carrier_services"),
        lambda: sample("webhooks"),
    )
    assert next(one.name for one in client.stores(inactive=True)) == "Example web shop"
    assert len(client.carriers()) == 4
    assert len(client.carrier_services("ups_walleted")) == 2
    assert len(client.webhooks()) == 3
    assert [url for _, url, _ in script.seen] == [
        "/stores?showInactive=true",
        "/carriers",
        "/carriers/listservices?carrierCode=ups_walleted",
        "/webhooks",
    ]


@pytest.mark.parametrize("body", [{}, {"stores": []}, None, "x", 4])
def test_no_array_is_no_account_without_stores(body: Any) -> None:
    client, _ = scripted(says(body))
    with pytest.raises(RetryLater):
        client.stores()


# Writing ----------------------------------------------------------------------------------------


def test_a_created_order_is_the_one_that_comes_back() -> None:
    client, script = scripted(lambda: sample("createorder_result"))
    raw = text("createorder_result")
    order, answer = client.create_order(raw)
    assert order.order_key == "bc-acme-100239"
    assert answer == raw
    method, url, body = script.seen[0]
    assert (method, url) == ("POST", "/orders/createorder")
    assert wire.parse(body) == raw
    assert script.headers[0]["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (lambda: sample("error_validation", 500), RecordRefused),
        (lambda: sample("error_model_state", 400), RecordRefused),
        (lambda: sample("error_fault", 500), InDoubt),
        (lambda: sample("error_gateway.html", 504), InDoubt),
        (lambda: sample("error_gateway.html", 200), InDoubt),
        (says({"orderId": 1}), InDoubt),
        (says([]), InDoubt),
        (lambda: httpx.Response(200), InDoubt),
        (lambda: httpx.ReadTimeout("late"), InDoubt),
        (lambda: httpx.RemoteProtocolError("gone"), InDoubt),
        (lambda: httpx.ConnectError("refused"), RetryLater),
        (lambda: sample("error_throttled", 429), RetryLater),
        (lambda: sample("error_throttled", 500), RetryLater),
        (lambda: sample("error_unauthorized", 401), StopVendor),
        (lambda: sample("error_payment_required", 402), StopVendor),
    ],
)
def test_what_an_answer_to_a_write_means(
    answer: Callable[[], Answer], expected: type[UpstreamError]
) -> None:
    client, script = scripted(answer)
    with pytest.raises(UpstreamError) as caught:
        client.create_order({"orderNumber": "1"})
    assert type(caught.value) is expected
    assert caught.value.hint
    assert "SS.OpenApi.Controllers" not in str(caught.value)
    if expected in (InDoubt, RecordRefused):
        assert len(script.seen) == 1


def test_the_reason_of_a_refusal_is_shipstations() -> None:
    client, _ = scripted(lambda: sample("error_validation", 500))
    with pytest.raises(RecordRefused, match="Postal Code must be provided"):
        client.create_order({"orderNumber": "1"})


def test_a_batch_reports_each_order() -> None:
    client, script = scripted(lambda: sample("createorders_result"))
    good, bad = client.create_orders([{"orderNumber": "100241"}, {"orderNumber": "100242"}])
    assert (good.success, bad.success) == (True, False)
    assert script.seen[0][:2] == ("POST", "/orders/createorders")
    assert json.loads(script.seen[0][2]) == [{"orderNumber": "100241"}, {"orderNumber": "100242"}]


@pytest.mark.parametrize("count", [0, 101])
def test_a_batch_has_bounds(count: int) -> None:
    client, script = scripted(lambda: sample("createorders_result"))
    with pytest.raises(ValueError, match="1 to 100"):
        client.create_orders([{}] * count)
    assert not script.seen


@pytest.mark.parametrize("body", [{}, {"results": None}, {"results": [{"orderKey": "a"}]}])
def test_a_batch_without_results_is_in_doubt(body: Any) -> None:
    client, _ = scripted(says(body))
    with pytest.raises(InDoubt):
        client.create_orders([{"orderNumber": "1"}])


def test_a_product_is_replaced_as_a_whole() -> None:
    client, script = scripted(lambda: sample("product_put_result"))
    raw = text("products")["products"][0]
    client.put_product(raw)
    method, url, body = script.seen[0]
    assert (method, url) == ("PUT", "/products/17000001")
    assert wire.parse(body) == raw


@pytest.mark.parametrize("success", [False, "false"])
def test_a_product_that_was_not_replaced(success: Any) -> None:
    client, _ = scripted(says({"success": success, "message": "locked by an import"}))
    with pytest.raises(RecordRefused, match="locked by an import"):
        client.put_product({"productId": 4})


def test_what_json_cannot_carry_is_not_sent() -> None:
    client, script = scripted(lambda: sample("product_put_result"))
    with pytest.raises(RecordRefused):
        client.put_product({"productId": 4, "price": Decimal("0.12345678901234567890123")})
    with pytest.raises(RecordRefused):
        client.put_product({"productId": 4, "name": "\ud800"})
    assert not script.seen


def test_deleting_what_is_gone_is_done() -> None:
    client, script = scripted(
        lambda: sample("order_delete_result"), lambda: sample("error_not_found", 404)
    )
    client.delete_order(5)
    client.delete_order(5)
    client.unsubscribe(6)
    assert [(method, url) for method, url, _ in script.seen] == [
        ("DELETE", "/orders/5"),
        ("DELETE", "/orders/5"),
        ("DELETE", "/webhooks/6"),
    ]


@pytest.mark.parametrize(
    ("name", "hook_id"), [("webhook_subscribed_old", 123004), ("webhook_subscribed_new", 123005)]
)
def test_both_answers_to_a_subscription(name: str, hook_id: int) -> None:
    client, script = scripted(lambda: sample(name))
    url = "https://hooks.example.test/bcss/T0KEN/shipstation"
    assert client.subscribe(url, "SHIP_NOTIFY", store_id=80001) == hook_id
    assert json.loads(script.seen[0][2]) == {
        "target_url": url,
        "event": "SHIP_NOTIFY",
        "store_id": 80001,
        "friendly_name": "bcss",
    }


def test_a_subscription_without_id_is_looked_up() -> None:
    url = "https://hooks.example.test/bcss/T0KEN/shipstation"
    client, _ = scripted(says({}), lambda: sample("webhooks"))
    assert client.subscribe(url, "SHIP_NOTIFY", store_id=80001) == 123002
    client, _ = scripted(says({}), lambda: sample("webhooks"))
    with pytest.raises(InDoubt):
        client.subscribe(url, "ITEM_SHIP_NOTIFY")
