"""Refresh the cache of Business Central's master data (design §4.5)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from bcss.businesscentral.records import Item, ItemDetail
from bcss.clock import iso, parse_utc
from bcss.config.schema import MatchCustomer, StoreRule
from bcss.flows.connection import Connection

# BC shows rows when they are committed, stamped with when they were written (BC §5.5).
OVERLAP = timedelta(minutes=30)
_DAILY = timedelta(hours=24)
_LOOKUPS = 20


def is_stale(conn: Connection) -> bool:
    """Tell whether the configuration has changed since the master data was last read."""
    return conn.store.meta("bc:daily_config") != conn.config.digest


def note_change(conn: Connection, entity: str, *, wholly: bool = False) -> None:
    """Note that an entity set changed, for the next refresh; call it inside a write.

    `wholly` when nobody knows since when, so that it must be read from the beginning.
    """
    for key in (f"hint:{entity}", f"hint:{entity}:wholly")[: 2 if wholly else 1]:
        conn.store.set_meta(key, iso(conn.now()))


def refresh(conn: Connection) -> list[str]:
    """Read what changed since the last refresh, once a run; return the item numbers changed."""
    if conn.refreshed:
        return []
    told = bool(conn.store.meta("hint:items"))
    changed = _items(conn)
    if conn.config.customers.ship_to != "none" or _matches_customers(conn):
        refresh_customers(conn)
    # A new item often comes with variants, which nobody can subscribe to (BC §7.3).
    if told or _due(conn, "bc:daily") or is_stale(conn):
        _places(conn)
    conn.refreshed = True
    return changed


def _items(conn: Connection) -> list[str]:
    begun, heard = conn.now(), _heard(conn, "items")
    items = list(conn.bc.items(_since(conn, "bc:items", heard)))
    if items:
        details = conn.bc.workflow_items([item.number for item in items])
        items = [_with_details(item, details.get(item.number)) for item in items]
    with conn.store.write():
        changed = conn.store.cache.keep_items(items)
        _mark(conn, "bc:items", begun)
        _answer(conn, heard)
    return changed


def _with_details(item: Item, detail: ItemDetail | None) -> Item:
    """Add what only the page service knows; an item without it keeps its blanks."""
    return item if detail is None else replace(item, **detail._asdict())


def refresh_customers(conn: Connection) -> None:
    """Read the customers that changed since the last refresh."""
    begun, heard = conn.now(), _heard(conn, "customers")
    customers = list(conn.bc.customers(_since(conn, "bc:customers", heard)))
    with conn.store.write():
        conn.store.cache.keep_customers(customers)
        _mark(conn, "bc:customers", begun)
        _answer(conn, heard)


def _places(conn: Connection) -> None:
    variants = list(conn.bc.item_variants(None))
    locations = list(conn.bc.locations())
    countries = conn.bc.countries()
    terms = conn.bc.payment_terms() if _names_terms(conn) else {}
    with conn.store.write():
        conn.store.cache.keep_payment_terms(terms)
        conn.store.cache.keep_variants(variants)
        conn.store.cache.keep_places(locations, countries)
        conn.store.set_meta("bc:daily", iso(conn.now()))
        conn.store.set_meta("bc:daily_config", conn.config.digest)


def look_up(conn: Connection, numbers: Iterable[str]) -> bool:
    """Ask freshly for items that the cache lacks, bounded; return whether any was found.

    What this run has asked for already is not there.
    """
    found = []
    new = [number for number in dict.fromkeys(numbers) if number not in conn.asked]
    for number in new[:_LOOKUPS]:
        conn.asked.add(number)
        item = conn.bc.find_item(number)
        found += [item] if item is not None else []
    if found:
        with conn.store.write():
            conn.store.cache.keep_items(found)
    return bool(found)


def _heard(conn: Connection, entity: str) -> dict[str, str]:
    """Return what webhooks have said of an entity set since it was last read."""
    keys = (f"hint:{entity}", f"hint:{entity}:wholly")
    return {key: text for key in keys if (text := conn.store.meta(key))}


def _answer(conn: Connection, heard: Mapping[str, str]) -> None:
    """Strike what was heard before the reading, but not what has come in meanwhile."""
    for key, text in heard.items():
        if conn.store.meta(key) == text:
            conn.store.set_meta(key, "")


def _since(conn: Connection, key: str, heard: Mapping[str, str]) -> datetime | None:
    text = conn.store.meta(key)
    wholly = any(key.endswith(":wholly") for key in heard)
    return parse_utc(text) - OVERLAP if text and not wholly else None


def _mark(conn: Connection, key: str, begun: datetime) -> None:
    """Move a watermark to the start of the reading, by whichever clock is behind."""
    theirs = conn.bc.session.server_time or begun
    conn.store.set_meta(key, iso(min(begun, theirs)))


def _due(conn: Connection, key: str) -> bool:
    text = conn.store.meta(key)
    return not text or not timedelta(0) <= conn.now() - parse_utc(text) < _DAILY


def _names_terms(conn: Connection) -> bool:
    rules = conn.config.orders.stores.values()
    return any(isinstance(rule, StoreRule) and rule.payment_terms for rule in rules)


def _matches_customers(conn: Connection) -> bool:
    rules = conn.config.orders.stores.values()
    return any(isinstance(r, StoreRule) and isinstance(r.customer, MatchCustomer) for r in rules)
