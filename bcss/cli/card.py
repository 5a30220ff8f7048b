"""Show one hold as a person reads it before deciding: figures of both sides, and what would come."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Never
from zoneinfo import ZoneInfo

from bcss.cli.history import ending_words
from bcss.cli.papers import Names, document_blocks, document_object, names_of
from bcss.cli.render import Block, Table, age, printable, when
from bcss.cli.standing import why_unit
from bcss.cli.words import BY_HAND, next_step, plainly, priced, until, waiting_words
from bcss.clock import Clock, parse_utc
from bcss.config.schema import Config
from bcss.flows.connection import Connection
from bcss.flows.ignoring import foretold
from bcss.flows.proposal import proposal
from bcss.holds import REASONS, Hold, Verdict, Why
from bcss.mapping.amounts import line_amount
from bcss.mapping.readiness import Drop, Wait
from bcss.money import show
from bcss.store.db import Store
from bcss.units import REVERSING, Draft, DraftLine, Unit

_CORRECTED = (
    Why.EDITED_AFTER_POST,
    Why.VOIDED_AFTER_POST,
    Why.CANCELLED_AFTER_POST,
    Why.DELETED_AFTER_POST,
    Why.CREDIT_REFUSED,
    Why.CREDIT_UNCLEAR,
    Why.CREDITED_BY_HAND,
)
_SHOWN_NUMBERS = 20
_APPROVING = "Approving books "  # as bcss.booking.judge says it last


def unit_of(store: Store, hold: Hold, config: Config) -> Unit | None:
    """Return the unit that a hold is about."""
    kind, _, number = hold.subject.partition(":")
    return priced(store.units.get(int(number)), config) if kind == "unit" else None


def head(store: Store, hold: Hold, config: Config, now: datetime) -> list[Block]:
    """Show what is held, since when, why, and what to do; of an ended one how it ended."""
    zone = config.business_central.time_zone
    about = f"order {hold.order_number}" if hold.order_number else hold.subject
    amount = f" ({show(hold.amount, hold.currency)})" if hold.amount is not None else ""
    blocks: list[Block] = [
        printable(f"{hold.label} {about}{amount}, held since {when(hold.since, zone)}"),
        f"reason: {hold.why}",
        f"message: {printable(plainly(hold.message))}",
    ]
    if hold.assigned:
        blocks.append(f"assigned to: {printable(hold.assigned)}")
    if hold.closed_at is not None:
        return [*blocks, f"ended: {printable(ending_words(store, hold, zone))}"]
    blocks[0] = f"{blocks[0]} ({age(hold.since, now)})"
    return [*blocks, *_next(store, hold, config)]


def _next(store: Store, hold: Hold, config: Config) -> list[Block]:
    reason = REASONS[Why(hold.why)]
    numbers = _numbers(store, hold)
    return [
        *([f"orders: {printable(numbers)}"] if numbers else []),
        f"next step: {printable(next_step(hold, config))}",
        f"approving: {reason.approving}",
        f"ignoring: {printable(ignoring(store, hold, config))}",
        f"meanwhile: {until(hold)}",
    ]


def ignoring(store: Store, hold: Hold, config: Config) -> str:
    """Say beforehand what ignoring a hold means."""
    return foretold(at_rest(store, config), hold)


def draft_total(hold: Hold) -> str:
    """Return what approving a draft that a person edited books, as its message says; or nothing."""
    if hold.why != Why.BC_DRAFT_EDITED or _APPROVING not in hold.message:
        return ""
    return hold.message.rpartition(_APPROVING)[2].partition(":")[0]


def _numbers(store: Store, hold: Hold) -> str:
    """Name the orders of an unlisted store; of those bcss reads no more than the number."""
    if hold.why != Why.UNKNOWN_STORE or hold.store_id is None:
        return ""
    numbers = store.orders.stranger_numbers(hold.store_id)
    rest = len(numbers) - _SHOWN_NUMBERS
    more = f" and {rest} more" if rest > 0 else ""
    known = " (bcss reads no amounts of a store that is not listed)" if numbers else ""
    return ", ".join(numbers[:_SHOWN_NUMBERS]) + more + known


def about(store: Store, unit: Unit | None, config: Config) -> str:
    """Say where the order of a hold stands, with its whole story."""
    zone = config.business_central.time_zone
    return why_unit(store, unit, zone, beside_hold=True) if unit else ""


def paper(store: Store, unit: Unit | None, config: Config) -> dict[str, Any] | None:
    """Return the document that a hold is about: as it was sent, or as it would be.

    What Business Central made of it is remembered, and marked with the time it was seen.
    """
    if unit is None:
        return None
    draft, names = unit.draft, names_of(store, config)
    if draft is None:
        found = proposal(at_rest(store, config), unit)
        if not isinstance(found, Draft):
            return None
        draft = found
    seen = _last_seen(store, unit) if unit.bc_total is not None else None
    found_object = document_object(store, unit, draft, names, unit.bc_total)
    if unit.held == Why.BC_DRAFT_EDITED:  # of that draft only the message tells
        return found_object | {"edited": True, "lines": [], "bc_total": None, "bc_total_seen": None}
    return found_object | {"bc_total_seen": seen}


def _last_seen(store: Store, unit: Unit) -> datetime | None:
    """Return when Business Central last told of a unit's document."""
    rows = store.trail.of([f"unit:{unit.unit_id}"])
    times = [parse_utc(row.at) for row in rows if row.kind in ("outcome", "evidence")]
    return max(times, default=None)


def paper_blocks(found: Mapping[str, Any] | None, zone: ZoneInfo) -> list[Block]:
    """Lay out the document of a hold."""
    return document_blocks(found, zone) if found else []


