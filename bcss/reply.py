"""Say what a vendor's answer means for what happens next; pure, and the same for both vendors."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Any

from bcss.clock import http_date
from bcss.errors import (
    InDoubt,
    RecordChanged,
    RecordMissing,
    RecordRefused,
    RetryLater,
    StopVendor,
    UpstreamError,
    UrlTooLong,
)
from bcss.wire import NotJson, parse

MAX_VENDOR_TEXT = 300
_WHOLE_TEXT = 1200  # what a vendor's own reader may look through before the message is cut
_COUNT = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_NOT_READ: Any = object()
_SECRET = re.compile(r"(?i)\b(bearer|basic)\s+(?=\S*[0-9=])[a-z0-9+/._~=-]{12,}")
_NAMES = {
    "bc": "Business Central",
    "business-central": "Business Central",
    "business_central": "Business Central",
    "businesscentral": "Business Central",
    "shipstation": "ShipStation",
    "shipstation_v2": "ShipStation V2",
    "entra": "Microsoft Entra",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read whole; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    _value: Any = field(default=_NOT_READ, init=False, repr=False, compare=False)

    def json(self) -> Any:
        """Read the body once, amounts as Decimal; raise NotJson."""
        if self._value is _NOT_READ:
            object.__setattr__(self, "_value", parse(self.body))
        return self._value


class Verdict(Enum):
    """What an answer means for the request that it answers."""

    FINE = auto()
    THROTTLED = auto()  # nothing happened; wait
    UNAVAILABLE = auto()  # a write may or may not have happened
    MOVED = auto()  # a redirect, which is never followed
    DENIED = auto()
    MISSING = auto()
    CHANGED = auto()
    TOO_LONG = auto()
    REFUSED = auto()


_BY_HUNDRED = {2: Verdict.FINE, 3: Verdict.MOVED, 4: Verdict.REFUSED, 5: Verdict.UNAVAILABLE}
_VERDICTS = {
    401: Verdict.DENIED,
    402: Verdict.DENIED,
    403: Verdict.DENIED,
    404: Verdict.MISSING,
    407: Verdict.DENIED,
    408: Verdict.UNAVAILABLE,
    409: Verdict.CHANGED,
    410: Verdict.MISSING,
    412: Verdict.CHANGED,
    413: Verdict.TOO_LONG,
    414: Verdict.TOO_LONG,
    429: Verdict.THROTTLED,
    431: Verdict.TOO_LONG,
    501: Verdict.REFUSED,
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What a vendor's error body says; `verdict` overrules the one of the status."""

    message: str = ""
    code: str = ""
    request_id: str = ""
    hint: str = ""
    verdict: Verdict | None = None


# Reads a vendor's error body. It is called for every answer that is not 2xx and for short 2xx
# bodies, and must not raise.
Explain = Callable[[Reply], Problem]


def vendor_name(vendor: str) -> str:
    """Return the name a person knows a vendor by."""
    return _NAMES.get(vendor, vendor)


