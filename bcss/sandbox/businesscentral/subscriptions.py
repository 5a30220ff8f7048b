"""Keep webhook subscriptions and deliver their notifications (business-central.md §7)."""

import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from bcss.sandbox.businesscentral.bodies import blank, parse_object, read_properties
from bcss.sandbox.businesscentral.books import Books, Change, Subscription
from bcss.sandbox.businesscentral.cards import SUBSCRIPTIONS
from bcss.sandbox.businesscentral.errors import Refused, bad_request, no_token, not_found
from bcss.sandbox.businesscentral.rows import encode, time_text

LIFETIME = timedelta(days=3)
_MOST = 200
_MAX_ATTEMPTS = 5
_HANDSHAKE_SECONDS = 5
_RESOURCE = re.compile(
    r"(?:https?://[^/]+)?/?(?:.*api/v2\.0/)?companies\(([0-9a-fA-F-]{36})\)/([A-Za-z]+)"
)
# §7.3: what API v2.0 lets one subscribe to, as far as it is imitated here.
_SUPPORTED = {
    "accounts",
    "companyInformation",
    "countriesRegions",
    "currencies",
    "customers",
    "items",
    "itemVariants",
    "locations",
    "salesCreditMemos",
    "salesInvoices",
    "salesOrders",
    "salesShipments",
    "unitsOfMeasure",
}
_LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")


@dataclass(frozen=True, slots=True)
class Sent:
    """What a receiver answered; status 0 when it did not."""

    status: int
    body: bytes


Send = Callable[[str, bytes, dict[str, str]], Sent]


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object, **kwargs: object) -> None:
        """Treat a redirect as an answer, which deletes the subscription (§7.3)."""


_OPENER = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


def send_over_http(url: str, body: bytes, headers: dict[str, str]) -> Sent:
    """POST to a receiver and wait at most five seconds."""
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310
    try:
        with _OPENER.open(request, timeout=_HANDSHAKE_SECONDS) as answer:
            return Sent(answer.status, answer.read(1_000_000))
    except urllib.error.HTTPError as error:
        with error:
            return Sent(error.code, b"")
    except (OSError, ValueError):
        return Sent(0, b"")


def shake_hands(books: Books, send: Send, url: str, lock: threading.RLock) -> None:
    """Ask the receiver for the validation token, outside the lock, or refuse (§7.2)."""
    _check_url(url)
    with lock:
        token = books.new_id().replace("-", "")
    mark = "&" if "?" in url else "?"
    answer = send(f"{url}{mark}validationToken={quote(token)}", b"", {})
    if answer.status != 200 or answer.body.decode("utf-8", "replace").strip() != token:
        raise bad_request("The notification URL did not answer the validation request.")


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    loopback = parts.hostname in _LOOPBACK and parts.scheme == "http"
    if not loopback and parts.scheme != "https":
        raise bad_request("The notificationUrl must be an https URL.")


def read(books: Books, body: bytes) -> dict[str, Any]:
    """Read and check a subscription's body; a body is needed for a renewal too (issue #1927)."""
    given = dict(read_properties(parse_object(body), SUBSCRIPTIONS))
    if not given.get("notificationUrl") or not given.get("resource"):
        raise Refused(
            400,
            "BadRequest_RequiredParamNotProvided",
            "Field 'notificationUrl' and 'resource' must not be blank or empty.",
        )
    match = _RESOURCE.fullmatch(given["resource"])
    if match is None or match[2] not in _SUPPORTED:
        raise bad_request(f"The resource '{given['resource'][:120]}' is not supported.")
    if match[1].lower() != books.identity.company_id:
        raise bad_request("The company of the resource does not exist.")
    return given


def create(books: Books, given: dict[str, Any]) -> Subscription:
    """Store a subscription whose receiver has answered."""
    expire(books)
    if len(books.subscriptions) >= _MOST:
        raise bad_request(f"The maximum of {_MOST} subscriptions is reached.")
    same = [
        one
        for one in books.subscriptions
        if one.values["notificationUrl"] == given["notificationUrl"]
        and one.values["resource"] == given["resource"]
    ]
    if same:
        raise bad_request("A subscription for this resource and notificationUrl already exists.")
    now = books.stamp()
    values = blank(SUBSCRIPTIONS)
    values.update(given)
    values.update(
        subscriptionId=books.new_id().replace("-", ""),
        timestamp=books.next(),
        expirationDateTime=now + LIFETIME,
        lastModifiedDateTime=now,
        systemCreatedAt=now,
        systemModifiedAt=now,
    )
    subscription = Subscription(values, books.next())
    books.subscriptions.put(subscription, now)
    return subscription


