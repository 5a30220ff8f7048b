"""What error bodies say, in every dialect, and what never gets into a message."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcss.errors import InDoubt, RetryLater
from bcss.reply import (
    Problem,
    Reply,
    Verdict,
    clean,
    error_of,
    explain_plainly,
    verdict_of,
    wait_asked,
)

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def reply(body: Any, status: int = 400, **headers: str) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"error": {"code": "BadRequest", "message": "No."}}, "No.", "BadRequest"),
        ({"Error": {"Code": "X", "Message": "Capital."}}, "Capital.", "X"),
        ({"message": "Too Many Requests"}, "Too Many Requests", ""),
        (
            {
                "Message": "An error has occurred.",
                "ExceptionMessage": "Ship To: Postal Code must be provided.",
                "StackTrace": "at SS.OpenApi.OrdersController",
            },
            "Ship To: Postal Code must be provided.",
            "",
        ),
        (
            {"Message": "The request is invalid.", "ModelState": {"apiOrder": ["Bad."], "b": "c"}},
            "apiOrder: Bad.; b: c",
            "",
        ),
        (
            b"<error><code>NoEnvironment</code><message>Environment does not exist.</message></error>",
            "Environment does not exist.",
            "NoEnvironment",
        ),
        (b"<!DOCTYPE html><title> Sign\n in </title>", "an HTML page: Sign in", ""),
        (b"<html><body>x</body></html>", "an HTML page", ""),
        (b"upstream\r\nfailed", "upstream failed", ""),
        (b"", "", ""),
        ([1, 2], "", ""),
        ({"error": "text"}, "", ""),
    ],
)
def test_every_dialect_is_read(body: Any, message: str, code: str) -> None:
    problem = explain_plainly(reply(body, request_id="abc-1"))
    assert (problem.message, problem.code, problem.request_id) == (message, code, "abc-1")


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["error", "Message", "ModelState", "code", "ExceptionMessage"]),
                inner,
            )
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_makes_the_reader_fail(body: bytes) -> None:
    problem = explain_plainly(reply(body))
    error = error_of(reply(body), problem, vendor="bc", what="GET x", write=False)
    str(error).encode()
    assert len(error.message) < 700
    assert error.message.isprintable()


def test_texts_are_cut_and_tamed() -> None:
    assert clean("a\x00b\n\x1b[31mc\u202ed") == "a b [31mc d"
    assert clean("\ud800x") == "x"
    assert len(clean("x" * 10_000)) == 300
    told = "denied for Bearer eyJhbGciOiJub25lIn0.e30.abc and Basic dXNlcjpwYXNz="
    assert clean("the D365 BASIC permissions are missing") == (
        "the D365 BASIC permissions are missing"
    )
    assert clean(told) == "denied for Bearer … and Basic …"


def test_the_verdict_of_the_body_overrules_the_status() -> None:
    problem = Problem("busy", verdict=Verdict.UNAVAILABLE)
    for write, kind in ((True, InDoubt), (False, RetryLater)):
        error = error_of(reply({}, 400), problem, vendor="bc", what="x", write=write)
        assert type(error) is kind
    assert "Business Central answered 400 to x: busy" in str(error)


def test_a_status_nobody_has_heard_of_proves_nothing() -> None:
    assert {verdict_of(status) for status in (100, 199, 505, 599, 600, 999)} == {
        Verdict.UNAVAILABLE
    }
    assert verdict_of(418) is Verdict.REFUSED
    assert verdict_of(226) is Verdict.FINE


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "Mon, 23 Nov 2026 08:00:00 GMT"}, 0.0),
        ({"retry-after": "soon", "x-rate-limit-reset": "8"}, 8.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "9" * 40}, None),
        ({"retry-after": "Mon, 99 Nov 2026 08:00:00 GMT"}, None),
    ],
)
def test_how_long_the_vendor_asks_us_to_wait(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert wait_asked(headers, NOW) == seconds
