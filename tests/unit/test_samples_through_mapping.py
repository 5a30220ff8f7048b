"""Official sample bodies of both vendors pass through readers and mapping (issue 2, point 3)."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bcss import wire
from bcss.booking.body import differences, render
from bcss.booking.judge import check_draft
from bcss.businesscentral.read import read_document
from bcss.businesscentral.records import DocumentSet
from bcss.config.schema import Agent, Items, Orders
from bcss.holds import Verdict
from bcss.mapping.amounts import lines_total
from bcss.mapping.catalog import Catalog, CatalogItem
from bcss.mapping.families import Evidence, Family
from bcss.mapping.readiness import Moment, assess
from bcss.mapping.rules import Rules
from bcss.shipstation.records import Order, read_fulfillment, read_order, read_shipment
from bcss.units import Draft, Unit
from tests.rig import store_rule

SAMPLES = Path(__file__).parent.parent / "samples"
NOW = datetime(2027, 1, 1, tzinfo=UTC)


def rows(name: str, member: str) -> list[Mapping[str, Any]]:
    body = wire.parse((SAMPLES / "shipstation" / name).read_bytes())
    return body[member] if isinstance(body, dict) and member in body else [body]


def orders() -> list[Order]:
    bodies = [
        wire.parse(path.read_bytes())
        for path in sorted((SAMPLES / "shipstation").glob("order*.json"))
    ]
    return [
        read_order(row)
        for body in bodies
        for row in body.get("orders", [body])
        if "orderId" in row and "items" in row
    ]


def rules() -> Rules:
    return Rules(
        orders=Orders(start=date(2020, 1, 1)),
        items=Items(),
        store=store_rule(location=""),
        agents={"ups_walleted": Agent("UPS", {"ups_ground": "GROUND"})},
        zone=ZoneInfo("America/New_York"),
    )


def catalog_for(order: Order) -> Catalog:
    numbers = {item.sku.strip().upper() for item in order.items}
    return Catalog(items={number: CatalogItem(number, "PCS") for number in numbers})


def shipped(order: Order) -> Family:
    """Ship an order with the sample label, which is invented like all samples."""
    label = read_shipment(
        next(row for row in rows("shipments.json", "shipments") if row and not row["voided"])
    )
    order = replace(order, status="shipped")
    evidence = Evidence((replace(label, order_id=order.order_id, is_return=False),))
    return Family(order, (order,), evidence)


@pytest.mark.parametrize("order", orders(), ids=lambda order: order.order_number)
def test_each_sample_order_becomes_a_document_to_the_cent_or_says_why_not(order: Order) -> None:
    outcome = assess(
        shipped(order), rules(), catalog_for(order), "REFERENCE-1", Moment(NOW, NOW.date(), NOW)
    )

    if isinstance(outcome, Draft):
        assert lines_total(outcome.lines, "USD") == order.order_total
    else:
        assert isinstance(outcome, Verdict), outcome
        assert outcome.message


def test_some_sample_orders_do_become_documents() -> None:
    drafts = [
        outcome
        for order in orders()
        if isinstance(
            outcome := assess(
                shipped(order), rules(), catalog_for(order), "R-1", Moment(NOW, NOW.date(), NOW)
            ),
            Draft,
        )
    ]

    assert len(drafts) >= 2


def test_the_sample_draft_of_business_central_reads_as_what_we_would_send() -> None:
    """Render a document, give it BC's shape, read it back: no field differs."""
    order = next(one for one in orders() if one.order_total > 0 and one.items)
    family = shipped(order)
    draft = assess(family, rules(), catalog_for(order), "SO-10042-X", Moment(NOW, NOW.date(), NOW))
    assert isinstance(draft, Draft)
    unit = Unit(1, "0123456789", 1, "k", 0, "n", 1, "SO-10042-X", "", draft.kind, attempt=1)
    sample = json.loads(
        (SAMPLES / "business_central" / "sales_invoice_draft.json").read_text("utf-8")
    )
    body = render(draft, unit)
    line = sample["salesInvoiceLines"][0]
    sample |= {name: value for name, value in body.items() if name != "salesInvoiceLines"}
    sample["salesInvoiceLines"] = [
        {**line, **_bare(line), **one} for one in body["salesInvoiceLines"]
    ]
    total = order.order_total
    sample |= {
        "totalAmountIncludingTax": total,
        "totalAmountExcludingTax": total,
        "totalTaxAmount": Decimal(0),
        "pricesIncludeTax": False,
    }

    document = read_document(DocumentSet.INVOICES, wire.parse(wire.dumps(sample)))

    assert differences(draft, unit, document) == []
    assert check_draft(draft, unit, document) is None


def _bare(line: Mapping[str, Any]) -> dict[str, Any]:
    zero = "00000000-0000-0000-0000-000000000000"
    blank = {"lineObjectNumber": "", "quantity": 0, "unitPrice": 0, "discountAmount": 0}
    return {**blank, "itemVariantId": zero, "locationId": zero, "totalTaxAmount": 0}


def test_sample_fulfillments_are_evidence_without_lines() -> None:
    found = [read_fulfillment(row) for row in rows("fulfillments.json", "fulfillments") if row]

    assert found
    assert all(one.order_id for one in found)
