"""Customers that Business Central lacks are created once, whatever is lost on the way."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bcss.flows.review import Decision, approve
from bcss.mapping.buyers import new_number
from bcss.sandbox.kit import Request
from tests.catalogue.rows import Row
from tests.catalogue.stage import Stage, stage

EMAIL = "alex.example@example.test"
NUMBER = new_number("main", "email", EMAIL)
TEMPLATE = {"taxLiable": "true", "salespersonCode": "JO", "type": "Person"}
POLICY = {"match": "email", "otherwise": "create", "template": TEMPLATE}


class Killed(BaseException):
    """The process dies here."""


def play_of(folder: Path, **order: Any) -> Stage:
    """Set up a store that creates its customers, and one order of a stranger."""
    lines = {"lines": ["1 x ITEM-24 at 24.00"], **order}
    row = Row("a new customer", "", {"A": lines}, {}, store={"customer": POLICY})
    folder.mkdir(exist_ok=True)
    play = stage(row, "posted_invoice", folder)
    play._import("A", lines)
    play._happen("A is labelled")
    return play


def created(play: Stage) -> list[dict[str, Any]]:
    customers = play.rig.world.bc.state()["customers"]
    return [one for one in customers if one["number"].startswith("SS-")]


def test_the_card_carries_what_the_order_and_the_template_say(tmp_path: Path) -> None:
    ship_to = {"street1": "1 Test &amp; Trial St", "phone": "+1 555-0100", "country": "zz"}
    play = play_of(tmp_path, ship_to=ship_to)

    play.run()

    (card,) = created(play)
    assert card["number"] == NUMBER
    assert (card["displayName"], card["addressLine1"]) == ("Alex Example", "1 Test & Trial St")
    assert (card["email"], card["phoneNumber"], card["country"]) == (EMAIL, "+1 555-0100", "")
    assert (card["taxLiable"], card["salespersonCode"], card["type"]) == (True, "JO", "Person")
    assert card["currencyCode"] == "USD"


@pytest.mark.parametrize("phone", ["call me", "555-0100 ext. 7", "5" * 40])
def test_a_telephone_number_that_would_be_refused_is_left_out(tmp_path: Path, phone: str) -> None:
    play = play_of(tmp_path, ship_to={"phone": phone})

    play.run()

    assert [one["phoneNumber"] for one in created(play)] == [""]
    assert [one["posted"] for one in play.documents()] == [True]


def test_several_addresses_in_an_e_mail_never_reach_the_card(tmp_path: Path) -> None:
    """BC reads `;` as a second address, by which other people's orders would be matched."""
    play = play_of(tmp_path, email="a@example.test;buyer@retail.example.test")

    play.run()

    assert [one["email"] for one in created(play)] == [""]


@pytest.mark.parametrize("do", ["drop", "error_after", "truncate", "late"])
def test_an_answer_that_is_lost_creates_nobody_twice(tmp_path: Path, do: str) -> None:
    play = play_of(tmp_path)
    rule: dict[str, Any] = {"do": do, "vendor": "bc", "method": "POST", "path": "customers$"}
    play.rig.world.faults.add({**rule, **({"after": 60} if do == "late" else {})})

    play.run()
    play.run()

    assert Counter(one["number"] for one in created(play)) == {NUMBER: 1}
    assert [one["posted"] for one in play.documents()] == [True]
    assert play.holds() == []


def test_a_refused_customer_holds_its_order_with_the_reason_and_no_other(tmp_path: Path) -> None:
    play = play_of(tmp_path)
    fault = {"do": "reject", "vendor": "bc", "method": "POST", "path": "customers$", "status": 400}
    content = '{"error":{"code":"Application_DialogException","message":"No template fits."}}'
    play.rig.world.faults.add({**fault, "content": content})
    other = {"lines": ["1 x RIBBON at 2.50"], "email": "buyer@retail.example.test"}
    play._import("B", other)
    play._happen("B is labelled")

    play.run()

    (hold,) = play.holds()
    assert (hold.why, "No template fits." in hold.message) == ("unknown_customer", True)
    assert [one["customerNumber"] for one in play.documents()] == ["10000"]
    play.run()
    assert play.holds() == []
    assert len(created(play)) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_dying_at_any_call_creates_one_customer_and_one_document(tmp_path: Path, when: str) -> None:
    for at in range(1, 6):
        play = play_of(tmp_path / str(at))
        seen = 0

        def die(vendor: str, request: Request, here: str, last: int = at) -> None:
            nonlocal seen
            if vendor != "bc" or request.method == "GET":
                return
            seen += here == "before"
            if (seen, here) == (last, when):
                raise Killed

        play.rig.before = lambda vendor, request: die(vendor, request, "before")
        play.rig.after = lambda vendor, request: die(vendor, request, "after")
        try:
            play.run()
        except Killed:
            pass
        else:
            assert at > 3, "the run has at least three calls that change something"
        play.rig.before = play.rig.after = None
        play.run()
        play.run()
        assert len(created(play)) == 1, f"killed {when} call {at}"
        assert [one["posted"] for one in play.documents()] == [True], f"killed {when} call {at}"


def test_the_trail_tells_of_the_customer_before_and_after(tmp_path: Path) -> None:
    play = play_of(tmp_path)

    play.run()

    unit = play.unit("A")
    with play.rig.connection() as conn:
        entries = conn.store.trail.of([f"unit:{unit.unit_id}"])
    told = [(one.kind, one.status) for one in entries if NUMBER in one.summary]
    assert told[:2] == [("intent", "sent"), ("outcome", "done")]


def test_what_was_cut_is_in_the_trail(tmp_path: Path) -> None:
    play = play_of(tmp_path, ship_to={"city": "A town with a name of forty-one characters"})

    play.run()

    unit = play.unit("A")
    with play.rig.connection() as conn:
        entries = conn.store.trail.of([f"unit:{unit.unit_id}"])
    assert any("shipToCity cut from 42 to" in one.summary for one in entries)


def test_a_late_shipment_stays_approved_when_its_draft_is_held_for_something_else(
    tmp_path: Path,
) -> None:
    row = Row(
        "late", "", {"A": {"lines": ["1 x ITEM-24 at 24.00"]}}, {}, store={"late_after": "5d"}
    )
    play = stage(row, "posted_invoice", tmp_path)
    play._import("A", row.orders["A"])
    play._happen("A is labelled on 2026-03-02")
    play._happen("10 days pass")
    play._happen("Business Central sets allow_posting_from to 2026-03-10")
    play.run()
    with play.rig.connection() as conn:
        (hold,) = conn.store.holds.open()
        assert hold.why == "late_shipment"
        approve(conn, Decision(hold, "a clerk", "the period is still open"))

    play.run()

    assert [hold.why for hold in play.holds()] == ["period_closed"]
