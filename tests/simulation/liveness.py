"""I10: once the last fault is over, how soon everything that can be booked must be booked.

The bound is two runs: one as soon as what was under way has landed, and one after the settle
horizon and an hour, however wrong a host's clock was when it noted a send. Whatever is held, or
waits behind a stopped store, delays nobody else.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from bcss.errors import StateBroken
from tests.checker import problems
from tests.simulation.process import Process

if TYPE_CHECKING:
    from tests.simulation.sim import Play

_HOUR = timedelta(hours=1)
_LANDED = timedelta(minutes=45)  # the latest effect


def overdue(play: "Play") -> list[str]:
    """Let the faults end, run twice, and return the orders that still are not booked."""
    world, history = play.world, play.history
    world.faults.clear()
    settle = play.rig.config.orders.settle
    late = timedelta(seconds=world.shipstation._account.switches.late)
    for wait in (max(_LANDED, late), settle + _HOUR):
        world.clock.advance(wait.total_seconds())
        world.settle()
        try:
            Process(play.rig, play.conduct).cron()
        except StateBroken as error:
            play.refused(error)
            Process(play.rig, play.conduct).rebuild()
    found = problems(
        world,
        play.rig.config.state.path,
        by_hand=history.by_hand,
        kind=str(play.kind),
        foreign=play.conduct.foreign,
        ignored=history.ignored,
        credited=history.credited,
    )
    return [one.replace("I2", "I10 not in time:") for one in found if one.endswith(": lost")]
