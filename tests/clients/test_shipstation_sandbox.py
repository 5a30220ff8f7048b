"""Client and streams against the imitation of ShipStation, which shares no code with them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from bcss.errors import RecordMissing, RecordRefused, RetryLater, StopVendor
from bcss.http import ApiSession
from bcss.sandbox.shapes import generate
from bcss.sandbox.world import World
from bcss.shipstation.client import ShipStationClient, basic_authorize
from bcss.shipstation.streams import (
    Poll,
    Unreadable,
    read_fulfillments,
    read_orders,
    read_shipments,
    read_voids,
)
from tests.mount import SHIPSTATION_URL, Mount

SINCE = datetime(2026, 10, 1, tzinfo=UTC)
START = date(2026, 11, 2)
SECRET = "sandbox-key-secret"
NEW_ORDER = {
    "orderNumber": "Z-1",
    "orderKey": "key-z-1",
    "orderDate": "2026-11-19T09:00:00.0000000",
    "orderStatus": "awaiting_shipment",
    "billTo": {"name": "Robin Sample"},
    "shipTo": {"name": "Robin Sample", "postalCode": "75001", "country": "US"},
    "items": [],
}


class WorldClock:
    """The sandbox's clock; sleeping moves it on."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.slept = 0.0

    def now(self) -> datetime:
        return self.world.clock.now()

    def monotonic(self) -> float:
        return self.world.clock.now().timestamp()

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.world.clock.advance(seconds)


def connect(
    seed: dict[str, Any], secret: str = SECRET
) -> tuple[World, WorldClock, ShipStationClient]:
    world = World(seed)
    world.clock.freeze()
    clock = WorldClock(world)
    session = ApiSession(
        vendor="shipstation",
        base_url=SHIPSTATION_URL,
        clock=clock,
        authorize=basic_authorize("sandbox-key", secret),
        transport=Mount(world),
    )
    return world, clock, ShipStationClient(session)


def drain(poll: Poll, key: str) -> tuple[list[int], list[Unreadable]]:
    found: list[int] = []
    bad: list[Unreadable] = []
    for batch in poll:
        found += [one.raw[key] for one in batch.captured]
        bad += batch.unreadable
    return found, bad


def rows(world: World, name: str) -> list[dict[str, Any]]:
    state: dict[str, Any] = world.state()["shipstation"]
    found: list[dict[str, Any]] = state[name]
    return found


@pytest.mark.parametrize(
    "switches", [{}, {"pages_zero": True, "null_row": True}, {"autumn": "second"}]
)
def test_all_streams_are_read_whole(switches: dict[str, Any]) -> None:
    world, clock, client = connect(
        generate(120, start=START) | {"switches": {"shipstation": switches}}
    )
    found, bad = drain(read_orders(client, clock, SINCE), "orderId")
    assert sorted(found) == sorted(row["orderId"] for row in rows(world, "orders"))
    assert not bad
    shipments = rows(world, "shipments")
    found, bad = drain(read_shipments(client, clock, SINCE), "shipmentId")
    assert sorted(found) == sorted(row["shipmentId"] for row in shipments)
    assert not bad
    found, bad = drain(read_voids(client, clock, SINCE, clock.now()), "shipmentId")
    assert sorted(found) == sorted(row["shipmentId"] for row in shipments if row["voided"])
    assert found
    assert not bad
    found, bad = drain(read_fulfillments(client, clock, SINCE), "fulfillmentId")
    assert sorted(found) == sorted(row["fulfillmentId"] for row in rows(world, "fulfillments"))
    assert not bad
    assert len(world.log) == 4


def test_a_poisoned_order_is_held_and_the_others_come_at_the_allowed_pace() -> None:
    seed = generate(700, start=START)
    world, clock, client = connect(seed)
    orders = sorted(rows(world, "orders"), key=lambda row: (row["modifyDate"], row["orderId"]))
    bad_id = orders[333]["orderId"]
    world.load({"shipstation": {"poison": [bad_id]}})
    found, bad = drain(read_orders(client, clock, SINCE), "orderId")
    assert sorted(found) == sorted(row["orderId"] for row in orders if row["orderId"] != bad_id)
    assert len(bad) == 1
    around = {part.split("@")[0] for part in bad[0].neighbours.split("|")}
    assert around == {str(orders[332]["orderId"]), str(orders[334]["orderId"])}
    assert clock.slept < 120


