"""Histories with a clerk's desk: decisions, replays and a person's own documents, at any moment.

A family of seeds of its own, so that `tests.simulation.sim` plays its seeds as before. Repeat one
with `python -m tests.simulation.desk 12`.
"""

import os
import random
import sqlite3
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from bcss.config.schema import DocumentKind
from bcss.errors import BcssError
from bcss.flows import review
from bcss.flows.connection import Connection
from bcss.flows.reopening import reopen
from bcss.flows.replay import Choice
from bcss.holds import Hold, Why
from bcss.sandbox.businesscentral import posting
from tests import checker
from tests.conftest import SECRETS
from tests.enumeration.points import Killed
from tests.memory import HERE
from tests.rig import Rig, config_for, world_of
from tests.simulation import events, sim
from tests.simulation.conduct import Conduct
from tests.simulation.process import Interruption, Process
from tests.simulation.sim import History, Play
from tests.simulation.weather import storm

_GAPS = (1, 61, 310, 1500, 4000)
_ROUNDS = 4
# Approving these takes a document with other content than the order's for good.
_AS_IT_STANDS = (Why.BC_DRAFT_EDITED, Why.POSTED_TOTAL_DIFFERS, Why.VANISHED)
Row = dict[str, Any]


@dataclass(slots=True)
class Desk:
    """A play, the holds that the clerk has seen last, and credit memos by hand, by order."""

    play: Play
    shown: list[Hold] = field(default_factory=list)
    memos: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    lost: bool = False

    @property
    def rng(self) -> random.Random:
        return self.play.rng


def simulate_desk(seed: int, folder: Path) -> History:
    """Play one seed of this family; `broken` is empty when every promise was kept."""
    rng = random.Random(f"desk {seed}")
    history = History(seed, command=f"python -m tests.simulation.desk {seed}")
    world, _ = world_of(rng.randint(2, 4), seed=rng.randint(1, 10_000))
    kind = rng.choice(sim._KINDS) if rng.random() < 0.25 else DocumentKind.POSTED_INVOICE
    settle = timedelta(minutes=rng.choice((0, 20)))
    config = config_for(folder, start=sim.START, settle=settle, document=kind)
    history.steps.append(f"{kind}, settle {settle}")
    conduct = Conduct(config.state.path, world=world)
    play = Play(rng, Rig(world, config, folder), history, conduct, kind)
    desk = Desk(play)
    if rng.random() < 0.7:
        _serve(desk, Process(play.rig, play.conduct), sim._run)
    for _ in range(rng.randint(2, 4)):
        _act(desk)
    if rng.random() < 0.7:
        _closing_time(desk)
    sim._quiet(play)
    return history


def _act(desk: Desk) -> None:
    """One stretch: the world moves on, somebody decides, a process runs, time passes."""
    rng, play = desk.rng, desk.play
    for _ in range(rng.choice((1, 1, 2, 3))):
        _happen(desk)
        play.world.clock.advance(rng.choice((1, 5, 90)))
    play.world.faults.clear()
    for rule in storm(rng) if rng.random() < 0.6 else ():
        if rule["do"] != "hide" or not desk.lost:  # a rebuild believes what it is shown
            play.history.note("fault", str(rule))
            play.history.acts.hidden |= rule["do"] == "hide"
            play.world.faults.add(rule)
    if rng.random() < 0.5:
        _decide(desk)
    process = Process(play.rig, play.conduct)
    if rng.random() < 0.3:
        process.points.die_at = rng.randint(1, 110)
    if rng.random() < 0.7:
        process.interruption = Interruption(rng.randint(1, 110), lambda: _interrupt(desk))
    _serve(desk, process, sim._run)
    play.world.clock.advance(rng.choice(_GAPS))
    play.world.settle()
    desk.lost = rng.random() < 0.04
    if desk.lost:
        sim._lose_database(play)


def _serve(desk: Desk, process: Process, run: Callable[..., None]) -> None:
    """Let cron, the worker or a replay work."""
    dice = desk.rng.random()
    if dice < 0.6:
        run(desk.play, process.cron, "cron")
    elif dice < 0.8:
        run(desk.play, process.worker, "worker")
    else:
        _replay(desk, process)


def _interrupt(desk: Desk) -> None:
    """Let something happen while a process stands between two of its steps."""
    rng, play = desk.rng, desk.play
    for _ in range(rng.choice((1, 1, 2))):
        dice = rng.random()
        if dice < 0.4:
            _decide(desk)
        elif dice < 0.6:
            _happen(desk)
        elif dice < 0.7:
            play.world.clock.advance(rng.choice(sim._PAUSES))
            play.world.settle()
            play.history.note("pause", "a process was stopped for a while")
        elif dice < 0.85:
            _replay(desk, _mortal(desk))
        else:
            play.history.note("beside", "a second process runs")
            sim._run(play, _mortal(desk).worker, "second")


