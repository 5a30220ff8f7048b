"""Make seed data: orders of every shape that ShipStation can show.

A seed document is one JSON object for both vendors; every part may be left out:

    {"shipstation": {
        "orders": [...], "shipments": [...], "fulfillments": [...], "products": [...],
        "customers": [...], "stores": [...], "warehouses": [...], "carriers": [...],
        "services": [...], "tags": [...], "users": [...], "webhooks": [...],
        "keys": {"sandbox-key": "sandbox-key-secret"},
        "rate_limit": {"limit": 40, "window": 60, "headers": "always", "retry_after": false,
                       "status": 429},
        "poison": [3000000101],
        "switches": {"pages_zero": true}},
     "business_central": {...},
     "clock": "2026-03-02T23:00:00Z",
     "switches": {"shipstation": {...}}}

Rows have ShipStation's member names and may be partial: ids, keys, totals and dates that are
left out are made up, and a row whose id is known replaces that row. Times are ISO 8601 with
offset, or Pacific wall clock without. A row may further carry `batch` (the import batch, or the
batch id of a label), `hidden` (a soft delete) and `overlay` (members shown instead of the right
ones, to make an unreadable row). `Switches` in `bcss.sandbox.shipstation.settings` lists the
switches, which may also stand directly in the section. `state()` of an imitation gives its
section, with everything that happened since.

`generate` and `demo_day` let an imitated account live through the events of each shape, so
that the rows are what the imitation itself would have made of them.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from bcss.sandbox.kit import SandboxClock
from bcss.sandbox.shipstation import events, seed
from bcss.sandbox.shipstation.account import Account
from bcss.sandbox.shipstation.times import PACIFIC, utc_text

Line = dict[str, Any]
IGNORED_STORE = 80002
DEMO_DAY = date(2026, 3, 2)
UNKNOWN_EVERY = 40
_LONGEST_STEP = timedelta(seconds=90)
_SPAN = timedelta(days=20)
# SKUs that the sample configuration of the README maps, or that are item numbers themselves.
_GOODS = (
    ("ITEM-24", "Gift set"),
    ("RIBBON", "Ribbon, 10 m"),
    ("1896-S", "Desk"),
    ("GIFT-24", "Gift set, wrapped"),
    ("TEE-RED", "T-shirt, red"),
    ("BOX-3", "Box of three"),
)
_BUYERS = ("Alex Example", "Billie Sample", "Chris Specimen", "Dana Placeholder", "Eli Muster")
_CITIES = (
    ("1 Test St", "Testville", "TX", "75001"),
    ("22 Sample Ave", "Exampleton", "NY", "10001"),
    ("305 Demo Rd", "Mocksburg", "CA", "90001"),
)


@dataclass(slots=True)
class Maker:
    """An account being filled, one shape at a time."""

    account: Account
    dice: random.Random
    store: int
    at: datetime
    shapes: dict[str, str] = field(default_factory=dict)
    serial: int = 0
    last: datetime = datetime(2000, 1, 1, tzinfo=UTC)

    def act(self, action: str, hours: float, **arguments: Any) -> dict[str, Any]:
        """Let something happen so many hours after the order came."""
        at = self.at + timedelta(hours=hours)
        self.last = max(self.last, at)
        return events.run(self.account, {"action": action, "at": utc_text(at), **arguments})

    def price(self) -> Decimal:
        """Choose a price: mostly odd cents, sometimes round, small or large."""
        cents = self.dice.choice((self.dice.randint(50, 25_000), 1000, 99, 123_456, 5))
        return Decimal(cents) / 100

    def lines(self, count: int, goods: tuple[tuple[str, str], ...] = _GOODS) -> list[Line]:
        """Choose order lines of known goods."""
        chosen = [self.dice.choice(goods) for _ in range(count)]
        return [
            {
                "sku": sku,
                "name": name,
                "quantity": self.dice.choice((1, 1, 1, 2, 3, 12)),
                "unitPrice": self.price(),
                "lineItemKey": str((index + 1) * 10_000),
            }
            for index, (sku, name) in enumerate(chosen)
        ]

    def order(self, shape: str, lines: list[Line], **members: Any) -> int:
        """Import one order and note its shape; return its id."""
        self.serial += 1
        number = f"SO-{100_000 + self.serial}"
        buyer = _BUYERS[self.serial % len(_BUYERS)]
        street, city, state, code = _CITIES[self.serial % len(_CITIES)]
        email = f"{buyer.split()[0].lower()}.{self.serial}@example.test"
        raw = {
            "orderNumber": number,
            "orderKey": number,
            "customerUsername": email,
            "customerEmail": email,
            "billTo": {"name": buyer},
            "shipTo": {
                "name": buyer, "street1": street.upper(), "city": city.upper(), "state": state,
                "postalCode": f"{code}-0001", "country": "US", "phone": "555-0100",
                "residential": False, "addressVerified": "Address validated successfully",
            },
            "items": lines,
            "requestedShippingService": "Ground",
            "orderDate": utc_text(self.at - timedelta(minutes=5)),
            "advancedOptions": {"storeId": self.store},
            **members,
        }  # fmt: skip
        order_id = int(self.act("import", 0, orders=[raw])["orderIds"][0])
        self.shapes[str(order_id)] = shape
        return order_id

    def item_ids(self, order_id: int) -> list[int]:
        """Return the ids of an order's lines."""
        items = self.account.orders.rows[order_id].body["items"]
        return [item["orderItemId"] for item in items]

    def hex_key(self) -> str:
        """Make a key as orders typed in by hand have it (shipstation.md §2.4)."""
        return f"manual-{self.dice.getrandbits(128):032x}"


