"""The commands that run flows: one by one, or all under one run."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, cast

import typer

from bcss.cli.answer import Answer, each
from bcss.cli.options import Common, RunLimits, spread
from bcss.cli.report import report_run
from bcss.errors import Exit

if TYPE_CHECKING:
    from bcss.app import Options
    from bcss.config.schema import Config
    from bcss.flows.connection import Connection

# Part of a run: command, module and function; imported when it runs.
FLOWS = {
    "items": ("push-items", "bcss.flows.items", "push_items"),
    "customers": ("sync-customers", "bcss.flows.customers", "sync_customers"),
    "orders": ("pull-orders", "bcss.flows.orders", "pull_orders"),
    "shipments": ("pull-shipments", "bcss.flows.shipments", "pull_shipments"),
    "subs": ("renew-subs", "bcss.flows.subscriptions", "renew_subs"),
}
BOOKING = ("orders", "shipments")
_REMIND_AFTER = timedelta(hours=24)
_REMINDED = "reminded"


class What(StrEnum):
    """What `bcss sync` brings into step."""

    ALL = "all"
    ITEMS = "items"
    CUSTOMERS = "customers"
    ORDERS = "orders"
    SHIPMENTS = "shipments"
    SUBS = "subs"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (push_items, sync_customers, pull_orders, pull_shipments, renew_subs, sync):
        app.command(command.__name__.replace("_", "-"))(spread(command))


def push_items(common: Common, limits: RunLimits) -> Exit:
    """Bring Business Central's items to ShipStation's products, by SKU."""
    return run_flows("push-items", ["items"], common, limits)


def sync_customers(common: Common, limits: RunLimits) -> Exit:
    """Bring customer addresses to the ship-to of open ShipStation orders."""
    return run_flows("sync-customers", ["customers"], common, limits)


def pull_orders(common: Common, limits: RunLimits) -> Exit:
    """Bring shipped orders into Business Central as drafts."""
    return run_flows("pull-orders", ["orders"], common, limits)


def pull_shipments(common: Common, limits: RunLimits) -> Exit:
    """Put tracking onto the documents and post what is ready."""
    return run_flows("pull-shipments", ["shipments"], common, limits)


def renew_subs(common: Common, limits: RunLimits) -> Exit:
    """Create and renew Business Central's webhook subscriptions."""
    return run_flows("renew-subs", ["subs"], common, limits)


def sync(
    what: Annotated[What, typer.Argument(help="What to bring into step.")],
    common: Common,
    limits: RunLimits,
) -> Exit:
    """Run all flows under one run, or one of them."""
    names = list(FLOWS) if what is What.ALL else [str(what)]
    return run_flows(f"sync {what}", names, common, limits)


def flow(name: str) -> "Callable[[Connection], None]":
    """Import a flow."""
    _, module, function = FLOWS[name]
    return cast("Callable[[Connection], None]", getattr(import_module(module), function))


def run_flows(command: str, names: Sequence[str], common: Common, limits: RunLimits) -> Exit:
    """Run some flows for every connection, or show what they would do."""
    if limits.dry_run:
        from bcss.cli.preview import rehearse  # noqa: PLC0415 - brings HTTP

        return each(common, lambda config: rehearse(config, names, limits))
    return each(common, lambda config: _run(config, command, names, common, limits))


def _run(
    config: "Config", command: str, names: Sequence[str], common: Common, limits: RunLimits
) -> Answer:
    from bcss.app import run  # noqa: PLC0415 - brings HTTP

    loud: list[str] = []
    parts: list[tuple[str, Callable[[Connection], None]]] = [
        (FLOWS[name][0], flow(name)) for name in _in_order(config, names)
    ]
    parts.append(("report", lambda conn: loud.extend(_worth_saying(conn))))
    summary = run(config, command, parts, options_of(limits))
    return report_run(summary, command, config.name, common, loud)


def options_of(limits: RunLimits) -> "Options":
    """Return a run's options in the words of the program."""
    from bcss.app import Options  # noqa: PLC0415 - brings HTTP

    return Options(limits.max_post, limits.max_amount, limits.max_runtime, limits.dry_run)


def _in_order(config: "Config", names: Sequence[str]) -> list[str]:
    """Renew subscriptions first when a day or less is left (design §2)."""
    if "subs" not in names or len(names) == 1:
        return list(names)
    from bcss.cli.state import subscriptions_end_soon  # noqa: PLC0415 - brings SQLite

    rest = [name for name in names if name != "subs"]
    return ["subs", *rest] if subscriptions_end_soon(config) else [*rest, "subs"]


def _worth_saying(conn: "Connection") -> list[str]:
    """Return what is said even where nobody watches: the first posting run, old holds daily."""
    return [*_first_run(conn), *_reminder(conn)]


def _first_run(conn: "Connection") -> list[str]:
    run = str(conn.store.trail.run_id)
    if not conn.report.limited or conn.store.meta("first_posting_run") != run:
        return []
    limit = conn.config.orders.first_run_limit
    return [
        f"The first posting run posts at most {limit} documents (orders.first_run_limit). "
        "Look at them in Business Central; the next run goes on."
    ]


def _reminder(conn: "Connection") -> list[str]:
    from bcss.clock import iso, parse_utc  # noqa: PLC0415 - loaded by now

    store, now = conn.store, conn.now()
    new = {hold.hold_id for hold in store.holds.new_in_run(store.trail.run_id)}
    known = [hold for hold in store.holds.open() if hold.hold_id not in new]
    last = store.meta(_REMINDED)
    if not known or (last and now - parse_utc(last) < _REMIND_AFTER):
        return []
    oldest = min(hold.since for hold in known)
    if now - oldest < _REMIND_AFTER:
        return []
    with store.write():
        store.set_meta(_REMINDED, iso(now))
    return [f"{len(known)} still held, the oldest since {iso(oldest)}: bcss hold list"]


