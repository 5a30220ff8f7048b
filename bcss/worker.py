"""Drain the listener's hints: once, or for as long as the listener lives (design §7).

`python -m bcss.worker CONFIG` is the listener's child process; `bcss sync hints` is the same
for a systemd path unit, or for a person.
"""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Final

from bcss.app import Options, Summary, Surroundings, connect, finish
from bcss.booking.desk import Limits
from bcss.clock import Clock
from bcss.config.load import load
from bcss.config.schema import Config
from bcss.errors import BcssError, Exit, worst
from bcss.flows.hints import work_hints
from bcss.flows.signingkeys import refresh_keys
from bcss.keeper import say
from bcss.store.hints import Hints, hints_path

COMMAND: Final = "sync hints"
_LOOK: Final = 0.5  # seconds between two looks at the hints' file
_LONGEST_PAUSE: Final = 60.0
_WINDOW: Final = 60.0
_USAGE: Final = "usage: python -m bcss.worker CONFIG\n"


@dataclass(slots=True)
class _Stop:
    """Whether the worker shall end; what it has begun ends at the next safe point."""

    clock: Clock
    event: threading.Event = field(default_factory=threading.Event)
    limits: Limits | None = None

    def ask(self, *_: object) -> None:
        """Ask for the end; fit to be a signal's handler."""
        self.event.set()
        if self.limits is not None:
            self.limits.ends = self.clock.monotonic()


@dataclass(slots=True)
class _Pace:
    """Leave cron half of ShipStation's quota, whatever webhooks arrive."""

    clock: Clock
    share: float
    spent: deque[tuple[float, int]] = field(default_factory=deque)

    def note(self, requests: int) -> None:
        """Count what a batch took."""
        self.spent.append((self.clock.monotonic(), requests))

    def wait(self) -> float:
        """Return the seconds until the next batch may begin."""
        now = self.clock.monotonic()
        while self.spent and self.spent[0][0] <= now - _WINDOW:
            self.spent.popleft()
        if sum(requests for _, requests in self.spent) < self.share:
            return 0.0
        return self.spent[0][0] + _WINDOW - now


def drain(config: Config, *, follow: bool, around: Surroundings | None = None) -> Exit:
    """Work off all hints that wait; with `follow`, and those to come, until told to stop.

    Raise FixConfig, FixCredential or StateBroken when the connection cannot be used.
    """
    around = replace(around or Surroundings(), budget_class="listener")
    stop = _Stop(around.clock)
    if not follow:
        return _drain_once(config, around, stop)
    with _signals(stop):
        _follow(config, around, stop)
    return Exit.DONE


def _drain_once(config: Config, around: Surroundings, stop: _Stop) -> Exit:
    codes = [Exit.DONE]
    _fetch_keys(config, around)
    while _any_waiting(config, around.clock):
        summary = _one_batch(config, around, stop)
        codes.append(summary.exit_code)
        if summary.errors:
            break
    return worst(codes)


def _follow(config: Config, around: Surroundings, stop: _Stop) -> None:
    pace = _Pace(around.clock, config.shipstation.requests_per_minute / 2)
    parent = os.getppid()
    pause = _LOOK
    said = ""
    keys_looked: float | None = None
    while not stop.event.wait(pause) and os.getppid() == parent:
        if keys_looked is None or around.clock.monotonic() - keys_looked >= _WINDOW:
            keys_looked = around.clock.monotonic()
            _fetch_keys(config, around)
        pause = max(_LOOK, pace.wait())
        if pause > _LOOK or not _any_waiting(config, around.clock):
            continue
        if _has_changed(config):
            say(f"{config.name}: the configuration has changed; the worker begins anew.")
            return
        summary = _one_batch(config, around, stop)
        pace.note(summary.requests.get("shipstation", 0))
        for hold in summary.new_holds:
            say(f"{config.name}: {hold.order_number or hold.subject} is held: {hold.message}")
        problem = str(summary.errors[0]) if summary.errors else ""
        if problem and problem != said:
            say(f"{config.name}: a webhook's work must wait: {problem}")
        said = problem
        pause = _pause_after(summary)


def _has_changed(config: Config) -> bool:
    """Tell whether the configuration's file is no longer the one that this worker goes by.

    Cron goes by the new one, and each would take back what the other has made by its own.
    """
    try:
        return sha256(config.path.read_bytes()).hexdigest() != config.digest
    except OSError:
        return False


def _fetch_keys(config: Config, around: Surroundings) -> None:
    """Keep the listener's keys fresh; without them its hints are worth a poll all the same."""
    problem = refresh_keys(config, around.clock, around.transport)
    if problem:
        say(f"{config.name}: the keys of signed webhooks: {problem}")


def _pause_after(summary: Summary) -> float:
    if not summary.errors:
        return _LOOK
    asked = getattr(summary.errors[0], "retry_after", None) or 5.0
    return min(max(float(asked), _LOOK), _LONGEST_PAUSE)


def _any_waiting(config: Config, clock: Clock) -> bool:
    with closing(Hints(hints_path(config.state.path), clock)) as hints:
        return hints.any_waiting()


def _one_batch(config: Config, around: Surroundings, stop: _Stop) -> Summary:
    """Work off what waits now, as one recorded run without the run lock."""
    with connect(config, COMMAND, Options(), around) as conn:
        stop.limits = conn.limits
        if stop.event.is_set():
            stop.ask()
        work_hints(conn)
        stop.limits = None
        return finish(conn)


@contextmanager
def _signals(stop: _Stop) -> Iterator[None]:
    """Take SIGTERM and Ctrl-C as a request to stop; only a main thread may."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, stop.ask) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def main(arguments: list[str]) -> int:
    """Be the listener's child process."""
    if len(arguments) != 1:
        sys.stderr.write(_USAGE)
        return Exit.USAGE
    try:
        return drain(load(Path(arguments[0])), follow=True)
    except BcssError as error:
        say(str(error))
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
