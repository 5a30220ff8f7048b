"""What a card says before a decision: figures to book by, and what ignoring or approving comes to."""

import csv
import io
import re

import pytest

from tests.cli.rig import Shop
from tests.cli.test_clerk import (
    CANCELLED,
    EDITED,
    approve,
    document_of,
    edited,
    in_shipstation,
    label_of,
    squeezed,
)
from tests.cli.test_ending import played


def ignoring(shop: Shop, label: str) -> str:
    """Return what a card says beforehand of ignoring."""
    out = shop.bcss("hold", "show", label).out
    return next(row for row in out.splitlines() if row.startswith("ignoring: "))


def edited_draft(shop: Shop) -> str:
    """Have a person change the price in a draft whose posting was refused once."""
    shop.bcss("pull-orders")
    shop.person("set", switches={"fail_post": [{"match": EDITED, "text": "No.", "times": 1}]})
    shop.bcss("pull-shipments")
    shop.person("edit_by_person", reference=EDITED, line=0, changes={"unitPrice": 20})
    shop.bcss("replay", "--failed")
    return label_of(shop, EDITED)


def test_plan_names_the_credit_and_the_invoice_that_an_approval_brings(shop: Shop) -> None:
    label, first = edited(shop), document_of(shop, EDITED)
    approve(shop, label)
    for command in (["plan", EDITED], ["plan"]):
        text = squeezed(shop.bcss(*command).out)
        told = re.search(
            rf"{EDITED}: credits {first}, 30\.88 USD, dated ([-\d]+); "
            r"then books 54\.88 USD, dated ([-\d]+)",
            text,
        )
        assert told, text
        assert "forecast: 1 to credit, 1 to create, 1 to post (54.88 USD); about 7 calls" in text
        assert f"{EDITED}: nothing" not in text
        dates = told.groups()
    shop.bcss("sync", "all")
    (memo,) = shop.world.bc.state()["salesCreditMemos"]
    new = next(one for one in shop.invoices() if one["number"] == "PS-INV103010")
    assert (memo["postingDate"], new["postingDate"]) == dates
    assert "forecast: 0 to create" in shop.bcss("plan", EDITED).out


def test_plan_of_a_cancelled_order_names_the_credit_alone(shop: Shop) -> None:
    edited(shop)
    first = document_of(shop, CANCELLED)
    approve(shop, label_of(shop, CANCELLED), "phoned off")
    ended = shop.bcss("plan", CANCELLED)
    assert f"{CANCELLED}: credits {first}, 57.47 USD, dated " in ended.out
    assert "; nothing more is booked" in ended.out
    forecast = shop.bcss("plan", CANCELLED, "--json").json["forecast"]
    assert (forecast["credit"], forecast["create"], forecast["sums"]) == (1, 0, {})


def test_plan_announces_no_credit_that_is_held(shop: Shop) -> None:
    edited(shop)
    ended = shop.bcss("plan", EDITED)
    assert "credits " not in ended.out
    assert "to credit" not in ended.out


def test_an_edited_draft_shows_no_figures_that_are_not_its_own(shop: Shop) -> None:
    label = edited_draft(shop)
    out = shop.bcss("hold", "show", label).out
    assert "reason: bc_draft_edited" in out
    assert "ITEM-24 1 x 20.00 = 20.00 USD" in out
    assert "the draft as it stands is in the message above" in out
    assert not re.search(r"^Item .*24\.00", out, re.MULTILINE)
    assert "last seen" not in out


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_approving_an_edited_draft_asks_with_the_amount_that_is_booked(shop: Shop) -> None:
    label = edited_draft(shop)
    question = f"Approve {label} (order {EDITED}, books 26.88 USD)? [y/N]:"
    arguments = ["hold", "approve", label, "--note", "agreed", "--config", str(shop.config)]
    code, said = played(arguments, [(question, "n")])
    assert (code, "bcss: not approved; nothing was changed." in said) == (130, True)
    assert "interrupted" not in said
    assert label_of(shop, EDITED) == label
    assert played(arguments, [(question, "y")])[0] == 0
    shop.bcss("sync", "all")
    booked = next(one for one in shop.invoices() if one["externalDocumentNumber"] == EDITED)
    assert f"{booked['totalAmountIncludingTax']:.2f}" == "26.88"


