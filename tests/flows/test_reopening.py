"""What a person decided is taken back, until something else has acted on it."""

from dataclasses import replace
from pathlib import Path

import pytest

from bcss.config.schema import ItemAlias
from bcss.errors import FixConfig
from bcss.flows.reopening import find_ended
from bcss.units import State
from tests.flows.clerk import (
    LEFT_OUT,
    NUMBER,
    booked,
    decide,
    disputed,
    replayed,
    stops,
    trail,
    unknown_sku,
)
from tests.flows.stage import balance
from tests.rig import STORE


def test_an_ignored_order_is_named_by_replay_and_taken_back_by_reopening(tmp_path: Path) -> None:
    stage = unknown_sku(tmp_path)
    (hold,) = stage.holds()
    assert decide(stage, "ignore", hold, "a test") == f"SO-1001 (7.00 USD) {LEFT_OUT.format(1)}"

    (told,) = replayed(stage, NUMBER)
    assert told == (
        'SO-1001 was ignored by clerk on 2026-03-10 and is not tried again (H-0001: "a test"). '
        'bcss hold reopen 1 --note "why" takes that back.'
    )
    assert stage.unit(NUMBER).state is State.DROPPED
    decide(stage, "reopen", hold)
    assert [one.label for one in stage.holds()] == ["H-0001"]
    stage.run()
    assert [(one.label, one.since) for one in stage.holds()] == [("H-0001", hold.since)]
    assert any("reopened H-0001" in text for text in trail(stage, NUMBER))
    orders = stage.rig.config.orders
    known = replace(orders, skus={"MYSTERY": ItemAlias("ITEM-24")})
    stage.rig.config = replace(stage.rig.config, orders=known)
    stage.run()
    assert (len(stage.posted), stage.holds()) == (1, [])


def test_a_correction_that_was_ignored_or_approved_by_mistake_is_taken_back(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    stage.reprice(NUMBER, "12.00")
    stage.run()
    (hold,) = stage.holds()

    for verb in ("ignore", "approve"):
        decide(stage, verb, hold)
        assert stage.holds() == []
        decide(stage, "reopen", hold)
        assert stage.run().report.credited == 0
        assert [one.label for one in stage.holds()] == ["H-0001"]

    decide(stage, "approve", hold)
    stage.run()
    with pytest.raises(FixConfig, match="bcss has acted on that since"):
        decide(stage, "reopen", hold)
    assert str(balance(stage)) == "29.50"


def test_a_disputed_total_that_is_reopened_stops_its_store_again(tmp_path: Path) -> None:
    stage = disputed(tmp_path)
    first, second = stage.holds()
    decide(stage, "ignore", first)
    decide(stage, "ignore", second)

    decide(stage, "reopen", second)

    assert list(stops(stage)) == [STORE]
    assert stage.run().report.posted == 0


def test_only_a_persons_last_decision_can_be_reopened(tmp_path: Path) -> None:
    stage = booked(tmp_path)
    stage.reprice(NUMBER, "12.00")
    stage.run()
    with stage.rig.connection() as conn, pytest.raises(FixConfig, match="H-0001 is open"):
        find_ended(conn, "H-1")
    (first,) = stage.holds()
    stage.reprice(NUMBER, "13.00")
    stage.run()

    with pytest.raises(FixConfig, match="not ended by a person's decision"):
        decide(stage, "reopen", first)

    (second,) = stage.holds()
    decide(stage, "ignore", second)
    stage.reprice(NUMBER, "14.00")
    stage.run()
    with pytest.raises(FixConfig, match="H-0002 was followed by H-0003"):
        decide(stage, "reopen", second)
