"""Ask ShipStation V2 for labels: tracking URL, cost and PDF (shipstation.md §12).

V1 shipment N is V2's label `se-N` (§12.2). What an answer says is only shown to people, but for
one address, from which a file is fetched: that one is checked part by part, and no credential
is ever sent there.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from bcss.clock import iso, parse_utc
from bcss.errors import RecordRefused, RetryLater, StopVendor, UpstreamError
from bcss.money import parse_amount
from bcss.reply import Problem, Reply, Verdict, clean, explain_plainly
from bcss.request import target_of
from bcss.shipstation.answers import THROTTLED, envelope, object_of
from bcss.shipstation.client import Session
from bcss.shipstation.records import Label
from bcss.wire import NotJson

VENDOR: Final = "shipstation_v2"
PER_MINUTE: Final = 200  # shipstation.md §12.1
MAX_FILE: Final = 5 * 1024 * 1024
PAGE_SIZE: Final = 100
_LABELS = "v2/labels"
_LABEL_ID = re.compile(r"se-([0-9]{1,18})")
# The hosts of the vendor's documentation and of recorded answers; addresses are public there.
_FILE_HOSTS = frozenset({"api.shipstation.com", "api.shipengine.com"})
_FILE_URL = re.compile(
    r"(?P<origin>https?://[A-Za-z0-9.-]{1,100}(?::[0-9]{1,5})?)/v[12]/downloads/"
    r"[A-Za-z0-9_~-][A-Za-z0-9._~/-]{0,300}"
)
_SHOWN_URL = re.compile(
    r"https?://[A-Za-z0-9.-]{1,100}(:[0-9]{1,5})?([/?][A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]{0,400})?"
)
_FINEST = -4  # decimals of a cost
_PLAN_CODES = ("invalid_billing_plan", "subscription_inactive", "trial_expired")
_HINT_401 = (
    "Set it again with `bcss auth set shipstation.v2_api_key`; a V1 key does not work here. "
    "Booking goes on without label details."
)
_HINT_PLAN = "The account's plan must include the V2 API; booking goes on without label details."


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of labels by id; `reached` is when its last label was made."""

    labels: Mapping[int, Label]
    reached: datetime | None
    last: bool


class LabelClient:
    """The labels of one account.

    `files` opens a session to an origin that carries no credential and takes no more than
    MAX_FILE bytes. Every method raises what the session raises: RetryLater, StopVendor and
    RecordRefused with its kin.
    """

    def __init__(self, session: Session, base_url: str, files: Callable[[str], Session]) -> None:
        session.explain = explain
        self._session = session
        self._base_url = base_url
        self._files = files

    def count(self) -> int:
        """Return how many labels the account shows, which also proves the key."""
        total = self._list([("page_size", "1")]).get("total")
        return total if isinstance(total, int) and not isinstance(total, bool) else 0

    def made_between(self, since: datetime, until: datetime) -> Iterator[Listed]:
        """Read the labels made in a window, oldest first, page by page; the caller may stop."""
        bounds = [("created_at_start", iso(since)), ("created_at_end", iso(until))]
        order = [("sort_by", "created_at"), ("sort_dir", "asc"), ("page_size", str(PAGE_SIZE))]
        number = 1
        while True:
            page = self._listed([*bounds, *order, ("page", str(number))], number)
            yield page
            if page.last:
                return
            number += 1

    def label(self, shipment_id: int) -> Label | None:
        """Read the label of one V1 shipment; None when V2 has no finished one."""
        path = f"{_LABELS}/se-{int(shipment_id)}"
        try:
            row = object_of(self._session.get(path), path)
        except RecordRefused:  # 404, or 400 for a number that V2 never had
            return None
        found = read_label(row, self._base_url)
        return found if found is not None and found.shipment_id == shipment_id else None

    def pdf(self, url: str) -> bytes:
        """Fetch a label's file; raise RecordRefused for whatever is not a PDF within bounds."""
        origin = file_origin(url, self._base_url)
        if origin is None:
            raise _no_file("its address is not one of ShipStation's")
        try:
            reply = self._files(origin).get(
                target_of(url, origin) or "", headers={"accept": "application/pdf"}
            )
        except UpstreamError as error:
            if isinstance(error, StopVendor) or _is_redirect(error):
                raise _no_file(f"its address answered {error.status}") from None
            raise
        if not reply.body.startswith(b"%PDF") or len(reply.body) > MAX_FILE:
            raise _no_file("what came is not a PDF")
        return reply.body

    def _listed(self, query: Sequence[tuple[str, str]], number: int) -> Listed:
        answer = self._list(query)
        rows = answer.get("labels")
        if not isinstance(rows, list):
            raise envelope(_LABELS)
        found = [read_label(row, self._base_url) for row in rows]
        pages = answer.get("pages")
        more = number < pages if isinstance(pages, int) else len(rows) >= PAGE_SIZE
        return Listed(
            {one.shipment_id: one for one in found if one is not None},
            _made_at(rows[-1]) if rows else None,
            not rows or not more,
        )

    def _list(self, query: Sequence[tuple[str, str]]) -> Mapping[str, Any]:
        """Ask for a list; that it is refused is no order's fault, and ends nothing for good."""
        try:
            return object_of(self._session.get(_LABELS, query=query), _LABELS)
        except RecordRefused as refusal:
            raise RetryLater(
                refusal.message,
                hint="The next run asks again; booking goes on without label details.",
                vendor=VENDOR,
                status=refusal.status,
                code=refusal.code,
            ) from None


