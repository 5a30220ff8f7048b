"""The review queue: what is held, why, and a person's decisions about it."""

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bcss.cli.answer import each, only
from bcss.cli.options import Common, spread
from bcss.errors import Exit, FixConfig

if TYPE_CHECKING:
    from bcss.cli.render import Block

_ID = "Number of the hold, such as H-0017 or 17."
_Id = Annotated[str, typer.Argument(metavar="ID", help=_ID)]
_Person = Annotated[str, typer.Argument(metavar="NAME", help="Who looks after it.")]
_Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why; kept in the audit trail.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(
        name="hold",
        help="Show what is held, and decide about it.",
        rich_markup_mode=None,
        no_args_is_help=True,
    )
    group.command("list")(spread(list_holds))
    group.command("show")(spread(show))
    group.command("approve")(spread(approve))
    group.command("ignore")(spread(ignore))
    group.command("assign")(spread(assign))
    app.add_typer(group)


def list_holds(common: Common) -> Exit:
    """List everything that is held, oldest first."""
    from bcss.cli.queue import listed  # noqa: PLC0415 - brings SQLite

    return each(common, listed)


def show(hold: _Id, common: Common) -> Exit:
    """Show one hold, the document it is about, and what approving it would mean."""
    from bcss.cli.queue import shown  # noqa: PLC0415 - brings SQLite

    return each(common, lambda config: shown(config, hold))


def approve(hold: _Id, common: Common, note: _Note = "") -> Exit:
    """Let a held order go on in the way its reason names."""
    return _decide("approve", hold, note, common)


def ignore(hold: _Id, common: Common, note: _Note = "") -> Exit:
    """End a hold for good; an order that is not booked yet will not be booked."""
    return _decide("ignore", hold, note, common)


def assign(hold: _Id, person: _Person, common: Common, note: _Note = "") -> Exit:
    """Note who looks after a hold; an empty name for nobody."""
    from bcss.cli.queue import decided  # noqa: PLC0415 - brings HTTP

    return only(common, lambda config: decided(config, "assign", hold, lambda _: note, person))


def _decide(verb: Literal["approve", "ignore"], hold: str, note: str, common: Common) -> Exit:
    from bcss.cli.queue import decided  # noqa: PLC0415 - brings HTTP

    if not note and not sys.stdin.isatty():
        raise FixConfig("A decision needs a reason.", hint='Add --note "why".')
    return only(common, lambda config: decided(config, verb, hold, lambda one: _ask(one, note)))


def _ask(seen: "list[Block]", note: str) -> str:
    """Show the hold with its document to the person who decides, and return their reason."""
    from bcss.cli.render import show_blocks  # noqa: PLC0415 - loaded by now

    show_blocks(seen, sys.stderr)
    if not sys.stdin.isatty():
        return note
    note = note or typer.prompt("Why", err=True)
    typer.confirm("Go on?", abort=True, err=True)
    return note
