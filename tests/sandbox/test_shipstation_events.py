"""What happens at the vendor, and the webhooks it makes (shipstation.md §3.3, §5, §9)."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from bcss.sandbox.kit import Request, dumps, loads
from tests.sandbox.shipstation_rig import NOON, Rig, new_order


def get_order(rig: Rig, order_id: int) -> Any:
    return rig.get(f"/orders/{order_id}")


def test_a_label_ships_the_order_and_a_void_reopens_it() -> None:
    rig = Rig()
    order_id = rig.order()
    rig.clock.advance(60)
    label = rig.run("label", orderId=order_id, carrierCode="fedex", serviceCode="fedex_2day")
    shipped = get_order(rig, order_id)
    assert (shipped["orderStatus"], shipped["carrierCode"]) == ("shipped", "fedex")
    assert shipped["shipDate"] == "2026-03-02"
    assert shipped["modifyDate"] == "2026-03-02T12:01:00.0000000"
    rig.clock.advance(60)
    rig.run("void", shipmentId=label["shipmentId"])
    open_again = get_order(rig, order_id)
    assert (open_again["orderStatus"], open_again["shipDate"]) == ("awaiting_shipment", None)
    assert open_again["modifyDate"] == "2026-03-02T12:02:00.0000000"


def test_a_void_leaves_an_order_shipped_that_has_another_label() -> None:
    rig = Rig()
    order_id = rig.order()
    first = rig.run("label", orderId=order_id)["shipmentId"]
    second = rig.run("label", orderId=order_id)["shipmentId"]
    rig.run("void", shipmentId=first)
    assert get_order(rig, order_id)["orderStatus"] == "shipped"
    rig.run("return_label", orderId=order_id)
    rig.run("void", shipmentId=second)
    assert get_order(rig, order_id)["orderStatus"] == "awaiting_shipment"


def test_a_return_label_stands_beside_the_outbound_one() -> None:
    rig = Rig()
    order_id = rig.order()
    rig.run("return_label", orderId=order_id)
    assert get_order(rig, order_id)["orderStatus"] == "awaiting_shipment"
    assert [row["isReturnLabel"] for row in rig.get("/shipments")["shipments"]] == [True]


def test_a_label_without_an_order_has_null_ids() -> None:
    rig = Rig()
    rig.run("lone_label")
    (row,) = rig.get("/shipments")["shipments"]
    assert (row["orderId"], row["orderNumber"]) == (None, None)


def test_a_split_shares_the_key_and_leaves_the_money_on_the_parent() -> None:
    rig = Rig()
    parent_id = rig.order(taxAmount="2.00", shippingAmount="4.90")
    before = get_order(rig, parent_id)
    rig.clock.advance(60)
    moved = before["items"][1]["orderItemId"]
    child_id = rig.run("split", orderId=parent_id, items=[moved])["orderId"]
    parent, child = get_order(rig, parent_id), get_order(rig, child_id)
    assert parent["orderKey"] == child["orderKey"]
    assert parent["orderTotal"] == before["orderTotal"] == 32.4
    money = ("orderTotal", "taxAmount", "shippingAmount", "amountPaid")
    assert [child[name] for name in money] == [0, 0, 0, 0]
    assert parent["advancedOptions"]["mergedIds"] == [child_id]
    assert parent["advancedOptions"]["parentId"] is None
    assert child["advancedOptions"]["parentId"] == parent_id
    assert child["advancedOptions"]["mergedIds"] == []
    assert [item["sku"] for item in parent["items"]] == ["ITEM-24"]
    (line,) = child["items"]
    assert (line["sku"], line["unitPrice"]) == ("RIBBON", 5.5)
    assert line["orderItemId"] not in {item["orderItemId"] for item in before["items"]}
    assert child["orderNumber"] == parent["orderNumber"]
    assert child["orderDate"] == parent["orderDate"]
    assert child["createDate"] == parent["modifyDate"] == "2026-03-02T12:01:00.0000000"


def test_a_split_child_can_be_numbered_with_a_suffix() -> None:
    rig = Rig(split_suffix=True)
    parent = rig.order()
    item = get_order(rig, parent)["items"][0]["orderItemId"]
    child = rig.run("split", orderId=parent, items=[item])["orderId"]
    assert get_order(rig, child)["orderNumber"] == "SO-1-1"


@pytest.mark.parametrize(("status", "listed"), [("cancelled", 2), ("deleted", 1)])
def test_a_merge_lists_the_absorbed_order_which_does_not_point_back(
    status: str, listed: int
) -> None:
    rig = Rig(merged_status=status)
    into, gone = rig.order(), rig.order(orderKey="OTHER", taxAmount="1.00")
    rig.run("merge", into=into, absorbed=[gone])
    survivor, absorbed = get_order(rig, into), get_order(rig, gone)
    assert survivor["advancedOptions"]["mergedIds"] == [gone]
    assert survivor["orderTotal"] == 52
    assert len(survivor["items"]) == 4
    assert absorbed["advancedOptions"]["parentId"] is None
    assert len(rig.ids("orders")) == listed
    assert rig.ids("orders", orderStatus="awaiting_shipment") == [into]


def test_only_orders_that_await_shipment_are_split_or_merged() -> None:
    rig = Rig()
    shipped, other = rig.order(), rig.order()
    rig.run("label", orderId=shipped)
    item = get_order(rig, shipped)["items"][0]["orderItemId"]
    with pytest.raises(ValueError, match="shipped"):
        rig.run("split", orderId=shipped, items=[item])
    with pytest.raises(ValueError, match="shipped"):
        rig.run("merge", into=other, absorbed=[shipped])
    with pytest.raises(ValueError, match="some lines"):
        rig.run("split", orderId=other, items=[1])


def test_an_edit_follows_the_total_and_keeps_the_rest() -> None:
    rig = Rig()
    order_id = rig.order()
    rig.clock.advance(1)
    rig.run("edit", orderId=order_id, changes={"taxAmount": 1.25, "shipTo": {"city": "WACO"}})
    order = get_order(rig, order_id)
    assert order["orderTotal"] == 26.75
    assert (order["shipTo"]["city"], order["shipTo"]["street1"]) == ("WACO", "1 Test St")
    assert order["modifyDate"] == "2026-03-02T12:00:01.0000000"
    items = [{"sku": "TEE-RED", "name": "Tee", "quantity": 1, "unitPrice": 19.5}]
    rig.run("edit", orderId=order_id, changes={"items": items})
    assert get_order(rig, order_id)["orderTotal"] == 20.75
    assert rig.ids("products", sku="TEE-RED")


def test_a_vanished_order_is_gone_and_a_reimported_one_has_a_new_id() -> None:
    rig = Rig()
    lost, old = rig.order(orderKey="A"), rig.order(orderKey="B")
    rig.run("vanish", orderId=lost)
    assert rig.send("GET", f"/orders/{lost}").status == 404
    fresh = rig.run("reimport", orderId=old)["orderId"]
    assert rig.ids("orders") == [fresh]
    assert get_order(rig, fresh)["orderKey"] == get_order(rig, old)["orderKey"] == "B"
    items = {i["orderItemId"] for order in (fresh, old) for i in get_order(rig, order)["items"]}
    assert len(items) == 4


def test_a_moved_order_changes_its_store_and_a_touched_one_only_its_time() -> None:
    rig = Rig()
    order_id = rig.order()
    before = get_order(rig, order_id)
    rig.clock.advance(1)
    rig.run("touch", orderId=order_id)
    after = get_order(rig, order_id)
    assert {name for name in before if before[name] != after[name]} == {"modifyDate"}
    rig.run("move_store", orderId=order_id, storeId=80002)
    assert rig.ids("orders", storeId=80002) == [order_id]


def test_a_voided_fulfillment_reopens_the_order() -> None:
    rig = Rig()
    order_id = rig.order()
    row = rig.run("markasshipped", orderId=order_id)["fulfillmentId"]
    rig.run("void_fulfillment", fulfillmentId=row)
    assert get_order(rig, order_id)["orderStatus"] == "awaiting_shipment"
    assert rig.get("/fulfillments")["fulfillments"][0]["voided"] is True
    with pytest.raises(ValueError, match="no live row"):
        rig.run("void_fulfillment", fulfillmentId=row)


@pytest.mark.parametrize(
    "action", [{}, {"action": "explode"}, {"action": "label"}, {"action": "touch", "orderId": 1}]
)
def test_wrong_actions_are_value_errors(action: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"action|orderId|no order"):
        Rig().app.run(action)


def test_an_action_can_be_dated_back() -> None:
    rig = Rig()
    order_id = rig.order()
    rig.run("touch", orderId=order_id, at="2026-03-02T19:00:00Z")
    assert get_order(rig, order_id)["modifyDate"] == "2026-03-02T11:00:00.0000000"


def test_a_state_loads_into_the_same_account() -> None:
    rig = Rig()
    order_id = rig.order()
    rig.run("label", orderId=order_id)
    rig.run("markasshipped", orderId=rig.order())
    rig.run("delete", orderId=rig.order())
    rig.post("/webhooks/subscribe", {"target_url": "http://x.test/", "event": "SHIP_NOTIFY"})
    state = loads(dumps(rig.app.state()))
    other = Rig(**state)
    assert loads(dumps(other.app.state())) == state | {"hooks": {"announced": [], "delivered": []}}
    for path in ("/orders", "/shipments", "/fulfillments", "/products", "/customers", "/webhooks"):
        assert other.get(path) == rig.get(path)
    assert other.order() not in rig.ids("orders")


def test_loading_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="ordres"):
        Rig(ordres=[])
    with pytest.raises(ValueError, match="nosuch"):
        Rig(switches={"nosuch": True})


def subscribe(rig: Rig, event: str, **members: Any) -> int:
    target = members.pop("target_url", "http://hooks.example.test/x")
    body = {"target_url": target, "event": event, **members}
    return int(rig.post("/webhooks/subscribe", body)["id"])


def announced(rig: Rig) -> list[tuple[str, str]]:
    rows = rig.app.state()["hooks"]["announced"]
    assert all(set(row) == {"resource_url", "resource_type"} for row in rows)
    return [(row["resource_type"], row["resource_url"]) for row in rows]


def follow(rig: Rig, url: str) -> list[Any]:
    """Ask for what a pointer names."""
    parts = urlsplit(url)
    response = rig.app.handle(Request("GET", parts.path, parts.query, rig.headers))
    assert response.status == 200, response.body
    rows = json.loads(response.body)[parts.path[1:]]
    assert isinstance(rows, list)
    return rows


def test_pointers_name_a_numbered_host_and_lead_to_the_rows() -> None:
    rig = Rig()
    subscribe(rig, "ORDER_NOTIFY", store_id=80001)
    subscribe(rig, "ITEM_SHIP_NOTIFY")
    subscribe(rig, "FULFILLMENT_SHIPPED")
    rig.order(orderStatus="shipped")
    one, two, marked = rig.order(), rig.order(), rig.order()
    rig.run("label_batch", orderIds=[one, two])
    rig.run("markasshipped", orderId=marked)
    seen = announced(rig)
    assert [kind for kind, _ in seen] == ["ORDER_NOTIFY"] * 4 + [
        "ITEM_SHIP_NOTIFY",
        "FULFILLMENT_SHIPPED",
    ]
    assert seen[0][1].startswith("https://ssapi6.shipstation.com/orders?storeID=80001&importBatch=")
    assert all(len(url) <= 200 for _, url in seen)
    assert [row["orderId"] for row in follow(rig, seen[1][1])] == [one]
    labels = follow(rig, seen[4][1])
    assert [row["orderId"] for row in labels] == [one, two]
    assert labels[0]["shipmentItems"]
    assert [row["orderId"] for row in follow(rig, seen[5][1])] == [marked]


def test_only_the_documented_events_make_webhooks() -> None:
    rig = Rig()
    subscribe(rig, "ORDER_NOTIFY")
    subscribe(rig, "SHIP_NOTIFY")
    subscribe(rig, "ORDER_NOTIFY", store_id=80002)
    order_id = rig.order(orderStatus="awaiting_payment")
    assert announced(rig) == []
    rig.run("edit", orderId=order_id, changes={"orderStatus": "awaiting_shipment"})
    assert len(announced(rig)) == 1
    rig.run("edit", orderId=order_id, changes={"taxAmount": 1})
    rig.run("touch", orderId=order_id)
    rig.run("return_label", orderId=order_id)
    rig.run("move_store", orderId=order_id, storeId=80001)
    rig.run("cancel", orderId=order_id)
    label = rig.run("label", orderId=rig.order())
    assert len(announced(rig)) == 3
    rig.run("void", shipmentId=label["shipmentId"])
    rig.run("delete", orderId=order_id)
    rig.run("markasshipped", orderId=rig.order())
    assert [kind for kind, _ in announced(rig)][3:] == ["ORDER_NOTIFY"]
    rig.post("/orders/createorder", new_order(orderKey="K"))
    rig.post("/orders/createorder", new_order(orderKey="K"))
    assert len(announced(rig)) == 5


def test_subscriptions_are_listed_and_removed() -> None:
    rig = Rig()
    identity = subscribe(rig, "SHIP_NOTIFY", friendly_name="bcss", store_id=80001)
    (row,) = rig.get("/webhooks")["webhooks"]
    assert (row["WebHookID"], row["HookType"], row["StoreID"]) == (identity, "SHIP_NOTIFY", 80001)
    response = rig.send("DELETE", f"/webhooks/{identity}")
    assert (response.status, response.body) == (200, b"")
    assert rig.get("/webhooks") == {"webhooks": []}
    rig.app.load({"new_subscribe": True})
    body = {"target_url": "http://x.test/", "event": "SHIP_NOTIFY"}
    assert set(rig.post("/webhooks/subscribe", body)) == {"WebHookID", "HookType", "Url", "Name"}
    assert rig.send("POST", "/webhooks/subscribe", {**body, "event": "ORDER_EDIT"}).status == 400


class Receiver:
    """A webhook target that keeps what it gets."""

    def __init__(self) -> None:
        received: list[tuple[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                received.append((self.path, json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        self.received = received
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?t=1"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    target = Receiver()
    yield target
    target.close()


@pytest.mark.parametrize(
    ("switches", "order"),
    [
        ({}, [0, 1, 2, 3]),
        ({"lose_every": 2}, [0, 2]),
        ({"double_every": 3}, [0, 1, 2, 2, 3]),
        ({"reorder": True}, [1, 0, 3, 2]),
        ({"deliveries": False}, []),
    ],
)
def test_webhooks_are_delivered_with_the_faults_that_are_switched_on(
    receiver: Receiver, switches: dict[str, Any], order: list[int]
) -> None:
    rig = Rig(**{"deliveries": True, **switches})
    subscribe(rig, "ORDER_NOTIFY", target_url=receiver.url)
    for _ in range(4):
        rig.order()
    rig.run("flush_webhooks")
    made = rig.app.state()["hooks"]["announced"]
    assert [body for _, body in receiver.received] == [made[index] for index in order]
    assert {path for path, _ in receiver.received} <= {"/hook?t=1"}
    statuses = [row["status"] for row in rig.app.state()["hooks"]["delivered"]]
    assert statuses == [204] * len(order)


def test_a_target_that_does_not_answer_is_noted(receiver: Receiver) -> None:
    rig = Rig(deliveries=True)
    subscribe(rig, "ORDER_NOTIFY", target_url=receiver.url)
    subscribe(rig, "ORDER_NOTIFY", target_url="http://127.0.0.1:1/")
    subscribe(rig, "ORDER_NOTIFY", target_url="not a url")
    rig.order()
    rig.run("flush_webhooks")
    assert [row["status"] for row in rig.app.state()["hooks"]["delivered"]] == [204, 0, 0]


def test_many_threads_get_consistent_answers() -> None:
    rig = Rig(NOON)
    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda n: rig.order(orderNumber=f"T-{n}"), range(80)))
        totals = list(pool.map(lambda _: rig.get("/orders", pageSize=500)["total"], range(20)))
    assert len(set(ids)) == 80
    assert set(totals) == {80}
