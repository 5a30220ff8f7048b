"""What the `hold` commands show and do for one connection."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from bcss.cli.answer import Answer
from bcss.cli.holdlist import list_blocks
from bcss.cli.render import Block, printable
from bcss.cli.report import hold_object
from bcss.cli.state import NOTHING_YET, find, hold_named, opened, reading
from bcss.cli.words import priced
from bcss.clock import SystemClock
from bcss.config.schema import Config
from bcss.errors import BcssError, Exit, FixConfig
from bcss.holds import Hold
from bcss.money import show
from bcss.store.db import Store

Verb = Literal["approve", "ignore", "assign", "reopen"]
DONE = {
    "approve": "approved",
    "ignore": "ignored",
    "assign": "assigned",
    "reopen": "reopened",
}
# Ask the person who decides: shown what is held, and how to name it; the answer is their reason.
Ask = Callable[[list[Block], str], str]


def queue_of(config: Config, who: str = "") -> list[Hold]:
    """Return everything that is held, the oldest first, or what one person looks after."""
    with reading(config) as store:
        holds = [priced(hold, config) for hold in store.holds.open()] if store else []
    return [hold for hold in holds if not who or hold.assigned.casefold() == who.casefold()]


def listed(config: Config, who: str = "") -> Answer:
    """Show everything that is held, or what one person looks after."""
    holds = queue_of(config, who)
    known = config.state.path.exists()
    nobody = f"nothing that is held is {printable(who)}'s" if who else "nothing is held"
    data = {"holds": [hold_object(hold) for hold in holds]}
    if not holds:
        return Answer(data, [nobody if known else NOTHING_YET])
    return Answer(data, list_blocks(holds, SystemClock().now()))


def shown(config: Config, text: str) -> Answer:
    """Show one hold, ended ones included; an order number leads to its hold."""
    from bcss.cli import card  # noqa: PLC0415 - brings the mapping
    from bcss.cli.figures import order_blocks, orders_of  # noqa: PLC0415
    from bcss.cli.history import came_of, ending_object  # noqa: PLC0415

    zone = config.business_central.time_zone
    with opened(config) as store:
        hold = priced(_meant(store, text, config), config)
        unit = card.unit_of(store, hold, config)
        about = card.about(store, unit, config)
        blocks = card.head(store, hold, config, store.clock.now())
        paper = card.paper(store, unit, config)
        orders = [] if hold.closed_at else orders_of(store, hold, unit, config)
        proposed = None if hold.closed_at else card.correction(store, hold, unit, config)
        ending = ending_object(store, hold, zone)
        came = came_of(store, hold, zone) if ending else ""
    data = {
        "hold": hold_object(hold),
        "closed_at": hold.closed_at,
        "ending": ending,
        "about": about,
        "document": paper,
        "correction": proposed,
        "orders": orders,
    }
    if ending:
        return Answer(data, [*blocks, f"what came of it: {printable(came)}"])
    told = [printable(about)] if about else []
    figures = _figures(proposed, paper, config)
    return Answer(data, [*blocks, *order_blocks(orders), *figures, *told])


def _figures(
    proposed: Mapping[str, Any] | None, paper: Mapping[str, Any] | None, config: Config
) -> list[Block]:
    from bcss.cli import card  # noqa: PLC0415 - brings the mapping

    zone = config.business_central.time_zone
    return [*card.correction_blocks(proposed), *card.paper_blocks(paper, zone)]


def _meant(store: Store, text: str, config: Config) -> Hold:
    """Return the hold that a text means: by its number, or the only open one of an order."""
    hold = hold_named(store, text)
    if hold is not None:
        return hold
    holds = _holds_of(store, text, config)
    if len(holds) == 1:
        return holds[0]
    if not holds:
        _refuse_ended(store, text, config)
    raise _unknown(text, holds, "show")


def _refuse_ended(store: Store, text: str, config: Config) -> None:
    """Raise FixConfig that names the newest ended hold of an order, where it has one."""
    from bcss.cli.history import ending_words, generations  # noqa: PLC0415 - only here

    units = [one for unit in find(store, text, config).units for one in generations(store, unit)]
    ended = store.holds.of([f"unit:{unit.unit_id}" for unit in units])
    if ended:
        hold = max(ended, key=lambda one: one.hold_id)
        how = ending_words(store, hold, config.business_central.time_zone)
        raise FixConfig(
            f"{text!r} has no open hold; {hold.label} has ended: {how.removeprefix('ended ')}.",
            hint=f"bcss hold show {hold.label} tells what came of it.",
        )


def _holds_of(store: Store, text: str, config: Config) -> list[Hold]:
    """Return the open holds that an order meets."""
    found = find(store, text, config)
    held = (store.holds.open_for(f"unit:{unit.unit_id}") for unit in found.units)
    return [*(hold for hold in held if hold is not None), *found.holds]


def _unknown(text: str, holds: Sequence[Hold], verb: str) -> FixConfig:
    if not holds:
        return FixConfig(f"There is no hold {text!r}.", hint="bcss hold list shows them.")
    labels = ", ".join(hold.label for hold in holds)
    its = "its hold is" if len(holds) == 1 else "its holds are"
    return FixConfig(
        f"{text!r} is an order; {its} {labels}.",
        hint=f"Name the hold: bcss hold {verb} {holds[0].label}.",
    )


def _to_decide(store: Store, text: str, verb: str, config: Config) -> Hold:
    """Return the hold that a text names beyond doubt, and that nobody has decided about.

    An order number is no such name.
    """
    hold, bare = hold_named(store, text), text.strip().lstrip("#").isdecimal()
    holds = _holds_of(store, text, config) if hold is None or bare else []
    if hold is None:
        raise _unknown(text, holds, verb)
    if any(one.hold_id != hold.hold_id for one in holds):
        order = holds[0].label
        raise FixConfig(
            f"{text!r} is both hold {hold.label} and an order, which {order} holds.",
            hint=f"Name the hold: {hold.label} or {order}.",
        )
    from bcss.cli.history import decision_words  # noqa: PLC0415 - only here

    how = decision_words(store, hold, config.business_central.time_zone)
    if not how or verb == "reopen":
        return hold
    raise FixConfig(
        f"{hold.label} has ended already: {how}.",
        hint=f"bcss hold show {hold.label} tells what came of it.",
    )


def decided(config: Config, verb: Verb, text: str, ask: Ask, to: str = "") -> Answer:
    """Show a hold, take the decision, and carry it out; `to` is the person it is assigned."""
    from bcss.app import Options, Surroundings, actor, connect, finish  # noqa: PLC0415 - HTTP
    from bcss.flows import reopening, review  # noqa: PLC0415 - HTTP

    with opened(config) as store:
        label = _to_decide(store, text, verb, config).label
    around = Surroundings(budget_class="operator")
    with connect(config, f"hold {verb}", Options(), around) as conn:
        try:
            find_hold = reopening.find_ended if verb == "reopen" else review.find
            hold = find_hold(conn, label)
            if verb == "approve":
                review.refuse_at_once(conn, hold)
            question = _question(conn.store, verb, hold, config)
            reason = ask(_seen(conn.store, hold, config), question)
            decision = review.Decision(hold, actor(), reason)
            if verb == "assign":
                meaning = review.assign(conn, decision, to)
            else:
                acts = {"approve": review.approve, "ignore": review.ignore}
                meaning = acts.get(verb, reopening.reopen)(conn, decision)
        except BcssError as error:
            conn.report.errors.append(error)
            raise
        finally:
            finish(conn)
    done = DONE[verb]
    data = {"id": hold.label, "decision": done, "meaning": meaning, "exit_code": int(Exit.DONE)}
    return Answer(data, [f"{hold.label} {done}: {printable(meaning)}"])


def _seen(store: Store, hold: Hold, config: Config) -> list[Block]:
    from bcss.cli import card  # noqa: PLC0415 - brings the mapping
    from bcss.cli.figures import order_blocks, orders_of  # noqa: PLC0415

    hold = priced(hold, config)
    unit = card.unit_of(store, hold, config)
    proposed = card.correction(store, hold, unit, config)
    paper = card.paper(store, unit, config)
    blocks = card.head(store, hold, config, store.clock.now())
    orders = orders_of(store, hold, unit, config) if hold.closed_at is None else []
    return [*blocks, *order_blocks(orders), *_figures(proposed, paper, config)]


def _question(store: Store, verb: Verb, hold: Hold, config: Config) -> str:
    """Name what is decided about, so that a wrong number shows, and what comes of it."""
    from bcss.cli import card  # noqa: PLC0415 - brings the mapping

    hold = priced(hold, config)
    about = f"order {hold.order_number}" if hold.order_number else hold.subject
    amount = f", {show(hold.amount, hold.currency)}" if hold.amount is not None else ""
    if verb == "approve" and (books := card.draft_total(hold)):
        amount = f", books {books}"
    asked = f"{verb.capitalize()} {hold.label} ({about}{amount})"
    if verb != "ignore":
        return printable(f"{asked}?")
    return printable(f"{asked}: {card.ignoring(store, hold, config)} Go on?")