def read_label(row: object, base_url: str) -> Label | None:
    """Read one label; None where it has no number of V1's or is not finished.

    Whatever else is not as documented is left out, since nothing depends on it.
    """
    if not isinstance(row, Mapping) or row.get("status") in ("processing", "error"):
        return None
    identity = row.get("label_id")
    found = _LABEL_ID.fullmatch(identity) if isinstance(identity, str) else None
    if found is None:
        return None
    cost, currency = _money(row.get("shipment_cost"))
    return Label(
        shipment_id=int(found[1]),
        tracking_url=_address(row.get("tracking_url")),
        cost=cost,
        currency=currency,
        voided=row.get("voided") is True or row.get("status") == "voided",
        pdf_url=_pdf_url(row.get("label_download"), base_url),
    )


def file_origin(url: str, base_url: str) -> str | None:
    """Return the origin of a file's address; None unless it is one we may fetch from.

    That is the configured host, or over https one of the vendor's own, and there the path of
    downloads: no user information, no query, no step upwards, no other port.
    """
    found = _FILE_URL.fullmatch(url)
    if found is None or ".." in url:
        return None
    origin = found["origin"].lower()
    parts = urlsplit(base_url.lower())
    if origin == f"{parts.scheme}://{parts.netloc}":
        return origin
    host = origin.removeprefix("https://")
    return origin if host in _FILE_HOSTS else None


def explain(reply: Reply) -> Problem:
    """Read V2's error envelope (shipstation.md §12.1)."""
    if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
        return Problem()
    problem = _enveloped(reply)
    if reply.status == HTTPStatus.TOO_MANY_REQUESTS or problem.code == "rate_limit_exceeded":
        return replace(problem, code=THROTTLED, verdict=Verdict.THROTTLED)
    if problem.code in _PLAN_CODES:
        return replace(problem, verdict=Verdict.DENIED, hint=_HINT_PLAN)
    if reply.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        text = f"shipstation.v2_api_key is refused: {problem.message or 'no reason given'}"
        return replace(problem, message=text, hint=_HINT_401)
    return problem


def _enveloped(reply: Reply) -> Problem:
    try:
        answer = reply.json()
    except NotJson:
        return explain_plainly(reply)
    errors = answer.get("errors") if isinstance(answer, Mapping) else None
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, Mapping):
        return explain_plainly(reply)
    return Problem(
        clean(first.get("message") or ""),
        clean(first.get("error_code") or "", 80),
        clean(answer.get("request_id") or "", 80),
    )


def _money(value: object) -> tuple[Decimal | None, str]:
    """Read `{currency, amount}`; amounts are never negative and have at most four decimals."""
    if not isinstance(value, Mapping):
        return None, ""
    currency = value.get("currency")
    if not isinstance(currency, str) or not re.fullmatch(r"[A-Za-z]{3}", currency):
        return None, ""
    try:
        amount = parse_amount(value.get("amount"))
    except ValueError:
        return None, ""
    exponent = amount.normalize().as_tuple().exponent
    if amount < 0 or not isinstance(exponent, int) or exponent < _FINEST:
        return None, ""
    return amount, currency.upper()


def _address(value: object) -> str:
    """Take an address that is only ever shown, when it is plainly one."""
    return value if isinstance(value, str) and _SHOWN_URL.fullmatch(value) else ""


def _pdf_url(value: object, base_url: str) -> str:
    if not isinstance(value, Mapping):
        return ""
    for member in ("pdf", "href"):
        url = value.get(member)
        if isinstance(url, str):
            return url if file_origin(url, base_url) else ""
    return ""


def _made_at(row: object) -> datetime | None:
    text = row.get("created_at") if isinstance(row, Mapping) else None
    try:
        return parse_utc(text) if isinstance(text, str) else None
    except (ValueError, OverflowError):
        return None


def _is_redirect(error: UpstreamError) -> bool:
    status = error.status or 0
    return HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST


def _no_file(reason: str) -> RecordRefused:
    return RecordRefused(
        f"The label's PDF was not taken: {reason}.",
        hint="Open the label in ShipStation.",
        vendor=VENDOR,
        code="no-file",
    )
