"""Lay the review queue out: for a person by what is to be done, and for a spreadsheet."""

import csv
import io
import shutil
import sys
import textwrap
from collections.abc import Sequence
from datetime import datetime

from bcss.cli.render import Block, Table, age, aligned, printable
from bcss.cli.words import ToDo, next_step, plainly, what_to_do
from bcss.config.schema import Config
from bcss.holds import Hold
from bcss.money import show

COLUMNS = (
    "hold", "connection", "order_number", "order_key", "store_id", "reason", "release", "since",
    "amount", "currency", "who", "message", "next_step",
)  # fmt: skip
_HEADERS = ("hold", "order", "reason", "since", "amount", "who")
_INDENT = "    "


def list_blocks(holds: Sequence[Hold], now: datetime) -> list[Block]:
    """Show each hold on two lines, grouped by what it asks for, the oldest of each group first."""
    rows = aligned(Table(_HEADERS, [_row(hold, now) for hold in holds]))
    lines = {hold.hold_id: row for hold, row in zip(holds, rows[1:], strict=True)}
    blocks: list[Block] = [f"  {rows[0]}"]
    for todo in ToDo:
        group = [hold for hold in holds if what_to_do(hold) is todo]
        if group:
            blocks.append(f"{len(group)} {todo}")
        for hold in group:
            blocks += [f"  {lines[hold.hold_id]}", _message(hold)]
    return blocks


def _row(hold: Hold, now: datetime) -> list[str]:
    return [
        hold.label,
        hold.order_number or hold.subject,
        hold.why,
        age(hold.since, now),
        show(hold.amount, hold.currency) if hold.amount is not None else "",
        hold.assigned,
    ]


def _message(hold: Hold) -> str:
    """Give the message the whole width of a terminal; elsewhere it stays on one line."""
    text = printable(plainly(hold.message))
    if not sys.stdout.isatty():
        return f"{_INDENT}{text}"
    width = max(40, shutil.get_terminal_size().columns)
    filled = textwrap.fill(text, width, initial_indent=_INDENT, subsequent_indent=_INDENT)
    return filled or _INDENT


def csv_text(found: Sequence[tuple[Config, Hold]]) -> str:
    """Return the queue as RFC 4180 has it, one row a hold, and no cell a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerows(_cells(config, hold) for config, hold in found)
    return out.getvalue()


def _cells(config: Config, hold: Hold) -> list[str]:
    """Return one row; only the amount, which is ours, may begin with a minus."""
    from bcss.mapping.importfile import safe  # noqa: PLC0415 - brings the mapping

    texts = [
        hold.label,
        config.name,
        hold.order_number,
        hold.order_key,
        str(hold.store_id or ""),
        hold.why,
        str(hold.release),
        hold.since.astimezone(config.business_central.time_zone).isoformat(timespec="seconds"),
    ]
    amount = show(hold.amount, hold.currency).split(" ")[0] if hold.amount is not None else ""
    rest = [hold.currency, hold.assigned, plainly(hold.message), next_step(hold, config)]
    return [*map(safe, texts), amount, *map(safe, rest)]
