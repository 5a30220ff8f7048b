"""The exact document on paper, as `plan` and `hold show` print it."""

from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bcss.cli.options import RunLimits
from bcss.cli.papers import document_blocks, document_object, names_of
from bcss.cli.preview import _forecast
from bcss.cli.render import Table, aligned
from bcss.cli.words import standing
from bcss.config.schema import DocumentKind
from bcss.flows.capture import capture
from bcss.flows.planning import plan
from tests.cli.rig import Shop
from tests.flows.stage import Stage, order_row

NUMBER = "SO-1001"
ZONE = ZoneInfo("America/New_York")


def paper(stage: Stage) -> tuple[dict[str, Any], str]:
    """Capture and plan, write nothing anywhere else, and print what would be made."""
    stage.pass_time(90)
    with stage.rig.connection() as conn:
        capture(conn)
        plan(conn)
        (unit,) = conn.store.units.of_orders([stage.orders[NUMBER]])
        assert unit.draft is not None
        found = document_object(conn.store, unit, unit.draft, names_of(conn.store), None)
    text = [
        "\n".join(aligned(block)) if isinstance(block, Table) else block
        for block in document_blocks(found)
    ]
    return found, "\n".join(text)


def test_the_paper_shows_all_that_is_sent_and_all_that_is_not(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path)
    stage.set_rule(salesperson="JO", payment_terms="CARD", dimensions={1: "SALES", 2: "WEB"})
    row = order_row(NUMBER, ("ITEM-24", 2, "10.00"), ("TEE-RED", 1, "5.50"))
    row["shipTo"]["street2"] = "Behind the old mill, second door on the left, ring twice, wait"
    stage.take(row)
    stage.ship(NUMBER, trackingNumber="1ZTEST")

    found, text = paper(stage)

    assert found["header"] == {
        "salesperson": "JO",
        "paymentTermsId": "CARD",
        "shortcutDimension1Code": "SALES",
        "shortcutDimension2Code": "WEB",
    }
    assert found["cut"].startswith("shipToAddressLine2 cut from ")
    for told in (
        "create and post: invoice for customer WEB, posting date 2026-03-10",
        "1ZTEST by UPS GROUND",
        "document date 2026-03-10, currency USD, salesperson JO, payment terms CARD",
        "payment terms CARD, dimension 1 SALES, dimension 2 WEB",
        "ship to: Alex Example, 1 Test St, Behind the old mill",
        "does not fit: shipToAddressLine2 cut from",
        "TEE RED",
        "NONTAXABLE",
        "EAST",
        "totals: ShipStation 25.50 USD, ours 25.50 USD, Business Central known once drafted",
    ):
        assert told in text
    assert [line["location"] for line in found["lines"][:2]] == ["EAST", "EAST"]


def test_tax_that_is_not_booked_is_told_beside_the_totals(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path)
    stage.set_rule(tax="excluded")
    stage.take(order_row(NUMBER, ("ITEM-24", 2, "10.00"), taxAmount=Decimal("1.60")))
    stage.ship(NUMBER, carrierCode="unknown_carrier")

    _, text = paper(stage)

    assert "ShipStation 21.60 USD (1.60 USD of it is not booked), ours 20.00 USD," in text
    assert "(no shipping agent for unknown_carrier" in text


def test_an_order_that_is_only_open_is_not_said_to_have_shipped(tmp_path: Path) -> None:
    kind = DocumentKind.SHIP_AND_INVOICE
    stage = Stage.of(tmp_path, NUMBER, document=kind, when="open")

    _, text = paper(stage)

    assert f"{NUMBER}: create: sales order for customer WEB" in text
    with stage.rig.connection() as conn:
        units = conn.store.units.of_orders([stage.orders[NUMBER]])
        assert standing(units[0], None, ZONE).startswith("It has not shipped yet; the next run")
        forecast = _forecast(conn, units, RunLimits())
    assert (forecast.create, forecast.post) == (1, 0)

    stage.ship(NUMBER)
    paper(stage)
    assert standing(stage.unit(NUMBER), None, ZONE).startswith("It has shipped")


def test_a_hold_is_shown_with_its_document(shop: Shop) -> None:
    shop.world.run("bc", {"action": "set", "switches": {"allow_posting_from": "2099-01-01"}})
    shop.bcss("sync", "all")
    holds = shop.bcss("hold", "list", "--json").json["holds"]
    held = next(one["id"] for one in holds if one["reason"] == "period_closed")

    ended = shop.bcss("hold", "show", held)

    assert "reason: period_closed" in ended.out
    assert ": held: invoice for customer WEB" in ended.out
    assert "totals: ShipStation " in ended.out
    assert shop.bcss("hold", "show", held, "--json").json["document"]["lines"]
    unknown = next(one["id"] for one in holds if one["reason"] == "unknown_sku")
    assert shop.bcss("hold", "show", unknown, "--json").json["document"] is None
