"""The commands that run flows: one by one, or all under one run."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, cast

import typer

from bcss.cli.answer import Answer, each
from bcss.cli.configs import find
from bcss.cli.options import Common, RunLimits, spread
from bcss.cli.report import Said, report_run
from bcss.errors import Exit, FixConfig

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
    "labels": ("labels", "bcss.flows.labels", "pull_labels"),
    "subs": ("renew-subs", "bcss.flows.subscriptions", "renew_subs"),
    "hints": ("sync hints", "bcss.flows.hints", "work_hints"),
    "due-subs": ("renew-subs", "bcss.flows.subscriptions", "renew_subs_if_due"),
    "some-items": ("push-items", "bcss.flows.items", "push_some_items"),
    "sweep": ("sweep", "bcss.flows.sweep", "sweep_if_due"),
}
# Renewal comes first, since it asks for nothing unless little time is left (design §2); a first
# push of thousands of products must not delay booking, and nothing of V2 may.
ALL = ("due-subs", "some-items", "customers", "orders", "shipments", "sweep", "labels")
BOOKING = ("orders", "shipments")
SHIPMENTS = ("shipments", "labels")


class What(StrEnum):
    """What `bcss sync` brings into step."""

    ALL = "all"
    ITEMS = "items"
    CUSTOMERS = "customers"
    ORDERS = "orders"
    SHIPMENTS = "shipments"
    SUBS = "subs"
    HINTS = "hints"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    commands = (push_items, sync_customers, pull_orders, pull_shipments, renew_subs, sync)
    for command in (*commands, serve_webhooks):
        app.command(command.__name__.replace("_", "-"))(spread(command))


def push_items(common: Common, limits: RunLimits) -> Exit:
    """Bring items to ShipStation's products, by SKU."""
    return run_flows("push-items", ["items"], common, limits)


def sync_customers(common: Common, limits: RunLimits) -> Exit:
    """Bring customer addresses to the ship-to of open orders."""
    return run_flows("sync-customers", ["customers"], common, limits)


def pull_orders(common: Common, limits: RunLimits) -> Exit:
    """Bring shipped orders into Business Central as drafts."""
    return run_flows("pull-orders", ["orders"], common, limits)


def pull_shipments(common: Common, limits: RunLimits) -> Exit:
    """Put tracking onto the documents and post what is ready."""
    return run_flows("pull-shipments", SHIPMENTS, common, limits)


def renew_subs(common: Common, limits: RunLimits) -> Exit:
    """Create and renew Business Central's subscriptions."""
    return run_flows("renew-subs", ["subs"], common, limits)


def sync(
    what: Annotated[
        What,
        typer.Argument(
            metavar="WHAT", help="all, items, customers, orders, shipments, subs or hints."
        ),
    ],
    common: Common,
    limits: RunLimits,
) -> Exit:
    """Run all flows under one run, or one of them.

    `hints` works off what webhooks hinted at.
    """
    if what is What.HINTS:
        return each(common, _drain)
    names = {What.ALL: ALL, What.SHIPMENTS: SHIPMENTS}.get(what, (str(what),))
    return run_flows(f"sync {what}", names, common, limits)


def serve_webhooks(
    common: Common,
    worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Work the hints off in a child process.")
    ] = True,
) -> Exit:
    """Take webhooks in until told to stop."""
    from bcss.config.load import load  # noqa: PLC0415 - brings YAML and pydantic
    from bcss.listener import serve  # noqa: PLC0415 - only here

    paths = find(common.config or ())
    if len(paths) > 1:
        raise FixConfig("A listener serves one connection.", hint="Name it with --config.")
    return Exit(serve(load(paths[0]), worker=worker))


def _drain(config: "Config") -> Answer:
    from bcss.worker import drain  # noqa: PLC0415 - brings HTTP

    code = drain(config, follow=False)
    return Answer({"exit_code": int(code)}, code=code)


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
    from bcss.cli.news import news, watch  # noqa: PLC0415 - brings SQLite

    said = Said()
    parts = [(FLOWS[name][0], _lenient(name, names)) for name in _in_order(config, names)]
    parts = [("news", lambda conn: watch(conn, said)), *parts]
    parts.append(("news", lambda conn: news(conn, command, said)))
    summary = run(config, command, parts, options_of(limits))
    return report_run(summary, command, config.name, common, said)


def _lenient(name: str, names: Sequence[str]) -> "Callable[[Connection], None]":
    """Return a flow; beside others a receiver that is down is no failure yet (design §2)."""
    whole: Callable[..., None] = flow(name)
    return partial(whole, strict=False) if name == "subs" and len(names) > 1 else whole


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
