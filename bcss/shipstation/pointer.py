"""Check the pointer that a ShipStation webhook carries, and take from it only what is safe.

A V1 webhook is unsigned and says nothing but where to look (shipstation.md §9.3). Whoever
knows the listener's address can send one, so the address in it is never dialled: a pointer is
rebuilt on the configured base URL out of parts that were checked one by one (stack.md §7.4).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from bcss.wire import NotJson, parse_object

MAX_BODY: Final = 16 * 1024
MAX_URL: Final = 200  # documented (shipstation.md §9.3)
EVENTS: Final = frozenset(
    {
        "ORDER_NOTIFY",
        "ITEM_ORDER_NOTIFY",
        "SHIP_NOTIFY",
        "ITEM_SHIP_NOTIFY",
        "FULFILLMENT_SHIPPED",
        "FULFILLMENT_REJECTED",
    }
)
# Of the V2 events those after which a poll may find something (shipstation.md §12.6).
V2_EVENTS: Final = frozenset(
    {
        "BATCH_PROCESSED_V2",
        "FULFILLMENT_CANCELED_V2",
        "FULFILLMENT_CREATED_V2",
        "FULFILLMENT_REJECTED_V2",
        "FULFILLMENT_SHIPPED_V2",
        "FULFILLMENT_UPDATED_V2",
        "LABEL_CREATED_V2",
        "SALES_ORDERS_IMPORTED",
        "SHIPMENT_CREATED_V2",
    }
)
# Nothing but these characters leaves the two URL parsers in use nothing to disagree about: no
# user information, port, fragment, backslash, escape, control character or foreign letter.
_URL = re.compile(
    r"https://(?P<host>[A-Za-z0-9.-]{1,100})/(?P<path>[A-Za-z]{1,20})"
    r"(?:\?(?P<query>[A-Za-z0-9_=&-]{1,180}))?"
)
_HOST = re.compile(r"ssapi[0-9]{0,3}\.shipstation\.com")
_RESOURCES: Final = ("orders", "shipments", "fulfillments")
_ID = re.compile(r"[0-9]{1,19}")
_BATCH = re.compile(r"[A-Za-z0-9-]{1,64}")
_FLAG = re.compile(r"true|false", re.IGNORECASE)
_NAMES: Final = {
    "storeid": ("storeID", _ID),
    "orderid": ("orderId", _ID),
    "fulfillmentid": ("fulfillmentId", _ID),
    "batchid": ("batchId", _BATCH),
    "importbatch": ("importBatch", _BATCH),
    "includeshipmentitems": ("includeShipmentItems", _FLAG),
    "includeorderitems": ("includeOrderItems", _FLAG),
}
_OF_RESOURCE: Final = {
    "orders": {"storeid", "orderid", "importbatch", "includeorderitems"},
    "shipments": {"storeid", "orderid", "batchid", "includeshipmentitems"},
    "fulfillments": {"storeid", "orderid", "batchid", "importbatch", "fulfillmentid"},
}

Query = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where to look: `resource` is orders, shipments or fulfillments; `kind` the event's name."""

    resource: str
    query: Query
    kind: str


def read_pointer(
    body: bytes, *, host: str | None = None, stores: Collection[int] | None = None
) -> Pointer | None:
    """Read a webhook's body; return None when any part of it is not as documented.

    `host` is the configured host, accepted besides ShipStation's own; `stores` are the only
    ones that a pointer may name.
    """
    if len(body) > MAX_BODY:
        return None
    try:
        members = parse_object(body)
    except NotJson:
        return None
    url, kind = members.get("resource_url"), members.get("resource_type")
    if not isinstance(url, str) or not isinstance(kind, str) or kind not in EVENTS:
        return None
    found = _URL.fullmatch(url) if len(url) <= MAX_URL else None
    if found is None or not _known_host(found["host"], host):
        return None
    resource = found["path"].lower()
    query = _read_query(found["query"], resource) if resource in _RESOURCES else None
    if query is None or not _known_store(query, stores):
        return None
    return Pointer(resource, query, kind)


def asks_for_poll(body: bytes) -> bool:
    """Tell whether a signed V2 webhook is a reason to poll; its pointer is never followed."""
    try:
        kind = parse_object(body).get("resource_type") if len(body) <= MAX_BODY else None
    except NotJson:
        return False
    return isinstance(kind, str) and kind in V2_EVENTS


def _known_host(found: str, configured: str | None) -> bool:
    lower = found.lower()
    if _HOST.fullmatch(lower):
        return True
    return bool(configured) and lower == (configured or "").lower()


def _read_query(text: str | None, resource: str) -> Query | None:
    """Take known names once each with a value of the right shape; None for anything else."""
    pairs: dict[str, str] = {}
    for part in (text or "").split("&") if text else ():
        name, equals, value = part.partition("=")
        key = name.lower()
        if not equals or key not in _OF_RESOURCE[resource]:
            return None
        canonical, shape = _NAMES[key]
        if canonical in pairs or not shape.fullmatch(value):
            return None
        pairs[canonical] = value
    return tuple(pairs.items())


def _known_store(query: Query, stores: Collection[int] | None) -> bool:
    named = dict(query).get("storeID")
    return named is None or stores is None or int(named) in stores
