"""Read single settings from text; each reader raises ValueError with what it expected.

Every scalar of the file arrives here as text, whatever YAML would have made of it, so that
amounts lose no digits, `NO` stays a country and `010` keeps its zero.
"""

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from bcss.config.schema import (
    MARKER_FIELDS,
    AccountTarget,
    CustomerRule,
    FixedCustomer,
    ItemTarget,
    MatchCustomer,
    SecretScheme,
    Target,
)
from bcss.money import parse_amount

_AMOUNT = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,10})?")
_DURATION = re.compile(r"([0-9]{1,7})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = timedelta(days=366)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_REFERENCE = re.compile(r"(keyring|env|file|command|credential):(.*)", re.DOTALL)
_REFERENCE_VALUE = {
    "keyring": re.compile(r"[A-Za-z0-9_.@-]{0,100}"),
    "env": re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}"),
    "file": re.compile(r"[^\x00-\x1f]{1,1000}"),
    "command": re.compile(r"[^\x00-\x1f]{1,1000}"),
    "credential": re.compile(r"[A-Za-z0-9_.@-]{1,100}"),
}
_SHOWN = 60
REFERENCE_HELP = (
    "expected a reference to a secret, not the secret itself: "
    '"keyring:", "env:NAME", "file:PATH", "command:PROGRAM ARGUMENTS" or "credential:NAME"'
)


def shown(value: object) -> str:
    """Quote a value of the file for a message, bounded and without control characters."""
    match value:
        case None:
            return "nothing"
        case str():
            cut = value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…"
            return json.dumps(
                "".join(c if c.isprintable() else "�" for c in cut), ensure_ascii=False
            )
        case Mapping():
            return "a section"
        case _:
            return "a list"


def expected(what: str, value: object) -> ValueError:
    """Build the error of a value that is something else than `what`."""
    return ValueError(f"expected {what}, got {shown(value)}")


def pattern(what: str, regex: str) -> Callable[[object], str]:
    """Make a reader of text that matches `regex` as a whole."""
    compiled = re.compile(regex)

    def read(value: object) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise expected(what, value)
        return value

    return read


def text_up_to(longest: int, what: str = "text") -> Callable[[object], str]:
    """Make a reader of printable text that is not blank and at most `longest` characters long."""

    def read(value: object) -> str:
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            raise expected(what, value)
        if len(value) > longest:
            raise expected(f"at most {longest} characters", value)
        return value

    return read


def whole(least: int, most: int) -> Callable[[object], int]:
    """Make a reader of whole numbers between two bounds, both included."""
    what = f"a whole number from {least} to {most}"

    def read(value: object) -> int:
        if not isinstance(value, str) or not re.fullmatch(r"0|[1-9][0-9]{0,17}", value):
            raise expected(what, value)
        number = int(value)
        if not least <= number <= most:
            raise expected(what, value)
        return number

    return read


def one_of(words: tuple[str, ...]) -> Callable[[object], str]:
    """Make a reader of one word out of a few."""
    what = " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise expected(what, value)
        return value

    return read


def amount(value: object) -> Decimal:
    """Read an amount that is not negative."""
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value) or value.startswith("-"):
        raise expected("an amount", value)
    return parse_amount(value)


def quantity(value: object) -> Decimal:
    """Read a quantity above zero."""
    if not isinstance(value, str) or not _AMOUNT.fullmatch(value) or not parse_amount(value) > 0:
        raise expected("a quantity above zero", value)
    return parse_amount(value)


def duration(value: object) -> timedelta:
    """Read a duration such as 20m, 36h, 7d or 0s."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise expected("a duration such as 20m, 36h or 7d", value)
    length = timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
    if length > _LONGEST:
        raise expected("a duration of at most 366d", value)
    return length


def day(value: object) -> date:
    """Read a date as YYYY-MM-DD."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise expected("a date such as 2026-12-01", value)
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise expected("a date of the calendar", value) from None


