"""Describe entity sets: their properties with type, length and writability."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

_KIND = re.compile(r"([a-z]+?)([0-9]*)$")


@dataclass(frozen=True, slots=True)
class Field:
    """A property: `kind` is guid, code, text, decimal, int, bool, date, datetime or enum.

    `stored` is false for properties computed per row, which take neither filter nor order (§5.1).
    """

    name: str
    kind: str
    length: int
    writable: bool
    stored: bool


@dataclass(frozen=True)
class Entity:
    """An entity set, the name of its type and its properties in page order."""

    name: str
    singular: str
    fields: Mapping[str, Field]
    navigations: tuple[str, ...] = ()

    @cached_property
    def positions(self) -> dict[str, int]:
        """Return each property's place on the page."""
        return {name: place for place, name in enumerate(self.fields)}


def _field(line: str) -> Field:
    name, kind, *flags = line.split()
    match = _KIND.fullmatch(kind)
    assert match is not None, kind  # noqa: S101 - the tables above are constants
    return Field(
        name,
        match[1],
        int(match[2] or 0),
        writable="r" not in flags,
        stored="computed" not in flags,
    )


def entity_of(name: str, singular: str, spec: str, *navigations: str) -> Entity:
    """Make an entity of lines `name kind+length [r] [computed]`."""
    fields = [_field(line) for line in spec.split("\n") if line.strip()]
    return Entity(name, singular, MappingProxyType({one.name: one for one in fields}), navigations)
