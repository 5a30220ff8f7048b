"""createorder, createorders and the other writes (shipstation.md §2.4, §2.5, §6, §7)."""

from typing import Any

import pytest

from tests.sandbox.shipstation_rig import Rig, message, new_order


def test_without_a_key_each_call_makes_a_new_order() -> None:
    rig = Rig()
    one, two = (rig.post("/orders/createorder", new_order()) for _ in range(2))
    assert one["orderId"] != two["orderId"]
    assert one["orderKey"] != two["orderKey"]
    assert len(one["orderKey"]) == 32


def test_a_known_key_updates_and_clears_what_was_left_out() -> None:
    rig = Rig()
    first = rig.post("/orders/createorder", new_order(orderKey="K", customerNotes="x", tagIds=[1]))
    rig.clock.advance(60)
    second = rig.post("/orders/createorder", new_order(orderKey="K", taxAmount=1.5, tagIds=[2]))
    assert second["orderId"] == first["orderId"]
    assert second["customerNotes"] is None
    assert second["tagIds"] == [1, 2]
    assert second["orderTotal"] == 21.48
    assert second["createDate"] == first["createDate"]
    assert second["modifyDate"] == "2026-03-02T12:01:00.0000000"
    assert second["items"][0]["orderItemId"] == first["items"][0]["orderItemId"]


def test_read_only_members_are_ignored() -> None:
    rig = Rig()
    sent = new_order(orderTotal=1, createDate="2020-01-01", externallyFulfilled=True)
    sent["advancedOptions"] = {"parentId": 5, "mergedOrSplit": True, "storeId": 80002}
    made = rig.post("/orders/createorder", sent)
    assert (made["orderTotal"], made["externallyFulfilled"]) == (19.98, False)
    assert made["advancedOptions"]["parentId"] is None
    assert made["advancedOptions"]["storeId"] == 80002
    moved = {**made, "advancedOptions": {"storeId": 80001}}
    assert rig.post("/orders/createorder", moved)["advancedOptions"]["storeId"] == 80002


def test_the_ship_to_address_is_rewritten_and_the_number_cut() -> None:
    rig = Rig()
    made = rig.post("/orders/createorder", new_order(orderNumber="9" * 60))
    assert made["orderNumber"] == "9" * 50
    assert made["shipTo"]["street1"] == "1 TEST ST"
    assert made["shipTo"]["postalCode"] == "75001-0001"
    assert made["shipTo"]["country"] == "US"
    assert made["billTo"]["name"] == "Example Buyer"


def test_customer_and_products_are_linked_after_the_answer() -> None:
    rig = Rig(link_delay=5)
    discount = {"name": "Coupon", "sku": "C", "unitPrice": -1, "adjustment": True}
    items = [*new_order()["items"], discount]
    made = rig.post("/orders/createorder", new_order(customerUsername="C00010", items=items))
    path = f"/orders/{made['orderId']}"
    assert made["customerId"] is None
    assert rig.get(path)["items"][0]["productId"] is None
    rig.clock.advance(5)
    later = rig.get(path)
    assert later["customerId"] == rig.get("/customers")["customers"][0]["customerId"]
    assert later["items"][0]["productId"] == rig.ids("products", sku="ITEM-24")[0]
    assert later["items"][1]["productId"] is None
    assert later["modifyDate"] == made["modifyDate"]


@pytest.mark.parametrize("status", ["shipped", "cancelled"])
def test_locked_orders_are_not_changed(status: str) -> None:
    rig = Rig()
    sent = new_order(orderKey="K", orderStatus=status)
    made = rig.post("/orders/createorder", sent)
    refused = rig.send("POST", "/orders/createorder", {**sent, "customerNotes": "late"})
    assert refused.status == 500
    assert status in message(refused)["ExceptionMessage"]
    result = rig.post("/orders/createorders", [sent])
    assert (result["hasErrors"], result["results"][0]["success"]) == (True, False)
    rig.app.load({"locked": "silent"})
    unchanged = rig.post("/orders/createorder", {**sent, "customerNotes": "late"})
    assert (unchanged["orderId"], unchanged["customerNotes"]) == (made["orderId"], None)


def test_an_update_by_key_alone_hits_the_wrong_split_sibling() -> None:
    rig = Rig()
    parent = rig.order()
    items = rig.get(f"/orders/{parent}")["items"]
    child = rig.run("split", orderId=parent, items=[items[1]["orderItemId"]])["orderId"]
    sent = new_order(orderKey="SO-1-KEY", orderNumber="SO-1")
    assert rig.post("/orders/createorder", sent)["orderId"] == child
    sent["orderId"] = parent
    updated = rig.post("/orders/createorder", sent)
    assert updated["orderId"] == parent
    assert updated["advancedOptions"]["mergedIds"] == [child]
    assert updated["orderTotal"] == 25.5


