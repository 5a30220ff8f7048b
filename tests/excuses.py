"""What must be true of the world while an order is held, or waits: an excuse has to be so.

Nothing here is shared with bcss. A reason without a row can never be one in these worlds, so that
a hold for it is a broken promise by itself; the same goes for waits.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bcss.sandbox.world import Logged, World

Row = dict[str, Any]
NOT_REFUSED = (408, 409, 412, 429)  # may have happened, or may be tried again


@dataclass(slots=True)
class Acts:
    """What people and faults did that the state of the vendors does not show any more.

    `vanished` are the numbers of orders that ShipStation has lost; the others name documents of
    Business Central by order number or reference. `hidden` says that lists have left out rows,
    `lost` that a database was, which knew what was posted, `died` that a process did, perhaps
    between the intent of a call and the call.
    """

    vanished: set[str] = field(default_factory=set)
    edited: set[str] = field(default_factory=set)
    renamed: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    released: set[str] = field(default_factory=set)
    hidden: bool = False
    lost: bool = False
    died: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What the world shows of one order number; `foreign` are a person's own papers under it.

    `agrees` says that the posted document has the order's content, `calls` are the writes that
    Business Central was asked for under this number.
    """

    members: tuple[Row, ...]
    live: tuple[bool, ...]
    sent: bool
    posted: tuple[Row, ...]
    drafts: tuple[Row, ...]
    undone: tuple[Row, ...]
    memos: tuple[Row, ...]
    foreign: tuple[Row, ...]
    agrees: bool
    total: Decimal
    shared: bool
    absorbed_booked: bool
    goods_known: bool
    calls: tuple[Logged, ...]
    vanished: bool
    edited: bool
    removed: bool
    released: bool
    hidden: bool
    lost: bool
    died: bool

    @property
    def booked(self) -> bool:
        return bool(self.posted or self.undone)

    @property
    def gone(self) -> bool:
        return self.vanished or any(row.get("hidden") for row in self.members)

    def all_are(self, status: str) -> bool:
        return bool(self.members) and all(row["orderStatus"] == status for row in self.members)

    def some_are(self, *statuses: str) -> bool:
        return any(row["orderStatus"] in statuses for row in self.members)

    def refused(self, *paths: str) -> bool:
        """Tell whether a write was refused for good, at one of these paths or anywhere."""
        return any(
            400 <= one.status < 500
            and one.status not in NOT_REFUSED
            and (not paths or any(path in one.request.path for path in paths))
            for one in self.calls
        )

    @property
    def split(self) -> bool:
        """Tell whether the family has parts; they may have come after the booking."""
        return any(row["advancedOptions"].get("parentId") for row in self.members)

    def post_tried(self) -> bool:
        return any("Microsoft.NAV" in one.request.path for one in self.calls)

    def documents(self) -> int:
        return len(self.posted) + len(self.drafts) + len(self.undone) + len(self.foreign)


Fact = Callable[[Facts], bool]


def _unproven(facts: Facts) -> bool:
    """Tell whether a shipped member has no label or fulfillment that stands."""
    return any(
        row["orderStatus"] == "shipped" and not live
        for row, live in zip(facts.members, facts.live, strict=True)
    )


