"""Nothing a stranger wrote may act on a terminal."""

import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcss.cli.render import Table, age, aligned, json_text, printable, show_blocks


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Käse 北京 🎁", "Käse 北京 🎁"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb", "a\\nb"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u00a0b", "a b"),
        ("\ud800", "\\ud800"),
        ("a\u2028b", "a b"),
    ],
)
def test_what_acts_on_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_everything_printable_stays_and_nothing_else_comes(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert not text.isprintable() or shown == text


@given(st.text())
def test_json_stays_json_and_is_one_harmless_line(text: str) -> None:
    rendered = json_text({"name": text})
    assert rendered.isprintable()
    assert json.loads(rendered) == {"name": text}


def test_json_keeps_digits_and_zones() -> None:
    value = {"amount": Decimal("12.30"), "at": datetime(2026, 3, 2, 17, tzinfo=UTC)}
    assert json_text(value) == '{"amount": "12.30", "at": "2026-03-02T17:00:00.000Z"}'


def test_a_table_off_a_terminal_is_aligned_and_never_cut() -> None:
    long = "x" * 300
    lines = aligned(Table(("a", "b"), [["1", long], ["22", "[red]y[/red]"]]))
    assert lines == ["a   b", f"1   {long}", "22  [red]y[/red]"]


def test_a_table_on_a_terminal_takes_data_literally() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    show_blocks([Table(("a",), [["[/bold] \x1b[2J"]])], out)
    assert "[/bold] \\x1b[2J" in out.getvalue()


@pytest.mark.parametrize(
    ("ago", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (200_000, "2 d")],
)
def test_an_age_is_told_in_its_largest_unit(ago: int, words: str) -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    assert age(now - timedelta(seconds=ago), now) == words