def zone(value: object) -> ZoneInfo:
    """Read an IANA time zone name."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_+/-]{1,63}", value):
        try:
            return ZoneInfo(value)
        except (ValueError, OSError, KeyError):
            pass
    raise expected("a time zone such as America/New_York", value)


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address can only be this very machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def url(value: object) -> str:
    """Read an https address; http is accepted for this very machine only."""
    if not isinstance(value, str) or not re.fullmatch(r"[!-~]{1,500}", value):
        raise expected("an https:// address", value)
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise expected("an https:// address", value) from None
    if parts.scheme not in {"http", "https"} or not host:
        raise expected("an https:// address", value)
    if "@" in parts.netloc or "?" in value or "#" in value:
        raise expected("an address without user, query and fragment", parts.scheme + "://…")
    if parts.scheme == "http" and not is_loopback(host):
        raise expected("https:// (http:// is for this very machine only)", value)
    return value.rstrip("/")


def listen(value: object) -> tuple[str, int]:
    """Read an address and port to listen on; an IPv6 address stands in brackets."""
    found = re.fullmatch(r"\[?([0-9A-Za-z.:-]{1,253}?)\]?:([0-9]{1,5})", str(value))
    if not isinstance(value, str) or found is None or not int(found[2]) < 65536:  # noqa: PLR2004
        raise expected("an address and port such as 127.0.0.1:8464", value)
    return found[1], int(found[2])


def marker(value: object) -> str:
    """Read the text of the marker line and check the names in braces."""
    text, rest = text_up_to(80)(value), str(value)
    for name in MARKER_FIELDS:
        rest = rest.replace(f"{{{name}}}", "")
    if "{" in rest or "}" in rest:
        names = " and ".join(f"{{{name}}}" for name in MARKER_FIELDS)
        raise expected(f"text with no other braces than {names}", value)
    return text


def secret(value: object) -> tuple[SecretScheme, str]:
    """Read a reference to a secret; the value is never repeated in a message."""
    found = _REFERENCE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(REFERENCE_HELP)
    scheme, rest = cast("SecretScheme", found[1]), found[2].strip()
    if not _REFERENCE_VALUE[scheme].fullmatch(rest):
        raise ValueError(f"what follows {scheme}: is not usable; {REFERENCE_HELP}")
    return scheme, rest


def code(longest: int) -> Callable[[object], str]:
    """Make a reader of a Business Central code or number."""
    return text_up_to(longest, "a code of Business Central")


def target(words: tuple[str, ...] = ()) -> Callable[[object], Target | str]:
    """Make a reader of `{account: NO}` or `{item: NO}`, or of one of a few words."""
    what = " or ".join(["{account: NUMBER}", "{item: NUMBER}", *words])

    def read(value: object) -> Target | str:
        if isinstance(value, str) and value in words:
            return value
        match _only_entry(value):
            case ("account", str() as number):
                return AccountTarget(code(20)(number))
            case ("item", str() as number):
                return ItemTarget(code(20)(number))
            case _:
                raise expected(what, value)

    return read


def _only_entry(value: object) -> tuple[str, Any] | None:
    if isinstance(value, Mapping) and len(value) == 1:
        return cast("tuple[str, Any]", next(iter(value.items())))
    return None


def customer(value: object) -> CustomerRule:
    """Read `{number: NO}` or `{match: …, otherwise: …}`."""
    what = "{number: NUMBER} or {match: email | username | phone, otherwise: hold | create | {number: NUMBER}}"
    if not isinstance(value, Mapping):
        raise expected(what, value)
    if set(value) == {"number"}:
        return FixedCustomer(code(20)(value["number"]))
    if "match" not in value or set(value) - {"match", "otherwise", "template"}:
        raise ValueError(f"expected {what}")
    by = one_of(("email", "username", "phone"))(value["match"])
    otherwise = _otherwise(value.get("otherwise", "hold"))
    if "template" not in value:
        return MatchCustomer(cast("Any", by), otherwise)
    if otherwise != "create":
        raise ValueError("a template goes with otherwise: create only")
    return MatchCustomer(cast("Any", by), otherwise, _template(value["template"]))


def _template(value: object) -> dict[str, str | bool | Decimal]:
    """Read what created customers get, by the names of API v2.0 (business-central.md §2.5)."""
    if not isinstance(value, Mapping):
        raise expected("a template of customer fields", value)
    found: dict[str, str | bool | Decimal] = {}
    for name, entry in value.items():
        reader = _TEMPLATE.get(name)
        if reader is None:
            raise ValueError(f"template.{name}: unknown; known here: {', '.join(_TEMPLATE)}")
        try:
            found[name] = reader(entry)
        except ValueError as problem:
            raise ValueError(f"template.{name}: {problem}") from None
    return found


def _otherwise(value: object) -> Any:
    match _only_entry(value):
        case ("number", str() as number):
            return FixedCustomer(code(20)(number))
        case _ if value in ("hold", "create"):
            return value
        case _:
            raise expected("otherwise: hold, create or {number: NUMBER}", value)


def truth(value: object) -> bool:
    """Read true or false."""
    return one_of(("true", "false"))(value) == "true"


_GUID = pattern("an id such as 0a1b2c3d-…", r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_TEMPLATE: Mapping[str, Callable[[object], str | bool | Decimal]] = {
    "type": one_of(("Company", "Person")),
    "salespersonCode": code(20),
    "taxLiable": truth,
    "taxAreaId": _GUID,
    "paymentTermsId": _GUID,
    "paymentMethodId": _GUID,
    "shipmentMethodId": _GUID,
    "creditLimit": amount,
}


def dimensions(value: object) -> Mapping[int, str]:
    """Read the values of the two shortcut dimensions by their number."""
    if not isinstance(value, Mapping) or set(value) - {"1", "2"}:
        raise expected("{1: CODE, 2: CODE}", value)
    return {int(number): code(20)(entry) for number, entry in value.items()}


def translations(longest: int) -> Callable[[object], Mapping[str, str]]:
    """Make a reader of a table from one text to another; case does not matter on the left."""

    def read(value: object) -> Mapping[str, str]:
        if not isinstance(value, Mapping):
            raise expected("a section such as {UK: GB}", value)
        left, right = text_up_to(100), text_up_to(longest)
        return {left(key).strip().upper(): right(entry) for key, entry in value.items()}

    return read
