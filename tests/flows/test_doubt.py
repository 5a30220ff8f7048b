"""What changes while a call is in doubt: the next run must follow it before it posts."""

import json
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcss.config.schema import DocumentKind
from bcss.flows.orders import pull_orders
from bcss.flows.replay import Choice, replay
from bcss.holds import Why
from bcss.sandbox.kit import Request
from bcss.units import State
from tests.flows.stage import Killed, Stage

NUMBER = "SO-1001"
Row = dict[str, Any]
Change = Callable[[Stage, Row], None]
LATE = {"vendor": "bc", "method": "POST", "path": "/salesInvoices$", "do": "late", "after": 60}


def reprice(stage: Stage, _label: Row) -> None:
    stage.reprice(NUMBER, "99.00")


def cancel(stage: Stage, _label: Row) -> None:
    stage.ss("cancel", NUMBER)


def void(stage: Stage, label: Row) -> None:
    stage.ss("void", shipmentId=label["shipmentId"])


def relabel(stage: Stage, label: Row) -> None:
    void(stage, label)
    stage.ship(NUMBER, trackingNumber="1ZNEW")


def killed(stage: Stage) -> None:
    """Die right after the first call that changes anything has taken effect."""
    stage.dies("after")


def late(stage: Stage) -> None:
    """Let the create take effect after its answer was given up."""
    stage.rig.world.faults.add(LATE)
    stage.run()


def posting_killed(stage: Stage) -> None:
    """Die with the post's intent on the disk, before the call has left."""
    stage.dies("before", "Microsoft.NAV")


@pytest.mark.parametrize("doubt", [killed, late, posting_killed])
@pytest.mark.parametrize("change", [reprice, cancel, void, relabel])
def test_nothing_is_posted_as_it_was_before_the_doubt(
    tmp_path: Path, change: Change, doubt: Callable[[Stage], None]
) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    label = stage.ship(NUMBER)
    doubt(stage)
    stage.pass_time(600)
    stage.rig.world.settle()
    change(stage, label)

    stage.run()

    if change is not relabel:
        assert stage.posted == []
        _ends_well(stage, change)
        return
    (invoice,) = stage.posted
    assert invoice["trackingNumber"] == "1ZNEW"
    assert "1ZNEW" in str(invoice["lines"])


def _ends_well(stage: Stage, change: Change) -> None:
    """See an order booked as it was repriced, or not at all where nothing is sent."""
    for _ in range(3):
        stage.pass_time(1500)
        stage.run()
    held = [hold.why for hold in stage.holds()]
    if held:  # a posting was tried by an intent whose call never left: a person decides
        assert held == [Why.DRAFT_AFTER_FAILED_POST]
        return
    totals = [row["totalAmountIncludingTax"] for row in stage.posted]
    assert totals == ([Decimal("203.50")] if change is reprice else [])
    assert change is not cancel or stage.invoices == []


def test_what_was_captured_after_a_draft_was_planned_keeps_it_from_being_posted(
    tmp_path: Path,
) -> None:
    """Another process has stored an edit and died before it planned it."""
    stage = Stage.of(tmp_path, NUMBER)
    stage.ship(NUMBER)
    stage.run(max_post=0)

    def mark(vendor: str, request: Request) -> None:
        if vendor == "bc" and "salesInvoices" in request.path and request.method == "GET":
            with stage.rig.connection() as conn, conn.store.write():
                conn.store.news.add([stage.orders[NUMBER]])

    stage.rig.before = mark
    stage.run()
    assert stage.posted == []

    stage.rig.before = None
    stage.run()
    assert (len(stage.posted), stage.unit(NUMBER).state) == (1, State.CONFIRMED)


def deleted_late(stage: Stage) -> None:
    """Let the deletion take effect after its answer was given up."""
    stage.rig.world.faults.add({"vendor": "bc", "method": "DELETE", "do": "late", "after": 60})
    stage.run()


def as_before(stage: Stage, _label: Row) -> None:
    stage.reprice(NUMBER, "10.00")


