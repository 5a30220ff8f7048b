"""A customer who moved in Business Central moves on open orders, and nowhere else."""

import csv
import io
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bcss.config.schema import Customers
from bcss.errors import Exit
from bcss.flows.capture import capture
from bcss.flows.customers import sync_customers
from bcss.sandbox.world import World
from tests.rig import STORE, Rig, config_for, store_rule

SYNC = (("sync-customers", sync_customers),)
ORDER = 3_000_000_501
SHIP_TO = {
    "name": "A. Clerk",
    "company": "Example Retail",
    "street1": "4 SAMPLE STREET",
    "city": "SPRINGFIELD",
    "state": "IL",
    "postalCode": "62701-0001",
    "country": "US",
    "phone": "555-0199",
    "residential": False,
}
NEW = {"addressLine1": "9 New Road", "city": "Peoria", "postalCode": "61602"}
RigOf = Callable[..., Rig]


def order(**changes: Any) -> dict[str, Any]:
    return {
        "orderId": ORDER,
        "orderNumber": "R-1",
        "orderKey": "retail-1",
        "orderDate": "2026-11-20T10:00:00Z",
        "createDate": "2026-11-20T10:00:00Z",
        "orderStatus": "awaiting_shipment",
        "customerUsername": "10000",
        "customerEmail": "someone@example.test",
        "billTo": {"name": "Example Retail"},
        "shipTo": SHIP_TO,
        "items": [
            {
                "orderItemId": 3_100_000_901,
                "lineItemKey": "L1",
                "sku": "ITEM-24",
                "name": "Gift box of 24",
                "quantity": 2,
                "unitPrice": "24.00",
            }
        ],
        "taxAmount": "2.88",
        "shippingAmount": "5.00",
        "internalNotes": "leave at the dock",
        "tagIds": [1],
        **changes,
    }


@pytest.fixture
def rig_of(tmp_path: Path) -> RigOf:
    def make(*orders: dict[str, Any], ship_to: Any = "open-orders", **rule: Any) -> Rig:
        rows = list(orders) or [order()]
        world = World({"shipstation": {"orders": rows}, "clock": "2026-11-23T09:00:00Z"})
        config = config_for(tmp_path, start=date(2026, 3, 1), stores={STORE: store_rule(**rule)})
        return Rig(world, replace(config, customers=Customers(ship_to)), tmp_path)

    return make


def move(rig: Rig, **changes: Any) -> None:
    rig.world.clock.advance(600)
    rig.world.bc.run({"action": "edit_customer", "number": "10000", "changes": changes or NEW})
    rig.world.clock.advance(600)


def found(rig: Rig, order_id: int = ORDER) -> Mapping[str, Any]:
    rows = rig.world.shipstation.state()["orders"]
    return next(row for row in rows if row["orderId"] == order_id)


def place(rig: Rig, order_id: int = ORDER) -> tuple[Any, ...]:
    ship_to = found(rig, order_id)["shipTo"]
    return tuple(ship_to[name] for name in ("street1", "city", "postalCode"))


def sent(rig: Rig) -> int:
    return sum("createorder" in one.request.path for one in rig.world.log.calls("shipstation"))


OLD = ("4 SAMPLE STREET", "SPRINGFIELD", "62701-0001")
MOVED = ("9 NEW ROAD", "PEORIA", "61602-0001")


def test_the_first_sight_changes_nothing(rig_of: RigOf) -> None:
    rig = rig_of(order(shipTo={**SHIP_TO, "street1": "1 Elsewhere"}))

    summary = rig.run(SYNC)

    assert (summary.exit_code, summary.errors, sent(rig)) == (Exit.DONE, (), 0)


