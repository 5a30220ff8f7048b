"""Every place where a process may die: around each call, and around each commit of the store."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from random import Random
from typing import Any
from unittest.mock import patch

from bcss import http
from bcss.sandbox.kit import Request
from bcss.store import db
from bcss.store.sqlite import Connection, write_tx
from tests.rig import Rig
from tests.transitions import Machine


class Killed(BaseException):
    """The process dies here."""


@dataclass(slots=True)
class Points:
    """Count the points of a run, and die at the n-th; never when it is 0.

    A read has no effect, so dying before it and after it are one point. `arrived` sees each call
    before its effect, `notice` each point that the process survives, `machine` each commit. With
    `looks` each run looks through its whole file for damage first, as it does outside of tests.
    """

    die_at: int = 0
    names: list[str] = field(default_factory=list)
    arrived: Callable[[str, Request], None] | None = None
    notice: Callable[[int, str], None] | None = None
    machine: Machine | None = None
    looks: bool = False

    def reach(self, name: str) -> None:
        self.names.append(name)
        if len(self.names) == self.die_at:
            raise Killed(name)
        if self.notice:
            self.notice(len(self.names), name)

    def before(self, vendor: str, request: Request) -> None:
        if self.arrived:
            self.arrived(vendor, request)
        if request.method != "GET":
            self.reach(f"before {vendor} {request.method} {request.path[-40:]}")

    def after(self, vendor: str, request: Request) -> None:
        self.reach(f"after {vendor} {request.method} {request.path[-40:]}")

    @contextmanager
    def transaction(self, conn: Connection) -> Iterator[Any]:
        machine = self.machine
        if machine:
            machine.begin(conn)
        with write_tx(conn) as same:
            since = machine.opened(conn) if machine else 0
            yield same
            self.reach("before commit")
        if machine:
            machine.committed(conn, since)
        self.reach("after commit")

    @contextmanager
    def around(self, rig: Rig) -> Iterator[None]:
        """Stand around everything that one run of this rig does."""
        outer = rig.before, rig.after
        rig.before, rig.after = self.before, self.after
        try:
            # what waits a little less or more each time would not be the same when repeated
            dice = patch.object(http, "_JITTER", Random(len(self.names)))
            whole = nullcontext() if self.looks else patch.object(db, "check_whole", _overlook)
            with patch.object(db, "write_tx", self.transaction), dice, whole:
                yield
        finally:
            rig.before, rig.after = outer


def _overlook(_conn: object) -> None:
    """Take a file for whole."""


def has_effect(names: Sequence[str]) -> bool:
    """Tell whether something has just become durable here: a commit, or a vendor's change.

    A death before a commit or around a read leaves what the point before it left, but for one: the
    witness follows the commit that opens a run, the second where the database was made just before,
    and has no point of its own.
    """
    name = names[-1]
    if name == "after commit" or (name.startswith("after ") and " GET " not in name):
        return True
    return names[-2:-1] == ["after commit"] and names.count("after commit") <= 2
