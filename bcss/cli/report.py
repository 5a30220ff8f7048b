"""Say how a run ended: silent when nothing is new, one paragraph for whatever is (design §2)."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bcss.cli.answer import Answer
from bcss.cli.ending import error_object, paragraph
from bcss.cli.options import Common
from bcss.cli.render import printable, say
from bcss.cli.words import plainly

if TYPE_CHECKING:
    from bcss.app import Summary
    from bcss.errors import BcssError
    from bcss.holds import Hold

_MOST = 5


@dataclass(slots=True)
class Said:
    """What a run has to say beside its counts: to everybody, and of decisions carried out.

    `after` is the row of the trail behind which the run began.
    """

    loud: list[str] = field(default_factory=list)
    corrections: list[dict[str, Any]] = field(default_factory=list)
    after: int = 0


_BRACKETS = re.compile(r"\([^)]*\)")
_COUNTED = ("created", "adopted", "tracked", "posted", "confirmed", "dropped", "credited")
_WORDS = {
    "created": "drafts created",
    "adopted": "found again",
    "tracked": "tracked",
    "posted": "posted",
    "confirmed": "confirmed",
    "dropped": "dropped",
    "credited": "credited",
}

_VENDORS = {
    "business_central": "Business Central",
    "shipstation": "ShipStation",
    "shipstation_v2": "ShipStation V2",
}


def hold_object(hold: "Hold") -> dict[str, Any]:
    """Return a hold as `--json` shows it."""
    return {
        "id": hold.label,
        "order_number": hold.order_number,
        "order_key": hold.order_key,
        "order_id": hold.order_id,
        "store_id": hold.store_id,
        "reason": hold.why,
        "release": str(hold.release),
        "since": hold.since,
        "amount": hold.amount,
        "currency": hold.currency,
        "message": hold.message,
        "next_step": hold.next_step,
        "subject": hold.subject,
        "assigned": hold.assigned,
        "next_at": hold.next_at,
    }


def run_object(summary: "Summary", command: str, name: str) -> dict[str, Any]:
    """Return a run as `--json` shows it."""
    report = summary.report
    return {
        "run": {"run_id": summary.run_id, "command": command, "connection": name},
        **{word: getattr(report, word) for word in _COUNTED},
        "holds": [hold_object(hold) for hold in summary.new_holds],
        "notes": list(report.notes),
        "failed": list(report.failed),
        "errors": [error_object(error) for error in summary.errors],
        "requests": dict(summary.requests),
        "exit_code": int(summary.exit_code),
    }


def report_run(summary: "Summary", command: str, name: str, common: Common, said: Said) -> Answer:
    """Print what a run has to say on stderr, and return its answer.

    What is loud is said even where nobody watches, unless `--quiet`.
    """
    watched = sys.stderr.isatty() or common.verbose
    for error in _distinct(summary.errors):
        say(paragraph(error, name))
    if summary.new_holds:
        say(held_paragraph(summary.new_holds, name))
    if not common.quiet:
        more = summary.report.notes if watched else ()
        notes = [*said.loud, *(one for one in more if one not in said.loud)]
        notes += [correction_line(one) for one in said.corrections if watched]
        for note in notes:
            say(f"bcss: {printable(name)}: {printable(note)}")
        if watched and not common.as_json:
            say(f"bcss: {printable(name)}: {moved(summary)}")
    data = {**run_object(summary, command, name), "corrections": said.corrections}
    return Answer(data, code=summary.exit_code)


def correction_line(one: Mapping[str, Any]) -> str:
    """Say what came of a decision: which hold, which order, and its documents."""
    named = f"{one['hold']}: " if one["hold"] else ""
    return f"{named}{one['order_number']}: {one['text']}"


def _distinct(errors: "Sequence[BcssError]") -> "list[BcssError]":
    """Say the same thing once, however many flows met it; what brackets hold differs each time."""
    return list({_BRACKETS.sub("", str(error)): error for error in errors}.values())


def held_paragraph(holds: "Sequence[Hold]", name: str) -> str:
    """Name what a run held newly: which order, why, and what to do."""
    count = len(holds)
    lines = [f"bcss: {printable(name)}: {count} newly held:"]
    lines += [f"  {_line(hold)}" for hold in holds[:_MOST]]
    if count > _MOST:
        lines.append(f"  … and {count - _MOST} more: bcss hold list")
    return "\n".join(lines)


def _line(hold: "Hold") -> str:
    named = f"order {hold.order_number}" if hold.order_number else hold.subject
    message = printable(plainly(hold.message)).rstrip(".")
    return f"{hold.label} {printable(named)}: {hold.why}: {message}. {hold.next_step}"


def moved(summary: "Summary") -> str:
    """Say in one line what a run moved."""
    counted = {word: getattr(summary.report, word) for word in _COUNTED}
    parts = [f"{count} {_WORDS[word]}" for word, count in counted.items() if count]
    text = ", ".join(parts) or "nothing to do"
    return f"{text}{_calls(summary.requests)}"


def _calls(requests: Mapping[str, int]) -> str:
    parts = [f"{count} to {_VENDORS.get(vendor, vendor)}" for vendor, count in requests.items()]
    return f" ({' and '.join(parts)} requests)" if parts else ""
