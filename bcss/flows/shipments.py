"""Put tracking onto the documents and post what is ready (pull-shipments)."""

from bcss.booking.attach import ATTACH
from bcss.booking.machine import post_ready
from bcss.flows.capture import capture
from bcss.flows.connection import Connection
from bcss.flows.orders import desk_of, settle_polls
from bcss.flows.planning import plan
from bcss.holds import REPLAY
from bcss.units import State

FLOW = "pull-shipments"
_FIRST_RUN = "first_posting_run"


def pull_shipments(conn: Connection, only: frozenset[int] | None = None) -> None:
    """Capture, plan, track, and post every draft whose totals agree."""
    with conn.report.halting():
        _pull(conn, only)


def _pull(conn: Connection, only: frozenset[int] | None) -> None:
    if capture(conn):
        plan(conn)
        settle_polls(conn)
    states = [State.DRAFTED, State.POST_INTENT, State.POSTED]
    units = conn.store.units
    if units.in_states(states) or units.waiting_for(ATTACH):
        _limit_first_run(conn)
        post_ready(desk_of(conn, FLOW, only))
    if not conn.report.errors:
        _end_replayed(conn, only)


def _end_replayed(conn: Connection, only: frozenset[int] | None) -> None:
    """End the holds of what a replay took up and nothing holds now; the replay may have died."""
    subjects = None if only is None else {f"unit:{one}" for one in only}
    taken_up = conn.store.holds.taken_up()
    over = [one for one in taken_up if subjects is None or one.subject in subjects]
    if over:
        with conn.store.write():
            for hold in over:
                conn.store.holds.close(hold.subject, conn.now(), by=REPLAY, note="tried again")


def _limit_first_run(conn: Connection) -> None:
    """Let the first run that posts at all post only a few documents, for a person to look at."""
    limit = conn.config.orders.first_run_limit
    if not limit or conn.store.meta(_FIRST_RUN) or conn.store.units.any_posted():
        return
    conn.report.first_limit = limit
    posts = conn.limits.posts
    conn.limits.posts = limit if posts is None else min(posts, limit)
