"""Read a connection's YAML file, strictly, and report everything that is wrong at once.

The loader takes YAML's structure and leaves every scalar as text: no octal numbers, no `NO`
that turns into false, no dates, no aliases, no tags, no key twice (stack.md §9.6).
"""

import hashlib
import os
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from bcss.config import edge, rules
from bcss.config.edge import Place, Problem
from bcss.config.schema import Config, vault_path
from bcss.errors import FixConfig

_LARGEST = 256 * 1024
_DEEPEST = 12
_MOST_PROBLEMS = 100
_SHOWN = 60
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def load(path: Path) -> Config:
    """Read and check the file; raise FixConfig with one line per problem, sorted by line."""
    body = _read_file(path)
    tree = _Tree(path)
    value = tree.read(body)
    checked = edge.validate(value, _context(value, path))
    problems = [*tree.problems, *(checked if isinstance(checked, list) else ())]
    problems += rules.check(value)
    if problems or isinstance(checked, list):
        raise FixConfig("\n".join(tree.lines_of(problems)))
    notes = rules.notes(value)
    digest = hashlib.sha256(body).hexdigest()
    return rules.complete(Config(path=path, digest=digest, notes=notes, **checked))


def _context(tree: Any, path: Path) -> edge.Context:
    name, state = rules.at(tree, "name"), rules.at(tree, "state", "path")
    context = edge.Context(name if isinstance(name, str) else "", path.absolute().parent)
    if not isinstance(state, str):
        return context
    try:
        return replace(context, vault=vault_path(context.place(state)))
    except ValueError:
        return context


def _read_file(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise FixConfig(f"{path}: no such file.", hint="`bcss init` writes one.") from None
    except OSError as error:
        raise FixConfig(f"{path}: cannot be read: {error.strerror}.") from None
    try:
        _check_file(path, os.fstat(descriptor))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(_LARGEST + 1)
    finally:
        os.close(descriptor)


def _check_file(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise FixConfig(f"{path}: is not a file.")
    if found.st_size > _LARGEST:
        raise FixConfig(f"{path}: is larger than {_LARGEST // 1024} KiB.")
    if os.name != "posix":
        return
    if found.st_mode & _OTHERS_WRITE:
        raise FixConfig(f"{path}: others may write to it.", hint=f"Run: chmod go-w {path}")
    if found.st_uid not in {0, os.geteuid()}:
        raise FixConfig(
            f"{path}: belongs to another user.", hint="Only root's or your own is read."
        )


class _Unreadable(Exception):
    """The rest of the file cannot be understood; the problem is already noted."""


@dataclass(slots=True)
class _Tree:
    """The file as nested dictionaries, lists and texts, and the line of every place."""

    path: Path
    problems: list[Problem] = field(default_factory=list)
    lines: dict[Place, int] = field(default_factory=dict)

    def read(self, body: bytes) -> Any:
        try:
            events = yaml.parse(body.decode("utf-8-sig"), Loader=yaml.SafeLoader)
            return self._document(events)
        except UnicodeDecodeError as error:
            line = body.count(b"\n", 0, error.start) + 1
            raise self._fatal(line, "is not UTF-8 text") from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            said = error.problem or error.context or "is not YAML"
            hint = " (text with a colon wants quotes)" if "mapping values" in said else ""
            raise self._fatal(mark.line + 1 if mark else 1, f"{said}{hint}") from None
        except yaml.YAMLError:
            raise self._fatal(1, "holds characters that YAML does not allow") from None
        except _Unreadable:
            raise FixConfig("\n".join(self.lines_of(self.problems))) from None

    def _fatal(self, line: int, text: str) -> FixConfig:
        return FixConfig(f"{self.path}:{line}: {text}")

    def lines_of(self, problems: list[Problem]) -> list[str]:
        """Render problems as `file:line: place: text`, sorted by line, each once."""
        found = {(self._line(p.place), _dotted(p.place), p.text) for p in problems}
        shown = [
            f"{self.path}:{line}: {place}: {text}" if place else f"{self.path}:{line}: {text}"
            for line, place, text in sorted(found)
        ]
        rest = len(shown) - _MOST_PROBLEMS
        return shown[:_MOST_PROBLEMS] + ([f"… and {rest} more"] if rest > 0 else [])

    def _line(self, place: Place) -> int:
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def _document(self, events: Any) -> Any:
        value: Any = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._refuse((), event, "holds a second document")
                value = self._node(events, next(events), ())
        return value

    def _node(self, events: Any, event: Any, place: Place) -> Any:
        if len(place) > _DEEPEST:
            self._refuse(place, event, "is nested too deeply")
        self.lines.setdefault(place, event.start_mark.line + 1)
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            self._refuse(place, event, "uses an alias or anchor (& or *), which is not read here")
        if event.tag is not None:
            self._refuse(place, event, "uses a tag (!), which is not read here")
        match event:
            case yaml.ScalarEvent():
                return _scalar(event)
            case yaml.SequenceStartEvent():
                return self._sequence(events, place)
            case _:
                return self._mapping(events, place)

    def _sequence(self, events: Any, place: Place) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            found.append(self._node(events, event, (*place, len(found))))
        return found

    def _mapping(self, events: Any, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.tag or event.anchor:
                self._refuse(place, event, "has a key that is not text")
            key, line = event.value, event.start_mark.line + 1
            inside = (*place, key)
            if key in found:
                first = self.lines[inside]
                self.problems.append(Problem(inside, f"stands twice, in lines {first} and {line}"))
            self.lines[inside] = line
            found[key] = self._node(events, next(events), inside)
        return found

    def _refuse(self, place: Place, event: Any, text: str) -> None:
        self.lines[place] = event.start_mark.line + 1
        self.problems.append(Problem(place, text))
        raise _Unreadable


def _scalar(event: Any) -> str | None:
    """Keep the text; only a plain empty value, `~` or `null` is nothing (YAML core schema)."""
    text: str = event.value
    if event.style is None and text in {"", "~", "null", "Null", "NULL"}:
        return None
    return text


def _dotted(place: Place) -> str:
    text = ""
    for part in place:
        text += (
            f"[{part}]"
            if isinstance(part, int)
            else f".{''.join(c if c.isprintable() else '�' for c in part[:_SHOWN])}"
        )
    return text.removeprefix(".")
