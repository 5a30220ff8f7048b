"""Every guard, how a test switches it off, the scenario that needs it, and what breaks without.

| guard | what it keeps | without it |
|---|---|---|
| booking lock | one process works a unit at a time | two processes create the same document |
| ReadWrite intent | a deciding read is never stale | a lagging replica hides what was created |
| positive control | a look-up that sees nothing of ours proves nothing | hidden documents are created again |
| intent before send | what was sent is known after a death | a create is sent and nobody knows |
| settle horizon | a create in doubt may still land | it is created a second time |
| the vendor's clock | no setting of the host's clock shortens the horizon | a create is sent a second time |
| sticky document id | a unit knows its document whatever people do to it | an edited one is taken for a stranger, for ever |
| Exactly-One Rule | nothing is posted beside a twin | both twins are posted |
| adoption check | a document is ours by marker or content | a clerk's invoice is written to |
| cold hold | after a rebuild nothing is created at once | what the lost database sent lands beside it |
| ETag on post | what is posted is what was read | a clerk's quantity is posted |
| ETag on delete | what is deleted is what was read | a clerk's edit is deleted |
| refresh before post | a post needs a poll of the last five minutes | an edited order is posted as it was |
| overlap of watermarks | late rows are read by the next poll | an order is lost |
| keyset reading | rows that move are not skipped | orders are lost |
| missing members | a family is whole before it is booked | it is booked while a sibling is open |
| poll after the newest change | no member's snapshot is older than a sibling | goods are booked twice |
| age of a look-up | who had to wait looks again | it creates what has landed meanwhile |
| identity of the file | intents go where they will be found | creates are sent and nobody knows |
| host | a copy on another host waits as after a rebuild | what the other host sent lands beside it |
| witness | an old copy is not the truth | what it does not know is created again |
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bcss import app, clock
from bcss.booking import calls, confirm, create, decide, desk, judge, lookup
from bcss.booking.judge import One, Several
from bcss.businesscentral import documents, odata
from bcss.flows import capture, connection, planning
from bcss.mapping import families, readiness
from bcss.shipstation import paging
from bcss.store import db, witness
from tests.guards import booking, reading

Patch = pytest.MonkeyPatch


@dataclass(frozen=True, slots=True)
class Guard:
    """How one guard is switched off, what needs it, and a word of what breaks without it."""

    switch_off: Callable[[Patch], None]
    scenario: Callable[[Path], list[str]]
    breaks: str


def _no_lock(patch: Patch) -> None:
    patch.setattr(connection, "booking_lock", lambda *_: nullcontext())


def _no_intent_header(patch: Patch) -> None:
    patch.setattr(odata, "DECIDING", odata.ENGLISH)
    patch.setattr(documents, "DECIDING", odata.ENGLISH)


def _no_control(patch: Patch) -> None:
    patch.setattr(lookup, "_control", lambda *_: None)


def _intent_with_the_outcome(patch: Patch) -> None:
    """Write intent and outcome in one transaction, after the answer."""

    def late(jobs: Any, *, write: Any, prepare: Any, send: Any, finish: Any) -> None:
        for job in jobs:
            with write():
                token = prepare(job)
                if token is not None and not finish(job, token, calls._attempt(send, job, token)):
                    return

    patch.setattr(desk, "send_in_turn", late)


def _no_settle(patch: Patch) -> None:
    patch.setattr(lookup, "_may_still_land", lambda *_: False)


def _own_clock(patch: Patch) -> None:
    """Measure the settle horizon by the host's clock."""
    patch.setattr(clock.VendorClock, "hear", lambda *_: None)


def _no_sticky_id(patch: Patch) -> None:
    for module in (judge, confirm):
        patch.setattr(module, "is_known", lambda *_: False)


def _any_of_several(patch: Patch) -> None:
    """Post the unit's own draft whatever stands beside it."""
    honest = judge.judge

    def careless(unit: Any, found: Any) -> Any:
        seen = honest(unit, found)
        own = next((one for one in found if one.id == unit.document_id), None)
        return One(own, posted=False) if isinstance(seen, Several) and own else seen

    patch.setattr(decide, "judge", careless)


def _adopt_anything(patch: Patch) -> None:
    patch.setattr(judge, "_adoptable", lambda *_: True)


