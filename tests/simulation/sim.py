"""One seed, one history: faults, deaths, two processes, shoppers and clerks, then quiet and judgement.

Everything random comes from the seed; the clock is the sandbox's. What bcss must keep whatever
happens is judged by `tests.checker` and `tests.simulation.conduct`, which share no code with it.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

from bcss.app import Summary
from bcss.config.schema import DocumentKind
from bcss.errors import BcssError, LockHeld, StateBroken
from bcss.sandbox.world import World
from tests.checker import order_number, problems
from tests.conftest import SECRETS
from tests.enumeration.points import Killed, Points
from tests.excuses import Acts
from tests.rig import Rig, config_for, world_of
from tests.simulation import events
from tests.simulation.conduct import (
    Conduct,
    audit_problems,
    known_documents,
    moves,
    secret_problems,
)
from tests.simulation.liveness import overdue
from tests.simulation.process import Interruption, Process
from tests.simulation.traffic import rate_problems, replay_problems, sweep_problems
from tests.simulation.weather import storm

START = date(2026, 3, 1)
EXITS = {0, 3, 4, 5}
SHORT = 200
_GAPS = (1, 20, 61, 310, 700, 1500, 7200)
_PAUSES = (30, 600, 2400)  # the last is longer than the settle horizon
_FASTEST = timedelta(hours=2)  # how far a host's clock may be ahead when it notes something
_RESTS = (21, 3, 21, 21, 3, 21)  # hours; the sweep is due after 20
_KINDS = (
    DocumentKind.DRAFT_INVOICE,
    DocumentKind.SALES_ORDER,
    DocumentKind.SHIP_AND_INVOICE,
)


@dataclass(slots=True)
class History:
    """What a seed did, for the person who must repeat it."""

    seed: int
    short: bool = False
    steps: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    by_hand: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)
    credited: set[str] = field(default_factory=set)
    acts: Acts = field(default_factory=Acts)
    command: str = ""

    def note(self, kind: str, text: str) -> None:
        self.counts[kind] += 1
        self.acts.died |= kind == "kill"
        self.steps.append(f"{kind}: {text}")

    def did(self, text: str) -> None:
        """Keep what the vendors' state will not show any more."""
        verb, *names = text.split()
        kinds = {"vanish": self.acts.vanished, "edit_by_person": self.acts.edited}
        kinds |= {"rename_by_person": self.acts.renamed}
        kinds |= {"delete_by_person": self.acts.removed, "release": self.acts.released}
        kinds.get(verb, set()).update(names)

    def totals(self) -> Counter[str]:
        """Return the counts in the words of the summary."""
        names = {"kill": "kills", "loss": "databases lost", "rebuild": "rebuilds"}
        names |= {"beside": "second processes", "clerk": "acts of a clerk", "shop": "shop events"}
        names |= {"run": "runs", "pause": "pauses", "clock": "wrong clocks", "replay": "replays"}
        names |= {"config": "changed configurations"}
        names |= {"decision": "decisions", "own paper": "papers of a person"}
        shown = {name: n for name, n in self.counts.items() if name.startswith("fault ")}
        return Counter(shown | {names[k]: n for k, n in self.counts.items() if k in names})

    def story(self) -> str:
        whole = "" if self.short == (self.seed >= SHORT) else " --whole"
        command = self.command or f"python -m tests.simulation {self.seed}{whole}"
        return "\n".join([f"repeat with: {command}", *self.steps, *self.broken])


@dataclass(slots=True)
class Play:
    """Everything one seed plays with; `lost` until a lost database is built again, or taken."""

    rng: random.Random
    rig: Rig
    history: History
    conduct: Conduct
    kind: DocumentKind
    copies: list[bytes] = field(default_factory=list)
    lost: bool = False

    @property
    def world(self) -> World:
        return self.rig.world

    def refused(self, error: BcssError) -> None:
        """I17: a run may be refused only for a database that was lost, or not all built again."""
        if not (isinstance(error, StateBroken) and self.lost):
            self.history.broken.append(f"I17 refused without need: {error}")

    def known(self) -> set[str]:
        """Return the ids of the documents that bcss knows, none while its database is lost."""
        if self.lost or not self.rig.config.state.path.exists():
            return set()
        return known_documents(self.rig.config.state.path)

    def event(self, *, clerk: bool) -> None:
        """Let a shopper or a clerk do something now."""
        if not self.history.short:
            text = (events.clerk if clerk else events.shop)(self.rng, self.world)
        elif clerk:
            text = events.clerk_widely(self.rng, self.world, self.known())
        else:
            text = events.shop_widely(self.rng, self.world)
        if not text:
            return
        self.history.note("clerk" if clerk else "shop", text)
        self.history.did(text)
        mine = self.kind in (DocumentKind.POSTED_INVOICE, DocumentKind.SHIP_AND_INVOICE)
        if text.startswith(("post_by_person", "release")) or (
            text.startswith("delete_by_person") and not mine
        ):
            self.history.by_hand.add(order_number(self.world, text.split()[-1]))


