"""V2's answers are read as documented, and nothing hostile in them gets through."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from bcss.errors import RecordRefused, RetryLater, StopVendor, UpstreamError
from bcss.http import ApiSession
from bcss.shipstation.labels import MAX_FILE, LabelClient, file_origin, read_label
from bcss.shipstation.records import Label
from tests.http.rig import StillClock

BASE = "https://api.shipstation.com"
PDF = f"{BASE}/v2/downloads/6/3TidbpFJOkm4RmWzQ-woyQ/label-456.pdf"
SINCE, UNTIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
Answer = Callable[[httpx.Request], httpx.Response]


def row(**members: Any) -> dict[str, Any]:
    return {
        "label_id": "se-456",
        "status": "completed",
        "created_at": "2026-03-01T12:00:00Z",
        "shipment_cost": {"currency": "usd", "amount": 8.1},
        "tracking_url": "http://wwwapps.example.com/track?AWB=1Z&loc=en_US",
        "voided": False,
        "label_download": {"pdf": PDF, "href": PDF},
        **members,
    }


def talk(answer: Answer, base: str = BASE) -> tuple[LabelClient, list[httpx.Request]]:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answer(request)

    def session(url: str, headers: dict[str, str], limit: int) -> ApiSession:
        return ApiSession(
            vendor="shipstation_v2",
            base_url=url,
            clock=StillClock(),
            authorize=lambda _: headers,
            max_body=limit,
            transport=httpx.MockTransport(handle),
        )

    api = session(base, {"API-Key": "k2"}, MAX_FILE * 2)
    return LabelClient(api, base, lambda origin: session(origin, {}, MAX_FILE)), seen


def says(status: int, value: Any, **headers: str) -> Answer:
    return lambda _: httpx.Response(status, content=json.dumps(value), headers=headers)


def refused(code: str, message: str = "No.") -> dict[str, Any]:
    error = {"error_source": "ShipStation", "error_type": "security", "error_code": code}
    return {"request_id": "r-1", "errors": [{**error, "message": message}]}


def test_a_label_is_read_with_its_cost_to_the_digit() -> None:
    client, seen = talk(lambda _: httpx.Response(200, content=json.dumps(row()).encode()))

    label = client.label(456)

    assert label == Label(
        456, "http://wwwapps.example.com/track?AWB=1Z&loc=en_US", Decimal("8.1"), "USD", False, PDF
    )
    assert str(seen[0].url) == f"{BASE}/v2/labels/se-456"
    assert seen[0].headers["api-key"] == "k2"


@pytest.mark.parametrize(
    ("amount", "cost"),
    [
        ("8.10", Decimal("8.10")),
        ("0", Decimal(0)),
        ("123456789.1234", Decimal("123456789.1234")),
        ('"7.25"', Decimal("7.25")),
        ("0.12345", None),
        ("1e-30", None),
        ("-1", None),
        ("1e400", None),
        ("true", None),
        ("null", None),
        ('"a bit"', None),
        ("[]", None),
    ],
)
def test_amounts_stay_decimal_or_are_left_out(amount: str, cost: Decimal | None) -> None:
    money = f'{{"currency": "eur", "amount": {amount}}}'
    text = f'{{"label_id": "se-9", "status": "completed", "shipment_cost": {money}}}'
    client, _ = talk(lambda _: httpx.Response(200, content=text.encode()))

    label = client.label(9)

    assert label is not None
    assert (label.cost, label.currency) == (cost, "" if cost is None else "EUR")
    assert not isinstance(label.cost, float)


@pytest.mark.parametrize(
    "members",
    [
        {"label_id": "se-test-456"},
        {"label_id": "456"},
        {"label_id": "se-" + "9" * 30},
        {"label_id": None},
        {"status": "processing"},
        {"status": "error"},
    ],
)
def test_what_is_no_finished_label_of_v1_is_none(members: dict[str, Any]) -> None:
    assert read_label(row(**members), BASE) is None


def test_another_label_than_asked_for_is_not_taken() -> None:
    client, _ = talk(says(200, row(label_id="se-457")))
    assert client.label(456) is None


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://user@evil.example/x",
        "https://e.example/\u202e",
        "https://e.example/a b",
        'https://e.example/"><script>',
        "https://e.example/" + "x" * 500,
        "https://e.example\x1b[2J",
        7,
        None,
    ],
)
def test_an_address_that_people_would_click_is_plain_or_left_out(url: object) -> None:
    label = read_label(row(tracking_url=url), BASE)
    assert label is not None
    assert label.tracking_url == ""


LOCAL = "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("url", "base", "origin"),
    [
        (PDF, BASE, BASE),
        (PDF, LOCAL, BASE),
        (
            "https://api.shipengine.com/v1/downloads/10/x/label-1.pdf",
            BASE,
            "https://api.shipengine.com",
        ),
        (f"{LOCAL}/v2/downloads/6/x/label-1.pdf", LOCAL, LOCAL),
        ("https://API.ShipStation.com/v2/downloads/6/x", BASE, BASE),
        (f"{LOCAL}/v2/downloads/6/x/label-1.pdf", BASE, None),
        ("http://127.0.0.1:8081/v2/downloads/6/x", LOCAL, None),
        ("http://api.shipstation.com/v2/downloads/6/x", BASE, None),
        ("https://api.shipstation.com:8443/v2/downloads/6/x", BASE, None),
        ("https://api.shipstation.com.evil.example/v2/downloads/6/x", BASE, None),
        ("https://evil.example/v2/downloads/6/x", BASE, None),
        ("https://k@api.shipstation.com/v2/downloads/6/x", BASE, None),
        ("https://api.shipstation.com@evil.example/v2/downloads/6/x", BASE, None),
        ("https://api.shipstation.com\\@evil.example/v2/downloads/6/x", BASE, None),
        ("https://api.shipstation.com/v2/downloads/../labels", BASE, None),
        ("https://api.shipstation.com/v2/downloads/%2e%2e/labels", BASE, None),
        ("https://api.shipstation.com/v2/labels/se-1", BASE, None),
        ("https://api.shipstation.com/v2/downloads/6/x?next=http://e", BASE, None),
        ("https://api.shipstation.com/v2/downloads/6/x#y", BASE, None),
        ("https://api.shipstation.com/v2/downloads/6/x\r\nX: y", BASE, None),
        ("//api.shipstation.com/v2/downloads/6/x", BASE, None),
        ("file:///etc/passwd", BASE, None),
        ("https://[::1]/v2/downloads/6/x", BASE, None),
        ("", BASE, None),
    ],
)
def test_files_are_fetched_from_the_vendor_only(url: str, base: str, origin: str | None) -> None:
    assert file_origin(url, base) == origin
    label = read_label(row(label_download={"pdf": url}), base)
    assert label is not None
    assert label.pdf_url == (url if origin else "")


def test_a_pdf_is_fetched_without_the_key_and_not_from_elsewhere() -> None:
    client, seen = talk(lambda _: httpx.Response(200, content=b"%PDF-1.7 x"))

    assert client.pdf(PDF) == b"%PDF-1.7 x"
    with pytest.raises(RecordRefused, match="not one of ShipStation's"):
        client.pdf("https://evil.example/v2/downloads/6/x")

    assert [str(one.url) for one in seen] == [PDF]
    assert "api-key" not in seen[0].headers


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(302, headers={"location": "https://evil.example/"}),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, content=b""),
        httpx.Response(200, content=b"%PDF" + bytes(MAX_FILE)),
        httpx.Response(401),
        httpx.Response(404),
        httpx.Response(410),
    ],
)
def test_what_is_no_pdf_is_refused_at_once(answer: httpx.Response) -> None:
    client, seen = talk(lambda _: answer)
    with pytest.raises(RecordRefused):
        client.pdf(PDF)
    assert {str(one.url) for one in seen} == {PDF}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_file_that_does_not_come_now_is_tried_later(status: int) -> None:
    client, _ = talk(says(status, {}))
    with pytest.raises(RetryLater):
        client.pdf(PDF)


def test_a_list_is_read_page_by_page_with_its_window() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params["page"])
        rows: list[Any] = [row(label_id=f"se-{number}{n}") for n in range(2)] + [None, 7, {}]
        return httpx.Response(200, json={"labels": rows, "total": 6, "page": number, "pages": 3})

    client, seen = talk(answer)

    pages = list(client.made_between(SINCE, UNTIL))

    assert [sorted(page.labels) for page in pages] == [[10, 11], [20, 21], [30, 31]]
    assert [page.last for page in pages] == [False, False, True]
    assert dict(seen[0].url.params) == {
        "created_at_start": "2026-03-01T00:00:00.000Z",
        "created_at_end": "2026-03-02T00:00:00.000Z",
        "sort_by": "created_at",
        "sort_dir": "asc",
        "page_size": "100",
        "page": "1",
    }


@pytest.mark.parametrize("pages", [None, "9", 0, -1, True])
def test_a_list_ends_whatever_it_says_of_its_pages(pages: object) -> None:
    client, seen = talk(says(200, {"labels": [row()], "pages": pages}))
    assert len(list(client.made_between(SINCE, UNTIL))) == 1
    assert len(seen) == 1


@pytest.mark.parametrize("value", [[], {}, {"labels": None}, {"labels": {}}, 7, None])
def test_something_else_than_a_list_is_trouble_for_now(value: object) -> None:
    client, _ = talk(says(200, value))
    with pytest.raises(RetryLater):
        next(client.made_between(SINCE, UNTIL))


@pytest.mark.parametrize(
    ("status", "code", "kind", "hint"),
    [
        (401, "unauthorized", StopVendor, "bcss auth set shipstation.v2_api_key"),
        (403, "forbidden", StopVendor, "bcss auth set shipstation.v2_api_key"),
        (402, "invalid_billing_plan", StopVendor, "plan must include the V2 API"),
        (400, "subscription_inactive", StopVendor, "plan must include the V2 API"),
        (429, "rate_limit_exceeded", RetryLater, "next run continues"),
        (400, "invalid_field_value", RetryLater, "booking goes on"),
        (500, "unspecified", RetryLater, "next run"),
    ],
)
def test_errors_mean_what_the_envelope_says(
    status: int, code: str, kind: type[UpstreamError], hint: str
) -> None:
    client, _ = talk(says(status, refused(code), **{"retry-after": "30"}))
    with pytest.raises(kind) as caught:
        client.count()
    assert hint in caught.value.hint
    assert caught.value.message.startswith(f"ShipStation V2 answered {status}")


def test_a_refused_key_is_named_in_the_message() -> None:
    client, _ = talk(says(401, refused("unauthorized", "The API key is invalid.")))
    with pytest.raises(StopVendor, match=r"v2_api_key is refused: The API key"):
        client.count()


def test_an_unknown_number_is_no_label() -> None:
    for status in (400, 404):
        client, _ = talk(says(status, refused("invalid_identifier")))
        assert client.label(1) is None
