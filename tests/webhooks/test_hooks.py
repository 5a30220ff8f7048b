"""ShipStation's side of the webhooks: registered once, listed without secrets, only ours removed."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bcss.clock import SystemClock
from bcss.config.load import load
from bcss.flows.hooks import USUAL
from bcss.store.hints import Hints, hints_path
from tests.cli.rig import CONFIG, DAY, Shop, demo_seed, serving
from tests.webhooks.rig import TOKEN, listening

SECTION = """
webhooks:
  public_url: http://127.0.0.1:1/bcss/
  token: "env:BCSS_TEST_HOOK"
"""
OURS = f"http://127.0.0.1:1/bcss/{TOKEN}/shipstation"
FOREIGN = {"WebHookID": 7, "Url": "https://other.example.test/secret-x", "HookType": "SHIP_NOTIFY"}


@pytest.fixture
def shop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    monkeypatch.setenv("BCSS_TEST_HOOK", TOKEN)
    with serving(demo_seed(), tmp_path, capsys) as made:
        configure(made)
        made.world.load({"shipstation": {"webhooks": [FOREIGN]}})
        yield made


def configure(shop: Shop, section: str = SECTION) -> None:
    text = CONFIG.format(
        name="shop", urls=shop.urls, start=DAY, first_run_limit=0, skus="",
        state=shop.folder / "state" / "shop.db",
    )  # fmt: skip
    shop.configure(text=text + section)


def hooks(shop: Shop) -> list[tuple[str, str, int | None]]:
    rows = shop.world.shipstation.state()["webhooks"]
    return [(row["Url"], row["HookType"], row["StoreID"]) for row in rows if row["WebHookID"] != 7]


@pytest.mark.parametrize("new_subscribe", [False, True])
def test_registering_twice_is_registering_once(shop: Shop, new_subscribe: bool) -> None:
    switches = {"switches": {"shipstation": {"new_subscribe": new_subscribe}}}
    shop.world.load(switches)
    first = shop.bcss("webhooks", "register", "--json")
    assert first.code == 0
    assert first.json["registered"] == [{"event": event, "store_id": None} for event in USUAL]
    assert hooks(shop) == [(OURS, event, None) for event in USUAL]
    again = shop.bcss("webhooks", "register", "--json")
    assert (again.json["registered"], again.json["present"]) == ([], first.json["registered"])
    assert len(hooks(shop)) == len(USUAL)


def test_events_and_stores_can_be_chosen(shop: Shop) -> None:
    chosen = ["--event", "item_ship_notify", "--store", "80001"]
    assert (
        "ITEM_SHIP_NOTIFY (80001) is registered" in shop.bcss("webhooks", "register", *chosen).out
    )
    assert hooks(shop) == [(OURS, "ITEM_SHIP_NOTIFY", 80001)]
    everywhere = shop.bcss("webhooks", "register", "--event", "ITEM_SHIP_NOTIFY")
    assert "ITEM_SHIP_NOTIFY (all stores) is registered" in everywhere.out
    # What all stores tell needs no second message for one of them.
    assert "there already" in shop.bcss("webhooks", "register", *chosen).out
    assert len(hooks(shop)) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--event", "PARTY"], "expected one of"),
        (["--store", "80002"], "does not book store 80002"),
        (["--store", "5"], "does not book store 5"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(
    shop: Shop, arguments: list[str], said: str
) -> None:
    ended = shop.bcss("webhooks", "register", *arguments)
    assert (ended.code, said in ended.err) == (2, True)
    assert hooks(shop) == []


def test_a_dry_run_writes_nothing(shop: Shop) -> None:
    ended = shop.bcss("webhooks", "register", "--dry-run")
    assert "SHIP_NOTIFY (all stores) would be registered" in ended.out
    assert hooks(shop) == []
    shop.bcss("webhooks", "register")
    assert "would be removed" in shop.bcss("webhooks", "remove", "--dry-run").out
    assert len(hooks(shop)) == len(USUAL)
    assert shop.calls("shipstation", "POST", "DELETE") == len(USUAL)


def test_only_ours_are_removed(shop: Shop) -> None:
    shop.bcss("webhooks", "register")
    one = shop.bcss("webhooks", "remove", "--event", "SHIP_NOTIFY")
    assert "SHIP_NOTIFY (all stores), is removed" in one.out
    assert len(hooks(shop)) == len(USUAL) - 1
    assert len(shop.bcss("webhooks", "remove", "--json").json["removed"]) == len(USUAL) - 1
    assert [row["WebHookID"] for row in shop.world.shipstation.state()["webhooks"]] == [7]
    assert "no webhook points at our listener" in shop.bcss("webhooks", "remove").out


def test_an_answer_that_was_lost_does_not_register_twice(shop: Shop) -> None:
    lost = {"vendor": "shipstation", "path": "/webhooks/subscribe", "do": "drop"}
    shop.world.load({"faults": [lost]})
    assert shop.bcss("webhooks", "register").code == 0
    assert sorted(event for _, event, _ in hooks(shop)) == sorted(USUAL)


def test_no_secret_is_shown_or_kept(shop: Shop) -> None:
    shop.bcss("webhooks", "register")
    for arguments in (["webhooks", "list"], ["webhooks", "list", "--json"], ["check"]):
        ended = shop.bcss(*arguments)
        assert TOKEN not in ended.out + ended.err
        assert "secret-x" not in ended.out + ended.err
    assert TOKEN.encode() not in shop.database.read_bytes()
    listed = shop.bcss("webhooks", "list", "--json").json["webhooks"]
    assert [row["ours"] for row in listed] == [False, *[True] * len(USUAL)]


def test_the_trail_has_intent_and_outcome(shop: Shop) -> None:
    shop.bcss("webhooks", "register", "--event", "SHIP_NOTIFY")
    entries = shop.bcss("audit", "show", "--json").json["entries"]
    found = [(one["kind"], one["status"]) for one in entries if "register SHIP" in one["summary"]]
    assert sorted(found) == [("intent", "sent"), ("outcome", "done")]


def checks(shop: Shop) -> list[str]:
    rows = shop.bcss("check", "--json").json["checks"]
    return [row["text"] for row in rows if row["what"].startswith("webhook")]


def test_check_says_what_is_missing_or_points_elsewhere(shop: Shop) -> None:
    assert any("none tells of SHIP_NOTIFY in store 80001" in text for text in checks(shop))
    shop.bcss("webhooks", "register")
    assert checks(shop) == ["ShipStation tells our listener what happens"]
    configure(shop, SECTION.replace("/bcss/", "/moved"))
    moved = checks(shop)
    assert sum("points elsewhere" in text for text in moved) == len(USUAL)
    assert sum("none tells of" in text for text in moved) == len(USUAL)


def test_one_that_is_switched_off_counts_as_missing(shop: Shop) -> None:
    shop.bcss("webhooks", "register")
    rows = shop.world.shipstation.state()["webhooks"]
    off = [{**row, "Active": row["HookType"] != "SHIP_NOTIFY"} for row in rows]
    shop.world.load({"shipstation": {"webhooks": off}})
    found = checks(shop)
    assert any("none tells of SHIP_NOTIFY" in text for text in found)
    assert any("is switched off" in text for text in found)


def test_the_item_variant_tells_as_well(shop: Shop) -> None:
    shop.bcss(
        "webhooks", "register", *(f"--event={event}" for event in USUAL if event != "SHIP_NOTIFY")
    )
    shop.bcss("webhooks", "register", "--event", "ITEM_SHIP_NOTIFY", "--store", "80001")
    assert checks(shop) == ["ShipStation tells our listener what happens"]


def test_check_asks_the_receiver_and_tells_of_subscriptions(shop: Shop) -> None:
    rows = {row["what"]: row for row in shop.bcss("check", "--json").json["checks"]}
    assert rows["receiver"]["level"] == rows["subscription"]["level"] == "warning"
    assert "refuses connections" in rows["receiver"]["text"]
    with listening(load(shop.config)) as ear:
        configure(shop, SECTION.replace("127.0.0.1:1/", f"127.0.0.1:{ear.port}/"))
        assert shop.bcss("renew-subs").code == 0
        found = shop.bcss("check", "--json").json["checks"]
    told = [row["text"] for row in found if row["what"] in ("receiver", "subscription")]
    assert "answers Business Central's handshake" in told[0]
    assert [text.endswith(" h left") for text in told[1:]] == [True] * 3


def test_what_was_only_counted_is_listed(shop: Shop) -> None:
    shop.bcss("webhooks", "register")
    with closing(Hints(hints_path(shop.database), SystemClock())) as hints:
        hints.tally({"bad signature": 2})
        hints.tally({"bad signature": 1})
    assert "received with bad signature: 3" in shop.bcss("webhooks", "list").out


def test_without_a_listener_there_is_nothing_to_register(shop: Shop) -> None:
    configure(shop, "")
    assert shop.bcss("webhooks", "register").code == 2
    assert shop.bcss("webhooks", "list").code == 2
    assert checks(shop) == []