def _simple(make: Maker, shape: str) -> None:
    make.act("label", 2, orderId=make.order(shape, make.lines(1)))


def _many_lines(make: Maker, shape: str) -> None:
    make.act("label", 2, orderId=make.order(shape, make.lines(make.dice.randint(4, 12))))


def _discount(make: Maker, shape: str) -> None:
    lines = make.lines(2)
    gross = sum(line["quantity"] * line["unitPrice"] for line in lines)
    off = -round(gross * make.dice.randint(5, 30) / 100, 2) or Decimal("-0.01")
    coupon = {"sku": "COUPON", "name": "Coupon", "unitPrice": off, "adjustment": True}
    make.act("label", 2, orderId=make.order(shape, [*lines, coupon]))


def _tax_and_shipping(make: Maker, shape: str) -> None:
    tax, shipping = make.price(), make.dice.choice((Decimal("7.95"), Decimal("4.90")))
    order_id = make.order(
        shape, make.lines(2), taxAmount=tax, shippingAmount=shipping, amountPaid=make.price()
    )
    make.act(
        "label", 2, orderId=order_id, carrierCode="stamps_com", serviceCode="usps_priority_mail"
    )


def _gift_wrap(make: Maker, shape: str) -> None:
    wrap = {"sku": "WRAP", "name": "Gift wrap", "unitPrice": Decimal("4.50"), "adjustment": True}
    make.act("label", 2, orderId=make.order(shape, [*make.lines(1), wrap], gift=True))


def _replacement(make: Maker, shape: str) -> None:
    free = {"sku": "ITEM-24", "name": "Replacement", "quantity": 1, "unitPrice": Decimal(0)}
    make.act("label", 2, orderId=make.order(shape, [*make.lines(1), free]))


def _split(make: Maker, shape: str) -> tuple[int, int]:
    parent = make.order(
        shape, make.lines(3), taxAmount=make.price(), shippingAmount=Decimal("9.99")
    )
    moved = make.item_ids(parent)[1:2]
    child = int(make.act("split", 1, orderId=parent, items=moved)["orderId"])
    make.shapes[str(child)] = shape
    return parent, child


def _split_pair(make: Maker, shape: str) -> None:
    parent, child = _split(make, shape)
    make.act("label", 2, orderId=parent)
    make.act("label", 3, orderId=child, carrierCode="fedex", serviceCode="fedex_2day")


def _half_shipped(make: Maker, shape: str) -> None:
    parent, _ = _split(make, shape)
    make.act("label", 2, orderId=parent)


def _merged(make: Maker, shape: str) -> None:
    survivor = make.order(shape, make.lines(1), shippingAmount=Decimal("4.90"))
    absorbed = make.order("merged_absorbed", make.lines(1), taxAmount=Decimal("0.83"))
    make.act("merge", 1, into=survivor, absorbed=[absorbed])
    make.act("label", 2, orderId=survivor)


def _two_labels(make: Maker, shape: str) -> None:
    order_id = make.order(shape, make.lines(2))
    make.act("label", 2, orderId=order_id)
    make.act("label", 2.5, orderId=order_id)


def _relabelled(make: Maker, shape: str) -> None:
    order_id = make.order(shape, make.lines(1))
    label = make.act("label", 2, orderId=order_id)
    make.act("void", 2.5, shipmentId=label["shipmentId"])
    make.act("label", 3, orderId=order_id, carrierCode="fedex", serviceCode="fedex_2day")


