"""Webhook subscriptions and their notifications (business-central.md §7)."""

import json
from typing import Any

import pytest

from bcss.sandbox.businesscentral.subscriptions import Sent
from tests.sandbox.businesscentral_rig import COMPANY_ID, ROOT, Rig

PATH = f"{ROOT}/subscriptions"
HOOK = "https://hooks.example.test/bcss/business-central"


class Receiver:
    """A receiver that answers handshakes as told and remembers what it gets."""

    def __init__(self) -> None:
        self.status = 200
        self.handshakes = 0
        self.bodies: list[Any] = []
        self.echo = True

    def __call__(self, url: str, body: bytes, headers: dict[str, str]) -> Sent:
        _, mark, token = url.partition("validationToken=")
        if mark:
            self.handshakes += 1
            return Sent(200, token.encode() if self.echo else b"no")
        self.bodies.append(json.loads(body))
        return Sent(self.status, b"")


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.clock.freeze()
    return rig


@pytest.fixture
def receiver(rig: Rig) -> Receiver:
    receiver = Receiver()
    rig.app.send = receiver
    return receiver


def _body(resource: str = "items") -> dict[str, str]:
    return {
        "notificationUrl": HOOK,
        "resource": f"/api/v2.0/companies({COMPANY_ID})/{resource}",
        "clientState": "shared",
    }


def _subscribe(rig: Rig, resource: str = "items") -> Any:
    answer = rig.post(PATH, _body(resource))
    assert answer.status == 201, answer
    return answer.body


def test_a_subscription_lives_three_days(rig: Rig, receiver: Receiver) -> None:
    made = _subscribe(rig)
    assert receiver.handshakes == 1
    assert made["expirationDateTime"] > made["systemCreatedAt"]
    assert len(rig.rows(PATH)) == 1
    rig.clock.advance(3 * 24 * 3600)
    rig.token = str(rig.sign_in().body["access_token"])
    assert rig.rows(PATH) == []
    key = made["subscriptionId"]
    assert rig.patch(f"{PATH}('{key}')", _body()).status == 404


def test_renewal_repeats_the_handshake_and_needs_quotes_tag_and_body(
    rig: Rig, receiver: Receiver
) -> None:
    made = _subscribe(rig)
    path = f"{PATH}('{made['subscriptionId']}')"
    assert rig.patch(f"{PATH}({made['subscriptionId']})", _body()).status == 400
    assert rig.patch(path, _body(), "").status == 400
    assert rig.call("PATCH", path, if_match="*").status == 400
    rig.clock.advance(1800)
    tag = rig.get(path).body["@odata.etag"]
    renewed = rig.patch(path, _body(), tag)
    assert renewed.status == 200
    assert renewed.body["expirationDateTime"] > made["expirationDateTime"]
    assert receiver.handshakes == 2
    assert rig.patch(path, _body(), tag).status == 409
    assert rig.call("DELETE", path, if_match="*").status == 204
    assert rig.get(path).status == 404


@pytest.mark.parametrize(
    "changes",
    [
        {"notificationUrl": "http://hooks.example.test/x"},
        {"resource": f"/api/v2.0/companies({COMPANY_ID})/taxGroups"},
        {"resource": "items"},
        {"notificationUrl": ""},
    ],
)
def test_a_subscription_that_is_refused(
    rig: Rig, receiver: Receiver, changes: dict[str, str]
) -> None:
    assert rig.post(PATH, {**_body(), **changes}).status == 400
    assert rig.rows(PATH) == []
    assert receiver.handshakes == 0


def test_a_failed_handshake_makes_nothing(rig: Rig, receiver: Receiver) -> None:
    receiver.echo = False
    assert rig.post(PATH, _body()).status == 400
    assert rig.rows(PATH) == []


def test_changes_are_notified_and_updates_of_one_record_merge(rig: Rig, receiver: Receiver) -> None:
    subscription = _subscribe(rig, "salesInvoices")
    _subscribe(rig, "items")
    draft = rig.invoice()
    for address in ("a@example.test", "b@example.test"):
        rig.patch(f"salesInvoices({draft['id']})", {"email": address})
    assert rig.app.run({"action": "deliver_notifications"}) == {"sent": 1}
    changes = receiver.bodies[0]["value"]
    assert [one["changeType"] for one in changes] == ["created", "updated"]
    assert changes[0]["clientState"] == "shared"
    assert changes[0]["subscriptionId"] == subscription["subscriptionId"]
    assert changes[0]["resource"] == (
        f"api/v2.0/companies({COMPANY_ID})/salesInvoices({draft['id']})"
    )
    assert rig.app.run({"action": "deliver_notifications"}) == {"sent": 0}


def test_many_changes_become_one_collection(rig: Rig, receiver: Receiver) -> None:
    rig.app.run({"action": "set", "switches": {"collection_threshold": 2}})
    _subscribe(rig, "salesInvoices")
    for number in range(3):
        rig.invoice(f"R-{number}")
    rig.app.run({"action": "deliver_notifications"})
    (one,) = receiver.bodies[0]["value"]
    assert one["changeType"] == "collection"
    assert "$filter=lastModifiedDateTime%20gt%20" in one["resource"]


@pytest.mark.parametrize("status", [400, 401, 404, 410, 302])
def test_a_receiver_that_refuses_loses_the_subscription(
    rig: Rig, receiver: Receiver, status: int
) -> None:
    _subscribe(rig, "salesInvoices")
    receiver.status = status
    rig.invoice()
    rig.app.run({"action": "deliver_notifications"})
    assert rig.rows(PATH) == []


def test_a_receiver_that_is_down_is_tried_again_five_times(rig: Rig, receiver: Receiver) -> None:
    _subscribe(rig, "salesInvoices")
    receiver.status = 503
    rig.invoice()
    for _ in range(5):
        assert rig.app.run({"action": "deliver_notifications"}) == {"sent": 1}
    assert len(rig.rows(PATH)) == 1
    rig.app.run({"action": "deliver_notifications"})
    assert rig.rows(PATH) == []