HOLDS: Mapping[str, Fact] = {
    "edited_after_post": lambda one: one.booked and (one.split or not one.agrees),
    "cancelled_after_post": lambda one: one.booked and one.all_are("cancelled"),
    "voided_after_post": lambda one: one.booked and one.sent and not any(one.live),
    "deleted_after_post": lambda one: one.booked and one.gone,
    "credited_by_hand": lambda one: bool(one.undone),
    "credit_refused": lambda one: one.booked and one.refused("alesCreditMemo", "orrective"),
    "credit_unclear": lambda one: one.booked and (len(one.memos) > 0 or one.hidden),
    "merged_after_post": lambda one: one.absorbed_booked,
    "vanished": lambda one: one.gone,
    "draft_gone": lambda one: one.removed or one.hidden,
    "bc_draft_edited": lambda one: one.edited or one.released or not one.agrees,
    "draft_differs": lambda one: one.edited or not one.agrees,
    "posted_total_differs": lambda one: one.booked and not one.agrees,
    "refused_by_bc": lambda one: one.refused() or one.released,
    "post_refused": lambda one: one.refused("Microsoft.NAV"),
    "period_closed": lambda one: one.refused("Microsoft.NAV"),
    "draft_after_failed_post": lambda one: one.post_tried() or one.lost or one.died,
    "reference_in_use": lambda one: bool(one.foreign) or one.removed,
    "possible-manual-duplicate": lambda one: bool(one.foreign) or one.removed,
    "surplus_draft": lambda one: one.documents() > 1,
    "booked_twice": lambda one: len([*one.posted, *one.undone, *one.foreign]) > 1,
    "partly_cancelled": lambda one: one.some_are("cancelled") and one.some_are("shipped"),
    "no_ship_evidence": _unproven,
    "externally_fulfilled": lambda one: any(row["externallyFulfilled"] for row in one.members),
    "unknown_sku": lambda one: not one.goods_known,
    "key_shared": lambda one: one.shared,
    "negative_total": lambda one: one.total < 0,
}
# Waits at rest; `settle`, `attach` and whatever else time alone ends may not be left.
WAITS: Mapping[str, Fact] = {
    "not-shipped": lambda one: bool(one.members) and not one.all_are("shipped"),
    "waiting-for-sibling": lambda one: (
        one.some_are("shipped")
        and one.some_are("awaiting_shipment", "awaiting_payment", "on_hold", "pending_fulfillment")
    ),
    "waiting-for-merged-order": lambda one: any(
        row["advancedOptions"]["mergedIds"] for row in one.members
    ),
    "credited": lambda one: bool(one.undone),
    "credited-unseen": lambda one: bool(one.undone) and not one.some_are("shipped"),
}


@dataclass(frozen=True, slots=True)
class Excuse:
    """One open hold or waiting unit, as the database has it."""

    number: str
    reason: str
    waits: bool = False

    def is_so(self, facts: Facts) -> bool:
        fact = (WAITS if self.waits else HOLDS).get(self.reason)
        return fact is not None and fact(facts)

    def __str__(self) -> str:
        word = "waits" if self.waits else "held"
        return f"{self.number}: {word} for {self.reason}"


def unfounded(excuses: Iterable[Excuse], facts_of: Callable[[str], Facts]) -> list[str]:
    """Return the excuses that are none; facts are made for the numbers of excuses only."""
    found: dict[str, Facts] = {}
    texts = []
    for one in excuses:
        if one.number not in found:
            found[one.number] = facts_of(one.number)
        if not one.is_so(found[one.number]):
            texts.append(f"I2 {one}, which is not so")
    return texts


def excuses_of(conn: Any) -> Iterator[Excuse]:
    """Read the open holds, and the units that wait without being held."""
    holds = conn.execute("SELECT order_number, why FROM hold WHERE closed_at IS NULL")
    for number, why in holds.fetchall():
        yield Excuse(number, why)
    waits = conn.execute(
        "SELECT order_number, waiting FROM unit WHERE waiting <> '' AND held = '' "
        "AND state <> 'dropped'"
    )
    for number, waiting in waits.fetchall():
        yield Excuse(number, waiting, waits=True)


def writes_by_number(
    world: World, documents: Mapping[str, Collection[Row]]
) -> dict[str, list[Logged]]:
    """Sort the writes to Business Central by order number; "" has those to what is gone."""
    owner: dict[str, str] = {}
    names: dict[str, str] = {}
    for number, rows in documents.items():
        for row in rows:
            owner[row["id"]] = number
            names[str(row.get("externalDocumentNumber") or number)] = number
            owner |= {line["id"]: number for line in row.get("lines", ())}
    found: dict[str, list[Logged]] = defaultdict(list)
    for call in world.log.calls("bc"):
        if call.request.method == "GET":
            continue
        found[_owner(call, owner, names)].append(call)
    return found


def _owner(call: Logged, owner: Mapping[str, str], names: Mapping[str, str]) -> str:
    for name in reversed(call.request.path.replace(")", "(").split("(")):
        if name in owner:
            return owner[name]
    body = call.request.body
    for known in (owner, names):
        for name, number in known.items():
            if f'"{name}"'.encode() in body:
                return number
    return ""
