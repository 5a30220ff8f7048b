"""A connection in process: real flows, real store, real clients, the sandbox mounted beneath."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from bcss import app
from bcss.config.schema import (
    IGNORED,
    AccountTarget,
    Agent,
    BusinessCentral,
    Config,
    FixedCustomer,
    ItemAlias,
    Kit,
    KitPart,
    Orders,
    SecretRef,
    ShipStation,
    State,
    StoreRule,
)
from bcss.flows.connection import Connection
from bcss.flows.orders import pull_orders
from bcss.flows.shipments import pull_shipments
from bcss.flows.sweep import sweep_if_due
from bcss.sandbox import shapes
from bcss.sandbox.kit import Request
from bcss.sandbox.world import World
from tests.mount import AUTHORITY_URL, BC_URL, SHIPSTATION_URL, Mount

STORE = 80001
SECRET = "sandbox-secret"
PARTS: tuple[app.Part, ...] = (
    ("pull-orders", pull_orders),
    ("pull-shipments", pull_shipments),
    ("sweep", sweep_if_due),
)


class VirtualClock:
    """A clock that follows the sandbox's and moves it when somebody sleeps."""

    def __init__(self, world: World) -> None:
        self.world = world

    def now(self) -> datetime:
        return self.world.clock.now()

    def monotonic(self) -> float:
        return self.world.clock.now().timestamp()

    def sleep(self, seconds: float) -> None:
        self.world.clock.advance(max(0.0, seconds))


class SkewedClock(VirtualClock):
    """A host's clock that is wrong by some seconds; its monotonic one is not."""

    def __init__(self, world: World, skew: float) -> None:
        super().__init__(world)
        self.skew = timedelta(seconds=skew)

    def now(self) -> datetime:
        return super().now() + self.skew


def store_rule(**changes: Any) -> StoreRule:
    rule = StoreRule(
        customer=FixedCustomer("WEB"),
        currency="USD",
        shipping=AccountTarget("40500"),
        discount=AccountTarget("40600"),
        adjustments=AccountTarget("40650"),
        tax=AccountTarget("22300"),
        tax_code="NONTAXABLE",
        location="EAST",
    )
    return replace(rule, **changes)


def config_for(folder: Path, *, start: date, **orders: Any) -> Config:
    """Return the configuration that fits the sandbox's default company."""
    secret = SecretRef("env", "BCSS_TEST_SECRET", "shipstation.api_secret", "test")
    key = SecretRef("env", "BCSS_TEST_KEY", "shipstation.api_key", "test")
    settings = {
        "start": start,
        "first_run_limit": 0,
        "settle": timedelta(minutes=20),
        "skus": {
            "GIFT-24": ItemAlias("ITEM-24"),
            "TEE-RED": ItemAlias("TEE", "RED"),
            "BOX-3": Kit((KitPart("ITEM-24", quantity=Decimal(2)), KitPart("RIBBON"))),
        },
        "stores": {STORE: store_rule(), 80002: IGNORED},
        **orders,
    }
    return Config(
        name="test",
        path=folder / "config.yaml",
        digest="0" * 64,
        business_central=BusinessCentral(
            tenant="contoso.onmicrosoft.com",
            environment="Production",
            company="CRONUS USA, Inc.",
            client_id="11111111-2222-3333-4444-555555555555",
            time_zone=ZoneInfo("America/New_York"),
            client_secret=SecretRef(
                "env", "BCSS_TEST_BC", "business_central.client_secret", "test"
            ),
            api_url=BC_URL,
            authority=AUTHORITY_URL,
        ),
        shipstation=ShipStation(api_key=key, api_secret=secret, api_url=SHIPSTATION_URL),
        state=State(folder / "state.db"),
        orders=Orders(**settings),
        shipping_agents={
            "ups_walleted": Agent("UPS", {"ups_ground": "GROUND", "ups_2nd_day_air": "2DAY"}),
            "fedex": Agent("FEDEX", {"fedex_ground": "GROUND"}),
            "stamps_com": Agent("USPS", {"usps_priority_mail": "PRIORITY"}),
        },
    )


@dataclass(slots=True)
class Rig:
    """The world, a configuration, and the means to run bcss on it in process."""

    world: World
    config: Config
    folder: Path
    width: int = 1
    token: str = ""
    before: Callable[[str, Request], None] | None = None
    after: Callable[[str, Request], None] | None = None

    @property
    def around(self) -> app.Surroundings:
        return app.Surroundings(
            clock=VirtualClock(self.world),
            transport=Mount(self.world, before=self.before, after=self.after),
            authorize=self.authorize,
            width=self.width,
            synchronous="OFF",
            budget_path=self.folder / "budget.db",
            witness_folder=self.folder / "host",
        )

    def authorize(self, force: bool) -> dict[str, str]:
        """Sign in beside the faults and the log, and without msal, whose import would dominate."""
        if force or not self.token:
            self.token = self._sign_in()
        return {"Authorization": f"Bearer {self.token}"}

    def _sign_in(self) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.config.business_central.client_id,
            "client_secret": SECRET,
            "scope": "https://api.businesscentral.dynamics.com/.default",
        }
        path = f"/{self.config.business_central.tenant}/oauth2/v2.0/token"
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = self.world.bc.handle(Request("POST", path, "", headers, urlencode(form).encode()))
        return str(json.loads(answer.body)["access_token"])

    def run(self, parts: Sequence[app.Part] = PARTS, **options: Any) -> app.Summary:
        return app.run(self.config, "test", parts, app.Options(**options), self.around)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        with app.connect(self.config, "look", app.Options(), self.around) as conn:
            yield conn

    def invoices(self) -> list[dict[str, Any]]:
        """Return BC's posted and draft invoices as the sandbox keeps them."""
        found: list[dict[str, Any]] = self.world.bc.state()["salesInvoices"]
        return found


def world_of(
    count: int, *, seed: int = 1, start: date = date(2026, 3, 2), later: float = 3.0
) -> tuple[World, dict[str, str]]:
    """Return a world with generated orders, `later` hours after the last event, and the shapes."""
    data = shapes.generate(count, seed, start=start)
    names = data.pop("shapes")
    until = datetime.fromisoformat(data.pop("until"))
    world = World(data)
    world.clock.set(until + timedelta(hours=later))
    world.clock.freeze()
    return world, names
