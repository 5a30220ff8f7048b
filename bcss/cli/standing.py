"""What `status` and `why` say, from the state database alone."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from bcss.cli.answer import Answer
from bcss.cli.history import generations, told_of
from bcss.cli.labels import label_objects, label_words
from bcss.cli.render import Block, Table, age, printable, when
from bcss.cli.report import hold_object
from bcss.cli.state import (
    NOTHING_YET,
    Found,
    holder,
    last_runs,
    opened,
    quota,
    reading,
    require,
    subscriptions,
)
from bcss.cli.words import facts, next_step, plainly, standing, until, waiting_words
from bcss.clock import parse_utc
from bcss.config.schema import Config
from bcss.money import show
from bcss.store.db import Run, Store
from bcss.units import Unit

_SHOWN_WAITING = 20


def status_of(config: Config) -> Answer:
    """Show how a connection stands."""
    with reading(config) as store:
        if store is None:
            return Answer(_empty(config), [f"{printable(config.name)}: {NOTHING_YET}."])
        data = _status(config, store)
        now, zone = store.clock.now(), config.business_central.time_zone
    return Answer(data, _status_blocks(data, now, zone))


def _empty(config: Config) -> dict[str, Any]:
    return {
        "runs": [],
        "running": None,
        "backlog": {},
        "holds": [],
        "waiting": [],
        "watermarks": [],
        "quota": quota(config),
        "subscriptions": [],
        "missing_products": 0,
        "stopped_stores": {},
        "audit": None,
    }


def _status(config: Config, store: Store) -> dict[str, Any]:
    seq, head = store.trail.head()
    return {
        "runs": [_run_object(run) for run in last_runs(store)],
        "running": holder(config),
        "backlog": store.units.count_by_state(),
        "holds": _holds_by_reason(store),
        "waiting": [_waiting_object(unit) for unit in waiting_units(store)],
        "watermarks": [
            {
                "stream": mark.stream,
                "reached": mark.reached,
                "polled_from": mark.polled_from,
                "completed": mark.completed,
            }
            for mark in store.orders.watermarks()
        ],
        "quota": quota(config),
        "subscriptions": subscriptions(store),
        "missing_products": int(store.meta("missing_products") or 0),
        "stopped_stores": {str(one): reason for one, reason in store.store_stops().items()},
        "audit": {"seq": seq, "head": head},
    }


def _run_object(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "command": run.command,
        "actor": run.actor,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "exit_code": run.exit_code,
        "summary": dict(run.summary),
    }


def _holds_by_reason(store: Store) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for hold in store.holds.open():
        row = found.setdefault(
            hold.why,
            {"reason": hold.why, "count": 0, "oldest": hold.since, "release": "", "who": []},
        )
        if hold.assigned and hold.assigned not in row["who"]:
            row["who"] = [*row["who"], hold.assigned]
        row |= {"count": row["count"] + 1, "oldest": min(row["oldest"], hold.since)}
        row["release"] = str(hold.release)
    return sorted(found.values(), key=lambda row: (-row["count"], row["reason"]))


def waiting_units(store: Store) -> list[Unit]:
    """Return the units that wait for time or for ShipStation, held ones left out."""
    return [unit for unit in store.units.unfinished() if unit.waiting and not unit.held]


def _waiting_object(unit: Unit) -> dict[str, Any]:
    return {
        "order_number": unit.order_number,
        "order_key": unit.order_key,
        "reason": unit.waiting,
        "since": unit.waiting_since or unit.updated_at,
    }


def _status_blocks(data: Mapping[str, Any], now: datetime, zone: ZoneInfo) -> list[Block]:
    blocks: list[Block] = [_runs_table(data["runs"], now, zone)]
    if data["running"]:
        blocks.append(f"under way: {printable(_under_way(data['running'], zone))}")
    backlog = ", ".join(f"{count} {state}" for state, count in sorted(data["backlog"].items()))
    blocks.append(f"units: {backlog or 'none yet'}")
    if data["holds"]:
        rows = [
            [r["reason"], str(r["count"]), age(r["oldest"], now), ", ".join(r["who"])]
            for r in data["holds"]
        ]
        blocks.append(Table(("held", "count", "oldest", "who"), rows))
    blocks += _waiting_blocks(data["waiting"], now)
    for store_id, reason in data["stopped_stores"].items():
        blocks.append(f"posting is stopped for store {store_id}: {printable(reason)}")
    return [*blocks, *_facts(data, now)]


def _runs_table(runs: Sequence[Mapping[str, Any]], now: datetime, zone: ZoneInfo) -> Table:
    rows = [
        [
            run["command"],
            when(run["started_at"], zone),
            f"{age(run['started_at'], now)} ago",
            "not ended" if run["ended_at"] is None else f"exit {run['exit_code']}",
            _moved(run["summary"]),
        ]
        for run in runs
    ]
    return Table(("last run", "started", "", "ended", "moved"), rows)


def _moved(summary: Mapping[str, Any]) -> str:
    words = ("created", "posted", "confirmed", "dropped", "held")
    return ", ".join(f"{summary[word]} {word}" for word in words if summary.get(word))


def _under_way(noted: Mapping[str, Any], zone: ZoneInfo) -> str:
    try:
        since = when(parse_utc(str(noted.get("since"))), zone)
    except ValueError:
        since = "an unknown time"
    return f"{noted.get('what')} (process {noted.get('pid')}) since {since}"


def _waiting_blocks(waiting: Sequence[Mapping[str, Any]], now: datetime) -> list[Block]:
    counted: dict[str, int] = {}
    for row in waiting:
        counted[row["reason"]] = counted.get(row["reason"], 0) + 1
    blocks: list[Block] = [
        f"waiting: {count} {printable(reason)}" for reason, count in sorted(counted.items())
    ]
    shown = [row for row in waiting if row["reason"] != "not-shipped"][:_SHOWN_WAITING]
    if shown:
        rows = [[r["order_number"], r["reason"], age(r["since"] or now, now)] for r in shown]
        blocks.append(Table(("order", "waits for", "since"), rows))
    return blocks


def _facts(data: Mapping[str, Any], now: datetime) -> list[Block]:
    facts: list[Block] = [
        f"read: {mark['stream']} up to {age(mark['reached'], now)} ago"
        for mark in data["watermarks"]
    ]
    if data["quota"]:
        left = data["quota"]
        facts.append(f"ShipStation quota: {left['remaining']} of {left['limit']} calls left")
    facts += [
        f"subscription {printable(one['entity'])}: {one['hours_left']} h left"
        for one in data["subscriptions"]
    ]
    if data["missing_products"]:
        facts.append(f"products that ShipStation lacks: {data['missing_products']}")
    audit = data["audit"]
    facts.append(f"audit: {audit['seq']} rows, head {audit['head'][:16]}")
    return facts


def why_of(config: Config, text: str) -> Answer:
    """Say in a paragraph where an order stands."""
    zone = config.business_central.time_zone
    with opened(config) as store:
        found = require(store, text, config)
        paragraphs = [why_unit(store, unit, zone) for unit in found.units]
        paragraphs = paragraphs or [why_stranger(config, store, found)]
        data = {
            "orders": [_why_object(store, unit, zone) for unit in found.units],
            "holds": [hold_object(hold) for hold in found.holds],
        }
    return Answer({**data, "text": "\n".join(paragraphs)}, [printable(p) for p in paragraphs])


def why_unit(store: Store, unit: Unit, zone: ZoneInfo, *, beside_hold: bool = False) -> str:
    """Say where an order stands, and what happened to all its generations.

    `beside_hold` leaves out what is held, which stands beside it.
    """
    units = generations(store, unit)
    total = show(unit.total, unit.currency) if unit.total is not None else "unknown total"
    members = store.units.members(unit.unit_id)
    parts = f" in {len(members)} parts" if len(members) > 1 else ""
    hold = store.holds.open_for(f"unit:{unit.unit_id}")
    stop = store.store_stops().get(unit.store_id)
    stopped = f" Posting is stopped for its store: {stop}" if stop and unit.kind.posts else ""
    told = told_of(store, units, zone)
    stands = facts(unit, hold.why, zone) if hold and beside_hold else standing(unit, hold, zone)
    return (
        f"Order {unit.order_number} ({total}, store {unit.store_id}{parts})"
        f"{_in_shipstation(store, members)}. {stands}{stopped} "
        f"{f'{told} ' if told else ''}Reference "
        f"{unit.reference or unit.other_reference or 'none yet'}.{label_words(store, unit)}"
    )


def _in_shipstation(store: Store, members: Sequence[int]) -> str:
    """Say how the parts of an order stand in ShipStation; empty where none is its own any more."""
    orders = [order for one in members if (order := store.orders.order(one))]
    if not orders:
        return ""
    if all(store.orders.is_gone(order.order_id) for order in orders):
        return " was deleted in ShipStation"
    return f" is {', '.join(dict.fromkeys(order.status for order in orders))} in ShipStation"


def why_stranger(config: Config, store: Store, found: Found) -> str:
    """Say of an order without a unit why it has none, and what holds it."""
    zone = config.business_central.time_zone
    held = "".join(
        f" It is held ({hold.label}, {hold.why}) since {when(hold.since, zone)}: "
        f"{plainly(hold.message).rstrip('.')}. {until(hold)} Next: {next_step(hold, config)}"
        for hold in found.holds
    )
    if not found.order_ids:
        (hold, *_) = found.holds
        about = f"Order {hold.order_number}" if hold.order_number else f"{hold.label}"
        return f"{about} is not booked.{held}"
    order_id = found.order_ids[0]
    if store.orders.related(order_id) is not None:
        return f"Order {found.text} was seen in ShipStation; the next run plans it.{held}"
    store_id = store.orders.store_of(order_id)
    listed = config.orders.stores
    ignored = "the configuration ignores it" if store_id in listed else "it is not listed"
    return (
        f"Order {found.text} (id {order_id}) belongs to a store whose orders are not booked: "
        f"ShipStation store {store_id or 'unknown'}; {ignored}.{held}"
    )


def _why_object(store: Store, unit: Unit, zone: ZoneInfo) -> dict[str, Any]:
    hold = store.holds.open_for(f"unit:{unit.unit_id}")
    return {
        "order_number": unit.order_number,
        "order_key": unit.order_key,
        "store_id": unit.store_id,
        "state": str(unit.state),
        "waiting": unit.waiting,
        "waiting_words": waiting_words(unit.waiting) if unit.waiting else "",
        "reference": unit.reference,
        "document_kind": str(unit.kind),
        "draft_number": unit.draft_number,
        "document_number": unit.document_number,
        "document_id": unit.document_id,
        "shipstation_total": unit.total,
        "bc_total": unit.bc_total,
        "currency": unit.currency,
        "ship_date": unit.ship_date,
        "tracking_number": unit.draft.tracking.number if unit.draft else "",
        "labels": label_objects(store, unit),
        "hold": hold_object(hold) if hold else None,
        "generation": unit.generation,
        "generations": [_generation_object(one) for one in generations(store, unit)],
        "story": told_of(store, generations(store, unit), zone),
    }


def _generation_object(unit: Unit) -> dict[str, Any]:
    return {
        "generation": unit.generation,
        "state": str(unit.state),
        "waiting": unit.waiting,
        "document_number": unit.document_number,
        "bc_total": unit.bc_total,
        "currency": unit.currency,
        "credit_memo": unit.memo_number,
        "credit_memo_date": unit.memo_date,
    }
