"""The commands for ShipStation's side of the webhooks: list, register, remove."""

from typing import Annotated

import typer

from bcss.cli.answer import each, only
from bcss.cli.options import Common, spread
from bcss.errors import Exit
from bcss.shipstation.pointer import EVENTS


def _event(text: str) -> str:
    if text.upper() not in EVENTS:
        raise typer.BadParameter(f"expected one of {', '.join(sorted(EVENTS))}, got {text!r}")
    return text.upper()


_Events = Annotated[
    list[str] | None,
    typer.Option(
        "--event", metavar="EVENT", parser=_event, help="Such as SHIP_NOTIFY; repeatable."
    ),
]
_Stores = Annotated[
    list[int] | None,
    typer.Option("--store", metavar="ID", help="For this ShipStation store only; repeatable."),
]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; write nothing.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(
        name="webhooks",
        help="Tell ShipStation where the listener is.",
        rich_markup_mode=None,
        no_args_is_help=True,
    )
    group.command("list")(spread(list_hooks))
    group.command("register")(spread(add))
    group.command("remove")(spread(remove))
    app.add_typer(group)


def list_hooks(common: Common) -> Exit:
    """List the account's webhooks, and say which are ours."""
    from bcss.cli.hookviews import listed  # noqa: PLC0415 - brings HTTP

    return each(common, listed)


def add(
    common: Common, event: _Events = None, store: _Stores = None, dry_run: _DryRun = False
) -> Exit:
    """Create the webhooks that are missing; running it again changes nothing."""
    from bcss.cli.hookviews import registered  # noqa: PLC0415 - brings HTTP

    return only(common, lambda config: registered(config, event or [], store or [], dry_run))


def remove(
    common: Common, event: _Events = None, store: _Stores = None, dry_run: _DryRun = False
) -> Exit:
    """Delete the webhooks that point at our listener, and no others."""
    from bcss.cli.hookviews import removed  # noqa: PLC0415 - brings HTTP

    return only(common, lambda config: removed(config, event or [], store or [], dry_run))
