"""What the `webhooks` commands show and do for one connection."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any
from urllib.parse import urlsplit

from bcss.app import Options, Surroundings, connect, finish
from bcss.cli.answer import Answer
from bcss.cli.render import Block, Table, printable
from bcss.cli.scratch import scratch_connection
from bcss.clock import SystemClock
from bcss.config.schema import Config, StoreRule
from bcss.errors import BcssError, FixConfig
from bcss.flows.connection import Connection
from bcss.flows.hooks import USUAL, Wanted, register, remove, shortfalls, target_url
from bcss.shipstation.records import Webhook
from bcss.store.hints import Hints, hints_path


def listed(config: Config) -> Answer:
    """Show every webhook of the account; addresses are cut, since their rest is a secret."""
    url = target_url(config)
    with scratch_connection(config, "webhooks list") as conn:
        hooks = conn.shipstation.webhooks()
        problems = shortfalls(conn)
    rows = [_object(hook, url) for hook in hooks]
    cells = [
        [
            str(row["id"]),
            row["event"],
            _store(row["store_id"]),
            "ours" if row["ours"] else row["address"],
            "" if row["active"] else "switched off",
            row["name"],
        ]
        for row in rows
    ]
    table = Table(("webhook", "event", "store", "address", "", "name"), cells)
    counted = _counted(config)
    blocks: list[Block] = [table if rows else "the account has no webhooks"]
    blocks += map(printable, problems)
    blocks += [f"received with {what}: {number}" for what, number in counted.items()]
    return Answer({"webhooks": rows, "problems": problems, "counted": counted}, blocks)


def _counted(config: Config) -> dict[str, int]:
    """Return what the listener has only counted: signatures that are bad or of unknown keys."""
    path = hints_path(config.state.path)
    if not path.exists():
        return {}
    with closing(Hints(path, SystemClock())) as hints:
        return hints.tallies()


def _object(hook: Webhook, url: str) -> dict[str, Any]:
    parts = urlsplit(hook.url)
    return {
        "id": hook.hook_id,
        "event": hook.event,
        "store_id": hook.store_id,
        "name": hook.name,
        "active": hook.active,
        "ours": hook.url == url,
        "address": f"{parts.scheme}://{parts.hostname or ''}/…",
    }


def _store(store_id: int | None) -> str:
    return "all" if store_id is None else str(store_id)


def registered(config: Config, events: Sequence[str], stores: Sequence[int], dry: bool) -> Answer:
    """Create what is missing."""
    _check_stores(config, stores)
    with _writing(config, "webhooks register", dry) as conn:
        done = register(conn, list(dict.fromkeys(events)) or USUAL, list(dict.fromkeys(stores)))
    verb = "would be registered" if dry else "is registered"
    blocks = [f"{one} {verb}" for one in done.created]
    blocks += [f"{one} is there already" for one in done.present]
    data = {
        "registered": [_wanted(one) for one in done.created],
        "present": [_wanted(one) for one in done.present],
        "dry_run": dry,
    }
    return Answer(data, blocks)


def _wanted(one: Wanted) -> dict[str, Any]:
    return {"event": one.event, "store_id": one.store_id}


def removed(config: Config, events: Sequence[str], stores: Sequence[int], dry: bool) -> Answer:
    """Delete what is ours."""
    with _writing(config, "webhooks remove", dry) as conn:
        gone = remove(conn, frozenset(events), frozenset(stores))
    verb = "would be removed" if dry else "is removed"
    blocks = [f"{one.hook_id}, {Wanted(one.event, one.store_id)}, {verb}" for one in gone]
    rows = [{"id": one.hook_id, "event": one.event, "store_id": one.store_id} for one in gone]
    return Answer(
        {"removed": rows, "dry_run": dry}, blocks or ["no webhook points at our listener"]
    )


def _check_stores(config: Config, stores: Sequence[int]) -> None:
    booked = config.orders.stores
    strange = [one for one in stores if not isinstance(booked.get(one), StoreRule)]
    if strange:
        raise FixConfig(
            f"{config.path} does not book store {', '.join(map(str, strange))}.",
            hint="List it under orders.stores, or leave --store out.",
        )


@contextmanager
def _writing(config: Config, command: str, dry: bool) -> Iterator[Connection]:
    """Yield a connection that leaves a trail, or on a dry run a copy that does not."""
    if dry:
        with scratch_connection(config, command) as conn:
            conn.dry_run = True
            yield conn
        return
    around = Surroundings(budget_class="operator")
    with connect(config, command, Options(), around) as conn:
        try:
            yield conn
        except BcssError as error:
            conn.report.errors.append(error)
            raise
        finally:
            finish(conn)
