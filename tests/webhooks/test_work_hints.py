"""From a webhook to a posted invoice, and everything that may come instead of a good pointer."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bcss import worker
from bcss.errors import Exit
from bcss.flows.hints import work_hints
from bcss.locks import booking_lock, run_lock
from bcss.sandbox.kit import Request
from bcss.sandbox.world import World
from bcss.store.budget import Budget, hash_key
from bcss.store.hints import MAX_STARTS, Arrival, Hint, Hints, Kind, hints_path
from tests.rig import Rig, config_for
from tests.webhooks.rig import TOKEN, Ear, hints_of, listening

START = date(2026, 12, 1)
BATCH = "https://ssapi6.shipstation.com/shipments?batchId={}&includeShipmentItems=False"


@dataclass(slots=True)
class Shop(Rig):
    """A rig whose shop sells, and whose hints can be put in by hand."""

    def order(self, number: str, **members: Any) -> int:
        lines = [{"sku": "ITEM-24", "name": "Gift set", "quantity": 2, "unitPrice": "10.00"}]
        raw = {"orderNumber": number, "orderKey": f"{number}-KEY", "items": lines, **members}
        return int(self.act("import", orders=[raw])["orderIds"][0])

    def act(self, action: str, **arguments: Any) -> dict[str, Any]:
        return self.world.run("shipstation", {"action": action, **arguments})

    def ship(self, number: str) -> str:
        """Sell and ship one order; return the label's batch."""
        return str(self.act("label", orderId=self.order(number))["batchId"])

    def hint(self, body: object = None, kind: Kind = "shipstation") -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        with closing(self.hints()) as hints:
            hints.add([Arrival(kind, b"" if body is None else content)])

    def hints(self) -> Hints:
        clock = self.around.clock
        return Hints(hints_path(self.config.state.path), clock, synchronous="OFF")

    def waiting(self) -> list[Hint]:
        return hints_of(self.config.state.path)

    def drain(self) -> Exit:
        return worker.drain(self.config, follow=False, around=self.around)

    def calls(self, vendor: str = "shipstation") -> list[tuple[str, str]]:
        return [(one.request.path, one.request.query) for one in self.world.log.calls(vendor)]

    def trail(self) -> list[str]:
        with self.connection() as conn:
            return [entry.summary for entry in conn.store.trail.latest(500)]

    def posted(self) -> list[str]:
        return [
            str(one["customerPurchaseOrderReference"])
            for one in self.invoices()
            if one["status"] != "Draft"
        ]


def pointer(batch: str, kind: str = "SHIP_NOTIFY") -> dict[str, str]:
    return {"resource_url": BATCH.format(batch), "resource_type": kind}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    quiet = {"shipstation": {"rate_limit": {"limit": 0}}}
    world = World({"clock": "2026-12-07T18:00:00Z", "freeze": True, **quiet})
    return Shop(world, config_for(tmp_path, start=START), tmp_path)


@pytest.fixture
def ear(shop: Shop) -> Iterator[Ear]:
    with listening(shop.config) as found:
        yield found


# The whole way ----------------------------------------------------------------------------------


def test_a_shipped_order_becomes_a_posted_invoice_by_its_webhook(shop: Shop, ear: Ear) -> None:
    with shop.connection() as conn:
        conn.shipstation.subscribe(f"{ear.url}/{TOKEN}/shipstation", "SHIP_NOTIFY")
    shop.world.load({"switches": {"shipstation": {"deliveries": True}}})
    other = shop.ship("SO-OTHER")
    shop.act("flush_webhooks")
    assert shop.drain() == Exit.DONE
    shop.world.clock.advance(3600)
    shop.world.log.clear()

    batch = shop.ship("SO-1")
    shop.act("flush_webhooks")
    assert shop.world.shipstation.state()["hooks"]["delivered"][-1]["status"] == 200
    assert len(ear.hints()) == 1

    assert shop.drain() == Exit.DONE
    assert shop.posted() == ["SO-OTHER", "SO-1"]
    assert ear.hints() == []
    first = shop.calls()[0]
    assert first[0] == "/shipments"
    assert f"batchId={batch}" in first[1]
    assert batch != other
    hosts = {one.request.headers["host"] for one in shop.world.log.calls("shipstation")}
    assert hosts == {"shipstation.test"}  # never the host that the pointer names


def test_only_what_the_hint_touches_is_booked_and_cron_books_the_rest(shop: Shop) -> None:
    batch = shop.ship("SO-1")
    shop.ship("SO-2")
    shop.hint(pointer(batch))
    assert shop.drain() == Exit.DONE
    assert shop.posted() == ["SO-1"]
    assert shop.run().exit_code == Exit.DONE
    assert sorted(shop.posted()) == ["SO-1", "SO-2"]


