"""Read request bodies property by property, as the service validates them (§2, common rules)."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from bcss.sandbox.businesscentral.entities import Entity, Field
from bcss.sandbox.businesscentral.errors import Refused, bad_request, read_only
from bcss.sandbox.businesscentral.rows import NO_DATE, NO_GUID, NO_TIME, ZERO
from bcss.sandbox.kit import loads

Properties = list[tuple[str, Any]]
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BLANKS: dict[str, Any] = {
    "guid": NO_GUID,
    "code": "",
    "text": "",
    "decimal": ZERO,
    "int": 0,
    "bool": False,
    "date": NO_DATE,
    "datetime": NO_TIME,
    "enum": "_x0020_",
}
_TEMPLATES: dict[str, dict[str, Any]] = {}


def blank(entity: Entity) -> dict[str, Any]:
    """Return every property of an entity at its empty value (§2: zero GUID, 0001-01-01, …)."""
    known = _TEMPLATES.get(entity.name)
    if known is None:
        known = {name: _BLANKS[field.kind] for name, field in entity.fields.items()}
        _TEMPLATES[entity.name] = known
    return dict(known)


def parse_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object, or refuse the body."""
    try:
        value = loads(body)
    except ValueError:
        raise bad_request("Invalid Request Body") from None
    if not isinstance(value, dict):
        raise bad_request("Invalid Request Body")
    return value


def read_properties(
    source: dict[str, Any],
    entity: Entity,
    *,
    order: str = "body",
    apart: Iterable[str] = (),
    writable: Iterable[str] = (),
) -> Properties:
    """Check and convert the properties of a body, in the order in which they are validated.

    Names in `apart` are left to the caller; those in `writable` may be written although their
    property is read-only. Annotations are ignored.
    """
    found: Properties = []
    for name, value in source.items():
        if name in apart or "@" in name:
            continue
        field = entity.fields.get(name)
        if field is None:
            raise bad_request(
                f"The property '{name}' does not exist on type "
                f"'Microsoft.NAV.{entity.singular}'. Make sure to only use property names that "
                "are defined by the type."
            )
        if not field.writable and name not in writable:
            raise read_only(name)
        found.append((name, convert(field, value)))
    if order == "metadata":
        found.sort(key=lambda one: entity.positions[one[0]])
    return found


def convert(field: Field, value: Any) -> Any:
    """Convert a JSON value to the field's type; the wrong type or too long a text is refused."""
    if value is None:
        return _BLANKS[field.kind]
    found = _CONVERTERS[field.kind](value)
    if found is None:
        raise bad_request(
            f"Unable to convert value '{str(value)[:60]}' of the property '{field.name}' "
            f"to {field.kind.capitalize()}."
        )
    if field.length and len(found) > field.length:
        raise Refused(
            400,
            "Application_StringExceededLength",
            f"The length of the string is {len(found)}, but it must be less than or equal to "
            f"{field.length} characters. Value: {found}",
        )
    return found


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _code(value: Any) -> str | None:
    return value.strip().upper() if isinstance(value, str) else None


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return Decimal(value)


def _int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _bool(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _guid(value: Any) -> str | None:
    """Accept a GUID only: an item number in itemId is an invalid body (§4.3)."""
    if isinstance(value, str) and _GUID.fullmatch(value):
        return value.lower()
    raise bad_request("Invalid Request Body")


def _date(value: Any) -> date | None:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def _datetime(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "guid": _guid,
    "code": _code,
    "text": _text,
    "decimal": _decimal,
    "int": _int,
    "bool": _bool,
    "date": _date,
    "datetime": _datetime,
    "enum": _text,
}
