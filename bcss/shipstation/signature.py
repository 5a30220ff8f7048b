"""Tell whether a webhook was signed by ShipStation, and when (shipstation.md §12.6).

RSASSA-PKCS1-v1_5 with SHA-256 over timestamp, full stop and the body as it came; the public key
is the one of ShipStation's published set that the message names.
"""

import re
from base64 import b64decode, urlsafe_b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from bcss.clock import parse_utc
from bcss.wire import NotJson, parse_object

KEY_ID: Final = b"x-shipengine-rsa-sha256-key-id"
SIGNATURE: Final = b"x-shipengine-rsa-sha256-signature"
TIMESTAMP: Final = b"x-shipengine-timestamp"
WINDOW: Final = timedelta(minutes=5)
KEYS_URL: Final = "https://api.shipengine.com/jwks"
MAX_KEYS: Final = 20
_NAME = re.compile(r"[\x21-\x7e]{1,128}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")
_LONGEST: Final = 2048
_BITS: Final = range(2048, 8193)
_EXPONENTS: Final = range(3, 2**32)

Keys = Mapping[str, tuple[int, int]]
Verdict = Literal["unsigned", "good", "unknown key", "bad signature"]


def keys_url(v2_api_url: str) -> str:
    """Return where the key set is published; an imitation publishes its own."""
    if v2_api_url.rstrip("/") == "https://api.shipstation.com":
        return KEYS_URL
    return f"{v2_api_url.rstrip('/')}/jwks"


def read_keys(body: bytes) -> dict[str, tuple[int, int]]:
    """Return modulus and exponent by key id; keys that are not fit for this use are left out.

    Raise NotJson for what is no key set at all.
    """
    listed = parse_object(body).get("keys")
    if not isinstance(listed, list):
        raise NotJson("a key set has a list of keys")
    found: dict[str, tuple[int, int]] = {}
    for entry in listed[:MAX_KEYS]:
        key = _read_key(entry) if isinstance(entry, dict) else None
        if key is not None:
            found[key[0]] = key[1]
    return found


def _read_key(entry: Mapping[str, Any]) -> tuple[str, tuple[int, int]] | None:
    name = entry.get("kid")
    modulus, exponent = _number(entry.get("n")), _number(entry.get("e"))
    fit = (
        entry.get("kty") == "RSA"
        and entry.get("use", "sig") == "sig"
        and entry.get("alg", "RS256") == "RS256"
        and isinstance(name, str)
        and _NAME.fullmatch(name)
        and modulus.bit_length() in _BITS
        and exponent in _EXPONENTS
        and exponent % 2 == 1
    )
    return (str(name), (modulus, exponent)) if fit else None


def _number(text: object) -> int:
    if not isinstance(text, str) or len(text) > _LONGEST:
        return 0
    try:
        return int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (NotBase64, ValueError):
        return 0


def judge(
    headers: Mapping[bytes, Sequence[bytes]], body: bytes, keys: Keys, now: datetime
) -> Verdict:
    """Judge a message by its headers, whose names are in lower case."""
    given = [headers.get(name, ()) for name in (KEY_ID, SIGNATURE, TIMESTAMP)]
    if not any(given):
        return "unsigned"
    if any(len(values) != 1 for values in given):
        return "bad signature"
    key_id, signature, timestamp = (values[0].decode("latin-1") for values in given)
    if not _NAME.fullmatch(key_id) or not _is_recent(timestamp, now):
        return "bad signature"
    if key_id not in keys:
        return "unknown key"
    signed = timestamp.encode("ascii") + b"." + body
    return "good" if _verifies(keys[key_id], signature, signed) else "bad signature"


def _is_recent(timestamp: str, now: datetime) -> bool:
    if not _TIME.fullmatch(timestamp) or not timestamp.isascii():
        return False
    try:
        return abs(parse_utc(timestamp) - now) <= WINDOW
    except (ValueError, OverflowError):
        return False


def _verifies(key: tuple[int, int], signature: str, signed: bytes) -> bool:
    """Verify; the library is loaded by the first signed webhook, not by the program's start."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    modulus, exponent = key
    try:
        raw = b64decode(signature[:_LONGEST], validate=True)
        RSAPublicNumbers(exponent, modulus).public_key().verify(raw, signed, PKCS1v15(), SHA256())
    except (InvalidSignature, NotBase64, ValueError):
        return False
    return True
