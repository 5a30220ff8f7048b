"""Say line by line where a document of Business Central differs from what was expected of it."""

from collections.abc import Iterator
from decimal import Decimal

from bcss.businesscentral.records import Document, DocumentLine
from bcss.mapping.amounts import line_amount
from bcss.mapping.explain import line_text, plain
from bcss.money import round_amount, show
from bcss.units import Draft

_LINES = 6


def explain(draft: Draft, document: Document) -> str:
    """Return the lines that make the difference, bounded; empty where no line shows any."""
    found = list(_differing(draft, document))
    rest = len(found) - _LINES
    return "; ".join(found[:_LINES] + ([f"… and {rest} more lines"] if rest > 0 else []))


def standing_text(document: Document) -> str:
    """Render a document's lines and total as they stand in Business Central, bounded."""
    currency = document.currency_code
    lines = [
        f"{line.object_number} {plain(line.quantity)} x {show(line.unit_price)} = "
        f"{show(_amount(line, currency), currency)}"
        for line in document.lines
        if line.line_type != "Comment"
    ]
    rest = len(lines) - _LINES
    shown = lines[:_LINES] + ([f"… and {rest} more lines"] if rest > 0 else [])
    total = show(document.total_including_tax, currency)
    return f"{'; '.join(shown) or 'no lines'}; {total} in all"


def _differing(draft: Draft, document: Document) -> Iterator[str]:
    theirs = [line for line in document.lines if line.line_type != "Comment"]
    for n in range(max(len(theirs), len(draft.lines))):
        if n >= len(theirs):
            yield f"line {n + 1} is missing: {line_text(draft.lines[n], draft.currency)}"
        elif n >= len(draft.lines):
            yield _not_ours(n, theirs[n], draft.currency)
        else:
            yield from _one(n, draft, theirs[n])


def _not_ours(n: int, line: DocumentLine, currency: str) -> str:
    name = " ".join(part for part in (line.object_number, line.description[:40]) if part)
    amount = show(_amount(line, currency), currency)
    return f"line {n + 1} ({name}) of {amount} is Business Central's own"


def _one(n: int, draft: Draft, line: DocumentLine) -> Iterator[str]:
    ours, currency = draft.lines[n], draft.currency
    name = f"line {n + 1} {ours.number}"
    if _amount(line, currency) != line_amount(ours, currency):
        yield (
            f"{name}: {show(_amount(line, currency), currency)} instead of "
            f"{show(line_amount(ours, currency), currency)}"
        )
    if line.tax_amount and (draft.tax == "none" or draft.prices == "net"):
        percent = plain(line.tax_percent)
        yield f"{name}: tax {show(line.tax_amount, currency)} ({percent} %)"


def _amount(line: DocumentLine, currency: str) -> Decimal:
    return round_amount(line.quantity * line.unit_price, currency) - line.discount_amount
