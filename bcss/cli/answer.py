"""Do the same for every connection of a call, and print what comes of it."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bcss.cli.configs import find
from bcss.cli.ending import error_object, is_silent, paragraph
from bcss.cli.options import Common
from bcss.cli.render import Block, json_text, say, show_blocks
from bcss.errors import BcssError, Exit, FixConfig, worst

if TYPE_CHECKING:
    from bcss.config.schema import Config


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command has to say of one connection: for programs, for people, and its code."""

    data: Mapping[str, Any] = field(default_factory=dict)
    blocks: Sequence[Block] = ()
    code: Exit = Exit.DONE


def each(common: Common, view: "Callable[[Config], Answer]") -> Exit:
    """Ask every connection in turn; one that fails keeps no other from its answer."""
    from bcss.config.load import load  # noqa: PLC0415 - brings YAML and pydantic

    paths = find(common.config or ())
    states: dict[Path, Path] = {}
    answers = []
    for path in paths:
        name = ""
        try:
            config = load(path)
            name = config.name
            _own_state(config, states)
            answer = view(config)
        except BcssError as error:
            answer = _failed(error, name, common)
        answers.append(_named(answer, name, path))
        if not common.as_json and answer.blocks:
            heading = [f"{name}:"] if len(paths) > 1 else []
            show_blocks([*heading, *answer.blocks])
    return _close(answers, as_json=common.as_json)


def only(common: Common, view: "Callable[[Config], Answer]") -> Exit:
    """Ask the one connection that a change is meant for; raise FixConfig when there are more."""
    paths = find(common.config or ())
    if len(paths) > 1:
        raise FixConfig(
            f"{len(paths)} configurations are named, and this is for one.",
            hint="Name it with --config.",
        )
    return each(common, view)


def _own_state(config: "Config", states: dict[Path, Path]) -> None:
    other = states.setdefault(config.state.path, config.path)
    if other != config.path:
        raise FixConfig(
            f"{config.path}: state.path {config.state.path} is that of {other} as well.",
            hint="Give each connection a state database of its own.",
        )


def _failed(error: BcssError, name: str, common: Common) -> Answer:
    if not is_silent(error, common.verbose):
        say(paragraph(error, name))
    code = error.exit_code
    return Answer({"errors": [error_object(error)], "exit_code": int(code)}, code=code)


def _named(answer: Answer, name: str, path: Path) -> Answer:
    data = {"connection": name or str(path), **answer.data}
    return Answer(data, answer.blocks, answer.code)


def _close(answers: Sequence[Answer], *, as_json: bool) -> Exit:
    """Choose the exit code; a lock that is held counts only when nothing worse happened."""
    codes = [answer.code for answer in answers]
    code = worst(codes) or (Exit.LOCKED if Exit.LOCKED in codes else Exit.DONE)
    if as_json:
        data = answers[0].data
        if len(answers) > 1:
            data = {"connections": [answer.data for answer in answers], "exit_code": int(code)}
        sys.stdout.write(json_text(data) + "\n")
    return code
