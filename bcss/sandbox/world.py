"""Hold both imitations with one clock, their faults and a log of every call.

A seed is one JSON document for both vendors: `{"shipstation": {…}, "business_central": {…},
"clock": ISO time, "freeze": true, "switches": {"shipstation": {…}, "business_central": {…}},
"faults": […]}`, every member optional; the sections are described in `bcss.sandbox.shapes` and
`bcss.sandbox.businesscentral.loading`.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from bcss.sandbox import control, faults
from bcss.sandbox.businesscentral import BusinessCentral
from bcss.sandbox.faults import Faults, Rule
from bcss.sandbox.kit import (
    Aborted,
    App,
    Request,
    Response,
    SandboxClock,
    Server,
    http_date,
    serve,
)
from bcss.sandbox.shipstation import ShipStation

LOG_LENGTH = 50_000
_CREDENTIALS = ("authorization", "api-key")
_SECTIONS = {"bc": "business_central", "shipstation": "shipstation"}


@dataclass(frozen=True, slots=True)
class Logged:
    """One call; `status` 0 means that the connection was closed without an answer."""

    n: int
    at: datetime
    vendor: str
    request: Request
    status: int
    late: bool

    def as_json(self) -> dict[str, Any]:
        """Return the entry as the control endpoint shows it, without credentials."""
        headers = {
            name: value for name, value in self.request.headers.items() if name not in _CREDENTIALS
        }
        return {
            "n": self.n,
            "at": self.at.isoformat(),
            "vendor": self.vendor,
            "method": self.request.method,
            "path": self.request.path,
            "query": self.request.query,
            "headers": headers,
            "body": self.request.body.decode("utf-8", "replace"),
            "status": self.status,
            "late": self.late,
        }


class Log:
    """Every call to either imitation, the latest 50,000 of them."""

    def __init__(self) -> None:
        self._entries: deque[Logged] = deque(maxlen=LOG_LENGTH)
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._entries)

    def add(
        self, at: datetime, vendor: str, request: Request, status: int, *, late: bool = False
    ) -> None:
        """Add a call."""
        self._entries.append(Logged(next(self._numbers), at, vendor, request, status, late))

    def entries(self, vendor: str = "") -> list[dict[str, Any]]:
        """Return the calls as JSON objects, of one vendor or of both."""
        return [one.as_json() for one in list(self._entries) if vendor in ("", one.vendor)]

    def calls(self, vendor: str = "") -> list[Logged]:
        """Return the calls, of one vendor or of both."""
        return [one for one in list(self._entries) if vendor in ("", one.vendor)]

    def clear(self) -> None:
        """Forget all calls; numbers go on."""
        self._entries.clear()


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the imitations listen."""

    business_central: str
    authority: str
    shipstation: str


@dataclass(frozen=True, slots=True)
class _Pending:
    due: datetime | None
    vendor: str
    request: Request


@dataclass(frozen=True, slots=True)
class _Mounted:
    """One vendor of a world, as an app for an HTTP server."""

    world: "World"
    vendor: str

    def handle(self, request: Request) -> Response:
        return self.world.handle(self.vendor, request)


