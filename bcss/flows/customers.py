"""Bring Business Central's customer addresses to ShipStation (sync-customers, design §6).

No ShipStation API edits a customer, so the ship-to of open orders is aligned instead, and a file
is kept for the customer import of ShipStation's own pages.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bcss import wire
from bcss.config.schema import StoreRule
from bcss.errors import InDoubt, RecordMissing, RecordRefused
from bcss.flows import catalog
from bcss.flows.capture import capture
from bcss.flows.connection import Connection
from bcss.flows.importfiles import import_path, replace_file
from bcss.flows.productwriter import out_of_time
from bcss.mapping.customers import (
    UPDATABLE,
    Place,
    goes_to,
    is_complete,
    is_marketplace,
    keeps_its_total,
    moved,
    needs_move,
    place_json,
    place_of,
)
from bcss.mapping.importfile import customers_file
from bcss.mapping.text import code
from bcss.shipstation.records import Order
from bcss.store.cachestate import customers_state
from bcss.store.trail import Event

FLOW = "sync-customers"
_SYNCED = "customers_synced"
_HOME = "bc:home_country"

Raw = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Move:
    """A customer whose address has changed since open orders were last aligned with it."""

    number: str
    before: Place
    after: Place


def sync_customers(conn: Connection) -> None:
    """Align open orders with changed addresses and rewrite the import file, if any changed."""
    catalog.refresh(conn)
    if conn.config.customers.ship_to == "none":
        catalog.refresh_customers(conn)
    path = import_path(conn, "customers")
    state = _state(conn)
    if state == conn.store.meta(_SYNCED) and path.exists():
        return
    customers = conn.store.cache.customer_bodies()
    home = _home_country(conn, customers)
    done = True
    if conn.config.customers.ship_to == "open-orders":
        done = _align_all(conn, customers, home)
    if conn.dry_run:
        conn.report.notes.append(f"would list {len(customers)} customer(s) in {path}")
        return
    rows = ((one["number"], one["email"], place_of(one, home)) for one in customers)
    replace_file(path, customers_file(rows).text)
    if done:
        with conn.store.write():
            conn.store.set_meta(_SYNCED, state)


def _state(conn: Connection) -> str:
    """Name what addresses depend on: the cached customers, and whether orders follow them."""
    return f"{customers_state(conn.store)} {conn.config.customers.ship_to}"


def _home_country(conn: Connection, customers: Iterable[Raw]) -> str:
    """Return the company's own country where some customer's is left blank."""
    if all(one["country"] for one in customers):
        return ""
    known = conn.store.meta(_HOME)
    if not known:
        known = code(str(conn.bc.company_information().get("country") or ""))
        with conn.store.write():
            conn.store.set_meta(_HOME, known)
    return known


# Which customers moved --------------------------------------------------------------------------


def _align_all(conn: Connection, customers: Sequence[Raw], home: str) -> bool:
    """Align the open orders of every customer that moved; return whether none is left."""
    moves = _moves(conn, customers)
    if not moves:
        return True
    capture(conn)
    orders = _open_orders(conn, moves)
    done = True
    for number, move in moves.items():
        # All or nothing: a customer with an order left is taken up again in the next run.
        left = [one for one in orders[number] if not _align(conn, one, _at_home(move, home))]
        if not left and not conn.dry_run:
            with conn.store.write():
                conn.store.cache.note_address(number, place_json(move.after))
        done = done and not left
    return done


def _moves(conn: Connection, customers: Iterable[Raw]) -> dict[str, _Move]:
    """Find who moved; an address seen for the first time is noted and changes nothing."""
    cache = conn.store.cache
    moves: dict[str, _Move] = {}
    unseen: list[tuple[str, Place]] = []
    for one in customers:
        number, place = code(one["number"]), place_of(one)
        sent = cache.address_sent(number)
        if sent is None:
            unseen.append((number, place))
        elif (before := place_of(sent)) != place:
            moves[number] = _Move(number, before, place)
    if unseen and not conn.dry_run:
        with conn.store.write():
            for number, place in unseen:
                cache.note_address(number, place_json(place))
    return moves


def _at_home(move: _Move, home: str) -> _Move:
    before = replace(move.before, country=move.before.country or home)
    return replace(
        move, before=before, after=replace(move.after, country=move.after.country or home)
    )


def _open_orders(conn: Connection, moves: Mapping[str, _Move]) -> dict[str, list[int]]:
    """Group the open orders of those customers by customer number."""
    found: dict[str, list[int]] = defaultdict(list)
    for order_id in conn.store.orders.open_orders():
        order = conn.store.orders.order(order_id)
        number = _customer_of(conn, order) if order else ""
        if number in moves:
            found[number].append(order_id)
    return found


def _customer_of(conn: Connection, order: Order) -> str:
    """Return the number of the customer an order belongs to, or empty text."""
    cache = conn.store.cache
    username, email = code(order.customer_username), order.customer_email.strip().casefold()
    found = cache.customer("username", username) if username else None
    if found is None and email:
        found = cache.customer("email", email)
    return code(found["number"]) if found else ""


# One order --------------------------------------------------------------------------------------


def _align(conn: Connection, order_id: int, move: _Move) -> bool:
    """Send an order with the customer's new address; return whether nothing is left to do."""
    raw = conn.store.orders.raw_order(order_id)
    order = conn.store.orders.order(order_id)
    if raw is None or order is None or not _must_move(conn, order, raw, move):
        return True
    if not is_complete(move.after):
        conn.report.notes.append(
            f"Order {order.order_number} keeps its ship-to: customer {move.number} has no complete "
            "address in Business Central."
        )
        return True
    if conn.dry_run:
        conn.report.notes.append(
            f"would change the ship-to of order {order.order_number} to the address of customer "
            f"{move.number}"
        )
        return True
    if out_of_time(conn):
        return False
    try:
        fresh, whole = conn.shipstation.get_order(order_id)
    except RecordMissing:
        return True
    return not _must_move(conn, fresh, whole, move) or _send(conn, fresh, whole, move)


