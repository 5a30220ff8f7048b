"""`bcss rebuild`, as a person meets it: refused, told what to do, done, and going on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bcss.errors import Exit
from tests.checker import booked, problems
from tests.processes.harness import Host, Sleeper, host, is_create

_FINE = (int(Exit.DONE), int(Exit.HELD))


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Host]:
    one = host(tmp_path / "host", 5)
    yield one
    one.close()


def test_a_database_lost_under_a_killed_process_is_built_again(made: Host) -> None:
    """Killed with creates under way, and the folder of the state is gone as well."""
    made.meddle = sleeper = Sleeper(is_create)
    sleeper.victim = victim = made.bcss("sync", "all")
    sleeper.wait()
    victim.kill()
    made.wait(victim)
    for path in made.database.parent.iterdir():
        path.unlink()
    sent = len(made.world.log)

    refused = made.run("sync", "all")

    assert refused.code == Exit.INTERNAL
    assert "is gone or empty" in refused.err
    assert "bcss rebuild --since" in refused.err
    assert "Traceback" not in refused.err
    assert len(made.world.log) == sent
    day = made.world.clock.now().date().replace(day=1)
    built = made.run("rebuild", "--since", day.isoformat())
    assert built.code in _FINE, built.err
    for _ in range(2):
        last = made.run("sync", "all")
        assert last.code in _FINE, last.err
    assert problems(made.world, made.database) == []
    assert booked(made.world) >= 5
