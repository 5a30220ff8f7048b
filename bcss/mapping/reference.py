"""Derive the reference that makes a booking findable for ever (design §4.1).

Every function here is frozen: a change of any result would book orders twice. The golden file
of the tests holds them.
"""

import re
from base64 import b32encode
from dataclasses import dataclass
from hashlib import sha256

MAX_LENGTH = 35
_PLAIN = re.compile(r"[A-Z0-9][A-Z0-9._-]{7,29}")
_HASHED_PREFIX = "BX-"
_NUMBER_LENGTH = 16
_DIGEST_LENGTH = 14
_UNIT_HASH_LENGTH = 10


@dataclass(frozen=True, slots=True)
class Identity:
    """What a unit is for ever: account label, store at first capture, orderKey, generation."""

    account: str
    store_id: int
    order_key: str
    generation: int = 0


def plain_form(identity: Identity) -> str:
    """Return the orderKey where it may serve as the reference itself, else empty text.

    Whether it may depends on the key and the generation alone, never on the configuration.
    """
    key = identity.order_key
    usable = _PLAIN.fullmatch(key) and not key.startswith(_HASHED_PREFIX)
    return key if usable and identity.generation == 0 else ""


def hashed_form(identity: Identity, order_number: str) -> str:
    """Return the reference that holds for any key, generation and store."""
    number = "".join(c for c in order_number.upper() if c.isascii() and c.isalnum())
    digest = b32encode(_digest(identity)).decode("ascii")[:_DIGEST_LENGTH]
    return f"{_HASHED_PREFIX}{number[:_NUMBER_LENGTH]}-{digest}"


def unit_hash(identity: Identity) -> str:
    """Return the short name of the unit that its marker line carries."""
    return _digest(identity).hex()[:_UNIT_HASH_LENGTH]


def usable_key(order_key: str) -> bool:
    """Tell whether a key names an order at all: not empty, not all zeros (shipstation.md §2.4)."""
    return bool(order_key.strip("{}-0 "))


def _digest(identity: Identity) -> bytes:
    parts = (
        "bcss/1",
        identity.account,
        str(identity.store_id),
        identity.order_key,
        str(identity.generation),
    )
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