def test_the_same_hint_ten_times_is_one_fetch_and_one_invoice(shop: Shop) -> None:
    batch = shop.ship("SO-1")
    for _ in range(10):
        shop.hint(pointer(batch))
    assert shop.drain() == Exit.DONE
    assert shop.posted() == ["SO-1"]
    assert sum("batchId" in query for _, query in shop.calls()) == 1
    shop.hint(pointer(batch))
    assert shop.drain() == Exit.DONE
    assert shop.posted() == ["SO-1"]


def test_an_order_that_changed_as_the_poll_began_is_polled_again(shop: Shop) -> None:
    """The clock stands still: label and poll fall into one instant."""
    shop.hint(pointer(shop.ship("SO-1")))
    assert shop.drain() == Exit.DONE
    assert shop.posted() == ["SO-1"]


def test_an_order_that_is_not_shipped_needs_nothing_of_business_central(shop: Shop) -> None:
    announced = {
        "resource_url": "https://ssapi.shipstation.com/orders?importBatch=1",
        "resource_type": "ORDER_NOTIFY",
    }
    for number in ("SO-1", "SO-2"):  # the first may read the company's master data
        shop.world.log.clear()
        shop.order(number)
        shop.hint(announced)
        assert shop.drain() == Exit.DONE
    assert shop.calls("bc") == []
    with shop.connection() as conn:
        assert len(conn.store.units.unfinished()) == 2


# Instead of a good pointer ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        pointer("999999999"),  # shows nothing
        {
            "resource_url": "https://ssapi11.shipstation.com/fulfillments?batchId=1",
            "resource_type": "FULFILLMENT_SHIPPED",
        },
        {"resource_url": "https://ssapi.shipstation.com/orders", "resource_type": "ORDER_NOTIFY"},
    ],
)
def test_a_pointer_that_names_no_order_means_poll_now(shop: Shop, body: dict[str, str]) -> None:
    shop.ship("SO-1")
    shop.hint(body)
    assert shop.drain() == Exit.DONE
    assert shop.posted() == ["SO-1"]


def test_poll_now_polls_and_books_what_changed(shop: Shop) -> None:
    shop.ship("SO-1")
    shop.hint(kind="poll")
    assert shop.drain() == Exit.DONE
    assert shop.posted() == ["SO-1"]


def test_more_pointers_than_are_worth_fetching_are_one_poll(shop: Shop) -> None:
    for number in range(12):
        shop.hint(pointer(shop.ship(f"SO-{number}")))
    assert shop.drain() == Exit.DONE
    assert len(shop.posted()) == 12
    assert not any("batchId" in query for _, query in shop.calls())


def test_a_pointer_that_shipstation_refuses_means_poll_now(shop: Shop) -> None:
    shop.hint(pointer(shop.ship("SO-1")))
    shop.world.faults.add({"vendor": "shipstation", "do": "reject", "nth": 1, "status": 404})
    assert shop.drain() == Exit.DONE
    assert shop.posted() == ["SO-1"]


