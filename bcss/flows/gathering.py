"""Bring an order's family together, and find or make the unit it is booked as (design §4.1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bcss.config.schema import DocumentKind, StoreRule
from bcss.flows.capture import fetch_orders
from bcss.flows.connection import Connection
from bcss.holds import Verdict, Why
from bcss.mapping.document import ship_dates
from bcss.mapping.explain import orders_text
from bcss.mapping.families import Evidence, Family, close, root_of
from bcss.mapping.hashes import booked_hash
from bcss.mapping.readiness import MERGED
from bcss.mapping.reference import Identity, hashed_form, plain_form, unit_hash
from bcss.mapping.text import code
from bcss.money import ZERO
from bcss.shipstation.records import Order
from bcss.units import AFTER_POST, REVERSING, State, Unit

_FETCHES = 50
VANISHED = "vanished"


@dataclass(frozen=True, slots=True)
class Group:
    """A family with the unit it belongs to, and what was decided before any document.

    `waits` for what becomes of a document of an order that it has absorbed.
    """

    family: Family
    unit: Unit
    verdict: Verdict | None = None
    drop: str = ""
    waits: bool = False


def gather(conn: Connection, order_id: int) -> Group | None:
    """Bring one family together, and find or make its unit, inside the caller's transaction."""
    orders = conn.store.orders
    if orders.related(order_id) is None:
        return None
    closure = close(order_id, orders.related, orders.children)
    members = {one: order for one in closure.members if (order := orders.order(one)) is not None}
    survivor = _survivor(conn, order_id, members)
    if survivor is not None and len(members) == 1:
        return _absorbed(conn, members[order_id], survivor)
    live, verdict = _live(conn, members)
    if live is not None:
        return gather(conn, live)
    deleted = all(orders.is_gone(one) for one in members)
    family = Family(
        root_of(members),
        tuple(members.values()),
        orders.evidence_of(members),
        gone=deleted and not _same_key(conn, members),
    )
    unit, taken = _unit_of(conn, family)
    gone = [one for one in closure.missing if orders.is_gone(one)]
    gone += [one for one in members if orders.is_gone(one)]
    absorbed = _absorbed_units(conn, closure.absorbed, unit)
    if verdict is None:
        verdict = _absorbed_is_booked(absorbed)
    if gone and not deleted and verdict is None and VANISHED not in unit.approved:
        verdict = Verdict(Why.VANISHED, f"ShipStation no longer has order {gone[0]}.")
    return Group(family, unit, verdict or taken, waits=any(_has_paper(one) for one in absorbed))


def complete(conn: Connection, order_id: int) -> None:
    """Fetch the members of a family that were never captured, bounded."""
    orders = conn.store.orders
    closure = close(order_id, orders.related, orders.children)
    unknown = [one for one in closure.missing if not orders.is_known(one)]
    if unknown:
        fetch_orders(conn, unknown[:_FETCHES])


def _survivor(conn: Connection, order_id: int, members: dict[int, Order]) -> int | None:
    """Return the order that absorbed this one by a merge: it lists us, we do not point back."""
    if members[order_id].parent_id is not None:
        return None
    survivors = [one for one in conn.store.orders.absorbed_into(order_id) if one not in members]
    return survivors[0] if survivors else None


def _absorbed(conn: Connection, order: Order, survivor: int) -> Group:
    family = Family(order, (order,), conn.store.orders.evidence_of([order.order_id]))
    unit, _ = _unit_of(conn, family)
    return Group(family, unit, drop=f"{MERGED} {survivor}")


def _absorbed_units(conn: Connection, order_ids: Sequence[int], unit: Unit) -> list[Unit]:
    """Return the units of the orders that a family has absorbed, and of those that they had."""
    queue, seen = list(order_ids), set(order_ids)
    while queue:
        related = conn.store.orders.related(queue.pop())
        more = set(related.merged_ids if related else ()) - seen
        seen |= more
        queue += more
    found = conn.store.units.of_orders(sorted(seen)) if seen else []
    return [one for one in found if one.unit_id != unit.unit_id]


