"""Hold the locks of a connection; the kernel frees them when a process dies (stack.md §6)."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from bcss.clock import Clock, iso, parse_utc
from bcss.errors import FixConfig, LockHeld, RetryLater

LONG_HELD = timedelta(hours=2)
_PATIENCE = 60.0
_STEP = 0.1


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock, for the message only."""

    pid: int
    what: str
    since: datetime | None


class RunIsHeld(LockHeld):
    """Another run of this connection is under way; `is_old` after two hours."""

    def __init__(self, holder: Holder, now: datetime) -> None:
        since = f" since {iso(holder.since)}" if holder.since else ""
        super().__init__(
            f"Another run ({holder.what}, process {holder.pid}) is under way{since}.",
            hint="Wait for it; if it hangs, end that process, the lock goes with it.",
        )
        self.is_old = holder.since is not None and now - holder.since > LONG_HELD


@contextmanager
def run_lock(database: Path, what: str, clock: Clock) -> Iterator[None]:
    """Hold the run lock of a connection; raise RunIsHeld at once when another run has it."""
    handle = _open(_beside(database, "run"))
    try:
        if not _try(handle):
            raise RunIsHeld(_holder(handle), clock.now())
        _sign(handle, what, clock)
        yield
    finally:
        os.close(handle)


@contextmanager
def booking_lock(database: Path, what: str, clock: Clock) -> Iterator[None]:
    """Hold the booking lock for one batch; wait up to 60 s, then raise RetryLater."""
    handle = _open(_beside(database, "booking"))
    try:
        until = clock.monotonic() + _PATIENCE
        while not _try(handle):
            if clock.monotonic() >= until:
                holder = _holder(handle)
                raise RetryLater(
                    f"Booking is busy: {holder.what}, process {holder.pid}.",
                    hint="The next run goes on.",
                )
            clock.sleep(_STEP)
        _sign(handle, what, clock)
        yield
    finally:
        os.close(handle)


def _beside(database: Path, name: str) -> Path:
    return database.with_name(f"{database.name}.{name}.lock")


def _open(path: Path) -> int:
    """Open a lock file that is never deleted; a deleted one would admit two holders."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
        return os.open(path, flags, 0o600)
    except OSError as error:
        raise FixConfig(
            f"{path} cannot be opened: {error.strerror}.",
            hint="Let the user that runs bcss write the folder of the state database.",
        ) from None


def _try(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(handle: int, what: str, clock: Clock) -> None:
    body = json.dumps({"pid": os.getpid(), "what": what, "since": iso(clock.now())})
    with suppress(OSError):  # a full disk must not stop a lock that already holds
        os.ftruncate(handle, 0)
        os.pwrite(handle, body.encode(), 0)


def _holder(handle: int) -> Holder:
    try:
        found = json.loads(os.pread(handle, 4096, 0))
        return Holder(int(found["pid"]), str(found["what"])[:80], parse_utc(found["since"]))
    except (ValueError, KeyError, TypeError):
        return Holder(0, "unknown", None)
