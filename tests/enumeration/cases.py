"""The order shapes that every single fault meets, each in a world of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from bcss.config.schema import Config, DocumentKind
from bcss.sandbox import shapes
from bcss.sandbox.shapes import Maker
from bcss.sandbox.world import World
from tests.enumeration.snapshot import Snapshot
from tests.rig import Rig, config_for

_DAY = date(2026, 3, 2)
_START = date(2026, 3, 1)
Make = Callable[[Maker, str], None]


def _of_rotation(name: str) -> Make:
    return next(one.make for one in shapes.ROTATION if one.name == name)


def _adjusted(make: Maker, shape: str) -> None:
    wrap = {"sku": "WRAP", "name": "Gift wrap", "unitPrice": Decimal("4.50"), "adjustment": True}
    off = {"sku": "COUPON", "name": "Coupon", "unitPrice": Decimal("-0.37"), "adjustment": True}
    order_id = make.order(shape, [*make.lines(2), wrap, off], shippingAmount=Decimal("4.90"))
    make.act("label", 2, orderId=order_id)


def _free(make: Maker, shape: str) -> None:
    line = {"sku": "ITEM-24", "name": "Replacement", "quantity": 2, "unitPrice": Decimal(0)}
    make.act("label", 2, orderId=make.order(shape, [line]))


def _five_hundred(make: Maker, shape: str) -> None:
    make.act("label", 2, orderId=make.order(shape, make.lines(500)))


@dataclass(frozen=True, slots=True)
class Case:
    """One order family and the rules under which it is booked."""

    name: str
    make: Make
    orders: Mapping[str, Any] = field(default_factory=dict)
    fresh: bool = False

    @property
    def kind(self) -> str:
        return str(self.orders.get("document", DocumentKind.POSTED_INVOICE))

    def begin(self, folder: Path) -> Snapshot:
        """Book another order the day before, then let this one come.

        So the company is known, its items are cached, and there is a document for the positive
        control; `fresh` cases begin with nothing.
        """
        make = shapes._maker(1, 80001, _DAY, 8)
        world = World()
        world.clock.freeze()
        if not self.fresh:
            shapes.SIMPLE.make(make, "before")
            self._load(world, make)
            Rig(world, self.config(folder), folder).run()
            make.at += timedelta(days=1)
        self.make(make, self.name)
        self._load(world, make)
        return Snapshot.take(world, folder)

    def _load(self, world: World, make: Maker) -> None:
        data = shapes._document(make)
        data.pop("shapes")
        until = datetime.fromisoformat(data.pop("until"))
        world.load(data)
        world.clock.set(until + timedelta(hours=3))
        world.log.clear()

    def config(self, folder: Path) -> Config:
        return config_for(folder, start=_START, **self.orders)


def _kind(kind: DocumentKind) -> Case:
    return Case(str(kind), _of_rotation("tax_and_shipping"), {"document": kind})


CASES = {
    case.name: case
    for case in (
        Case("first_run", _of_rotation("simple"), fresh=True),
        Case("simple", _of_rotation("simple")),
        Case("many_lines", _of_rotation("many_lines")),
        Case("adjustments", _adjusted),
        Case("zero_total", _free),
        Case("split", _of_rotation("split_pair")),
        Case("merged", _of_rotation("merged")),
        Case("two_labels", _of_rotation("two_labels")),
        Case("void_and_relabel", _of_rotation("relabelled")),
        Case("marked", _of_rotation("marked")),
        Case("marked_without_number", _of_rotation("marked_without_number")),
        Case("five_hundred_lines", _five_hundred),
        Case("manual_key", _of_rotation("manual_key")),
        Case("lower_key", _of_rotation("lower_key")),
        _kind(DocumentKind.DRAFT_INVOICE),
        _kind(DocumentKind.SALES_ORDER),
        _kind(DocumentKind.SHIP_AND_INVOICE),
    )
}