@pytest.mark.parametrize(
    ("changes", "status", "text"),
    [
        ({"orderNumber": None}, 400, "apiOrder.orderNumber"),
        ({"orderDate": "soon"}, 400, "apiOrder.orderDate"),
        ({"orderStatus": "rejected_fulfillment"}, 400, "apiOrder.orderStatus"),
        ({"taxAmount": "x"}, 400, "apiOrder.taxAmount"),
        ({"items": [{"sku": "A"}]}, 400, "apiOrder.items"),
        ({"items": [{"name": "A", "quantity": 1.5}]}, 400, "apiOrder.items.quantity"),
        ({"shipTo": "x"}, 400, "apiOrder.shipTo"),
        ({"shipTo": {"name": "A"}}, 500, "Ship To: Postal Code must be provided."),
        ({"orderId": 77}, 500, "Order 77 was not found."),
    ],
)
def test_orders_that_cannot_be_are_refused(changes: dict[str, Any], status: int, text: str) -> None:
    rig = Rig()
    response = rig.send("POST", "/orders/createorder", new_order(**changes))
    assert response.status == status
    assert text.encode() in response.body
    assert rig.get("/orders")["orders"] == []


def test_array_and_object_are_not_interchangeable() -> None:
    rig = Rig()
    one = rig.send("POST", "/orders/createorder", [new_order()])
    many = rig.send("POST", "/orders/createorders", new_order())
    assert [list(message(a)["ModelState"]) for a in (one, many)] == [["apiOrder"], ["apiOrders"]]
    assert rig.send("POST", "/orders/createorders", [new_order()] * 101).status == 400


def test_a_batch_has_an_outcome_for_each_order() -> None:
    rig = Rig()
    bad = new_order(orderKey="B", shipTo={"name": "A"})
    answer = rig.post("/orders/createorders", [new_order(orderKey="A"), bad])
    assert answer["hasErrors"] is True
    good, failed = answer["results"]
    assert (good["success"], good["orderKey"], good["errorMessage"]) == (True, "A", None)
    assert (failed["success"], failed["orderKey"], failed["orderId"]) == (False, "B", None)
    assert failed["errorMessage"] == "Ship To: Postal Code must be provided."


def test_a_deleted_order_leaves_lists_but_not_its_id() -> None:
    rig = Rig()
    order_id = rig.order()
    answer = message(rig.send("DELETE", f"/orders/{order_id}"))
    assert answer == {"success": True, "message": "The requested order has been deleted."}
    assert rig.ids("orders") == []
    assert rig.get(f"/orders/{order_id}")["orderId"] == order_id
    assert rig.send("DELETE", f"/orders/{order_id}").status == 404


def test_a_held_order_comes_back_by_itself_on_its_date() -> None:
    rig = Rig()
    order_id = rig.order()
    rig.post("/orders/holduntil", {"orderId": order_id, "holdUntilDate": "2026-03-04"})
    assert rig.get(f"/orders/{order_id}")["orderStatus"] == "on_hold"
    rig.clock.advance(2 * 86400)
    assert rig.get(f"/orders/{order_id}")["orderStatus"] == "awaiting_shipment"
    rig.post("/orders/holduntil", {"orderId": order_id, "holdUntilDate": "2026-04-01"})
    rig.post("/orders/restorefromhold", {"orderId": order_id})
    assert rig.get(f"/orders/{order_id}")["orderStatus"] == "awaiting_shipment"


def test_a_product_put_replaces_everything() -> None:
    rig = Rig(products=[{"sku": "A", "name": "Old", "price": 5, "upc": "123", "weightOz": 2}])
    (product,) = rig.get("/products")["products"]
    path = f"/products/{product['productId']}"
    rig.clock.advance(60)
    answer = rig.send("PUT", path, {"sku": "A", "name": "New", "active": True, "price": 6.5})
    assert message(answer)["success"] is True
    changed = rig.get(path)
    assert (changed["name"], changed["price"]) == ("New", 6.5)
    assert changed["upc"] is None
    assert changed["weightOz"] is None
    assert changed["createDate"] == product["createDate"]
    assert changed["modifyDate"] == "2026-03-02T12:01:00"
    rig.send("PUT", path, {"sku": "A"})
    assert rig.get("/products")["products"] == []
    assert rig.ids("products", showInactive="true") == [product["productId"]]


def test_the_sku_filter_is_wider_than_one_would_think() -> None:
    rig = Rig(products=[{"sku": "TEE"}, {"sku": "TEE-RED"}, {"sku": " TEE"}])
    assert [p["sku"] for p in rig.get("/products", sku="TEE")["products"]] == ["TEE", "TEE-RED"]


def test_marking_a_shipped_order_as_shipped_again_is_refused() -> None:
    rig = Rig()
    body = {"orderId": rig.order(), "carrierCode": "ups"}
    rig.post("/orders/markasshipped", body)
    assert rig.send("POST", "/orders/markasshipped", body).status == 500
    assert (
        rig.send("POST", "/orders/markasshipped", {"orderId": 1, "carrierCode": "x"}).status == 404
    )
    assert rig.send("POST", "/orders/markasshipped", {"orderId": body["orderId"]}).status == 400


def test_tags_are_added_and_removed_one_by_one() -> None:
    rig = Rig()
    order_id = rig.order()
    rig.post("/orders/addtag", {"orderId": order_id, "tagId": 7})
    listed = rig.get("/orders/listbytag", tagId=7, orderStatus="awaiting_shipment")["orders"]
    assert [row["orderId"] for row in listed] == [order_id]
    rig.post("/orders/removetag", {"orderId": order_id, "tagId": 7})
    assert rig.get(f"/orders/{order_id}")["tagIds"] is None
