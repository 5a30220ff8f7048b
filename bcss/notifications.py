"""Read what Business Central tells a subscriber, and know it for its own; pure.

A notification is authenticated by its `clientState`, which BC gives back as the subscriber set
it (business-central.md §7.1). Ours is derived from the listener's token and the resource, so
that neither side keeps a list, and one subscription's state is worth nothing for another.
"""

import hmac
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from bcss.wire import NotJson, canonical, parse_object

_STATE_LENGTH: Final = 50  # the shortest limit that anybody documents (business-central.md §7.1)
_MAX_RESOURCE: Final = 1024
_MAX_NAMED: Final = 50
_RESOURCE = re.compile(r"(?:^|/)companies\(([0-9a-fA-F-]{36})\)/([A-Za-z]{1,60})(?![A-Za-z])")
_CHANGES: Final = ("created", "updated", "deleted", "collection")


def client_state(token: str, resource: str) -> str:
    """Derive a subscription's shared secret from the listener's token and its resource.

    The resource counts in one form, whatever slashes, host or key surround it.
    """
    named = resource_name(resource) or resource
    digest = hmac.digest(token.encode(), b"bcss clientState\0" + named.encode(), "sha256")
    return digest.hex()[:_STATE_LENGTH]


def resource_name(resource: str) -> str | None:
    """Reduce a resource to `companies(id)/entity`; None when it names no entity set.

    A notification adds a key or a filter to the subscription's resource, and the slash at its
    beginning comes and goes (business-central.md §7.3).
    """
    found = _RESOURCE.search(resource[:_MAX_RESOURCE])
    return f"companies({found[1].lower()})/{found[2]}" if found else None


def read_notifications(body: bytes, token: str) -> dict[str, bytes]:
    """Return what changed, by resource, as JSON such as `{"updated": 3}`.

    Whatever is not as documented, or does not carry our clientState, is left out.
    """
    counts: dict[str, Counter[str]] = {}
    for entry in _entries(body):
        name = _own_resource(entry, token)
        if name is None or (name not in counts and len(counts) >= _MAX_NAMED):
            continue
        change = entry.get("changeType")
        known = change if change in _CHANGES else "other"
        counts.setdefault(name, Counter())[known] += 1
    return {name: canonical({"resource": name, "changes": n}) for name, n in counts.items()}


def _entries(body: bytes) -> Iterator[dict[str, Any]]:
    try:
        value = parse_object(body).get("value")
    except NotJson:
        return
    if isinstance(value, list):
        yield from (entry for entry in value if isinstance(entry, dict))


def _own_resource(entry: dict[str, Any], token: str) -> str | None:
    resource, state = entry.get("resource"), entry.get("clientState")
    if not isinstance(resource, str) or not isinstance(state, str):
        return None
    name = resource_name(resource)
    expected = client_state(token, name or "")
    # Compared as bytes: text beyond ASCII would raise TypeError (stack.md §7.3).
    same = hmac.compare_digest(state.encode("utf-8", "surrogatepass"), expected.encode())
    return name if same else None
