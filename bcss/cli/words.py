"""Say where a unit stands in words that a person in finance understands."""

import re
from dataclasses import replace
from enum import StrEnum
from typing import TypeVar, assert_never
from zoneinfo import ZoneInfo

from bcss.cli.render import when
from bcss.clock import parse_utc
from bcss.config.schema import Config, DocumentKind, StoreRule
from bcss.holds import REASONS, Hold, Release, Why
from bcss.money import show
from bcss.units import State, Unit

Priced = TypeVar("Priced", Unit, Hold)
KINDS = {
    DocumentKind.POSTED_INVOICE: "invoice",
    DocumentKind.DRAFT_INVOICE: "draft invoice",
    DocumentKind.SALES_ORDER: "sales order",
    DocumentKind.SHIP_AND_INVOICE: "sales order, shipped and invoiced",
}
# The reasons of bcss.mapping.readiness, by value: importing it would cost `status` 50 ms.
WAITING = {
    "not-shipped": "has not shipped yet; it is booked once it has",
    "waiting-for-sibling": "has shipped in part; it is booked when the rest has shipped as well",
    "waiting-for-evidence": "is marked as shipped, and its label or fulfillment has not shown up yet",
    "waiting-for-merged-order": "has absorbed another order whose document is still to be settled",
    "waiting-for-poll": "changed while ShipStation was being read; the next run reads it again",
    "waiting-for-ship-date": "has a ship date in the future; it is booked on that day",
    "settle": "waits until an earlier request to Business Central can no longer take effect",
    "replace": "changed after its draft was made; the next run takes the draft back and makes "
    "a new one",
    "cancel": "was cancelled; the next run deletes its draft",
}


# As bcss.reply words an answer: status and code, what was asked, and what the vendor said.
_CODES = re.compile(
    r"(?:Business Central|ShipStation|ShipStation V2) answered "
    r"(\d{3}(?: \S+)? to (?:[A-Z]+ )?\S+): (.+?)\s*$",
    re.DOTALL,
)
_ENVELOPE = re.compile(r"\b\w+: ShipStation's answer to \S+ cannot be read: ")
_ENTITIES = {
    "salesInvoices": "invoice",
    "salesOrders": "sales order",
    "salesCreditMemos": "credit memo",
}
# What stands for the number of a credit memo that a person has made.
BY_HAND = "by hand"
_NAMED = re.compile(r"\b(salesInvoices|salesOrders|salesCreditMemos) (\S)")
_BY_ITSELF = "by itself"


class ToDo(StrEnum):
    """What a held order asks of a person; the value heads the list."""

    DECIDE = "to decide: bcss hold show, then approve or ignore"
    CORRECT = "to correct: it then goes on by itself"
    BY_HAND = "to settle by hand: then bcss hold ignore"


def priced(one: Priced, config: Config) -> Priced:
    """Add the store's currency to what has none yet, so that no amount stands without."""
    rule = config.orders.stores.get(one.store_id or 0)
    if one.currency or not isinstance(rule, StoreRule):
        return one
    return replace(one, currency=rule.currency)


def waiting_words(reason: str) -> str:
    """Say what a unit waits for."""
    if reason.startswith("refused: "):
        said = plainly(reason.removeprefix("refused: "))
        return f"was refused when posted ({said}); it is read back next"
    return WAITING.get(reason, reason)


def plainly(message: str) -> str:
    """Put what a vendor's answer says before its codes, and name documents as people do."""
    text = _ENVELOPE.sub("", message)
    text = _NAMED.sub(lambda found: f"{_ENTITIES[found[1]]} {found[2]}", text)
    found = _CODES.search(text)
    if found is None:
        return text
    said = f"{text[: found.start()]}{found[2].rstrip('. ')}"
    return f"{said} ({found[1]})."


def what_to_do(hold: Hold) -> ToDo:
    """Say what kind of work a hold is; what ends by itself is no decision, though it may be tried."""
    reason = REASONS[Why(hold.why)]
    if _BY_ITSELF in reason.next_step:
        return ToDo.CORRECT
    return ToDo.DECIDE if reason.can_approve else ToDo.BY_HAND


def until(hold: Hold) -> str:
    """Say that nothing happens by itself, and until when."""
    match what_to_do(hold):
        case ToDo.DECIDE if hold.release is Release.PERSON:
            return f"Nothing happens until {hold.label} is decided."
        case ToDo.DECIDE:
            return (
                f"Nothing happens until that is corrected and {hold.label} is approved. Only a "
                "change of the order or of the config is taken up without that."
            )
        case ToDo.CORRECT:
            return "Nothing is booked before that is corrected."
        case ToDo.BY_HAND:
            return "bcss does not book it as it is."
        case other:
            assert_never(other)


def next_step(hold: Hold, config: Config) -> str:
    """Say what a person does next, and which file the configuration is."""
    return hold.next_step.replace(" the config", f" {config.path}")


