"""Show what the next run would do, on a copy of the state: nothing real is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from math import ceil
from typing import Any

from bcss.booking.desk import Limits, total_of
from bcss.cli.answer import Answer
from bcss.cli.card import credit, credit_text
from bcss.cli.ending import error_object, paragraph
from bcss.cli.options import RunLimits
from bcss.cli.papers import Names, blocks_of, document_object, names_of, waiting_object
from bcss.cli.render import Block, printable, say
from bcss.cli.report import hold_object
from bcss.cli.scratch import scratch_connection
from bcss.cli.standing import waiting_units, why_stranger
from bcss.cli.state import Found, require
from bcss.cli.sync import BOOKING, FLOWS, flow
from bcss.cli.words import priced
from bcss.config.schema import Config
from bcss.errors import BcssError, worst
from bcss.flows.capture import capture
from bcss.flows.connection import Connection
from bcss.flows.orders import settle_polls
from bcss.flows.planning import plan
from bcss.holds import Hold
from bcss.money import ZERO, show
from bcss.units import REVERSING, State, Unit

_CALLS_EACH = Decimal("3.2")
_COMING = (State.READY, State.CREATE_INTENT, State.DRAFTED, State.POST_INTENT, *REVERSING)
_UNBORN = (State.READY, State.CREATE_INTENT)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the next run would come to."""

    create: int
    post: int
    left_by_limit: int
    calls: int
    sums: dict[str, Decimal]
    credit: int = 0


def preview(config: Config, limits: RunLimits, order: str | None = None) -> Answer:
    """Capture and plan on a copy, and show the documents that would be made or posted."""
    with scratch_connection(config, "plan") as conn:
        _look(conn)
        return _shown(conn, limits, order)


def rehearse(config: Config, names: Sequence[str], limits: RunLimits) -> Answer:
    """Show what some flows would do; those that only update say it themselves."""
    with scratch_connection(config, "plan") as conn:
        for name in names:
            if name not in (*BOOKING, "sweep"):
                _rehearse_one(conn, name)
        if not set(names) & set(BOOKING):
            return _notes_only(conn)
        _look(conn)
        return _shown(conn, limits, None)


def _rehearse_one(conn: Connection, name: str) -> None:
    conn.dry_run = True
    try:
        flow(name)(conn)
    except BcssError as error:
        conn.report.errors.append(error)
        conn.report.failed.append(FLOWS[name][0])
    finally:
        conn.dry_run = False


def _look(conn: Connection) -> None:
    """Read what is new; where a vendor cannot be asked, what is known already is shown."""
    try:
        capture(conn)
        plan(conn)
        settle_polls(conn)
    except BcssError as error:
        conn.report.errors.append(error)


def _errors(conn: Connection) -> dict[str, Any]:
    for error in conn.report.errors:
        say(paragraph(error, conn.config.name))
    return {
        "notes": list(conn.report.notes),
        "errors": [error_object(error) for error in conn.report.errors],
        "exit_code": int(worst([error.exit_code for error in conn.report.errors])),
    }


def _notes_only(conn: Connection) -> Answer:
    data = _errors(conn)
    blocks: list[Block] = [printable(note) for note in conn.report.notes] or ["nothing to do"]
    return Answer(data, blocks, worst([error.exit_code for error in conn.report.errors]))


def _shown(conn: Connection, limits: RunLimits, order: str | None) -> Answer:
    found = require(conn.store, order, conn.config) if order else None
    units = _planned(conn) if found is None else list(found.units)
    holds = _holds(conn, found)
    waiting = [unit for unit in waiting_units(conn.store) if not order or unit in units]
    names = names_of(conn.store, conn.config)
    asked = order is not None
    documents = [_document(conn, unit, names, asked) for unit in units if unit.draft]
    corrected = [one["correction"] for one in documents if one.get("correction")]
    coming = _forecast(conn, [unit for unit in units if not unit.held], limits)
    forecast = _with_credits(coming, corrected)
    data = {
        "documents": documents,
        "holds": [hold_object(hold) for hold in holds],
        "waiting": [waiting_object(unit) for unit in waiting],
        "forecast": _forecast_object(forecast),
        **_errors(conn),
    }
    notes = [printable(note) for note in conn.report.notes]
    if found is not None and not units:
        notes.append(printable(why_stranger(conn.config, conn.store, found)))
    blocks = [*notes, *blocks_of(data), f"forecast: {_forecast_text(forecast)}"]
    return Answer(data, blocks, worst([error.exit_code for error in conn.report.errors]))


