"""Let requests of the imitated ShipStation V1 API in and route them; V2 has a door of its own."""

import base64
import binascii
import math
import threading
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote

from bcss.sandbox.kit import Request, Response, SandboxClock, json_response
from bcss.sandbox.shipstation import events, labels, seed
from bcss.sandbox.shipstation.account import Account
from bcss.sandbox.shipstation.answers import Refused, failed, gateway
from bcss.sandbox.shipstation.handlers import ROUTES, Call, Handler
from bcss.sandbox.shipstation.settings import RateLimit


class Throttle:
    """A fixed window of calls per key (shipstation.md §1.2)."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[datetime, int]] = {}

    def take(self, key: str, at: datetime, rate: RateLimit) -> tuple[bool, dict[str, str]]:
        """Count one call; tell whether it is let through, and the headers of its answer."""
        if not rate.limit:
            return True, {}
        length = timedelta(seconds=rate.window)
        start, used = self._windows.get(key, (at, 0))
        if not start <= at < start + length:
            start, used = at, 0
        self._windows[key] = (start, used + 1)
        allowed = used < rate.limit
        reset = str(max(1, math.ceil((start + length - at).total_seconds())))
        headers = {}
        if rate.headers == "always" or (rate.headers == "429" and not allowed):
            headers = {
                "x-rate-limit-limit": str(rate.limit),
                "x-rate-limit-remaining": str(max(0, rate.limit - used - 1)),
                "x-rate-limit-reset": reset,
            }
        if rate.retry_after and not allowed:
            headers["retry-after"] = reset
        return allowed, headers


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, code = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        key, _, secret = base64.b64decode(code, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return key, secret


def _refusal(account: Account) -> Response:
    text = "Payment Required" if account.switches.refuse == 402 else "Forbidden"
    return gateway(account.switches.refuse, text)


def _route(request: Request) -> tuple[Handler, int]:
    parts = unquote(request.path).lower().strip("/").split("/")
    digits = [part for part in parts if part.isascii() and part.isdigit()]
    name = "/".join("{id}" if part in digits else part for part in parts)
    methods = ROUTES.get(name)
    if methods is None:
        text = f"No HTTP resource was found that matches the request URI '{request.path}'."
        raise Refused(json_response(404, {"Message": text}), text)
    handler = methods.get(request.method)
    if handler is None:
        text = f"The requested resource does not support http method '{request.method}'."
        raise Refused(json_response(405, {"Message": text}), text)
    return handler, int(digits[0][:18]) if digits else 0


def _check_type(request: Request) -> None:
    """Refuse a body that is not declared as JSON (shipstation.md §1.1)."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method in ("POST", "PUT") and media != "application/json":
        raise failed(
            "No MediaTypeFormatter is available to read an object of type 'Order' from content"
            f" with media type '{media or 'application/octet-stream'}'.",
            status=415,
            kind="System.Net.Http.UnsupportedMediaTypeException",
        )


class ShipStation:
    """An imitated ShipStation account, V1 and the labels of V2, behind `handle`, with one lock."""

    def __init__(self, clock: SandboxClock) -> None:
        self._lock = threading.RLock()
        self._account = Account(clock)
        self._throttle = Throttle()

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        with self._lock:
            return self._handle(request)

    def _handle(self, request: Request) -> Response:
        account = self._account
        if request.path.lower().startswith(labels.PREFIX):
            return labels.handle(account, self._throttle.take, request)
        key, secret = _credentials(request.headers.get("authorization", ""))
        if key not in account.keys or account.keys[key] != secret:
            return gateway(401, "Unauthorized")
        allowed, headers = self._throttle.take(key, account.now(), account.rate)
        if not allowed:
            response = gateway(account.rate.status, "Too Many Requests")
        elif account.switches.refuse:
            response = _refusal(account)
        else:
            response = _answer(account, request)
        if not headers:
            return response
        return Response(response.status, {**response.headers, **headers}, response.body)

    def load(self, data: dict[str, Any]) -> None:
        """Add or replace data, rows by id; raise ValueError for data that is not understood.

        `data` is the `shipstation` section of a seed document (see `bcss.sandbox.shapes`), or
        such a document.
        """
        with self._lock:
            seed.load(self._account, data)

    def state(self) -> dict[str, Any]:
        """Return everything in the form of seed data, and the webhooks that were made."""
        with self._lock:
            hooks = self._account.hooks
            sent = {"announced": list(hooks.announced), "delivered": list(hooks.delivered)}
            state: dict[str, Any] = _plain({**seed.dump(self._account), "hooks": sent})
            return state

    def run(self, action: dict[str, Any]) -> dict[str, Any]:
        """Let something happen at the vendor; see `bcss.sandbox.shipstation.events`.

        `{"action": "flush_webhooks"}` waits until all webhooks are delivered. Raise ValueError
        for an unknown action or wrong arguments.
        """
        if action.get("action") == "flush_webhooks":
            self._account.hooks.flush()  # without the lock: a receiver may call us back
            return {"delivered": len(self._account.hooks.delivered)}
        with self._lock:
            return events.run(self._account, action)


def _answer(account: Account, request: Request) -> Response:
    at = account.now()
    account.settle(at)
    try:
        handler, identity = _route(request)
        _check_type(request)
        pairs = parse_qsl(request.query, keep_blank_values=True)
        query = {name.lower(): value for name, value in pairs}
        return handler(account, Call(identity, query, request.body, at))
    except Refused as refusal:
        return refusal.response
    except (TypeError, KeyError, AttributeError):
        # What the real one says to a body of a shape nobody foresaw (shipstation.md §1.4, B').
        return failed("Object reference not set to an instance of an object.").response


def _plain(value: Any) -> Any:
    """Copy a state so that nobody can change it from outside; exact amounts stay Decimal."""
    match value:
        case dict():
            return {name: _plain(member) for name, member in value.items()}
        case list() | tuple():
            return [_plain(member) for member in value]
        case Decimal() | str() | int() | float() | None:
            return value
        case _:
            return str(value)
