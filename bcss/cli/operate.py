"""The commands that look at a connection: status, why and plan; and replay."""

from typing import Annotated

import typer

from bcss.cli.answer import each
from bcss.cli.options import Common, RunLimits, spread
from bcss.errors import Exit, FixConfig

_ORDER = "Order number, orderKey, tracking number or Business Central document number."


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("status")(spread(status))
    app.command("why")(spread(why))
    app.command("plan")(spread(plan))
    app.command("replay")(spread(replay))


def status(common: Common) -> Exit:
    """Show last runs, backlog, what is held or waits, and quota."""
    from bcss.cli.standing import status_of  # noqa: PLC0415 - brings SQLite

    return each(common, status_of)


def why(
    order: Annotated[str, typer.Argument(metavar="ORDER", help=_ORDER)], common: Common
) -> Exit:
    """Say where an order stands and what happens next."""
    from bcss.cli.standing import why_of  # noqa: PLC0415 - brings SQLite

    return each(common, lambda config: why_of(config, order))


def plan(
    common: Common,
    order: Annotated[str | None, typer.Argument(metavar="ORDER", help=_ORDER)] = None,
) -> Exit:
    """Show what the next run would do; write nothing.

    Each document is shown exactly, with the totals of both sides.
    """
    from bcss.cli.preview import preview  # noqa: PLC0415 - brings HTTP

    return each(common, lambda config: preview(config, RunLimits(), order))


def replay(
    common: Common,
    limits: RunLimits,
    failed: Annotated[bool, typer.Option("--failed", help="Everything that is held.")] = False,
    order: Annotated[
        list[str] | None, typer.Option("--order", metavar="ORDER", help=_ORDER)
    ] = None,
    reason: Annotated[
        list[str] | None, typer.Option("--reason", metavar="REASON", help="Held for this reason.")
    ] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="Held since then or later.")
    ] = "",
    run: Annotated[int | None, typer.Option("--run", metavar="N", help="Held by this run.")] = None,
    captured: Annotated[
        bool, typer.Option("--captured", help="Do not read the orders again from ShipStation.")
    ] = False,
) -> Exit:
    """Try held records again, from the source."""
    if not (failed or order or reason or since or run):
        raise FixConfig("replay what?", hint="Name --failed, --order, --reason, --since or --run.")
    from bcss.cli.again import choice_of, replayed  # noqa: PLC0415 - brings HTTP

    chosen = choice_of(failed, order, reason, since, run, captured)
    return each(common, lambda config: replayed(config, chosen, common, limits))
