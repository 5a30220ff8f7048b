"""What every flow works with: the configuration, the store, and the two clients, made late."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bcss.booking.desk import Limits, Report
from bcss.businesscentral.client import BusinessCentralClient
from bcss.clock import Clock, start_of_day
from bcss.config.schema import Config, Ignored, StoreRule
from bcss.locks import booking_lock
from bcss.mapping.rules import Rules
from bcss.shipstation.client import ShipStationClient
from bcss.shipstation.labels import LabelClient
from bcss.store.db import Store

FRESH = timedelta(minutes=5)
NO_START = timedelta(days=35)
# How long before its ship date a label may have been bought, and how long before `orders.start`
# something may have been sent that is sent again after it.
LEAD = timedelta(days=35)


@dataclass(slots=True)
class Connection:
    """One company and one account, with what this run has learnt of them.

    The clients are made when a flow first asks, so that a run without Business Central work
    never signs in there.
    """

    config: Config
    store: Store
    clock: Clock
    make_bc: Callable[[], BusinessCentralClient]
    make_shipstation: Callable[[], ShipStationClient]
    make_labels: Callable[[], LabelClient]
    limits: Limits = field(default_factory=Limits)
    report: Report = field(default_factory=Report)
    width: int = 3
    dry_run: bool = False
    requests: Callable[[], Mapping[str, int]] = dict
    polls: int = 0
    polled_at: float | None = None
    polled_on: datetime | None = None
    refreshed: bool = False
    since: datetime | None = None
    asked: set[str] = field(default_factory=set)
    _booking: bool = False
    _bc: BusinessCentralClient | None = None
    _shipstation: ShipStationClient | None = None
    _labels: LabelClient | None = None

    @property
    def bc(self) -> BusinessCentralClient:
        """Return the client of Business Central."""
        if self._bc is None:
            self._bc = self.make_bc()
        return self._bc

    @property
    def shipstation(self) -> ShipStationClient:
        """Return the client of ShipStation."""
        if self._shipstation is None:
            self._shipstation = self.make_shipstation()
        return self._shipstation

    @property
    def labels(self) -> LabelClient:
        """Return the client of ShipStation V2; raise FixConfig where no key is configured."""
        if self._labels is None:
            self._labels = self.make_labels()
        return self._labels

    @contextmanager
    def booking(self, what: str) -> Iterator[None]:
        """Hold the booking lock, under which alone units change; within itself it is held already.

        Raise RetryLater when another process has it for more than 60 s.
        """
        if self._booking:
            yield
            return
        with booking_lock(self.store.path, what, self.clock):
            self._booking = True
            try:
                yield
            finally:
                self._booking = False

    def now(self) -> datetime:
        """Return the present instant."""
        return self.clock.now()

    def rules(self, store_id: int | None) -> Rules | Ignored | None:
        """Return the rules for a store's orders; None for a store that is not listed."""
        rule = self.config.orders.stores.get(store_id or 0)
        if rule is None or isinstance(rule, Ignored):
            return rule
        return self.rules_of(rule)

    def rules_of(self, rule: StoreRule) -> Rules:
        """Return what documents of one store depend on."""
        return Rules(
            orders=self.config.orders,
            items=self.config.items,
            store=rule,
            agents=self.config.shipping_agents,
            zone=self.config.business_central.time_zone,
            account=self.config.shipstation.account,
        )

    def currency(self, store_id: int) -> str:
        """Return the currency of a store's orders, empty for one that is not booked."""
        rule = self.config.orders.stores.get(store_id)
        return rule.currency if isinstance(rule, StoreRule) else ""

    def booked_stores(self) -> frozenset[int]:
        """Return the stores whose orders are booked."""
        stores = self.config.orders.stores
        return frozenset(one for one, rule in stores.items() if isinstance(rule, StoreRule))

    def start(self) -> datetime:
        """Return the instant from which orders are read at first; a rebuild says it itself."""
        return self.since if self.since is not None else self.booking_start()

    def booking_start(self) -> datetime:
        """Return the first instant of `orders.start`, or some weeks ago where there is none."""
        start = self.config.orders.start
        if start is None:
            return self.now() - NO_START
        return start_of_day(start, self.config.business_central.time_zone)

    def evidence_start(self) -> datetime:
        """Return the instant from which shipments, voids and fulfillments are read at first."""
        return self.start() - LEAD

    def is_fresh(self) -> bool:
        """Tell whether this run's last complete poll is young enough to post by (§4.4.6).

        Only the wall clock counts the sleep of a host, only the other one is never set back.
        """
        if self.polled_at is None:
            return False
        slept = self.polled_on is not None and self.now() - self.polled_on >= FRESH
        return not slept and self.clock.monotonic() - self.polled_at < FRESH.total_seconds()
