"""A person's decisions, and trying again."""

from typing import Any

import pytest

from tests.cli.rig import Shop
from tests.flows.clerk import LEFT_OUT


def decide(shop: Shop, verb: str, hold: str = "H-0001", *more: str) -> Any:
    return shop.bcss("hold", verb, hold, "--note", "seen by the test", *more)


def booked(shop: Shop, reference: str) -> list[str]:
    """Return the status of every invoice under a reference."""
    return [
        str(one["status"])
        for one in shop.invoices()
        if one["externalDocumentNumber"].startswith(reference)
    ]


def reasons(shop: Shop) -> dict[str, str]:
    """Return what is held, by order number."""
    holds = shop.bcss("hold", "list", "--json").json["holds"]
    return {one["order_number"]: one["reason"] for one in holds}


def hold_of(shop: Shop, number: str) -> str:
    holds = shop.bcss("hold", "list", "--json").json["holds"]
    return str(next(one["id"] for one in holds if one["order_number"] == number))


def typed_by_hand(shop: Shop, reference: str, customer: str = "WEB") -> None:
    body = {
        "customerNumber": customer,
        "externalDocumentNumber": reference,
        "salesInvoiceLines": [
            {"lineType": "Account", "lineObjectNumber": "40500", "quantity": 1, "unitPrice": 7}
        ],
    }
    shop.person("create_by_person", entity="salesInvoices", body=body)


def test_an_ignored_order_is_never_booked(shop: Shop) -> None:
    shop.bcss("sync", "all")
    ended = decide(shop, "ignore")
    assert (ended.code, ended.out) == (
        0,
        f"H-0001 ignored: SO-100010 (21.14 USD) {LEFT_OUT.format(1)}\n",
    )
    assert reasons(shop) == {}
    shop.configure(skus="    MYSTERY-1: ITEM-24\n")
    assert shop.bcss("replay", "--order", "SO-100010").code == 0
    assert shop.bcss("sync", "all").code == 0
    assert booked(shop, "SO-100010") == []
    assert "ignored by" in shop.bcss("why", "SO-100010").out
    story = shop.bcss("audit", "show", "SO-100010").out
    assert "seen by the test" in story


def test_a_decision_needs_a_reason_and_a_hold(shop: Shop) -> None:
    shop.bcss("sync", "all")
    ended = shop.bcss("hold", "ignore", "1")
    assert (ended.code, reasons(shop)) == (2, {"SO-100010": "unknown_sku"})
    assert "--note" in ended.err
    assert decide(shop, "ignore", "99").code == 2
    assert decide(shop, "approve", "what").code == 2
    decide(shop, "ignore")
    again = decide(shop, "ignore")
    assert (again.code, "has ended already" in again.err) == (2, True)


def test_replay_books_what_was_corrected_once(shop: Shop) -> None:
    shop.bcss("sync", "all")
    shop.configure(skus="    MYSTERY-1: ITEM-24\n")
    ended = shop.bcss("replay", "--failed", "--json")
    assert (ended.code, ended.json["created"], ended.json["posted"]) == (0, 1, 1)
    assert booked(shop, "SO-100010") == ["Open"]
    again = shop.bcss("replay", "--order", "SO-100010", "--json")
    assert (again.code, again.json["created"], again.json["posted"]) == (0, 0, 0)
    assert len(shop.invoices()) == 10


def test_replay_books_nothing_else(shop: Shop) -> None:
    shop.bcss("pull-orders")
    shop.configure(skus="    MYSTERY-1: ITEM-24\n")
    assert shop.bcss("replay", "--reason", "unknown_sku").code == 0
    posted = [one for one in shop.invoices() if one["status"] == "Open"]
    assert [one["externalDocumentNumber"] for one in posted] == ["SO-100010"]