def _must_move(conn: Connection, order: Order, raw: Raw, move: _Move) -> bool:
    """Tell whether an order is ours to change and still goes where BC said before."""
    rule = conn.config.orders.stores.get(order.store_id or 0)
    if not isinstance(rule, StoreRule) or rule.tax == "excluded" or is_marketplace(raw):
        return False
    if order.status not in UPDATABLE or not order.order_key.strip("{}0-"):
        return False
    ship_to = raw.get("shipTo")
    return (
        isinstance(ship_to, Mapping)
        and keeps_its_total(order)
        and needs_move(ship_to, order.ship_to, move.before, move.after)
    )


def _send(conn: Connection, order: Order, raw: Raw, move: _Move) -> bool:
    """Send the whole order back, with its id and key; return whether nothing is in doubt."""
    ship_to = moved(raw["shipTo"], order.ship_to, move.before, move.after)
    body = {**raw, "shipTo": ship_to}
    said = f"order {order.order_number}: ship-to of customer {move.number} as Business Central says"
    _trail(conn, order, "intent", said, "sent", raw, body)
    try:
        answer, _ = conn.shipstation.create_order(body)
    except RecordRefused as error:
        _trail(conn, order, "outcome", error.message, "refused")
        conn.report.notes.append(
            f"Order {order.order_number} keeps its ship-to: {error.message} Change it in ShipStation."
        )
        return True
    except InDoubt as error:
        _trail(conn, order, "outcome", error.message, "in doubt")
        conn.report.errors.append(error)
        return False
    _trail(conn, order, "outcome", f"order {order.order_number}: ship-to changed", "done")
    _check(conn, order, answer, move.after)
    return True


def _check(conn: Connection, order: Order, answer: Order, after: Place) -> None:
    """Say what ShipStation made of an order that it should have changed in its ship-to only."""
    problem = ""
    if answer.order_id != order.order_id:
        problem = f"ShipStation answered with another order, {answer.order_id}."
    elif answer.order_total != order.order_total:
        problem = f"its total went from {order.order_total} to {answer.order_total}."
    elif not goes_to(answer.ship_to, after):
        problem = "ShipStation kept another address."
    if problem:
        conn.report.notes.append(
            f"Order {order.order_number} was sent a new ship-to, but {problem}"
        )


def _trail(
    conn: Connection,
    order: Order,
    kind: str,
    summary: str,
    status: str,
    before: Raw | None = None,
    after: Raw | None = None,
) -> None:
    event = Event(
        kind,
        FLOW,
        f"order:{order.order_id}",
        summary,
        target="shipstation",
        status=status,
        before=None if before is None else wire.canonical(before),
        after=None if after is None else wire.canonical(after),
    )
    with conn.store.write():
        conn.store.trail.add(conn.now(), event)
