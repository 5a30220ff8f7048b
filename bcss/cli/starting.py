"""Write a first configuration, and ask for what it needs on a terminal."""

import os
import sys
from pathlib import Path

import typer

from bcss.cli.render import say
from bcss.cli.setup import read_secret
from bcss.config.example import Answers, starter, starter_secrets
from bcss.errors import Exit, FixConfig
from bcss.secrets import store

_ASKED = {
    "tenant": "Microsoft Entra tenant (domain or id)",
    "environment": "Business Central environment",
    "company": "Company (name or id)",
    "client_id": "Application (client) id",
    "time_zone": "The company's time zone, such as America/New_York",
}
_SYSTEM_STATE = Path("/var/lib/bcss")


def write_starter(path: Path) -> Exit:
    """Write the configuration unless there is one; ask for details and secrets on a terminal."""
    if path.exists():
        raise FixConfig(f"{path} is there already.", hint="--path names another place.")
    answers = _answers(path)
    _write(path, starter(answers))
    typer.echo(f"{path} is written.")
    if sys.stdin.isatty():
        _ask_for_secrets(answers)
    say(_next(path, asked=sys.stdin.isatty()))
    return Exit.DONE


def _answers(path: Path) -> Answers:
    name = path.stem if path.stem != "config" else "main"
    state = _state_folder(path) / f"{name}.db"
    if not sys.stdin.isatty():
        return Answers(name, state)
    told = {
        key: typer.prompt(text, default="Production" if key == "environment" else "", err=True)
        for key, text in _ASKED.items()
    }
    return Answers(name, state, **told)


def _state_folder(path: Path) -> Path:
    if path.is_relative_to("/etc"):
        return _SYSTEM_STATE
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "bcss"


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner may read, and that is either whole or not there."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise FixConfig(f"{path} cannot be written: {error.strerror}.") from None
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


def _ask_for_secrets(answers: Answers) -> None:
    for slot, ref in starter_secrets(answers).items():
        value = read_secret(f"{slot} (empty to skip)", stdin=False)
        if value:
            say(f"{slot} is kept in {store(ref, value)}")


def _next(path: Path, *, asked: bool) -> str:
    place = "" if str(path) == "/etc/bcss/config.yaml" else f" --config {path}"
    secrets = "" if asked else f"`bcss auth set NAME{place}` for each secret, then "
    return f"Next: fill in the blanks and list your stores, then {secrets}`bcss check{place}`."