def _planned(conn: Connection) -> list[Unit]:
    return [
        unit for unit in conn.store.units.unfinished() if unit.state in _COMING and not unit.held
    ]


def _holds(conn: Connection, found: Found | None) -> list[Hold]:
    """Return everything that is held, or what holds the order that was asked for."""
    held = [priced(hold, conn.config) for hold in conn.store.holds.open()]
    if found is None:
        return held
    subjects = {f"unit:{unit.unit_id}" for unit in found.units}
    subjects |= {hold.subject for hold in found.holds}
    return [hold for hold in held if hold.subject in subjects]


def _document(conn: Connection, unit: Unit, names: Names, read: bool) -> dict[str, Any]:
    """Describe the document of a unit; a draft of one asked-for order is read from BC."""
    bc_total = unit.bc_total
    if bc_total is None and read and unit.document_id:
        bc_total = _read_total(conn, unit)
    assert unit.draft is not None  # noqa: S101 - the caller leaves out units without one
    found = document_object(conn.store, unit, unit.draft, names, bc_total)
    credited = None if unit.held else credit(conn.store, unit, conn.config)
    if credited is None:
        return found
    return found | {"credits": credit_text(credited), "correction": credited}


def _read_total(conn: Connection, unit: Unit) -> Decimal | None:
    from bcss.units import entity_of  # noqa: PLC0415 - one order only

    try:
        document = conn.bc.get_document(entity_of(unit.kind), unit.document_id)
    except BcssError as error:
        conn.report.notes.append(f"{unit.draft_number} could not be read: {error.message}")
        return None
    return document.total_including_tax


def _forecast(conn: Connection, units: Sequence[Unit], limits: RunLimits) -> Forecast:
    create = [unit for unit in units if unit.state in _UNBORN]
    drafted = [unit for unit in units if unit.state is State.DRAFTED and not unit.waiting]
    allowance = Limits(_most(conn, limits), limits.max_amount)
    sums: dict[str, Decimal] = {}
    post = left = 0
    for unit in [one for one in (*drafted, *create) if _will_post(one)]:
        if not allowance.allow(total_of(unit)):
            left += 1
            continue
        allowance.spend(total_of(unit))
        sums[unit.currency] = sums.get(unit.currency, ZERO) + total_of(unit)
        post += 1
    calls = ceil(_CALLS_EACH * (len(create) + len(drafted)))
    return Forecast(len(create), post, left, calls, sums)


def _with_credits(forecast: Forecast, corrected: Sequence[Mapping[str, Any]]) -> Forecast:
    """Count the credit memos of approved corrections, and the documents that follow them."""
    memos = [one for one in corrected if one["credit_memo_total"] is not None]
    again = [one for one in corrected if one["is_total"] is not None]
    sums = dict(forecast.sums)
    for one in again:
        sums[one["currency"]] = sums.get(one["currency"], ZERO) + one["is_total"]
    return replace(
        forecast,
        credit=len(memos),
        create=forecast.create + len(again),
        post=forecast.post + len(again),
        calls=forecast.calls + ceil(_CALLS_EACH * (len(memos) + len(again))),
        sums=sums,
    )


def _will_post(unit: Unit) -> bool:
    """Tell whether the next run posts a unit's document: not while its order is still open."""
    return unit.kind.posts and not (unit.draft and unit.draft.open)


def _most(conn: Connection, limits: RunLimits) -> int | None:
    """Return how many documents may be posted: as the first posting run is limited, and as asked."""
    first = conn.config.orders.first_run_limit
    applies = (
        first and not conn.store.units.any_posted() and not conn.store.meta("first_posting_run")
    )
    known = [one for one in (limits.max_post, first if applies else None) if one is not None]
    return min(known, default=None)


def _forecast_object(forecast: Forecast) -> dict[str, Any]:
    return {
        "credit": forecast.credit,
        "create": forecast.create,
        "post": forecast.post,
        "left_by_limit": forecast.left_by_limit,
        "business_central_calls": forecast.calls,
        "sums": dict(forecast.sums),
    }


def _forecast_text(forecast: Forecast) -> str:
    sums = " and ".join(show(total, code) for code, total in sorted(forecast.sums.items()))
    left = f", {forecast.left_by_limit} left to later runs" if forecast.left_by_limit else ""
    credit = f"{forecast.credit} to credit, " if forecast.credit else ""
    return (
        f"{credit}{forecast.create} to create, {forecast.post} to post"
        + (f" ({sums})" if sums else "")
        + f"{left}; about {forecast.calls} calls to Business Central"
    )
