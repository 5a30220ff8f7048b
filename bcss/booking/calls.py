"""Send many mutating calls, a few at a time, each with its intent on the disk first."""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

from bcss.errors import BcssError

Job = TypeVar("Job")
Token = TypeVar("Token")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Value]):
    """What a call came to: a value, or the error that says what to do next."""

    value: Value | None
    error: BcssError | None


def send_all(
    jobs: Iterable[Job],
    *,
    write: Callable[[], AbstractContextManager[None]],
    prepare: Callable[[Job], Token | None],
    send: Callable[[Job, Token], Value],
    finish: Callable[[Job, Token, Outcome[Value]], bool],
    width: int,
) -> None:
    """Call `prepare` and `finish` inside write transactions, `send` outside of any.

    One transaction holds the outcomes that have come and the intents of what is sent next, so a
    call never leaves before its intent is durable. `prepare` returns None to leave a job out;
    `finish` returns False to send nothing more (what is under way is still finished). Only the
    calling thread touches the store.
    """
    queue = iter(jobs)
    flying: dict[Future[Value], tuple[Job, Token]] = {}
    going = True
    with ThreadPoolExecutor(width) as pool:
        while True:
            landed = _landed(flying)
            leaving: list[tuple[Job, Token]] = []
            with write():
                for future in landed:
                    job, token = flying.pop(future)
                    going &= finish(job, token, _outcome(future))
                while going and len(flying) + len(leaving) < width:
                    ready = _next(queue, prepare)
                    if ready is None:
                        break
                    leaving.append(ready)
            for job, token in leaving:
                flying[pool.submit(send, job, token)] = (job, token)
            if not flying:
                return


def send_in_turn(
    jobs: Iterable[Job],
    *,
    write: Callable[[], AbstractContextManager[None]],
    prepare: Callable[[Job], Token | None],
    send: Callable[[Job, Token], Value],
    finish: Callable[[Job, Token, Outcome[Value]], bool],
) -> None:
    """Do the same one after another in this thread, in the order given."""
    for job in jobs:
        with write():
            token = prepare(job)
        if token is None:
            continue
        outcome = _attempt(send, job, token)
        with write():
            if not finish(job, token, outcome):
                return


def _attempt(send: Callable[[Job, Token], Value], job: Job, token: Token) -> Outcome[Value]:
    try:
        return Outcome(send(job, token), None)
    except BcssError as error:
        return Outcome(None, error)


def _landed(flying: dict[Future[Value], tuple[Job, Token]]) -> list[Future[Value]]:
    if not flying:
        return []
    done, _ = wait(flying, return_when=FIRST_COMPLETED)
    return [future for future in flying if future in done]


def _next(queue: Iterable[Job], prepare: Callable[[Job], Token | None]) -> tuple[Job, Token] | None:
    for job in queue:
        token = prepare(job)
        if token is not None:
            return job, token
    return None


def _outcome(future: Future[Value]) -> Outcome[Value]:
    """Read a finished call; what is not the world's doing is raised in the calling thread."""
    error = future.exception()
    if error is None:
        return Outcome(future.result(), None)
    if isinstance(error, BcssError):
        return Outcome(None, error)
    raise error