def clean(text: object, limit: int = MAX_VENDOR_TEXT) -> str:
    """Make a vendor's text fit for a message: one line, bounded, without control characters."""
    raw = str(text)[: limit * 4]
    if not raw.isprintable():
        raw = "".join(char if char.isprintable() else " " for char in raw)
    line = " ".join(_SECRET.sub(r"\1 …", raw).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def verdict_of(status: int) -> Verdict:
    """Map a status alone (reliability.md §2.7)."""
    known = _VERDICTS.get(status)
    return known or _BY_HUNDRED.get(status // 100, Verdict.UNAVAILABLE)


def explain_plainly(reply: Reply) -> Problem:
    """Read the error bodies that either vendor is known to send, and anything else.

    JSON members are matched without regard to case; XML and HTML survive (business-central.md
    §1.4, §4.10; shipstation.md §1.4). A stack trace is never looked at.
    """
    request_id = reply.headers.get("request-id", "") or reply.headers.get("ms-correlation-x", "")
    try:
        value = reply.json()
    except NotJson:
        message, code = _from_text(reply.body)
        return Problem(message, code, clean(request_id, 80))
    members = _lowered(value)
    inner = _lowered(members.get("error"))
    source = inner or members
    text = source.get("exceptionmessage") or _model_state(source) or source.get("message") or ""
    return Problem(
        clean(text, _WHOLE_TEXT), clean(source.get("code") or "", 80), clean(request_id, 80)
    )


def error_of(
    reply: Reply,
    problem: Problem,
    *,
    vendor: str,
    what: str,
    write: bool,
    retry_after: float | None = None,
) -> UpstreamError:
    """Build the error that an answer stands for."""
    verdict = problem.verdict or verdict_of(reply.status)
    code = f" {problem.code}" if problem.code else ""
    text = f": {clean(problem.message)}" if problem.message else "."
    said = f"{vendor_name(vendor)} answered {reply.status}{code} to {what}{text}"
    facts: dict[str, Any] = {
        "vendor": vendor,
        "status": reply.status,
        "code": problem.code,
        "request_id": problem.request_id,
        "hint": problem.hint or _hint(verdict, reply.status, vendor, write=write),
    }
    match verdict:
        case Verdict.UNAVAILABLE | Verdict.FINE if write:
            return InDoubt(said, **facts)
        case Verdict.THROTTLED | Verdict.UNAVAILABLE | Verdict.FINE | Verdict.MOVED:
            return RetryLater(said, retry_after=retry_after, **facts)
        case Verdict.DENIED:
            return StopVendor(said, **facts)
        case _:
            return _RECORD_ERRORS[verdict](said, **facts)


def unreachable(vendor: str, reason: object) -> RetryLater:
    """Build the error for a request of which no byte has left."""
    return RetryLater(
        f"{vendor_name(vendor)} cannot be reached: {clean(reason)}.",
        hint="Nothing was sent; check the network, then the next run tries again.",
        vendor=vendor,
    )


def broken(vendor: str, what: str, reason: object, *, write: bool) -> UpstreamError:
    """Build the error for an exchange that ended without a whole answer."""
    said = f"{vendor_name(vendor)} did not answer {what} properly: {clean(reason)}."
    hint = _hint(Verdict.UNAVAILABLE, 0, vendor, write=write)
    kind = InDoubt if write else RetryLater
    return kind(said, hint=hint, vendor=vendor)


def too_large(vendor: str, what: str, reason: object) -> UrlTooLong:
    """Build the error for a read whose answer exceeds its bound."""
    return UrlTooLong(
        f"{vendor_name(vendor)} answered {what} at too great a length: {clean(reason)}.",
        hint=_HINTS[Verdict.TOO_LONG],
        vendor=vendor,
    )


def wait_asked(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds a vendor asks us to wait: Retry-After, else X-Rate-Limit-Reset."""
    for name in ("retry-after", "x-rate-limit-reset"):
        seconds = _seconds(headers.get(name, ""), now)
        if seconds is not None:
            return seconds
    return None


def _seconds(text: str, now: datetime) -> float | None:
    text = text.strip()
    if _COUNT.fullmatch(text):
        return float(text)
    instant = http_date(text) if text else None
    return max(0.0, (instant - now).total_seconds()) if instant else None


def _lowered(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    return {str(key).lower(): member for key, member in value.items()}


def _model_state(members: Mapping[str, Any]) -> str:
    state = members.get("modelstate")
    if not isinstance(state, dict):
        return ""
    texts = [
        f"{key}: {text}"
        for key, value in list(state.items())[:5]
        for text in (value if isinstance(value, list) else [value])[:3]
    ]
    return "; ".join(texts)


def _from_text(body: bytes) -> tuple[str, str]:
    """Take message and code out of XML, HTML or plain text."""
    text = body[:4000].decode("utf-8", "replace")
    message = re.search(r"<message[^>]*>([^<]*)<", text, re.IGNORECASE)
    code = re.search(r"<code[^>]*>([^<]*)<", text, re.IGNORECASE)
    if message:
        return clean(message[1], _WHOLE_TEXT), clean(code[1], 80) if code else ""
    if "<html" in text.lower() or "<!doctype" in text.lower():
        title = re.search(r"<title[^>]*>([^<]*)<", text, re.IGNORECASE)
        return (
            f"an HTML page{': ' + clean(title[1], 100) if title and title[1].strip() else ''}",
            "",
        )
    return clean(text, 200), ""


def _hint(verdict: Verdict, status: int, vendor: str, *, write: bool) -> str:
    if status in _STATUS_HINTS:
        return _STATUS_HINTS[status].format(vendor=vendor_name(vendor))
    if write and verdict in (Verdict.UNAVAILABLE, Verdict.FINE):
        return "The next run looks up whether it took effect before it tries again."
    return _HINTS[verdict]


_RECORD_ERRORS: dict[Verdict, type[RecordRefused]] = {
    Verdict.MISSING: RecordMissing,
    Verdict.CHANGED: RecordChanged,
    Verdict.TOO_LONG: UrlTooLong,
    Verdict.REFUSED: RecordRefused,
}
_STATUS_HINTS = {
    402: "The {vendor} plan does not include the API; ask the account owner.",
    407: "The proxy wants a login; check HTTPS_PROXY.",
}
_HINTS = {
    Verdict.FINE: "The next run tries again.",
    Verdict.THROTTLED: "Nothing is wrong; the next run continues.",
    Verdict.UNAVAILABLE: "The next run tries again.",
    Verdict.MOVED: "Redirects are never followed; check the configured address and any proxy.",
    Verdict.DENIED: "Run `bcss check`; it names the credential or permission that is missing.",
    Verdict.MISSING: "It may have been deleted; see `bcss why`.",
    Verdict.CHANGED: "Somebody changed it meanwhile; the next run reads it again.",
    Verdict.TOO_LONG: "Fewer records are asked for at once.",
    Verdict.REFUSED: "Correct the cause, then run `bcss replay`.",
}