def test_a_card_says_what_ignoring_says_afterwards(shop: Shop) -> None:
    labels = [edited(shop), label_of(shop, CANCELLED), "H-0001"]
    for label in labels:
        before = ignoring(shop, label).removeprefix("ignoring: ")
        ended = shop.bcss("hold", "ignore", label, "--note", "as agreed")
        assert ended.out == f"{label} ignored: {before}\n"
    assert "stays booked as it is" in shop.bcss("audit", "show", EDITED).out
    assert "ignoring:" not in shop.bcss("hold", "show", labels[0]).out


def test_a_card_says_that_a_whole_store_cannot_be_ignored(shop: Shop) -> None:
    shop.configure(text=shop.config.read_text().replace('    "80002": ignore\n', ""))
    lines = [{"sku": "ITEM-24", "name": "Gift set", "unitPrice": 5, "quantity": 1}]
    order = {"orderNumber": "MP-1", "orderKey": "MP-10000001", "items": lines}
    there = {**order, "advancedOptions": {"storeId": 80002}}
    shop.world.run("shipstation", {"action": "import", "orders": [there]})
    shop.bcss("pull-orders")
    holds = shop.bcss("hold", "list", "--json").json["holds"]
    label = next(one["id"] for one in holds if one["reason"] == "unknown_store")
    assert "ignoring: It is refused." in ignoring(shop, label)
    assert "80002: ignore" in ignoring(shop, label)


def test_what_is_booked_by_hand_shows_the_order_as_shipstation_has_it(shop: Shop) -> None:
    in_shipstation(shop, "corrupt", EDITED, overlay={"orderTotal": 99})
    shop.bcss("sync", "all")
    label = label_of(shop, EDITED)
    shown = shop.bcss("hold", "show", label)
    text = squeezed(shown.out)
    assert "reason: total_differs" in shown.out
    (order,) = shop.bcss("hold", "show", label, "--json").json["orders"]
    assert f"ShipStation has {EDITED} as shipped: customer {order['customer']}" in text
    assert f"ship to {order['ship_to']}, shipped on {order['ship_dates'][0]}" in text
    assert order["ship_to"]
    assert re.search(r"SKU name quantity unit price ITEM-24 .* 1 24\.00", text)
    assert "shipping 4.90 USD, tax 1.98 USD, total 99.00 USD" in text


def test_an_order_without_lines_says_so(shop: Shop) -> None:
    order = {"orderNumber": "EMPTY-1", "orderKey": "EMPTY-1-KEY", "items": []}
    there = {**order, "advancedOptions": {"storeId": 80001}}
    made = shop.world.run("shipstation", {"action": "import", "orders": [there]})
    shop.world.run("shipstation", {"action": "label", "orderId": made["orderIds"][0]})
    shop.bcss("sync", "all")
    out = shop.bcss("hold", "show", "EMPTY-1").out
    assert "reason: nothing_to_book" in out
    assert "ShipStation has EMPTY-1 as shipped" in out
    assert "  no lines\n" in out


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_what_is_always_refused_is_refused_without_a_question(shop: Shop) -> None:
    shop.bcss("sync", "all")
    arguments = ["hold", "approve", "1", "--config", str(shop.config)]
    code, said = played(arguments, [])
    assert (code, "H-0001 (unknown_sku) cannot be approved" in said) == (2, True)
    for question in ("Why:", "[y/N]"):
        assert question not in said


def test_an_order_whose_hold_has_ended_leads_to_it(shop: Shop) -> None:
    shop.bcss("sync", "all")
    shop.bcss("hold", "ignore", "1", "--note", "as agreed")
    ended = shop.bcss("hold", "show", "SO-100010")
    assert ended.code == 2
    assert re.search(
        r"'SO-100010' has no open hold; H-0001 has ended: ignored by \S+ on .*, \"as agreed\"",
        ended.err,
    )
    assert "bcss hold show H-0001" in ended.err


def test_the_spreadsheet_has_the_times_of_the_screens(shop: Shop) -> None:
    shop.bcss("sync", "all")
    (row,) = csv.DictReader(io.StringIO(shop.bcss("hold", "list", "--csv").out, newline=""))
    day, _, clock = row["since"].partition("T")
    assert re.fullmatch(r"\d\d:\d\d:\d\d-0[45]:00", clock)
    assert f"held since {day} {clock[:8]} E" in shop.bcss("hold", "show", "1").out