def simulate(seed: int, folder: Path, *, short: bool | None = None) -> History:
    """Play one seed and return its history; `broken` is empty when every promise was kept.

    Seeds from `SHORT` on, and so the long run, are short unless told otherwise: histories of fewer
    orders and steps, in which more may happen to orders, drafts and the configuration; few of them
    are judged for how soon they rest and for secrets on the disk.
    """
    rng = random.Random(seed)
    history = History(seed, short=seed >= SHORT if short is None else short)
    orders = rng.randint(2, 5) if not history.short else rng.choice((1, 1, 1, 2))
    world, _ = world_of(orders, seed=rng.randint(1, 10_000), later=rng.choice((0.1, 3)))
    kind = rng.choice(_KINDS) if rng.random() < 0.3 else DocumentKind.POSTED_INVOICE
    settle = timedelta(minutes=rng.choice((0, 20)))
    config = config_for(folder, start=START, settle=settle, document=kind)
    history.steps.append(f"{kind}, settle {settle}")
    conduct = Conduct(config.state.path, world=world)
    play = Play(rng, Rig(world, config, folder), history, conduct, kind)
    if rng.random() < 0.2:
        late = (5, 45, 7000) if history.short else (5, 45)  # the streams overlap by 7,200 s
        world.shipstation.load({"switches": {"late": rng.choice(late)}})
    for _ in range(rng.randint(2, 4) if not history.short else rng.choice((1, 1, 1, 2))):
        _act(play)
    _quiet(play)
    return history


def _act(play: Play) -> None:
    """One stretch: something happens, a storm gathers, a process runs, time passes."""
    for _ in range(play.rng.choice((0, 1, 1, 2, 3))):
        play.event(clerk=play.rng.random() < 0.1)
        play.world.clock.advance(play.rng.choice((1, 5, 90)))
    play.world.faults.clear()
    for rule in storm(play.rng):
        play.history.note("fault", str(rule))
        play.history.counts[f"fault {rule['do']}"] += 1
        play.history.acts.hidden |= rule["do"] == "hide"
        play.world.faults.add(rule)
    if play.history.short and play.rng.random() < 0.1:
        digest = f"{play.rng.randint(1, 9)}" * 64
        play.history.note("config", "the configuration changes in what concerns no document")
        play.rig.config = replace(play.rig.config, digest=digest)
    _process(play)
    play.world.clock.advance(play.rng.choice(_GAPS))
    if play.rng.random() < 0.08 and not play.history.acts.renamed:  # a rebuild looks by reference
        _lose_database(play)


def _process(play: Play) -> None:
    rng = play.rng
    process = Process(play.rig, play.conduct)
    if rng.random() < 0.35:
        process.points.die_at = rng.randint(1, 130)
    if rng.random() < 0.5:
        process.interruption = Interruption(rng.randint(1, 120), lambda: _interrupt(play))
    if rng.random() < 0.1:
        process.skew = rng.choice((-7200.0, -40.0, 40.0, 7200.0))
        play.history.note("clock", f"the host's clock is off by {process.skew} s")
    _run(play, process.worker if rng.random() < 0.15 else process.cron, "first")


def _interrupt(play: Play) -> None:
    """Let something happen while a process stands still between two of its steps."""
    rng = play.rng
    dice = rng.random()
    if dice < 0.35:
        for _ in range(rng.randint(1, 2)):
            play.event(clerk=False)
    elif dice < 0.6:
        play.event(clerk=True)
    elif dice < 0.7:
        play.world.clock.advance(rng.choice(_PAUSES))
        play.world.settle()
        play.history.note("pause", "a process was stopped for a while")
    else:
        _beside(play)


