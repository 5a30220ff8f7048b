"""The commands that set a connection up: init, auth, check; and rebuild."""

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bcss.cli.answer import Answer, each, only
from bcss.cli.configs import usual
from bcss.cli.options import Common, spread
from bcss.cli.render import Table
from bcss.errors import Exit, FixConfig

if TYPE_CHECKING:
    from bcss.config.schema import Config, SecretRef

_Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Place in the config, such as shipstation.api_key.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("init")(spread(init))
    group = typer.Typer(
        name="auth",
        help="Keep secrets in the keyring or the encrypted file.",
        rich_markup_mode=None,
        no_args_is_help=True,
    )
    group.command("set")(spread(set_secret))
    group.command("status")(spread(show_secrets))
    group.command("clear")(spread(clear_secret))
    app.add_typer(group)
    app.command("check")(spread(check))
    app.command("rebuild")(spread(rebuild))


def init(
    common: Common,
    path: Annotated[
        Path | None, typer.Option("--path", metavar="PATH", help="Where to write it.")
    ] = None,
) -> Exit:
    """Write a commented configuration, and ask for secrets."""
    from bcss.cli.starting import write_starter  # noqa: PLC0415 - brings the schema

    named = Path(common.config[0]) if common.config else None
    return write_starter(path or named or usual()[0])


def set_secret(
    name: _Name,
    common: Common,
    stdin: Annotated[bool, typer.Option("--stdin", help="Read it from standard input.")] = False,
    vault: Annotated[
        bool, typer.Option("--vault", help="Use the encrypted file even where there is a keyring.")
    ] = False,
) -> Exit:
    """Ask for a secret and keep it; a secret is never an argument."""

    def keep(config: "Config") -> Answer:
        from bcss.secrets import store  # noqa: PLC0415 - only here

        ref = _slot(config, name)
        where = store(ref, read_secret(name, stdin=stdin), into="vault" if vault else None)
        return Answer({"slot": name, "kept_in": where}, [f"{name} is kept in {where}"])

    return only(common, keep)


def show_secrets(common: Common) -> Exit:
    """Say for each secret where it is found, never what it is."""

    def view(config: "Config") -> Answer:
        from bcss.config.schema import secret_references  # noqa: PLC0415 - loaded by now
        from bcss.secrets import status  # noqa: PLC0415 - only here

        found = status(secret_references(config).values())
        rows = [
            {"slot": s.slot, "reference": s.reference, "found": s.found, "detail": s.detail}
            for s in found
        ]
        cells = [[s.slot, s.reference, "found" if s.found else "missing", s.detail] for s in found]
        code = Exit.DONE if all(s.found for s in found) else Exit.DENIED
        table = Table(("secret", "reference", "", "where"), cells)
        return Answer({"secrets": rows, "exit_code": int(code)}, [table], code)

    return each(common, view)


def clear_secret(name: _Name, common: Common) -> Exit:
    """Forget a secret wherever bcss keeps it."""

    def forget(config: "Config") -> Answer:
        from bcss.secrets import clear  # noqa: PLC0415 - only here

        gone = clear(_slot(config, name))
        said = "is forgotten" if gone else "was not kept anywhere"
        return Answer({"slot": name, "cleared": gone}, [f"{name} {said}"])

    return only(common, forget)


def check(common: Common) -> Exit:
    """Ask both systems, and say what is missing."""
    from bcss.cli.checking import checked  # noqa: PLC0415 - brings HTTP

    return each(common, checked)


def rebuild(
    common: Common,
    since: Annotated[str, typer.Option("--since", metavar="DATE", help="Read from this day on.")],
) -> Exit:
    """Build a lost state database again, booking nothing twice."""
    from bcss.cli.again import instant, rebuilt  # noqa: PLC0415 - brings HTTP

    begin = instant(since)
    return only(common, lambda config: rebuilt(config, begin, common))


def _slot(config: "Config", name: str) -> "SecretRef":
    from bcss.config.schema import secret_references  # noqa: PLC0415 - loaded by now

    known = secret_references(config)
    if name not in known:
        raise FixConfig(
            f"{config.path} has no secret {name!r}.", hint=f"It has: {', '.join(known)}."
        )
    return known[name]


def read_secret(name: str, *, stdin: bool) -> str:
    """Ask for a secret without echo, or read it from standard input."""
    if stdin:
        return sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise FixConfig(
            "There is no terminal to ask on.", hint="Add --stdin and pipe the secret in."
        )
    return getpass.getpass(f"{name}: ")
