"""Keep ShipStation telling our listener what happens, and touch nobody else's webhooks (design §7).

Ours are those whose address is exactly ours. ShipStation has no call that changes a webhook
(shipstation.md §9.1), so one that points elsewhere is only reported.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import quote

from bcss.config.schema import Config, StoreRule
from bcss.errors import BcssError, FixConfig, InDoubt
from bcss.flows.connection import Connection
from bcss.secrets import resolve
from bcss.shipstation.records import Webhook
from bcss.store.trail import Event

FLOW: Final = "webhooks"
# What tells of a shipment; the item variants only point at fuller answers to the same question.
USUAL: Final = ("ORDER_NOTIFY", "SHIP_NOTIFY", "FULFILLMENT_SHIPPED", "FULFILLMENT_REJECTED")
_END: Final = "/shipstation"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One webhook that should exist; without `store_id` it covers all stores."""

    event: str
    store_id: int | None = None

    def __str__(self) -> str:
        return f"{self.event} ({'all stores' if self.store_id is None else self.store_id})"


@dataclass(frozen=True, slots=True)
class Registered:
    """What registering came to."""

    created: tuple[Wanted, ...]
    present: tuple[Wanted, ...]


def target_url(config: Config) -> str:
    """Return the listener's address for ShipStation; it contains a secret.

    Raise FixConfig without a webhooks section, FixCredential without its token.
    """
    if config.webhooks is None:
        raise FixConfig(
            f"{config.path} has no webhooks section.",
            hint="Add webhooks: {public_url: …, token: …}; `bcss init` shows one.",
        )
    token = quote(resolve(config.webhooks.token), safe="")
    return f"{config.webhooks.public_url.rstrip('/')}/{token}{_END}"


def register(conn: Connection, events: Sequence[str], stores: Sequence[int]) -> Registered:
    """Create the webhooks that are missing; without `stores`, one for all stores each.

    Raise InDoubt where an answer was lost and the webhook cannot be found; running again is safe.
    """
    url = target_url(conn.config)
    places: list[int | None] = [*stores] or [None]
    wanted = [Wanted(event, place) for event in events for place in places]
    there = [one for one in conn.shipstation.webhooks() if one.url == url]
    missing = [one for one in wanted if not _covers(there, one)]
    for one in missing:
        _write(conn, f"register {one}", partial(_subscribe, conn, url, one))
    present = tuple(one for one in wanted if one not in missing)
    return Registered(tuple(missing), present)


def remove(conn: Connection, events: Collection[str], stores: Collection[int]) -> list[Webhook]:
    """Delete our own webhooks, all or those of some events and stores; return them."""
    url = target_url(conn.config)
    chosen = [
        one
        for one in conn.shipstation.webhooks()
        if one.url == url
        and (not events or one.event in events)
        and (not stores or one.store_id in stores)
    ]
    for one in chosen:
        wanted = Wanted(one.event, one.store_id)
        _write(conn, f"remove {wanted}", partial(conn.shipstation.unsubscribe, one.hook_id))
    return chosen


def shortfalls(conn: Connection) -> list[str]:
    """Say which usual webhooks are missing, switched off, or point elsewhere."""
    url = target_url(conn.config)
    hooks = conn.shipstation.webhooks()
    ours = [one for one in hooks if one.url == url]
    said = [f"none tells of {event}{_where(conn, ours, event)}" for event in _lacking(conn, ours)]
    said += [f"{one.hook_id} ({one.event}) is switched off" for one in ours if not one.active]
    said += [
        f"{one.hook_id} ({one.event}) is called {one.name!r} and points elsewhere"
        for one in hooks
        if one.url != url and one.name == _name(conn)
    ]
    return said


def _lacking(conn: Connection, ours: Sequence[Webhook]) -> list[str]:
    return [event for event in USUAL if _uncovered(conn, ours, event)]


def _uncovered(conn: Connection, ours: Sequence[Webhook], event: str) -> list[int | None]:
    """Return the stores that nothing tells of; None stands for all when none is listed."""
    active = [one for one in ours if one.active]
    stores: list[int | None] = [
        store for store, rule in conn.config.orders.stores.items() if isinstance(rule, StoreRule)
    ]
    names = {event, f"ITEM_{event}"}
    return [
        store
        for store in stores or [None]
        if not any(_covers(active, Wanted(name, store)) for name in names)
    ]


def _where(conn: Connection, ours: Sequence[Webhook], event: str) -> str:
    stores = [str(one) for one in _uncovered(conn, ours, event) if one is not None]
    return f" in store {', '.join(stores)}" if stores else ""


def _covers(there: Sequence[Webhook], wanted: Wanted) -> bool:
    return any(
        one.event == wanted.event and one.store_id in (None, wanted.store_id) for one in there
    )


def _name(conn: Connection) -> str:
    return f"bcss {conn.config.name}"


def _subscribe(conn: Connection, url: str, one: Wanted) -> int:
    """Create one webhook; where the answer was lost, look whether it is there."""
    try:
        return conn.shipstation.subscribe(url, one.event, store_id=one.store_id, name=_name(conn))
    except InDoubt:
        for hook in conn.shipstation.webhooks():
            if (hook.url, hook.event, hook.store_id) == (url, one.event, one.store_id):
                return hook.hook_id
        raise


def _write(conn: Connection, what: str, call: Callable[[], object]) -> None:
    """Send one write between its intent and its outcome; in a dry run nothing is sent."""
    if conn.dry_run:
        return
    _note(conn, "intent", what, "sent")
    try:
        call()
    except BcssError as error:
        _note(conn, "outcome", f"{what}: {error.message}", type(error).__name__)
        raise
    _note(conn, "outcome", what, "done")


def _note(conn: Connection, kind: str, summary: str, status: str) -> None:
    subject = f"run:{conn.store.trail.run_id}"
    event = Event(kind, FLOW, subject, summary, target="shipstation", status=status)
    with conn.store.write():
        conn.store.trail.add(conn.now(), event)
