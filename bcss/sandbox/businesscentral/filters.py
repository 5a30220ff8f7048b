"""Read `$filter` into a predicate and, where it is a list of equalities, into index look-ups.

Operators, literals and refusals of business-central.md §5.1.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from bcss.sandbox.businesscentral.entities import Entity, Field
from bcss.sandbox.businesscentral.errors import Refused, bad_request

Predicate = Callable[[dict[str, Any]], bool]
_TERM = re.compile(
    r"(\w+) eq ('(?:[^']|'')*'|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
)
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^']|'')*')
    | (?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})
    | (?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(?:Z|[+-][0-9]{2}:[0-9]{2}))
    | (?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})
    | (?P<number>-?[0-9]+(?:\.[0-9]+)?)
    | (?P<word>[A-Za-z_][A-Za-z0-9_/.]*)
    | (?P<mark>[(),])
    )""",
    re.VERBOSE,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda left, right: bool(left == right),
    "ne": lambda left, right: bool(left != right),
    "gt": lambda left, right: bool(left > right),
    "ge": lambda left, right: bool(left >= right),
    "lt": lambda left, right: bool(left < right),
    "le": lambda left, right: bool(left <= right),
}
_TEXT_TESTS: dict[str, Callable[[str, str], bool]] = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "contains": str.__contains__,
}
_MAX_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Filter:
    """A predicate, the fields it reads, and its values when it is `field eq a or field eq b`."""

    test: Predicate
    fields: frozenset[str]
    equal_field: str = ""
    equal_values: tuple[Any, ...] = ()


def parse_filter(text: str, entity: Entity) -> Filter:
    """Read a filter over an entity; raise Refused in BC's words."""
    return _quick(text, entity) or _Parser(text, entity).whole()


def _quick(text: str, entity: Entity) -> Filter | None:
    """Read `f eq 'a' or f eq 'b' …` without a parser: look-ups ask for 40 at once."""
    name = ""
    values = []
    for part in text.split(" or "):
        match = _TERM.fullmatch(part)
        if match is None or (name and match[1] != name):
            return None
        name = match[1]
        kind = "string" if match[2].startswith("'") else "guid"
        values.append(_literal(_stored(name, entity), kind, match[2]))
    return _equalities(name, tuple(values))


def _equalities(name: str, values: tuple[Any, ...]) -> Filter:
    wanted = frozenset(values)
    return Filter(lambda row: row[name] in wanted, frozenset((name,)), name, values)


def _stored(name: str, entity: Entity) -> Field:
    field = entity.fields.get(name)
    if field is None:
        raise bad_request(
            f"Could not find a property named '{name}' on type 'Microsoft.NAV.{entity.singular}'."
        )
    if not field.stored:
        raise bad_request(f"The property '{name}' is calculated and cannot be used in a filter.")
    return field


def _unquoted(text: str) -> str:
    return text[1:-1].replace("''", "'")


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


_READERS: dict[tuple[str, str], Callable[[str], Any]] = {
    ("code", "string"): lambda text: _unquoted(text).strip().upper(),
    ("text", "string"): _unquoted,
    ("enum", "string"): _unquoted,
    ("guid", "guid"): str.lower,
    ("decimal", "number"): Decimal,
    ("int", "number"): Decimal,
    ("date", "date"): date.fromisoformat,
    ("datetime", "time"): _instant,
    ("datetime", "date"): _instant,
    ("bool", "word"): {"true": True, "false": False}.__getitem__,
}


def _literal(field: Field, kind: str, text: str) -> Any:
    """Convert a literal to the field's type, or refuse it as the service does."""
    try:
        return _READERS[field.kind, kind](text)
    except (KeyError, ValueError):
        raise bad_request(
            "A binary operator with incompatible types was detected. "
            f"Found operand types for '{field.name}' and {text[:60]}."
        ) from None


class _Parser:
    def __init__(self, text: str, entity: Entity) -> None:
        self.entity = entity
        self.tokens = list(self._split(text))
        self.at = 0
        self.depth = 0

    def _split(self, text: str) -> list[tuple[str, str]]:
        tokens, place = [], 0
        text = text.rstrip()
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None or match.lastgroup is None:
                raise self._syntax()
            tokens.append((match.lastgroup, match[match.lastgroup]))
            place = match.end()
        return tokens

    def _syntax(self) -> Refused:
        return bad_request("Bad Request - Error in query syntax.")

    def whole(self) -> Filter:
        found = self._either()
        if self.at != len(self.tokens):
            raise self._syntax()
        return found

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def _take(self, kind: str = "", text: str = "") -> tuple[str, str]:
        token = self._peek()
        if token[0] == "end" or (kind and token[0] != kind) or (text and token[1] != text):
            raise self._syntax()
        self.at += 1
        return token

    def _either(self) -> Filter:
        parts = [self._both()]
        while self._peek() == ("word", "or"):
            self._take()
            parts.append(self._both())
        if len(parts) == 1:
            return parts[0]
        return self._joined(parts)

    def _joined(self, parts: list[Filter]) -> Filter:
        fields = frozenset().union(*(part.fields for part in parts))
        if len(fields) > 1:
            raise bad_request(
                "The 'OR' operator is not supported on distinct fields on an OData filter."
            )
        if all(part.equal_field for part in parts):
            values = tuple(value for part in parts for value in part.equal_values)
            return _equalities(parts[0].equal_field, values)
        tests = [part.test for part in parts]
        return Filter(lambda row: any(test(row) for test in tests), fields)

    def _both(self) -> Filter:
        parts = [self._single()]
        while self._peek() == ("word", "and"):
            self._take()
            parts.append(self._single())
        if len(parts) == 1:
            return parts[0]
        tests = [part.test for part in parts]
        fields = frozenset().union(*(part.fields for part in parts))
        indexed = next((part for part in parts if part.equal_field), parts[0])
        return Filter(
            lambda row: all(test(row) for test in tests),
            fields,
            indexed.equal_field,
            indexed.equal_values,
        )

    def _single(self) -> Filter:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self._syntax()
        try:
            return self._open()
        finally:
            self.depth -= 1

    def _open(self) -> Filter:
        if self._peek() == ("word", "not"):
            self._take()
            inner = self._single()
            return Filter(lambda row: not inner.test(row), inner.fields)
        if self._peek() == ("mark", "("):
            self._take()
            inner = self._either()
            self._take("mark", ")")
            return inner
        _, name = self._take("word")
        return self._call(name) if self._peek() == ("mark", "(") else self._comparison(name)

    def _call(self, name: str) -> Filter:
        test = _TEXT_TESTS.get(name)
        if test is None:
            raise bad_request(f"The function '{name}' is not supported.")
        self._take("mark", "(")
        field = _stored(self._take("word")[1], self.entity)
        self._take("mark", ",")
        if field.kind not in ("code", "text"):
            raise self._syntax()
        value = _literal(field, *self._take("string"))
        self._take("mark", ")")
        column = field.name
        return Filter(lambda row: test(row[column], value), frozenset((column,)))

    def _comparison(self, name: str) -> Filter:
        field = _stored(name, self.entity)
        _, operator = self._take("word")
        compare = _COMPARE.get(operator)
        if compare is None:
            raise self._syntax()
        value = _literal(field, *self._take())
        if operator == "eq":
            return _equalities(name, (value,))
        return Filter(lambda row: compare(row[name], value), frozenset((name,)))