@pytest.mark.parametrize("doubt", [killed, deleted_late])
@pytest.mark.parametrize("change", [void, as_before])
def test_a_draft_that_bcss_deleted_itself_is_not_blamed_on_somebody(
    tmp_path: Path, change: Change, doubt: Callable[[Stage], None]
) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    label = stage.ship(NUMBER)
    stage.run(max_post=0)
    stage.reprice(NUMBER, "99.00")
    doubt(stage)
    stage.rig.world.settle()
    change(stage, label)
    stage.pass_time(600)

    for _ in range(3):
        stage.run()
        stage.pass_time(86_400)

    assert stage.holds() == []
    if change is void:
        assert stage.invoices == []
        stage.ship(NUMBER)
        stage.run()
    total = "203.50" if change is void else "25.50"
    assert [row["totalAmountIncludingTax"] for row in stage.posted] == [Decimal(total)]
    assert len(stage.invoices) == 1


def test_a_draft_that_outlived_the_deletion_in_doubt_is_a_persons_to_delete(
    tmp_path: Path,
) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=DocumentKind.DRAFT_INVOICE)
    label = stage.ship(NUMBER)
    stage.run()
    stage.reprice(NUMBER, "99.00")
    stage.rig.world.faults.add({"vendor": "bc", "method": "DELETE", "do": "reject", "status": 503})
    stage.run()
    stage.rig.world.faults.clear()
    as_before(stage, label)
    stage.run()
    stage.pass_time(86_400)
    stage.run()
    (draft,) = stage.invoices
    stage.bc("delete_by_person", id=draft["id"])
    stage.pass_time(86_400)

    stage.run()

    assert ([hold.why for hold in stage.holds()], stage.invoices) == ([Why.DRAFT_GONE], [])


@pytest.mark.parametrize("sent_again", [True, False])
def test_a_hold_that_a_dead_replay_took_up_is_ended_or_kept_by_the_next_run(
    tmp_path: Path, sent_again: bool
) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    label = stage.ship(NUMBER)
    stage.run()
    void(stage, label)
    stage.run()
    held = stage.holds()
    assert [hold.why for hold in held] == [Why.VOIDED_AFTER_POST]
    if sent_again:
        stage.ship(NUMBER)

    def die(_vendor: str, _request: Request) -> None:
        raise Killed

    stage.rig.before = die
    with pytest.raises(Killed):
        stage.rig.run([("replay", lambda conn: replay(conn, Choice(failed=True, captured=True)))])
    stage.rig.before = None
    stage.run()

    assert stage.holds() == ([] if sent_again else held)


def test_a_renewal_that_never_landed_is_not_taken_for_a_persons_edit(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=DocumentKind.DRAFT_INVOICE)
    stage.ship(NUMBER)
    stage.run()
    stage.ship(NUMBER, trackingNumber="1ZNEW")
    stage.dies("before")
    stage.ss("cancel", NUMBER)

    stage.run()

    assert (stage.invoices, stage.holds()) == ([], [])


def _twin_cleared(folder: Path, **orders: Any) -> Stage:
    """Return a stage on which a create landed after its horizon, and the sweep cleared it away."""
    stage = Stage.of(folder, NUMBER, **orders)
    stage.ship(NUMBER)
    stage.create_late()
    stage.run()
    stage.pass_time(1500)
    stage.rig.world.settle()
    assert len(stage.invoices) == 2
    stage.pass_time(86_400)
    stage.run()
    assert (len(stage.invoices), stage.holds()) == (1, [])
    return stage


def test_a_draft_whose_twin_was_cleared_away_is_a_persons_to_delete(tmp_path: Path) -> None:
    """The deletion of the twin was taken for the deletion of the draft that was kept."""
    stage = _twin_cleared(tmp_path, document=DocumentKind.DRAFT_INVOICE)
    stage.pass_time(5 * 86_400)
    stage.run()
    stage.bc("delete_by_person", id=stage.invoices[0]["id"])
    stage.pass_time(86_400)

    stage.run()

    assert ([hold.why for hold in stage.holds()], stage.invoices) == ([Why.DRAFT_GONE], [])


