"""Nothing is posted by a poll of over five minutes ago, however long its turn took (§4.4.6)."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from bcss.config.schema import DocumentKind
from bcss.errors import Exit
from bcss.flows.capture import capture
from bcss.sandbox.kit import Request
from bcss.units import State
from tests.flows.stage import Stage, balance

NUMBER = "SO-1001"
POSTING = (DocumentKind.POSTED_INVOICE, DocumentKind.SHIP_AND_INVOICE)
LONG = {"vendor": "bc", "path": "Microsoft.NAV", "do": "throttle", "retry_after": 25}


def slow_before_the_post(stage: Stage, meanwhile: Callable[[], object]) -> None:
    """Let the poll grow old before the post leaves; then it is throttled, and life goes on."""
    stage.rig.world.faults.add({**LONG, "times": 1})
    acts = {"PATCH": lambda: stage.pass_time(220), "Microsoft.NAV": meanwhile}

    def hook(vendor: str, request: Request) -> None:
        if vendor != "bc":
            return
        for name in [one for one in acts if one in f"{request.method} {request.path}"]:
            acts.pop(name)()

    stage.rig.before = hook


@pytest.mark.parametrize("kind", POSTING)
def test_a_post_that_waited_too_long_is_not_sent_before_a_new_poll(
    tmp_path: Path, kind: DocumentKind
) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=kind)
    stage.ship(NUMBER)
    slow_before_the_post(stage, lambda: stage.reprice(NUMBER, "12.00"))

    stage.run()
    assert stage.posted == []
    stage.run()

    assert balance(stage) == Decimal("29.50")
    assert (len(stage.posted), stage.holds()) == (1, [])
    assert stage.unit(NUMBER).state is State.CONFIRMED


def test_what_was_not_sent_counts_for_no_limit(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    stage.ship(NUMBER)
    slow_before_the_post(stage, lambda: stage.pass_time(70))

    summary = stage.run(max_post=1, max_amount=Decimal("25.50"))

    assert (summary.exit_code, summary.report.posted) == (Exit.DONE, 1)


def test_every_post_of_a_slow_batch_rests_on_a_fresh_poll(tmp_path: Path) -> None:
    numbers = [f"SO-{n}" for n in range(1001, 1013)]
    stage = Stage.of(tmp_path, *numbers)
    for number in numbers:
        stage.ship(number)
    polled: list[float] = []
    ages: list[float] = []

    def watch(vendor: str, request: Request) -> None:
        now = stage.rig.world.clock.now().timestamp()
        if vendor == "shipstation" and request.path.endswith("/orders"):
            polled.append(now)
        if vendor == "bc" and "Microsoft.NAV" in request.path:
            ages.append(now - polled[-1])
            stage.pass_time(50)

    stage.rig.before = watch
    for _ in range(4):
        stage.run()

    assert len(stage.posted) == len(numbers)
    assert max(ages) < 300


def test_a_poll_ages_on_either_clock(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    with stage.rig.connection() as conn:
        capture(conn)
        assert conn.is_fresh()
        assert conn.polled_on is not None
        conn.polled_on -= timedelta(minutes=5)
        assert not conn.is_fresh()
