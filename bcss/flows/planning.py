"""Plan every unit whose orders, evidence or surroundings changed (design §4.1 to §4.3)."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bcss.booking.desk import about, held_content
from bcss.booking.replan import Step, replan
from bcss.config.schema import Ignored, MatchCustomer, StoreRule
from bcss.flows import catalog as master
from bcss.flows.connection import Connection
from bcss.flows.gathering import VANISHED, Group, complete, gather, reference_taken
from bcss.holds import Release, Verdict, Why
from bcss.mapping.buyers import customer_key
from bcss.mapping.catalog import Catalog, candidates, nearest, priced, unknown
from bcss.mapping.document import too_late
from bcss.mapping.families import Family
from bcss.mapping.hashes import GONE
from bcss.mapping.readiness import (
    CONFIGURED,
    WAITING_FOR_DATE,
    WAITING_FOR_EVIDENCE,
    WAITING_FOR_MERGED,
    WAITING_FOR_POLL,
    WAITING_FOR_SIBLING,
    Drop,
    Moment,
    Readiness,
    Wait,
    assess,
)
from bcss.mapping.text import code
from bcss.shipstation.streams import ORDERS
from bcss.store.trail import Event
from bcss.units import Draft, State, Unit

_CHUNK = 200
_IN_DOUBT = (State.CREATE_INTENT, State.POST_INTENT, State.POSTED)
_LOOKS = 5
_SUGGESTED = 20
IGNORED = "ignored by "
# Holds that only Business Central's answers caused: planning alone cannot tell them gone.
_BY_BC = (
    Why.REFUSED_BY_BC,
    Why.REFERENCE_IN_USE,
    Why.POSSIBLE_MANUAL_DUPLICATE,
    Why.TOTAL_DIFFERS,
    Why.DRAFT_DIFFERS,
    Why.POST_REFUSED,
    Why.PERIOD_CLOSED,
)
# What is wrong with a booked order in ShipStation, and with its invoice in Business Central.
_OF_ORDER = (
    Why.EDITED_AFTER_POST,
    Why.VOIDED_AFTER_POST,
    Why.CANCELLED_AFTER_POST,
    Why.DELETED_AFTER_POST,
    Why.CREDITED_BY_HAND,
)
_DECIDED_FIRST = (Why.POSTED_TOTAL_DIFFERS, Why.BOOKED_TWICE, Why.SURPLUS_DRAFT)
_MARKED = "config_marked"
_TIMED = (
    WAITING_FOR_DATE,
    WAITING_FOR_EVIDENCE,
    WAITING_FOR_MERGED,
    WAITING_FOR_POLL,
    WAITING_FOR_SIBLING,
)


@dataclass(frozen=True, slots=True)
class _Sight:
    """Families as they stood at one moment, with their orders' marks of change."""

    groups: tuple[Group, ...]
    dirt: Mapping[int, int]
    version: int


def plan(conn: Connection) -> int:
    """Plan what changed, and what time or a new configuration may have released.

    Return how many units were planned. Business Central is asked only when an order that has
    shipped needs items the cache lacks. Raise RetryLater while another process books.
    """
    _note_config(conn)
    changed = set(conn.store.news.orders())
    due = _due(conn, changed)
    done = 0
    for start in range(0, len(due), _CHUNK):
        some = due[start : start + _CHUNK]
        for order_id in some:
            complete(conn, order_id)
        with conn.booking("planning"):  # what booking has in hand must not change under it
            done += _plan_some(conn, some, changed)
    return done


def _note_config(conn: Connection) -> None:
    """Have what is not posted yet planned again once, when the configuration has changed."""
    digest, store = conn.config.digest, conn.store
    if store.meta(_MARKED) == digest:
        return
    with store.write():
        if store.meta(_MARKED):
            store.news.add_unposted(CONFIGURED)
        store.set_meta(_MARKED, digest)


