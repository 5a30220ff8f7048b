"""Scenarios in which a guard of the booking machine is all that keeps a promise.

Each plays one history in a world of its own and returns the promises that were broken.
"""

import platform
import shutil
import sqlite3
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

from bcss import app
from bcss.errors import StateBroken
from bcss.flows.review import Decision, approve
from bcss.sandbox.kit import Aborted, Request
from tests.guards.stage import (
    ORDERS,
    SHIPMENTS,
    Killed,
    copy_of,
    import_another,
    is_create,
    is_post,
    judged,
    killed,
    minutes,
    once,
    only_order,
    other_process,
    person,
    ship_another,
    shop,
    stage,
)
from tests.rig import Rig, SkewedClock

_NO_ANSWER = {"vendor": "bc", "method": "POST", "path": "/salesInvoices$", "do": "drop"}


def second_process_between_look_up_and_create(folder: Path) -> list[str]:
    rig = stage(folder, 3)
    first = replace(rig, before=once(is_create, lambda: other_process(rig)))

    first.run()
    minutes(rig, 21)
    rig.run()

    return judged(rig)


def lost_answer_and_a_lagging_replica(folder: Path) -> list[str]:
    rig = stage(folder)
    rig.world.faults.add(_NO_ANSWER, {"vendor": "bc", "do": "lag", "seconds": 5000})

    rig.run(ORDERS)
    minutes(rig, 21)
    rig.run()
    rig.run()

    return judged(rig)


def lost_answer_and_hidden_documents(folder: Path) -> list[str]:
    """A security filter hides our documents just when a create is in doubt."""
    rig = stage(folder)
    rig.run()
    ship_another(rig, "WEB-20001")
    hidden = {"vendor": "bc", "do": "hide", "field": "externalDocumentNumber", "match": "."}
    hide = once(is_create, lambda: rig.world.faults.add(_NO_ANSWER, hidden))
    replace(rig, before=hide).run(ORDERS)
    minutes(rig, 21)
    rig.run(ORDERS)
    rig.world.faults.clear()

    rig.run()

    return judged(rig)


def death_while_a_create_is_under_way(folder: Path) -> list[str]:
    rig = stage(folder)
    found: list[str] = []

    def look(vendor: str, request: Request) -> None:
        found.extend(_unannounced(rig, vendor, request))
        if is_create(vendor, request):
            _leave_and_die(rig, request, after=600)

    killed(rig, ORDERS, before=look)
    rig.run()
    minutes(rig, 11)
    rig.run()
    minutes(rig, 11)
    rig.run()

    return found + judged(rig)


def create_that_lands_ten_minutes_late(folder: Path) -> list[str]:
    rig = stage(folder)
    rig.world.faults.add({**_NO_ANSWER, "do": "late", "after": 600})

    for _ in range(3):
        rig.run()
        minutes(rig, 11)
    rig.run()

    return judged(rig)


def create_noted_by_a_slow_clock(folder: Path) -> list[str]:
    """The host's clock is two hours slow when a create leaves, and is set right after that."""
    rig = stage(folder)
    rig.world.faults.add({**_NO_ANSWER, "do": "late", "after": 600})
    slow = replace(rig.around, clock=SkewedClock(rig.world, -7200))
    app.run(rig.config, "sync", ORDERS, None, slow)

    for _ in range(3):
        rig.run()
        minutes(rig, 11)
    rig.run()

    return judged(rig)


def create_that_waits_behind_a_slow_one(folder: Path) -> list[str]:
    """Two units were looked up at once; while the first is created, the second one's lands."""
    rig = stage(folder)
    rig.world.faults.add({**_NO_ANSWER, "do": "late", "after": 1500})
    rig.run(ORDERS)
    earlier = import_another(rig, "WEB-20001")
    shop(rig, "label", orderId=earlier, shipDate="2026-03-01")
    minutes(rig, 21)

    replace(rig, after=once(is_create, lambda: minutes(rig, 11))).run()
    minutes(rig, 21)
    rig.run()

    return judged(rig)


