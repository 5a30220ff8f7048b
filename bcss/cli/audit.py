"""The commands on the audit trail: show a record's story, and verify the chain."""

from typing import Annotated

import typer

from bcss.cli.answer import each
from bcss.cli.options import Common, spread
from bcss.errors import Exit

_ORDER = "Order number, orderKey, tracking number or Business Central document number."


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(
        name="audit",
        help="Show and verify what was sent, answered and decided.",
        rich_markup_mode=None,
        no_args_is_help=True,
    )
    group.command("show")(spread(show))
    group.command("verify")(spread(verify))
    app.add_typer(group)


def show(
    common: Common,
    order: Annotated[str | None, typer.Argument(metavar="ORDER", help=_ORDER)] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=100_000, help="The last N rows only.")
    ] = 200,
) -> Exit:
    """Tell the story of an order, or show the last rows of the trail."""
    from bcss.cli.trail import story  # noqa: PLC0415 - brings SQLite

    return each(common, lambda config: story(config, order, limit, bodies=common.verbose > 0))


def verify(common: Common) -> Exit:
    """Walk the chain and name the first row that was altered, is missing or was cut off."""
    from bcss.cli.trail import verified  # noqa: PLC0415 - brings SQLite

    return each(common, verified)