def _marked(make: Maker, shape: str) -> None:
    order_id = make.order(shape, make.lines(1))
    number = f"HAND{make.serial:06d}"
    make.act("markasshipped", 2, orderId=order_id, carrierCode="USPS", trackingNumber=number)


def _marked_without_number(make: Maker, shape: str) -> None:
    make.act("markasshipped", 2, orderId=make.order(shape, make.lines(1)), carrierCode="Other")


def _manual_key(make: Maker, shape: str) -> None:
    make.act("label", 2, orderId=make.order(shape, make.lines(1), orderKey=make.hex_key()))


def _lower_key(make: Maker, shape: str) -> None:
    key = f"shop-{make.serial:05d}-abc"
    make.act("label", 2, orderId=make.order(shape, make.lines(1), orderKey=key))


def _awaiting(make: Maker, shape: str) -> None:
    make.order(shape, make.lines(1))


def _cancelled(make: Maker, shape: str) -> None:
    make.act("cancel", 1, orderId=make.order(shape, make.lines(1)))


def _external(make: Maker, shape: str) -> None:
    make.order(
        shape,
        make.lines(1),
        orderStatus="shipped",
        externallyFulfilled=True,
        externallyFulfilledBy="FBA",
        externallyFulfilledByName="FBA",
        advancedOptions={"storeId": make.store, "warehouseId": None},
    )


def _ignored_store(make: Maker, shape: str) -> None:
    order_id = make.order(shape, make.lines(1), advancedOptions={"storeId": IGNORED_STORE})
    make.act("label", 2, orderId=order_id)


def _returned(make: Maker, shape: str) -> None:
    order_id = make.order(shape, make.lines(1))
    make.act("label", 2, orderId=order_id)
    make.act("return_label", 3, orderId=order_id)


