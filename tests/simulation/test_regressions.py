"""Histories that once broke a promise, by their seeds, and what they have in common by name."""

import sqlite3
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bcss import app
from bcss.config.schema import DocumentKind
from bcss.errors import FixConfig, StateBroken
from bcss.flows import review
from bcss.flows.replay import Choice, replay
from tests.checker import problems
from tests.enumeration.points import Killed
from tests.rig import Rig, config_for, world_of
from tests.simulation.conduct import Conduct
from tests.simulation.desk import simulate_desk
from tests.simulation.process import SINCE, Process
from tests.simulation.sim import simulate


@pytest.mark.parametrize(
    ("seed", "what"),
    [
        (75, "a posted invoice found by a rebuild was taken for a draft, and an edit went unseen"),
        (145, "a draft of an unshipped order found by a rebuild was never planned again"),
        (345, "the same as 75, edited before the first run after the rebuild"),
        (1352, "a label that came at the moment of a poll was not attached after posting"),
        (1704, "a label that came between posting and its confirmation was not attached"),
        (1393, "an order edited after booking stopped its store after a rebuild"),
        (2134, "the same as 1393 for invoices"),
    ],
)
def test_a_seed_that_once_failed_keeps_every_promise(seed: int, what: str, tmp_path: Path) -> None:
    history = simulate(seed, tmp_path, short=False)

    assert not history.broken, f"{what}\n{history.story()}"


@pytest.mark.parametrize(
    ("seed", "what"),
    [
        (4411, "a draft deleted right before its tracking was written was held as refused"),
        (83084, "a twin that landed after its order was deleted was left as a draft"),
        (142966, "a label that came after a rebuild was not attached to what had no draft"),
    ],
)
def test_a_short_seed_that_once_failed_keeps_every_promise(
    seed: int, what: str, tmp_path: Path
) -> None:
    history = simulate(seed, tmp_path)

    assert not history.broken, f"{what}\n{history.story()}"


@pytest.mark.parametrize(
    ("seed", "what"),
    [
        (165, "a stranger's document hid ours from a rebuild, and approving booked it again"),
        (169, "the same as 165"),
        (10, "a rebuild did not see that a cancelled order had been booked"),
        (41, "the same as 10, where the rebuild died"),
        (1594, "approving made a new draft of what was posted and hidden"),
        (275, "a second draft and a cancelled order replaced each other's hold with every run"),
        (476, "a hold that a dead replay had taken up stayed open for ever"),
        (3491, "a draft that bcss itself had deleted was held as deleted by somebody"),
        (30273, "a renewal that never landed was taken for a person's edit of the draft"),
        (30883, "the note of a credit and a late label replaced each other with every sweep"),
        (31282, "ignoring a second draft passed over the invoice's own confirmation"),
        (32401, "an order credited and to be booked again was lost with the database"),
        (60114, "two invoices that a clerk left standing were asked about again and again"),
        (71442, "an invoice found by a rebuild was held as refused when a label had come"),
        (50911, "a rebuild held our own document for the reference that a person had approved"),
        (51115, "a rebuild did not take up an invoice beside which a person's draft stood"),
    ],
)
def test_a_seed_of_the_desk_that_once_failed_keeps_every_promise(
    seed: int, what: str, tmp_path: Path
) -> None:
    history = simulate_desk(seed, tmp_path)

    assert not history.broken, f"{what}\n{history.story()}"


def test_a_rebuild_confirms_what_is_posted_though_no_draft_is_left_to_compare(
    tmp_path: Path,
) -> None:
    """Number and status do not tell a posted invoice from a released draft: posting again does."""
    world, _ = world_of(12)
    rig = Rig(world, config_for(tmp_path, start=date(2026, 3, 1)), tmp_path)
    posted = rig.run().report.posted
    rig.config.state.path.unlink()

    app.rebuild(rig.config, SINCE, rig.around)
    world.clock.advance(60)
    summary = rig.run()

    assert summary.new_holds == ()
    assert summary.report.posted <= posted
    assert problems(world, rig.config.state.path) == []
    with sqlite3.connect(rig.config.state.path) as conn:
        states = dict(conn.execute("SELECT state, count(*) FROM unit GROUP BY state"))
    assert states["confirmed"] == posted


def _lost(rig: Rig) -> None:
    rig.config.state.path.unlink()
    app.rebuild(rig.config, SINCE, rig.around)
    rig.world.clock.advance(7200)