class World:
    """Both imitations, ready to be called in process or served over HTTP."""

    def __init__(self, seed: Mapping[str, Any] | None = None) -> None:
        self.seed = dict(seed or {})
        self.clock = SandboxClock()
        self.log = Log()
        self.faults = Faults(self._new_rule)
        self.bc = BusinessCentral(self.clock)
        self.shipstation = ShipStation(self.clock)
        self.in_flight = {"bc": 0, "shipstation": 0}
        self.most_in_flight = {"bc": 0, "shipstation": 0}
        self._lock = threading.Lock()
        self._pending: list[_Pending] = []
        self._servers: list[Server] = []
        self.load(self.seed)

    def load(self, data: Mapping[str, Any]) -> None:
        """Add data to both imitations; raise ValueError for what is not understood."""
        if data.get("freeze"):
            self.clock.freeze()
        if "clock" in data:
            instant = datetime.fromisoformat(data["clock"])
            self.clock.set(instant if instant.tzinfo else instant.replace(tzinfo=UTC))
        for vendor, section in _SECTIONS.items():
            own = dict(data.get(section, {}))
            switches = data.get("switches", {}).get(section, {})
            if switches:
                own["switches"] = {**own.get("switches", {}), **switches}
            if own:
                self.app(vendor).load(own)
        if data.get("faults"):
            self.faults.add(*data["faults"])

    def app(self, vendor: str) -> BusinessCentral | ShipStation:
        """Return one vendor's imitation."""
        return self.bc if vendor == "bc" else self.shipstation

    def state(self) -> dict[str, Any]:
        """Return the whole state of both, ready for JSON."""
        return {
            "business_central": self.bc.state(),
            "shipstation": self.shipstation.state(),
            "clock": self.clock.now().isoformat(),
            "faults": self.faults.rules,
            "pending": len(self._pending),
            "most_in_flight": dict(self.most_in_flight),
        }

    def run(self, vendor: str, action: Mapping[str, Any]) -> dict[str, Any]:
        """Let something happen at a vendor; `late_effects` does all that is still to come."""
        if action.get("action") == "late_effects":
            return {"done": self.settle(everything=True)}
        result = self.app(vendor).run(dict(action))
        self.settle()
        return result

    def reset(self) -> None:
        """Begin again from the seed: data, clock, faults and log."""
        self.faults.clear()
        self.log.clear()
        self._pending.clear()
        self.clock.thaw()
        self.clock.set(SandboxClock().now())
        self.bc = BusinessCentral(self.clock)
        self.shipstation = ShipStation(self.clock)
        self.load(self.seed)

    def handle(self, vendor: str, request: Request) -> Response:
        """Answer one call; raise Aborted where the connection must be closed instead."""
        if self._pending:
            self.settle()
        if request.path.startswith(control.PREFIX):
            return control.handle(self, vendor, request)
        with self._lock:
            flying = self.in_flight[vendor] = self.in_flight[vendor] + 1
            self.most_in_flight[vendor] = max(flying, self.most_in_flight[vendor])
        at, status = self.clock.now(), 0
        try:
            response = self._answer(vendor, request, flying)
            status = response.status
        finally:
            with self._lock:
                self.in_flight[vendor] -= 1
            self.log.add(at, vendor, request, status)
        return replace(response, headers={**response.headers, "date": http_date(self.clock.now())})

    def _answer(self, vendor: str, request: Request, flying: int) -> Response:
        app: App = self.app(vendor)
        if not self.faults:
            return app.handle(request)
        rules = self.faults.fire(vendor, request, flying)
        if not rules:
            return app.handle(request)
        pause = sum(rule.seconds for rule in rules if rule.do == "delay") / 2
        _wait(pause)
        refusal = faults.instead(rules, vendor)
        if refusal is not None:
            _wait(pause)
            return refusal
        self._postpone(vendor, request, rules)
        response = app.handle(faults.altered(request, rules))
        _wait(pause)
        if any(rule.do == "drop" for rule in rules):
            raise Aborted
        return faults.spoiled(response, rules)

    def _postpone(self, vendor: str, request: Request, rules: list[Rule]) -> None:
        """Keep a late call for later and close its connection now (reliability.md §2.7)."""
        for rule in rules:
            if rule.do != "late":
                continue
            wait = rule.after
            due = None if wait is None else self.clock.now() + timedelta(seconds=wait)
            with self._lock:
                self._pending.append(_Pending(due, vendor, request))
            raise Aborted

    def settle(self, *, everything: bool = False) -> int:
        """Let late calls happen whose time has come, or all of them; return how many did."""
        now = self.clock.now()
        with self._lock:
            ready = [
                one
                for one in self._pending
                if everything or (one.due is not None and one.due <= now)
            ]
            self._pending = [one for one in self._pending if one not in ready]
        for one in ready:
            response = self.app(one.vendor).handle(one.request)
            self.log.add(now, one.vendor, one.request, response.status, late=True)
        return len(ready)

    def _new_rule(self, rule: Rule) -> None:
        if rule.do == "lag":
            self.bc.keep_past()

    def serve(self, bc_port: int = 0, shipstation_port: int = 0, host: str = "127.0.0.1") -> Urls:
        """Serve both over HTTP; port 0 takes a free one. The login host shares BC's port."""
        central = serve(_Mounted(self, "bc"), host, bc_port)
        station = serve(_Mounted(self, "shipstation"), host, shipstation_port)
        self._servers += [central, station]
        return Urls(central.url, central.url, station.url)

    def close(self) -> None:
        """Stop serving."""
        for server in self._servers:
            server.close()
        self._servers.clear()


def _wait(seconds: float) -> None:
    if seconds > 0:
        time.sleep(seconds)
