"""The readers accept the bodies that ShipStation sends.

The samples are built from shipstation.md §1.4, §2 to §9 and §18: member names, order, types and
oddities as documented or recorded; all names and values are invented.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcss import wire
from bcss.clock import calendar_date
from bcss.reply import Reply, Verdict, verdict_of
from bcss.shipstation.answers import THROTTLED, explain, page_of
from bcss.shipstation.records import (
    UnreadableRecord,
    read_carrier,
    read_fulfillment,
    read_order,
    read_order_result,
    read_product,
    read_service,
    read_shipment,
    read_store,
    read_webhook,
)

SAMPLES = Path(__file__).parent.parent / "samples" / "shipstation"
NEW_YORK = ZoneInfo("America/New_York")


def load(name: str) -> Any:
    return wire.parse((SAMPLES / f"{name}.json").read_bytes())


def reply(name: str, status: int = 200) -> Reply:
    kind = "text/html" if name.endswith(".html") else "application/json"
    path = SAMPLES / (name if "." in name else f"{name}.json")
    return Reply(status, {"content-type": kind}, path.read_bytes())


# Orders -----------------------------------------------------------------------------------------


def test_open_order() -> None:
    order = read_order(load("order_open"))
    assert (order.order_id, order.order_number) == (3000000101, "100234")
    assert order.order_key.startswith("manual-")
    assert (order.status, order.store_id, order.warehouse_id) == (
        "awaiting_shipment",
        80001,
        70001,
    )
    assert order.modify_date.earliest == datetime(2026, 11, 18, 17, 20, 14, 87000, UTC)
    assert order.modify_date.earliest == order.modify_date.latest
    (item,) = order.items
    assert (item.sku, item.quantity, item.unit_price) == ("GIFT-24", Decimal(2), Decimal("19.95"))
    assert (order.ship_to.city, order.ship_to.postal_code) == ("TESTVILLE", "75001-0001")
    assert (order.parent_id, order.merged_ids, order.externally_fulfilled) == (None, (), False)


def test_shipped_order_with_a_discount_line_adds_up() -> None:
    """orderTotal = lines with negative adjustments + order tax + order shipping (§2.9)."""
    order = read_order(load("order_shipped_discount"))
    desk, coupon = order.items
    assert (desk.adjustment, coupon.adjustment) == (False, True)
    assert (coupon.unit_price, coupon.line_item_key) == (Decimal("-10.0"), "discount")
    assert desk.name == " Desk"
    lines = sum(item.quantity * item.unit_price for item in order.items)
    assert lines + order.tax_amount + order.shipping_amount == order.order_total == Decimal("104.5")


def test_split_pair_shares_a_key_and_the_parent_keeps_the_money() -> None:
    parent, child = (read_order(row) for row in load("orders_split_pair")["orders"])
    assert parent.order_key == child.order_key
    assert (parent.merged_ids, parent.parent_id) == ((child.order_id,), None)
    assert (child.merged_ids, child.parent_id) == ((), parent.order_id)
    assert (parent.order_total, child.order_total) == (Decimal("61.2"), Decimal(0))


def test_page_of_orders() -> None:
    page = page_of(reply("orders_page"), "orders")
    orders = [read_order(row) for row in page.rows]
    assert page.total == 4
    assert orders[1].merged_ids == (3000000121, 3000000122)
    amazon = orders[3]
    assert amazon.externally_fulfilled
    assert amazon.externally_fulfilled_by == "Fulfilled by Amazon"
    assert (amazon.warehouse_id, amazon.items, amazon.ship_to.country) == (None, (), "")


def test_empty_page() -> None:
    assert page_of(reply("orders_empty"), "orders").rows == []


def test_answer_of_createorder_has_no_customer_and_changed_before_it_was_created() -> None:
    order = read_order(load("createorder_result"))
    assert order.create_date is not None
    assert order.modify_date.earliest < order.create_date.earliest


def test_results_of_createorders() -> None:
    good, bad = (read_order_result(row) for row in load("createorders_result")["results"])
    assert (good.order_id, good.success, good.error) == (3000000107, True, "")
    assert (bad.order_id, bad.success, bad.order_key) == (None, False, "bc-acme-100242")
    assert bad.error == "Ship To: Postal Code must be provided."


# Shipments and fulfillments ---------------------------------------------------------------------


def test_shipments() -> None:
    page = page_of(reply("shipments"), "shipments")
    assert page.rows[-1] is None
    voided, live, back, loose, split = (read_shipment(row) for row in page.rows[:-1])
    assert [one.voided for one in (voided, live, back)] == [True, False, False]
    assert [one.is_return for one in (voided, live, back)] == [False, False, True]
    assert (live.order_id, live.ship_date, live.store_id) == (3000000102, "2026-11-19", 80001)
    assert live.create_date.earliest == datetime(2026, 11, 19, 21, 2, 44, 637000, UTC)
    assert (loose.order_id, loose.order_number, loose.store_id) == (None, "", None)
    assert (split.order_number, split.carrier_code) == ("100240-1", "fedex")


def test_fulfillments() -> None:
    rows = page_of(reply("fulfillments"), "fulfillments").rows
    marked, provider, gone, bare = (read_fulfillment(row) for row in rows)
    assert (marked.tracking_number, marked.provider) == ("", "")
    assert calendar_date(marked.ship_date, NEW_YORK) == date(2026, 11, 19)
    assert (provider.provider, provider.tracking_number) == ("FBA", "TBA000000000001")
    assert (gone.voided, gone.tracking_number, gone.carrier_code) == (True, "", "")
    assert (bare.fulfillment_id, bare.carrier_code) == (3300000404, "FedEx")
    assert calendar_date(bare.ship_date, NEW_YORK) == date(2026, 11, 19)


# The rest ---------------------------------------------------------------------------------------


def test_products() -> None:
    page = page_of(reply("products"), "products")
    full, lazy, off = (read_product(row) for row in page.rows)
    assert (full.product_id, full.sku, full.active) == (17000001, "GIFT-24", True)
    assert full.raw["weightOz"] == Decimal(40)
    assert lazy.raw["price"] is None
    assert (off.sku, off.active) == (" BOX-3", False)
    assert page_of(reply("products_empty_but_counted"), "products").rows == []


def test_stores() -> None:
    assert [(one.store_id, one.active) for one in map(read_store, load("stores"))] == [
        (80001, True),
        (80002, True),
        (80003, False),
    ]


def test_carriers_may_share_a_code() -> None:
    carriers = [read_carrier(row) for row in load("carriers")]
    assert [one.code for one in carriers] == ["stamps_com", "ups_walleted", "ups", "ups"]
    assert [one.nickname for one in carriers[2:]] == ["Own account", "Second account"]
    services = [read_service(row) for row in load("carrier_services")]
    assert [(one.carrier_code, one.code) for one in services] == [
        ("ups_walleted", "ups_ground"),
        ("ups_walleted", "ups_worldwide_saver"),
    ]


def test_webhooks() -> None:
    hooks = [read_webhook(row) for row in load("webhooks")["webhooks"]]
    assert [(one.hook_id, one.event, one.store_id, one.active) for one in hooks] == [
        (123001, "ORDER_NOTIFY", None, True),
        (123002, "SHIP_NOTIFY", 80001, True),
        (123003, "FULFILLMENT_SHIPPED", None, False),
    ]


# Errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status", "verdict", "message"),
    [
        ("error_model_state", 400, Verdict.REFUSED, "apiOrder.orderDate: Could not convert"),
        ("error_validation", 500, Verdict.REFUSED, "Ship To: Postal Code must be provided."),
        ("error_fault", 500, Verdict.UNAVAILABLE, "Object reference not set"),
        ("error_media_type", 415, Verdict.REFUSED, "No MediaTypeFormatter"),
        ("error_unauthorized", 401, Verdict.DENIED, "Unauthorized"),
        ("error_payment_required", 402, Verdict.DENIED, "Payment Required"),
        ("error_not_found", 404, Verdict.MISSING, "No HTTP resource"),
        ("error_throttled", 429, Verdict.THROTTLED, "Too Many Requests"),
        ("error_throttled", 500, Verdict.THROTTLED, "Too Many Requests"),
        ("error_throttled", 200, Verdict.THROTTLED, "Too Many Requests"),
        ("error_gateway.html", 504, Verdict.UNAVAILABLE, "an HTML page: 504 Gateway Time-out"),
        ("orders_empty", 200, Verdict.FINE, ""),
        ("product_put_result", 200, Verdict.FINE, ""),
    ],
)
def test_error_dialects(name: str, status: int, verdict: Verdict, message: str) -> None:
    problem = explain(reply(name, status))
    assert (problem.verdict or verdict_of(status)) is verdict
    assert problem.message.startswith(message)
    assert "StackTrace" not in problem.message
    assert "SS.OpenApi.Controllers" not in problem.message
    assert (problem.code == THROTTLED) == (verdict is Verdict.THROTTLED)


def test_every_sample_is_used_and_invents_its_people() -> None:
    used = Path(__file__).read_text() + "".join(
        path.read_text() for path in Path(__file__).parent.glob("test_*.py")
    )
    for path in SAMPLES.iterdir():
        assert f'"{path.stem}' in used
        text = path.read_text()
        assert "@" not in text.replace("@example.test", "")


# Hostile rows -----------------------------------------------------------------------------------

READERS: list[tuple[str, Callable[[object], object]]] = [
    ("order_open", read_order),
    ("order_shipped_discount", read_order),
    ("shipments", read_shipment),
    ("fulfillments", read_fulfillment),
    ("products", read_product),
    ("stores", read_store),
    ("carriers", read_carrier),
    ("webhooks", read_webhook),
]
RUBBISH = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**39), 10**39)
    | st.decimals(allow_nan=True, allow_infinity=True)
    | st.text(max_size=12)
    | st.sampled_from(["0001-01-01T00:00:00", "9999-12-31T23:59:59.9999999", "2026-02-30", "NaN"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


def sample_row(name: str) -> dict[str, Any]:
    value = load(name)
    rows = value if isinstance(value, list) else value.get(name, [value])
    return dict(rows[0])


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_wrong_value_anywhere_is_unreadable_or_harmless(data: st.DataObject) -> None:
    """No value that JSON can carry makes a reader fail in any other way."""
    name, read = data.draw(st.sampled_from(READERS))
    row = sample_row(name)
    field = data.draw(st.sampled_from(sorted(row)))
    rubbish = data.draw(RUBBISH)
    if isinstance(row[field], dict) and row[field] and data.draw(st.booleans()):
        inner = data.draw(st.sampled_from(sorted(row[field])))
        row[field] = {**row[field], inner: rubbish}
    elif isinstance(row[field], list) and row[field] and isinstance(row[field][0], dict):
        inner = data.draw(st.sampled_from(sorted(row[field][0])))
        row[field] = [{**row[field][0], inner: rubbish}]
    else:
        row[field] = rubbish
    with suppress(UnreadableRecord):
        read(row)


@pytest.mark.parametrize(
    "field", ["orderId", "orderTotal", "modifyDate", "orderStatus", "advancedOptions", "items"]
)
@pytest.mark.parametrize("value", ["soon", [7], {"a": 1}, True, Decimal("1.5")])
def test_what_a_booking_rests_on_is_never_guessed(field: str, value: Any) -> None:
    row = load("order_open")
    row[field] = value
    if field == "orderTotal" and value == Decimal("1.5"):
        assert read_order(row).order_total == Decimal("1.5")
        return
    if field == "orderStatus" and isinstance(value, str | Decimal):
        assert read_order(row).status == str(value)
        return
    if field == "advancedOptions" and isinstance(value, dict):
        assert read_order(row).store_id is None
        return
    with pytest.raises(UnreadableRecord) as caught:
        read_order(row)
    assert caught.value.field == field
