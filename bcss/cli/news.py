"""Find out what a run has to say even where nobody watches: what is new, and old holds daily."""

import json
from datetime import timedelta

from bcss.cli.history import corrections
from bcss.cli.render import when
from bcss.cli.report import Said
from bcss.clock import iso, parse_utc
from bcss.flows.connection import Connection

_REMIND_AFTER = timedelta(hours=24)
_REMINDED = "reminded"
_LIMIT = "posting limit"


def watch(conn: Connection, said: Said) -> None:
    """Note where the trail stands before a run does anything."""
    said.after, _ = conn.store.trail.head()


def news(conn: Connection, command: str, said: Said) -> None:
    """Find what is worth a mail from cron, and remember that it was said."""
    first = _first_run(conn)
    notes = [note for note in _new_notes(conn, command) if not (first and _LIMIT in note)]
    said.loud += [*notes, *first, *_reminder(conn)]
    said.corrections += corrections(conn.store, said.after)


def _new_notes(conn: Connection, command: str) -> list[str]:
    """Return the notes that the last such run did not have."""
    key, notes = f"said:{command}", conn.report.notes
    before = json.loads(conn.store.meta(key) or "[]")
    if notes != before:
        with conn.store.write():
            conn.store.set_meta(key, json.dumps(notes))
    return [note for note in notes if note not in before]


def _first_run(conn: Connection) -> list[str]:
    limit = conn.report.first_limit
    if not conn.report.limited or not limit:
        return []
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
    zone = conn.config.business_central.time_zone
    since = when(min(hold.since for hold in old), zone)
    return [f"{len(old)} still held, the oldest since {since}: bcss hold list"]
