"""Read a connection's memory: without locks, without network, and without making a database."""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from bcss.cli.words import priced
from bcss.clock import SystemClock, parse_utc
from bcss.config.schema import Config
from bcss.errors import FixConfig
from bcss.holds import Hold
from bcss.store.db import Run, Store
from bcss.store.host import budget_path
from bcss.units import Unit

NOTHING_YET = "nothing has run yet"
SOON_HOURS = 24
_WINDOW = 60.0
_RUNS = 200
_LABEL = re.compile(r"#?H-?#?(\d{1,15})", re.IGNORECASE)
_BARE = re.compile(r"#?(\d{1,15})")


@dataclass(frozen=True, slots=True)
class Found:
    """What a person's word for an order led to: its newest units, and holds about no unit."""

    text: str
    order_ids: tuple[int, ...]
    units: tuple[Unit, ...]
    holds: tuple[Hold, ...] = ()


@contextmanager
def reading(config: Config) -> Iterator[Store | None]:
    """Open the state database to look at it; None where nothing has run yet."""
    if not config.state.path.exists():
        yield None
        return
    with closing(Store(config.state.path, SystemClock(), checked=False)) as store:
        yield store


@contextmanager
def opened(config: Config) -> Iterator[Store]:
    """Open the state database to look at it; raise FixConfig where nothing has run yet."""
    with reading(config) as store:
        if store is None:
            raise FixConfig(
                f"There is nothing to show: {NOTHING_YET}.",
                hint="Run bcss sync all first.",
            )
        yield store


def find(store: Store, text: str, config: Config) -> Found:
    """Find an order by number, orderKey, tracking number, document number or the name of a hold.

    A document that was credited leads to the newest generation of its order.
    """
    text = text.strip()
    hold = hold_named(store, text, bare=False)
    order_ids = store.orders.find_orders(text)
    units = store.units.of_orders(order_ids) + store.units.by_document(text)
    units += [store.units.get(int(one)) for one in _unit_ids([hold] if hold else [])]
    newest = [_newest(store, unit) for unit in units]
    distinct = {unit.unit_id: unit for unit in newest}
    members = [one for unit_id in distinct for one in store.units.members(unit_id)]
    found = tuple(priced(unit, config) for unit in distinct.values())
    holds = [hold] if hold and not units else _about_no_unit(store, text, order_ids)
    return Found(text, tuple(dict.fromkeys([*order_ids, *members])), found, tuple(holds))


def hold_named(store: Store, text: str, *, bare: bool = True) -> Hold | None:
    """Return the hold that a text names, such as H-0017 or, where `bare`, 17 and #17."""
    named = _LABEL.fullmatch(text.strip()) or (_BARE.fullmatch(text.strip()) if bare else None)
    return store.holds.by_number(int(named[1])) if named else None


def _newest(store: Store, unit: Unit) -> Unit:
    return (store.units.by_key(unit.store_id, unit.order_key) or [unit])[-1]


def _unit_ids(holds: Sequence[Hold]) -> list[str]:
    parts = [hold.subject.partition(":") for hold in holds]
    return [number for kind, _, number in parts if kind == "unit"]


def _about_no_unit(store: Store, text: str, order_ids: Sequence[int]) -> list[Hold]:
    """Return the open holds of unreadable records and unlisted stores that an order meets."""
    stores = {f"store:{store.orders.store_of(one)}" for one in order_ids}
    return [
        hold
        for hold in store.holds.open()
        if not hold.subject.startswith("unit:")
        and (hold.subject in stores or text in (hold.order_number, str(hold.order_id or "")))
    ]


def require(store: Store, text: str, config: Config) -> Found:
    """Find an order, or raise FixConfig that says what was tried."""
    found = find(store, text, config)
    if found.order_ids or found.units or found.holds:
        return found
    hold = hold_named(store, text)
    if hold is not None:
        raise FixConfig(
            f"No order is known by {text!r}; {hold.label} is a hold.",
            hint=f"bcss hold show {hold.label} shows it, bcss why {hold.label} its order.",
        )
    raise FixConfig(
        f"No order is known by {text!r}.",
        hint="Order number, orderKey, tracking number and document number are understood; "
        "an order that ShipStation showed since the last run is not known yet.",
    )


def last_runs(store: Store) -> list[Run]:
    """Return the newest run of each command."""
    newest: dict[str, Run] = {}
    for run in store.runs(_RUNS):
        newest.setdefault(run.command, run)
    return list(newest.values())


def holder(config: Config) -> Mapping[str, Any] | None:
    """Return what the run lock's file says of a process that still lives, without locking."""
    path = config.state.path
    try:
        said = json.loads(path.with_name(f"{path.name}.run.lock").read_text()[:4096])
        _signal_zero(int(said["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return dict(said)


def _signal_zero(pid: int) -> None:
    """Raise OSError unless a process lives; another user's may not be asked, but it does."""
    with suppress(PermissionError):
        os.kill(pid, 0)


def quota(config: Config) -> dict[str, Any] | None:
    """Return what is left of ShipStation's quota; None before the first run on this host.

    The key is known by the stores that the connection claims, so no secret is asked for.
    """
    from bcss.store.budget import Budget  # noqa: PLC0415 - only status asks

    path = budget_path()
    if not path.exists():
        return None
    clock, limit = SystemClock(), config.shipstation.requests_per_minute
    with closing(Budget(path, "", limit, _WINDOW, clock)) as anyone:
        keys = [one.key_hash for one in anyone.claims() if one.connection == config.name]
    if not keys:
        return None
    with closing(Budget(path, keys[0], limit, _WINDOW, clock)) as own:
        left = own.quota()
    return {
        "limit": left.limit,
        "remaining": left.remaining,
        "resets_in_seconds": round(left.resets_in),
        "blocked_for_seconds": round(left.blocked_for),
    }


def subscriptions(store: Store) -> list[dict[str, Any]]:
    """Return the Business Central subscriptions as the last renewal left them."""
    try:
        noted = json.loads(store.meta("subscriptions") or "{}").get("resources", {})
        ends = {entity: parse_utc(row["expires"]) for entity, row in noted.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
    now = store.clock.now()
    return [
        {
            "entity": entity,
            "expires": end,
            "hours_left": round(max(0.0, (end - now).total_seconds() / 3600), 1),
        }
        for entity, end in ends.items()
    ]


def subscriptions_end_soon(config: Config) -> bool:
    """Tell whether a subscription has a day or less to live, as far as is known here."""
    with reading(config) as store:
        if store is None:
            return False
        return any(one["hours_left"] < SOON_HOURS for one in subscriptions(store))