def file_replaced_during_a_run(folder: Path) -> list[str]:
    rig = stage(folder, 4)
    path = rig.config.state.path
    found: list[str] = []

    def restore() -> None:
        with copy_of(path) as put_back:
            put_back()

    def look(vendor: str, request: Request) -> None:
        found.extend(_unannounced(rig, vendor, request))
        spoil(vendor, request)

    spoil = once(is_create, restore)
    with suppress(StateBroken):
        replace(rig, before=look).run()

    return found


def old_copy_on_another_host(folder: Path) -> list[str]:
    """A copy from before a create goes to a host without the witness, while it may still land."""
    rig = stage(folder)
    rig.world.faults.add({"vendor": "bc", "do": "reject", "times": 0})
    rig.run(ORDERS)
    rig.world.faults.clear()
    with copy_of(rig.config.state.path) as put_back:
        rig.world.faults.add({**_NO_ANSWER, "do": "late", "after": 600})
        rig.run(ORDERS)
        put_back()
    shutil.rmtree(folder / "host")
    with patch.object(platform, "node", lambda: "another-host"):
        for _ in range(4):
            rig.run()
            minutes(rig, 11)

    return judged(rig)


def clerk_edits_and_posts_the_draft(folder: Path) -> list[str]:
    """The clerk's edit takes the marker line away; it is our document all the same.

    One decision must settle what was edited; a unit whose document is taken for somebody else's
    could neither be booked again nor ever be confirmed.
    """
    rig = stage(folder)
    rig.run(ORDERS)
    draft = rig.invoices()[0]
    for place, line in enumerate(draft["lines"]):
        comment = line["lineType"] == "Comment"
        changes = {"description": "Thanks"} if comment else {"quantity": 7}
        person(rig, "edit_by_person", id=draft["id"], line=place, changes=changes)
    person(rig, "post_by_person", id=draft["id"])

    rig.run()
    _approve_everything(rig)
    rig.run()

    return [one for one in judged(rig) if "total" not in one]


def two_drafts_of_which_a_clerk_posts_one(folder: Path) -> list[str]:
    """A create that lands even after the settle horizon, and is posted by hand.

    The clerk posts it before its tracking is written, and the comment line tells that.
    """
    rig = stage(folder)
    rig.world.faults.add({**_NO_ANSWER, "do": "late", "after": 1500})
    rig.run(ORDERS)
    minutes(rig, 21)
    rig.run(ORDERS)
    ours = {row["id"] for row in rig.invoices()}
    minutes(rig, 5)
    late = next(row for row in rig.invoices() if row["id"] not in ours)
    person(rig, "post_by_person", id=late["id"])

    rig.run()
    rig.run()

    found = [one for one in judged(rig) if "created" not in one]
    return [one for one in found if "I4" not in one]


def clerk_has_used_the_reference(folder: Path) -> list[str]:
    rig = stage(folder)
    body = {
        "customerNumber": "WEB",
        "externalDocumentNumber": only_order(rig)["orderKey"],
        "salesInvoiceLines": [
            {"lineType": "Item", "lineObjectNumber": "RIBBON", "quantity": 1, "unitPrice": 3}
        ],
    }
    person(rig, "create_by_person", body=body)
    theirs = rig.invoices()[0]["id"]

    rig.run()

    touched = [
        one.request
        for one in rig.world.log.calls("bc")
        if one.request.method != "GET" and theirs in one.request.path
    ]
    return [f"{one.method} on a document of somebody else" for one in touched]


def database_lost_while_a_create_is_under_way(folder: Path) -> list[str]:
    rig = stage(folder)

    def leave(vendor: str, request: Request) -> None:
        if is_create(vendor, request):
            _leave_and_die(rig, request, after=600)

    killed(rig, ORDERS, before=leave)
    _lose(rig)
    _rebuild(rig)
    for _ in range(3):
        rig.run()
        minutes(rig, 11)
    rig.run()

    return judged(rig)


def old_copy_while_a_create_is_under_way(folder: Path) -> list[str]:
    """A copy from before the create is put back; the next run must not take it for the truth."""
    rig = stage(folder)
    rig.world.faults.add({"vendor": "bc", "do": "reject", "times": 0})
    rig.run(ORDERS)
    rig.world.faults.clear()
    with copy_of(rig.config.state.path) as put_back:
        rig.world.faults.add({**_NO_ANSWER, "do": "late", "after": 600})
        rig.run(ORDERS)
        put_back()
    for _ in range(4):
        try:
            rig.run()
        except StateBroken:
            _rebuild(rig)
        minutes(rig, 11)

    return judged(rig)


