"""Make shoppers' text fit for Business Central: decoded, without control characters, cut."""

import unicodedata
from html import unescape

_JOINERS = ("\u200d",)
_BASIC_PLANE = 0xFFFF
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_FLAG_LETTERS = range(0x1F1E6, 0x1F200)


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
    if units(cleaned) <= length:
        return cleaned
    end = min(len(cleaned), length)
    while end and (units(cleaned[:end]) > length or _tears(cleaned, end)):
        end -= 1
    return cleaned[:end].rstrip()


def units(text: str) -> int:
    """Return the length of a text as Business Central counts it."""
    return len(text) + sum(ord(c) > _BASIC_PLANE for c in text)


def _tears(text: str, end: int) -> bool:
    if end >= len(text):
        return False
    after, before = text[end], text[end - 1]
    if after in _JOINERS or before in _JOINERS:
        return True
    if ord(after) in _FLAG_LETTERS:
        return _flag_letters_before(text, end) % 2 == 1
    return unicodedata.category(after).startswith("M") or ord(after) in _SKIN_TONES


def _flag_letters_before(text: str, end: int) -> int:
    """Count the letters of flags in a row before a place; two of them make one flag."""
    begin = end
    while begin and ord(text[begin - 1]) in _FLAG_LETTERS:
        begin -= 1
    return end - begin


def code(text: str) -> str:
    """Fold text as BC folds a Code field: upper case, outer blanks gone."""
    return text.strip().upper()
