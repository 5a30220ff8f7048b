"""A configuration that changes: what is not posted yet follows it, and nothing else moves."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcss.config.schema import IGNORED, AccountTarget, DocumentKind
from tests.flows.stage import Stage, order_row
from tests.rig import STORE

NUMBER = "SO-1001"
DAY = 86_400


def ignore_store(stage: Stage, digest: str) -> None:
    stage.configure(digest, stores={**stage.rig.config.orders.stores, STORE: IGNORED})


def with_freight(folder: Path) -> Stage:
    stage = Stage.of(folder)
    row = order_row(NUMBER, ("ITEM-24", 2, "10.00"), shippingAmount=Decimal("5.00"))
    stage.take(row)
    stage.ship(NUMBER)
    return stage


def accounts(stage: Stage) -> list[str]:
    lines = [line for row in stage.posted for line in row["lines"]]
    return [line["lineObjectNumber"] for line in lines if line["lineType"] == "Account"]


def test_drafts_follow_a_corrected_account(tmp_path: Path) -> None:
    stage = with_freight(tmp_path)
    stage.run(max_post=0)
    stage.set_rule(shipping=AccountTarget("40600"))
    stage.rig.config = replace(stage.rig.config, digest="2" * 64)

    stage.run()

    assert accounts(stage) == ["40600"]
    assert len(stage.invoices) == 1


def test_drafts_follow_the_configuration_beside_an_order_that_cannot_be_planned(
    tmp_path: Path,
) -> None:
    """From one configuration to the next and back again, an unknown SKU being looked for."""
    stage = with_freight(tmp_path)
    stage.take(order_row("SO-1009", ("NOPE-1", 1, "1.00")))
    stage.ship("SO-1009")
    stage.run(max_post=0)
    for digest, account in (("2", "40600"), ("0", "40500")):
        stage.set_rule(shipping=AccountTarget(account))
        stage.rig.config = replace(stage.rig.config, digest=digest * 64)
        stage.run(max_post=0)
        (draft,) = stage.invoices
        assert account in [line["lineObjectNumber"] for line in draft["lines"]]


def test_a_create_in_doubt_follows_a_corrected_account_once_it_is_found(tmp_path: Path) -> None:
    stage = with_freight(tmp_path)
    stage.dies("after")
    stage.set_rule(shipping=AccountTarget("40600"))
    stage.rig.config = replace(stage.rig.config, digest="2" * 64)

    stage.run()
    stage.run()

    assert accounts(stage) == ["40600"]
    assert len(stage.invoices) == 1


@pytest.mark.parametrize("kind", DocumentKind)
def test_a_change_that_is_none_for_the_documents_touches_none(
    tmp_path: Path, kind: DocumentKind
) -> None:
    """Every amount comes back from the database as it went in, so that nothing is made anew."""
    orders: dict[str, Any] = {"when": "open"} if kind.is_order else {}
    stage = Stage.of(tmp_path, "SO-1002", document=kind, **orders)
    row = order_row(
        NUMBER, ("ITEM-24", 3, "10.10"), ("BOX-3", 1, "7.77"), shippingAmount=Decimal("5.00")
    )
    stage.take(row)
    stage.run(max_post=0)
    stage.ship(NUMBER)
    stage.run(max_post=0)
    before = [(row["id"], row["lines"]) for row in [*stage.invoices, *stage.bc_orders]]
    assert before

    stage.rig.config = replace(stage.rig.config, digest="2" * 64)
    stage.run(max_post=0)

    assert [(row["id"], row["lines"]) for row in [*stage.invoices, *stage.bc_orders]] == before
    assert stage.holds() == []


def test_a_draft_that_stands_by_choice_follows_a_corrected_account(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, document=DocumentKind.DRAFT_INVOICE)
    row = order_row(NUMBER, ("ITEM-24", 2, "10.00"), shippingAmount=Decimal("5.00"))
    stage.take(row)
    stage.ship(NUMBER)
    stage.run()
    stage.set_rule(shipping=AccountTarget("40600"))
    stage.rig.config = replace(stage.rig.config, digest="2" * 64)

    stage.run()
    stage.run()

    (draft,) = stage.invoices
    assert "40600" in [line["lineObjectNumber"] for line in draft["lines"]]
    assert stage.holds() == []


def test_drafts_of_a_store_that_is_ignored_now_are_taken_back(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    stage.ship(NUMBER)
    stage.run(max_post=0)

    ignore_store(stage, "2")
    stage.run()

    assert stage.invoices == []


def test_a_store_that_was_ignored_for_a_while_is_booked_again(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, NUMBER)
    stage.run()
    stores = stage.rig.config.orders.stores
    ignore_store(stage, "2")
    stage.ship(NUMBER)
    stage.run()

    stage.configure("3", stores=stores)
    stage.run()

    assert len(stage.posted) == 1


def test_what_somebody_else_sends_is_booked_once_the_store_says_so(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path)
    more = {"externallyFulfilled": True, "externallyFulfilledBy": "FBA"}
    stage.take(order_row(NUMBER, ("ITEM-24", 1, "7.00"), **more))
    stage.set_rule(externally_fulfilled="ignore")
    stage.ss("edit", NUMBER, changes={"orderStatus": "shipped"})
    stage.run()
    stage.pass_time(7200)
    stage.run()
    assert stage.posted == []

    stage.set_rule(externally_fulfilled="book")
    stage.rig.config = replace(stage.rig.config, digest="2" * 64)
    stage.run()

    assert len(stage.posted) == 1


def test_an_open_sales_order_becomes_an_invoice_where_that_is_asked_for_now(
    tmp_path: Path,
) -> None:
    stage = Stage.of(tmp_path, NUMBER, document=DocumentKind.SALES_ORDER, when="open")
    stage.run()
    stage.configure("2", document=DocumentKind.POSTED_INVOICE, when="shipped")
    stage.ship(NUMBER)

    stage.run()
    stage.run()

    assert (len(stage.posted), stage.bc_orders) == (1, [])


Revive = Callable[[Stage], None]


def by_status(stage: Stage) -> None:
    """Cancel the first order, and bring it back when its key is taken."""
    stage.ss("cancel", NUMBER)
    stage.run()
    _same_key_elsewhere(stage)
    stage.ss("edit", NUMBER, changes={"orderStatus": "awaiting_shipment"})
    stage.ship(NUMBER)


def by_store(stage: Stage) -> None:
    """Connect the store anew under another id, and take the old one back later."""
    stores = stage.rig.config.orders.stores
    stage.run()
    ignore_store(stage, "2")
    stage.ss("touch", NUMBER)
    stage.run()
    _same_key_elsewhere(stage)
    stage.configure("3", stores=stores)
    stage.ship(NUMBER)


def _same_key_elsewhere(stage: Stage) -> None:
    row = order_row("SO-2001", ("ITEM-24", 1, "10.00"))
    row |= {"orderKey": f"KEY-{NUMBER}", "advancedOptions": {"storeId": 80003}}
    stage.take(row)
    stage.ship("SO-2001")
    stage.run()


@pytest.mark.parametrize("revive", [by_status, by_store])
def test_an_order_that_comes_back_when_its_reference_is_taken_is_held(
    tmp_path: Path, revive: Revive
) -> None:
    """It holds up nobody: another order is booked in the same run."""
    stage = Stage.of(tmp_path, NUMBER, "SO-1003")
    revive(stage)
    stage.ship("SO-1003")

    for _ in range(2):
        stage.pass_time(DAY)
        stage.run()

    assert [hold.why for hold in stage.holds()] == ["reference_in_use"]
    keys = sorted(row["externalDocumentNumber"] for row in stage.posted)
    assert keys == [f"KEY-{NUMBER}", "KEY-SO-1003"]
