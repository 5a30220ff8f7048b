"""Keep Business Central telling us what changes (renew-subs; business-central.md §7).

A subscription lives three days, and creating as well as renewing it makes Business Central call
our receiver: so the receiver is asked first, by its public address, the way BC will ask it.
"""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from bcss.businesscentral.records import Subscription
from bcss.clock import iso, parse_utc
from bcss.config.schema import Webhooks
from bcss.errors import BcssError, InDoubt, RecordMissing, RecordRefused, RetryLater
from bcss.flows.catalog import note_change
from bcss.flows.connection import Connection
from bcss.http import raw_sender
from bcss.notifications import client_state
from bcss.reply import Reply, clean
from bcss.secrets import resolve
from bcss.store.db import Store
from bcss.store.trail import Event

FLOW: Final = "renew-subs"
RENEW_BELOW: Final = timedelta(hours=36)
URGENT_BELOW: Final = timedelta(hours=24)
_LOOK_EVERY: Final = timedelta(hours=6)
_HANDSHAKE_SECONDS: Final = 5.0  # as long as BC waits (business-central.md §7.2)
_META: Final = "subscriptions"
_RECEIVER: Final = "receiver"
_REDIRECTS: Final = 3
_NEEDED: Final = (
    "Business Central needs 200 and the validation token: let the proxy pass this address, with "
    "its query, to `bcss serve-webhooks`."
)
_NO_LISTENER: Final = (
    ": the proxy does not reach the listener",
    "Start `bcss serve-webhooks`, and compare webhooks.listen with the proxy's target.",
)
_NOT_SERVED: Final = (
    ": the proxy does not serve this path",
    "Let the proxy pass GET and POST of this path on to the listener.",
)
_LOGIN: Final = (": the proxy wants a login", "Except this path from the proxy's login.")
_MEANINGS: Final[Mapping[int | str, tuple[str, str]]] = {
    "redirects": (
        ": it redirects",
        "Business Central follows no redirect; set webhooks.public_url to the final address.",
    ),
    HTTPStatus.UNAUTHORIZED: _LOGIN,
    HTTPStatus.FORBIDDEN: _LOGIN,
    HTTPStatus.NOT_FOUND: _NOT_SERVED,
    HTTPStatus.METHOD_NOT_ALLOWED: _NOT_SERVED,
    HTTPStatus.BAD_GATEWAY: _NO_LISTENER,
    HTTPStatus.SERVICE_UNAVAILABLE: _NO_LISTENER,
    HTTPStatus.GATEWAY_TIMEOUT: _NO_LISTENER,
}
_NO_NAME = re.compile(r"name or service|nodename|getaddrinfo|resolution|no address", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What must be done for one entity set: `old` is the subscription there is."""

    entity: str
    resource: str
    old: Subscription | None


def renew_subs(conn: Connection, *, strict: bool = True) -> None:
    """Create, renew and delete subscriptions so that they are what the configuration says.

    Nothing to do without a `webhooks` section. Raise RetryLater when the receiver does not
    answer; without `strict`, as in `sync all`, only when less than 24 h are left, and nothing
    is asked at all while everything is well and was looked at within 6 h.
    """
    hooks = conn.config.webhooks
    if hooks is None or (not strict and _all_well(conn, hooks)):
        return
    url = f"{hooks.public_url.rstrip('/')}/business-central"
    try:
        _check_receiver(conn, url)
    except RetryLater as error:
        _note_receiver(conn, error.message)
        if strict or _is_urgent(conn):
            raise
        conn.report.notes.append(f"Subscriptions were not renewed: {error}")
        return
    _note_receiver(conn, "")
    _bring_into_line(conn, hooks, url, strict=strict)


def renew_subs_if_due(conn: Connection) -> None:
    """Do the same as a part of `sync all`, where a failing receiver counts only when it matters."""
    renew_subs(conn, strict=False)


def receiver_problem(conn: Connection) -> str:
    """Do Business Central's handshake at our public address; return what is wrong, or nothing."""
    hooks = conn.config.webhooks
    if hooks is None:
        return ""
    try:
        _check_receiver(conn, f"{hooks.public_url.rstrip('/')}/business-central")
    except RetryLater as error:
        return str(error)
    return ""


def hours_left(store: Store, now: datetime) -> dict[str, float]:
    """Return how long each subscription still lives, in hours, as last seen; 0 when it is over."""
    return {
        entity: round(max(0.0, (expires - now).total_seconds() / 3600), 1)
        for entity, expires in _known(store).items()
    }


def _known(store: Store) -> dict[str, datetime]:
    found = json.loads(store.meta(_META) or "{}").get("resources", {})
    return {entity: parse_utc(row["expires"]) for entity, row in found.items()}


def _all_well(conn: Connection, hooks: Webhooks) -> bool:
    text = conn.store.meta(_META)
    known = _known(conn.store)
    if not text or set(known) != set(hooks.subscriptions):
        return False
    looked = parse_utc(json.loads(text)["checked"])
    return conn.now() - looked < _LOOK_EVERY and not _is_urgent(conn)


def _is_urgent(conn: Connection) -> bool:
    return any(_ends_soon(at, conn.now()) for at in _known(conn.store).values())


def _ends_soon(expires: datetime | None, now: datetime) -> bool:
    return expires is not None and expires - now < URGENT_BELOW


# The receiver -----------------------------------------------------------------------------------


def _check_receiver(conn: Connection, url: str) -> None:
    """Do what Business Central will do; raise RetryLater that says what is wrong."""
    token = secrets.token_hex(16)
    send, close = raw_sender(url, conn.clock, deadline=_HANDSHAKE_SECONDS)
    try:
        reply = send("POST", f"{url}?validationToken={token}", {}, b"")
    except RetryLater as error:
        raise _unreachable(url, error) from None
    finally:
        close()
    problem = _wrong(reply, token)
    if problem is not None:
        said, hint = problem
        raise RetryLater(f"The receiver {url} {said}.", hint=hint, status=reply.status)


def _unreachable(url: str, error: RetryLater) -> RetryLater:
    """Tell name, TLS and network apart by the library's words."""
    text, host = error.message, urlsplit(url).hostname or url
    if _NO_NAME.search(text):
        said, hint = f"{host} has no address", "Check webhooks.public_url and the DNS entry."
    elif "CERTIFICATE" in text or "SSL" in text or "TLS" in text:
        said = f"{host} cannot be trusted: {clean(text, 160)}"
        hint = "Renew the proxy's certificate, with its chain; Business Central checks it too."
    elif "refused" in text.lower():
        said, hint = f"{host} refuses connections", "Start the TLS proxy, and open its port."
    else:
        said = f"{host} did not answer: {clean(text, 160)}"
        hint = "Check the TLS proxy, the firewall, and `bcss serve-webhooks`."
    return RetryLater(f"The receiver cannot be reached: {said}.", hint=hint)


def _wrong(reply: Reply, token: str) -> tuple[str, str] | None:
    """Return what is wrong with an answer to the handshake, and what to do."""
    if reply.status != HTTPStatus.OK:
        known = "redirects" if reply.status // 100 == _REDIRECTS else reply.status
        said, hint = _MEANINGS.get(known, ("", _NEEDED))
        return f"answered {reply.status}{said}", hint
    if reply.body.decode("utf-8", "replace").strip() == token:
        return None
    return "answered 200 without the validation token: something else answers there", _NEEDED


def _note_receiver(conn: Connection, problem: str) -> None:
    body = json.dumps({"at": iso(conn.now()), "problem": problem})
    with conn.store.write():
        conn.store.set_meta(_RECEIVER, body)


# The subscriptions ------------------------------------------------------------------------------


def _bring_into_line(conn: Connection, hooks: Webhooks, url: str, *, strict: bool) -> None:
    """Do what must be done, each entity set independent of the others' failures."""
    token = resolve(hooks.token)
    ours = _ours(conn, url)
    known = _known(conn.store)
    living: dict[str, datetime] = {}
    for entity in dict.fromkeys(hooks.subscriptions):
        rows = ours.pop(entity, [])
        old = rows[0] if rows else None
        plan = _Plan(entity, conn.bc.subscription_resource(entity), old)
        if old is not None or entity in known:
            living[entity] = old.expires if old else known[entity]
        try:
            found = _ensure(conn, plan, url, client_state(token, plan.resource))
            if old is None and entity in known and found is not None:
                _lost(conn, entity)
        except (RetryLater, InDoubt) as error:
            if strict or _ends_soon(living.get(entity), conn.now()):
                conn.report.errors.append(error)
            else:
                conn.report.notes.append(str(error))
            continue
        if found is not None:
            living[entity] = found.expires
        ours[entity] = rows[1:]
    if not conn.dry_run:
        _remember(conn, living)
    for entity, superfluous in ours.items():
        for one in superfluous:
            _delete(conn, entity, one)


def _ours(conn: Connection, url: str) -> dict[str, list[Subscription]]:
    """Return the subscriptions of our company to our own address, the longest living first."""
    found: dict[str, list[Subscription]] = {}
    for one in conn.bc.subscriptions():
        entity = conn.bc.subscribed_to(one)
        if entity is not None and one.notification_url == url:
            found.setdefault(entity, []).append(one)
    for rows in found.values():
        rows.sort(key=lambda one: one.expires, reverse=True)
    return found


def _ensure(conn: Connection, plan: _Plan, url: str, state: str) -> Subscription | None:
    """Create or renew, as needed; return the subscription as it is now."""
    old = plan.old
    if old is None:
        return _create(conn, plan, url, state)
    rotated = bool(old.client_state) and not secrets.compare_digest(
        old.client_state.encode(), state.encode()
    )
    if old.expires - conn.now() >= RENEW_BELOW and not rotated:
        return old
    try:
        return _write(
            conn,
            plan.entity,
            "renew",
            lambda: conn.bc.renew_subscription(old, client_state=state),
        )
    except RecordMissing:
        _lost(conn, plan.entity)
        return _create(conn, plan, url, state)
    except RecordRefused as error:
        raise _refused(plan.entity, error) from None


def _create(conn: Connection, plan: _Plan, url: str, state: str) -> Subscription | None:
    try:
        return _write(
            conn,
            plan.entity,
            "create",
            lambda: conn.bc.create_subscription(
                plan.entity, notification_url=url, client_state=state
            ),
        )
    except RecordRefused as error:
        raise _refused(plan.entity, error) from None


def _refused(entity: str, error: RecordRefused) -> RetryLater:
    return RetryLater(
        f"Business Central refused the subscription to {entity}: {clean(error.message)}",
        hint="If it says that the address did not answer, it cannot reach public_url from "
        "outside; else take the entity out of webhooks.subscriptions.",
        vendor=error.vendor,
        status=error.status,
    )


def _delete(conn: Connection, entity: str, one: Subscription) -> None:
    def call() -> Subscription:
        conn.bc.delete_subscription(one)
        return one

    _write(conn, entity, "delete", call)


def _write(
    conn: Connection, entity: str, verb: str, call: Callable[[], Subscription]
) -> Subscription | None:
    """Send one write between its intent and its outcome; in a dry run only say so."""
    if conn.dry_run:
        conn.report.notes.append(f"Would {verb} the subscription to {entity}.")
        return None
    _note(conn, "intent", entity, f"{verb} the subscription to {entity}", "sent")
    try:
        found = call()
    except BcssError as error:
        _note(conn, "outcome", entity, f"{verb}: {error.message}", type(error).__name__)
        raise
    until = "" if verb == "delete" else f" until {iso(found.expires)}"
    _note(conn, "outcome", entity, f"{verb}d{until}", "done")
    return found


def _lost(conn: Connection, entity: str) -> None:
    """Note that changes may have been missed while nobody was told."""
    with conn.store.write():
        note_change(conn, entity, wholly=True)
    text = f"the subscription to {entity} was lost; what changed meanwhile must be read afresh"
    _note(conn, "event", entity, text, "lost")


def _note(conn: Connection, kind: str, entity: str, summary: str, status: str) -> None:
    event = Event(
        kind, FLOW, f"subscription:{entity}", summary, target="business_central", status=status
    )
    with conn.store.write():
        conn.store.trail.add(conn.now(), event)


def _remember(conn: Connection, living: Mapping[str, datetime]) -> None:
    """Keep how long each lives, for `status` and for the next run."""
    now = conn.now()
    rows = {
        entity: {
            "expires": iso(expires),
            "hours_left": round((expires - now).total_seconds() / 3600, 1),
        }
        for entity, expires in living.items()
    }
    body = json.dumps({"checked": iso(now), "resources": rows}, sort_keys=True)
    with conn.store.write():
        conn.store.set_meta(_META, body)
