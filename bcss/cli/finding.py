"""What `check` finds: one plain line each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from bcss.errors import Exit
from bcss.flows.connection import Connection

# `look`: no API shows it, so a person looks there once.
Level = Literal["ok", "look", "warning", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    level: Level
    text: str
    code: Exit = Exit.DONE


Look = Callable[[Connection], Iterator[Finding]]


def wrong(what: str, text: str) -> Finding:
    """Find what the configuration must say otherwise."""
    return Finding(what, "wrong", text, Exit.USAGE)
