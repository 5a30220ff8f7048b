"""Say what ShipStation V2 told of an order's labels."""

from collections.abc import Mapping
from typing import Any

from bcss.cli.render import printable
from bcss.money import show
from bcss.store.db import Store
from bcss.units import Unit


def label_objects(store: Store, unit: Unit) -> list[dict[str, Any]]:
    """Return the labels of a unit's counting shipments, as far as they are known."""
    counting = store.orders.evidence_of(store.units.members(unit.unit_id)).shipments
    sent = {one.shipment_id: one for one in counting if not one.voided and not one.is_return}
    return [
        {
            "shipment_id": label.shipment_id,
            "tracking_number": sent[label.shipment_id].tracking_number,
            "tracking_url": label.tracking_url,
            "cost": label.cost,
            "currency": label.currency,
            "voided": label.voided,
        }
        for label in store.labels.of(sent).values()
    ]


def label_words(store: Store, unit: Unit) -> str:
    """Say what each label cost and where it is tracked; empty where nothing is known."""
    return "".join(f" {label_line(one)}" for one in label_objects(store, unit))


def label_line(one: Mapping[str, Any]) -> str:
    """Show one label; an address ends the line, so that it can be copied."""
    cost = "" if one["cost"] is None else f"cost {show(one['cost'], one['currency'])}"
    parts = ["voided in V2" if one["voided"] else "", cost, one["tracking_url"]]
    told = ", ".join(part for part in parts if part) or "nothing more is told"
    return printable(f"Label {one['tracking_number'] or one['shipment_id']}: {told}")
