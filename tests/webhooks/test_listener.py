"""What the listener takes, what it refuses, and what it never says."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest

from bcss.listener import MAX_NOTIFICATION, MAX_POINTER
from bcss.notifications import client_state, read_notifications, resource_name
from tests.webhooks.rig import POINTER, TOKEN, Ear

COMPANY = "c0ffee00-1234-4abc-8def-0123456789ab"
ITEMS = f"/api/v2.0/companies({COMPANY})/items"


def notification(**changes: Any) -> dict[str, Any]:
    return {
        "subscriptionId": "0123456789abcdef0123456789abcdef",
        "clientState": client_state(TOKEN, ITEMS),
        "expirationDateTime": "2026-12-04T07:52:31Z",
        "resource": f"api/v2.0/companies({COMPANY})/items({COMPANY})",
        "changeType": "updated",
        "lastModifiedDateTime": "2026-12-01T12:54:20.467Z",
        **changes,
    }


def notify(ear: Ear, *entries: object) -> int:
    body = json.dumps({"value": entries}).encode()
    return ear.send("POST", "/bcss/business-central", body).status


# ShipStation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "/bcss", "/a/deep/prefix"])
def test_a_pointer_is_stored_whatever_the_proxy_leaves_before_the_last_two_parts(
    ear: Ear, prefix: str
) -> None:
    body = json.dumps(POINTER).encode()
    got = ear.send("POST", f"{prefix}/{TOKEN}/shipstation", body)
    assert (got.status, got.body) == (200, b"")
    assert [(hint.kind, hint.body) for hint in ear.hints()] == [("shipstation", body)]


@pytest.mark.parametrize("token", ["wrong", "", TOKEN[:-1], TOKEN + "x", "%ff%fe", TOKEN.upper()])
def test_a_wrong_token_looks_like_any_unknown_path(ear: Ear, token: str) -> None:
    wrong = ear.point(token=token)
    unknown = ear.send("POST", "/nothing/here", json.dumps(POINTER).encode())
    wrong.headers.pop("date"), unknown.headers.pop("date")
    assert wrong == unknown
    assert wrong.status == 404
    assert ear.hints() == []


def test_only_post_takes_a_pointer(ear: Ear) -> None:
    assert ear.send("GET", f"/bcss/{TOKEN}/shipstation").status == 404
    assert ear.send("PUT", f"/bcss/{TOKEN}/shipstation", b"{}").status == 404
    assert ear.hints() == []


def test_a_pointer_that_is_too_long_is_refused(ear: Ear) -> None:
    path = f"/{TOKEN}/shipstation"
    assert ear.send("POST", path, b"x" * MAX_POINTER).status == 200
    assert ear.send("POST", path, b"x" * (MAX_POINTER + 1)).status == 413
    assert len(ear.hints()) == 1


def test_the_answer_names_no_program(ear: Ear) -> None:
    for got in (ear.point(), ear.send("GET", "/"), ear.send("GET", "/healthz")):
        text = json.dumps(got.headers).lower()
        assert "server" not in text
        assert "python" not in text


def test_health(ear: Ear) -> None:
    assert ear.send("GET", "/healthz").status == 200
    assert ear.send("GET", "/bcss/healthz").status == 200


def test_many_senders_at_once_lose_nothing(ear: Ear) -> None:
    def send_some(sender: int) -> list[int]:
        statuses = []
        with closing(HTTPConnection("127.0.0.1", ear.port, timeout=15)) as connection:
            for number in range(50):
                connection.request("POST", f"/{TOKEN}/shipstation", f"{sender}-{number}".encode())
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
        return statuses

    with ThreadPoolExecutor(16) as pool:
        statuses = [status for found in pool.map(send_some, range(16)) for status in found]
    assert statuses == [200] * 800
    assert len({hint.body for hint in ear.hints()}) == 800


def test_when_the_file_is_gone_the_sender_is_told_to_try_again(
    ear: Ear, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ear.point().status == 200
    path = ear.config.state.path
    for name in (".hints", ".hints-wal", ".hints-shm"):
        path.with_name(path.name + name).unlink(missing_ok=True)
    refused = ear.point()
    assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    assert "was not stored" in capsys.readouterr().err
    assert ear.point().status == 200
    assert len(ear.hints()) == 1


# Business Central -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_handshake_gives_the_decoded_token_back(ear: Ear, method: str) -> None:
    got = ear.send(method, "/bcss/business-central?x=1&validationToken=a%2Bb%20c%C3%A9")
    assert (got.status, got.body) == (200, "a+b cé".encode())
    assert got.headers["content-type"].startswith("text/plain")
    assert got.headers["x-content-type-options"] == "nosniff"


def test_a_notification_with_our_client_state_is_stored_by_resource(ear: Ear) -> None:
    deleted = notification(changeType="deleted", resource=f"{ITEMS}(2)")
    assert notify(ear, notification(), notification(), deleted) == 200
    (hint,) = ear.hints()
    assert hint.kind == "business_central"
    assert json.loads(hint.body) == {
        "resource": f"companies({COMPANY})/items",
        "changes": {"updated": 2, "deleted": 1},
    }


@pytest.mark.parametrize(
    "entry",
    [
        notification(clientState="wrong"),
        notification(clientState=""),
        notification(clientState=None),
        notification(clientState="\ud800é"),
        notification(clientState=["x"]),
        notification(resource=f"companies({COMPANY})/customers(1)"),
        notification(resource=7),
        notification(resource="nowhere"),
        "text",
        None,
    ],
)
def test_what_is_not_ours_is_answered_and_forgotten(ear: Ear, entry: object) -> None:
    assert notify(ear, entry) == 200
    assert ear.hints() == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff\xfe", b'{"value": 3}', b"[" * 100_000, b'{"value": NaN}']
)
def test_rubbish_is_answered_with_200(ear: Ear, body: bytes) -> None:
    assert ear.send("POST", "/business-central", body).status == 200
    assert ear.hints() == []


def test_business_central_never_gets_a_4xx(ear: Ear) -> None:
    head = b"POST /x/business-central HTTP/1.1\r\nHost: a\r\n"
    for rest in (
        b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"Content-Length: +3\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Bad Header: 1\r\n\r\n",
        b"X: " + b"y" * 9000 + b"\r\n\r\n",
    ):
        assert ear.raw(head + rest).startswith(b"HTTP/1.1 50"), rest[:40]
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert ear.send(method, "/business-central").status == 200
    assert ear.send("GET", "/business-central?" + "&".join("a" * 500)).status == 200


def test_more_than_fits_means_read_everything_afresh(ear: Ear) -> None:
    for _ in range(2):
        got = ear.send("POST", "/business-central", b" " * (MAX_NOTIFICATION + 1))
        assert got.status == 200
    assert [hint.kind for hint in ear.hints()] == ["refresh"]
    assert ear.send("POST", "/business-central", b" " * MAX_NOTIFICATION).status == 200


def test_client_states_differ_by_resource_and_token_but_not_by_its_spelling() -> None:
    state = client_state(TOKEN, ITEMS)
    assert len(state) == 50
    assert state == client_state(
        TOKEN, f"https://bc.test/api/v2.0/companies({COMPANY.upper()})/items"
    )
    assert state == client_state(TOKEN, f"companies({COMPANY})/items(abc)")
    assert state != client_state(TOKEN, ITEMS.replace("items", "customers"))
    assert state != client_state(TOKEN + "x", ITEMS)


def test_resources_are_read_in_every_form() -> None:
    name = f"companies({COMPANY})/items"
    filtered = f"{ITEMS}?$filter=lastModifiedDateTime%20gt%202026-12-01T00:00:00Z"
    for form in (ITEMS, ITEMS[1:], f"{ITEMS}(1)", f"{ITEMS}('A B')", filtered):
        assert resource_name(form) == name
    for form in ("", "items", f"xcompanies({COMPANY})/items", f"companies({COMPANY})", "é" * 5000):
        assert resource_name(form) is None


def test_no_more_resources_are_kept_than_a_subscriber_can_have() -> None:
    entries = []
    for number in range(80):
        resource = f"companies({number:08d}-0000-4000-8000-000000000000)/items"
        entries.append({"resource": resource, "clientState": client_state(TOKEN, resource)})
    assert len(read_notifications(json.dumps({"value": entries}).encode(), TOKEN)) == 50


def test_draining_answers_what_has_begun(ear: Ear) -> None:
    """A request is half sent when the listener is told to end: it still gets its answer."""
    connection = HTTPConnection("127.0.0.1", ear.port, timeout=15)
    body = json.dumps(POINTER).encode()
    connection.putrequest("POST", f"/{TOKEN}/shipstation")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:10])
    assert ear.send("GET", "/healthz").status == 200  # the half request has been accepted by now
    drainer = threading.Thread(target=ear.listener.drain)
    drainer.start()
    connection.send(body[10:])
    answer = connection.getresponse()
    assert answer.status == 200
    assert answer.getheader("connection") == "close"
    connection.close()
    drainer.join(10)
    assert not drainer.is_alive()
    assert len(ear.hints()) == 1
