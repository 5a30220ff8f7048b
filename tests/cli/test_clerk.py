"""A finance clerk's morning: the queue, one hold, a decision, and what came of it."""

import csv
import io
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bcss.cli.standing import why_unit
from bcss.cli.words import ToDo, plainly, until, what_to_do
from bcss.flows import review
from bcss.holds import REASONS, Hold, Release, Why
from tests.cli.rig import Shop
from tests.cli.test_ending import played
from tests.flows.stage import Stage, order_row

LIST_COLUMNS = (
    "hold", "connection", "order_number", "order_key", "store_id", "reason", "release", "since",
    "amount", "currency", "who", "message", "next_step",
)  # fmt: skip
EDITED, CANCELLED = "SO-100001", "SO-100002"
NUMBER = "SO-1001"


def order_of(shop: Shop, number: str) -> dict[str, Any]:
    rows = shop.world.shipstation.state()["orders"]
    return next(dict(row) for row in rows if row["orderNumber"] == number)


def in_shipstation(shop: Shop, action: str, number: str, **more: Any) -> None:
    order_id = order_of(shop, number)["orderId"]
    shop.world.run("shipstation", {"action": action, "orderId": order_id, **more})


def add_one_more(shop: Shop, number: str = EDITED) -> None:
    """Let the shop raise the quantity of an order's first line to two."""
    items = [dict(item) for item in order_of(shop, number)["items"]]
    items[0]["quantity"] = 2
    in_shipstation(shop, "edit", number, changes={"items": items})


def label_of(shop: Shop, number: str) -> str:
    holds = shop.bcss("hold", "list", "--json").json["holds"]
    return str(next(one["id"] for one in holds if one["order_number"] == number))


def document_of(shop: Shop, number: str) -> str:
    """Return the number of the document that an order was first booked by; posts overlap."""
    rows = shop.invoices()
    return str(next(one["number"] for one in rows if one["externalDocumentNumber"] == number))


def edited(shop: Shop) -> str:
    """Book the day, have an order edited and another one cancelled, and return the first hold."""
    shop.bcss("sync", "all")
    add_one_more(shop)
    in_shipstation(shop, "cancel", CANCELLED)
    shop.bcss("sync", "all")
    return label_of(shop, EDITED)


