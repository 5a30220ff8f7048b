"""Put the command line together, and run it."""

import os
import signal
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from types import FrameType
from typing import Annotated

import typer

from bcss import __version__
from bcss.cli import audit, operate, review, setup, sync, trial, webhooks
from bcss.cli.arguments import behind
from bcss.cli.ending import Terminated
from bcss.errors import Exit

app = typer.Typer(
    name="bcss",
    help="Keep Business Central and ShipStation in step, and prove it.",
    epilog="--config, --json, --quiet and -v are understood before the command as well.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(value: bool) -> None:
    if value:
        sys.stdout.write(f"bcss {__version__}\n")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Keep Business Central and ShipStation in step, and prove it."""


for part in (sync, operate, audit, review, setup, trial, webhooks):
    part.register(app)


def run(given: Sequence[str]) -> int:
    """Run one command line to its exit code."""
    os.umask(0o077)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app(args=behind(given), prog_name="bcss")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(Exit.DONE)
    except Terminated:
        return int(Exit.INTERRUPTED)
    return int(Exit.DONE)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    """End once with everything closed; a second signal ends at once."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise Terminated
