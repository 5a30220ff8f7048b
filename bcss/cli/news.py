"""Find out what a run has to say even where nobody watches: what is new, and old holds daily."""

import json
from datetime import timedelta

from bcss.clock import iso, parse_utc
from bcss.flows.connection import Connection

_REMIND_AFTER = timedelta(hours=24)
_REMINDED = "reminded"
_LIMIT = "posting limit"


def news(conn: Connection, command: str) -> list[str]:
    """Return what is worth a mail from cron, and remember that it was said."""
    first = _first_run(conn)
    notes = [note for note in _new_notes(conn, command) if not (first and _LIMIT in note)]
    return [*notes, *first, *_reminder(conn)]


def _new_notes(conn: Connection, command: str) -> list[str]:
    """Return the notes that the last such run did not have."""
    key, notes = f"said:{command}", conn.report.notes
    before = json.loads(conn.store.meta(key) or "[]")
    if notes != before:
        with conn.store.write():
            conn.store.set_meta(key, json.dumps(notes))
    return [note for note in notes if note not in before]


def _first_run(conn: Connection) -> list[str]:
    run = str(conn.store.trail.run_id)
    if not conn.report.limited or conn.store.meta("first_posting_run") != run:
        return []
    limit = conn.config.orders.first_run_limit
    return [
        (
            f"The first posting run posts at most {limit} documents (orders.first_run_limit). "
            "Look at them in Business Central; the next run goes on."
        )
    ]


def _reminder(conn: Connection) -> list[str]:
    """Remind once a day of what was held a day ago and still is."""
    store, now = conn.store, conn.now()
    old = [hold for hold in store.holds.open() if now - hold.since >= _REMIND_AFTER]
    last = store.meta(_REMINDED)
    if not old or (last and now - parse_utc(last) < _REMIND_AFTER):
        return []
    with store.write():
        store.set_meta(_REMINDED, iso(now))
    since = iso(min(hold.since for hold in old))
    return [f"{len(old)} still held, the oldest since {since}: bcss hold list"]
