"""Print: data to stdout, everything else to stderr, and never a control character of a stranger."""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TextIO
from zoneinfo import ZoneInfo

_GAP = "  "
_LEAST = 20  # columns that the last cell of a row must be left


@dataclass(frozen=True, slots=True)
class Table:
    """Rows for a person: drawn on a terminal, aligned columns elsewhere, never cut."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]


Block = str | Table


def printable(value: object) -> str:
    """Render data of others for a terminal: control, escape and direction characters escaped."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(_harmless(character) for character in text)


def _harmless(character: str) -> str:
    if character.isprintable():
        return character
    if character.isspace() and ord(character) > ord(" "):
        return " "
    return character.encode("unicode_escape").decode("ascii")


def json_text(value: Mapping[str, Any]) -> str:
    """Render one JSON object; amounts as strings, times in ISO 8601 with offset."""
    text = json.dumps(value, ensure_ascii=False, default=_plain, allow_nan=False)
    return text if text.isprintable() else re.sub(r"[^ -~]", _escaped, text)


def _escaped(found: "re.Match[str]") -> str:
    character = found[0]
    if character.isprintable():
        return character
    return json.dumps(character)[1:-1]


def _plain(value: object) -> str:
    from bcss.clock import iso  # noqa: PLC0415 - the parser alone needs no clock

    match value:
        case Decimal():
            return f"{value:f}"
        case datetime():
            return iso(value)
        case _:
            return str(value)


def when(instant: datetime | None, zone: ZoneInfo | None = None) -> str:
    """Render an instant with its zone, for a person; empty for none."""
    if instant is None:
        return ""
    return instant.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def age(since: datetime, now: datetime) -> str:
    """Render how long ago something was, in its largest unit."""
    seconds = max(0, int((now - since).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def show_blocks(blocks: Iterable[Block], stream: TextIO | None = None) -> None:
    """Print text and tables; a table is drawn by rich on a terminal only (stack.md §1.4)."""
    out = stream or sys.stdout
    for block in blocks:
        if isinstance(block, str):
            out.write(f"{block}\n")
        elif out.isatty():
            _draw(block, out)
        else:
            out.writelines(f"{line}\n" for line in aligned(block))
    out.flush()


def aligned(table: Table) -> list[str]:
    """Lay a table out in columns of their widest cell."""
    cells = [[printable(cell) for cell in row] for row in (table.headers, *table.rows)]
    widths = _widths(cells)
    return [
        _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _widths(cells: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*cells, strict=True)]


def _draw(table: Table, out: TextIO) -> None:
    """Draw a table; where it is too wide only its last column is broken, if that suffices."""
    from rich import box  # noqa: PLC0415 - only on a terminal
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table as Drawn  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(file=out, markup=False, highlight=False)
    cells = [[printable(cell) for cell in row] for row in (table.headers, *table.rows)]
    *before, _last = _widths(cells)
    narrow = sum(before) + len(_GAP) * len(before) + _LEAST <= console.width
    drawn = Drawn(box=box.SIMPLE_HEAD, pad_edge=False)
    for n, header in enumerate(cells[0]):
        drawn.add_column(header, overflow="fold", no_wrap=narrow and n < len(before))
    for row in cells[1:]:
        drawn.add_row(*(Text(cell) for cell in row))
    console.print(drawn)


def say(text: str) -> None:
    """Tell a person something on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
