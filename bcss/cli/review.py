"""The review queue: what is held, why, and a person's decisions about it."""

import getpass
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bcss.cli.answer import Answer, each, only
from bcss.cli.ending import Declined
from bcss.cli.options import Common, spread
from bcss.errors import Exit, FixConfig

if TYPE_CHECKING:
    from bcss.cli.render import Block
    from bcss.config.schema import Config
    from bcss.holds import Hold

_ID = "Number of the hold, such as H-0017 or 17."
_Id = Annotated[str, typer.Argument(metavar="ID", help=_ID)]
_Shown = Annotated[str, typer.Argument(metavar="ID", help="Hold such as H-0017, or its order.")]
_Person = Annotated[str, typer.Argument(metavar="NAME", help="Who looks after it.")]
_Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why; kept in the audit trail.")]
_Yes = Annotated[bool, typer.Option("--yes", help="Do not ask again on a terminal.")]
_Rest = Annotated[list[str] | None, typer.Argument(hidden=True)]


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
    group.command("reopen")(spread(reopen))
    group.command("reject", hidden=True)(spread(reject))
    app.add_typer(group)


def list_holds(
    common: Common,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print a spreadsheet's table, one row a hold.")
    ] = False,
    mine: Annotated[bool, typer.Option("--mine", help="Only what is assigned to you.")] = False,
    who: Annotated[
        str, typer.Option("--who", metavar="NAME", help="Only what is assigned to NAME.")
    ] = "",
) -> Exit:
    """List everything that is held, by what is to be done, oldest first."""
    from bcss.cli.queue import listed  # noqa: PLC0415 - brings SQLite

    name = getpass.getuser() if mine else who
    if not as_csv:
        return each(common, lambda config: listed(config, name))
    if common.as_json:
        raise FixConfig("--csv and --json exclude each other.", hint="Name one of them.")
    return _as_csv(common, name)


def _as_csv(common: Common, who: str) -> Exit:
    """Print one table over all connections."""
    from bcss.cli.holdlist import csv_text  # noqa: PLC0415 - brings SQLite
    from bcss.cli.queue import queue_of  # noqa: PLC0415

    found: list[tuple[Config, Hold]] = []

    def collect(config: "Config") -> Answer:
        found.extend((config, hold) for hold in queue_of(config, who))
        return Answer()

    code = each(common, collect)
    sys.stdout.write(csv_text(found))
    return code


def show(hold: _Shown, common: Common) -> Exit:
    """Show one hold, what approving it would mean, and of an ended one what came of it."""
    from bcss.cli.queue import shown  # noqa: PLC0415 - brings SQLite

    return each(common, lambda config: shown(config, hold))


def approve(
    hold: _Id, common: Common, rest: _Rest = None, note: _Note = "", yes: _Yes = False
) -> Exit:
    """Let a held order go on in the way its reason names."""
    return _decide("approve", hold, _reason(note, rest), common, yes=yes)


def ignore(
    hold: _Id, common: Common, rest: _Rest = None, note: _Note = "", yes: _Yes = False
) -> Exit:
    """End a hold for good; an order that is not booked yet will not be booked."""
    return _decide("ignore", hold, _reason(note, rest), common, yes=yes)


def reopen(
    hold: _Id, common: Common, rest: _Rest = None, note: _Note = "", yes: _Yes = False
) -> Exit:
    """Take back what was ignored, or approved and not begun; it is held again."""
    return _decide("reopen", hold, _reason(note, rest), common, yes=yes)


def reject(common: Common, rest: _Rest = None, note: _Note = "") -> Exit:
    """Say what other programs call ignoring."""
    raise FixConfig("There is no hold reject.", hint="bcss hold ignore ID ends a hold for good.")


def assign(hold: _Id, person: _Person, common: Common, note: _Note = "") -> Exit:
    """Note who looks after a hold; an empty name for nobody."""
    from bcss.cli.queue import decided  # noqa: PLC0415 - brings HTTP

    def silent(_seen: "list[Block]", _question: str) -> str:
        return note

    return only(common, lambda config: decided(config, "assign", hold, silent, person))


def _reason(note: str, rest: list[str] | None) -> str:
    if rest:
        raise FixConfig(f"What is {' '.join(rest)!r}?", hint='A reason is given as --note "why".')
    return note.strip()


def _decide(
    verb: Literal["approve", "ignore", "reopen"], hold: str, note: str, common: Common, *, yes: bool
) -> Exit:
    from bcss.cli.queue import DONE, decided  # noqa: PLC0415 - brings HTTP

    if not note and not sys.stdin.isatty():
        raise FixConfig("A decision needs a reason.", hint='Add --note "why".')

    def ask(seen: "list[Block]", question: str) -> str:
        reason = _ask(seen, note, quiet=common.quiet)
        if sys.stdin.isatty() and not yes and not typer.confirm(question, err=True):
            raise Declined(f"not {DONE[verb]}")
        return reason

    return only(common, lambda config: decided(config, verb, hold, ask))


def _ask(seen: "list[Block]", note: str, *, quiet: bool) -> str:
    """Show the hold with its document to the person who decides, and return their reason."""
    from bcss.cli.render import show_blocks  # noqa: PLC0415 - loaded by now

    if not quiet:
        show_blocks(seen, sys.stderr)
    if note or not sys.stdin.isatty():
        return note
    return str(typer.prompt("Why", err=True))