def approve(shop: Shop, label: str, note: str = "customer added one more") -> None:
    ended = shop.bcss("hold", "approve", label, "--note", note)
    assert ended.code == 0, ended.err


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_a_correction_shows_was_and_is_and_both_documents_to_come(shop: Shop) -> None:
    label = edited(shop)
    first = document_of(shop, EDITED)
    ended = shop.bcss("hold", "show", label)
    text = squeezed(ended.out)
    assert f"was booked as {first} is now" in text
    assert "ITEM-24 1 x 24.00 = 24.00 2 x 24.00 = 48.00" in text
    assert "shipping, account 40500 1 x 4.90 = 4.90 1 x 4.90 = 4.90" in text
    assert "total 30.88 USD 54.88 USD (24.00 USD more)" in text
    assert "ShipStation 54.88 USD now (24.00 USD more than this document)" in text
    found = shop.bcss("hold", "show", label, "--json").json["correction"]
    memo, new = found["credit_memo_date"], found["new_dated"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", memo)
    assert (
        f"approving books: a credit memo over {first}, 30.88 USD, dated {memo}, "
        f"then a new invoice, 54.88 USD, dated {new}."
    ) in text
    assert (found["difference"], found["then"]) == ("24.00", "")


def test_the_announced_documents_are_the_ones_that_are_posted(shop: Shop) -> None:
    label = edited(shop)
    told = shop.bcss("hold", "show", label, "--json").json["correction"]
    approve(shop, label)
    shop.bcss("sync", "all")
    (memo,) = shop.world.bc.state()["salesCreditMemos"]
    new = next(one for one in shop.invoices() if one["number"] == "PS-INV103010")
    assert (memo["postingDate"], new["postingDate"]) == (
        told["credit_memo_date"],
        told["new_dated"],
    )
    assert str(new["totalAmountIncludingTax"]) == told["is_total"]


def test_a_cancelled_order_is_said_to_book_nothing_more(shop: Shop) -> None:
    edited(shop)
    label = label_of(shop, CANCELLED)
    shown = squeezed(shop.bcss("hold", "show", label).out)
    assert "is now" not in shown
    assert "; nothing more is booked." in shown
    ended = shop.bcss("hold", "approve", label, "--note", "phoned off")
    assert "and books nothing more." in ended.out
    assert "generation" not in ended.out


def test_the_whole_story_is_told_whatever_number_is_asked_for(shop: Shop) -> None:
    label = edited(shop)
    first = document_of(shop, EDITED)
    approve(shop, label)
    shop.bcss("sync", "all")
    (memo,) = shop.world.bc.state()["salesCreditMemos"]
    story = re.compile(
        rf"So far: booked as {first} \(30\.88 USD\); "
        rf"{label} \(edited_after_post\) approved by \S+ on [-\d]+ [:\d]+ E[SD]T, "
        r'"customer added one more"; '
        rf"{first} credited by {memo['number']} dated {memo['postingDate']}; "
        r"booked again as PS-INV103010 \(54\.88 USD\)\."
    )
    for asked in (EDITED, first, "PS-INV103010", memo["number"], "S-CR104001", label):
        for command in (["why", asked], ["audit", "show", asked]):
            ended = shop.bcss(*command)
            assert ended.code == 0, asked
            assert story.search(squeezed(ended.out)), (asked, ended.out)
            assert "unknown in ShipStation" not in ended.out
    entries = shop.bcss("audit", "show", EDITED, "--json").json["entries"]
    told = " ".join(one["summary"] for one in entries)
    for part in (f"confirmed {first}", f"approved {label}", memo["number"], "PS-INV103010"):
        assert part in told
    (order,) = shop.bcss("why", first, "--json").json["orders"]
    assert [one["document_number"] for one in order["generations"]] == [
        first,
        "PS-INV103010",
    ]


def test_a_cancelled_and_credited_order_is_not_just_not_booked(shop: Shop) -> None:
    edited(shop)
    other = document_of(shop, CANCELLED)
    approve(shop, label_of(shop, CANCELLED), "phoned off")
    shop.bcss("sync", "all")
    out = shop.bcss("why", CANCELLED).out
    assert f"It is not booked: cancelled. So far: booked as {other} (57.47 USD); " in out
    assert f'"phoned off"; {other} credited by PS-CR105001 dated ' in out


def test_an_ended_hold_tells_who_why_and_what_came_of_it(shop: Shop) -> None:
    label = edited(shop)
    first = document_of(shop, EDITED)
    approve(shop, label)
    under_way = shop.bcss("hold", "show", label).out
    assert f"{first} is being credited: the next run goes on with it." in under_way
    shop.bcss("sync", "all")
    ended = shop.bcss("hold", "show", label)
    assert re.search(
        r'^ended: approved by \S+ on [-\d]+ [:\d]+ E[SD]T, "customer added one more"$',
        ended.out,
        re.MULTILINE,
    )
    came = (
        rf"{first} \(30.88 USD\) credited by PS-CR105001 dated [-\d]+, booked again as "
        r"PS-INV103010 \(54.88 USD\)\."
    )
    assert re.search(rf"^what came of it: {came}$", ended.out, re.MULTILINE)
    for gone in ("next step:", "approving", "Nothing happens"):
        assert gone not in ended.out
    told = shop.bcss("hold", "show", label, "--json").json["ending"]
    assert (told["decision"], told["note"]) == ("approved", "customer added one more")


def test_approving_twice_says_who_has_done_so_and_why(shop: Shop) -> None:
    label = edited(shop)
    approve(shop, label)
    for verb in ("approve", "ignore"):
        again = shop.bcss("hold", verb, label, "--note", "once more")
        assert again.code == 2
        assert re.search(
            rf'{label} has ended already: approved by \S+ on .*, "customer added one more"',
            again.err,
        )


def test_a_hold_that_ended_by_itself_says_so(shop: Shop) -> None:
    shop.bcss("sync", "all")
    shop.configure(skus="    MYSTERY-1: ITEM-24\n")
    shop.bcss("sync", "all")
    out = shop.bcss("hold", "show", "1").out
    assert "ended: ended by itself on " in out
    assert "what came of it: It is booked: invoice PS-INV103010" in out


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_run_names_what_was_credited_and_booked_again(shop: Shop) -> None:
    label = edited(shop)
    other = document_of(shop, CANCELLED)
    first = document_of(shop, EDITED)
    approve(shop, label)
    _, said = played(["sync", "all", "--config", str(shop.config)], [])
    assert re.search(
        rf"{label}: {EDITED}: {first} \(30.88 USD\) credited by PS-CR105001 dated [-\d]+, "
        r"booked again as PS-INV103010 \(54.88 USD\)\.",
        squeezed(said),
    )
    approve(shop, label_of(shop, CANCELLED), "phoned off")
    ended = shop.bcss("sync", "all", "--json")
    (told,) = ended.json["corrections"]
    assert (told["order_number"], told["credited"], told["booked_as"]) == (
        CANCELLED,
        other,
        "",
    )
    assert (told["credited_amount"], told["currency"]) == ("57.47", "USD")
    assert shop.bcss("sync", "all", "--json").json["corrections"] == []
    assert shop.bcss("sync", "all").err == ""


def test_a_gone_draft_is_said_to_be_gone_everywhere(shop: Shop) -> None:
    shop.bcss("pull-orders")
    draft = document_of(shop, "SO-100002")
    shop.person("delete_by_person", reference="SO-100002")
    shop.bcss("pull-shipments")
    label = label_of(shop, "SO-100002")
    for command in (["hold", "show", label], ["why", "SO-100002"]):
        out = shop.bcss(*command).out
        assert f"{draft} is gone from Business Central" in out
        assert f"Nothing happens until {label} is decided." in out
        for untrue in ("stands in Business Central", "the next run", "is booked"):
            assert untrue not in out, untrue
    assert "held, its draft is gone" in shop.bcss("hold", "show", label).out


def test_a_held_draft_promises_nothing_and_its_total_is_only_remembered(shop: Shop) -> None:
    shop.world.run("bc", {"action": "set", "switches": {"allow_posting_from": "2099-01-01"}})
    shop.bcss("sync", "all")
    label = label_of(shop, "SO-100001")
    shown = shop.bcss("hold", "show", label).out
    assert "the next run compares" not in shown
    assert "was in Business Central when bcss last looked" in shown
    assert f"Nothing happens until that is corrected and {label} is approved." in shown
    assert re.search(r"Business Central 30\.88 USD \(last seen [-\d]+ [:\d]+ E[SD]T\)", shown)
    assert re.search(r"posting date \d{4}-", shown)


def test_codes_of_an_answer_stand_behind_what_it_says(shop: Shop) -> None:
    shop.world.run("bc", {"action": "set", "switches": {"allow_posting_from": "2099-01-01"}})
    shop.bcss("sync", "all")
    listing = shop.bcss("hold", "list").out
    line = next(one for one in listing.splitlines() if "posting dates" in one)
    assert line.strip().startswith("Business Central refused to post: ")
    assert " answered 400" not in line
    assert re.search(r"posting dates.* \(400 \S+ to POST \S+\)\.$", line)
    assert "salesInvoices S-" not in listing


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "Refused: Business Central answered 400 Bad_Thing to POST salesInvoices(7)/post: No. 5.",
            "Refused: No. 5 (400 Bad_Thing to POST salesInvoices(7)/post).",
        ),
        ("ShipStation answered 400 to orders/7: no", "no (400 to orders/7)."),
        ("salesInvoices S-INV1 carries it.", "invoice S-INV1 carries it."),
        (
            "order 7: orderId: ShipStation's answer to orders/7 cannot be read: orderTotal: bad",
            "order 7: orderTotal: bad",
        ),
        ("Shipped on 2026-03-01: 3 days ago.", "Shipped on 2026-03-01: 3 days ago."),
    ],
)
def test_jargon_of_an_answer_is_put_last_or_left_out(message: str, said: str) -> None:
    assert plainly(message) == said


