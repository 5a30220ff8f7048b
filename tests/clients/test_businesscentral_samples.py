"""The readers accept the bodies that Business Central sends.

The samples are built from business-central.md §2, §3.4, §4.10, §5.6 and §7, with every field of
the entity in the order of its page; all names and values are invented.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from bcss import wire
from bcss.businesscentral import read
from bcss.businesscentral.read import BLANK_TIME, UnreadableAnswer
from bcss.businesscentral.records import DocumentSet, ItemDetail
from tests.clients.bc_script import SAMPLES

INVOICES, ORDERS = DocumentSet.INVOICES, DocumentSet.ORDERS


def load(name: str) -> Any:
    return wire.parse((SAMPLES / f"{name}.json").read_bytes())


def test_draft_invoice() -> None:
    found = read.read_document(INVOICES, load("sales_invoice_draft"))
    assert (found.number, found.status, found.reference) == (
        "S-INV102201",
        "Draft",
        "BX-100234-AB2CD3EF4GH5IJ",
    )
    assert found.id == "00000051-5a1c-f011-9af4-6045bdc8a051"
    assert found.etag.startswith('W/"JzE5')
    assert (found.posting_date, found.document_date) == (date(2026, 11, 19), date(2026, 11, 19))
    assert (found.order_id, found.order_number) == ("", "")
    assert (found.total_excluding_tax, found.total_tax) == (Decimal("46.4"), Decimal(0))
    assert found.total_including_tax == Decimal("46.4")
    assert found.ship_to["shipToPostCode"] == "78701"
    assert found.purchase_order_reference == "100234"
    assert not found.prices_include_tax


def test_lines_of_a_draft_invoice() -> None:
    item, freight, comment = read.read_document(INVOICES, load("sales_invoice_draft")).lines
    assert (item.line_type, item.object_number, item.unit_of_measure) == ("Item", "ITEM-24", "PCS")
    assert (item.quantity, item.unit_price) == (Decimal(2), Decimal("19.95"))
    assert item.location_id == "00000090-5a1c-f011-9af4-6045bdc8a090"
    assert item.variant_id == ""
    assert (freight.line_type, freight.object_number) == ("Account", "40500")
    assert (comment.line_type, comment.sequence) == ("Comment", 30000)
    assert comment.description.endswith("(bcss 7f3a91-1)")


def test_posted_invoice_and_invoice_of_an_order() -> None:
    posted = read.read_document(INVOICES, load("sales_invoice_posted"))
    assert (posted.number, posted.status) == ("PS-INV103044", "Open")
    of_order = read.read_document(INVOICES, load("sales_invoice_of_order"))
    assert of_order.order_number == "S-ORD101005"
    assert of_order.order_id == "00000061-5a1c-f011-9af4-6045bdc8a061"


def test_list_of_invoices() -> None:
    found = [read.read_document(INVOICES, row) for row in load("sales_invoices_list")["value"]]
    assert [one.number for one in found] == ["S-INV102201", "PS-INV103044"]


def test_order() -> None:
    found = read.read_document(ORDERS, load("sales_order"))
    assert (found.number, found.document_date) == ("S-ORD101006", date(2026, 11, 19))
    assert found.lines[0].shipped_quantity == Decimal(0)
    assert len(found.lines) == 3


def test_what_a_create_answers() -> None:
    created = read.read_created(load("sales_invoice_draft"))
    assert (created.number, created.etag[:3]) == ("S-INV102201", 'W/"')


def test_credit_memo() -> None:
    found = read.read_credit_memo(load("sales_credit_memo"))
    assert found.invoice_id == "00000052-5a1c-f011-9af4-6045bdc8a052"
    assert (found.invoice_number, found.total_including_tax) == ("PS-INV103044", Decimal("46.4"))


def test_companies() -> None:
    first, second = (read.read_company(row) for row in load("companies")["value"])
    assert (first.name, first.system_version) == ("CRONUS USA, Inc.", "29.0.41234.0")
    assert second.name == "My Company's Test"


def test_customers() -> None:
    first, second = (read.read_customer(row) for row in load("customers_page")["value"])
    assert (first.number, first.blocked, first.currency_code) == ("WEB", "", "USD")
    assert first.last_modified == datetime(2025, 3, 5, 19, 19, 22, 273000, tzinfo=UTC)
    assert (second.blocked, second.address_line2) == ("Ship", "Suite 4")
    assert load("customers_last_page")["value"] == []


def test_items_and_variants() -> None:
    lamp, box = (read.read_item(row) for row in load("items")["value"])
    assert (lamp.number, lamp.unit_price, lamp.gtin) == (
        "ITEM-24",
        Decimal("19.95"),
        "04006381333931",
    )
    assert (box.type, box.blocked) == ("Non-Inventory", True)
    (variant,) = (read.read_item_variant(row) for row in load("item_variants")["value"])
    assert (variant.item_number, variant.code) == ("TEE", "RED")


def test_weight_is_gross_else_net_else_unknown() -> None:
    details = dict(read.read_item_detail(row) for row in load("workflow_items")["value"])
    assert details == {
        "ITEM-24": ItemDetail(Decimal("1.25"), "9405 21", "DE"),
        "GIFTBOX": ItemDetail(Decimal("0.2"), "", ""),
        "FREIGHT": ItemDetail(None, "", ""),
    }


def test_tracking_rows() -> None:
    first, second = (
        read.read_tracking_row(row) for row in load("workflow_sales_documents")["value"]
    )
    assert (first.shipping_agent, first.shipping_agent_service) == ("UPS", "GROUND")
    assert (first.tracking_number, second.tracking_number) == ("1Z0000000000000000", "")


def test_accounts_of_which_one_takes_a_sales_line() -> None:
    found = [read.read_account(row) for row in load("accounts")["value"]]
    assert [(one.number, one.usable) for one in found] == [
        ("40500", True),
        ("40000", False),
        ("40700", False),
    ]


def test_locations_and_countries() -> None:
    assert [read.read_location(row).code for row in load("locations")["value"]] == ["EAST"]
    assert [read.read_country(row) for row in load("countries_regions")["value"]] == ["US", "CA"]


def test_subscription() -> None:
    found = read.read_subscription(load("subscription"))
    assert found.id == "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
    assert found.expires == datetime(2026, 11, 23, 18, 4, 22, tzinfo=UTC)
    assert read.read_subscription(load("subscriptions")["value"][0]) == found


def test_attachment() -> None:
    found = read.read_attachment(load("document_attachment"))
    assert (found.file_name, found.size) == ("tracking-7001.txt", 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "51"),
        ("id", None),
        ("id", "00000000-0000-0000-0000-000000000000"),
        ("id", "00000051-5a1c-f011-9af4-6045bdc8a051') or (1 eq 1"),
        ("number", ""),
        ("externalDocumentNumber", None),
        ("customerNumber", 10000),
        ("totalAmountIncludingTax", "lots"),
        ("totalAmountIncludingTax", None),
        ("totalTaxAmount", True),
        ("postingDate", "19.11.2026"),
        ("postingDate", "2026-02-30"),
        ("orderId", "S-ORD101005"),
        ("pricesIncludeTax", "false"),
        ("salesInvoiceLines", None),
        ("salesInvoiceLines", [{"id": "1"}]),
        ("salesInvoiceLines@odata.nextLink", "https://bc.example.test/more"),
    ],
)
def test_a_document_that_would_mislead_is_refused(field: str, value: object) -> None:
    body = {**load("sales_invoice_draft"), field: value}
    with pytest.raises(UnreadableAnswer, match=field.partition("@")[0] + "|line"):
        read.read_document(INVOICES, body)


@pytest.mark.parametrize("field", ["quantity", "unitPrice", "discountAmount", "taxPercent"])
def test_only_a_comment_line_may_lack_amounts(field: str) -> None:
    body = load("sales_invoice_draft")
    item, _, comment = body["salesInvoiceLines"]
    comment[field] = None
    read.read_document(INVOICES, body)
    item[field] = None
    with pytest.raises(UnreadableAnswer, match=field):
        read.read_document(INVOICES, body)


def test_a_blank_date_is_none_and_unknown_fields_do_not_matter() -> None:
    body = {**load("sales_invoice_draft"), "postingDate": "0001-01-01", "brandNew": {"x": 1}}
    assert read.read_document(INVOICES, body).posting_date is None


def test_a_blank_or_absent_time_is_the_first_instant() -> None:
    row = {**load("items")["value"][0], "lastModifiedDateTime": "0001-01-01T00:00:00Z"}
    assert read.read_item(row).last_modified == BLANK_TIME
    del row["lastModifiedDateTime"]
    assert read.read_item(row).last_modified == BLANK_TIME


@pytest.mark.parametrize(
    ("read_one", "name"),
    [
        (read.read_item, "items"),
        (read.read_customer, "customers_page"),
        (read.read_account, "accounts"),
        (read.read_location, "locations"),
        (read.read_company, "companies"),
        (read.read_item_variant, "item_variants"),
        (read.read_tracking_row, "workflow_sales_documents"),
        (read.read_subscription, "subscriptions"),
    ],
)
def test_no_reader_survives_rubbish(read_one: Callable[[object], object], name: str) -> None:
    row = load(name)["value"][0]
    empty: tuple[object, ...] = ([], "text", None, 7, {})
    for rubbish in empty:
        with pytest.raises(UnreadableAnswer):
            read_one(rubbish)
    for field in row:
        try:
            read_one({**row, field: ["x"]})
        except UnreadableAnswer as problem:
            assert problem.field == field  # noqa: PT017 - either outcome is right


def test_ids_compare_whatever_their_case() -> None:
    body = load("sales_invoice_draft")
    upper = {**body, "id": body["id"].upper()}
    assert read.read_document(INVOICES, upper).id == body["id"]
