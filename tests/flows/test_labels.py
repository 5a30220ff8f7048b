"""Label details from ShipStation V2: learnt after booking, shown to people, attached once."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcss import app
from bcss.config.schema import DocumentKind, SecretRef
from bcss.errors import Exit
from bcss.flows.labels import pull_labels
from bcss.sandbox.kit import Request
from bcss.shipstation.records import Label
from bcss.store.trail import Entry
from tests.flows.stage import Killed, Killer, Row, Stage
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


KINDS = [(kind, "shipped") for kind in DocumentKind]
KINDS += [(kind, "open") for kind in DocumentKind if kind.is_order]


@pytest.mark.parametrize(("kind", "when"), KINDS)
def test_every_kind_of_document_gets_its_pdf(tmp_path: Path, kind: DocumentKind, when: str) -> None:
    stage = staged(tmp_path, document=kind, when=when)
    run(stage)
    stage.ship(NUMBER)

    for _ in range(3):
        summary = run(stage)
        assert summary.errors == ()

    rows = stage.bc_orders if kind is DocumentKind.SALES_ORDER else stage.invoices
    (document,) = rows
    ((name, parent, size),) = files(stage)
    assert (parent, size) == (document["id"], 34)
    assert name == f"label-{shipments(stage)[0]['shipmentId']}.pdf"


def test_a_draft_that_is_replaced_gets_its_pdf_again(tmp_path: Path) -> None:
    stage = staged(tmp_path, document=DocumentKind.DRAFT_INVOICE)
    stage.ship(NUMBER)
    run(stage)
    (first,) = files(stage)
    stage.reprice(NUMBER, "12.00")

    for _ in range(3):
        run(stage)

    (draft,) = stage.invoices
    (second,) = files(stage)
    assert first[1] != second[1] == draft["id"]


def test_each_label_of_an_order_is_attached(tmp_path: Path) -> None:
    stage = staged(tmp_path)
    first = stage.ship(NUMBER)["shipmentId"]
    second = stage.ship(NUMBER)["shipmentId"]
    void = stage.ship(NUMBER)["shipmentId"]
    stage.ss("void", shipmentId=void)
    stage.ss("return_label", NUMBER)

    run(stage)

    assert [name for name, _, _ in files(stage)] == [f"label-{first}.pdf", f"label-{second}.pdf"]
    assert set(labels(stage)) == {first, second}


def test_without_the_choice_no_pdf_is_asked_for(tmp_path: Path) -> None:
    stage = staged(tmp_path, label_pdf=False)
    stage.ship(NUMBER)

    run(stage)

    assert len(labels(stage)) == 1
    assert (files(stage), asked(stage, "/v2/downloads")) == ([], 0)
    orders = replace(stage.rig.config.orders, label_pdf=True)
    stage.rig.config = replace(stage.rig.config, orders=orders)
    run(stage)
    assert asked(stage, "/v2/downloads") == 0, "chosen later: labels from then on"


def test_without_a_key_nothing_is_asked(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER, label_pdf=True)
    stage.ship(NUMBER)

    summary = run(stage)

    assert (summary.exit_code, asked(stage, "/v2")) == (Exit.DONE, 0)
    assert len(stage.posted) == 1


TROUBLE: list[tuple[dict[str, Any], Exit, str]] = [
    ({"do": "reject", "status": 500, "times": 0}, Exit.TEMPORARY, "ShipStation V2 answered 500"),
    ({"do": "throttle", "times": 0}, Exit.TEMPORARY, "ShipStation V2"),
    ({"do": "reject", "status": 400, "content": "{}", "times": 0}, Exit.TEMPORARY, "V2"),
    ({"do": "drop", "times": 0}, Exit.TEMPORARY, "ShipStation V2 did not answer"),
    ({"do": "html", "times": 0}, Exit.TEMPORARY, "ShipStation V2"),
    ({"do": "truncate", "times": 0}, Exit.TEMPORARY, "ShipStation V2"),
]


@pytest.mark.parametrize(("fault", "code", "said"), TROUBLE)
def test_trouble_in_v2_leaves_booking_alone_and_is_made_up_for(
    tmp_path: Path, fault: dict[str, Any], code: Exit, said: str
) -> None:
    numbers = [f"SO-{number}" for number in range(1001, 1005)]
    stage = staged(tmp_path, *numbers)
    for number in numbers:
        stage.ship(number)
    stage.rig.world.faults.add({"vendor": "shipstation", "path": "^/v2/", **fault})

    summary = run(stage)

    assert summary.exit_code is code
    assert said in summary.errors[0].message
    assert (len(stage.posted), summary.new_holds) == (4, ())
    stage.rig.world.faults.clear()
    stage.pass_time(1000)
    assert run(stage).exit_code is Exit.DONE
    assert len(files(stage)) == 4


@pytest.mark.parametrize("refuse", [{"keys": ["another"]}, {}])
def test_a_refused_key_is_named_and_books_everything(
    tmp_path: Path, refuse: dict[str, Any]
) -> None:
    stage = staged(tmp_path)
    stage.ship(NUMBER)
    run_parts = PARTS
    stage.pass_time(90)
    stage.rig.run(run_parts)
    v2(stage, **refuse)
    if not refuse:
        stage.rig.world.load({"shipstation": {"switches": {"refuse": 402}}})

    stage.pass_time(90)
    summary = stage.rig.run((LABELS,))

    assert (summary.exit_code, len(stage.posted)) == (Exit.DENIED, 1)
    said = str(summary.errors[0])
    assert ("shipstation.v2_api_key" in said) == bool(refuse)
    assert "booking goes on" in said.lower()


def test_a_label_that_v2_never_shows_is_asked_for_four_times(tmp_path: Path) -> None:
    stage = staged(tmp_path)
    shipment = stage.ship(NUMBER)["shipmentId"]
    v2(stage, absent=[shipment])

    for _ in range(40):
        assert run(stage).errors == ()
        stage.pass_time(10_000)

    assert asked(stage) == 4
    assert (labels(stage), files(stage)) == ({}, [])
    assert [row.status for row in story(stage)] == ["none"]
    v2(stage, absent=[])
    run(stage)
    assert asked(stage) == 4


def test_a_label_that_comes_late_is_learnt_at_the_next_look(tmp_path: Path) -> None:
    stage = staged(tmp_path)
    shipment = stage.ship(NUMBER)["shipmentId"]
    v2(stage, overlays={str(shipment): {"status": "processing"}})
    run(stage)
    v2(stage, overlays={})

    run(stage)
    assert labels(stage) == {}
    stage.pass_time(3600)
    run(stage)

    assert list(labels(stage)) == [shipment]
    assert len(files(stage)) == 1


def test_many_labels_are_read_in_pages_and_absent_ones_are_passed(tmp_path: Path) -> None:
    numbers = [f"SO-{number}" for number in range(2000, 2130)]
    stage = staged(tmp_path, *numbers, label_pdf=False)
    ids = [stage.orders[number] for number in numbers]
    sent = stage.ss("label_batch", orderIds=ids, serviceCode="ups_ground")["shipmentIds"]
    v2(stage, absent=[sent[0], sent[60]])

    summary = run(stage)

    assert (summary.errors, asked(stage)) == ((), 2)
    assert len(labels(stage)) == 128
    stage.pass_time(3600)
    run(stage)
    assert asked(stage) == 4, "what a page did not show is asked for by its number"


FILES: list[tuple[str, dict[str, Any]]] = [
    ("is not a PDF", {"content": "<html>%PDF</html>"}),
    ("is not a PDF", {"content": ""}),
    ("too great a length", {"content": "%PDF-1.4 " * 1000, "times": 1000}),
    ("answered 302", {"status": 302, "location": "http://shipstation.test/orders"}),
    ("answered 307", {"status": 307, "location": "https://evil.example/x.pdf"}),
    ("answered 403", {"status": 403}),
    ("answered 404", {"status": 404}),
]


@pytest.mark.parametrize(("reason", "file"), FILES)
def test_a_file_that_is_no_pdf_is_given_up_and_told(
    tmp_path: Path, reason: str, file: dict[str, Any]
) -> None:
    stage = staged(tmp_path)
    shipment = stage.ship(NUMBER)["shipmentId"]
    v2(stage, files={str(shipment): file})

    summary = run(stage)

    assert (summary.errors, summary.exit_code, files(stage)) == ((), Exit.DONE, [])
    assert len(stage.posted) == 1
    (note,) = summary.report.notes
    assert note.startswith(f"{NUMBER}: label-{shipment}.pdf is not attached: ")
    assert reason in note
    assert run(stage).report.notes == []
    assert asked(stage, "/v2/downloads") == 1


def test_a_file_is_fetched_without_the_key(tmp_path: Path) -> None:
    stage = staged(tmp_path)
    stage.ship(NUMBER)
    seen: list[Request] = []
    stage.rig.before = lambda vendor, request: seen.append(request)

    run(stage)

    (fetched,) = [one for one in seen if one.path.startswith("/v2/downloads")]
    assert not {"api-key", "authorization"} & fetched.headers.keys()
    (listed,) = [one for one in seen if one.path.startswith("/v2/labels")]
    assert listed.headers["api-key"] == "sandbox-v2-key"


def test_an_address_elsewhere_is_never_asked(tmp_path: Path) -> None:
    stage = staged(tmp_path)
    shipment = stage.ship(NUMBER)["shipmentId"]
    v2(
        stage,
        overlays={
            str(shipment): {"label_download": {"pdf": "http://169.254.169.254/v2/downloads/a"}}
        },
    )

    summary = run(stage)

    assert summary.errors == ()
    assert labels(stage)[shipment].pdf_url == ""
    assert labels(stage)[shipment].cost == Decimal("8.21")
    assert files(stage) == []


@pytest.mark.parametrize("do", ["drop", "error_after", "truncate", "late"])
@pytest.mark.parametrize("path", ["documentAttachments$", "attachmentContent$"])
@pytest.mark.parametrize("kind", [DocumentKind.POSTED_INVOICE, DocumentKind.SALES_ORDER])
def test_a_lost_answer_attaches_the_pdf_once(
    tmp_path: Path, do: str, path: str, kind: DocumentKind
) -> None:
    stage = staged(tmp_path, document=kind)
    stage.ship(NUMBER)
    late = {"after": 700} if do == "late" else {}
    method = "POST" if path.startswith("doc") else "PATCH"
    stage.rig.world.faults.add({"vendor": "bc", "path": path, "method": method, "do": do, **late})

    for _ in range(6):
        run(stage)
        stage.pass_time(400)

    assert [size for _, _, size in files(stage)] == [34]
    assert stage.holds() == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("settle", [timedelta(0), timedelta(minutes=20)])
def test_dying_at_either_call_attaches_the_pdf_once(
    tmp_path: Path, when: str, at: int, settle: timedelta
) -> None:
    stage = staged(tmp_path, settle=settle)
    stage.ship(NUMBER)
    stage.pass_time(90)
    stage.rig.run(PARTS)
    Killer(at, when).install(stage.rig)
    with pytest.raises(Killed):
        run(stage)
    stage.rig.before = stage.rig.after = None

    for _ in range(3):
        run(stage)
        stage.pass_time(settle.total_seconds() + 1)

    assert [size for _, _, size in files(stage)] == [34]


def test_dying_between_answer_and_memory_attaches_the_pdf_once(tmp_path: Path) -> None:
    stage = staged(tmp_path)
    stage.ship(NUMBER)
    run(stage)
    with stage.rig.connection() as conn, conn.store.write():
        conn.store.connection.execute("UPDATE label SET attached = ''")

    run(stage)

    assert len(files(stage)) == 1
    with stage.rig.connection() as conn:
        left = conn.store.labels.missing_files(conn.now() - timedelta(days=1), conn.now(), 10)
        assert left == []


def test_tracking_that_comes_after_posting_waits_for_a_create_in_doubt(tmp_path: Path) -> None:
    stage = staged(tmp_path, label_pdf=False)
    stage.ship(NUMBER)
    run(stage)
    stage.ship(NUMBER)
    fault = {"vendor": "bc", "path": "documentAttachments$", "method": "POST", "do": "late"}
    stage.rig.world.faults.add({**fault, "after": 900})

    for _ in range(5):
        run(stage)
        stage.pass_time(400)

    names = [row["fileName"] for row in stage.rows("documentAttachments")]
    assert names == [f"tracking-{shipments(stage)[1]['shipmentId']}.txt"]


def test_a_document_that_takes_no_file_is_tried_four_times(tmp_path: Path) -> None:
    stage = staged(tmp_path)
    stage.ship(NUMBER)
    content = '{"error": {"code": "Internal_Refused", "message": "Not here."}}'
    fault = {"vendor": "bc", "path": "documentAttachments$", "method": "POST", "do": "reject"}
    stage.rig.world.faults.add({**fault, "status": 400, "content": content, "times": 0})

    for _ in range(40):
        assert run(stage).errors == ()
        stage.pass_time(10_000)

    assert files(stage) == []
    calls = [call.request for call in stage.rig.world.log.calls("bc")]
    tried = [one for one in calls if one.path.endswith("/documentAttachments")]
    assert sum(one.method == "POST" for one in tried) == 4


def test_two_hundred_calls_a_minute_are_never_exceeded(tmp_path: Path) -> None:
    stage = staged(tmp_path)
    with stage.rig.connection() as conn:
        begun = conn.clock.monotonic()
        for number in range(450):
            conn.labels.label(number)
        took = conn.clock.monotonic() - begun

    calls = stage.rig.world.log.calls("shipstation")
    assert {call.status for call in calls} == {404}
    assert 120 <= took <= 240
