"""Hold one imitated ShipStation account: its rows and their indices."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bcss.sandbox.kit import SandboxClock
from bcss.sandbox.shipstation import times
from bcss.sandbox.shipstation.hooks import Hooks
from bcss.sandbox.shipstation.settings import V2, RateLimit, Switches, default_lists
from bcss.sandbox.shipstation.tables import Row, Table
from bcss.sandbox.shipstation.templates import (
    CUSTOMERS,
    FULFILLMENTS,
    KINDS,
    ORDERS,
    SHIPMENTS,
    Body,
    fill,
    fill_item,
    total,
)

OPEN = ("awaiting_payment", "awaiting_shipment", "on_hold", "pending_fulfillment")
LOCKED = ("shipped", "cancelled")  # shipstation.md §2.3
_HIDDEN_MEMBERS = ("batch", "hidden", "overlay", "changed")


@dataclass(slots=True)
class Account:
    """Everything the imitation knows. Its owner holds the lock."""

    clock: SandboxClock
    switches: Switches = field(default_factory=Switches)
    rate: RateLimit = field(default_factory=RateLimit)
    keys: dict[str, str] = field(default_factory=lambda: {"sandbox-key": "sandbox-key-secret"})
    tables: dict[str, Table] = field(
        default_factory=lambda: {name: Table(kind) for name, kind in KINDS.items()}
    )
    lists: dict[str, list[Body]] = field(default_factory=default_lists)
    hooks: Hooks = field(default_factory=Hooks)
    v2: V2 = field(default_factory=V2)
    poison: set[int] = field(default_factory=set)
    next_item: int = 3_100_000_201
    next_batch: int = 1
    by_key: dict[str, list[int]] = field(default_factory=dict)
    by_sku: dict[str, int] = field(default_factory=dict)
    by_username: dict[str, int] = field(default_factory=dict)
    unlinked: list[tuple[datetime, int]] = field(default_factory=list)
    held: set[int] = field(default_factory=set)
    shipped_by: dict[int, list[Row]] = field(default_factory=dict)

    @property
    def orders(self) -> Table:
        """The table of orders."""
        return self.tables["orders"]

    @property
    def shipments(self) -> Table:
        """The table of shipments."""
        return self.tables["shipments"]

    @property
    def fulfillments(self) -> Table:
        """The table of fulfillments."""
        return self.tables["fulfillments"]

    def now(self) -> datetime:
        """Return the sandbox's instant with the precision of a ShipStation time."""
        return times.milliseconds(self.clock.now())

    def new_item_id(self) -> int:
        """Take the next free order item id."""
        self.next_item += 1
        return self.next_item - 1

    def new_batch(self) -> str:
        """Make the GUID of one import action."""
        self.next_batch += 1
        return f"00000000-1111-4222-8333-{self.next_batch:012d}"

    def new_batch_number(self) -> str:
        """Make the number of one batch of labels."""
        self.next_batch += 1
        return str(187_980_000 + self.next_batch)

    def new_key(self, order_id: int) -> str:
        """Make the key ShipStation gives an order that came without one: 32 hex digits."""
        return hashlib.sha256(str(order_id).encode()).hexdigest()[:32]

    def order(self, order_id: object) -> Row:
        """Find an order by id; raise ValueError for an unknown one."""
        row = self.orders.rows.get(order_id) if isinstance(order_id, int) else None
        if row is None:
            raise ValueError(f"no order {order_id!r}")
        return row

    def change(self, row: Row, at: datetime, **members: Any) -> Row:
        """Change an order and bump its modifyDate."""
        keep = self.switches.late > 0
        return self.orders.change(row, at, keep=keep, **{"modifyDate": at, **members})

    def filled_items(self, items: Iterable[Mapping[str, Any]], at: datetime) -> list[Body]:
        """Complete order lines, giving ids and times to new ones."""
        filled = [fill_item(item) for item in items]
        for item in filled:
            item["orderItemId"] = item["orderItemId"] or self.new_item_id()
            item["createDate"] = item["createDate"] or at
            item["modifyDate"] = item["modifyDate"] or at
        return filled

    def add_order(self, raw: Mapping[str, Any], at: datetime, batch: str = "") -> Row:
        """Add an order of seed data, of an import or of the API; `raw` may be partial."""
        body = fill(ORDERS, {k: v for k, v in raw.items() if k not in _HIDDEN_MEMBERS})
        body["orderId"] = body["orderId"] or self.orders.new_id()
        body["orderKey"] = body["orderKey"] if "orderKey" in raw else self.new_key(body["orderId"])
        body["createDate"] = body["createDate"] or at
        body["modifyDate"] = body["modifyDate"] or body["createDate"]
        body["orderDate"] = body["orderDate"] or body["createDate"]
        if isinstance(body["items"], list):
            body["items"] = self.filled_items(body["items"], body["createDate"])
            body["orderTotal"] = body["orderTotal"] if "orderTotal" in raw else total(body)
        row = self._row(raw, body["orderId"], body, body["modifyDate"])
        row.batch = row.batch or batch
        self.orders.put(row)
        self.index(row)
        return row

    def index(self, row: Row) -> None:
        """Make an order known by its key, and its held state to the clock."""
        ids = self.by_key.setdefault(str(row.body["orderKey"] or ""), [])
        if row.identity not in ids:
            ids.append(row.identity)
        if row.body["orderStatus"] == "on_hold":
            self.held.add(row.identity)
        items = row.body["items"] or ()
        self.next_item = max(
            (self.next_item, *(item["orderItemId"] + 1 for item in items)), default=0
        )

    def _row(self, raw: Mapping[str, Any], identity: int, body: Body, changed: datetime) -> Row:
        return Row(
            identity,
            body,
            changed,
            batch=str(raw.get("batch") or ""),
            hidden=bool(raw.get("hidden")),
            overlay=raw.get("overlay"),
        )

    def add(self, name: str, raw: Mapping[str, Any], at: datetime) -> Row:
        """Add a row of any kind but orders."""
        table = self.tables[name]
        kind = table.kind
        body = fill(kind, {k: v for k, v in raw.items() if k not in _HIDDEN_MEMBERS})
        body[kind.id_field] = body[kind.id_field] or table.new_id()
        body["createDate"] = body["createDate"] or at
        if kind is SHIPMENTS:
            body["shipDate"] = body["shipDate"] or times.local_day(body["createDate"])
        if kind is FULFILLMENTS:
            body["shipDate"] = body["shipDate"] or times.parse(times.local_day(body["createDate"]))
        changed = max(body.get(m) or times.EARLIEST for m in ("createDate", "voidDate"))
        row = table.put(self._row(raw, body[kind.id_field], body, changed))
        if kind in (SHIPMENTS, FULFILLMENTS):
            rows = self.shipped_by.setdefault(body["orderId"], [])
            rows[:] = [one for one in rows if one.identity != row.identity] + [row]
        return row

    def link_later(self, row: Row, at: datetime) -> None:
        """Have an order linked to its customer and products after the answer (§2.11)."""
        self.unlinked.append((at, row.identity))

    def settle(self, at: datetime) -> None:
        """Do what time does: link new orders, and end holds whose date has come (§2.1)."""
        if self.unlinked:
            horizon = at - timedelta(seconds=self.switches.link_delay)
            due = [identity for since, identity in self.unlinked if since <= horizon]
            self.unlinked = [one for one in self.unlinked if one[0] > horizon]
            for identity in due:
                self._link_due(identity, at)
        if self.held:
            self._release(at)

    def _link_due(self, identity: int, at: datetime) -> None:
        row = self.orders.rows.get(identity)
        if row is not None:
            self.link(row, at)
            if self.switches.linking_bumps:
                self.change(row, at)

    def _release(self, at: datetime) -> None:
        today = times.local_day(at)
        for identity in sorted(self.held):
            row = self.orders.rows.get(identity)
            if row is None or row.body["orderStatus"] != "on_hold":
                self.held.discard(identity)
            elif row.body["holdUntilDate"] and row.body["holdUntilDate"] <= today:
                self.held.discard(identity)
                self.change(row, at, orderStatus="awaiting_shipment", holdUntilDate=None)

    def link(self, row: Row, at: datetime) -> None:
        """Give an order its customer and its lines their products, making both if new.

        Adjustment lines never get a product (shipstation.md §2.11, §6.2, §7).
        """
        items = [
            {**item, "productId": self._product(item, at)}
            if item["sku"] and not item["adjustment"] and not item["productId"]
            else item
            for item in row.body["items"] or ()
        ]
        customer = row.body["customerId"] or self._customer(row.body, at)
        row.body = {**row.body, "customerId": customer}
        if row.body["items"]:
            row.body["items"] = items
        row.texts.clear()

    def _product(self, item: Body, at: datetime) -> int:
        known = self.by_sku.get(item["sku"])
        if known is None:
            members = {"sku": item["sku"], "name": item["name"], "price": item["unitPrice"]}
            known = self.add("products", members, at).identity
            self.by_sku[item["sku"]] = known
        return known

    def _customer(self, order: Body, at: datetime) -> int | None:
        username = order["customerUsername"] or order["customerEmail"]
        if not username:
            return None
        ship_to = order["shipTo"]
        members = {name: ship_to.get(name) for name in CUSTOMERS.defaults if name in ship_to}
        members |= {"countryCode": ship_to.get("country"), "email": order["customerEmail"]}
        members |= {"addressVerified": "Verified", "modifyDate": at}
        known = self.by_username.get(username)
        if known is not None:
            table = self.tables["customers"]
            table.change(table.rows[known], at, keep=False, **members)
            return known
        row = self.add("customers", members, at)
        usernames = [{"customerUserId": row.identity + 1_000_000, "customerId": row.identity,
                      "createDate": None, "modifyDate": None, "marketplaceId": 0,
                      "marketplace": "ShipStation", "username": username}]  # fmt: skip
        row.body = {**row.body, "marketplaceUsernames": usernames}
        self.by_username[username] = row.identity
        return row.identity
