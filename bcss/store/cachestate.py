"""Name what the cache holds, so that a flow can tell at once that nothing has changed."""

from hashlib import sha256

from bcss.store.db import Store


def items_state(store: Store) -> str:
    """Return a digest of every cached item and variant."""
    return _digest(
        store,
        "SELECT number, digest FROM item ORDER BY number",
        "SELECT item_number || char(31) || code, CAST(description AS BLOB) FROM variant "
        "ORDER BY item_number, code",
    )


def customers_state(store: Store) -> str:
    """Return a digest of every cached customer."""
    return _digest(store, "SELECT number, body FROM customer ORDER BY number")


def _digest(store: Store, *queries: str) -> str:
    found = sha256()
    for query in queries:
        for name, content in store.connection.execute(query):
            found.update(f"{name}\x1e{len(content)}\x1e".encode("utf-8", "surrogatepass"))
            found.update(content)
        found.update(b"\x1d")
    return found.hexdigest()