def _absorbed_is_booked(absorbed: Sequence[Unit]) -> Verdict | None:
    """Hold a survivor whose lines are billed already under an order that it has absorbed."""
    for unit in absorbed:
        if _is_billed(unit):
            text = (
                f"Order {unit.order_number}, which was merged into this one in ShipStation, is "
                f"booked as {unit.document_number or unit.draft_number}."
            )
            return Verdict(Why.MERGED_AFTER_POST, text)
    return None


def _is_billed(unit: Unit) -> bool:
    billed = unit.state in (State.CONFIRMED, *REVERSING) and _is_posted(unit)
    return billed and not unit.is_credited


def _has_paper(unit: Unit) -> bool:
    """Tell whether a document of a unit may still be posted, or has been without our knowledge."""
    if unit.state in (State.CREATE_INTENT, State.DRAFTED, State.POST_INTENT, State.POSTED):
        return True
    return unit.state is State.CONFIRMED and not _is_posted(unit) and bool(unit.document_id)


def _live(conn: Connection, members: dict[int, Order]) -> tuple[int | None, Verdict | None]:
    """Choose among orders of one store that share a key without a link (design §4.1).

    Return the order to plan instead of this family, or a verdict that holds it.
    """
    root = root_of(members)
    booked = _is_booked(conn, root)
    others = _same_key(conn, members, deleted=booked)
    if others and not booked and all(conn.store.orders.is_gone(one) for one in members):
        return others[-1].order_id, None
    shipped = any(order.status == "shipped" for order in members.values())
    for other in others:
        if other.status == "shipped" and shipped:
            sharing = [root, *(one for one in others if one.status == "shipped")]
            return None, _key_shared(conn, sharing)
        if other.status == "shipped" or (not shipped and other.order_id > root.order_id):
            return other.order_id, None
    return None, None


def _key_shared(conn: Connection, orders: Sequence[Order]) -> Verdict:
    """Hold all shipped orders of one key as one; each of them is planned to the same words."""
    some = sorted(orders, key=lambda one: one.order_id)
    return Verdict(
        Why.KEY_SHARED,
        f"{_sharing_text(conn, some)} have the same key in ShipStation and have all shipped. "
        "bcss books none of them that is not booked yet.",
        amount=sum((one.order_total for one in some), ZERO),
        content=",".join(f"{one.order_id} {one.order_total}" for one in some),
    )


def sharing_notes(conn: Connection, orders: Sequence[Order]) -> dict[int, str]:
    """Return what tells orders of the same number apart, by order id."""
    numbers = [one.order_number for one in orders]
    return {
        one.order_id: _known_by(conn, one)
        for one in orders
        if one.parent_id is None and numbers.count(one.order_number) > 1
    }


def _sharing_text(conn: Connection, orders: Sequence[Order]) -> str:
    """Name orders of one key so that a person can tell them apart, and which one is booked."""
    root = orders[0]
    notes = sharing_notes(conn, orders)
    for unit in conn.store.units.by_key(root.store_id or 0, root.order_key)[-1:]:
        booked = booked_order(unit, orders) if unit.state in AFTER_POST else None
        if booked is not None and unit.document_number:
            notes[booked] = f"{notes.get(booked, '')}, booked as {unit.document_number}"
    return orders_text(orders, conn.currency(root.store_id or 0), notes)


def _known_by(conn: Connection, order: Order) -> str:
    evidence = conn.store.orders.evidence_of([order.order_id])
    family = Family(order, (order,), evidence)
    shipped = max(ship_dates(family, conn.config.business_central.time_zone), default=None)
    return f", ShipStation id {order.order_id}" + (f", shipped {shipped}" if shipped else "")


def booked_order(unit: Unit, orders: Sequence[Order]) -> int | None:
    """Return which of some orders of one key a unit's document was made for; None if unclear."""
    alike = [
        one for one in orders if booked_hash(Family(one, (one,), Evidence())) == unit.booked_hash
    ]
    if not alike and unit.draft is not None:
        alike = [one for one in orders if one.order_number == unit.draft.order_number]
    return alike[0].order_id if len(alike) == 1 else None


