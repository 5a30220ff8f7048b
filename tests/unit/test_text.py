"""Shoppers' text is decoded once, cleaned, and cut where no character is torn."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcss.mapping.text import clean, cut, units

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
FLAG = "\U0001f1e9\U0001f1ea"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Bell &amp; Sons", "Bell & Sons"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("a\tb\r\nc", "a b c"),
        ("\u202eevil\u202c\x00\x07", "evil"),
        ("  two   blanks ", "two blanks"),
        ("\ud800lone", "lone"),
        (FAMILY, FAMILY),
    ],
)
def test_text_is_cleaned(text: str, wanted: str) -> None:
    assert clean(text) == wanted


@pytest.mark.parametrize(
    ("text", "length", "wanted"),
    [
        ("abcdef", 4, "abcd"),
        ("abc def", 4, "abc"),
        ("ab\U0001f600", 3, "ab"),
        ("ab\U0001f600", 4, "ab\U0001f600"),
        (f"ab{FAMILY}", 5, "ab"),
        (f"{FLAG}{FLAG}", 6, FLAG),
        (f"{FLAG}{FLAG}", 4, FLAG),
        ("ae\u0301", 2, "a"),
        ("a\u2764\ufe0f", 2, "a"),
        ("a\U0001f44d\U0001f3fd", 4, "a"),
        ("&amp;&amp;&amp;", 2, "&&"),
    ],
)
def test_text_is_cut_between_characters(text: str, length: int, wanted: str) -> None:
    assert cut(text, length) == wanted


@given(st.text(), st.integers(0, 60))
def test_cut_text_fits_and_is_how_the_clean_text_begins(text: str, length: int) -> None:
    kept = cut(text, length)

    assert units(kept) <= length
    assert clean(text).startswith(kept)
    assert kept == kept.strip()
    assert not any(unicodedata.category(one) in ("Cc", "Cs") for one in kept)
