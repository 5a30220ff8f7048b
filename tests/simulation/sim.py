"""One seed, one history: faults, deaths, shoppers and clerks at random, then quiet, then judgement.

Everything random comes from the seed; the clock is the sandbox's. What bcss must keep whatever
happens is judged by `tests.checker`, which shares no code with it.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bcss.errors import BcssError
from bcss.sandbox.kit import Request
from bcss.sandbox.world import World
from tests.checker import problems
from tests.rig import Rig, config_for, world_of

START = date(2026, 3, 1)
WRITES = ("POST", "PATCH", "DELETE")
_GAPS = (1, 20, 61, 310, 700, 1500, 7200)
_LATE = (1, 59, 300, 900, 1140, 1500)


class Killed(BaseException):
    """The process dies here."""


@dataclass(slots=True)
class History:
    """What a seed did, for the person who must repeat it."""

    seed: int
    steps: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    by_hand: set[str] = field(default_factory=set)

    def note(self, kind: str, text: str) -> None:
        self.counts[kind] += 1
        self.steps.append(f"{kind}: {text}")

    def story(self) -> str:
        command = f"python -m tests.simulation {self.seed}"
        return "\n".join([f"repeat with: {command}", *self.steps, *self.broken])


def simulate(seed: int, folder: Path, *, people: bool = True) -> History:
    """Play one seed and return its history; `broken` is empty when every promise was kept."""
    rng = random.Random(seed)
    history = History(seed)
    world, _ = world_of(rng.randint(3, 9), seed=rng.randint(1, 10_000), later=rng.choice((0.1, 3)))
    settle = timedelta(minutes=rng.choice((0, 20)))
    rig = Rig(world, config_for(folder, start=START, settle=settle), folder)
    for _ in range(rng.randint(2, 5)):
        _events(rng, world, history, people=people)
        _faults(rng, world, history)
        _run(rng, rig, history)
        world.clock.advance(rng.choice(_GAPS))
    _quiet(rig, history)
    return history


def _quiet(rig: Rig, history: History) -> None:
    """Let everything land, run until nothing moves, and judge."""
    rig.world.faults.clear()
    rig.before = rig.after = None
    for _ in range(4):
        rig.world.clock.advance(21 * 3600)
        rig.world.settle()
        summary = rig.run()
        history.broken += [f"after the storm: {error}" for error in summary.errors]
    history.broken += problems(rig.world, rig.config.state.path, by_hand=history.by_hand)


def _run(rng: random.Random, rig: Rig, history: History) -> None:
    kill = rng.random() < 0.35
    _Dice(rng.randint(1, 60) if kill else 0, rng.choice(("before", "after"))).install(rig)
    try:
        summary = rig.run()
    except Killed:
        history.note("kill", "the process died")
    except BcssError as error:
        history.note("error", str(error)[:160])
    else:
        history.note("run", f"exit {int(summary.exit_code)}, posted {summary.report.posted}")
    rig.before = rig.after = None


class _Dice:
    """Die at the n-th call of any kind, before or after its effect; never when n is 0."""

    def __init__(self, at: int, when: str) -> None:
        self.at = at
        self.when = when
        self.seen = 0

    def install(self, rig: Rig) -> None:
        rig.before = self._before
        rig.after = self._after

    def _before(self, _vendor: str, _request: Request) -> None:
        self.seen += 1
        self._die("before")

    def _after(self, _vendor: str, _request: Request) -> None:
        self._die("after")

    def _die(self, when: str) -> None:
        if self.seen == self.at and self.when == when:
            raise Killed


def _faults(rng: random.Random, world: World, history: History) -> None:
    world.faults.clear()
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        rule = _rule(rng)
        history.note("fault", str(rule))
        world.faults.add(rule)


def _rule(rng: random.Random) -> dict[str, Any]:
    vendor = rng.choice(("bc", "bc", "bc", "shipstation"))
    rule: dict[str, Any] = {"vendor": vendor, "nth": rng.randint(1, 6)}
    if vendor == "bc":
        rule["method"] = rng.choice(("POST", "POST", "PATCH", "GET", "DELETE"))
        if rule["method"] == "POST" and rng.random() < 0.5:
            rule["path"] = "Microsoft.NAV"
    writes = rule.get("method", "GET") in WRITES
    do = rng.choice(
        ("drop", "late", "error_after", "truncate", "html", "reject", "throttle")
        if writes
        else ("drop", "error_after", "truncate", "html", "reject", "throttle", "lag")
    )
    rule["do"] = do
    if do == "late":
        rule["after"] = rng.choice(_LATE)
    if do in ("reject", "error_after"):
        rule["status"] = rng.choice((500, 502, 503, 504, 408, 400 if do == "error_after" else 503))
    if do == "throttle":
        rule["retry_after"] = rng.choice((1, 7, 30))
    if do == "lag":
        return {"vendor": "bc", "do": "lag", "seconds": rng.choice((5, 60, 600))}
    return rule


def _events(rng: random.Random, world: World, history: History, *, people: bool) -> None:
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        event = rng.choice(_SHOP + (_CLERK if people and rng.random() < 0.3 else ()))
        text = event(rng, world)
        if text:
            history.note("event", text)
            if text.startswith(("post_by_person", "release")):
                history.by_hand.add(text.split()[-1])
        world.clock.advance(rng.choice((1, 5, 90)))


def _orders(world: World, *statuses: str) -> list[dict[str, Any]]:
    rows = world.shipstation.state()["orders"]
    return [
        row
        for row in rows
        if row["orderStatus"] in statuses and row["advancedOptions"]["storeId"] == 80001
    ]


def _act(world: World, action: dict[str, Any]) -> str:
    try:
        world.shipstation.run(action)
    except ValueError:
        return ""
    return str(action)


def _ship(rng: random.Random, world: World) -> str:
    rows = _orders(world, "awaiting_shipment")
    if not rows:
        return ""
    carrier = rng.choice((("ups_walleted", "ups_ground"), ("fedex", "fedex_ground")))
    return _act(
        world,
        {
            "action": "label",
            "orderId": rng.choice(rows)["orderId"],
            "carrierCode": carrier[0],
            "serviceCode": carrier[1],
        },
    )


def _mark(rng: random.Random, world: World) -> str:
    rows = _orders(world, "awaiting_shipment")
    if not rows:
        return ""
    order_id = rng.choice(rows)["orderId"]
    return _act(world, {"action": "markasshipped", "orderId": order_id, "carrierCode": "UPS"})


def _void(rng: random.Random, world: World) -> str:
    rows = [row for row in world.shipstation.state()["shipments"] if not row["voided"]]
    if not rows:
        return ""
    return _act(world, {"action": "void", "shipmentId": rng.choice(rows)["shipmentId"]})


def _edit(rng: random.Random, world: World) -> str:
    rows = [row for row in _orders(world, "awaiting_shipment") if row["items"]]
    if not rows:
        return ""
    row = rng.choice(rows)
    items = [{**item, "quantity": rng.randint(1, 9)} for item in row["items"]]
    changes = {"items": items}
    return _act(world, {"action": "edit", "orderId": row["orderId"], "changes": changes})


def _touch(rng: random.Random, world: World) -> str:
    rows = _orders(world, "awaiting_shipment", "shipped")
    return _act(world, {"action": "touch", "orderId": rng.choice(rows)["orderId"]}) if rows else ""


def _cancel(rng: random.Random, world: World) -> str:
    rows = _orders(world, "awaiting_shipment")
    return _act(world, {"action": "cancel", "orderId": rng.choice(rows)["orderId"]}) if rows else ""


def _split(rng: random.Random, world: World) -> str:
    rows = [row for row in _orders(world, "awaiting_shipment") if len(row["items"]) > 1]
    if not rows:
        return ""
    row = rng.choice(rows)
    items = [row["items"][0]["orderItemId"]]
    return _act(world, {"action": "split", "orderId": row["orderId"], "items": items})


def _drafts(world: World) -> list[dict[str, Any]]:
    return [row for row in world.bc.state()["salesInvoices"] if not row["posted"]]


def _by_person(action: str) -> Callable[[random.Random, World], str]:
    def act(rng: random.Random, world: World) -> str:
        rows = _drafts(world)
        if not rows:
            return ""
        row = rng.choice(rows)
        given: dict[str, Any] = {"action": action, "id": row["id"]}
        if action == "edit_by_person":
            given["changes"] = {"shipToName": "Somebody Else"}
        try:
            world.bc.run(given)
        except ValueError:
            return ""
        return f"{action} {row['customerPurchaseOrderReference']}"

    return act


_SHOP = (_ship, _ship, _ship, _mark, _void, _edit, _touch, _cancel, _split)
_CLERK = (
    _by_person("post_by_person"),
    _by_person("edit_by_person"),
    _by_person("delete_by_person"),
    _by_person("release"),
)
