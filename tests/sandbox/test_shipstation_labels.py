"""V2 of the imitated ShipStation: labels, their filters and files (shipstation.md §12)."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from bcss.sandbox.kit import Request, Response
from bcss.sandbox.world import World
from tests.sandbox.shipstation_rig import NOON, Rig, message

KEY = {"api-key": "sandbox-v2-key", "host": "127.0.0.1:9"}


def ask(rig: Rig, path: str = "/v2/labels", method: str = "GET", **query: Any) -> Response:
    return rig.app.handle(Request(method, path, urlencode(query), KEY))


def listed(rig: Rig, **query: Any) -> Any:
    response = ask(rig, **query)
    assert response.status == 200, response.body
    return json.loads(response.body)


def shipped(rig: Rig, count: int = 1) -> list[int]:
    found = []
    for _ in range(count):
        rig.clock.advance(60)
        found.append(rig.run("label", orderId=rig.order())["shipmentId"])
    return found


def test_a_label_is_a_shipment_of_v1_under_another_name() -> None:
    rig = Rig()
    (shipment,) = shipped(rig)

    label = json.loads(ask(rig, f"/v2/labels/se-{shipment}").body)

    order = rig.ids("orders")[0]
    assert (label["label_id"], label["shipment_id"]) == (f"se-{shipment}", f"se-{order}")
    assert label["created_at"] == "2026-03-02T20:01:00Z"
    assert label["shipment_cost"] == {"currency": "usd", "amount": 8.21}
    assert (label["status"], label["voided"], label["voided_at"]) == ("completed", False, None)
    rig.run("void", shipmentId=shipment)
    label = json.loads(ask(rig, f"/v2/labels/se-{shipment}").body)
    assert (label["status"], label["voided"]) == ("voided", True)


def test_the_file_is_a_pdf_at_a_public_address() -> None:
    rig = Rig()
    (shipment,) = shipped(rig)
    url = listed(rig)["labels"][0]["label_download"]["pdf"]
    path = url.removeprefix("http://127.0.0.1:9")

    found = rig.app.handle(Request("GET", path))

    assert (found.status, found.body[:5]) == (200, b"%PDF-")
    assert path.endswith(f"/label-{shipment}.pdf")
    assert rig.app.handle(Request("GET", path.replace("/6/", "/6/x"))).status == 404


def test_lists_are_paged_filtered_and_newest_first() -> None:
    rig = Rig()
    ids = shipped(rig, 30)
    whole = listed(rig)
    assert (whole["total"], whole["pages"], len(whole["labels"])) == (30, 2, 25)
    assert whole["labels"][0]["label_id"] == f"se-{ids[-1]}"
    second = listed(rig, page=2, page_size=20, sort_dir="asc", sort_by="created_at")
    assert [one["label_id"] for one in second["labels"]] == [f"se-{one}" for one in ids[20:]]
    assert listed(rig, page=9)["labels"] == []
    window = {"created_at_start": "2026-03-02T20:02:00Z", "created_at_end": "2026-03-02T20:03:00Z"}
    assert listed(rig, **window)["total"] == 2
    rig.run("void", shipmentId=ids[0])
    assert listed(rig, label_status="voided")["total"] == 1
    rig.app.load({"v2": {"absent": [ids[1]]}})
    assert listed(rig)["total"] == 29
    assert ask(rig, f"/v2/labels/se-{ids[1]}").status == 404


@pytest.mark.parametrize("headers", [{}, {"api-key": "sandbox-key"}, {"authorization": "Basic x"}])
def test_a_key_of_v1_does_not_open_v2(headers: dict[str, str]) -> None:
    response = Rig().app.handle(Request("GET", "/v2/labels", "", headers))
    assert response.status == 401
    (error,) = message(response)["errors"]
    assert (error["error_type"], error["error_code"]) == ("security", "unauthorized")


def test_the_two_hundred_and_first_call_of_a_minute_waits() -> None:
    rig = Rig()
    answers = [ask(rig) for _ in range(201)]
    assert {one.status for one in answers[:200]} == {200}
    last = answers[-1]
    assert (last.status, last.headers["retry-after"]) == (429, "60")
    assert message(last)["errors"][0]["error_code"] == "rate_limit_exceeded"
    assert not [name for name in last.headers if name.startswith("x-rate-limit")]
    assert rig.send("GET", "/stores").status == 200, "V1 counts by itself"
    rig.clock.advance(60)
    assert ask(rig).status == 200


@pytest.mark.parametrize(
    ("path", "method", "query", "status"),
    [
        ("/v2/labels", "POST", {}, 405),
        ("/v2/shipments", "GET", {}, 404),
        ("/v2/labels/se-1", "GET", {}, 404),
        ("/v2/labels/se-x", "GET", {}, 404),
        ("/v2/labels", "GET", {"page": "0"}, 400),
        ("/v2/labels", "GET", {"page_size": "x"}, 400),
        ("/v2/labels", "GET", {"nosuch": "1"}, 400),
        ("/v2/labels", "GET", {"sort_dir": "UP"}, 400),
    ],
)
def test_what_is_not_understood_is_refused_in_the_envelope(
    path: str, method: str, query: dict[str, str], status: int
) -> None:
    response = ask(Rig(), path, method, **query)
    assert response.status == status
    assert set(message(response)) == {"request_id", "errors"}


def test_a_bad_window_is_refused() -> None:
    rig = Rig()
    shipped(rig)
    assert ask(rig, created_at_start="yesterday").status == 400


def test_a_plan_without_v2_is_told() -> None:
    response = ask(Rig(refuse=402))
    assert response.status == 402
    assert message(response)["errors"][0]["error_code"] == "invalid_billing_plan"


def test_the_settings_of_v2_survive_a_copy_and_are_checked() -> None:
    rig = Rig()
    (shipment,) = shipped(rig)
    settings = {"absent": [shipment], "rate_limit": {"limit": 3}, "overlays": {"1": {"a": 1}}}
    rig.app.load({"v2": settings})
    copy = Rig(NOON)
    copy.app.load({name: one for name, one in rig.app.state().items() if name != "hooks"})
    assert copy.app.state()["v2"] == rig.app.state()["v2"]
    assert copy.app.state()["v2"]["rate_limit"]["limit"] == 3
    with pytest.raises(ValueError, match="nosuch"):
        rig.app.load({"v2": {"nosuch": 1}})


def test_faults_apply_and_the_log_keeps_no_key() -> None:
    world = World()
    world.faults.add({"vendor": "shipstation", "path": "^/v2/", "do": "reject"})
    assert world.handle("shipstation", Request("GET", "/v2/labels", "", KEY)).status == 503
    assert world.handle("shipstation", Request("GET", "/v2/labels", "", KEY)).status == 200
    assert "sandbox-v2-key" not in json.dumps(world.log.entries())
