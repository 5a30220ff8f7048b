"""What every step of the booking machine works with: clients, store, limits and the report."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Literal, TypeVar

from bcss.booking.calls import Outcome, send_all, send_in_turn
from bcss.businesscentral.client import BusinessCentralClient
from bcss.clock import FAR, Clock
from bcss.errors import BcssError, RetryLater, StopVendor
from bcss.holds import Verdict, Why
from bcss.money import ZERO, show
from bcss.store.db import Store
from bcss.store.queue import About
from bcss.store.trail import Event
from bcss.units import Unit

Job = TypeVar("Job")
Token = TypeVar("Token")
Value = TypeVar("Value")

# Units per pass: enough to keep three calls in flight between the reads, few enough that a
# pass stays well inside the five minutes for which a poll is fresh (design §4.4.6, §10).
BATCH = 120


@dataclass(slots=True)
class Limits:
    """How much this run may still post; None for no limit. Amounts are compared as numbers."""

    posts: int | None = None
    amount: Decimal | None = None
    ends: float | None = None

    def allow(self, amount: Decimal) -> bool:
        """Tell whether one more document of this amount may be posted."""
        if self.posts is not None and self.posts < 1:
            return False
        return self.amount is None or amount <= self.amount

    def spend(self, amount: Decimal) -> None:
        """Count a posted document."""
        self.posts = None if self.posts is None else self.posts - 1
        self.amount = None if self.amount is None else self.amount - amount

    def give_back(self, amount: Decimal) -> None:
        """Uncount a document that was not sent after all."""
        self.posts = None if self.posts is None else self.posts + 1
        self.amount = None if self.amount is None else self.amount + amount


@dataclass(slots=True)
class Report:
    """What a run did, for the summary and the exit code.

    `halted`: something stands in the way of booking itself; another flow's errors do not.
    `first_limit`: how many documents may be posted since none ever was; 0 for no such limit.
    """

    created: int = 0
    adopted: int = 0
    tracked: int = 0
    posted: int = 0
    confirmed: int = 0
    dropped: int = 0
    credited: int = 0
    notes: list[str] = field(default_factory=list)
    errors: list[BcssError] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    limited: bool = False
    first_limit: int = 0
    halted: bool = False
    waived: set[str] = field(default_factory=set)

    @contextmanager
    def halting(self) -> Iterator[None]:
        """Let what ends one step of booking keep the later ones of this run from starting."""
        try:
            yield
        except BcssError:
            self.halted = True
            raise


@dataclass(slots=True)
class Desk:
    """The machine's surroundings; only the thread that owns it touches the store."""

    store: Store
    bc: BusinessCentralClient
    clock: Clock
    settle: timedelta
    route: Literal["workflow", "comment"]
    fresh: Callable[[], bool]
    is_fresh: Callable[[], bool]
    lock: Callable[[], AbstractContextManager[None]]
    limits: Limits = field(default_factory=Limits)
    report: Report = field(default_factory=Report)
    width: int = 3
    flow: str = "orders"
    config: str = ""
    cold_until: datetime | None = None
    number_length: int = 50
    only: frozenset[int] | None = None
    refusals: Counter[tuple[int, str]] = field(default_factory=Counter)
    stopped: set[int] = field(default_factory=set)
    renamed: set[int] = field(default_factory=set)

    def chosen(self, units: Iterable[Unit]) -> list[Unit]:
        """Keep the units that this run is about."""
        return [unit for unit in units if self.only is None or unit.unit_id in self.only]

    def write(self) -> AbstractContextManager[None]:
        """Open a write transaction."""
        return self.store.write()

    def now(self) -> datetime:
        """Return the present instant."""
        return self.clock.now()

    def sending_at(self) -> datetime:
        """Return the present instant on Business Central's clock, for what is about to be sent."""
        return self.bc.clock.now()

    def is_settled(self, sent_at: datetime) -> bool:
        """Tell, after a look-up, whether what was sent then can no longer land (§4.4.3).

        Both instants are Business Central's, so that no setting of a host's clock shortens it.
        """
        return self.bc.clock.answered() >= sent_at + self.settle

    def timed_anew(self, unit: Unit) -> Unit:
        """Begin the horizon anew of what a clock far ahead has noted, which would never end.

        Inside the caller's transaction.
        """
        if unit.sent_at is None or unit.sent_at <= self.bc.clock.answered() + FAR:
            return unit
        return self.save(unit, sent_at=self.sending_at())

    def save(self, unit: Unit, **changes: object) -> Unit:
        """Write a unit with some changes, inside the caller's transaction."""
        saved = replace(unit, updated_at=self.now(), **changes)  # type: ignore[arg-type]
        self.store.units.save(saved)
        return saved

    def note(self, unit: Unit, kind: str, summary: str, **rest: str) -> None:
        """Add a row to the trail, inside the caller's transaction."""
        event = Event(kind, self.flow, f"unit:{unit.unit_id}", summary, **rest)  # type: ignore[arg-type]
        self.store.trail.add(self.now(), event)

    def hold(self, unit: Unit, verdict: Verdict) -> Unit:
        """Put a unit into the review queue, inside the caller's transaction.

        What stops a store is decided first: another hold would let it post again.
        """
        if unit.held == Why.POSTED_TOTAL_DIFFERS != verdict.why:
            return unit
        self.store.holds.put(about(unit, self.config), verdict, self.now())
        return self.save(unit, held=str(verdict.why))

    def hold_anew(self, unit: Unit, verdict: Verdict) -> Unit:
        """Hold what a person has not decided about already, inside the caller's transaction."""
        if self.store.holds.was_decided(f"unit:{unit.unit_id}", verdict):
            return unit
        return self.hold(unit, verdict)

    def release(self, unit: Unit, **changes: object) -> Unit:
        """Take a unit out of the review queue, inside the caller's transaction."""
        self.store.holds.close(f"unit:{unit.unit_id}", self.now(), by="bcss")
        return self.save(unit, held="", **changes)

    def intend(self, unit: Unit, step: str, target: str, body: bytes = b"") -> int:
        """Note a call that is about to be sent, in state and trail at once."""
        digest = sha256(body).digest()
        intent_id = self.store.units.intend(unit, step, digest, self.sending_at())
        self.store.trail.add(
            self.now(),
            Event(
                "intent",
                self.flow,
                f"unit:{unit.unit_id}",
                f"{step} attempt {unit.attempt} under {unit.reference}",
                target=target,
                status="sent",
                after=body or None,
            ),
        )
        return intent_id

    def settle_intent(self, unit: Unit, intent_id: int, outcome: str, summary: str) -> None:
        """Note what became of a call, in state and trail at once."""
        self.store.units.settle(intent_id, outcome, self.now())
        self.note(unit, "outcome", summary, target="business_central", status=outcome)

    def send(
        self,
        jobs: Iterable[Job],
        *,
        prepare: Callable[[Job], Token | None],
        send: Callable[[Job, Token], Value],
        finish: Callable[[Job, Token, Outcome[Value]], bool],
    ) -> None:
        """Send one call a job, as many at a time as the desk allows."""
        if self.width > 1:
            send_all(
                jobs,
                write=self.write,
                prepare=prepare,
                send=send,
                finish=finish,
                width=self.width,
            )
        else:
            send_in_turn(jobs, write=self.write, prepare=prepare, send=send, finish=finish)

    def read_all(
        self, groups: Sequence[Sequence[str]], read: Callable[[Sequence[str]], Value]
    ) -> list[Value]:
        """Read several groups, as many at a time as the desk allows, in the order given."""
        if self.width < 2 or len(groups) < 2:  # noqa: PLR2004 - nothing to overlap
            return [read(group) for group in groups]
        with ThreadPoolExecutor(self.width) as pool:
            return list(pool.map(read, groups))

    def stops(self, error: BcssError) -> bool:
        """Note an error that stops the batch; return whether it does."""
        if isinstance(error, StopVendor | RetryLater):
            self.report.errors.append(error)
            self.report.halted = True
            return True
        return False

    def out_of_time(self) -> bool:
        """Tell whether the run has used up its `--max-runtime`."""
        return self.limits.ends is not None and self.clock.monotonic() >= self.limits.ends


def about(unit: Unit, config: str) -> About:
    """Describe a unit for the review queue; `config` is the digest it was held under."""
    return About(
        subject=f"unit:{unit.unit_id}",
        order_number=unit.order_number,
        order_key=unit.order_key,
        order_id=unit.root_order_id,
        store_id=unit.store_id,
        amount=unit.total,
        currency=unit.currency,
        content=held_content(unit, config),
    )


def held_content(unit: Unit, config: str) -> str:
    """Return what a hold binds to: the order's money, the draft, and the configuration."""
    draft = unit.draft.lines if unit.draft else ()
    return f"{unit.money_hash}:{sha256(repr(draft).encode()).hexdigest()[:12]}:{config[:12]}"


def total_of(unit: Unit) -> Decimal:
    """Return what a unit's document comes to, zero where it is not known yet."""
    return unit.draft.gross if unit.draft else (unit.total or ZERO)


def shown(unit: Unit) -> str:
    """Name a unit for a person: order number and total."""
    return f"{unit.order_number} ({show(total_of(unit), unit.currency)})"
