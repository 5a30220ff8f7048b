"""The flows of one run do not stand in each other's way."""

from datetime import date
from pathlib import Path

from bcss.errors import Exit
from bcss.flows.items import push_items
from tests.checker import problems
from tests.rig import PARTS, Rig, config_for, world_of


def test_orders_are_posted_though_shipstation_refuses_its_products(tmp_path: Path) -> None:
    world, _ = world_of(12)
    rig = Rig(world, config_for(tmp_path, start=date(2026, 3, 1)), tmp_path)
    storm = {"vendor": "shipstation", "path": "/products", "do": "reject", "status": 500}
    world.faults.add({**storm, "every": 1, "times": 50})

    summary = rig.run((("push-items", push_items), *PARTS))

    assert [type(error).__name__ for error in summary.errors] == ["RetryLater"]
    assert summary.exit_code is Exit.TEMPORARY
    assert summary.report.posted > 0
    assert problems(world, rig.config.state.path) == []