def renew(books: Books, identity: str, given: dict[str, Any]) -> Subscription:
    """Move the expiry to three days from now."""
    old = require(books, identity)
    now = books.stamp()
    values = {
        **old.values,
        **given,
        "expirationDateTime": now + LIFETIME,
        "lastModifiedDateTime": now,
        "systemModifiedAt": now,
    }
    subscription = replace(old, values=values, version=books.next(), attempts=0)
    books.subscriptions.put(subscription, now)
    return subscription


def require(books: Books, identity: str) -> Subscription:
    """Return a living subscription, or refuse with 404."""
    expire(books)
    found = books.subscriptions.get(identity)
    if found is None:
        raise not_found()
    return found


def key_of(text: str) -> str:
    """Read the quoted key of `subscriptions('…')`; an unquoted one is refused (issue #2863)."""
    if len(text) < 2 or text[0] != "'" or text[-1] != "'":
        raise bad_request("Bad Request - Error in query syntax.")
    return text[1:-1]


def check_match(tag: str) -> None:
    """Refuse a PATCH without If-Match."""
    if not tag:
        raise no_token()


def expire(books: Books) -> None:
    """Forget subscriptions whose time is over."""
    now = books.clock.now()
    for one in [one for one in books.subscriptions if one.values["expirationDateTime"] <= now]:
        books.subscriptions.remove(one.values["subscriptionId"], now)


def deliver(books: Books, send: Send, lock: threading.RLock) -> int:
    """Send what has changed, one POST per receiver; return how many were sent.

    Only no answer, 408, 429 and 5xx are tried again; any other failure deletes the subscription.
    """
    with lock:
        expire(books)
        changes, books.changes = books.changes, []
        posts = _posts(books, changes)
    sent = 0
    for url, parts in posts.items():
        values = [value for _, found in parts for value in found]
        body = encode({"value": values}).encode()
        answer = send(url, body, {"Content-Type": "application/json"})
        sent += 1
        with lock:
            for subscription, _ in parts:
                _judge(books, subscription, answer.status, changes)
    return sent


def _posts(
    books: Books, changes: list[Change]
) -> dict[str, list[tuple[Subscription, list[dict[str, Any]]]]]:
    posts: dict[str, list[tuple[Subscription, list[dict[str, Any]]]]] = {}
    for subscription in books.subscriptions:
        mine = [one for one in changes if one.resource == _name(subscription)]
        if mine:
            found = _notifications(books, subscription, mine)
            posts.setdefault(subscription.values["notificationUrl"], []).append(
                (subscription, found)
            )
    return posts


def _name(subscription: Subscription) -> str:
    return str(subscription.values["resource"]).rsplit("/", 1)[-1]


def _notifications(
    books: Books, subscription: Subscription, changes: list[Change]
) -> list[dict[str, Any]]:
    """Write the notifications; updates of one record merge, and many become a collection."""
    resource = f"api/v2.0/companies({books.identity.company_id})/{_name(subscription)}"
    if len(changes) > books.switches["collection_threshold"]:
        link = resource
        if not any(one.kind == "deleted" for one in changes):
            first = changes[0].at - timedelta(milliseconds=50)
            link += f"?$filter=lastModifiedDateTime%20gt%20{time_text(first)}"
        return [_notification(subscription, link, "collection", changes[-1])]
    merged: dict[tuple[str, str], Change] = {}
    for number, one in enumerate(changes):
        distinct = "" if one.kind == "updated" else str(number)
        merged[one.identity, one.kind + distinct] = one
    return [
        _notification(subscription, f"{resource}({one.identity})", one.kind, one)
        for one in merged.values()
    ]


def _notification(
    subscription: Subscription, resource: str, kind: str, change: Change
) -> dict[str, Any]:
    return {
        "subscriptionId": subscription.values["subscriptionId"],
        "clientState": subscription.values["clientState"],
        "expirationDateTime": subscription.values["expirationDateTime"],
        "resource": resource,
        "changeType": kind,
        "lastModifiedDateTime": change.at,
    }


def _judge(books: Books, subscription: Subscription, status: int, changes: list[Change]) -> None:
    identity = subscription.values["subscriptionId"]
    if books.subscriptions.get(identity) is None or 200 <= status < 300:
        return
    again = status in (0, 408, 429) or status >= 500
    attempts = subscription.attempts + 1
    if not again or attempts > _MAX_ATTEMPTS:
        books.subscriptions.remove(identity, books.stamp())
        return
    books.subscriptions.put(replace(subscription, attempts=attempts), books.stamp())
    books.changes.extend(one for one in changes if one.resource == _name(subscription))
