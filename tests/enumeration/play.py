"""Play one case with faults and deaths, and judge what is left."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bcss.errors import BcssError
from bcss.sandbox.world import World
from tests.checker import problems
from tests.enumeration.cases import Case
from tests.enumeration.points import Killed, Points
from tests.enumeration.snapshot import Snapshot
from tests.excuses import excuses_of
from tests.rig import Rig
from tests.simulation.conduct import Conduct, audit_problems

SOON, SETTLED, NEXT_DAY = 60.0, 1500.0, 86_400.0


@dataclass(slots=True)
class Stage:
    """A case on the stage: its beginning, and a folder to play it in."""

    case: Case
    folder: Path
    start: Snapshot = field(init=False)

    def __post_init__(self) -> None:
        self.start = self.case.begin(self.folder)

    def rig(self, snapshot: Snapshot) -> "Play":
        world = snapshot.restore(self.folder)
        conduct = Conduct(self.folder / "state.db")
        return Play(Rig(world, self.case.config(self.folder), self.folder), conduct, self.case.kind)


@dataclass(slots=True)
class Play:
    """One history of a case; `refused` when its one fault was a refusal of the create itself."""

    rig: Rig
    conduct: Conduct
    kind: str
    points: Points = field(default_factory=Points)
    refused: bool = False

    @property
    def world(self) -> World:
        return self.rig.world

    def run(self, die_at: int = 0) -> bool:
        """Run once, dying at a point; return whether it died."""
        self.points = Points(die_at, arrived=self.conduct.arrived, machine=self.conduct.machine)
        with self.points.around(self.rig):
            try:
                self.rig.run()
            except Killed:
                return True
            except BcssError as error:
                self.conduct.broken.append(f"I17 a run was refused: {error}")
            finally:
                self.conduct.ended()
        return False

    def fault(self, rule: Mapping[str, Any]) -> None:
        self.world.faults.add(rule)

    def later(self, seconds: float) -> None:
        self.world.clock.advance(seconds)
        self.world.settle()

    def broken(self) -> list[str]:
        """Return every promise that does not hold now that all is quiet."""
        database = self.rig.config.state.path
        found = [*self.conduct.broken, *problems(self.world, database, kind=self.kind)]
        return found + self._excused() + audit_problems(database)

    def _excused(self) -> list[str]:
        """Return what is held or waits: every order of a case can be booked."""
        allowed = {"refused_by_bc"} if self.refused else set()
        with closing(sqlite3.connect(f"file:{self.rig.config.state.path}?mode=ro", uri=True)) as db:
            return [f"I2 {one}" for one in excuses_of(db) if one.reason not in allowed]
