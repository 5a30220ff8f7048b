"""Turn whatever ends a command into words and an exit code; no traceback for the world's doings."""

import sys
import traceback
from collections.abc import Callable
from typing import Any

import typer

from bcss.cli.render import json_text, printable, say
from bcss.errors import BcssError, Exit, FixConfig, LockHeld

_CHATTY = 2


class Terminated(BaseException):
    """The process was asked to end; raised once, so that everything open is closed."""


class Declined(Exception):
    """A person was asked and said no; its text says what was not done."""


def guarded(command: Callable[[], Exit], as_json: bool, verbose: int) -> Exit:
    """Run a command to its exit code, whatever happens in it."""
    try:
        return command()
    except BcssError as error:
        return told(error, as_json=as_json, verbose=verbose)
    except Declined as answer:
        say(f"bcss: {answer}; nothing was changed.")
        return Exit.INTERRUPTED
    except (KeyboardInterrupt, Terminated, typer.Abort) as end:
        said = "nothing was changed" if isinstance(end, typer.Abort) else "the next run goes on"
        say(f"bcss: interrupted; {said}.")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        sys.stdout = None  # nobody reads any more
        return Exit.DONE
    except Exception as error:  # noqa: BLE001 - the last line of defence
        return _internal(error, verbose)


def told(error: BcssError, *, as_json: bool, verbose: int) -> Exit:
    """Report an error that ended a whole command."""
    if as_json:
        body = {"errors": [error_object(error)], "exit_code": int(error.exit_code)}
        sys.stdout.write(json_text(body) + "\n")
    if not is_silent(error, verbose):
        say(paragraph(error))
    if verbose >= _CHATTY:
        traceback.print_exception(error)
    return error.exit_code


def is_silent(error: BcssError, verbose: int) -> bool:
    """Tell whether an error is not worth a line: a run that found another one under way.

    Once that other run is over two hours old it is.
    """
    if not isinstance(error, LockHeld) or getattr(error, "is_old", False):
        return False
    return not verbose and not sys.stderr.isatty()


def paragraph(error: BcssError, about: str = "") -> str:
    """Say what happened and what to do; a configuration's problems stay one a line."""
    lines = error.message.splitlines() if isinstance(error, FixConfig) else [error.message]
    text = "\n".join(printable(line) for line in lines)
    where = f"{printable(about)}: " if about else ""
    text += "" if text.endswith((".", "!", "?", ":", '"')) or not error.hint else "."
    return f"bcss: {where}{text} {printable(error.hint)}".rstrip()


def error_object(error: BcssError) -> dict[str, Any]:
    """Return what `--json` says of an error."""
    found = {name: getattr(error, name, None) for name in ("vendor", "status", "code")}
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "exit_code": int(error.exit_code),
        **{name: value for name, value in found.items() if value},
    }


def _internal(error: Exception, verbose: int) -> Exit:
    if verbose >= _CHATTY:
        traceback.print_exception(error)
    text = printable(f"{type(error).__name__}: {error}")[:500]
    say(f"bcss: internal error: {text} (-vv shows where)")
    return Exit.INTERNAL
