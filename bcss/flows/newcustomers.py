"""Create the customers that ready orders need and Business Central lacks (design §4.2).

A created customer's number follows from the account and from what it is matched by, so that a
repeat is refused and found: a doubtful create is settled by one look-up, now or in the next run.
Orders whose customer is not certain to exist are held before any document of theirs is made.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bcss.booking.calls import Outcome
from bcss.booking.desk import Desk
from bcss.businesscentral.odata import encode
from bcss.businesscentral.records import Body, Customer
from bcss.config.schema import Ignored, MatchCustomer, StoreRule
from bcss.errors import BcssError
from bcss.flows.connection import Connection
from bcss.holds import Verdict, Why
from bcss.mapping.buyers import customer_key, new_customer, new_number
from bcss.mapping.catalog import Catalog
from bcss.mapping.rules import Rules
from bcss.store.trail import Event
from bcss.units import State, Unit


@dataclass(frozen=True, slots=True)
class _Job:
    """A customer to be created, and the units that wait for it."""

    number: str
    body: Body
    units: tuple[Unit, ...]


def create_customers(conn: Connection, desk: Desk) -> None:
    """Create what ready units lack, one call a customer; hold the units of what was refused."""
    jobs = _jobs(conn, desk)
    if not jobs:
        return
    doubtful: list[tuple[_Job, str]] = []
    with desk.lock():
        _create(desk, jobs, doubtful)
        for job, problem in doubtful:
            _settle(desk, job, problem)


def _jobs(conn: Connection, desk: Desk) -> list[_Job]:
    """Collect the customers that no cached card answers to, each with its units."""
    if not any(_creates(rule) for rule in conn.config.orders.stores.values()):
        return []
    waiting: dict[str, list[Unit]] = {}
    for unit in desk.chosen(desk.store.units.in_states([State.READY])):
        number = unit.draft.customer if unit.draft else ""
        if number and _is_new(conn, unit, number):
            waiting.setdefault(number, []).append(unit)
    if not waiting:
        return []
    catalog = conn.store.cache.catalog((), (), ())
    return [_job(conn, catalog, number, units) for number, units in waiting.items()]


def _creates(rule: StoreRule | Ignored | None) -> bool:
    if not isinstance(rule, StoreRule) or not isinstance(rule.customer, MatchCustomer):
        return False
    return rule.customer.otherwise == "create"


def _is_new(conn: Connection, unit: Unit, number: str) -> bool:
    rules = conn.rules(unit.store_id)
    if not isinstance(rules, Rules) or not _creates(rules.store):
        return False
    order, rule = conn.store.orders.order(unit.root_order_id), rules.store.customer
    if order is None or not isinstance(rule, MatchCustomer):
        return False
    created = new_number(rules.account, rule.by, customer_key(order, rule.by))
    return number == created and not conn.store.cache.has_customer(number)


def _job(conn: Connection, catalog: Catalog, number: str, units: Sequence[Unit]) -> _Job:
    rules, order = conn.rules(units[0].store_id), conn.store.orders.order(units[0].root_order_id)
    assert isinstance(rules, Rules)  # noqa: S101 - _is_new has just seen both
    assert order is not None  # noqa: S101
    return _Job(number, new_customer(order, rules, catalog, number), tuple(units))


def _create(desk: Desk, jobs: Sequence[_Job], doubtful: list[tuple[_Job, str]]) -> None:
    def prepare(job: _Job) -> str | None:
        if desk.out_of_time():
            return None
        _note(desk, job, "intent", f"create customer {job.number}", "sent", encode(job.body))
        return job.number

    def send(job: _Job, _number: str) -> Customer:
        return desk.bc.create_customer(job.body)

    def finish(job: _Job, _number: str, outcome: Outcome[Customer]) -> bool:
        if outcome.value is not None:
            desk.store.cache.keep_customers([outcome.value])
            _note(desk, job, "outcome", f"created customer {job.number}", "done")
            return True
        return _failed(desk, job, outcome.error, doubtful)

    desk.send(jobs, prepare=prepare, send=send, finish=finish)


def _failed(
    desk: Desk, job: _Job, error: BcssError | None, doubtful: list[tuple[_Job, str]]
) -> bool:
    message = error.message if error is not None else ""
    _note(desk, job, "outcome", message, "in doubt")
    if error is not None and desk.stops(error):
        return False
    doubtful.append((job, message))
    return True


def _settle(desk: Desk, job: _Job, problem: str) -> None:
    """Look for a customer whose create was doubtful or refused, which a repeat is."""
    try:
        found = desk.bc.find_customer(job.number)
    except BcssError as error:
        desk.stops(error)
        found = None
    with desk.write():
        if found is not None:
            desk.store.cache.keep_customers([found])
            _note(desk, job, "evidence", f"customer {job.number} exists", "found")
            return
        text = f"Customer {job.number} could not be created: {problem}"
        for unit in job.units:
            desk.hold(unit, Verdict(Why.UNKNOWN_CUSTOMER, text))


def _note(
    desk: Desk, job: _Job, kind: str, summary: str, status: str, body: bytes | None = None
) -> None:
    """Tell the trail of each order that waits; the body stands beside the first only."""
    for unit in job.units:
        event = Event(
            kind,
            desk.flow,
            f"unit:{unit.unit_id}",
            summary,
            target="customers",
            status=status,
            after=body if unit is job.units[0] else None,
        )
        desk.store.trail.add(desk.now(), event)
