"""Say what ShipStation's answers mean: its envelopes, and its many ways of saying no."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, TypeVar

from bcss.clock import http_date
from bcss.errors import InDoubt, RecordRefused, RetryLater, UpstreamError
from bcss.reply import Problem, Reply, Verdict, clean, explain_plainly
from bcss.shipstation.records import UnreadableRecord
from bcss.wire import NotJson, dumps

VENDOR: Final = "shipstation"
THROTTLED: Final = "throttled"
ENVELOPE: Final = "envelope"
_MAX_TOTAL: Final = 10**9
# ShipStation answers a refused order with 500 and a reason (shipstation.md §1.4 B); a genuine
# fault has a reason too, such as "Object reference not set to an instance of an object.".
_BUSINESS_REASON = re.compile(
    r"must be|must have|must not|is required|are required|is invalid|too long", re.IGNORECASE
)
_HINT_401 = (
    "Set shipstation.api_key and shipstation.api_secret again with `bcss auth set`; a key of the "
    "V2 API does not work here."
)

Raw = Mapping[str, Any]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list as it came, null rows included; `server_time` is in whole seconds."""

    rows: list[Any]
    total: int
    server_time: datetime | None


def explain(reply: Reply) -> Problem:
    """Read ShipStation's error bodies in all their dialects (shipstation.md §1.2, §1.4).

    Throttling counts as such whatever the status; a 500 that gives a business reason is a
    refusal, any other 500 is a fault.
    """
    problem = explain_plainly(reply)
    status, message = reply.status, problem.message.strip(" .").lower()
    if status == HTTPStatus.TOO_MANY_REQUESTS or message == "too many requests":
        return replace(problem, code=THROTTLED, verdict=Verdict.THROTTLED)
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Problem()
    if status == HTTPStatus.INTERNAL_SERVER_ERROR and _BUSINESS_REASON.search(problem.message):
        return replace(problem, verdict=Verdict.REFUSED)
    if status == HTTPStatus.UNAUTHORIZED:
        return replace(problem, hint=_HINT_401)
    return problem


def page_of(reply: Reply, resource: str) -> Page:
    """Read the envelope of a list; its `pages` is never looked at (shipstation.md §1.5)."""
    answer = object_of(reply, resource)
    if resource not in answer:
        raise envelope(resource)
    rows = answer[resource]
    if rows is None:
        rows = []
    if not isinstance(rows, list):
        raise envelope(resource)
    return Page(rows, _total(answer.get("total")), http_date(reply.headers.get("date", "")))


def _total(value: object) -> int:
    """Take the number of rows that the list claims; 0 where it makes no sense."""
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return value if 0 <= value < _MAX_TOTAL else 0


def json_of(reply: Reply, path: str) -> Any:
    """Read the body of an answer to a read."""
    try:
        return reply.json()
    except NotJson:
        raise envelope(path) from None


def object_of(reply: Reply, path: str) -> Mapping[str, Any]:
    """Read an answer that must be an object."""
    value = json_of(reply, path)
    if not isinstance(value, Mapping):
        raise envelope(path)
    return value


def record_of(read: Callable[[object], _T], row: object, path: str) -> _T:
    """Read a record that somebody asked for by itself."""
    try:
        return read(row)
    except UnreadableRecord as error:
        raise RecordRefused(
            f"ShipStation's answer to {path} cannot be read: {clean(error)}.",
            hint="Look at the record in ShipStation.",
            vendor=VENDOR,
            code="unreadable",
        ) from None


def body_of(value: Raw | list[Raw]) -> bytes:
    """Write a resource; raise RecordRefused when it is none that JSON can carry."""
    try:
        return dumps(value).encode()
    except ValueError as error:
        raise RecordRefused(
            f"The record cannot be sent to ShipStation: {clean(error)}.",
            hint="Correct it at its source.",
            vendor=VENDOR,
            code="unsendable",
        ) from None


def written(reply: Reply, path: str) -> Mapping[str, Any]:
    """Take the answer of a write; one that cannot be read leaves its effect unknown."""
    try:
        answer = reply.json()
    except NotJson:
        raise doubt(path, "the answer cannot be read") from None
    if not isinstance(answer, Mapping):
        raise doubt(path, "the answer is no object")
    return answer


def agreed(reply: Reply, path: str) -> None:
    """Accept an answer without body or with `success`; raise RecordRefused for `false`."""
    if not reply.body.strip():
        return
    answer = written(reply, path)
    # Some endpoints say it in text (shipstation.md §8.1).
    if str(answer.get("success", True)).lower() == "false":
        raise RecordRefused(
            f"ShipStation refused {path}: {clean(answer.get('message') or 'no reason given')}",
            hint="Correct the cause, then run `bcss replay`.",
            vendor=VENDOR,
            status=reply.status,
        )


def envelope(path: str) -> UpstreamError:
    """Make the error for an answer of the wrong shape."""
    return RetryLater(
        f"ShipStation answered {path} with something else than documented.",
        hint="The next run tries again; if it persists, run `bcss check`.",
        vendor=VENDOR,
        status=200,
        code=ENVELOPE,
    )


def doubt(path: str, problem: str) -> InDoubt:
    """Make the error for a write whose effect its answer does not tell."""
    return InDoubt(
        f"ShipStation answered {path}, but {clean(problem)}.",
        hint="The next run looks up whether it took effect before it tries again.",
        vendor=VENDOR,
        status=200,
    )