def _mortal(desk: Desk) -> Process:
    process = Process(desk.play.rig, desk.play.conduct)
    if desk.rng.random() < 0.3:
        process.points.die_at = desk.rng.randint(1, 80)
    return process


def _happen(desk: Desk) -> None:
    """Let a shopper, the warehouse or a person at the books do something."""
    rng, play = desk.rng, desk.play
    dice = rng.random()
    if dice < 0.3:
        play.event(clerk=False)
    elif dice < 0.55:
        text = rng.choice((events._edit_shipped, events._void, _cancel_shipped))(rng, play.world)
        if text:
            play.history.note("shop", text)
    elif dice < 0.7:
        _own_document(desk)
    elif dice < 0.77:
        play.event(clerk=True)
    elif dice < 0.82:
        _credit_by_hand(desk)
    elif dice < 0.86:
        _pay(desk)
    else:
        _decide(desk)


def _cancel_shipped(rng: random.Random, world: Any) -> str:
    rows = events._orders(world, "shipped")
    return events._act(world, action="cancel", orderId=rng.choice(rows)["orderId"]) if rows else ""


# ------------------------------------------------------------------ the clerk's own papers


def _own_document(desk: Desk) -> None:
    """A person writes an invoice or order by hand: unrelated, or under an order's number."""
    rng, play = desk.rng, desk.play
    entity = rng.choice(("salesInvoices", "salesInvoices", "salesOrders"))
    name, reference = _reference(desk)
    lines = "salesInvoiceLines" if entity == "salesInvoices" else "salesOrderLines"
    line = {"lineType": "Account", "lineObjectNumber": "40500", "quantity": 1, "unitPrice": 17}
    body = {
        "customerNumber": rng.choice(("WEB", "AMZN")),
        "externalDocumentNumber": reference,
        "postingDate": play.world.clock.now().date().isoformat(),
        lines: [{**line, "taxCode": "NONTAXABLE"}],
    }
    post = rng.random() < 0.4
    action = {"action": "create_by_person", "entity": entity, "body": body, "post": post}
    made = play.world.bc.run(action)
    play.conduct.foreign.add(made["id"])
    play.history.note("own paper", f"{name} {entity} {reference}{' posted' if post else ''}")


def _reference(desk: Desk) -> tuple[str, str]:
    rng = desk.rng
    dice = rng.random()
    orders = events._orders(desk.play.world, "awaiting_shipment", "shipped")
    if dice < 0.3 or not orders:
        return "unrelated", f"PO-{rng.randint(1, 999)}"
    if dice < 0.7:
        return "manual", str(rng.choice(orders)["orderNumber"])
    ours = _ours(desk.play.rig.config.state.path)
    return ("ours", rng.choice(ours)) if ours else ("look-alike", "BX-SO1001-AAAAAAAAAAAAAA")


def _ours(database: Path) -> list[str]:
    """Return the references of the units there are, in both forms."""
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as conn:
            rows = conn.execute("SELECT reference, other_reference FROM unit ORDER BY unit_id")
            return [one for row in rows.fetchall() for one in row if one]
    except sqlite3.Error:
        return []


def _credit_by_hand(desk: Desk) -> None:
    """A person credits a posted invoice of ours in Business Central, all of it or as a draft."""
    rng, play = desk.rng, desk.play
    books = play.world.bc.books
    rows = [row for row in play.world.bc.state()["salesInvoices"] if row["posted"]]
    rows = [row for row in rows if row["id"] not in play.conduct.foreign]
    if not rows:
        return
    row = rng.choice(rows)
    forms = {checker._letters(one): one for one in _known(play.rig.config.state.path)}
    number = checker._number_of(row, forms)
    invoice = books.invoices.get(row["id"])
    assert invoice is not None
    try:
        memo = posting.make_corrective_credit_memo(books, invoice)
        play.conduct.foreign.add(memo.values["id"])
        desk.memos[number].add(memo.values["id"])
        if posted := rng.random() < 0.7:
            posting.post(books, memo)
    except Exception:  # noqa: BLE001 - the imitation refuses with exceptions of its own
        return
    play.history.by_hand.add(number)
    play.history.credited.add(number)
    play.history.note("own paper", f"credit memo over {number}{' posted' if posted else ''}")


def _pay(desk: Desk) -> None:
    """A customer pays a posted invoice, which can no longer be credited then."""
    rows = [row for row in desk.play.world.bc.state()["salesInvoices"] if row["posted"]]
    if rows:
        row = desk.rng.choice(rows)
        if row["status"] == "Open":
            desk.play.world.bc.run({"action": "pay", "id": row["id"]})
            desk.play.history.note("own paper", f"{row['number']} is paid")


# ------------------------------------------------------------------ decisions and replays


