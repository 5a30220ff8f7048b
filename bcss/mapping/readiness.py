"""Decide what a family is: ready, waiting, held, ignored or gone (design §4.1, §4.2)."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from bcss.clock import calendar_date
from bcss.config.schema import Ignored, StoreRule
from bcss.holds import Verdict, Why
from bcss.mapping.catalog import Catalog
from bcss.mapping.document import build, ship_dates
from bcss.mapping.explain import orders_text, parts_text
from bcss.mapping.families import Family
from bcss.mapping.reference import usable_key
from bcss.mapping.rules import Rules
from bcss.mapping.text import cut
from bcss.shipstation.records import Order
from bcss.units import Draft, Tracking

EVIDENCE_GRACE = timedelta(hours=1)
WAITING_FOR_SIBLING = "waiting-for-sibling"
NOT_SHIPPED = "not-shipped"
WAITING_FOR_EVIDENCE = "waiting-for-evidence"
WAITING_FOR_POLL = "waiting-for-poll"
WAITING_FOR_MERGED = "waiting-for-merged-order"
WAITING_FOR_DATE = "waiting-for-ship-date"


MERGED = "merged into order"
IGNORED_STORE = "ignored store"
BEFORE_START = "shipped before orders.start"
EXTERNAL = "externally fulfilled"
# Why an order is left out that another configuration may bring back.
CONFIGURED = (IGNORED_STORE, BEFORE_START, EXTERNAL)

_STILL_OPEN = (NOT_SHIPPED, WAITING_FOR_SIBLING)
_FOLLOWED = ("awaiting_shipment", "on_hold", "pending_fulfillment", "shipped")


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is wrong; time or ShipStation will bring it on."""

    reason: str


@dataclass(frozen=True, slots=True)
class Drop:
    """There is nothing to book, now or later; `reason` says why."""

    reason: str


Readiness = Draft | Wait | Drop | Verdict


@dataclass(frozen=True, slots=True)
class Moment:
    """The present, as readiness depends on it.

    `polled_from` is the start of the last complete poll of orders; `waiting_since` is when this
    unit was first seen half shipped; `config` is the digest of the present configuration.
    """

    now: datetime
    today: date
    polled_from: datetime | None
    waiting_since: datetime | None = None
    config: str = ""


def assess(
    family: Family, rules: Rules | Ignored, catalog: Catalog, reference: str, moment: Moment
) -> Readiness:
    """Say what a family is, and build its document when it is ready."""
    if isinstance(rules, Ignored):
        return Drop(IGNORED_STORE)
    if not usable_key(family.root.order_key):
        return Verdict(Why.NO_KEY, f"Order {family.root.order_number} has no usable orderKey.")
    early = _before_shipping(family, rules, moment)
    if early is not None:
        follows = isinstance(early, Wait) and early.reason in _STILL_OPEN
        return _while_open(family, rules, catalog, reference) if follows else early
    posting_date = max(ship_dates(family, rules.zone), default=None)
    if posting_date is None:
        posting_date = family.newest_change.astimezone(rules.zone).date()
    if posting_date > moment.today:
        return Wait(WAITING_FOR_DATE)
    return build(family, rules, catalog, reference, posting_date)


def _while_open(family: Family, rules: Rules, catalog: Catalog, reference: str) -> Readiness:
    """Build the sales order that follows an open order until it ships, where so configured.

    Its posting date is the order's date until there is a ship date; it is not posted by it.
    """
    if rules.orders.when != "open" or not rules.kind.is_order:
        return Wait(_reason(family))
    if any(order.status not in _FOLLOWED for order in family.members):
        return Wait(_reason(family))
    ordered = family.root.order_date
    changed = family.newest_change.astimezone(rules.zone).date()
    day = calendar_date(ordered.text, rules.zone) if ordered is not None else changed
    built = build(family, rules, catalog, reference, day)
    if not isinstance(built, Draft):
        return built
    tracking = Tracking(comments=(cut(f"ShipStation order {family.root.order_number}", 60),))
    return replace(built, tracking=tracking, open=True)


def _reason(family: Family) -> str:
    some = any(order.status == "shipped" for order in family.members)
    return WAITING_FOR_SIBLING if some else NOT_SHIPPED


def _before_shipping(family: Family, rules: Rules, moment: Moment) -> Readiness | None:
    cancelled = [order for order in family.members if order.status == "cancelled"]
    shipped = [order for order in family.members if order.status == "shipped"]
    if len(cancelled) == len(family.members):
        return Drop("cancelled")
    started = _started(family, rules)
    if started is not None:
        return started
    if len(cancelled) + len(shipped) < len(family.members):
        return _half_shipped(family, shipped, rules.store, moment)
    if cancelled:
        return Verdict(Why.PARTLY_CANCELLED, parts_text(cancelled, shipped, rules.store.currency))
    if not _is_polled(family, moment):
        return Wait(WAITING_FOR_POLL)
    return _evidence(family, rules, moment)


def _is_polled(family: Family, moment: Moment) -> bool:
    """Tell whether a complete poll began after the newest change, so that no sibling is unseen."""
    return moment.polled_from is not None and family.newest_change < moment.polled_from


def _started(family: Family, rules: Rules) -> Readiness | None:
    """Keep out what shipped before `orders.start`; a date in the company's zone."""
    start = rules.orders.start
    dates = [calendar_date(one.ship_date, rules.zone) for one in family.evidence.outbound()]
    if start is None or not dates or min(dates) >= start:
        return None
    if max(dates) < start:
        return Drop(BEFORE_START)
    return Verdict(
        Why.STRADDLES_START,
        f"First shipped on {min(dates)}, last on {max(dates)}; orders.start is {start}.",
    )


def _half_shipped(
    family: Family, shipped: list[Order], store: StoreRule, moment: Moment
) -> Readiness:
    if not shipped:
        return Wait(NOT_SHIPPED)
    since = moment.waiting_since
    still = [one for one in family.members if one.status not in ("shipped", "cancelled")]
    if store.hold_after and since and moment.now - since >= store.hold_after:
        return Verdict(
            Why.WAITING_TOO_LONG,
            f"Half shipped since {since.date()}: {orders_text(shipped, store.currency)} shipped; "
            f"{orders_text(still, store.currency)} still open.",
        )
    return Wait(WAITING_FOR_SIBLING)


def _evidence(family: Family, rules: Rules, moment: Moment) -> Readiness | None:
    unproven = [
        order
        for order in family.members
        if _counts(order, family) and not family.counting_of(order.order_id)
    ]
    if not unproven:
        return None
    if all(order.externally_fulfilled for order in unproven):
        return _external(unproven, rules.store)
    if moment.now - family.newest_change < EVIDENCE_GRACE:
        return Wait(WAITING_FOR_EVIDENCE)
    numbers = ", ".join(order.order_number for order in unproven)
    return Verdict(
        Why.NO_SHIP_EVIDENCE, f"{numbers} is shipped in ShipStation without label or fulfillment."
    )


def _counts(order: Order, family: Family) -> bool:
    """Tell whether a member needs a label of its own: one without any quantity does not."""
    has_quantity = any(item.quantity and not item.adjustment for item in order.items)
    return has_quantity or len(family.members) == 1


def _external(orders: list[Order], store: StoreRule) -> Readiness | None:
    match store.externally_fulfilled:
        case "book":
            return None
        case "ignore":
            return Drop(EXTERNAL)
        case "hold":
            by = orders[0].externally_fulfilled_by or "somebody else"
            return Verdict(
                Why.EXTERNALLY_FULFILLED,
                f"Fulfilled by {by}; the store's rule says hold.",
            )
