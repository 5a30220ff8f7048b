"""Say where a unit stands in words that a person in finance understands."""

from dataclasses import replace
from typing import TypeVar, assert_never
from zoneinfo import ZoneInfo

from bcss.cli.render import when
from bcss.clock import parse_utc
from bcss.config.schema import Config, DocumentKind, StoreRule
from bcss.holds import Hold
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
    "waiting-for-poll": "changed while ShipStation was being read; the next run reads it again",
    "waiting-for-ship-date": "has a ship date in the future; it is booked on that day",
    "settle": "waits until an earlier request to Business Central can no longer take effect",
    "replace": "changed after its draft was made; the next run takes the draft back and makes "
    "a new one",
    "cancel": "was cancelled; the next run deletes its draft",
}


def priced(one: Priced, config: Config) -> Priced:
    """Add the store's currency to what has none yet, so that no amount stands without."""
    rule = config.orders.stores.get(one.store_id or 0)
    if one.currency or not isinstance(rule, StoreRule):
        return one
    return replace(one, currency=rule.currency)


def waiting_words(reason: str) -> str:
    """Say what a unit waits for."""
    if reason.startswith("refused: "):
        return f"was refused when posted ({reason.removeprefix('refused: ')}); it is read back next"
    return WAITING.get(reason, reason)


def standing(unit: Unit, hold: Hold | None, zone: ZoneInfo) -> str:
    """Say in one or two sentences where a unit stands and what happens next."""
    text = _state(unit, zone)
    if hold is None:
        return text
    return (
        f"{text} It is held ({hold.label}, {hold.why}) since {when(hold.since, zone)}: "
        f"{hold.message.rstrip('.')}. Next: {hold.next_step}"
    )


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
    done = "posted" if unit.kind.posts else "made"
    on = f" on {unit.ship_date}" if unit.ship_date else ""
    total = unit.bc_total if unit.bc_total is not None else unit.total
    amount = f", {show(total, unit.currency)}" if total is not None else ""
    tracking = unit.draft.tracking.number if unit.draft else ""
    sent = f", tracking {tracking}" if tracking else ", without a tracking number"
    return f"It is booked: {KINDS[unit.kind]} {number} was {done}{on}{amount}{sent}."


def entry_time(at: str, zone: ZoneInfo) -> str:
    """Render the time of a row of the trail."""
    return when(parse_utc(at), zone)