def plan_again(conn: Connection, order_ids: Sequence[int]) -> None:
    """Plan some orders now, whether or not anything is known to have changed."""
    for order_id in order_ids:
        complete(conn, order_id)
    with conn.booking("planning"):
        _plan_some(conn, order_ids, ())


def _due(conn: Connection, changed: Iterable[int]) -> list[int]:
    """Return one order of each family that must be planned."""
    units = conn.store.units
    again = [
        unit.root_order_id
        for unit in units.unfinished()
        if unit.waiting in _TIMED or (unit.held and _may_release(conn, unit))
    ]
    again += [unit.root_order_id for unit in units.held() if unit.state is State.CONFIRMED]
    again += [unit.root_order_id for unit in units.waiting_for(WAITING_FOR_POLL)]
    return list(dict.fromkeys([*sorted(changed), *again]))


def _may_release(conn: Connection, unit: Unit) -> bool:
    hold = conn.store.holds.open_for(f"unit:{unit.unit_id}")
    if hold is None or hold.release is Release.PERSON:
        return hold is None
    return hold.release is Release.CHANGE or hold.next_at is None or hold.next_at <= conn.now()


def _plan_some(conn: Connection, order_ids: Sequence[int], changed: Container[int]) -> int:
    """Plan some families; only a changed one may cause requests to Business Central.

    Between looking and deciding requests may go out, and another process may store newer orders
    meanwhile. What was seen before that is looked at again, never decided on.
    """
    for _ in range(_LOOKS):
        sight = _look(conn, order_ids)
        groups = sight.groups
        families = [group.family for group in groups]
        moved = [one for one in groups if any(o.order_id in changed for o in one.family.members)]
        early = conn.config.orders.when == "open"
        shipped = [o for one in moved for o in one.family.members if o.status == "shipped" or early]
        if shipped or (groups and master.is_stale(conn)):
            master.refresh(conn)
        missing = _decide(conn, sight, known_to(conn, families), moved)
        if missing and master.look_up(conn, missing):
            missing = _decide(conn, sight, known_to(conn, families), ())
        if missing is not None:
            return len(groups)
    return 0  # others write without a pause: what is left stays marked for the next run


def _look(conn: Connection, order_ids: Sequence[int]) -> _Sight:
    """Bring the families of some orders together, in one transaction."""
    seen: dict[int, int] = {}
    groups: list[Group] = []
    with conn.store.write():
        version = conn.store.version_of_others()
        for order_id in order_ids:
            if order_id not in seen:
                group = gather(conn, order_id)
                ids = [] if group is None else [one.order_id for one in group.family.members]
                seen |= conn.store.news.counts([order_id, *ids])
                groups += [] if group is None else [group]
    return _Sight(tuple(groups), seen, version)


def known_to(conn: Connection, families: Sequence[Family]) -> Catalog:
    """Return what the cache knows of the items and customers of some families."""
    how, rules = conn.config.items, conn.config.orders.skus
    skus = {
        item.sku
        for family in families
        for order in family.members
        for item in order.items
        if item.sku and not item.adjustment
    }
    numbers = {number for sku in skus for number in candidates(sku, rules, how)}
    numbers |= {code(number) for number in _configured_items(conn)}
    catalog = conn.store.cache.catalog(
        numbers,
        {code(sku) for sku in skus} if how.sku == "gtin" else (),
        _customer_keys(conn, families),
        priced(rules),
    )
    return replace(catalog, near=_near(conn, unknown(skus, rules, how, catalog)))


