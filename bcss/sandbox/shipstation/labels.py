"""Imitate the labels of ShipStation V2 (shipstation.md §12): list, one by id, and their files."""

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from bcss.sandbox.kit import Request, Response, json_response
from bcss.sandbox.shipstation import times
from bcss.sandbox.shipstation.account import Account
from bcss.sandbox.shipstation.settings import RateLimit
from bcss.sandbox.shipstation.tables import Row
from bcss.sandbox.shipstation.templates import Body

PREFIX = "/v2/"
# Counts one call of a key: whether it is let through, and the headers of its answer.
Take = Callable[[str, datetime, RateLimit], tuple[bool, dict[str, str]]]
_LABEL = re.compile(r"/v2/labels/(?:se-)?([0-9]{1,18})")
_FILE = re.compile(r"/v2/downloads/[0-9]+/([A-Za-z0-9_-]+)/label-([0-9]{1,18})\.pdf")
_DEFAULT_PAGE = 25
# The largest page is documented for products only (§12.1, §12.3); labels may be no better.
_MAX_PAGE = 100
# Filters that V2 knows (§12.4); those without effect here are `None`.
_FILTERS: dict[str, Callable[[Body, str], bool] | None] = {
    "label_status": lambda label, value: label["status"] == value,
    "service_code": lambda label, value: label["service_code"] == value,
    "carrier_id": None,
    "tracking_number": lambda label, value: label["tracking_number"] == value,
    "batch_id": lambda label, value: label["batch_id"] == value,
    "rate_id": None,
    "shipment_id": lambda label, value: label["shipment_id"] == value,
    "warehouse_id": None,
    "created_at_start": lambda label, value: _instant(label["created_at"]) >= _instant(value),
    "created_at_end": lambda label, value: _instant(label["created_at"]) <= _instant(value),
}
_PAGING = ("page", "page_size", "sort_by", "sort_dir")