def _decide(desk: Desk) -> None:
    """The clerk decides about one hold, as it is or as it was when it was shown."""
    process = Process(desk.play.rig, desk.play.conduct)
    if desk.rng.random() < 0.25:
        process.points.die_at = desk.rng.randint(1, 14)
    stale = desk.rng.random() < 0.2

    def act(conn: Connection) -> None:
        now = conn.store.holds.open()
        known, desk.shown = (desk.shown if stale else now), now
        if known:
            _say(desk, conn, desk.rng.choice(known))

    _at_the_desk(desk, process, act)


def _at_the_desk(desk: Desk, process: Process, act: Callable[[Connection], None]) -> None:
    history = desk.play.history
    try:
        summary = process.decision(act)
    except Killed as death:
        history.note("kill", f"a decision died {death}")
    except BcssError as error:
        history.note("error", f"desk: {error}"[:160])
        desk.play.refused(error)
    else:
        for refusal in summary.errors:
            history.note("refused", str(refusal)[:160])


def _say(desk: Desk, conn: Connection, hold: Hold) -> None:
    dice = desk.rng.random()
    if dice < 0.6:
        _approve(desk, conn, hold)
    elif dice < 0.9:
        _ignore(desk, conn, hold)
    elif dice < 0.95:
        review.assign(conn, review.Decision(hold, "clerk", ""), "Robin")
        desk.play.history.note("decision", f"assigned {hold.label}")
    else:
        _reopen(desk, conn, hold)


def _approve(desk: Desk, conn: Connection, hold: Hold) -> None:
    history = desk.play.history
    history.credited.add(hold.order_number)  # before, since the process may die on its way
    if hold.why in _AS_IT_STANDS:
        history.by_hand.add(hold.order_number)
    if hold.why == Why.CREDIT_UNCLEAR:  # what was left may be gone on with
        desk.play.conduct.foreign -= desk.memos[hold.order_number]
    meaning = review.approve(conn, review.Decision(hold, "clerk", "as agreed"))
    history.note("decision", f"approved {hold.order_number} {hold.why}: {meaning}")


def _ignore(desk: Desk, conn: Connection, hold: Hold) -> None:
    history = desk.play.history
    history.ignored.add(hold.order_number)
    meaning = review.ignore(conn, review.Decision(hold, "clerk", "as agreed"))
    history.note("decision", f"ignored {hold.order_number} {hold.why}: {meaning}")


def _reopen(desk: Desk, conn: Connection, hold: Hold) -> None:
    """Take back whatever was decided about some hold, be it this one or an earlier one."""
    earlier = conn.store.holds.by_number(desk.rng.randint(1, hold.hold_id))
    if earlier is not None:
        reopen(conn, review.Decision(earlier, "clerk", "on second thoughts"))
        desk.play.history.note("decision", f"reopened {earlier.label}")


def _replay(desk: Desk, process: Process) -> None:
    rng = desk.rng
    orders = events._orders(desk.play.world, "shipped", "awaiting_shipment", "cancelled")
    number = str(rng.choice(orders)["orderNumber"]) if orders else ""
    known = number and number in _known(desk.play.rig.config.state.path)
    choice = Choice(failed=True, captured=rng.random() < 0.3)
    if known and rng.random() < 0.5:
        choice = Choice(orders=(number,), captured=rng.random() < 0.3)
    desk.play.history.note("replay", str(choice)[:160])
    sim._run(desk.play, lambda: process.replay(choice), "replay")


def _known(database: Path) -> set[str]:
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as conn:
            return {row[0] for row in conn.execute("SELECT order_number FROM unit")}
    except sqlite3.Error:
        return set()


def _closing_time(desk: Desk) -> None:
    """The faults end, and the clerk decides about everything that can be decided."""
    play = desk.play
    play.world.faults.clear()
    play.history.note("closing", "the clerk goes through all that is held")

    def act(conn: Connection) -> None:
        for hold in conn.store.holds.open():
            answer = _ignore if desk.rng.random() < 0.2 else _approve
            try:
                answer(desk, conn, hold)
            except BcssError as error:
                play.history.note("refused", str(error)[:160])

    for _ in range(_ROUNDS):
        play.world.clock.advance(7200)
        play.world.settle()
        sim._run(play, Process(play.rig, play.conduct).cron, "cron")
        _at_the_desk(desk, Process(play.rig, play.conduct), act)


def main() -> None:
    """Repeat one seed, or play a range."""
    os.environ.update(SECRETS)
    first, last = int(sys.argv[1]), int(sys.argv[2] if len(sys.argv) > 2 else sys.argv[1])
    for seed in range(first, last + 1):
        with tempfile.TemporaryDirectory(dir=HERE) as folder:
            history = simulate_desk(seed, Path(folder))
        if history.broken or first == last:
            sys.stdout.write(history.story() + "\n\n")


if __name__ == "__main__":
    main()