@pytest.mark.parametrize("what", ["comment", "date", "date of the order"])
def test_an_edit_beside_a_label_that_is_not_written_yet_is_not_lost(
    tmp_path: Path, what: str
) -> None:
    kind = DocumentKind.DRAFT_INVOICE
    stage = Stage.of(tmp_path, NUMBER, document=kind, document_date="order")
    stage.ship(NUMBER)
    stage.run()
    (draft,) = stage.invoices
    line = {"line": -1} if what == "comment" else {}
    text = {"lineType": "Comment", "description": "Call before delivery, gate 7"}
    day = "2026-03-05" if what == "date" else str(draft["invoiceDate"])
    changes = text if line else {"postingDate": day}
    stage.bc("edit_by_person", id=draft["id"], **line, changes=changes)
    for act in (lambda: stage.ship(NUMBER, trackingNumber="1ZNEW"), lambda: reprice(stage, {})):
        act()
        stage.pass_time(90)
        stage.rig.run([("pull-orders", pull_orders)])  # which plans a label, and writes none

    assert [hold.why for hold in stage.holds()] == [Why.BC_DRAFT_EDITED]
    assert [row["id"] for row in stage.invoices] == [draft["id"]]


@pytest.mark.parametrize("service", [True, False])
@pytest.mark.parametrize("kind", [DocumentKind.POSTED_INVOICE, DocumentKind.SHIP_AND_INVOICE])
def test_a_refusal_that_only_sounds_like_one_of_a_posted_invoice_proves_nothing(
    tmp_path: Path, kind: DocumentKind, service: bool
) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=kind)
    stage.bc("set", switches={"tracking_service": service})
    stage.ship(NUMBER)
    stage.run(max_post=0)
    stage.ship(NUMBER, trackingNumber="1ZNEW")
    message = "The invoice has been posted and can no longer be modified."
    error = {"error": {"code": "Application_DialogException", "message": message}}
    rule = {"vendor": "bc", "method": "PATCH", "do": "reject", "status": 400, "times": 0}
    stage.rig.world.faults.add({**rule, "content": json.dumps(error)})

    for _ in range(3):
        stage.run()

    assert [hold.why for hold in stage.holds()] == [Why.REFUSED_BY_BC]


@pytest.mark.parametrize("kind", [DocumentKind.DRAFT_INVOICE, DocumentKind.POSTED_INVOICE])
@pytest.mark.parametrize("change", [void, reprice, cancel])
def test_a_renewal_that_landed_in_part_is_not_taken_for_a_persons_edit(
    tmp_path: Path, change: Change, kind: DocumentKind
) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=kind)
    stage.ship(NUMBER)
    stage.run(max_post=0)
    label = stage.ship(NUMBER, trackingNumber="1ZNEW")
    stage.dies("after")
    change(stage, label)

    for _ in range(2):
        stage.run()

    assert stage.holds() == []


def test_a_deletion_noted_by_a_clock_far_ahead_keeps_nothing_waiting(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    label = stage.ship(NUMBER)
    stage.run(max_post=0)
    reprice(stage, label)
    stage.dies("before")
    with sqlite3.connect(stage.rig.config.state.path) as conn:
        ahead = conn.execute(
            "UPDATE intent SET sent_at = '2027-06-01T00:00:00.000Z' WHERE outcome IS NULL"
        )
        assert ahead.rowcount == 1
    as_before(stage, label)

    for _ in range(2):
        stage.run()
        stage.pass_time(86_400)

    assert (len(stage.posted), stage.holds()) == (1, [])


@pytest.mark.parametrize("what", ["comment", "goods"])
def test_a_twin_that_a_person_has_worked_on_is_left(tmp_path: Path, what: str) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    stage.ship(NUMBER)
    stage.create_late()
    stage.run(max_post=0)
    stage.pass_time(1500)
    stage.rig.world.settle()
    twin = max(stage.invoices, key=lambda row: str(row["number"]))
    text = {"lineType": "Comment", "description": "Gate 7, call first"}
    edit = {"line": -1, "changes": text} if what == "comment" else {"line": 0}
    stage.bc("edit_by_person", id=twin["id"], **{"changes": {"quantity": 7}, **edit})

    stage.run()

    assert twin["id"] in {row["id"] for row in stage.invoices}
    assert [hold.why for hold in stage.holds()] == [Why.SURPLUS_DRAFT]
