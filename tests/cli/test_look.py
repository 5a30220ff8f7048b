"""Looking at a connection: from the state alone, without locks and without network."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bcss.cli.words import WAITING
from bcss.mapping import readiness
from bcss.store.host import budget_path
from tests.cli.rig import Shop
from tests.cli.test_sync import lock_held

HOLD_MEMBERS = {
    "id", "order_number", "order_key", "order_id", "store_id", "reason", "release", "since",
    "amount", "currency", "message", "next_step",
}  # fmt: skip
STATUS_MEMBERS = {
    "runs", "backlog", "holds", "waiting", "watermarks", "quota", "subscriptions",
}  # fmt: skip
ENTRY_MEMBERS = {
    "seq", "at", "run_id", "actor", "kind", "flow", "order_number", "order_key", "target",
    "status", "summary", "before", "after",
}  # fmt: skip


@pytest.mark.parametrize(
    "command", [["status"], ["hold", "list"], ["audit", "show"], ["audit", "verify"]]
)
def test_before_the_first_run_there_is_nothing_and_nothing_is_made(
    shop: Shop, command: list[str]
) -> None:
    ended = shop.bcss(*command)
    assert (ended.code, ended.err) == (0, "")
    assert "nothing has run yet" in ended.out
    assert shop.bcss(*command, "--json").json["connection"] == "shop"
    assert not shop.database.parent.exists()
    assert shop.calls() == 0


def test_looking_needs_no_vendor(shop: Shop) -> None:
    shop.bcss("sync", "all")
    shop.world.close()
    assert shop.bcss("status").code == 0
    assert shop.bcss("hold", "list").code == 0
    assert shop.bcss("audit", "show", "SO-100001").code == 0
    assert shop.bcss("why", "SO-100001").code == 0


def test_status_as_json_has_what_programs_expect(shop: Shop) -> None:
    shop.bcss("sync", "all")
    found = shop.bcss("--json", "status").json
    assert found.keys() >= STATUS_MEMBERS
    (run,) = found["runs"]
    assert (run["command"], run["exit_code"], run["summary"]["posted"]) == ("sync all", 3, 9)
    assert found["backlog"] == {"confirmed": 9, "dropped": 1, "held": 1, "seen": 1}
    (waiting,) = found["waiting"]
    assert waiting.keys() == {"order_number", "order_key", "reason", "since"}
    assert (waiting["order_number"], waiting["reason"]) == ("SO-100011", "not-shipped")
    assert {one["stream"] for one in found["watermarks"]} == {
        "orders", "shipments", "voids", "fulfillments",
    }  # fmt: skip
    assert found["quota"]["limit"] == 1000
    assert found["holds"][0]["reason"] == "unknown_sku"


def test_status_names_the_run_that_is_under_way(shop: Shop) -> None:
    shop.bcss("pull-orders")
    assert shop.bcss("--json", "status").json["running"]["pid"] == os.getpid()
    with lock_held(shop.database, datetime.now(UTC)):
        assert f"under way: sync all (process {os.getpid()})" in shop.bcss("status").out


def test_hold_list_as_json_has_what_programs_expect(shop: Shop) -> None:
    shop.bcss("sync", "all")
    (hold,) = shop.bcss("hold", "list", "--json").json["holds"]
    assert hold.keys() >= HOLD_MEMBERS
    assert hold["id"] == "H-0001"
    assert (hold["amount"], hold["currency"]) == ("21.14", "USD")
    assert datetime.fromisoformat(hold["since"]).tzinfo is not None
    assert "H-0001" in shop.bcss("hold", "list").out
    assert "approving: is refused" in shop.bcss("hold", "show", "h-1").out


def test_an_order_is_found_by_everything_it_is_called(shop: Shop) -> None:
    shop.bcss("sync", "all")
    (number,) = [
        one["number"]
        for one in shop.invoices()
        if one["externalDocumentNumber"] == "SO-100005" and one["status"] == "Open"
    ]
    for word in ("SO-100005", "1Z999AA13200000305", number):
        ended = shop.bcss("why", word)
        assert ended.code == 0
        assert "Order SO-100005 (82.97 USD, store 80001 in 2 parts) is shipped" in ended.out
        assert f"invoice {number} was posted" in ended.out
        assert f"confirmed {number}, 82.97 USD" in shop.bcss("audit", "show", word).out


def test_why_explains_what_is_not_booked(shop: Shop) -> None:
    shop.bcss("sync", "all")
    assert "has not shipped yet" in shop.bcss("why", "SO-100011").out
    assert "not booked: cancelled" in shop.bcss("why", "SO-100012").out
    held = shop.bcss("why", "SO-100010").out
    assert "It is held (H-0001, unknown_sku)" in held
    assert "Next: Create the item" in held


def test_an_unknown_order_is_a_mistake_of_the_caller(shop: Shop) -> None:
    shop.bcss("sync", "all")
    for command in (["why", "NOPE"], ["audit", "show", "NOPE"], ["plan", "NOPE"]):
        ended = shop.bcss(*command)
        assert ended.code == 2
        assert "No order is known by 'NOPE'" in ended.err


def test_the_story_of_an_order_as_json(shop: Shop) -> None:
    shop.bcss("sync", "all")
    entries = shop.bcss("audit", "show", "SO-100001", "--json").json["entries"]
    assert all(one.keys() >= ENTRY_MEMBERS for one in entries)
    assert {one["order_number"] for one in entries} == {"SO-100001"}
    kinds = [one["kind"] for one in entries]
    assert kinds.count("intent") == 3  # create, track, post
    assert kinds[0] == "event"
    created = next(one for one in entries if one["summary"].startswith("create attempt"))
    assert created["after"]["externalDocumentNumber"] == "SO-100001"
    assert created["after"]["salesInvoiceLines"][0]["unitPrice"] == 24
    captured = entries[0]["after"]
    assert captured["orderNumber"] == "SO-100001"
    last = shop.bcss("audit", "show", "--limit", "3", "--json").json["entries"]
    assert len(last) == 3


def test_times_are_told_in_the_company_zone(shop: Shop) -> None:
    shop.bcss("sync", "all")
    out = shop.bcss("audit", "show", "SO-100001").out
    assert " EST " in out or " EDT " in out


def test_a_changed_row_ends_with_8(shop: Shop) -> None:
    shop.bcss("sync", "all")
    assert shop.bcss("audit", "verify").code == 0
    from bcss.clock import SystemClock  # noqa: PLC0415 - one test only
    from bcss.store.db import Store  # noqa: PLC0415

    store = Store(shop.database, SystemClock())
    store.connection.execute("DROP TRIGGER audit_no_update")
    store.connection.execute("UPDATE audit SET summary = 'never mind' WHERE seq = 7")
    store.close()
    ended = shop.bcss("audit", "verify", "--json")
    assert ended.code == 8
    assert (ended.json["seq"], ended.json["exit_code"]) == (7, 8)
    assert "row 7" in shop.bcss("audit", "verify").out


def test_plan_shows_each_document_with_both_totals(shop: Shop) -> None:
    found = shop.bcss("plan", "--json").json
    assert found.keys() >= {"documents", "holds", "waiting", "forecast"}
    assert len(found["documents"]) == 9
    first = found["documents"][0]
    assert (first["order_number"], first["action"]) == ("SO-100001", "create and post")
    assert first["shipstation_total"] == first["our_total"] == "30.88"
    assert first["bc_total"] is None
    assert "(bcss " in first["lines"][-1]["description"]
    assert found["forecast"]["sums"] == {"USD": "2415.92"}
    assert found["holds"][0]["reason"] == "unknown_sku"
    assert not shop.database.exists()
    assert shop.calls("", "PUT", "PATCH", "DELETE", "POST") == 0


def test_plan_of_a_draft_shows_what_business_central_made_of_it(shop: Shop) -> None:
    shop.bcss("pull-orders")
    before = shop.database.read_bytes()
    ended = shop.bcss("plan", "SO-100003")
    assert "SO-100003: post: invoice for customer WEB" in ended.out
    assert "ShipStation 648.85 USD, ours 648.85 USD, Business Central 648.85 USD" in ended.out
    assert "prints on the customer's document: Shipped UPS GROUND" in ended.out
    assert shop.database.read_bytes() == before


def test_plan_without_shipstation_shows_what_is_known(shop: Shop) -> None:
    shop.bcss("pull-orders")
    shop.world.faults.add({"do": "reject", "vendor": "shipstation", "status": 401, "times": 0})
    ended = shop.bcss("plan", "--json")
    assert (ended.code, len(ended.json["documents"])) == (4, 9)


def test_every_waiting_has_words() -> None:
    names = {
        value
        for name, value in vars(readiness).items()
        if name.startswith("WAITING_") or name == "NOT_SHIPPED"
    }
    assert names <= WAITING.keys()


def test_the_budget_is_kept_where_the_host_keeps_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert budget_path() == tmp_path / ".local/state/bcss/budget.db"
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere/else")
    assert budget_path() == Path("/somewhere/else/bcss/budget.db")


def test_json_members_are_what_they_say(shop: Shop) -> None:
    shop.bcss("sync", "all")
    for command in (
        ["status"],
        ["hold", "list"],
        ["audit", "show"],
        ["plan"],
        ["why", "SO-100001"],
    ):
        assert isinstance(json.loads(shop.bcss(*command, "--json").out), dict)
