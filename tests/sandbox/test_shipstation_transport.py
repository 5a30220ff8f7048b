"""Credentials, throttle, routing and error dialects (shipstation.md §1)."""

import base64
from typing import Any

import pytest

from bcss.sandbox.kit import Request
from tests.sandbox.shipstation_rig import Rig, message, new_order


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Bearer abc",
        f"Basic {base64.b64encode(b'sandbox-key:x').decode()}",
    ],
)
def test_bad_credentials_end_with_401_in_dialect_c(header: str) -> None:
    response = Rig().send("GET", "/orders", authorization=header)
    assert response.status == 401
    assert message(response) == {"message": "Unauthorized"}


@pytest.mark.parametrize("status", [402, 403])
def test_good_credentials_can_be_refused(status: int) -> None:
    response = Rig(refuse=status).send("GET", "/orders")
    assert response.status == status
    assert set(message(response)) == {"message"}


def test_the_forty_first_call_of_a_minute_is_throttled_until_the_window_ends() -> None:
    rig = Rig(rate_limit={"limit": 40})
    first = rig.send("GET", "/stores")
    assert first.headers["x-rate-limit-remaining"] == "39"
    rig.clock.advance(20)
    rest = [rig.send("GET", "/stores") for _ in range(39)]
    assert {one.status for one in rest} == {200}
    assert rest[-1].headers["x-rate-limit-remaining"] == "0"
    late = rig.send("GET", "/stores")
    assert late.status == 429
    assert message(late) == {"message": "Too Many Requests"}
    assert late.headers["x-rate-limit-reset"] == "40"
    assert "retry-after" not in late.headers
    rig.clock.advance(40)
    assert rig.send("GET", "/stores").status == 200


def test_each_key_has_a_window_of_its_own() -> None:
    rig = Rig(rate_limit={"limit": 1}, keys={"sandbox-key": "sandbox-key-secret", "b": "c"})
    assert rig.send("GET", "/stores").status == 200
    assert rig.send("GET", "/stores").status == 429
    other = f"Basic {base64.b64encode(b'b:c').decode()}"
    assert rig.send("GET", "/stores", authorization=other).status == 200


@pytest.mark.parametrize(
    ("settings", "on_success", "on_refusal"),
    [
        ({"headers": "429"}, set(), {"limit", "remaining", "reset"}),
        ({"headers": "none"}, set(), set()),
        ({"headers": "none", "retry_after": True, "status": 500}, set(), {"retry-after"}),
    ],
)
def test_throttle_headers_come_as_switched(
    settings: dict[str, Any], on_success: set[str], on_refusal: set[str]
) -> None:
    rig = Rig(rate_limit={"limit": 1, **settings})
    answers = [rig.send("GET", "/stores"), rig.send("GET", "/stores")]
    seen = [{name.removeprefix("x-rate-limit-") for name in a.headers} for a in answers]
    assert [one - {"content-type"} for one in seen] == [on_success, on_refusal]
    assert answers[1].status == settings.get("status", 429)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/orders/1", 404),
        ("GET", "/nothing", 404),
        ("GET", "/orders/markshipped", 404),
        ("POST", "/products", 405),
        ("POST", "/customers", 405),
        ("PUT", "/customers/1", 405),
        ("PUT", "/products/1", 404),
        ("DELETE", "/orders/1", 404),
        ("DELETE", "/webhooks/1", 404),
    ],
)
def test_what_does_not_exist_is_refused(method: str, path: str, status: int) -> None:
    assert Rig().send(method, path, {}).status == status


def test_a_body_must_be_declared_as_json() -> None:
    response = Rig().send("POST", "/orders/createorder", new_order(), content_type="text/plain")
    assert response.status == 415
    assert "media type 'text/plain'" in message(response)["ExceptionMessage"]


def test_paths_ignore_case_and_have_aliases() -> None:
    rig = Rig()
    order_id = rig.order()
    assert rig.get("/Orders/List")["orders"][0]["orderId"] == order_id
    assert rig.get(f"/ORDERS/{order_id}")["orderId"] == order_id
    assert rig.get("/Shipments/List")["shipments"] == []


@pytest.mark.parametrize(
    "query",
    ["nosuch=1", "page=x", "storeId=x", "modifyDateStart=yesterday", "sortBy=Total", "sortDir=UP"],
)
def test_a_query_that_is_not_understood_is_refused_in_dialect_a(query: str) -> None:
    response = Rig().send("GET", "/orders", query=query)
    assert response.status == 400
    assert message(response)["Message"] == "The request is invalid."
    (named,) = message(response)["ModelState"]
    assert named.lower() == query.partition("=")[0].lower()


def test_poison_spoils_each_page_that_would_show_it_and_nothing_else() -> None:
    rig = Rig()
    good, bad, last = rig.order(), rig.order(), rig.order()
    rig.app.load({"poison": [bad]})
    spoiled = rig.send("GET", "/orders")
    assert spoiled.status == 500
    assert message(spoiled)["ExceptionType"] == "System.Exception"
    assert rig.send("GET", f"/orders/{bad}").status == 500
    assert rig.send("GET", "/orders", query="pageSize=1&page=2").status == 500
    assert rig.ids("orders", pageSize=1, page=1) == [good]
    assert rig.ids("orders", pageSize=1, page=3) == [last]


def test_rubbish_in_a_request_never_breaks_the_server() -> None:
    rig = Rig()
    for path in ("/orders/99999999999999999999999", "/orders/%D9%A1", "//", "/orders/-1", "/%00"):
        assert rig.send("GET", path).status == 404
    queries = ("page=" + "9" * 5000, "page=%C2%B2", "storeId=9e9", "createDateEnd=9999-12-31 23:00")
    for query in (*queries, "page=-3", "pageSize=0", "orderNumber=%00%FF", "page=1&page=2"):
        assert rig.send("GET", "/orders", query=query).status in (200, 400)
    odd = {"items": [{"name": "A", "orderItemId": []}], "advancedOptions": 3, "tagIds": 4}
    for name, value in odd.items():
        sent = new_order(**{name: value})
        assert rig.send("POST", "/orders/createorder", sent).status in (400, 500)
    for body in (b"", b"{", b"[]", b"\xff", b'{"orderId": [1]}', b"[" * 5000):
        for path in ("/orders/createorder", "/orders/markasshipped", "/webhooks/subscribe"):
            request = Request("POST", path, "", rig.headers, body)
            assert rig.app.handle(request).status in (400, 404)
