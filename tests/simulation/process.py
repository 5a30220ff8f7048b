"""One process of bcss on the shared folder: cron's or the worker's, stopped or killed anywhere."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from bcss import app
from bcss.errors import BcssError
from bcss.flows.connection import Connection
from bcss.flows.orders import pull_orders
from bcss.flows.replay import Choice, replay
from bcss.flows.shipments import pull_shipments
from tests.enumeration.points import Points
from tests.rig import PARTS, Rig, SkewedClock
from tests.simulation.conduct import Conduct

SINCE = datetime.fromisoformat("2026-03-01T05:00:00+00:00")


@dataclass(slots=True)
class Interruption:
    """Something that happens while the process stands at its n-th point."""

    at: int
    happen: Callable[[], None]


@dataclass(slots=True)
class Process:
    """A process that will run once."""

    rig: Rig
    conduct: Conduct
    points: Points = field(default_factory=Points)
    interruption: Interruption | None = None
    skew: float = 0

    def around(self) -> app.Surroundings:
        return replace(self.rig.around, clock=SkewedClock(self.rig.world, self.skew))

    def cron(self) -> app.Summary:
        """Run as cron does, under the run lock."""
        return self._play(lambda: app.run(self.rig.config, "sync", PARTS, None, self.around()))

    def worker(self) -> app.Summary:
        """Run as the listener's worker does, without the run lock."""

        def work() -> app.Summary:
            with app.connect(self.rig.config, "hints", app.Options(), self.around()) as conn:
                try:
                    pull_orders(conn)
                    pull_shipments(conn)
                except BcssError as error:
                    conn.report.errors.append(error)
                return app.finish(conn)

        return self._play(work)

    def replay(self, choice: Choice) -> app.Summary:
        """Try records again as `bcss replay` does, under the run lock."""
        parts = [("replay", lambda conn: replay(conn, choice))]
        return self._play(lambda: app.run(self.rig.config, "replay", parts, None, self.around()))

    def decision(self, act: Callable[[Connection], None]) -> app.Summary:
        """Let a person decide as `bcss hold` does, without the run lock."""

        def work() -> app.Summary:
            with app.connect(self.rig.config, "hold", app.Options(), self.around()) as conn:
                try:
                    act(conn)
                except BcssError as error:
                    conn.report.errors.append(error)
                return app.finish(conn)

        return self._play(work)

    def rebuild(self) -> app.Summary:
        """Rebuild the database out of both systems."""
        return self._play(lambda: app.rebuild(self.rig.config, SINCE, self.around()))

    def _play(self, work: Callable[[], app.Summary]) -> app.Summary:
        self.points.arrived = self.conduct.arrived
        self.points.machine = self.conduct.machine
        self.points.notice = self._passed
        try:
            with self.points.around(self.rig):
                return work()
        finally:
            self.conduct.ended()

    def _passed(self, count: int, name: str) -> None:
        waiting = self.interruption
        if waiting is None or count < waiting.at or name == "before commit":
            return
        self.interruption = None
        clock = self.rig.world.clock
        begun = clock.now()
        waiting.happen()
        slept = (clock.now() - begun).total_seconds()
        self.conduct.stood_still.append((clock.now(), slept))