def correction(
    store: Store, hold: Hold, unit: Unit | None, config: Config
) -> dict[str, Any] | None:
    """Return what was booked beside what would be booked now; None where nothing is corrected."""
    if unit is None or unit.draft is None or hold.why not in _CORRECTED:
        return None
    now = proposal(at_rest(store, config), unit)
    fresh = now if isinstance(now, Draft) and hold.why != Why.VOIDED_AFTER_POST else None
    by_hand = hold.why == Why.CREDITED_BY_HAND or unit.memo_number == BY_HAND
    zone = config.business_central.time_zone
    was = unit.bc_total if unit.bc_total is not None else unit.draft.gross
    return {
        "document_number": unit.document_number,
        "currency": unit.currency,
        "was_total": was,
        "was_dated": unit.draft.posting_date,
        "is_total": fresh.gross if fresh else None,
        "difference": fresh.gross - was if fresh else None,
        "credit_memo_total": None if by_hand else was,
        "credit_memo_date": None if by_hand else store.clock.now().astimezone(zone).date(),
        "new_dated": fresh.posting_date if fresh else None,
        "then": _then(hold, now),
        "lines": _compared(unit.draft, fresh, names_of(store, config)),
    }


def _then(hold: Hold, now: object) -> str:
    """Say what becomes of the order once its invoice is credited."""
    match now:
        case Draft() if hold.why != Why.VOIDED_AFTER_POST:
            return ""
        case Wait(reason=reason):
            return f"the order {waiting_words(reason)}"
        case Drop() | None:
            return "nothing more is booked"
        case Verdict(message=message):
            return f"the order is held then: {plainly(message)}"
        case _:
            return "the order is booked again once it ships"


def _compared(was: Draft, now: Draft | None, names: Names) -> list[dict[str, str]]:
    """Put the lines of two documents side by side, those of one article together."""
    keys = [_key(line) for line in (*was.lines, *(now.lines if now else ()))]
    return [
        {
            "what": names.article(*key),
            "was": _terms(was, key),
            "is": _terms(now, key) if now else "",
        }
        for key in dict.fromkeys(keys)
        if key[0] != "Comment"
    ]


def _key(line: DraftLine) -> tuple[str, str, str]:
    return line.type, line.number, line.variant


def _terms(draft: Draft, key: tuple[str, str, str]) -> str:
    return "; ".join(
        f"{line.quantity.normalize():f} x {show(line.unit_price)}{_less(line)} = "
        f"{show(line_amount(line, draft.currency))}"
        for line in draft.lines
        if _key(line) == key
    )


def _less(line: DraftLine) -> str:
    return f" less {show(line.discount)}" if line.discount else ""


def correction_blocks(found: Mapping[str, Any] | None) -> list[Block]:
    """Lay out what was booked beside what is, and what approving books."""
    if found is None:
        return []
    currency = found["currency"]
    fresh = found["is_total"] is not None
    rows: list[Sequence[str]] = [
        [line["what"], line["was"], *([line["is"] or "none"] if fresh else [])]
        for line in found["lines"]
    ]
    total = ["total", show(found["was_total"], currency)]
    rows.append([*total, *([_is_total(found)] if fresh else [])])
    headers = ("", f"was booked as {found['document_number']}", *(["is now"] if fresh else []))
    return [Table(headers, rows), printable(f"approving books: {_booked(found)}")]


def credit(store: Store, unit: Unit, config: Config) -> dict[str, Any] | None:
    """Return what an approved correction comes to; None where no correction is under way."""
    decided = [hold for hold in store.holds.of([f"unit:{unit.unit_id}"]) if hold.closed_at]
    if unit.state not in REVERSING or not decided:
        return None
    found = correction(store, decided[-1], unit, config)
    if found is None or found["credit_memo_total"] is None:
        return found
    return found | {"credit_memo_date": unit.memo_date or found["credit_memo_date"]}


def credit_text(found: Mapping[str, Any]) -> str:
    """Say what an approved correction credits, and what it books then."""
    number, currency = found["document_number"], found["currency"]
    text = f"{number} was credited by hand"
    if found["credit_memo_total"] is not None:
        total = show(found["credit_memo_total"], currency)
        text = f"credits {number}, {total}, dated {found['credit_memo_date']}"
    if found["is_total"] is None:
        return f"{text}; {found['then']}"
    return f"{text}; then books {show(found['is_total'], currency)}, dated {found['new_dated']}"


def _is_total(found: Mapping[str, Any]) -> str:
    difference: Decimal = found["difference"]
    currency = found["currency"]
    more = "more" if difference > 0 else "less"
    told = f" ({show(abs(difference), currency)} {more})" if difference else " (the same)"
    return f"{show(found['is_total'], currency)}{told}"


def _booked(found: Mapping[str, Any]) -> str:
    currency = found["currency"]
    parts = []
    if found["credit_memo_total"] is not None:
        parts.append(
            f"a credit memo over {found['document_number']}, "
            f"{show(found['credit_memo_total'], currency)}, dated {found['credit_memo_date']}"
        )
    if found["is_total"] is not None:
        parts.append(
            f"a new invoice, {show(found['is_total'], currency)}, dated {found['new_dated']}"
        )
    then = f"; {found['then']}" if found["then"] else ""
    return f"{', then '.join(parts) or 'nothing'}{then}."


def at_rest(store: Store, config: Config) -> Connection:
    """Return a connection that asks nobody."""
    clock: Clock = store.clock
    return Connection(config, store, clock, _nobody, _nobody, _nobody)


def _nobody() -> Never:
    raise AssertionError("looking at a hold asks no vendor")
