"""Run the steps over sets of units: plan, look up, create, track, decide, refresh, post, confirm.

The steps and their guards are design §4.4; reliability.md §2.4 argues why they are enough. What
a unit still needs is read off its state, so a run that died anywhere is continued by the next.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from bcss.booking.attach import ATTACH, attach
from bcss.booking.confirm import confirm
from bcss.booking.create import create, since_now
from bcss.booking.decide import Permit, decide
from bcss.booking.desk import BATCH, Desk, total_of
from bcss.booking.lookup import apply, look_up
from bcss.booking.post import limit_text, post
from bcss.booking.track import track
from bcss.booking.withdraw import clear, withdraw
from bcss.units import CANCEL, REPLACE, State, Unit

# Passes within one run: a second look at what was in doubt, a third after clearing up.
_PASSES = 3
_UNBORN = (State.READY, State.CREATE_INTENT)


def make_drafts(desk: Desk) -> None:
    """Bring every ready unit to a draft in Business Central, and take back what changed."""
    _take_back(desk)
    done: set[tuple[int, int]] = set()
    for _ in range(_PASSES):
        units = [unit for unit in _to_create(desk) if (unit.unit_id, unit.attempt) not in done]
        if not units:
            return
        for batch in batches(units):
            if desk.report.halted or desk.out_of_time():
                return
            with desk.lock():
                current = [unit for unit in _again(desk, batch) if unit.state in _UNBORN]
                looked_up = since_now(desk)
                free, crowded = apply(desk, look_up(desk, current))
                create(desk, free, looked_up)
                clear(desk, crowded)
            done |= {(unit.unit_id, unit.attempt) for unit in batch}
    if any((unit.unit_id, unit.attempt - 1) in done for unit in _to_create(desk) if unit.sent_at):
        desk.report.notes.append("Some creates are in doubt; the next run looks for them again.")


def _take_back(desk: Desk) -> None:
    units = desk.chosen(desk.store.units.in_states([State.DRAFTED]))
    leaving = [unit for unit in units if unit.waiting in (REPLACE, CANCEL)]
    if leaving:
        with desk.lock():
            withdraw(desk, _again(desk, leaving))


def _to_create(desk: Desk) -> list[Unit]:
    return desk.chosen(desk.store.units.in_states(_UNBORN))


def post_ready(desk: Desk) -> None:
    """Track, decide and post every draft that is ready, and confirm what was posted.

    What an earlier run left in doubt is read back first.
    """
    confirm_open(desk)
    for _ in range(_PASSES):
        before = _to_post(desk)
        if not before:
            break
        for batch in batches(before):
            if desk.report.halted or desk.out_of_time():
                return
            with desk.lock():
                _post_batch(desk, _again(desk, batch))
        if _to_post(desk) == before:
            break
    _attach_late(desk)
    _tell_stopped(desk)
    if desk.report.limited:
        desk.report.notes.append(limit_text(desk))


def _attach_late(desk: Desk) -> None:
    units = desk.chosen(desk.store.units.waiting_for(ATTACH))
    if units and not desk.report.halted:
        with desk.lock():
            attach(desk, _again(desk, units))


def _to_post(desk: Desk) -> list[Unit]:
    """Return the drafts that may be worked on, as many as the limit still allows to post."""
    units = desk.chosen(desk.store.units.in_states([State.DRAFTED]))
    stopped = desk.stopped | set(desk.store.store_stops())
    ready = [unit for unit in units if not unit.waiting and unit.store_id not in stopped]
    if desk.limits.posts is None:
        return ready
    posting = [unit for unit in ready if _is_to_post(unit)]
    posting = [unit for unit in posting if _is_affordable(desk, unit)]
    desk.report.limited |= len(posting) > desk.limits.posts
    standing = [unit for unit in ready if not _is_to_post(unit)]
    return posting[: max(0, desk.limits.posts)] + standing


def _is_affordable(desk: Desk, unit: Unit) -> bool:
    """Leave out what the amount limit forbids, so that it takes no place among the few posted."""
    limit = desk.limits.amount
    within = limit is None or total_of(unit) <= limit
    desk.report.limited |= not within
    return within


def _tell_stopped(desk: Desk) -> None:
    """Say which drafts wait behind a stopped store, and for which decision."""
    drafts = desk.chosen(desk.store.units.in_states([State.DRAFTED]))
    waiting = [unit.store_id for unit in drafts if not unit.waiting and _is_to_post(unit)]
    for store_id, hold in desk.store.holds.stopping().items():
        if count := waiting.count(store_id):
            desk.report.notes.append(
                f"{count} {'draft waits' if count == 1 else 'drafts wait'}: posting is stopped "
                f"for store {store_id} until {hold.label} is decided."
            )


def _is_to_post(unit: Unit) -> bool:
    return unit.kind.posts and not (unit.draft and unit.draft.open)


def _post_batch(desk: Desk, batch: Sequence[Unit]) -> None:
    drafted = [unit for unit in batch if unit.state is State.DRAFTED and not unit.waiting]
    track(desk, [unit for unit in drafted if unit.tracked_hash != unit.track_hash])
    if not desk.fresh():
        return
    ready = [unit for unit in _again(desk, batch) if _is_tracked(unit)]
    if not ready:
        return
    decision = decide(desk, ready)
    clear(desk, decision.crowded)
    _post(desk, decision.permits)
    _confirm(desk, [unit for unit in _again(desk, batch) if _is_posting(unit)])


def _again(desk: Desk, units: Sequence[Unit]) -> list[Unit]:
    """Read units again, since tracking and the fresh poll may have changed them."""
    fresh = (desk.store.units.get(unit.unit_id) for unit in units)
    return [unit for unit in fresh if not unit.held]


def _is_tracked(unit: Unit) -> bool:
    drafted = unit.state is State.DRAFTED and not unit.waiting
    return drafted and unit.tracked_hash == unit.track_hash


def _is_posting(unit: Unit) -> bool:
    return unit.state in (State.POST_INTENT, State.POSTED)


def _post(desk: Desk, permits: Sequence[Permit]) -> None:
    """Post a batch; the very first live post is confirmed before the next is sent (§4.4.8)."""
    rest = list(permits)
    while rest and not desk.store.units.any_posted():
        first = rest.pop(0)
        post(desk, [first])
        _confirm(desk, [unit for unit in _again(desk, [first.unit]) if _is_posting(unit)])
        if desk.report.halted:
            return
    if rest:
        post(desk, rest)


def confirm_open(desk: Desk) -> None:
    """Read back what stands between a post and its confirmation."""
    units = desk.chosen(desk.store.units.in_states([State.POST_INTENT, State.POSTED]))
    for batch in batches(units):
        with desk.lock():
            _confirm(desk, [unit for unit in _again(desk, batch) if _is_posting(unit)])


def _confirm(desk: Desk, units: Sequence[Unit]) -> None:
    clear(desk, confirm(desk, units))


def batches(units: Sequence[Unit]) -> Iterator[list[Unit]]:
    """Cut units into sets that one pass works on."""
    remaining = iter(units)
    while batch := list(islice(remaining, BATCH)):
        yield batch