def test_an_open_order_follows_its_customer_and_keeps_all_else(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.run(SYNC)
    before = found(rig)
    move(rig)

    summary = rig.run(SYNC)

    after = found(rig)
    assert (summary.exit_code, summary.report.notes) == (Exit.DONE, [])
    assert place(rig) == MOVED
    assert {n for n in after if after[n] != before[n]} <= {
        "shipTo",
        "modifyDate",
        "customerId",
        "items",
    }
    assert [line["orderItemId"] for line in after["items"]] == [3_100_000_901]
    kept = ("name", "company", "phone", "state", "country")
    assert [after["shipTo"][n] for n in kept] == [before["shipTo"][n] for n in kept]
    body = next(
        one.request.body
        for one in rig.world.log.calls("shipstation")
        if "createorder" in one.request.path
    ).decode()
    assert f'"orderId":{ORDER}' in body
    assert '"orderKey":"retail-1"' in body


def test_nothing_is_sent_twice_and_an_empty_run_is_cheap(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.run(SYNC)
    move(rig)
    rig.run(SYNC)
    rig.world.log.clear()

    again = rig.run(SYNC)

    assert sent(rig) == 0
    assert again.requests == {"business_central": 3}  # items, their details, customers
    move(rig, addressLine1="10 Newer Road")
    rig.run(SYNC)
    assert place(rig)[0] == "10 NEWER ROAD"


@pytest.mark.parametrize(
    "changes",
    [
        {"shipTo": {**SHIP_TO, "street1": "4 Sample Street, dock B"}},
        {"shipTo": {**SHIP_TO, "postalCode": "62702"}},
        {"orderStatus": "shipped"},
        {"orderStatus": "cancelled"},
        {"orderStatus": "pending_fulfillment"},
        {"externallyFulfilled": True},
        {"advancedOptions": {"source": "Amazon US"}},
        {"advancedOptions": {"storeId": 80002}},
        {"customerUsername": "20000"},
        {"customerUsername": "unknown"},
        {"orderTotal": "50.00"},
        {"orderKey": ""},
    ],
)
def test_an_order_that_is_not_ours_to_change_stays(rig_of: RigOf, changes: dict[str, Any]) -> None:
    rig = rig_of(order(**changes))
    before = found(rig)["shipTo"]
    rig.run(SYNC)
    move(rig)

    summary = rig.run(SYNC)

    assert sent(rig) == 0
    assert found(rig)["shipTo"] == before
    assert summary.report.notes == []


def test_orders_of_a_marketplace_store_stay(rig_of: RigOf) -> None:
    rig = rig_of(tax="excluded")
    rig.run(SYNC)
    move(rig)

    rig.run(SYNC)

    assert sent(rig) == 0


@pytest.mark.parametrize("status", ["on_hold", "awaiting_payment"])
def test_other_open_states_follow(rig_of: RigOf, status: str) -> None:
    rig = rig_of(order(orderStatus=status, holdUntilDate="2027-01-04"))
    rig.run(SYNC)
    move(rig)

    rig.run(SYNC)

    assert place(rig) == MOVED
    assert found(rig)["orderStatus"] == status


def test_the_customer_is_found_by_a_unique_email(rig_of: RigOf) -> None:
    rig = rig_of(order(customerUsername=None, customerEmail="Buyer@Retail.example.test"))
    rig.run(SYNC)
    move(rig)

    rig.run(SYNC)

    assert place(rig) == MOVED


def test_an_email_that_two_customers_share_names_nobody(rig_of: RigOf) -> None:
    rig = rig_of(order(customerUsername=None, customerEmail="buyer@retail.example.test"))
    changes = {"email": "buyer@retail.example.test"}
    rig.world.bc.run({"action": "edit_customer", "number": "20000", "changes": changes})
    rig.run(SYNC)
    move(rig)

    rig.run(SYNC)

    assert sent(rig) == 0


def test_an_edit_since_the_capture_is_respected(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.run(SYNC)
    move(rig)
    edited = {**SHIP_TO, "street1": "77 Gift Lane"}

    def meddle(vendor: str, request: Any) -> None:
        if vendor == "shipstation" and request.path.endswith(str(ORDER)):
            rig.world.shipstation.run(
                {"action": "edit", "orderId": ORDER, "changes": {"shipTo": edited}}
            )

    rig.before = meddle
    rig.run(SYNC)

    assert sent(rig) == 0
    assert place(rig)[0] == "77 Gift Lane"


def test_an_order_that_came_after_the_last_poll_follows_too(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.run((("capture", lambda conn: (capture(conn), None)[1]), *SYNC))
    rig.world.load(
        {
            "shipstation": {
                "orders": [
                    order(
                        orderId=ORDER + 1,
                        orderKey="retail-2",
                        createDate="2026-11-23T09:05:00Z",
                    )
                ]
            }
        }
    )
    move(rig)

    rig.run(SYNC)

    assert place(rig) == place(rig, ORDER + 1) == MOVED


def test_a_new_name_replaces_the_old_one_only(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.run(SYNC)
    move(rig, displayName="Example Retail Group")

    rig.run(SYNC)

    ship_to = found(rig)["shipTo"]
    assert (ship_to["name"], ship_to["company"]) == ("A. Clerk", "Example Retail Group")
    assert place(rig) == OLD


def test_a_lost_answer_leaves_the_customer_for_the_next_run(rig_of: RigOf) -> None:
    rig = rig_of(order(), order(orderId=ORDER + 1, orderKey="retail-2"))
    rig.run(SYNC)
    move(rig)
    rule = {"do": "late", "vendor": "shipstation", "path": "createorder", "body": "retail-1"}
    rig.world.faults.add(rule)

    first = rig.run(SYNC)
    between = place(rig), place(rig, ORDER + 1)
    second = rig.run(SYNC)

    assert first.exit_code is Exit.TEMPORARY
    assert between == (OLD, MOVED)
    assert second.exit_code is Exit.DONE
    assert place(rig) == MOVED
    assert len(rig.world.shipstation.state()["orders"]) == 2


def test_a_refusal_is_said_once(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.run(SYNC)
    move(rig)
    text = '{"ExceptionMessage":"Order is locked and must not be changed."}'
    rig.world.faults.add(
        {
            "do": "reject",
            "vendor": "shipstation",
            "path": "createorder",
            "status": 500,
            "content": text,
        }
    )

    first = rig.run(SYNC)
    second = rig.run(SYNC)

    assert len(first.report.notes) == 1
    assert "R-1 keeps its ship-to" in first.report.notes[0]
    assert (second.report.notes, sent(rig)) == ([], 1)


def test_an_incomplete_address_is_not_sent(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.run(SYNC)
    move(rig, postalCode="")

    summary = rig.run(SYNC)

    assert sent(rig) == 0
    assert "no complete address" in summary.report.notes[0]


def test_a_blank_country_is_the_companys_own(rig_of: RigOf) -> None:
    rig = rig_of()
    changes = {"country": ""}
    rig.world.bc.run({"action": "edit_customer", "number": "10000", "changes": changes})
    rig.run(SYNC)
    move(rig)

    rig.run(SYNC)

    assert place(rig) == MOVED
    assert found(rig)["shipTo"]["country"] == "US"


def test_ship_to_none_leaves_orders_alone_and_still_writes_the_file(rig_of: RigOf) -> None:
    rig = rig_of(ship_to="none")
    rig.run(SYNC)
    move(rig)

    summary = rig.run(SYNC)

    assert sent(rig) == 0
    assert "shipstation" not in summary.requests
    path = rig.folder / "test-customers.csv"
    rows = {row["Username"]: row for row in csv.DictReader(io.StringIO(path.read_text()))}
    assert (rows["10000"]["Address Line 1"], rows["10000"]["City"]) == ("9 New Road", "Peoria")
    assert rows["10000"]["Email"] == "buyer@retail.example.test"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_dry_run_only_says_what_it_would_do(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.run(SYNC)
    path = rig.folder / "test-customers.csv"
    was = path.read_bytes()
    move(rig)

    dry = rig.run(SYNC, dry_run=True)
    between = path.read_bytes(), place(rig)
    rig.run(SYNC)

    assert any("ship-to of order R-1" in one for one in dry.report.notes)
    assert between == (was, OLD)
    assert place(rig) == MOVED


def test_the_trail_has_the_order_before_and_after(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.run(SYNC)
    move(rig)
    rig.run(SYNC)

    with rig.connection() as conn:
        rows = conn.store.trail.of([f"order:{ORDER}"])

    ours = [row for row in rows if row.flow == "sync-customers"]
    assert [(row.kind, row.status) for row in ours] == [("intent", "sent"), ("outcome", "done")]
    assert None not in (ours[0].before_id, ours[0].after_id)
