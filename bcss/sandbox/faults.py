"""Make calls fail in the ways reliability.md lists: before, after, late, torn, stale or hidden.

A rule is an object with

- what it matches: `vendor` ("bc" or "shipstation"), `method`, `path` and `body` (regular
  expressions that are searched), `in_flight` (more calls than this at once)
- how often: `nth` (the n-th matching call only), `every` (each n-th), `times` (how often at most;
  0 is always, the default of lag, hide, shuffle, url_limit, `every` and `in_flight`; else 1)
- what happens, `do`:

| do | effect |
|---|---|
| reject | nothing happens; `status` (503) with `content` |
| drop | it happens; the connection is closed without an answer |
| late | the connection is closed now; it happens `after` seconds later on the sandbox's clock, or when the control endpoint says so |
| error_after | it happens; then `status` (500) with `content` |
| truncate | it happens; half the answer comes, cut in mid-air with `cut` |
| html | 200 with an HTML page; it happens unless `effect` is false |
| throttle | nothing happens; 429 with `retry_after` and `reset_header` in seconds where given |
| lag | a read without `Data-Access-Intent: ReadWrite` sees what was true `seconds` ago |
| hide | rows whose `field` matches `match` are left out of lists |
| url_limit | an address longer than `limit` characters is refused with `status` (414) |
| delay | the answer waits `seconds` of real time, half of it after the effect |
| shuffle | lists come in another order |
"""

import random
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any, Literal

from bcss.sandbox.kit import Request, Response, dumps, json_response, loads