def _same_key(
    conn: Connection, members: Mapping[int, Order], *, deleted: bool = False
) -> list[Order]:
    """Return the orders of the same store and key outside a family, the newest last.

    With `deleted` those that ShipStation no longer has count as well: what is booked stands for
    the order that was, not for one that was imported again since.
    """
    orders = conn.store.orders
    root = root_of(members)
    if root.store_id is None or not root.order_key:
        return []
    return [
        order
        for one in orders.same_key(root.store_id, root.order_key)
        if one not in members
        and (deleted or not orders.is_gone(one))
        and (order := orders.order(one)) is not None
        and order.parent_id is None
    ]


def _is_booked(conn: Connection, root: Order) -> bool:
    units = conn.store.units.by_key(root.store_id or 0, root.order_key)[-1:]
    return any(unit.state in AFTER_POST and _is_posted(unit) for unit in units)


def _is_posted(unit: Unit) -> bool:
    return unit.kind.posts or bool(unit.document_number)


def _unit_of(conn: Connection, family: Family) -> tuple[Unit, Verdict | None]:
    """Return the family's unit, making it at first sight; its store is frozen then."""
    units = conn.store.units
    ids = [order.order_id for order in family.members]
    known = units.of_orders(ids)
    store_id = family.root.store_id or 0
    if not known:
        known = units.by_key(store_id, family.root.order_key)[-1:]
    verdict = None
    if len(known) > 1:
        known, verdict = _one_unit(conn, known, family)
    with conn.store.write():
        unit = known[0] if known else _new_unit(conn, family, store_id)
        if not unit.reference and not unit.held:
            verdict = reference_taken(unit)
        if unit.root_order_id != family.root.order_id:
            unit = replace(unit, root_order_id=family.root.order_id)
        units.belong(unit.unit_id, ids)
    return unit, verdict


def _one_unit(
    conn: Connection, known: list[Unit], family: Family
) -> tuple[list[Unit], Verdict | None]:
    """Merge the units of orders that turned out to be one family."""
    ordered = sorted(
        known, key=lambda one: (not _has_document(one), one.root_order_id, one.unit_id)
    )
    keep, *others = ordered
    if any(_has_document(other) for other in others):
        numbers = ", ".join(one.draft_number or one.order_number for one in ordered)
        return [keep], Verdict(Why.FAMILY_CHANGED, f"Documents exist for parts of it: {numbers}.")
    with conn.store.write():
        for other in others:
            text = f"part of the family of order {family.root.order_number}"
            conn.store.holds.close(f"unit:{other.unit_id}", conn.now(), by="bcss", note=text)
            conn.store.units.save(
                replace(other, state=State.DROPPED, waiting=text, held="", reference="")
            )
    return [keep], None


def _has_document(unit: Unit) -> bool:
    """Tell whether a document was made, or adopted, for a unit; a create in doubt counts."""
    return bool(unit.attempt or unit.document_id)


def _new_unit(conn: Connection, family: Family, store_id: int) -> Unit:
    root = family.root
    identity = Identity(conn.config.shipstation.account, store_id, root.order_key)
    plain, hashed = plain_form(identity), hashed_form(identity, root.order_number)
    reference = plain or hashed
    taken = bool(conn.store.units.by_reference(reference))
    rule = conn.config.orders.stores.get(store_id)
    own = rule.document if isinstance(rule, StoreRule) else None
    return conn.store.units.add(
        Unit(
            unit_id=0,
            unit_hash=unit_hash(identity),
            store_id=store_id,
            order_key=root.order_key,
            generation=0,
            order_number=root.order_number,
            root_order_id=root.order_id,
            reference="" if taken else reference,
            other_reference=hashed if plain else "",
            kind=own or conn.config.orders.document or DocumentKind.POSTED_INVOICE,
            updated_at=conn.now(),
        )
    )


def reference_taken(unit: Unit) -> Verdict:
    """Hold a unit whose reference another live unit has."""
    return Verdict(
        Why.REFERENCE_IN_USE, f"Another order already uses reference {code(unit.order_key)}."
    )
