"""Filters, order, pages and times of the lists (shipstation.md §1.5, §2.2, §3.1, §4, §10)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.sandbox.shipstation_rig import NOON, Rig


def test_an_order_has_the_recorded_members_and_times() -> None:
    rig = Rig(datetime(2026, 3, 2, 20, 0, 0, 343999, tzinfo=UTC))
    order = rig.get(f"/orders/{rig.order(taxAmount='7.50', shippingAmount='7.00')}")
    assert order["modifyDate"] == "2026-03-02T12:00:00.3430000"
    assert order["items"][0]["createDate"] == "2026-03-02T12:00:00.343"
    assert order["orderTotal"] == 40
    assert order["orderId"] > 2**31
    assert order["items"][0]["orderItemId"] > 2**31
    assert order["advancedOptions"]["storeId"] == 80001
    assert order["shipTo"]["residential"] is None
    assert order["tagIds"] is None


def test_trimmed_times_lose_their_zeros_only() -> None:
    times = [datetime(2026, 7, 1, 17, 0, 10, micro, tzinfo=UTC) for micro in (0, 50_000, 900_000)]
    shown = []
    for at in times:
        rig = Rig(at)
        shown.append(rig.get(f"/orders/{rig.order()}")["items"][0]["createDate"])
    assert shown == ["2026-07-01T10:00:10", "2026-07-01T10:00:10.05", "2026-07-01T10:00:10.9"]


def test_the_start_of_a_window_is_inclusive_at_whole_seconds() -> None:
    rig = Rig(NOON.replace(microsecond=250_000))
    order_id = rig.order()
    for text in ("2026-03-02 12:00:00", "2026-03-02T12:00:00.9", "2026-03-02", "2026-03-02 12:00"):
        assert rig.ids("orders", modifyDateStart=text) == [order_id]
    assert rig.ids("orders", modifyDateStart="2026-03-02 12:00:01") == []
    assert rig.ids("orders", modifyDateEnd="2026-03-02 12:00:00") == []
    assert rig.ids("orders", modifyDateEnd="2026-03-02 12:00:01") == [order_id]


def test_an_offset_in_a_query_counts_only_where_switched() -> None:
    rig = Rig()
    order_id = rig.order()
    assert rig.ids("orders", modifyDateStart="2026-03-02T20:00:00Z") == [order_id]
    rig.app.load({"honour_offsets": False})
    assert rig.ids("orders", modifyDateStart="2026-03-02T20:00:00Z") == []


@pytest.mark.parametrize(
    ("autumn", "from_half_past_one"),
    [("first", ["A", "B", "C"]), ("second", ["C"]), ("text", ["A", "C"])],
)
def test_the_hour_that_autumn_repeats_can_be_read_three_ways(
    autumn: str, from_half_past_one: list[str]
) -> None:
    # 2026-11-01: 09:00 UTC is 02:00 PDT and becomes 01:00 PST.
    rig = Rig(autumn=autumn)
    for name, hour, minute in (("A", 8, 40), ("B", 9, 10), ("C", 9, 40)):
        at = datetime(2026, 11, 1, hour, minute, tzinfo=UTC).isoformat()
        rig.run("import", at=at, orders=[{"orderNumber": name}])
    rows = rig.get("/orders", modifyDateStart="2026-11-01 01:30:00", sortBy="ModifyDate")["orders"]
    assert sorted(row["orderNumber"] for row in rows) == from_half_past_one
    assert {row["modifyDate"][:13] for row in rows} == {"2026-11-01T01"}


def test_filters_keep_what_they_say() -> None:
    rig = Rig()
    one = rig.order(orderNumber="100", customerUsername="x")
    two = rig.order(orderNumber="1001", advancedOptions={"storeId": 80002})
    rig.run("cancel", orderId=two)
    assert rig.ids("orders", orderNumber="100") == [one, two]  # a prefix, not the number
    assert rig.ids("orders", storeId=80002) == [two]
    assert rig.ids("orders", storeID=80001) == [one]
    assert rig.ids("orders", orderStatus="cancelled") == [two]
    assert rig.ids("orders", orderStatus="") == [one, two]
    assert rig.ids("orders", itemKeyword="ribbon", customerName="buyer") == [one, two]
    assert rig.ids("orders", itemKeyword="sofa") == []


def test_orders_come_by_id_unless_asked_otherwise_and_equal_times_stay_stable() -> None:
    rig = Rig()
    ids = [rig.order() for _ in range(3)]
    rig.clock.advance(1)
    rig.run("touch", orderId=ids[0])
    assert rig.ids("orders") == ids
    assert rig.ids("orders", sortBy="ModifyDate") == [ids[1], ids[2], ids[0]]
    assert rig.ids("orders", sortBy="ModifyDate", sortDir="DESC") == [ids[0], ids[2], ids[1]]
    window = {"modifyDateStart": "2026-03-02 12:00:00", "createDateStart": "2026-03-02 12:00:00"}
    assert rig.ids("orders", **window) == ids


def test_pages_are_capped_and_end_empty() -> None:
    rig = Rig()
    rig.run("import", orders=[{"orderNumber": str(n)} for n in range(501)])
    envelope = rig.get("/orders", pageSize=1000)
    assert (len(envelope["orders"]), envelope["total"], envelope["pages"]) == (500, 501, 2)
    assert len(rig.get("/orders")["orders"]) == 100
    assert rig.get("/orders", pageSize=500, page=3)["orders"] == []


def test_shipments_show_items_only_when_asked_and_keep_voided_rows() -> None:
    rig = Rig(pages_zero=True)
    order_id = rig.order()
    label = rig.run("label", orderId=order_id, trackingNumber="TRK1")
    rig.clock.advance(60)
    rig.run("void", shipmentId=label["shipmentId"])
    envelope = rig.get("/shipments", orderId=order_id)
    (row,) = envelope["shipments"]
    assert envelope["pages"] == 0
    assert row["shipmentItems"] is None
    assert row["shipDate"] == "2026-03-02"
    assert (row["voided"], row["voidDate"]) == (True, "2026-03-02T12:01:00.0000000")
    (row,) = rig.get("/shipments", includeShipmentItems="True")["shipments"]
    assert [item["sku"] for item in row["shipmentItems"]] == ["ITEM-24", "RIBBON"]
    assert "adjustment" not in row["shipmentItems"][0]


def test_shipment_windows_work_on_creation_ship_date_and_void() -> None:
    rig = Rig()
    first = rig.run("label", orderId=rig.order(), shipDate="2026-03-04")["shipmentId"]
    rig.clock.advance(3600)
    second = rig.run("label", orderId=rig.order())["shipmentId"]
    rig.clock.advance(3600)
    rig.run("void", shipmentId=first)
    assert rig.ids("shipments", createDateStart="2026-03-02 12:30:00") == [second]
    assert rig.ids("shipments", shipDateStart="2026-03-03", shipDateEnd="2026-03-04") == [first]
    assert rig.ids("shipments", shipDateEnd="2026-03-02") == [second]
    assert rig.ids("shipments", voidDateStart="2026-03-02 13:59:59") == [first]
    assert rig.ids("shipments", voidDateEnd="2026-03-02 15:00:00") == [first]
    assert rig.ids("shipments", sortBy="ShipDate") == [second, first]


def test_a_stray_null_row_can_appear_among_shipments() -> None:
    rig = Rig(null_row=True)
    rig.run("label", orderId=rig.order())
    assert rig.get("/shipments")["shipments"][0] is None
    assert rig.get("/fulfillments")["fulfillments"] == []


def test_a_change_can_become_visible_late() -> None:
    rig = Rig(late=30)
    order_id = rig.order()
    assert rig.ids("orders") == []
    assert rig.get(f"/orders/{order_id}")["orderId"] == order_id
    rig.clock.advance(30)
    assert rig.ids("orders") == [order_id]
    rig.run("label", orderId=order_id)
    assert rig.get("/orders")["orders"][0]["orderStatus"] == "awaiting_shipment"
    assert rig.ids("shipments") == []
    assert rig.ids("orders", modifyDateStart="2026-03-02 12:00:30") == []
    rig.clock.advance(30)
    assert rig.ids("orders", modifyDateStart="2026-03-02 12:00:30") == [order_id]
    assert len(rig.ids("shipments")) == 1


def test_a_fulfillment_has_a_datetime_as_ship_date_and_no_key() -> None:
    rig = Rig()
    order_id = rig.order()
    body = {"orderId": order_id, "carrierCode": "USPS", "trackingNumber": "HAND1"}
    assert rig.post("/orders/markasshipped", body) == {"orderId": order_id, "orderNumber": "SO-1"}
    (row,) = rig.get("/fulfillments", orderId=order_id)["fulfillments"]
    assert row["shipDate"] == "2026-03-02T00:00:00.0000000"
    assert row["carrierCode"] == "USPS"
    assert "orderKey" not in row
    assert rig.get("/shipments")["shipments"] == []
    assert rig.get(f"/orders/{order_id}")["orderStatus"] == "shipped"
    assert rig.ids("fulfillments", createDateStart="2026-03-02 12:00:01") == []


def test_bare_lists_are_arrays_and_hide_inactive_stores() -> None:
    rig = Rig(stores=[{"storeId": 80003, "storeName": "Closed", "active": False}])
    assert [row["storeId"] for row in rig.get("/stores")] == [80001, 80002]
    assert len(rig.get("/stores", showInactive="true")) == 3
    assert rig.get("/stores/80001")["statusMappings"]
    assert [row["storeId"] for row in rig.get("/stores", marketplaceId=2)] == [80002]
    assert rig.get("/warehouses")[0]["warehouseId"] == 70001
    assert {row["code"] for row in rig.get("/carriers")} == {"ups_walleted", "stamps_com", "fedex"}
    services = rig.get("/carriers/listservices", carrierCode="fedex")
    assert [row["code"] for row in services] == ["fedex_2day"]


def test_a_row_can_be_made_unreadable() -> None:
    rig = Rig()
    order_id = rig.order()
    overlay: dict[str, Any] = {"modifyDate": "never", "orderTotal": None}
    rig.run("corrupt", orderId=order_id, overlay=overlay)
    row = rig.get("/orders")["orders"][0]
    assert (row["modifyDate"], row["orderTotal"]) == ("never", None)
