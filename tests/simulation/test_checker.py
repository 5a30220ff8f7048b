"""The judge itself: an excuse that is not so is a broken promise, and so is a stray document."""

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from tests.checker import problems
from tests.excuses import HOLDS, Acts
from tests.rig import Rig, config_for, world_of

_HOLD = (
    "INSERT INTO hold (subject, why, release, since, message, order_number, order_key, "
    "currency, content, run_id) VALUES ('unit:1', ?, 'person', '', '', ?, '', '', '', 1)"
)


def _booked(folder: Path) -> tuple[Rig, str]:
    world, _ = world_of(1)
    rig = Rig(world, config_for(folder, start=date(2026, 3, 1)), folder)
    rig.run()
    (order,) = world.shipstation.state()["orders"]
    return rig, order["orderNumber"]


def _write(rig: Rig, statement: str, *values: str) -> None:
    with closing(sqlite3.connect(rig.config.state.path)) as conn, conn:
        conn.execute(statement, values)


@pytest.mark.parametrize("why", [*HOLDS, "unmapped_charge"])
def test_nothing_excuses_an_order_that_is_booked_as_it_is(why: str, tmp_path: Path) -> None:
    rig, number = _booked(tmp_path)
    assert problems(rig.world, rig.config.state.path) == []

    _write(rig, _HOLD, why, number)

    found = problems(rig.world, rig.config.state.path)
    expected = [] if why == "draft_after_failed_post" else [f"held for {why}, which is not so"]
    assert [one.removeprefix(f"I2 {number}: ") for one in found] == expected  # a post was tried


def test_what_people_did_is_an_excuse(tmp_path: Path) -> None:
    rig, number = _booked(tmp_path)
    _write(rig, _HOLD, "bc_draft_edited", number)

    acts = Acts(edited={number})

    assert problems(rig.world, rig.config.state.path, acts=acts) == []


def test_a_wait_that_time_has_ended_is_reported(tmp_path: Path) -> None:
    rig, number = _booked(tmp_path)

    _write(rig, "UPDATE unit SET waiting = 'settle'")

    found = problems(rig.world, rig.config.state.path)
    assert found == [f"I2 {number}: waits for settle, which is not so"]


def test_a_document_of_no_order_is_reported_unless_it_is_a_persons(tmp_path: Path) -> None:
    rig, _ = _booked(tmp_path)
    line = {"lineType": "Account", "lineObjectNumber": "40500", "quantity": 1, "unitPrice": 17}
    body = {
        "customerNumber": "WEB",
        "externalDocumentNumber": "SO-999",
        "salesInvoiceLines": [line],
    }
    made = rig.world.bc.run({"action": "create_by_person", "body": body})["id"]

    found = problems(rig.world, rig.config.state.path)

    assert found == ["I2 SO-999: a document that no order accounts for"]
    assert problems(rig.world, rig.config.state.path, foreign={made}) == []
    vanished = Acts(vanished={"SO-999"})
    assert problems(rig.world, rig.config.state.path, acts=vanished) == []