def standing(unit: Unit, hold: Hold | None, zone: ZoneInfo) -> str:
    """Say in one or two sentences where a unit stands and what happens next."""
    if hold is None:
        return _state(unit, zone)
    return (
        f"{facts(unit, hold.why, zone)} It is held ({hold.label}, {hold.why}) since "
        f"{when(hold.since, zone)}: {plainly(hold.message).rstrip('.')}. {until(hold)} "
        f"Next: {hold.next_step}"
    )


def facts(unit: Unit, why: str, zone: ZoneInfo) -> str:
    """Say where a held unit stands, and nothing of a next step that does not come by itself."""
    draft, gone = unit.draft_number, why == Why.DRAFT_GONE
    match unit.state:
        case State.SEEN | State.READY:
            text = "It is not booked."
        case State.CREATE_INTENT:
            sent = when(unit.sent_at, zone)
            text = f"A {KINDS[unit.kind]} was sent to Business Central {sent}, without an answer."
        case State.DRAFTED | State.CONFIRMED if gone and not unit.document_number:
            text = f"Its draft {draft} is gone from Business Central."
        case State.DRAFTED:
            text = f"Its draft {draft} was in Business Central when bcss last looked."
        case State.POST_INTENT | State.POSTED:
            text = f"Draft {draft} was sent to be posted{', and is gone' if gone else ''}."
        case State.CONFIRMED | State.DROPPED:
            text = _state(unit, zone)
        case _:
            text = _half_credited(unit, why)
    return text


def _half_credited(unit: Unit, why: str) -> str:
    number = unit.document_number
    if why == Why.CREDITED_BY_HAND:
        return f"It was booked as {number}, which was credited in Business Central by hand."
    if why == Why.CREDIT_REFUSED:
        return f"It is booked as {number}; its credit memo is not posted."
    return f"It is booked as {number}; what became of its credit memo is not clear."


def _state(unit: Unit, zone: ZoneInfo) -> str:
    kind = KINDS[unit.kind]
    match unit.state:
        case State.SEEN:
            text = f"It {waiting_words(unit.waiting)}." if unit.waiting else "It is not booked."
        case State.READY:
            text = _coming(unit)
        case State.CREATE_INTENT:
            text = (
                f"A {kind} was sent to Business Central {when(unit.sent_at, zone)} and the answer "
                "never came; the next run looks for it before it tries again."
            )
        case State.DRAFTED:
            text = _drafted(unit)
        case State.POST_INTENT | State.POSTED:
            text = f"Draft {unit.draft_number} was sent to be posted; the next run reads it back."
        case State.CONFIRMED:
            text = _booked(unit)
        case State.DROPPED:
            text = f"It is not booked: {unit.waiting or 'there is nothing to book'}."
        case State.REV_NEEDED | State.REV_INTENT | State.REV_DRAFTED:
            text = f"{unit.document_number} is to be credited; the next run goes on with it."
        case State.REV_POST_INTENT | State.REV_POSTED:
            text = f"The credit memo over {unit.document_number} was sent to be posted."
        case _:
            assert_never(unit.state)
    return text


def _coming(unit: Unit) -> str:
    """Say what is made next; an order that is only open gets its sales order before it ships."""
    if unit.draft is not None and unit.draft.open:
        return "It has not shipped yet; the next run makes the sales order that stands until then."
    return f"It has shipped; the next run makes the {KINDS[unit.kind]}."


def _drafted(unit: Unit) -> str:
    then = "the next run compares and posts it" if unit.kind.posts else "the next run compares it"
    if unit.waiting:
        then = f"it {waiting_words(unit.waiting)}"
    return f"Draft {unit.draft_number} stands in Business Central; {then}."


def _booked(unit: Unit) -> str:
    number = unit.document_number or unit.draft_number
    if unit.is_credited:
        return f"It was booked as {number}, which was credited{memo_words(unit)}."
    done = "posted" if unit.kind.posts else "made"
    on = f" on {unit.ship_date}" if unit.ship_date else ""
    total = unit.bc_total if unit.bc_total is not None else unit.total
    amount = f", {show(total, unit.currency)}" if total is not None else ""
    tracking = unit.draft.tracking.number if unit.draft else ""
    sent = f", tracking {tracking}" if tracking else ", without a tracking number"
    return f"It is booked: {KINDS[unit.kind]} {number} was {done}{on}{amount}{sent}."


def memo_words(unit: Unit) -> str:
    """Say by what an invoice was credited, as far as bcss knows."""
    if not unit.memo_number or unit.memo_number == BY_HAND:
        return " in Business Central by hand"
    dated = f" dated {unit.memo_date}" if unit.memo_date else ""
    return f" by {unit.memo_number}{dated}"


def entry_time(at: str, zone: ZoneInfo) -> str:
    """Render the time of a row of the trail."""
    return when(parse_utc(at), zone)