def _no_cold_hold(patch: Patch) -> None:
    patch.setattr(lookup, "_is_cold", lambda *_: False)


def _any_version(patch: Patch) -> None:
    patch.setattr(odata, "if_match", lambda _: {"If-Match": "*"})


def _poll_once(patch: Patch) -> None:
    """Take a poll for fresh however old it is."""
    patch.setattr(connection.Connection, "is_fresh", lambda conn: conn.polled_at is not None)


def _no_overlap(patch: Patch) -> None:
    patch.setattr(capture, "OVERLAP", timedelta(0))


def _page_numbers(patch: Patch) -> None:
    patch.setattr(paging._Walk, "_restart", lambda *_: False)
    patch.setattr(paging._Walk, "_joins", lambda *_: True)


def _captured_members_only(patch: Patch) -> None:
    def close(conn: Any, order_id: int) -> families.Closure:
        stored = conn.store.orders
        return replace(families.close(order_id, stored.related, stored.children), missing=())

    patch.setattr(planning, "complete", close)


def _any_poll(patch: Patch) -> None:
    patch.setattr(readiness, "_is_polled", lambda *_: True)


def _look_up_never_ages(patch: Patch) -> None:
    patch.setattr(create, "_is_stale", lambda *_: False)


def _any_file(patch: Patch) -> None:
    patch.setattr(db.Store, "_still_there", lambda *_: None)


def _any_host(patch: Patch) -> None:
    patch.setattr(app, "_note_host", lambda *_: None)


def _no_witness(patch: Patch) -> None:
    patch.setattr(witness, "read", lambda *_: None)


GUARDS = {
    "booking lock": Guard(
        _no_lock, booking.second_process_between_look_up_and_create, "created 2 times"
    ),
    "ReadWrite intent": Guard(
        _no_intent_header, booking.lost_answer_and_a_lagging_replica, "created 2 times"
    ),
    "positive control": Guard(
        _no_control, booking.lost_answer_and_hidden_documents, "created 2 times"
    ),
    "intent before send": Guard(
        _intent_with_the_outcome,
        booking.death_while_a_create_is_under_way,
        "sent without an intent",
    ),
    "settle horizon": Guard(_no_settle, booking.create_that_lands_ten_minutes_late, "stray drafts"),
    "the vendor's clock": Guard(
        _own_clock, booking.create_noted_by_a_slow_clock, "created 2 times"
    ),
    "sticky document id": Guard(
        _no_sticky_id, booking.clerk_edits_and_posts_the_draft, "reference_in_use"
    ),
    "Exactly-One Rule": Guard(
        _any_of_several, booking.two_drafts_of_which_a_clerk_posts_one, "booked 2 times"
    ),
    "adoption check": Guard(
        _adopt_anything, booking.clerk_has_used_the_reference, "a document of somebody else"
    ),
    "cold hold": Guard(
        _no_cold_hold, booking.database_lost_while_a_create_is_under_way, "stray drafts"
    ),
    "ETag on post": Guard(_any_version, booking.clerk_edits_between_decide_and_post, "instead of"),
    "ETag on delete": Guard(
        _any_version, booking.clerk_edits_before_a_draft_is_taken_back, "edit was deleted"
    ),
    "refresh before post": Guard(
        _poll_once, booking.order_edited_during_a_long_run, "although the order says"
    ),
    "overlap of watermarks": Guard(_no_overlap, reading.order_that_becomes_visible_late, "lost"),
    "keyset reading": Guard(_page_numbers, reading.orders_that_move_while_pages_are_read, "lost"),
    "missing members": Guard(
        _captured_members_only, reading.sibling_that_lists_do_not_show, "sibling awaits shipment"
    ),
    "poll after the newest change": Guard(
        _any_poll, reading.split_between_two_polls_of_one_run, "more ribbons"
    ),
    "age of a look-up": Guard(
        _look_up_never_ages, booking.create_that_waits_behind_a_slow_one, "created 2 times"
    ),
    "identity of the file": Guard(
        _any_file, booking.file_replaced_during_a_run, "sent without an intent"
    ),
    "host": Guard(_any_host, booking.old_copy_on_another_host, "stray drafts"),
    "witness": Guard(_no_witness, booking.old_copy_while_a_create_is_under_way, "stray drafts"),
}
