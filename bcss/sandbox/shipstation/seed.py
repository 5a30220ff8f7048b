"""Load an account from seed data, and write it as such (described in `bcss.sandbox.shapes`)."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from bcss.sandbox.shipstation.account import Account
from bcss.sandbox.shipstation.settings import LIST_IDS, LISTS, SWITCHES, read_v2
from bcss.sandbox.shipstation.tables import Row
from bcss.sandbox.shipstation.templates import KINDS, STORE, Body, for_state

# `hooks` is what happened, which a state shows and nobody can load.
_KNOWN = (
    *KINDS, *LISTS, *SWITCHES, "switches", "rate_limit", "keys", "poison", "webhooks", "hooks",
    "v2",
)  # fmt: skip


def load(account: Account, data: Mapping[str, Any]) -> None:
    """Add or replace data; raise ValueError for a member that does not exist.

    A whole seed document is accepted as well as its `shipstation` section.
    """
    if isinstance(data.get("shipstation"), Mapping):
        switches = data.get("switches", {}).get("shipstation", {})
        load(account, {**data["shipstation"], **switches})
        return
    for name in data:
        if name not in _KNOWN:
            raise ValueError(f"shipstation.{name}: unknown; expected one of {', '.join(_KNOWN)}")
    _load_settings(account, data)
    at = account.now()
    for name in LISTS:
        for raw in data.get(name, ()):
            _replace_member(account.lists[name], raw, LIST_IDS[name], name)
    for raw in data.get("products", ()):
        row = account.add("products", raw, at)
        account.by_sku.setdefault(row.body["sku"], row.identity)
    for raw in data.get("customers", ()):
        row = account.add("customers", raw, at)
        for name in row.body["marketplaceUsernames"] or ():
            account.by_username[name["username"]] = row.identity
    for raw in data.get("orders", ()):
        order = account.add_order(raw, at)
        account.link(order, order.body["createDate"])
    for name in ("shipments", "fulfillments"):
        for raw in data.get(name, ()):
            account.add(name, raw, at)


def _load_settings(account: Account, data: Mapping[str, Any]) -> None:
    switches = {**data.get("switches", {}), **{k: data[k] for k in SWITCHES if k in data}}
    try:
        account.switches = replace(account.switches, **switches)
        account.rate = replace(account.rate, **data.get("rate_limit", {}))
        account.v2 = read_v2(account.v2, data.get("v2", {}))
    except TypeError as error:
        raise ValueError(f"shipstation.switches: {error}") from None
    account.keys = dict(data.get("keys", account.keys))
    if "poison" in data:
        account.poison = set(data["poison"])
    for raw in data.get("webhooks", ()):
        account.hooks.restore(raw)


def _replace_member(rows: list[Body], raw: Body, id_field: str, name: str) -> None:
    body = {**STORE, **raw} if name == "stores" else raw
    for index, row in enumerate(rows):
        if row[id_field] == body[id_field]:
            rows[index] = body
            return
    rows.append(body)


def dump_rows(account: Account) -> dict[str, list[Body]]:
    """Return all rows in the form of seed data."""
    return {
        name: [_dump(row) for row in table.rows.values()] for name, table in account.tables.items()
    }


def _dump(row: Row) -> Body:
    shown = for_state(row.body)
    extra = {"batch": row.batch, "hidden": row.hidden, "overlay": row.overlay}
    return {**shown, **{name: value for name, value in extra.items() if value}}


def dump(account: Account) -> Body:
    """Return the whole state; loading it gives the same account."""
    return {
        **dump_rows(account),
        **account.lists,
        "webhooks": account.hooks.listed(),
        "switches": asdict(account.switches),
        "rate_limit": asdict(account.rate),
        "keys": account.keys,
        "poison": sorted(account.poison),
        "v2": asdict(account.v2),
    }
