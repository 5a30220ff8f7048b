"""Read the parts of a path, and find the row a key names (business-central.md §1.1)."""

import re
from dataclasses import dataclass
from typing import Any

from bcss.sandbox.businesscentral.answers import Call, seen
from bcss.sandbox.businesscentral.errors import bad_request, no_segment, not_found
from bcss.sandbox.businesscentral.rows import Table

_SEGMENT = re.compile(r"([A-Za-z]+)(?:\((.*)\))?")
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the path: a name and, where there is one, its key in parentheses."""

    name: str
    key: str

    @property
    def low(self) -> str:
        """Return the name for comparing; BC takes either case (§1.1)."""
        return self.name.lower()


def split(text: str) -> Segment:
    """Read a part of the path, or refuse it."""
    match = _SEGMENT.fullmatch(text)
    if match is None:
        if text == "$count":
            return Segment(text, "")
        raise no_segment(text[:80])
    return Segment(match[1], match[2] or "")


def identity_of(segment: Segment) -> str:
    """Read a GUID key, bare as §1.1 wants it."""
    if not _GUID.fullmatch(segment.key):
        raise bad_request("Bad Request - Error in query syntax.")
    return segment.key.lower()


def visible(call: Call, table: Table[Any], head: Segment) -> Any:
    """Return a row by its key as this read may see it, or refuse with 404."""
    identity = identity_of(head)
    plain = not call.header("x-sandbox-lag") and not call.books.switches["hide_posted"]
    found = table.get(identity) if plain else seen(call, table).get(identity)
    if found is None:
        raise not_found()
    return found
