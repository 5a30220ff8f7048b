"""A shop served over real HTTP, a configuration that points at it, and the program itself."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from bcss.cli.main import run
from bcss.clock import PACIFIC, SystemClock
from bcss.sandbox.shapes import demo_day
from bcss.sandbox.world import Urls, World

BCSS = [sys.executable, "-m", "bcss"]
DAY = SystemClock().now().astimezone(PACIFIC).date() - timedelta(days=1)
CONFIG = """\
name: {name}
business_central:
  tenant: contoso.onmicrosoft.com
  environment: Production
  company: CRONUS USA, Inc.
  client_id: 11111111-2222-3333-4444-555555555555
  client_secret: "env:BCSS_TEST_BC"
  api_url: {urls.business_central}
  authority: {urls.authority}
  time_zone: America/New_York
shipstation:
  account: demo
  api_key: "env:BCSS_TEST_KEY"
  api_secret: "env:BCSS_TEST_SECRET"
  api_url: {urls.shipstation}
  requests_per_minute: 1000
orders:
  start: {start}
  first_run_limit: {first_run_limit}
  settle: 0s
  skus:
    GIFT-24: ITEM-24
    TEE-RED: {{item: TEE, variant: RED}}
    BOX-3: {{kit: [{{item: ITEM-24, quantity: 2}}, {{item: RIBBON, quantity: 1}}]}}
{skus}  stores:
    "80002": ignore
    "80001":
      customer: {{number: WEB}}
      currency: USD
      shipping: {{account: "40500"}}
      discount: {{account: "40600"}}
      tax: {{account: "22300"}}
      tax_code: NONTAXABLE
shipping_agents:
  ups_walleted: {{agent: UPS, services: {{ups_ground: GROUND}}}}
state:
  path: {state}
"""


def demo_seed(day: date = DAY) -> dict[str, Any]:
    """Return yesterday's shop in the present: nine orders to book, one to hold."""
    seed = demo_day(day)
    del seed["clock"]
    seed["shipstation"]["rate_limit"] = {"limit": 1000, "window": 60}
    return seed


@dataclass(frozen=True, slots=True)
class Ended:
    """How one call of the program ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass(slots=True)
class Shop:
    """The imitations over HTTP, and one connection to them."""

    world: World
    urls: Urls
    folder: Path
    capture: pytest.CaptureFixture[str]

    @property
    def config(self) -> Path:
        return self.folder / "shop.yaml"

    @property
    def database(self) -> Path:
        return self.folder / "state" / "shop.db"

    def configure(
        self, *, name: str = "shop", first_run_limit: int = 0, skus: str = "", text: str = ""
    ) -> Path:
        """Write a configuration and return its path."""
        path = self.folder / f"{name}.yaml"
        path.write_text(
            text
            or CONFIG.format(
                name=name,
                urls=self.urls,
                start=DAY - timedelta(days=3),
                first_run_limit=first_run_limit,
                skus=skus,
                state=self.folder / "state" / f"{name}.db",
            )
        )
        path.chmod(0o600)
        return path

    def bcss(self, *arguments: str, config: Path | None = None) -> Ended:
        """Run one command line in this process, with nobody watching."""
        self.capture.readouterr()
        code = run(["--config", str(config or self.config), *arguments])
        captured = self.capture.readouterr()
        return Ended(code, captured.out, captured.err)

    def calls(self, vendor: str = "", *methods: str) -> int:
        """Count the calls to a vendor, all or of some methods."""
        return sum(
            not methods or one.request.method in methods
            for one in self.world.log.calls(vendor)
            if not one.request.path.endswith("/token")
        )

    def invoices(self) -> list[dict[str, Any]]:
        """Return BC's invoices as the sandbox keeps them."""
        found: list[dict[str, Any]] = self.world.bc.state()["salesInvoices"]
        return found

    def person(self, action: str, **details: Any) -> dict[str, Any]:
        """Let a person do something in Business Central."""
        return self.world.run("bc", {"action": action, **details})


@contextmanager
def serving(
    seed: Mapping[str, Any], folder: Path, capture: pytest.CaptureFixture[str]
) -> Iterator[Shop]:
    world = World(seed)
    try:
        shop = Shop(world, world.serve(), folder, capture)
        shop.configure()
        yield shop
    finally:
        world.close()


def process(*arguments: str, env: Mapping[str, str] | None = None, stdin: str = "") -> Ended:
    """Run the program as cron would: a process of its own, no terminal anywhere."""
    done = subprocess.run(
        [*BCSS, *arguments],
        input=stdin,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def modules_of(arguments: Sequence[str]) -> set[str]:
    """Return the modules that a call of the program loads."""
    code = (
        "import sys, io, contextlib\n"
        f"sys.argv = ['bcss', *{list(arguments)!r}]\n"
        "from bcss.__main__ import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main()\n"
        "print(*sorted(sys.modules), sep='\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.split())