def _approve_all(rig: Rig) -> list[str]:
    """Let a clerk approve what can be approved; return the reasons of what was held."""
    with rig.connection() as conn:
        holds = conn.store.holds.open()
        for hold in holds:
            with suppress(FixConfig):
                review.approve(conn, review.Decision(hold, "clerk", "as agreed"))
    return [hold.why for hold in holds]


def _one_posted(folder: Path) -> tuple[Rig, dict[str, Any]]:
    world, _ = world_of(1)
    rig = Rig(world, config_for(folder, start=date(2026, 3, 1)), folder)
    rig.run()
    (invoice,) = rig.invoices()
    assert invoice["posted"]
    return rig, invoice


def test_a_strangers_document_does_not_hide_our_own_from_a_rebuild(tmp_path: Path) -> None:
    """Approving the hold over it gave the order another reference, and booked it again."""
    rig, invoice = _one_posted(tmp_path)
    line = {"lineType": "Account", "lineObjectNumber": "40500", "quantity": 1, "unitPrice": 17}
    body = {
        "customerNumber": "AMZN",
        "externalDocumentNumber": invoice["externalDocumentNumber"],
        "salesInvoiceLines": [line],
    }
    theirs = rig.world.bc.run({"action": "create_by_person", "body": body})["id"]

    _lost(rig)
    for _ in range(3):
        rig.run()
        _approve_all(rig)
        rig.world.clock.advance(7200)

    assert problems(rig.world, rig.config.state.path, foreign={theirs}) == []
    assert sum(row["posted"] for row in rig.invoices()) == 1


@pytest.mark.parametrize("dies", [False, True])
def test_an_order_that_was_cancelled_after_booking_is_held_after_a_rebuild(
    tmp_path: Path, dies: bool
) -> None:
    """Its unit was dropped as never booked; a rebuild that died is demanded again."""
    rig, _ = _one_posted(tmp_path)
    (order,) = rig.world.shipstation.state()["orders"]
    rig.world.clock.advance(90)
    rig.world.run("shipstation", {"action": "cancel", "orderId": order["orderId"]})
    rig.config.state.path.unlink()
    process = Process(rig, Conduct(rig.config.state.path))
    if dies:
        process.points.die_at = 12
        with pytest.raises(Killed):
            process.rebuild()
        with pytest.raises(StateBroken):
            rig.run()
    Process(rig, Conduct(rig.config.state.path)).rebuild()

    for _ in range(3):
        rig.world.clock.advance(21 * 3600)
        rig.run()

    # without a draft beside it, nothing says for certain that the invoice is posted
    assert _approve_all(rig) == ["draft_after_failed_post"]


def test_an_order_posted_by_a_person_and_cancelled_can_be_credited(tmp_path: Path) -> None:
    """It was held between posting and confirmation, where approving was refused for ever."""
    world, _ = world_of(1)
    config = config_for(tmp_path, start=date(2026, 3, 1), document=DocumentKind.DRAFT_INVOICE)
    rig = Rig(world, config, tmp_path)
    rig.run()
    (invoice,) = rig.invoices()
    rig.world.bc.run({"action": "post_by_person", "id": invoice["id"]})
    (order,) = rig.world.shipstation.state()["orders"]
    rig.world.clock.advance(90)
    rig.world.run("shipstation", {"action": "cancel", "orderId": order["orderId"]})

    rig.world.clock.advance(90)
    rig.run()

    assert _approve_all(rig) == ["cancelled_after_post"]
    rig.world.clock.advance(90)
    rig.run()
    assert [row["posted"] for row in rig.world.bc.state()["salesCreditMemos"]] == [True]


def test_what_was_posted_and_is_hidden_gets_no_second_draft(tmp_path: Path) -> None:
    """BC took the post of the order and hides the invoice: approving made it all again."""
    world, _ = world_of(1)
    config = config_for(tmp_path, start=date(2026, 3, 1), document=DocumentKind.SHIP_AND_INVOICE)
    rig = Rig(world, config, tmp_path)
    hide = {"vendor": "bc", "do": "hide", "path": "salesInvoices", "field": "number"}
    world.faults.add({**hide, "match": "PS-INV"})
    rig.run()

    assert _approve_all(rig) == ["draft_gone"]
    world.clock.advance(7200)
    rig.run()
    world.faults.clear()
    world.clock.advance(7200)
    replayed = rig.run([("replay", lambda conn: replay(conn, Choice(failed=True)))])

    assert replayed.report.created == 0
    assert problems(world, config.state.path, kind="ship_and_invoice") == []