def test_a_pointer_to_more_than_a_page_is_a_poll(shop: Shop) -> None:
    orders = [{"orderNumber": f"SO-{n}", "orderKey": f"SO-{n}-KEY"} for n in range(501)]
    lines = [{"sku": "ITEM-24", "name": "Gift set", "quantity": 1, "unitPrice": "10.00"}]
    ids = shop.act("import", orders=[{**order, "items": lines} for order in orders])["orderIds"]
    for order_id in (ids[0], ids[-1]):
        shop.act("label", orderId=order_id)
    url = "https://ssapi.shipstation.com/orders?storeID=80001"
    shop.hint({"resource_url": url, "resource_type": "ORDER_NOTIFY"})
    assert shop.drain() == Exit.DONE
    assert sorted(shop.posted()) == ["SO-0", "SO-500"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"\xff\x00",
        {"resource_url": BATCH.format(1).replace("https", "http"), "resource_type": "SHIP_NOTIFY"},
        {"resource_url": "https://evil.test/shipments?batchId=1", "resource_type": "SHIP_NOTIFY"},
        {
            "resource_url": "https://ssapi6.shipstation.com@evil.test/orders",
            "resource_type": "SHIP_NOTIFY",
        },
        {
            "resource_url": "https://ssapi6.shipstation.com/orders/deleteorder?orderId=1",
            "resource_type": "SHIP_NOTIFY",
        },
        {
            "resource_url": "https://ssapi6.shipstation.com/orders?storeID=99999",
            "resource_type": "ORDER_NOTIFY",
        },
    ],
)
def test_a_hostile_pointer_moves_nothing_and_is_noted(shop: Shop, body: object) -> None:
    shop.hint(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert shop.drain() == Exit.DONE
    assert shop.calls() == []
    assert shop.waiting() == []
    assert any("were not followed" in text for text in shop.trail())


def test_the_configured_host_is_accepted_too(shop: Shop) -> None:
    batch = shop.ship("SO-1")
    body = {
        "resource_url": f"https://shipstation.test/shipments?batchId={batch}",
        "resource_type": "SHIP_NOTIFY",
    }
    shop.hint(body)
    assert shop.drain() == Exit.DONE
    assert shop.posted() == ["SO-1"]


# Business Central's notifications ---------------------------------------------------------------


def test_notifications_mark_master_data_and_ask_nobody(shop: Shop) -> None:
    with shop.connection() as conn:
        company = conn.bc.company
        assert company is not None
    shop.world.log.clear()
    for entity in ("items", "salesInvoices"):
        shop.hint(
            {"resource": f"companies({company.id})/{entity}", "changes": {"updated": 2}},
            "business_central",
        )
    shop.hint({"resource": "companies(other)/customers", "changes": {}}, "business_central")
    assert shop.drain() == Exit.DONE
    assert shop.calls("") == []
    with shop.connection() as conn:
        assert conn.store.meta("hint:items") == "2026-12-07T18:00:00.000Z"
        assert conn.store.meta("hint:customers") == ""
        assert conn.store.meta("hint:salesInvoices") == ""
    assert any("salesInvoices changed" in text for text in shop.trail())


def test_a_refresh_marks_all_master_data(shop: Shop) -> None:
    shop.hint(kind="refresh")
    assert shop.drain() == Exit.DONE
    with shop.connection() as conn:
        assert conn.store.meta("hint:items")
        assert conn.store.meta("hint:customers")


# Trouble ----------------------------------------------------------------------------------------


def test_after_three_failures_hints_are_left_to_the_next_poll(shop: Shop) -> None:
    shop.hint(pointer(shop.ship("SO-1")))
    shop.world.faults.add({"vendor": "shipstation", "do": "reject", "times": 0, "status": 503})
    for _ in range(2):
        assert shop.drain() == Exit.TEMPORARY
        assert len(shop.waiting()) == 1
    assert shop.drain() == Exit.TEMPORARY
    assert shop.waiting() == []
    assert any("left to the next poll" in text for text in shop.trail())
    shop.world.faults.clear()
    assert shop.run().exit_code == Exit.DONE
    assert shop.posted() == ["SO-1"]


def test_one_failure_keeps_the_hint_for_another_try(shop: Shop) -> None:
    shop.hint(pointer(shop.ship("SO-1")))
    shop.world.faults.add(
        {"vendor": "bc", "do": "reject", "times": 0, "status": 503, "path": "salesInvoices"}
    )
    assert shop.drain() == Exit.TEMPORARY
    assert len(shop.waiting()) == 1
    shop.world.faults.clear()
    assert shop.drain() == Exit.DONE
    assert shop.posted() == ["SO-1"]


def test_a_worker_that_dies_leaves_its_hints(shop: Shop) -> None:
    class Died(BaseException):
        pass

    def die(vendor: str, _request: object) -> None:
        if vendor == "bc":
            raise Died

    shop.hint(pointer(shop.ship("SO-1")))
    shop.before = die
    with pytest.raises(Died):
        shop.drain()
    shop.before = None
    assert len(shop.waiting()) == 1
    assert shop.drain() == Exit.DONE
    assert shop.posted() == ["SO-1"]


def test_a_hint_that_kills_its_worker_each_time_does_so_a_bounded_number_of_times(
    shop: Shop,
) -> None:
    shop.hint(kind="poll")
    for _ in range(MAX_STARTS):
        with closing(shop.hints()) as hints:
            assert hints.begin() > 0
    with closing(shop.hints()) as hints:
        assert hints.begin() == 0


def test_a_worker_that_is_told_to_stop_puts_its_hints_back(shop: Shop) -> None:
    shop.hint(pointer(shop.ship("SO-1")))
    with shop.connection() as conn:
        conn.limits.ends = conn.clock.monotonic()
        assert work_hints(conn) == 0
    assert len(shop.waiting()) == 1
    assert shop.drain() == Exit.DONE
    assert shop.posted() == ["SO-1"]


def test_told_to_stop_while_at_work_it_ends_at_a_safe_point(shop: Shop) -> None:
    shop.hint(pointer(shop.ship("SO-1")))
    stop = worker._Stop(shop.around.clock)

    def ask(vendor: str, request: Request) -> None:
        if vendor == "shipstation" and request.path == "/fulfillments":
            stop.ask()

    shop.before = ask
    worker._one_batch(shop.config, shop.around, stop)
    shop.before = None
    assert shop.posted() == []
    assert len(shop.waiting()) == 1
    assert shop.drain() == Exit.DONE
    assert shop.posted() == ["SO-1"]


def test_half_of_the_quota_is_left_to_cron(shop: Shop) -> None:
    clock = shop.around.clock
    pace = worker._Pace(clock, share=20)
    pace.note(15)
    assert pace.wait() == 0
    clock.sleep(10)
    pace.note(10)
    assert pace.wait() == pytest.approx(50)
    clock.sleep(50)
    assert pace.wait() == 0


def test_cron_at_work_does_not_stop_capture_and_booking_waits_for_its_lock(shop: Shop) -> None:
    shop.hint(pointer(shop.ship("SO-1")))
    path, clock = shop.config.state.path, shop.around.clock
    with run_lock(path, "sync all", clock):
        with booking_lock(path, "pull-orders", clock):
            assert shop.drain() == Exit.TEMPORARY
        assert len(shop.waiting()) == 1
        assert shop.drain() == Exit.DONE
    assert shop.posted() == ["SO-1"]


def test_a_webhook_need_not_wait_where_cron_must(shop: Shop) -> None:
    """Nine requests are left: ten are kept from a batch, but only four from the listener."""
    shop.hint(kind="poll")
    shop.drain()
    shop.world.clock.advance(3600)
    clock = shop.around.clock
    budget = Budget(shop.folder / "budget.db", hash_key("sandbox-key"), 40, 60.0, clock)
    for _ in range(31):
        assert budget.acquire("operator") == 0
    assert budget.acquire("batch") > 0
    budget.close()
    before = clock.now()
    shop.hint(kind="poll")
    assert shop.drain() == Exit.DONE
    assert clock.now() == before


def test_a_held_order_is_reported_once(shop: Shop) -> None:
    lines = [{"sku": "NOBODY-KNOWS", "name": "?", "quantity": 1, "unitPrice": "1.00"}]
    order_id = shop.order("SO-1", items=lines)
    batch = str(shop.act("label", orderId=order_id)["batchId"])
    shop.hint(pointer(batch))
    assert shop.drain() == Exit.HELD
    shop.hint(pointer(batch))
    assert shop.drain() == Exit.DONE


# The store --------------------------------------------------------------------------------------


def test_a_full_store_keeps_one_hint_to_poll_and_one_to_refresh(shop: Shop) -> None:
    clock = shop.around.clock
    path = hints_path(shop.config.state.path)
    with closing(Hints(path, clock, synchronous="OFF", most=5)) as hints:
        hints.add([Arrival("shipstation", b"x")] * 5)
        for _ in range(3):
            hints.add([Arrival("shipstation", b"y"), Arrival("business_central", b"z")])
        assert hints.count() == 7
        kinds = [hint.kind for hint in hints.upto(2**62)]
        assert sorted(kinds[5:]) == ["poll", "refresh"]
        hints.done(5)
        hints.add([Arrival("shipstation", b"again")])
        assert [hint.body for hint in hints.upto(2**62)][-1] == b"again"


def test_a_poll_asked_for_during_a_poll_is_not_lost(shop: Shop) -> None:
    with closing(shop.hints()) as hints:
        hints.add([Arrival("poll")])
        last = hints.begin()
        hints.add([Arrival("poll")])
        hints.done(last)
        assert [hint.kind for hint in hints.upto(2**62)] == ["poll"]


def test_numbers_are_never_used_again(shop: Shop) -> None:
    with closing(shop.hints()) as hints:
        hints.add([Arrival("shipstation", b"1")])
        last = hints.begin()
        hints.done(last)
        hints.add([Arrival("shipstation", b"2")])
        hints.done(last)
        assert [hint.body for hint in hints.upto(2**62)] == [b"2"]


def test_a_connection_without_webhooks_has_nothing_to_drain(shop: Shop) -> None:
    shop.config = replace(shop.config, webhooks=None)
    assert shop.drain() == Exit.DONE
    assert shop.calls("") == []


def test_a_worker_whose_configuration_has_changed_ends_before_it_works(shop: Shop) -> None:
    """It is started again with the new one; by the old one it would undo what cron has made."""
    shop.ship("SO-1")
    shop.hint()
    shop.config.path.write_text("name: another\n")

    assert worker.drain(shop.config, follow=True, around=shop.around) is Exit.DONE

    assert len(shop.waiting()) == 1
    assert shop.posted() == []