def _unknown_sku(make: Maker, shape: str) -> None:
    odd = {"sku": "NO-SUCH-ITEM", "name": "Mystery", "unitPrice": make.price()}
    make.act("label", 2, orderId=make.order(shape, [*make.lines(1), odd]))


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of order family: how it comes about, and how many order rows it takes."""

    name: str
    make: Callable[[Maker, str], None]
    rows: int = 1


SIMPLE = Shape("simple", _simple)
UNKNOWN_SKU = Shape("unknown_sku", _unknown_sku)
ROTATION = (
    SIMPLE,
    Shape("many_lines", _many_lines),
    Shape("discount", _discount),
    Shape("tax_and_shipping", _tax_and_shipping),
    Shape("gift_wrap", _gift_wrap),
    Shape("replacement", _replacement),
    Shape("split_pair", _split_pair, 2),
    Shape("merged", _merged, 2),
    Shape("two_labels", _two_labels),
    Shape("relabelled", _relabelled),
    Shape("marked", _marked),
    Shape("marked_without_number", _marked_without_number),
    Shape("manual_key", _manual_key),
    Shape("lower_key", _lower_key),
    Shape("awaiting", _awaiting),
    Shape("cancelled", _cancelled),
    Shape("external", _external),
    Shape("ignored_store", _ignored_store),
    Shape("returned", _returned),
    Shape("half_shipped", _half_shipped, 2),
)
# Shapes that shall never become a document.
NEVER_BOOKED = frozenset(
    ("merged_absorbed", "awaiting", "cancelled", "external", "ignored_store", "half_shipped",
     "unknown_sku")
)  # fmt: skip


def _rotation(count: int) -> Iterator[Shape]:
    """Yield shapes that together take exactly `count` order rows."""
    rows = turn = 0
    while rows < count:
        turn += 1
        shape = ROTATION[(turn - 1 - turn // UNKNOWN_EVERY) % len(ROTATION)]
        if turn % UNKNOWN_EVERY == 0:
            shape = UNKNOWN_SKU
        elif rows + shape.rows > count:
            shape = SIMPLE
        rows += shape.rows
        yield shape


def _maker(seed_number: int, store: int, day: date, hour: int) -> Maker:
    clock = SandboxClock()
    begin = datetime(day.year, day.month, day.day, hour, tzinfo=PACIFIC).astimezone(UTC)
    clock.freeze()
    clock.set(begin)
    # The same seed must give the same data on every host, and nothing here is secret.
    dice = random.Random(seed_number)  # noqa: S311
    return Maker(Account(clock), dice, store, begin)


def _document(make: Maker) -> dict[str, Any]:
    rows = seed.dump_rows(make.account)
    return {"shipstation": rows, "shapes": make.shapes, "until": utc_text(make.last)}


def generate(count: int, seed: int = 1, *, start: date, store: int = 80001) -> dict[str, Any]:
    """Make a seed document of `count` order rows in rotation over all shapes.

    Two members are added to the document: `shapes` names the shape of each order by its id as
    text, `until` is the instant of the last event. The orders begin at 8:00 Pacific on `start`
    and come at most 90 s apart, all within 20 days; set the sandbox's clock past `until`.
    """
    make = _maker(seed, store, start, 8)
    step = min(_LONGEST_STEP, _SPAN / max(1, count))
    for shape in _rotation(count):
        shape.make(make, shape.name)
        make.at += step
    return _document(make)


_DEMO: tuple[tuple[str, tuple[tuple[str, int, str], ...], str, str], ...] = (
    # shape, lines (sku, quantity, price), order tax, order shipping
    ("simple", (("ITEM-24", 1, "24.00"),), "1.98", "4.90"),
    ("simple", (("TEE-RED", 2, "19.50"), ("RIBBON", 3, "2.25")), "3.77", "7.95"),
    ("discount", (("1896-S", 1, "649.40"), ("COUPON", 1, "-50.00")), "49.45", "0"),
    ("kit", (("BOX-3", 1, "49.99"),), "4.12", "4.90"),
    ("split_pair", (("ITEM-24", 2, "24.00"), ("TEE-RED", 1, "19.50")), "5.57", "9.90"),
    ("relabelled", (("GIFT-24", 1, "26.00"),), "2.15", "4.90"),
    ("marked", (("RIBBON", 10, "2.25"),), "1.86", "3.50"),
    ("two_labels", (("1896-S", 2, "649.40"),), "107.15", "39.00"),
    ("replacement", (("ITEM-24", 1, "24.00"), ("RIBBON", 1, "0")), "1.98", "4.90"),
    ("unknown_sku", (("MYSTERY-1", 1, "15.00"),), "1.24", "4.90"),
    ("awaiting", (("TEE-RED", 1, "19.50"),), "1.61", "4.90"),
    ("cancelled", (("ITEM-24", 1, "24.00"),), "1.98", "4.90"),
)


def _ship_demo(make: Maker, shape: str, order_id: int) -> None:
    match shape:
        case "awaiting":
            return
        case "cancelled":
            make.act("cancel", 1, orderId=order_id)
        case "marked":
            make.act("markasshipped", 2, orderId=order_id, carrierCode="USPS",
                     trackingNumber="EXAMPLE0001")  # fmt: skip
        case "split_pair":
            moved = make.item_ids(order_id)[-1:]
            child = int(make.act("split", 1, orderId=order_id, items=moved)["orderId"])
            make.shapes[str(child)] = shape
            make.act("label", 2, orderId=order_id)
            make.act("label", 3, orderId=child)
        case "relabelled":
            label = make.act("label", 2, orderId=order_id)
            make.act("void", 2.5, shipmentId=label["shipmentId"])
            make.act("label", 3, orderId=order_id)
        case "two_labels":
            make.act("label", 2, orderId=order_id)
            make.act("label", 2.5, orderId=order_id)
        case _:
            make.act("label", 2, orderId=order_id)


def demo_day(day: date = DEMO_DAY) -> dict[str, Any]:
    """Make the seed document of one shop day: a dozen orders, one with an unknown SKU.

    It sets the sandbox's clock to the evening of that day (20:00 Pacific).
    """
    make = _maker(1, 80001, day, 8)
    names = dict(_GOODS) | {"COUPON": "Coupon", "MYSTERY-1": "Mystery parcel"}
    for shape, lines, tax, shipping in _DEMO:
        items = [
            {"sku": sku, "name": names[sku], "quantity": quantity, "unitPrice": Decimal(price),
             "adjustment": price.startswith("-"), "lineItemKey": str(10_000 * (index + 1))}
            for index, (sku, quantity, price) in enumerate(lines)
        ]  # fmt: skip
        money = {"taxAmount": Decimal(tax), "shippingAmount": Decimal(shipping)}
        _ship_demo(make, shape, make.order(shape, items, **money))
        make.at += timedelta(minutes=25)
    evening = datetime(day.year, day.month, day.day, 20, tzinfo=PACIFIC)
    return {**_document(make), "clock": utc_text(evening)}