def clerk_edits_between_decide_and_post(folder: Path) -> list[str]:
    rig = stage(folder)
    rig.run(ORDERS)

    def edit() -> None:
        draft = rig.invoices()[0]
        place = next(n for n, one in enumerate(draft["lines"]) if one["lineType"] == "Item")
        person(rig, "edit_by_person", id=draft["id"], line=place, changes={"quantity": 9})

    replace(rig, before=once(is_post, edit)).run(SHIPMENTS)

    total = Decimal(only_order(rig)["orderTotal"])
    return [
        f"posted {row['totalAmountIncludingTax']} instead of {total}"
        for row in rig.invoices()
        if row["posted"] and row["totalAmountIncludingTax"] != total
    ]


def clerk_edits_before_a_draft_is_taken_back(folder: Path) -> list[str]:
    rig = stage(folder)
    rig.run(max_amount=Decimal(0))
    order = only_order(rig)
    void = rig.world.shipstation.state()["shipments"][0]["shipmentId"]
    shop(rig, "void", shipmentId=void)
    shop(rig, "cancel", orderId=order["orderId"])
    minutes(rig, 2)

    def edit() -> None:
        changes = {"shipToName": "Somebody Else"}
        person(rig, "edit_by_person", id=rig.invoices()[0]["id"], changes=changes)

    replace(rig, before=once(_is_delete, edit)).run(ORDERS)
    rig.run()

    return [] if rig.invoices() else ["a clerk's edit was deleted"]


def order_edited_during_a_long_run(folder: Path) -> list[str]:
    """Six minutes pass between the poll and the post, and the shop changes the order."""
    rig = stage(folder)

    def change() -> None:
        order = only_order(rig)
        label = rig.world.shipstation.state()["shipments"][0]["shipmentId"]
        shop(rig, "void", shipmentId=label)
        items = [{**one, "quantity": 5} for one in order["items"]]
        shop(rig, "edit", orderId=order["orderId"], changes={"items": items})
        shop(rig, "label", orderId=order["orderId"])
        minutes(rig, 6)

    def is_tracking(vendor: str, request: Request) -> bool:
        return vendor == "bc" and request.method == "PATCH"

    replace(rig, before=once(is_tracking, change)).run()

    total = Decimal(only_order(rig)["orderTotal"])
    wrong = [row for row in rig.invoices() if row["posted"]]
    return [
        f"posted {row['totalAmountIncludingTax']} although the order says {total}"
        for row in wrong
        if row["totalAmountIncludingTax"] != total
    ]


def _is_delete(vendor: str, request: Request) -> bool:
    return vendor == "bc" and request.method == "DELETE"


def _leave_and_die(rig: Rig, request: Request, *, after: int) -> None:
    """Let a create reach Business Central, to take effect later, and die while waiting."""
    rig.world.faults.add({**_NO_ANSWER, "do": "late", "after": after})
    with suppress(Aborted):
        rig.world.handle("bc", request)
    raise Killed


def _unannounced(rig: Rig, vendor: str, request: Request) -> list[str]:
    """Look from outside, at the moment a write arrives, whether its intent is on the disk."""
    if not is_create(vendor, request):
        return []
    conn = sqlite3.connect(f"file:{rig.config.state.path}?mode=ro", uri=True)
    try:
        rows = conn.execute(
            "SELECT 1 FROM intent WHERE outcome IS NULL AND body_hash = ?",
            (sha256(request.body).digest(),),
        ).fetchall()
    finally:
        conn.close()
    return [] if rows else ["a create was sent without an intent"]


def _approve_everything(rig: Rig) -> None:
    with rig.connection() as conn:
        for hold in conn.store.holds.open():
            with suppress(Exception):
                approve(conn, Decision(hold, "tester", "looks right"))


def _lose(rig: Rig) -> None:
    path = rig.config.state.path
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _rebuild(rig: Rig) -> app.Summary:
    return app.rebuild(rig.config, datetime(2026, 3, 1, tzinfo=UTC), rig.around)
