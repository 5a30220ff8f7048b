"""Label details from ShipStation V2: learnt after booking, shown to people, attached once."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from bcss import app
from bcss.config.schema import SecretRef
from bcss.errors import Exit
from bcss.flows.labels import pull_labels
from bcss.shipstation.records import Label
from bcss.store.trail import Entry
from tests.flows.stage import Row, Stage
from tests.mount import SHIPSTATION_URL
from tests.rig import PARTS

NUMBER = "SO-1001"
LABELS: app.Part = ("labels", pull_labels)
KEY = SecretRef("env", "BCSS_TEST_V2", "shipstation.v2_api_key", "test")


def staged(folder: Path, *numbers: str, **orders: Any) -> Stage:
    """Return a stage whose connection has a V2 key."""
    stage = Stage.of(folder, *(numbers or (NUMBER,)), **{"label_pdf": True, **orders})
    config = stage.rig.config
    v2 = replace(config.shipstation, v2_api_key=KEY, v2_api_url=SHIPSTATION_URL)
    stage.rig.config = replace(config, shipstation=v2)
    return stage


def run(stage: Stage, **options: Any) -> app.Summary:
    """Run everything a little later, labels last."""
    stage.pass_time(90)
    return stage.rig.run((*PARTS, LABELS), **options)


def labels(stage: Stage) -> dict[int, Label]:
    with stage.rig.connection() as conn:
        return conn.store.labels.of(row["shipmentId"] for row in shipments(stage))


def shipments(stage: Stage) -> list[Row]:
    found: list[Row] = stage.rig.world.shipstation.state()["shipments"]
    return found


def v2(stage: Stage, **settings: Any) -> None:
    stage.rig.world.load({"shipstation": {"v2": settings}})


def files(stage: Stage) -> list[tuple[str, str, int]]:
    """Return name, parent and size of every label that is attached."""
    return sorted(
        (row["fileName"], row["parentId"], row["byteSize"])
        for row in stage.rows("documentAttachments")
        if row["fileName"].startswith("label-")
    )


def asked(stage: Stage, path: str = "/v2/labels") -> int:
    calls = stage.rig.world.log.calls("shipstation")
    return sum(call.request.path.startswith(path) for call in calls)


def story(stage: Stage, number: str = NUMBER) -> list[Entry]:
    with stage.rig.connection() as conn:
        rows = conn.store.trail.of([f"order:{stage.orders[number]}"])
    return [row for row in rows if row.flow == "labels"]


def test_url_and_cost_are_learnt_after_posting_and_the_pdf_is_attached_once(
    tmp_path: Path,
) -> None:
    stage = staged(tmp_path)
    shipment = stage.ship(NUMBER, fields={"shipmentCost": Decimal("8.10")})["shipmentId"]

    summary = run(stage)

    assert (summary.errors, summary.exit_code) == ((), Exit.DONE)
    (label,) = labels(stage).values()
    assert (label.cost, label.currency, label.voided) == (Decimal("8.10"), "USD", False)
    assert label.tracking_url == f"https://track.example.com/?number=1Z999AA1{shipment}"
    (posted,) = stage.posted
    assert files(stage) == [(f"label-{shipment}.pdf", posted["id"], 34)]
    (told,) = story(stage)
    assert told.summary == f"label se-{shipment} cost 8.10 USD {label.tracking_url}"
    before = len(stage.rig.world.log)
    again = run(stage)
    assert "shipstation_v2" not in again.requests
    assert len(files(stage)) == 1
    assert len(stage.rig.world.log) - before <= 10
