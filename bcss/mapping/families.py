"""Group order rows into families and say which of them wait (design §4.1, shipstation.md §5)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bcss.shipstation.records import Fulfillment, Order, Shipment

OPEN_STATUSES = ("awaiting_payment", "awaiting_shipment", "on_hold", "pending_fulfillment")
MAX_MEMBERS = 200


@dataclass(frozen=True, slots=True)
class Related:
    """The links of one captured order row, as the store keeps them."""

    order_id: int
    parent_id: int | None
    merged_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Closure:
    """The ids of a family, those absorbed by a merge, and those not captured yet."""

    members: tuple[int, ...]
    absorbed: tuple[int, ...]
    missing: tuple[int, ...]


def close(
    start: int,
    row: Callable[[int], Related | None],
    children: Callable[[int], Iterable[Related]],
) -> Closure:
    """Follow `parentId`, and `mergedIds` whose row points back, until nothing new appears.

    Other `mergedIds` are absorbed orders. An id without a row is missing and may turn out to be
    either. A closure over more than 200 rows stops growing; ShipStation splits are far smaller.
    """
    members: set[int] = set()
    absorbed: set[int] = set()
    missing: set[int] = set()
    queue = [start]
    while queue and len(members) < MAX_MEMBERS:
        order_id = queue.pop()
        if order_id in members:
            continue
        found = row(order_id)
        if found is None:
            missing.add(order_id)
            continue
        members.add(order_id)
        queue += [found.parent_id] if found.parent_id else []
        queue += [child.order_id for child in children(order_id)]
        for merged_id in found.merged_ids:
            other = row(merged_id)
            if other is None:
                missing.add(merged_id)
            elif other.parent_id == order_id:
                queue.append(merged_id)
            elif merged_id not in (order_id, found.parent_id):
                absorbed.add(merged_id)
    return Closure(
        tuple(sorted(members)), tuple(sorted(absorbed - members)), tuple(sorted(missing - members))
    )


def root_of(members: Mapping[int, Order]) -> Order:
    """Return the member that no other member is parent of; the oldest where several qualify."""
    roots = [order for order in members.values() if order.parent_id not in members]
    return min(roots or members.values(), key=lambda order: order.order_id)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The shipments and fulfillments of one family, voided and return ones included."""

    shipments: tuple[Shipment, ...] = ()
    fulfillments: tuple[Fulfillment, ...] = ()

    def outbound(self) -> tuple[Shipment | Fulfillment, ...]:
        """Return what was sent out, voided or not; return labels never count."""
        labels = tuple(one for one in self.shipments if not one.is_return)
        return labels + self.fulfillments

    def counting(self) -> tuple[Shipment | Fulfillment, ...]:
        """Return what proves that something was shipped, oldest first."""
        kept = (one for one in self.outbound() if not one.voided)
        return tuple(sorted(kept, key=lambda one: (one.create_date.earliest, one_id(one))))


def one_id(one: Shipment | Fulfillment) -> int:
    """Return the vendor's id of a shipment or fulfillment."""
    return one.shipment_id if isinstance(one, Shipment) else one.fulfillment_id


@dataclass(frozen=True, slots=True)
class Family:
    """The orders of one unit with their evidence; `root` is the member without a parent.

    `gone` is a family that ShipStation no longer has, under this or any other id.
    """

    root: Order
    members: tuple[Order, ...]
    evidence: Evidence
    gone: bool = False

    @property
    def newest_change(self) -> datetime:
        """Return the latest reading of the newest member's modifyDate."""
        return max(order.modify_date.latest for order in self.members)

    def counting_of(self, order_id: int) -> tuple[Shipment | Fulfillment, ...]:
        """Return the counting evidence of one member."""
        return tuple(one for one in self.evidence.counting() if one.order_id == order_id)