def test_a_shuffled_list_is_refused() -> None:
    world, clock, client = connect(generate(80, start=START))
    world.faults.add({"vendor": "shipstation", "path": "/orders", "do": "shuffle", "times": 0})
    with pytest.raises(RetryLater, match="order"):
        drain(read_orders(client, clock, SINCE), "orderId")


def test_throttling_with_any_status_is_waited_out() -> None:
    world, clock, client = connect(generate(30, start=START))
    world.load({"shipstation": {"rate_limit": {"limit": 2, "status": 500}}})
    for _ in range(5):
        found, _ = drain(read_orders(client, clock, SINCE), "orderId")
        assert len(found) == len(rows(world, "orders"))
    assert clock.slept > 60


def test_a_wrong_key_stops() -> None:
    _, clock, client = connect({}, secret="wrong")
    with pytest.raises(StopVendor):
        read_orders(client, clock, SINCE)


def test_an_order_through_its_life() -> None:
    world, clock, client = connect({})
    order, raw = client.create_order(NEW_ORDER)
    again, _ = client.create_order({**raw, "customerNotes": "changed"})
    assert again.order_id == order.order_id
    (found, whole), *_ = client.orders_by_number("Z-1")
    assert (found.order_id, whole["customerNotes"]) == (order.order_id, "changed")
    result, refused = client.create_orders(
        [
            {**NEW_ORDER, "orderNumber": "Z-2", "orderKey": "key-z-2"},
            {**NEW_ORDER, "orderNumber": "Z-3", "orderKey": "key-z-3", "shipTo": {"name": "R"}},
        ]
    )
    assert (result.success, refused.success) == (True, False)
    world.run("shipstation", {"action": "label", "orderId": order.order_id})
    shipped, _ = client.get_order(order.order_id)
    assert shipped.status == "shipped"
    ((identity,), _) = drain(read_shipments(client, clock, SINCE), "orderId")
    assert identity == order.order_id
    client.delete_order(result.order_id or 0)
    assert not client.orders_by_number("Z-2")
    with pytest.raises(RecordMissing):
        client.get_order(1)
    with pytest.raises(RecordRefused, match="Postal Code"):
        client.create_order({**NEW_ORDER, "orderKey": "key-z-4", "shipTo": {"name": "R"}})


def test_a_poll_started_no_later_than_what_it_shows() -> None:
    world, clock, client = connect({})
    client.create_order(NEW_ORDER)
    world.clock.advance(0.4)
    poll = read_orders(client, clock, clock.now() - timedelta(hours=2))
    ((order,),) = (batch.captured for batch in poll)
    assert poll.started == clock.now()
    assert order.raw["orderNumber"] == "Z-1"


def test_products_stores_and_webhooks() -> None:
    world, _, client = connect(generate(40, start=START))
    products = list(client.products())
    assert {one.sku for one in products} == {row["sku"] for row in rows(world, "products")}
    first = products[0]
    client.put_product({**first.raw, "name": "Another name"})
    assert client.get_product(first.product_id).name == "Another name"
    assert {one.store_id for one in client.stores()} >= {80001, 80002}
    assert "ups_walleted" in {one.code for one in client.carriers()}
    assert "ups_ground" in {one.code for one in client.carrier_services("ups_walleted")}
    for switches in ({"new_subscribe": False}, {"new_subscribe": True}):
        world.load({"shipstation": {"switches": switches}})
        hook = client.subscribe("https://hooks.example.test/in", "SHIP_NOTIFY", store_id=80001)
        assert [(one.hook_id, one.store_id) for one in client.webhooks()] == [(hook, 80001)]
        client.unsubscribe(hook)
        assert client.webhooks() == []