def test_replay_of_what_still_fails_keeps_its_hold_and_says_so(shop: Shop) -> None:
    shop.bcss("sync", "all")
    before = shop.bcss("hold", "list", "--json").json["holds"]
    ended = shop.bcss("replay", "--failed")
    assert ended.code == 0
    assert "SO-100010 is still held, unknown_sku" in ended.err
    assert shop.bcss("hold", "list", "--json").json["holds"] == before


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        (["--failed"], 1),
        (["--reason", "unknown_sku"], 1),
        (["--reason", "no_key"], 0),
        (["--run", "1"], 1),
        (["--run", "7"], 0),
        (["--since", "2020-01-01"], 1),
        (["--since", "2099-01-01"], 0),
        (["--order", "SO-100003"], 1),
    ],
)
def test_replay_chooses_what_is_named(shop: Shop, arguments: list[str], count: int) -> None:
    shop.bcss("sync", "all")
    ended = shop.bcss("replay", *arguments, "--dry-run", "--json")
    assert (ended.code, len(ended.json["orders"])) == (0, count)


@pytest.mark.parametrize("arguments", [["--reason", "nonsense"], ["--since", "whenever"]])
def test_replay_refuses_what_it_does_not_know(shop: Shop, arguments: list[str]) -> None:
    shop.bcss("sync", "all")
    assert shop.bcss("replay", *arguments).code == 2


def test_captured_replays_without_asking_shipstation_for_the_order(shop: Shop) -> None:
    shop.bcss("sync", "all")
    shop.world.log.clear()
    shop.bcss("replay", "--failed", "--captured")
    paths = [one.request.path for one in shop.world.log.calls("shipstation")]
    assert not any("/orders/" in path for path in paths)
    shop.bcss("replay", "--failed")
    paths = [one.request.path for one in shop.world.log.calls("shipstation")]
    assert sum("/orders/" in path for path in paths) == 1


def test_a_reference_in_use_is_approved_into_the_hashed_form(shop: Shop) -> None:
    typed_by_hand(shop, "SO-100001")
    shop.bcss("sync", "all")
    assert reasons(shop)["SO-100001"] == "reference_in_use"
    ended = decide(shop, "approve", hold_of(shop, "SO-100001"))
    assert ended.code == 0
    assert "BX-SO100001-" in ended.out
    assert shop.bcss("sync", "all").code == 0
    assert booked(shop, "BX-SO100001-") == ["Open"]
    assert booked(shop, "SO-100001") == ["Draft"]
    assert "SO-100001" not in reasons(shop)


def test_a_draft_that_somebody_deleted_is_made_again_on_approval(shop: Shop) -> None:
    shop.bcss("pull-orders")
    shop.person("delete_by_person", reference="SO-100002")
    shop.bcss("pull-shipments")
    assert reasons(shop)["SO-100002"] == "draft_gone"
    assert decide(shop, "approve", hold_of(shop, "SO-100002")).code == 0
    assert shop.bcss("sync", "all").code == 0
    assert booked(shop, "SO-100002") == ["Open"]


def test_a_draft_that_somebody_edited_is_posted_as_approved(shop: Shop) -> None:
    shop.bcss("pull-orders")
    # The store's posting is refused once, so that the draft has been compared before the edit.
    shop.person("set", switches={"fail_post": [{"match": "SO-100003", "text": "No.", "times": 1}]})
    shop.bcss("pull-shipments")
    shop.person("edit_by_person", reference="SO-100003", changes={"shipToName": "Somebody Else"})
    shop.bcss("replay", "--failed")
    assert reasons(shop)["SO-100003"] == "bc_draft_edited"
    hold = hold_of(shop, "SO-100003")
    shop.person("edit_by_person", reference="SO-100003", changes={"shipToName": "Third Person"})
    refused = decide(shop, "approve", hold)
    assert (refused.code, "has changed since it was shown" in refused.err) == (2, True)
    shop.bcss("replay", "--failed")
    assert decide(shop, "approve", hold_of(shop, "SO-100003")).code == 0
    assert shop.bcss("sync", "all").code == 0
    assert booked(shop, "SO-100003") == ["Open"]