def test_the_list_says_who_looks_after_what(shop: Shop) -> None:
    label = edited(shop)
    shop.bcss("hold", "assign", label, "Robin")
    rows = shop.bcss("hold", "list").out.splitlines()
    assert rows[0].split() == ["hold", "order", "reason", "since", "amount", "who"]
    assert next(row for row in rows if label in row).endswith("USD  Robin")
    assert re.search(r"edited_after_post .*Robin", shop.bcss("status").out)
    mine = shop.bcss("hold", "list", "--who", "robin", "--json").json["holds"]
    assert [one["id"] for one in mine] == [label]
    assert "nothing that is held is" in shop.bcss("hold", "list", "--mine").out


def test_the_list_is_grouped_by_what_is_to_be_done(shop: Shop) -> None:
    edited(shop)
    rows = shop.bcss("hold", "list").out.splitlines()
    headings = [n for n, row in enumerate(rows) if re.match(r"\d+ to ", row)]
    assert [rows[n].partition(":")[0] for n in headings] == ["2 to decide", "1 to correct"]
    assert len(rows) == 1 + 2 + 2 * 3


def test_a_narrow_terminal_gives_the_message_its_whole_width(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited(shop)
    monkeypatch.setenv("COLUMNS", "80")
    _, said = played(["hold", "list", "--config", str(shop.config)], [])
    rows = said.replace("\r", "").splitlines()
    assert max(map(len, rows)) <= 80
    messages = [row for row in rows if row.startswith("    ")]
    assert max(map(len, messages)) > 70
    assert any("cancelled_after_post" in row for row in rows)


def test_the_queue_as_a_spreadsheet_has_one_harmless_row_a_hold(shop: Shop) -> None:
    label = edited(shop)
    shop.bcss("hold", "assign", label, "=cmd|' /C calc'!A1")
    ended = shop.bcss("hold", "list", "--csv")
    assert ended.out.endswith("\r\n")
    assert ended.out.count("\r\n") == ended.out.count("\n") == 4
    rows = list(csv.DictReader(io.StringIO(ended.out, newline="")))
    assert tuple(rows[0]) == LIST_COLUMNS
    mine = next(row for row in rows if row["hold"] == label)
    assert (mine["order_number"], mine["amount"], mine["currency"]) == (EDITED, "54.88", "USD")
    assert mine["who"] == "'=cmd|' /C calc'!A1"
    assert mine["connection"] == "shop"
    assert str(shop.config) in next(row for row in rows if row["hold"] == "H-0001")["next_step"]
    assert shop.bcss("hold", "list", "--csv", "--json").code == 2


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1"])
def test_no_cell_of_a_stranger_begins_like_a_formula(shop: Shop, start: str) -> None:
    lines = [{"sku": f"{start}ODD", "name": "odd", "unitPrice": 5, "quantity": 1}]
    order = {"orderNumber": f"{start}X", "orderKey": "X-HOSTILE-1", "items": lines}
    made = shop.world.run(
        "shipstation",
        {"action": "import", "orders": [{**order, "advancedOptions": {"storeId": 80001}}]},
    )
    shop.world.run("shipstation", {"action": "label", "orderId": made["orderIds"][0]})
    shop.bcss("sync", "all")
    rows = list(csv.DictReader(io.StringIO(shop.bcss("hold", "list", "--csv").out, newline="")))
    assert len(rows) == 2
    for row in rows:
        for name, cell in row.items():
            assert name == "amount" or not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_two_connections_make_one_table(shop: Shop) -> None:
    shop.bcss("sync", "all")
    shop.configure(name="other")
    ended = shop.bcss("hold", "list", "--csv", config=shop.folder)
    rows = list(csv.DictReader(io.StringIO(ended.out, newline="")))
    assert [row["connection"] for row in rows] == ["shop"]


def test_an_order_number_leads_to_its_hold_and_decides_nothing(shop: Shop) -> None:
    shop.bcss("sync", "all")
    assert shop.bcss("hold", "show", "SO-100010").out.startswith("H-0001 order SO-100010 ")
    assert shop.bcss("hold", "show", "#1").code == 0
    refused = shop.bcss("hold", "approve", "SO-100010", "--note", "as agreed")
    assert (refused.code, "its hold is H-0001" in refused.err) == (2, True)
    assert "It is held (H-0001, unknown_sku)" in shop.bcss("why", "H-0001").out
    bare = shop.bcss("why", "1")
    assert (bare.code, "H-0001 is a hold" in bare.err) == (2, True)
    assert shop.bcss("hold", "show", "SO-100003").code == 2


def test_a_number_that_is_an_order_and_another_hold_is_refused(shop: Shop) -> None:
    for number in ("1", "2"):
        lines = [{"sku": f"NONE-{number}", "name": "odd", "unitPrice": 5, "quantity": 1}]
        order = {"orderNumber": number, "orderKey": f"BARE-{number}-KEY", "items": lines}
        there = {**order, "advancedOptions": {"storeId": 80001}}
        made = shop.world.run("shipstation", {"action": "import", "orders": [there]})
        shop.world.run("shipstation", {"action": "label", "orderId": made["orderIds"][0]})
    shop.bcss("sync", "all")
    held = {
        one["order_number"]: one["id"] for one in shop.bcss("hold", "list", "--json").json["holds"]
    }
    assert held["1"] != "H-0001" or held["2"] != "H-0002"
    wrong = next(number for number in ("1", "2") if held[number] != f"H-000{number}")
    ended = shop.bcss("hold", "ignore", wrong, "--note", "as agreed")
    assert (ended.code, "is both hold" in ended.err) == (2, True)
    assert shop.bcss("hold", "ignore", held[wrong], "--note", "as agreed").code == 0


def test_a_reason_without_its_option_and_a_blank_one_are_refused(shop: Shop) -> None:
    shop.bcss("sync", "all")
    loose = shop.bcss("hold", "ignore", "1", "customer phoned")
    assert (loose.code, '--note "why"' in loose.err) == (2, True)
    blank = shop.bcss("hold", "ignore", "1", "--note", "   ")
    assert (blank.code, "needs a reason" in blank.err) == (2, True)
    assert len(shop.bcss("hold", "list", "--json").json["holds"]) == 1


def test_what_people_type_instead_is_answered(shop: Shop) -> None:
    shop.bcss("sync", "all")
    assert "hold ignore" in shop.bcss("hold", "reject", "1", "--note", "no").err
    bare = shop.bcss("hold")
    assert "approve" in bare.out + bare.err
    before = shop.bcss("hold", "--config", str(shop.config))
    assert "approve" in before.out + before.err
    assert "No such option" not in before.err


def test_quiet_says_nothing_but_the_decision(shop: Shop) -> None:
    shop.bcss("sync", "all")
    ended = shop.bcss("hold", "ignore", "1", "--note", "as agreed", "-q")
    assert (ended.code, ended.err) == (0, "")


def test_orders_of_an_unlisted_store_are_named(shop: Shop) -> None:
    shop.configure(text=shop.config.read_text().replace('    "80002": ignore\n', ""))
    lines = [{"sku": "ITEM-24", "name": "Gift set", "unitPrice": 5, "quantity": 1}]
    there = {"advancedOptions": {"storeId": 80002}, "items": lines}
    orders = [{**there, "orderNumber": f"MP-{n}", "orderKey": f"MP-1000000{n}"} for n in (1, 2)]
    shop.world.run("shipstation", {"action": "import", "orders": orders})
    shop.bcss("pull-orders")
    holds = shop.bcss("hold", "list", "--json").json["holds"]
    hold = next(one for one in holds if one["reason"] == "unknown_store")
    assert "ShipStation store 80002 (Marketplace)" in hold["message"]
    shown = shop.bcss("hold", "show", hold["id"]).out
    assert "orders: " in shown
    assert "MP-1, MP-2 (bcss reads no amounts" in shown
    assert f"Ask whoever looks after {shop.config}" in shown
    for command in (["why", "MP-1"], ["plan", "MP-1"]):
        out = shop.bcss(*command).out
        assert "ShipStation store 80002; it is not listed." in out
        assert f"It is held ({hold['id']}, unknown_store)" in out


def test_a_record_that_cannot_be_read_is_known_by_its_order(shop: Shop) -> None:
    in_shipstation(shop, "corrupt", "SO-100003", overlay={"orderTotal": "much"})
    shop.bcss("sync", "all")
    out = shop.bcss("why", "SO-100003").out
    assert "Order SO-100003 is not booked. It is held (H-" in out
    assert "unreadable_record" in out
    assert "ShipStation's answer to" not in out
    planned = shop.bcss("plan", "SO-100003").out
    assert "Order SO-100003 is not booked. It is held (H-" in planned


def test_times_are_told_in_the_company_zone_wherever_a_person_reads(shop: Shop) -> None:
    label = edited(shop)
    approve(shop, label)
    outs = [
        shop.bcss("hold", "show", "1").out,
        shop.bcss("hold", "show", label).out,
        shop.bcss("why", EDITED).out,
    ]
    for out in outs:
        assert re.search(r"\d\d:\d\d:\d\d E[SD]T", out)
        assert "UTC" not in out
        assert not re.search(r"T\d\d:\d\d:\d\d", out)


def test_the_trail_tells_amounts_with_currency_and_a_decision_once(shop: Shop) -> None:
    label = edited(shop)
    approve(shop, label)
    out = shop.bcss("audit", "show", EDITED).out
    assert "total 30.88 USD" in out
    assert "total 54.88 USD" in out
    assert out.count("customer added one more") == 2  # in the story above, and in its row
    assert "hold ended by" not in out


def test_a_late_shipment_shows_the_document_that_would_be_booked(shop: Shop) -> None:
    text = shop.config.read_text().replace(
        "currency: USD\n", "currency: USD\n      late_after: 0d\n"
    )
    shop.configure(text=text)
    shop.bcss("sync", "all")
    label = label_of(shop, EDITED)
    out = shop.bcss("hold", "show", label).out
    assert "reason: late_shipment" in out
    assert "ITEM-24" in out
    assert "posting date " in out
    assert "totals: ShipStation 30.88 USD, ours 30.88 USD" in out


def test_looking_at_holds_asks_no_vendor(shop: Shop) -> None:
    label = edited(shop)
    shop.world.log.clear()
    shop.bcss("hold", "show", label)
    shop.bcss("hold", "list", "--csv")
    shop.bcss("why", EDITED)
    assert shop.calls() == 0


def test_a_deleted_order_is_said_to_be_deleted_before_and_after_the_decision(
    tmp_path: Path,
) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    stage.ship(NUMBER)
    stage.run()
    stage.ss("delete", NUMBER)
    stage.pass_time(86_400)
    for _ in range(2):
        stage.run()

    told = why_text(stage)
    assert "was deleted in ShipStation. It is booked: invoice PS-INV103001" in told
    assert "Nothing happens until H-0001 is decided." in told

    assert stage.decide(review.approve).endswith("and books nothing more.")
    stage.run()
    told = why_text(stage)
    assert "was deleted in ShipStation. It is not booked: deleted in ShipStation. So far: " in told
    assert "credited by PS-CR105001" in told


def why_text(stage: Stage) -> str:
    with stage.rig.connection() as conn:
        unit = conn.store.units.of_orders([stage.orders[NUMBER]])[-1]
        return why_unit(conn.store, unit, ZoneInfo("America/New_York"))


def test_totals_that_differ_are_to_be_corrected_and_then_go_on_by_themselves(
    tmp_path: Path,
) -> None:
    stage = Stage.of(tmp_path)
    stage.take(order_row(NUMBER, ("ITEM-24", 2, "10.00")))
    stage.ship(NUMBER)
    stage.ss("corrupt", NUMBER, overlay={"orderTotal": 25})
    stage.ss("touch", NUMBER)
    stage.run()
    (hold,) = stage.holds()

    assert (hold.why, what_to_do(hold)) == (Why.TOTAL_DIFFERS, ToDo.CORRECT)
    assert until(hold) == "Nothing is booked before that is corrected."
    assert "by itself in the next run" in hold.next_step
    stage.ss("corrupt", NUMBER, overlay={})
    stage.ss("touch", NUMBER)
    stage.run()
    assert (stage.holds(), len(stage.posted)) == ([], 1)


@pytest.mark.parametrize("why", [one for one in Why if REASONS[one].release is not Release.PERSON])
def test_what_ends_by_itself_is_never_said_to_need_a_decision_first(why: Why) -> None:
    hold = Hold(
        1,
        "unit:1",
        str(why),
        REASONS[why].release,
        datetime(2026, 3, 10, tzinfo=UTC),
        None,
        "",
        NUMBER,
        "",
        None,
        None,
        None,
        "",
        "",
        None,
    )
    promised = "by itself" in REASONS[why].next_step
    assert promised == (what_to_do(hold) is ToDo.CORRECT)
    assert promised is not ("Nothing happens" in until(hold) or "as it is" in until(hold))
    if what_to_do(hold) is ToDo.DECIDE:
        assert until(hold).endswith("of the order or of the config is taken up without that.")
