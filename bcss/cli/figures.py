"""Show an order as ShipStation has it, where a person books it by hand."""

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from bcss.cli.render import Block, Table, printable
from bcss.cli.words import priced
from bcss.clock import calendar_date
from bcss.config.schema import Config
from bcss.holds import Hold, Why
from bcss.mapping.families import Evidence
from bcss.money import show
from bcss.shipstation.records import Order
from bcss.store.db import Store
from bcss.units import Unit

_BY_HAND = (
    Why.NOTHING_TO_BOOK,
    Why.NEGATIVE_TOTAL,
    Why.EXTERNALLY_FULFILLED,
    Why.NO_KEY,
    Why.PARTLY_CANCELLED,
    Why.TOTAL_DIFFERS,
)


def orders_of(store: Store, hold: Hold, unit: Unit | None, config: Config) -> list[dict[str, Any]]:
    """Return the orders of a hold that asks for booking by hand, as `--json` shows them."""
    if hold.why not in _BY_HAND:
        return []
    own = [hold.order_id] if hold.order_id else []
    ids = store.units.members(unit.unit_id) if unit else own
    currency = priced(hold, config).currency
    evidence = store.orders.evidence_of(ids)
    orders = [order for one in sorted(ids) if (order := store.orders.order(one)) is not None]
    zone = config.business_central.time_zone
    return [_object(order, evidence, zone, currency) for order in orders]


def _object(order: Order, evidence: Evidence, zone: ZoneInfo, currency: str) -> dict[str, Any]:
    counting = [one for one in evidence.counting() if one.order_id == order.order_id]
    sent = [calendar_date(one.ship_date, zone).isoformat() for one in counting]
    return {
        "order_number": order.order_number,
        "status": order.status,
        "customer": order.customer_username,
        "email": order.customer_email,
        "ship_to": order.ship_to.name or order.ship_to.company,
        "ship_dates": list(dict.fromkeys(sent)),
        "currency": currency,
        "lines": [
            {
                "sku": item.sku,
                "name": item.name,
                "quantity": item.quantity,
                "unit_price": item.unit_price,
            }
            for item in order.items
        ],
        "shipping": order.shipping_amount,
        "tax": order.tax_amount,
        "total": order.order_total,
    }


def order_blocks(found: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Lay out the orders with everything that an invoice by hand needs."""
    return [block for one in found for block in _blocks(one)]


def _sums(one: Mapping[str, Any]) -> str:
    names = ("shipping", "tax", "total")
    return ", ".join(f"{name} {show(one[name], one['currency'])}" for name in names)


def _blocks(one: Mapping[str, Any]) -> list[Block]:
    shipped = ", ".join(one["ship_dates"])
    customer = ", ".join(text for text in (one["customer"], one["email"]) if text)
    rows = [
        [line["sku"], line["name"], f"{line['quantity'].normalize():f}", show(line["unit_price"])]
        for line in one["lines"]
    ]
    return [
        printable(
            f"ShipStation has {one['order_number']} as {one['status']}: "
            f"customer {customer or 'unnamed'}, ship to {one['ship_to'] or 'nobody named'}, "
            f"{f'shipped on {shipped}' if shipped else 'no label or fulfillment'}"
        ),
        *([Table(("SKU", "name", "quantity", "unit price"), rows)] if rows else ["  no lines"]),
        f"  {_sums(one)}",
    ]