def test_a_posted_total_that_differs_stops_the_store_until_approved(shop: Shop) -> None:
    shop.person("set", switches={"invoice_rounding": "1.00"})
    shop.bcss("sync", "all")
    held = [one for one, reason in reasons(shop).items() if reason == "posted_total_differs"]
    assert held
    stopped = shop.bcss("status", "--json").json["stopped_stores"]
    assert list(stopped) == ["80001"]
    shop.person("set", switches={"invoice_rounding": ""})
    assert "needs a decision" in shop.bcss("replay", "--failed").err
    for number in held:
        assert decide(shop, "approve", hold_of(shop, number)).code == 0
    assert shop.bcss("status", "--json").json["stopped_stores"] == {}
    assert shop.bcss("sync", "all").code == 0
    assert sum(one["status"] == "Open" for one in shop.invoices()) == 9


def test_what_was_cancelled_after_booking_stays_booked_when_ignored(shop: Shop) -> None:
    shop.bcss("sync", "all")
    order = next(iter(shop.world.shipstation.state()["orders"]))
    shop.world.run("shipstation", {"action": "cancel", "orderId": order["orderId"]})
    shop.bcss("sync", "all")
    (number,) = [one for one, reason in reasons(shop).items() if "after_post" in reason]
    ignored = decide(shop, "ignore", hold_of(shop, number))
    assert "stays booked" in ignored.out
    assert shop.bcss("sync", "all").code == 0
    assert number not in reasons(shop)


def test_an_unlisted_store_is_decided_in_the_configuration(shop: Shop) -> None:
    shop.configure(text=shop.config.read_text().replace('    "80002": ignore\n', ""))
    lines = [{"sku": "ITEM-24", "name": "Gift set", "unitPrice": 5, "quantity": 1}]
    order = {"orderNumber": "MP-1", "orderKey": "MP-10000001", "items": lines}
    there = {**order, "advancedOptions": {"storeId": 80002}}
    shop.world.run("shipstation", {"action": "import", "orders": [there]})
    assert shop.bcss("pull-orders").code == 3
    (hold,) = [
        one
        for one in shop.bcss("hold", "list", "--json").json["holds"]
        if one["reason"] == "unknown_store"
    ]
    refused = decide(shop, "ignore", hold["id"])
    assert (refused.code, "80002: ignore" in refused.err) == (2, True)
    meaningless = decide(shop, "approve", hold["id"])
    assert (meaningless.code, "cannot be approved" in meaningless.err) == (2, True)
    assert "belongs to a store whose orders are not booked" in shop.bcss("why", "MP-1").out
    shop.configure()
    assert shop.bcss("pull-orders").code == 0
    assert "unknown_store" not in reasons(shop).values()


def test_an_ignored_order_is_named_and_taken_back(shop: Shop) -> None:
    shop.bcss("sync", "all")
    blank = shop.bcss("hold", "ignore", "1", "--note", "   ")
    assert (blank.code, reasons(shop)) == (2, {"SO-100010": "unknown_sku"})
    decide(shop, "ignore")

    again = shop.bcss("replay", "--order", "SO-100010")
    assert "SO-100010 was ignored by" in again.err
    assert "bcss hold reopen 1" in again.err
    taken_back = decide(shop, "reopen", "1")
    assert (taken_back.code, taken_back.out.startswith("H-0001 reopened")) == (0, True)
    assert reasons(shop) == {"SO-100010": "unknown_sku"}
    assert decide(shop, "reopen", "1").code == 2
    assert "seen by the test" in shop.bcss("audit", "show", "SO-100010").out


def test_a_number_whose_hold_has_changed_names_the_one_that_holds_now(shop: Shop) -> None:
    shop.bcss("sync", "all")
    order = next(iter(shop.world.shipstation.state()["orders"]))
    items = [dict(item) for item in order["items"]]
    for extra in (1, 3):
        items[0]["quantity"] += extra
        changes = {"items": items}
        edit = {"action": "edit", "orderId": order["orderId"], "changes": changes}
        shop.world.run("shipstation", edit)
        shop.bcss("sync", "all")

    refused = decide(shop, "approve", "2")

    assert (refused.code, "H-0002 has changed since it was shown: now H-0003" in refused.err) == (
        2,
        True,
    )
    assert decide(shop, "approve", "3").code == 0
