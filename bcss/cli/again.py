"""What `replay` and `rebuild` do for one connection."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from bcss.app import Surroundings, rebuild, run
from bcss.cli.answer import Answer
from bcss.cli.options import Common, RunLimits
from bcss.cli.render import Block, Table
from bcss.cli.report import Said, hold_object, report_run
from bcss.cli.scratch import scratch_connection
from bcss.cli.sync import options_of
from bcss.config.schema import Config
from bcss.errors import FixConfig
from bcss.flows.replay import Choice, Chosen, choose
from bcss.flows.replay import replay as replay_flow
from bcss.holds import Why


def choice_of(
    failed: bool,
    orders: Sequence[str] | None,
    reasons: Sequence[str] | None,
    since: str,
    run_id: int | None,
    captured: bool,
) -> Choice:
    """Read what a person named; raise FixConfig for a reason or a time that is none."""
    for reason in reasons or ():
        if reason not in set(Why):
            known = ", ".join(sorted(Why))
            raise FixConfig(f"{reason!r} is no reason for a hold.", hint=f"Reasons: {known}.")
    when = instant(since) if since else None
    return Choice(failed, tuple(orders or ()), tuple(reasons or ()), when, run_id, captured)


def instant(text: str) -> datetime:
    """Read a date or a time as people write it; without a zone it is this host's.

    Raise FixConfig when it is none.
    """
    from dateutil import parser  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415

    try:
        return parser.parse(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise FixConfig(f"--since: expected a date or time, got {text!r}.") from None


def replayed(config: Config, choice: Choice, common: Common, limits: RunLimits) -> Answer:
    """Try the chosen records again, or show which they are."""
    if limits.dry_run:
        return _rehearsed(config, choice)
    parts = [("replay", lambda conn: replay_flow(conn, choice))]
    around = Surroundings(budget_class="operator")
    summary = run(config, "replay", parts, options_of(limits), around)
    return report_run(summary, "replay", config.name, common, Said(list(summary.report.notes)))


def rebuilt(config: Config, since: datetime, common: Common) -> Answer:
    """Build the state database again."""
    summary = rebuild(config, since, Surroundings(budget_class="operator"))
    return report_run(summary, "rebuild", config.name, common, Said(list(summary.report.notes)))


def _rehearsed(config: Config, choice: Choice) -> Answer:
    with scratch_connection(config, "replay") as conn:
        chosen = choose(conn, choice)
    return Answer(_chosen_object(chosen), _chosen_blocks(chosen))


def _chosen_object(chosen: Chosen) -> dict[str, Any]:
    return {
        "orders": [unit.order_number for unit in chosen.units],
        "holds": [hold_object(hold) for hold in chosen.holds],
        "left": [hold_object(hold) for hold in chosen.left],
        "exit_code": 0,
    }


def _chosen_blocks(chosen: Chosen) -> list[Block]:
    rows = [[unit.order_number, str(unit.state), unit.held] for unit in chosen.units]
    return [Table(("would be tried again", "state", "held"), rows)] if rows else ["nothing"]
