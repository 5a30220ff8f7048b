"""Declare the options that commands share, and spread them into the commands' signatures."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from bcss.cli.ending import guarded
from bcss.errors import Exit


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"expected an amount such as 500.00, got {text!r}") from None
    if not amount.is_finite() or amount < 0:
        raise typer.BadParameter(f"expected an amount such as 500.00, got {text!r}")
    return amount


def _seconds(text: str) -> float:
    from bcss.config.values import duration  # noqa: PLC0415 - only when the option is given

    try:
        return duration(text).total_seconds()
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@dataclass(frozen=True, slots=True)
class Common:
    """What every command takes."""

    config: Annotated[
        list[str] | None,
        typer.Option(
            "--config", metavar="PATH", help="Configuration, or a folder of them; repeatable."
        ),
    ] = None
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, for programs.")
    ] = False
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing but what went wrong.")
    ] = False
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose", "-v", count=True, show_default=False, help="Say more; -vv with tracebacks."
        ),
    ] = 0


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What commands take that write to the vendors."""

    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done; write nothing.")
    ] = False
    max_post: Annotated[
        int | None, typer.Option("--max-post", metavar="N", min=0, help="Post at most N documents.")
    ] = None
    max_amount: Annotated[
        Decimal | None,
        typer.Option(
            "--max-amount", metavar="X", parser=_amount, help="Post at most this sum of totals."
        ),
    ] = None
    max_runtime: Annotated[
        float | None,
        typer.Option(
            "--max-runtime", metavar="TIME", parser=_seconds, help="Begin nothing after 15m, 2h …"
        ),
    ] = None


def spread(command: Callable[..., Exit]) -> Callable[..., None]:
    """Let a command take dataclasses of options, whose fields become options of its own.

    The command's result becomes the exit code, and its errors a paragraph on stderr.
    """
    own = inspect.signature(command, eval_str=True).parameters

    def whole(**given: Any) -> None:
        arguments = {name: _take(one.annotation, name, given) for name, one in own.items()}
        common = next((one for one in arguments.values() if isinstance(one, Common)), Common())
        raise typer.Exit(int(guarded(lambda: command(**arguments), common.as_json, common.verbose)))

    shared_last = sorted(own.values(), key=lambda one: is_dataclass(one.annotation))
    parameters = [part for one in shared_last for part in _parts(one)]
    whole.__name__, whole.__doc__ = command.__name__, command.__doc__
    whole.__annotations__ = {one.name: one.annotation for one in parameters}
    whole.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return whole


def _take(kind: Any, name: str, given: dict[str, Any]) -> Any:
    if is_dataclass(kind) and isinstance(kind, type):
        return kind(**{field.name: given[field.name] for field in fields(kind)})
    return given[name]


def _parts(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """Return a parameter by itself, or the fields of the dataclass that it takes."""
    taken, keyword = parameter.annotation, inspect.Parameter.KEYWORD_ONLY
    if not (is_dataclass(taken) and isinstance(taken, type)):
        return [parameter.replace(kind=keyword)]
    shared = inspect.signature(taken, eval_str=True).parameters.values()
    return [one.replace(kind=keyword) for one in shared]
