"""What of the configuration a document depends on, and how a mapping says that it cannot go on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from bcss.clock import calendar_date
from bcss.config.schema import Agent, DocumentKind, Items, Orders, StoreRule
from bcss.holds import Verdict, Why
from bcss.shipstation.records import Order


@dataclass(frozen=True, slots=True)
class Rules:
    """What of the configuration a document depends on; `account` is ShipStation's label."""

    orders: Orders
    items: Items
    store: StoreRule
    agents: Mapping[str, Agent]
    zone: ZoneInfo
    account: str = "main"

    @property
    def kind(self) -> DocumentKind:
        """Return the document kind of this store."""
        return self.store.document or self.orders.document

    def ordered_on(self, order: Order) -> date | None:
        """Return the order's date in the company's zone, where ShipStation gives one."""
        if order.order_date is None:
            return None
        return calendar_date(order.order_date.text, self.zone)


class Unmappable(Exception):
    """A part of the order has no place in Business Central; carries the verdict."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.verdict = Verdict(why, message)