Vendor = Literal["bc", "shipstation"]
KINDS = (
    "reject",
    "drop",
    "late",
    "error_after",
    "truncate",
    "html",
    "throttle",
    "lag",
    "hide",
    "url_limit",
    "delay",
    "shuffle",
)
_ALWAYS = ("lag", "hide", "url_limit", "shuffle")
HTML = (
    b"<!DOCTYPE html><html><head><title>Service unavailable</title></head>"
    b"<body><h1>Our services are not available right now</h1></body></html>"
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as it was given; see the module for the meaning of each member."""

    do: str
    vendor: str = ""
    method: str = ""
    path: str = ""
    body: str = ""
    in_flight: int = 0
    nth: int = 0
    every: int = 0
    times: int = -1
    status: int = 0
    content: str = ""
    after: float | None = None
    cut: bool = False
    effect: bool = True
    retry_after: int | None = None
    reset_header: int | None = None
    seconds: float = 0
    field: str = ""
    match: str = ""
    limit: int = 0


_NAMES = {one.name for one in fields(Rule)}


def read_rule(given: Mapping[str, Any]) -> Rule:
    """Read a rule; raise ValueError for what is not understood."""
    unknown = set(given) - _NAMES
    if unknown:
        raise ValueError(f"faults: unknown members {', '.join(sorted(unknown))}")
    if given.get("do") not in KINDS:
        raise ValueError(f"faults: do: expected one of {', '.join(KINDS)}")
    if given.get("vendor", "") not in ("", "bc", "shipstation"):
        raise ValueError("faults: vendor: expected bc or shipstation")
    rule = Rule(**given)
    for pattern in (rule.path, rule.body, rule.match):
        re.compile(pattern)
    if rule.times < 0:
        always = rule.do in _ALWAYS or rule.every or rule.in_flight
        return replace(rule, times=0 if always else 1)
    return rule


@dataclass(slots=True)
class _Counted:
    rule: Rule
    matched: int = 0
    fired: int = 0


class Faults:
    """The rules in force, safe to change while calls are made.

    `listener` is told of each new rule.
    """

    def __init__(self, listener: Callable[[Rule], None] | None = None) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Counted] = []
        self._listener = listener

    def __bool__(self) -> bool:
        return bool(self._rules)

    @property
    def rules(self) -> list[dict[str, Any]]:
        """Return the rules with how often each matched and fired."""
        with self._lock:
            return [
                {**asdict(one.rule), "matched": one.matched, "fired": one.fired}
                for one in self._rules
            ]

    def add(self, *given: Mapping[str, Any]) -> None:
        """Add rules; raise ValueError for what is not understood."""
        rules = [read_rule(one) for one in given]
        with self._lock:
            self._rules.extend(_Counted(rule) for rule in rules)
        for rule in rules:
            if self._listener is not None:
                self._listener(rule)

    def clear(self) -> None:
        """Drop all rules."""
        with self._lock:
            self._rules.clear()

    def fire(self, vendor: str, request: Request, in_flight: int) -> list[Rule]:
        """Count a call and return the rules that fire on it."""
        with self._lock:
            return [
                one.rule
                for one in self._rules
                if _matches(one.rule, vendor, request, in_flight) and _due(one)
            ]


def _matches(rule: Rule, vendor: str, request: Request, in_flight: int) -> bool:
    if rule.vendor not in ("", vendor) or rule.method not in ("", request.method):
        return False
    if rule.in_flight and in_flight <= rule.in_flight:
        return False
    if rule.do == "url_limit" and len(address(request)) <= rule.limit:
        return False
    if rule.do == "lag" and (
        request.method != "GET"
        or request.headers.get("data-access-intent", "").lower() == "readwrite"
    ):
        return False
    if rule.path and not re.search(rule.path, request.path):
        return False
    return not rule.body or bool(re.search(rule.body, request.body.decode("utf-8", "replace")))


def _due(one: _Counted) -> bool:
    one.matched += 1
    rule = one.rule
    if rule.times and one.fired >= rule.times:
        return False
    if rule.nth and one.matched != rule.nth:
        return False
    if rule.every and one.matched % rule.every:
        return False
    one.fired += 1
    return True


def address(request: Request) -> str:
    """Return path and query as they stood in the request line."""
    return f"{request.path}?{request.query}" if request.query else request.path


def instead(rules: Iterable[Rule], vendor: str) -> Response | None:
    """Return the answer of a rule that keeps the call from happening, if one fired."""
    for rule in rules:
        match rule.do:
            case "reject":
                return _failure(rule, rule.status or 503)
            case "url_limit":
                return _failure(rule, rule.status or 414)
            case "throttle":
                return _throttled(rule, vendor)
            case "html" if not rule.effect:
                return Response(200, {"content-type": "text/html"}, HTML)
            case _:
                pass
    return None


def _failure(rule: Rule, status: int) -> Response:
    if not rule.content:
        return Response(status, {"content-type": "text/html"}, HTML)
    kind = "application/json" if rule.content[:1] in "{[" else "text/html"
    return Response(status, {"content-type": kind}, rule.content.encode())


def _throttled(rule: Rule, vendor: str) -> Response:
    """Refuse for too many calls, in the vendor's words (business-central.md §6, shipstation.md §1.2)."""
    headers = {}
    if rule.retry_after is not None:
        headers["retry-after"] = str(rule.retry_after)
    if rule.reset_header is not None:
        headers["x-rate-limit-remaining"] = "0"
        headers["x-rate-limit-reset"] = str(rule.reset_header)
    text = "Too many requests reached. Actual (101). Maximum (100)."
    body: dict[str, Any] = {"error": {"code": "Application_TooManyRequests", "message": text}}
    if vendor == "shipstation":
        body = {"message": "Too Many Requests"}
    return json_response(rule.status or 429, body, headers)


def altered(request: Request, rules: Iterable[Rule]) -> Request:
    """Return the request with what the imitation must know of the rules."""
    for rule in rules:
        if rule.do == "lag":
            headers = {**request.headers, "x-sandbox-lag": str(rule.seconds)}
            request = replace(request, headers=headers)
    return request


def spoiled(response: Response, rules: Iterable[Rule]) -> Response:
    """Return the answer as the rules leave it after the effect."""
    for rule in rules:
        match rule.do:
            case "hide":
                response = _relisted(response, partial(_hidden, rule))
            case "shuffle":
                response = _relisted(response, _shuffled)
            case "truncate":
                response = _halved(response, rule)
            case "error_after":
                response = _failure(rule, rule.status or 500)
            case "html":
                response = Response(200, {"content-type": "text/html"}, HTML)
            case _:
                pass
    return response


def _halved(response: Response, rule: Rule) -> Response:
    half = response.body[: len(response.body) // 2]
    if not rule.cut:
        return replace(response, body=half)
    headers = {**response.headers, "content-length": str(len(response.body))}
    return replace(response, headers=headers, body=half)


def _hidden(rule: Rule, rows: list[Any]) -> list[Any]:
    return [
        row
        for row in rows
        if not (isinstance(row, dict) and re.search(rule.match, str(row.get(rule.field, ""))))
    ]


def _shuffled(rows: list[Any]) -> list[Any]:
    mixed = list(rows)
    random.Random(len(rows)).shuffle(mixed)  # noqa: S311 - an order, not a secret
    return mixed


def _relisted(response: Response, change: Callable[[list[Any]], list[Any]]) -> Response:
    """Change the lists at the top of a JSON answer, and BC's count with them."""
    try:
        body = loads(response.body)
    except ValueError:
        return response
    if isinstance(body, list):
        return replace(response, body=dumps(change(body)).encode())
    if not isinstance(body, dict):
        return response
    for name, value in body.items():
        if isinstance(value, list):
            body[name] = change(value)
            if "@odata.count" in body:
                body["@odata.count"] -= len(value) - len(body[name])
    return replace(response, body=dumps(body).encode())