def _beside(play: Play) -> None:
    """Run a second process to its end, or to its death, while the first stands still."""
    rng = play.rng
    other = Process(play.rig, play.conduct)
    if rng.random() < 0.3:
        other.points.die_at = rng.randint(1, 130)
    if rng.random() < 0.4:
        play.world.clock.advance(rng.choice(_PAUSES))
        play.world.settle()
    play.history.note("beside", "a second process runs")
    _run(play, other.worker if rng.random() < 0.8 else other.cron, "second")


def _run(play: Play, run: Callable[[], Summary], which: str) -> None:
    history = play.history
    try:
        summary = run()
    except Killed as death:
        history.note("kill", f"the {which} process died {death}")
    except LockHeld as error:
        history.note("locked", f"{which}: {error}"[:120])
    except BcssError as error:
        history.note("error", f"{which}: {error}"[:160])
        play.refused(error)
        if isinstance(error, StateBroken):
            _rebuild(play)
    else:
        play.lost = play.lost and bool(summary.errors)  # a rebuild that failed has not finished
        if int(summary.exit_code) not in EXITS:
            history.broken.append(f"I17 exit {int(summary.exit_code)}: {summary.errors}")
        history.note(
            "run",
            f"{which}: exit {int(summary.exit_code)}, created {summary.report.created}, "
            f"posted {summary.report.posted}, {[str(one)[:90] for one in summary.errors]}",
        )


def _lose_database(play: Play) -> None:
    """Delete or empty the database, or put an old copy in its place."""
    database = play.rig.config.state.path
    how = play.rng.choice(("deleted", "emptied", "restored"))
    play.history.note("loss", f"the database was {how}")
    play.lost = play.history.acts.lost = True
    body = database.read_bytes()
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    if how == "deleted":
        database.unlink()
    else:
        database.write_bytes(play.copies[0] if how == "restored" and play.copies else b"")
    play.copies.append(body)


def _rebuild(play: Play) -> None:
    """Rebuild as the refusal says; now and then the rebuild dies too."""
    play.history.note("rebuild", "the refused run is answered by a rebuild")
    process = Process(play.rig, play.conduct)
    if play.rng.random() < 0.2:
        process.points.die_at = play.rng.randint(1, 60)
    _run(play, process.rebuild, "rebuild")


def _quiet(play: Play) -> None:
    """Let everything land, run until a run and its sweep change nothing, and judge."""
    world, history = play.world, play.history
    long = not history.short or history.seed % 5 == 0
    world.faults.clear()
    begun = world.clock.now() + _FASTEST
    play.rng = random.Random(0)
    if history.seed % (10 if history.short else 5) == 0:
        history.broken += overdue(play)
    database = play.rig.config.state.path
    if not any(_is_at_rest(play, rest) for rest in _RESTS):
        history.broken.append("I14 bcss never came to rest")
    if history.seed % 10 == 0:
        history.broken += replay_problems(play)
        _last_run(play)  # it says what is wrong with what a replay has found to be posted
    history.broken += play.conduct.broken + rate_problems(world)
    history.broken += problems(
        world,
        database,
        by_hand=history.by_hand,
        kind=str(play.kind),
        foreign=play.conduct.foreign,
        ignored=history.ignored,
        credited=history.credited,
        acts=history.acts,
    )
    history.broken += audit_problems(database) + sweep_problems(history, database, begun)
    if long:
        history.broken += secret_problems(play.rig.folder, world, SECRETS.values())


def _is_at_rest(play: Play, rest: int) -> bool:
    """Run after some hours; tell whether that changed nothing, the day's sweep being done.

    What a run has changed stands in the trail, whether it wrote to a vendor or only decided what
    the next run is to do.
    """
    play.world.clock.advance(rest * 3600)
    play.world.settle()
    database = play.rig.config.state.path
    before = moves(database)
    ran = _last_run(play)
    after = moves(database)
    return ran and after.swept > 0 and before.changes == after.changes


def _last_run(play: Play) -> bool:
    """Run as cron does, or rebuild where that is refused; return whether it was a run."""
    process = Process(play.rig, play.conduct, Points())
    refused = False
    try:
        summary = process.cron()
    except StateBroken as error:
        play.refused(error)
        refused = True
        summary = process.rebuild()
    play.history.broken += [f"after the storm: {error}" for error in summary.errors]
    return not refused
