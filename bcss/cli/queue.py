"""What the `hold` commands show and do for one connection."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from bcss.cli.answer import Answer
from bcss.cli.render import Block, Table, age, printable, when
from bcss.cli.report import hold_object
from bcss.cli.state import NOTHING_YET, opened, reading
from bcss.cli.words import priced, standing
from bcss.clock import SystemClock
from bcss.config.schema import Config
from bcss.errors import BcssError, Exit, FixConfig
from bcss.holds import REASONS, Hold, Why
from bcss.money import show
from bcss.store.db import Store


def listed(config: Config) -> Answer:
    """Show everything that is held."""
    with reading(config) as store:
        holds = [priced(hold, config) for hold in store.holds.open()] if store else []
    now = SystemClock().now()
    rows = [
        [
            hold.label,
            hold.order_number or hold.subject,
            hold.why,
            age(hold.since, now),
            show(hold.amount, hold.currency) if hold.amount is not None else "",
            hold.message,
        ]
        for hold in holds
    ]
    table = Table(("hold", "order", "reason", "since", "amount", "message"), rows)
    empty = "nothing is held" if store else NOTHING_YET
    return Answer({"holds": [hold_object(hold) for hold in holds]}, [table if rows else empty])


def shown(config: Config, text: str) -> Answer:
    """Show one hold, ended ones included."""
    with opened(config) as store:
        hold = priced(_by_label(store, text), config)
        about = _about(store, hold, config)
        paper = paper_of(store, hold)
    data = {"hold": hold_object(hold), "closed_at": hold.closed_at, "about": about}
    blocks = [*card(hold), *([printable(about)] if about else []), *_paper_blocks(paper)]
    return Answer({**data, "document": paper}, blocks)


def paper_of(store: Store, hold: Hold) -> dict[str, Any] | None:
    """Return the document that a hold is about, as far as there is one."""
    from bcss.cli.papers import document_object, names_of  # noqa: PLC0415 - brings the mapping

    kind, _, number = hold.subject.partition(":")
    unit = store.units.get(int(number)) if kind == "unit" else None
    if unit is None or unit.draft is None:
        return None
    return document_object(store, unit, unit.draft, names_of(store), unit.bc_total)


def _paper_blocks(paper: Mapping[str, Any] | None) -> list[Block]:
    from bcss.cli.papers import document_blocks  # noqa: PLC0415 - brings the mapping

    return document_blocks(paper) if paper else []


def _by_label(store: Store, text: str) -> Hold:
    number = text.strip().upper().removeprefix("H-")
    hold = store.holds.by_number(int(number)) if number.isdecimal() else None
    if hold is None:
        raise FixConfig(f"There is no hold {text!r}.", hint="bcss hold list shows them.")
    return hold


def _about(store: Store, hold: Hold, config: Config) -> str:
    kind, _, number = hold.subject.partition(":")
    if kind != "unit":
        return ""
    unit = store.units.get(int(number))
    return standing(unit, None, config.business_central.time_zone)


def card(hold: Hold) -> list[Block]:
    """Show a hold as a person reads it before deciding."""
    order = f"order {hold.order_number} " if hold.order_number else f"{hold.subject} "
    amount = f"({show(hold.amount, hold.currency)}) " if hold.amount is not None else ""
    ended = f", ended {when(hold.closed_at)}" if hold.closed_at else ""
    reason = REASONS[Why(hold.why)]
    return [
        f"{hold.label} {printable(order)}{amount}held since {when(hold.since)}{ended}",
        f"reason: {hold.why} (ends by {hold.release})",
        f"message: {printable(hold.message)}",
        *([f"assigned to: {printable(hold.assigned)}"] if hold.assigned else []),
        f"next step: {reason.next_step}",
        f"approving: {reason.approving}",
    ]


def decided(
    config: Config,
    verb: Literal["approve", "ignore", "assign"],
    text: str,
    ask: Callable[[list[Block]], str],
    to: str = "",
) -> Answer:
    """Show a hold, take the decision, and carry it out; `to` is the person it is assigned."""
    from bcss.app import Options, Surroundings, actor, connect, finish  # noqa: PLC0415 - HTTP
    from bcss.flows import review  # noqa: PLC0415 - HTTP

    with opened(config):
        pass
    around = Surroundings(budget_class="operator")
    with connect(config, f"hold {verb}", Options(), around) as conn:
        try:
            hold = review.find(conn, text)
            seen = [*card(priced(hold, config)), *_paper_blocks(paper_of(conn.store, hold))]
            decision = review.Decision(hold, actor(), ask(seen))
            if verb == "assign":
                meaning = review.assign(conn, decision, to)
            else:
                act = review.approve if verb == "approve" else review.ignore
                meaning = act(conn, decision)
        except BcssError as error:
            conn.report.errors.append(error)
            raise
        finally:
            finish(conn)
    done = {"approve": "approved", "ignore": "ignored", "assign": "assigned"}[verb]
    data = {"id": hold.label, "decision": done, "meaning": meaning, "exit_code": int(Exit.DONE)}
    return Answer(data, [f"{hold.label} {done}: {printable(meaning)}"])
