"""What `audit` shows: rows of the trail, as a story a person in finance can read."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from bcss.cli.answer import Answer
from bcss.cli.history import generations, told_of
from bcss.cli.render import Block, Table, printable
from bcss.cli.state import NOTHING_YET, reading, require
from bcss.cli.words import entry_time, plainly, standing
from bcss.config.schema import Config
from bcss.errors import Exit
from bcss.money import show
from bcss.store import payloads
from bcss.store.db import Store
from bcss.store.trail import Entry
from bcss.units import Unit


def story(config: Config, order: str | None, limit: int, *, bodies: bool) -> Answer:
    """Show what happened to an order, or the last rows of the trail."""
    with reading(config) as store:
        if store is None:
            return Answer({"entries": []}, [NOTHING_YET])
        units: Sequence[Unit] = ()
        if order is None:
            entries = store.trail.latest(limit)
        else:
            found = require(store, order, config)
            units = found.units
            all_of_them = [one for unit in units for one in generations(store, unit)]
            subjects = [f"unit:{unit.unit_id}" for unit in all_of_them]
            subjects += [f"order:{one}" for one in found.order_ids]
            subjects += [f"record:orders:{one}" for one in found.order_ids]
            subjects += [hold.subject for hold in found.holds]
            entries = store.trail.of(list(dict.fromkeys(subjects)))[-limit:]
        names = _names(store)
        rows = [_entry_object(store, entry, names(entry.subject)) for entry in entries]
        zone = config.business_central.time_zone
        head = [_heading(store, unit, zone) for unit in units]
    return Answer(
        {"entries": rows}, _blocks(head, rows, zone, bodies=bodies, one=order is not None)
    )


def verified(config: Config) -> Answer:
    """Say whether the chain holds."""
    with reading(config) as store:
        if store is None:
            return Answer({"ok": True, "rows": 0}, ["the trail is empty: nothing has run yet"])
        broken = store.trail.verify()
        seq, head = store.trail.head()
    if broken is None:
        text = f"the audit chain holds: {seq} rows, head {head}"
        return Answer({"ok": True, "rows": seq, "head": head}, [text])
    data = {"ok": False, "rows": seq, "seq": broken.seq, "problem": broken.problem}
    text = f"the audit chain is broken at row {broken.seq}: {broken.problem}"
    code = Exit.AUDIT_BROKEN
    return Answer({**data, "exit_code": int(code)}, [text], code)


def _names(store: Store) -> Any:
    """Return a look-up of (order number, orderKey) by a row's subject."""

    @cache
    def names(subject: str) -> tuple[str, str]:
        kind, _, number = subject.rpartition(":")
        if not number.isdigit():
            return "", ""
        if kind == "unit":
            return _of_unit(store, int(number))
        if kind in ("order", "record:orders"):
            order = store.orders.order(int(number))
            return (order.order_number, order.order_key) if order else ("", "")
        return "", ""

    return names


def _of_unit(store: Store, unit_id: int) -> tuple[str, str]:
    try:
        unit = store.units.get(unit_id)
    except LookupError:
        return "", ""
    return unit.order_number, unit.order_key


def _entry_object(store: Store, entry: Entry, names: tuple[str, str]) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": entry.at,
        "run_id": entry.run_id,
        "actor": entry.actor,
        "kind": entry.kind,
        "flow": entry.flow,
        "order_number": names[0],
        "order_key": names[1],
        "subject": entry.subject,
        "target": entry.target,
        "status": entry.status,
        "summary": entry.summary,
        "before": _body(store, entry.before_id),
        "after": _body(store, entry.after_id),
    }


def _body(store: Store, payload_id: int | None) -> Any:
    """Return a stored body as JSON; text that is none as text, null where it was erased."""
    if payload_id is None:
        return None
    found = payloads.get(store.connection, payload_id)
    if found is None:
        return None
    try:
        return json.loads(found)
    except ValueError:
        return found.decode("utf-8", "replace")


def _heading(store: Store, unit: Unit, zone: ZoneInfo) -> str:
    total = show(unit.total, unit.currency) if unit.total is not None else "unknown total"
    hold = store.holds.open_for(f"unit:{unit.unit_id}")
    told = told_of(store, generations(store, unit), zone)
    return printable(
        f"Order {unit.order_number} (key {unit.order_key}, store {unit.store_id}, {total}). "
        f"{standing(unit, hold, zone)} {told}".rstrip()
    )


def _said_once(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out the end of a hold behind the decision that says the same with its reason."""
    decided = {
        (row["subject"], row["at"]) for row in rows if row["status"] in ("approved", "ignored")
    }
    return [
        row
        for row in rows
        if row["status"] != "released" or (row["subject"], row["at"]) not in decided
    ]


def _blocks(
    head: Sequence[str],
    rows: Sequence[dict[str, Any]],
    zone: ZoneInfo,
    *,
    bodies: bool,
    one: bool,
) -> list[Block]:
    if not rows:
        return [*head, "no rows"]
    headers = ["row", "time", "who", "what", *([] if one else ["order"]), ""]
    cells = [
        [
            str(row["seq"]),
            entry_time(row["at"], zone),
            row["actor"],
            row["kind"],
            *([] if one else [row["order_number"] or row["subject"]]),
            plainly(row["summary"]) + (f" [{row['status']}]" if row["status"] else ""),
        ]
        for row in _said_once(rows)
    ]
    blocks: list[Block] = [*head, Table(headers, cells)]
    return blocks + ([line for row in rows for line in _body_lines(row)] if bodies else [])


def _body_lines(row: dict[str, Any]) -> list[str]:
    return [
        f"row {row['seq']} {side}: {printable(json.dumps(row[side], ensure_ascii=False))}"
        for side in ("before", "after")
        if isinstance(row[side], dict | list)
    ]