class _Refused(Exception):
    """A request that ends with an error answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(str(response.status))
        self.response = response


def handle(account: Account, take: Take, request: Request) -> Response:
    """Answer one request to V2.

    A label's files are at public addresses; everything else wants the header API-Key, whose
    keys are not V1's, and counts 200 a minute (§12.1).
    """
    found = _FILE.fullmatch(request.path)
    if found is not None and request.method == "GET":
        return _file(account, found[1], int(found[2]))
    key = request.headers.get("api-key", "")
    if key not in account.v2.keys:
        return _error(401, "security", "unauthorized", "The API key is invalid.")
    allowed, headers = take(f"v2 {key}", account.now(), account.v2.rate_limit)
    if not allowed:
        text = "You have exceeded the rate limit."
        return _error(429, "system", "rate_limit_exceeded", text, headers)
    if account.switches.refuse:
        status, text = account.switches.refuse, "The plan does not include this."
        return _error(status, "account_status", "invalid_billing_plan", text)
    try:
        return _route(account, request)
    except _Refused as refusal:
        return refusal.response


def _route(account: Account, request: Request) -> Response:
    path = request.path.rstrip("/")
    one = _LABEL.fullmatch(path)
    if one is None and path != "/v2/labels":
        return _error(404, "business_rules", "unspecified", "There is no such resource.")
    if request.method != "GET":
        return _error(405, "business_rules", "unspecified", "The method is not allowed.")
    base = f"http://{request.headers.get('host', 'localhost')}"
    if one is None:
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        return _list(account, query, base)
    row = account.shipments.rows.get(int(one[1]))
    if row is None or row.identity in account.v2.absent:
        return _error(404, "validation", "invalid_identifier", "Label not found.")
    return json_response(200, _shown(account, row, base))


def _list(account: Account, query: Mapping[str, str], base: str) -> Response:
    """Answer one page, the newest label first unless asked otherwise (§12.4)."""
    for name in query:
        if name not in _FILTERS and name not in _PAGING:
            raise _invalid(name, f"The parameter {name} is not known.")
    labels = [
        _label(row, base)
        for row in account.shipments.rows.values()
        if row.identity not in account.v2.absent
    ]
    for name, value in query.items():
        test = _FILTERS.get(name)
        if test is not None:
            labels = [label for label in labels if _tested(test, label, name, value)]
    sort, direction = query.get("sort_by", "created_at"), query.get("sort_dir", "desc")
    if sort not in ("created_at", "modified_at") or direction not in ("asc", "desc"):
        raise _invalid("sort_by", "The list cannot be sorted so.")
    labels.sort(key=lambda one: (one["created_at"], one["label_id"]), reverse=direction == "desc")
    number = _whole(query, "page", 1)
    size = min(_MAX_PAGE, _whole(query, "page_size", _DEFAULT_PAGE))
    shown = labels[(number - 1) * size : number * size]
    overlays = account.v2.overlays
    body = {
        "labels": [{**one, **overlays.get(one["label_id"][3:], {})} for one in shown],
        "total": len(labels),
        "page": number,
        "pages": math.ceil(len(labels) / size),
        "links": {"first": {"href": f"{base}/v2/labels?page=1"}, "next": {}, "prev": {}},
    }
    return json_response(200, body)


def _shown(account: Account, row: Row, base: str) -> Body:
    return {**_label(row, base), **account.v2.overlays.get(str(row.identity), {})}


def _label(row: Row, base: str) -> Body:
    """Show a V1 shipment as V2 does: `se-` before its ids, UTC, amounts as objects (§12.2)."""
    body = row.body
    voided = bool(body["voided"])
    pdf = f"{base}/v2/downloads/6/{_token(row.identity)}/label-{row.identity}.pdf"
    order = None if body["orderId"] is None else f"se-{body['orderId']}"
    number = body["trackingNumber"]
    return {
        "label_id": f"se-{row.identity}",
        "status": "voided" if voided else "completed",
        "shipment_id": order,
        "external_shipment_id": body["orderKey"],
        "ship_date": f"{body['shipDate']}T00:00:00Z",
        "created_at": _utc(body["createDate"]),
        "shipment_cost": {"currency": "usd", "amount": body["shipmentCost"]},
        "insurance_cost": {"currency": "usd", "amount": body["insuranceCost"]},
        "tracking_number": number,
        "tracking_url": f"https://track.example.com/?number={number}",
        "is_return_label": bool(body["isReturnLabel"]),
        "batch_id": f"se-{row.batch}" if row.batch else "",
        "carrier_code": body["carrierCode"],
        "service_code": body["serviceCode"],
        "package_code": body["packageCode"],
        "voided": voided,
        "voided_at": _utc(body["voidDate"]),
        "label_format": "pdf",
        "label_layout": "4x6",
        "label_download": {"pdf": pdf, "href": pdf},
        "trackable": True,
        "tracking_status": "in_transit",
    }


def _file(account: Account, token: str, identity: int) -> Response:
    """Serve a label's PDF to whoever knows its address; no key is asked for."""
    if identity not in account.shipments.rows or token != _token(identity):
        return Response(404, {"content-type": "text/plain"}, b"not found")
    own = account.v2.files.get(str(identity))
    if own is None:
        text = f"%PDF-1.4\n% label {identity}\n%%EOF\n"
        return Response(200, {"content-type": "application/pdf"}, text.encode())
    headers = {"content-type": str(own.get("type", "application/pdf"))}
    if "location" in own:
        headers["location"] = str(own["location"])
    content = str(own.get("content", "")).encode() * int(own.get("times", 1))
    return Response(int(own.get("status", 200)), headers, content)


def _token(identity: int) -> str:
    return hashlib.sha256(f"label {identity}".encode()).hexdigest()[:22]


def _tested(test: Callable[[Body, str], bool], label: Body, name: str, value: str) -> bool:
    try:
        return test(label, value)
    except ValueError:
        raise _invalid(name, f"The value {value!r} is not valid.") from None


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant


def _utc(moment: datetime | None) -> str | None:
    return None if moment is None else times.utc_text(moment)


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch(r"[1-9][0-9]{0,8}", text):
        raise _invalid(name, f"The value {text!r} is not valid.")
    return int(text)


def _invalid(name: str, text: str) -> _Refused:
    return _Refused(_error(400, "validation", "invalid_field_value", f"{name}: {text}"))


def _error(
    status: int, kind: str, code: str, text: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Refuse in V2's envelope (§12.1)."""
    error: dict[str, Any] = {
        "error_source": "ShipStation",
        "error_type": kind,
        "error_code": code,
        "message": text,
    }
    identity = "00000000-2222-4333-8444-000000000001"
    return json_response(status, {"request_id": identity, "errors": [error]}, headers)
