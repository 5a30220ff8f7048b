"""Make shoppers' text fit for Business Central: decoded, without control characters, cut."""

import unicodedata
from html import unescape

_JOINERS = ("\u200d",)
_BASIC_PLANE = 0xFFFF


def clean(text: str) -> str:
    """Decode HTML entities once, drop control and direction characters, fold blanks."""
    decoded = unescape(text)
    kept = (" " if c in "\t\r\n" else c for c in decoded if c in "\t\r\n" or _harmless(c))
    return " ".join("".join(kept).split())


def _harmless(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") or (
        character in _JOINERS
    )


def cut(text: str, length: int) -> str:
    """Shorten cleaned text to `length` characters without tearing a combined character.

    Business Central counts UTF-16 code units, so a character outside the basic plane is two.
    """
    cleaned = clean(text)
    if _units(cleaned) <= length:
        return cleaned
    end = len(cleaned)
    while end and (_units(cleaned[:end]) > length or _tears(cleaned, end)):
        end -= 1
    return cleaned[:end].rstrip()


def _units(text: str) -> int:
    return len(text) + sum(ord(c) > _BASIC_PLANE for c in text)


def _tears(text: str, end: int) -> bool:
    if end >= len(text):
        return False
    after, before = text[end], text[end - 1]
    return bool(unicodedata.combining(after)) or after in _JOINERS or before in _JOINERS


def code(text: str) -> str:
    """Fold text as BC folds a Code field: upper case, outer blanks gone."""
    return text.strip().upper()