def _near(conn: Connection, skus: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Look for the known names most like some unknown SKUs, a few at a time for its cost."""
    aliases = list(conn.config.orders.skus)
    return {
        sku: nearest(sku, [*aliases, *conn.store.cache.numbers_like(sku)])
        for sku in skus[:_SUGGESTED]
    }


def _configured_items(conn: Connection) -> list[str]:
    """Return the item numbers that store rules name as targets."""
    found = []
    for rule in conn.config.orders.stores.values():
        if isinstance(rule, Ignored):
            continue
        for target in (rule.shipping, rule.discount, rule.adjustments, rule.tax):
            number = getattr(target, "number", "") if not isinstance(target, str) else ""
            found += [number] if number else []
    return found


def _customer_keys(conn: Connection, families: Sequence[Family]) -> set[tuple[str, str]]:
    keys: set[tuple[str, str]] = set()
    for family in families:
        rule = conn.config.orders.stores.get(family.root.store_id or 0)
        if isinstance(rule, StoreRule) and isinstance(rule.customer, MatchCustomer):
            keys.add((rule.customer.by, customer_key(family.root, rule.customer.by)))
    return keys


def _decide(
    conn: Connection, sight: _Sight, catalog: Catalog, moved: Sequence[Group]
) -> list[str] | None:
    """Record what each family is now, unless another process has written since it was looked at.

    Return the item numbers that changed orders lack, or None when nothing was decided. Orders of
    units in doubt stay marked and are planned again once a read has told: a posted one is not
    confirmed yet, so news of it cannot be attached yet.
    """
    missing: list[str] = []
    later: set[int] = set()
    mark = conn.store.orders.watermark(ORDERS)
    moment = Moment(
        now=conn.now(),
        today=conn.now().astimezone(conn.config.business_central.time_zone).date(),
        polled_from=mark.polled_from if mark else None,
        config=conn.config.digest,
    )
    with conn.store.write():
        if conn.store.version_of_others() != sight.version:
            return None
        for group in sight.groups:
            unit = replace(
                conn.store.units.get(group.unit.unit_id), root_order_id=group.unit.root_order_id
            )
            readiness = _readiness(conn, group, unit, catalog, moment)
            unknown = isinstance(readiness, Verdict) and readiness.why is Why.UNKNOWN_SKU
            lacks = _sku_numbers(conn, group.family, catalog) if unknown and group in moved else []
            lacks = [number for number in lacks if number not in conn.asked]
            missing += lacks
            if lacks or unit.state in _IN_DOUBT:
                later |= {order.order_id for order in group.family.members}
            _record(conn, unit, replan(unit, group.family, readiness, moment))
        planned = {one: dirt for one, dirt in sight.dirt.items() if one not in later}
        conn.store.news.clear(planned)
    return missing


def _readiness(
    conn: Connection, group: Group, unit: Unit, catalog: Catalog, moment: Moment
) -> Readiness:
    settled = _settled(conn, group, unit)
    if settled is not None:
        return settled
    rules = conn.rules(group.family.root.store_id)
    if rules is None:
        text = f"Order moved to store {group.family.root.store_id}, which the config lacks."
        return Verdict(Why.UNKNOWN_STORE, text)
    reference = unit.reference or unit.other_reference
    readiness = assess(
        group.family, rules, catalog, reference, replace(moment, waiting_since=unit.waiting_since)
    )
    return _late(conn, unit, readiness, moment) or readiness


def _settled(conn: Connection, group: Group, unit: Unit) -> Readiness | None:
    """Say what is clear before any document is thought of."""
    if unit.waiting.startswith(IGNORED):
        return Drop(unit.waiting)
    if group.drop:
        return Drop(group.drop)
    if group.verdict is not None:
        return group.verdict
    if group.waits:
        return Wait(WAITING_FOR_MERGED)
    left = _left(conn, group.family, unit) if group.family.gone else None
    if left is not None:
        return left
    unread = any(conn.store.orders.is_unread(one.order_id) for one in group.family.members)
    return Wait(WAITING_FOR_EVIDENCE) if unread else None


def _left(conn: Connection, family: Family, unit: Unit) -> Readiness | None:
    """Say what becomes of a deleted order: nothing, unless it had been sent already."""
    earlier = conn.store.units.by_key(unit.store_id, unit.order_key)
    before = [one for one in earlier if one.generation == unit.generation - 1]
    credited = any(one.money_hash.endswith(GONE) for one in before)
    if credited or not family.evidence.counting():
        return Drop("deleted in ShipStation")
    if VANISHED in unit.approved:
        return None
    number = family.root.order_number
    return Verdict(Why.VANISHED, f"Order {number} was deleted in ShipStation after it had shipped.")


def _late(conn: Connection, unit: Unit, readiness: Readiness, moment: Moment) -> Verdict | None:
    """Hold what would be booked too long after it shipped, unless a person allowed it."""
    rule = conn.config.orders.stores.get(unit.store_id)
    if not isinstance(readiness, Draft) or readiness.open or not isinstance(rule, StoreRule):
        return None
    verdict = too_late(readiness, rule, moment.today)
    return None if verdict is None or conn.store.meta(f"late:{unit.unit_id}") else verdict


def _sku_numbers(conn: Connection, family: Family, catalog: Catalog) -> list[str]:
    rules, how = conn.config.orders.skus, conn.config.items
    return [
        number
        for order in family.members
        for item in order.items
        if not item.adjustment and item.sku
        for number in candidates(item.sku, rules, how)[:1]
        if number not in catalog.items
    ]


def _record(conn: Connection, old: Unit, step: Step) -> None:
    """Write the outcome of planning, with its hold or the end of one."""
    step = _revived(conn, old, step)
    unit = replace(step.unit, updated_at=old.updated_at)
    subject = f"unit:{unit.unit_id}"
    holds = conn.store.holds
    if step.verdict is not None and old.held in _DECIDED_FIRST and unit.state is State.CONFIRMED:
        pass  # what was posted comes first; the order is planned again once that is decided
    elif step.verdict is not None:
        holds.put(about(unit, conn.config.digest), step.verdict, conn.now())
        unit = replace(unit, held=str(step.verdict.why))
    elif old.held and _releases(conn, old, unit):
        holds.close(subject, conn.now(), by="bcss", note="what held it is gone")
        unit = replace(unit, held="")
    if unit == old:
        return
    conn.store.units.save(replace(unit, updated_at=conn.now()))
    if (unit.state, unit.waiting) != (old.state, old.waiting):
        text = f"{unit.state}" + (f": {unit.waiting}" if unit.waiting else "")
        if old.state is State.REV_NEEDED:
            text += "; the approval was set aside, since the order has changed"
            conn.report.notes.append(
                f"The approval for {unit.order_number} was set aside, since the order has changed."
            )
        if unit.state is State.READY and unit.draft is not None and unit.draft.cut:
            text += f"; {unit.draft.cut}"
        event = Event("decision", "orders", subject, text, status=str(unit.state))
        conn.store.trail.add(conn.now(), event)


def _revived(conn: Connection, old: Unit, step: Step) -> Step:
    """Hold an order that comes back after another one has taken its reference."""
    unit = step.unit
    if old.state is not State.DROPPED or unit.state is State.DROPPED or not unit.reference:
        return step
    if not conn.store.units.by_reference(unit.reference):
        return step
    back = replace(unit, state=State.SEEN, reference="", waiting="")
    return Step(back, reference_taken(back))


def _releases(conn: Connection, old: Unit, new: Unit) -> bool:
    """Tell whether a hold that planning no longer finds may end by itself (design §4.3)."""
    why = Why(old.held)
    hold = conn.store.holds.open_for(f"unit:{old.unit_id}")
    if hold is None:
        return True
    if why in _OF_ORDER and old.state is State.CONFIRMED:
        return True  # the order is as it was booked again, or was credited and is to be no more
    if why is Why.DRAFT_AFTER_FAILED_POST and new.state is State.DRAFTED and not new.waiting:
        return True  # the order is as its draft again
    if hold.release is Release.PERSON:
        return False
    before_draft = old.state in (State.SEEN, State.READY, State.DROPPED)
    if why not in _BY_BC or (before_draft and why is Why.TOTAL_DIFFERS):
        return True
    return hold.content != held_content(new, conn.config.digest)
