"""Read and write JSON without floats, within bounds."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

MAX_DEPTH = 40
_MAX_DIGITS = 40

Json = dict[str, Any]


class NotJson(ValueError):
    """The text is not JSON that we accept."""


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise NotJson("a number with too many digits")
    return int(text)


def _decimal(text: str) -> Decimal:
    if len(text) > _MAX_DIGITS:
        raise NotJson("a number with too many digits")
    return Decimal(text)


def _refuse(text: str) -> None:
    raise NotJson(f"{text} is not a number")


def parse(text: str | bytes) -> Any:
    """Read JSON with amounts as Decimal; raise NotJson for anything else.

    NaN, Infinity, absurdly long numbers and absurd nesting are refused.
    """
    try:
        return json.loads(text, parse_float=_decimal, parse_int=_integer, parse_constant=_refuse)
    except NotJson:
        raise
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error)) from None


def parse_object(text: str | bytes) -> Json:
    """Read a JSON object; raise NotJson for anything else."""
    value = parse(text)
    if not isinstance(value, dict):
        raise NotJson("not a JSON object")
    return value


def _plain(value: Any) -> Any:
    """Turn Decimals into numbers that print exactly, and refuse those that would not."""
    match value:
        case Decimal():
            if value == value.to_integral_value() and abs(value) < 10**15:
                return int(value)
            number = float(value)
            if Decimal(repr(number)) != value:
                raise ValueError(f"{value} does not survive as a JSON number")
            return number
        case dict():
            return {key: _plain(member) for key, member in value.items()}
        case list() | tuple():
            return [_plain(member) for member in value]
        case _:
            return value


def dumps(value: Mapping[str, Any] | list[Any], *, sort: bool = False) -> str:
    """Write compact JSON; Decimals become numbers with the same digits or ValueError."""
    return json.dumps(
        _plain(value), ensure_ascii=False, separators=(",", ":"), sort_keys=sort, allow_nan=False
    )


def canonical(value: Mapping[str, Any] | list[Any]) -> bytes:
    """Write JSON for hashing: sorted keys, no blanks, Decimals as plain strings."""
    return json.dumps(
        value,
        ensure_ascii=False,
        separators=(",", ":"),
        sort_keys=True,
        allow_nan=False,
        default=_canonical_member,
    ).encode("utf-8", "surrogatepass")


def _canonical_member(value: object) -> str:
    if isinstance(value, Decimal):
        normal = value.normalize()
        return f"{normal:f}" if normal else "0"
    raise TypeError(f"{type(value).__name__} has no canonical form")
