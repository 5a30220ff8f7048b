"""Items become products: what differs is written, what is missing is listed, no more."""

import csv
import io
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bcss.config.schema import Items
from bcss.errors import Exit
from bcss.flows.items import MISSING, push_items
from bcss.sandbox.world import World
from tests.rig import Rig, config_for

PUSH = (("push-items", push_items),)
NUMBERS = ("1896-S", "ITEM-24", "RIBBON", "TEE")
SEED = [
    {
        "productId": 17_000_101,
        "sku": "ITEM-24",
        "name": "Old name",
        "price": 23.5,
        "warehouseLocation": "A-7",
        "internalNotes": "fragile",
        "customsDescription": "a box",
        "createDate": "2026-01-05T10:00:00Z",
    },
    {
        "productId": 17_000_102,
        "sku": "RIBBON",
        "name": "Ribbon",
        "createDate": "2026-01-06T10:00:00Z",
    },
]
RigOf = Callable[..., Rig]


@pytest.fixture
def rig_of(tmp_path: Path) -> RigOf:
    def make(products: list[dict[str, Any]] | None = None, **items: Any) -> Rig:
        world = World({"shipstation": {"products": SEED if products is None else products}})
        config = replace(config_for(tmp_path, start=date(2026, 3, 1)), items=Items(**items))
        return Rig(world, config, tmp_path)

    return make


def product(rig: Rig, product_id: int) -> Mapping[str, Any]:
    rows = rig.world.shipstation.state()["products"]
    return next(row for row in rows if row["productId"] == product_id)


def calls(rig: Rig, method: str = "", path: str = "") -> int:
    return sum(
        method in ("", one.request.method) and path in one.request.path
        for one in rig.world.log.calls("shipstation")
    )


def edit(rig: Rig, number: str, **changes: Any) -> None:
    rig.world.clock.advance(60)
    rig.world.bc.run({"action": "edit_item", "number": number, "changes": changes})
    rig.world.clock.advance(60)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode())))


def meta(rig: Rig, key: str) -> str:
    with rig.connection() as conn:
        return conn.store.meta(key)


def test_a_product_gets_what_bc_owns_and_keeps_the_rest(rig_of: RigOf) -> None:
    rig = rig_of()

    summary = rig.run(PUSH)

    assert (summary.exit_code, summary.errors) == (Exit.DONE, ())
    found = product(rig, 17_000_101)
    owned = {
        "sku": "ITEM-24",
        "name": "Gift box of 24",
        "customsTariffNo": "4819.20",
        "customsCountryCode": "US",
        "upc": "00000000000024",
        "active": True,
    }
    kept = {"warehouseLocation": "A-7", "internalNotes": "fragile", "customsDescription": "a box"}
    assert {name: found[name] for name in owned} == owned
    assert {name: found[name] for name in kept} == kept
    assert (str(found["price"]), str(found["weightOz"])) == ("24", "28.22")


def test_what_is_equal_is_not_written_and_an_empty_run_asks_nothing(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.run(PUSH)
    puts = calls(rig, "PUT")
    rig.world.log.clear()

    again = rig.run(PUSH)
    rig.world.clock.advance(25 * 3600)
    daily = rig.run(PUSH)

    assert puts == 2
    assert "shipstation" not in again.requests
    assert daily.requests["shipstation"] == 1
    assert calls(rig, "PUT") == 0
    assert daily.report.notes == []


def test_a_change_that_another_flow_has_read_already_is_still_pushed(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.run(PUSH)
    edit(rig, "ITEM-24", unitPrice="26.00")
    with rig.connection() as conn:
        from bcss.flows.catalog import refresh  # noqa: PLC0415 - another flow's reading

        assert refresh(conn) == ["ITEM-24"]

    rig.run(PUSH)

    assert str(product(rig, 17_000_101)["price"]) == "26"


def test_a_posting_that_only_touches_an_item_costs_no_shipstation_call(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.run(PUSH)
    edit(rig, "ITEM-24", displayName="Gift box of 24")

    again = rig.run(PUSH)

    assert "shipstation" not in again.requests


def test_missing_products_are_listed_once_and_the_file_goes_when_they_exist(rig_of: RigOf) -> None:
    rig = rig_of()
    path = rig.folder / "test-products.csv"

    first = rig.run(PUSH)
    rows = rows_of(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    rig.world.clock.advance(25 * 3600)
    again = rig.run(PUSH)
    counted = meta(rig, MISSING)
    rig.world.load(
        {"shipstation": {"products": [{"sku": "TEE"}, {"sku": "1896-S", "active": False}]}}
    )
    rig.world.clock.advance(25 * 3600)
    rig.run(PUSH)

    assert [row["SKU"] for row in rows] == ["1896-S", "TEE"]
    assert (len(rows[0]), rows[1]["Name"], rows[1]["WeightOz"]) == (24, "T-shirt", "7.05")
    assert mode == 0o600
    assert first.report.notes == [f"2 product(s) are missing in ShipStation; import {path} there."]
    assert (again.report.notes, counted) == ([], "2")
    assert not path.exists()
    assert meta(rig, MISSING) == "0"
    assert all(row["active"] for row in rig.world.shipstation.state()["products"])


def test_ignored_missing_products_are_only_counted(rig_of: RigOf) -> None:
    rig = rig_of(missing="ignore")

    summary = rig.run(PUSH)

    assert summary.report.notes == []
    assert meta(rig, MISSING) == "2"
    assert not (rig.folder / "test-products.csv").exists()


@pytest.mark.parametrize(
    "others", [[{"sku": "ITEM-24"}, {"sku": "ITEM-24", "active": False}], [{"sku": "Item-24 "}]]
)
def test_a_doubtful_sku_is_held_until_it_is_resolved(
    rig_of: RigOf, others: list[dict[str, Any]]
) -> None:
    rig = rig_of([{"productId": 17_000_200 + n, **one} for n, one in enumerate(others)])

    held = rig.run(PUSH)
    before = rig.world.shipstation.state()["products"]
    renamed = [
        {"productId": 17_000_200 + n, "sku": "ITEM-24" if n == 0 else "OTHER"}
        for n in range(len(others))
    ]
    rig.world.load({"shipstation": {"products": renamed}})
    rig.world.clock.advance(25 * 3600)
    after = rig.run(PUSH)

    assert [(hold.subject, hold.why) for hold in held.new_holds] == [
        ("product:ITEM-24", "sku_twice")
    ]
    assert held.exit_code is Exit.HELD
    assert all(row["name"] is None for row in before)
    assert after.exit_code is Exit.DONE
    assert product(rig, 17_000_200)["name"] == "Gift box of 24"
    with rig.connection() as conn:
        assert conn.store.holds.open() == []


def test_a_blocked_item_makes_its_product_inactive_and_is_not_missed(rig_of: RigOf) -> None:
    rig = rig_of()
    edit(rig, "ITEM-24", blocked=True)
    edit(rig, "TEE", blocked=True)

    rig.run(PUSH)

    assert product(rig, 17_000_101)["active"] is False
    assert meta(rig, MISSING) == "1"


def test_without_the_page_service_weight_and_tariff_stay(rig_of: RigOf) -> None:
    seed = [{**SEED[0], "weightOz": 30, "customsTariffNo": "1234"}]
    rig = rig_of(seed)
    rig.world.load({"switches": {"business_central": {"tracking_service": False}}})

    rig.run(PUSH)

    found = product(rig, 17_000_101)
    assert (found["weightOz"], found["customsTariffNo"]) == (30, "1234")
    assert found["name"] == "Gift box of 24"


def test_variants_are_products_of_their_own(rig_of: RigOf) -> None:
    seed = [{"productId": 17_000_301, "sku": "TEE-RED", "createDate": "2026-01-06T10:00:00Z"}]
    rig = rig_of(seed, sku="number+variant")

    rig.run(PUSH)

    found = product(rig, 17_000_301)
    assert (found["name"], str(found["price"])) == ("T-shirt, red", "19.99")
    skus = {row["SKU"] for row in rows_of(rig.folder / "test-products.csv")}
    assert skus == {"1896-S", "ITEM-24", "RIBBON", "TEE-BLUE"}


def test_a_refused_product_is_held_and_the_rest_is_written(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.world.faults.add(
        {
            "do": "reject",
            "vendor": "shipstation",
            "method": "PUT",
            "path": "17000101",
            "status": 400,
            "content": '{"Message":"The name is not welcome."}',
        }
    )

    first = rig.run(PUSH)
    written = str(product(rig, 17_000_102)["price"])
    rig.world.clock.advance(25 * 3600)
    second = rig.run(PUSH)

    assert written == "2.5"
    assert [hold.subject for hold in first.new_holds] == ["product:ITEM-24"]
    assert "not welcome" in first.new_holds[0].message
    assert second.exit_code is Exit.DONE
    with rig.connection() as conn:
        assert conn.store.holds.open() == []


def test_a_lost_answer_is_looked_at_again(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.world.faults.add(
        {"do": "drop", "vendor": "shipstation", "method": "PUT", "path": "17000101"}
    )

    first = rig.run(PUSH)
    second = rig.run(PUSH)

    assert first.exit_code is Exit.TEMPORARY
    assert (second.exit_code, second.new_holds) == (Exit.DONE, ())
    assert calls(rig, "PUT") == 2
    assert product(rig, 17_000_101)["name"] == "Gift box of 24"


def test_a_product_that_always_fails_is_held_in_the_end(rig_of: RigOf) -> None:
    rig = rig_of()
    rule = {"do": "reject", "vendor": "shipstation", "method": "PUT", "path": "17000101"}
    rig.world.faults.add({**rule, "status": 500, "times": 0})

    codes = [rig.run(PUSH).exit_code for _ in range(3)]
    last = rig.run(PUSH)

    assert codes == [Exit.TEMPORARY, Exit.TEMPORARY, Exit.HELD]
    assert (last.exit_code, last.requests.get("shipstation")) == (Exit.DONE, None)
    assert str(product(rig, 17_000_102)["price"]) == "2.5"


def test_a_value_that_shipstation_keeps_is_not_sent_for_ever(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.run(PUSH)
    edit(rig, "RIBBON", unitPrice="3.00")
    answer = '{"success":true,"message":"The requested product has been updated"}'
    rig.world.faults.add(
        {"do": "reject", "vendor": "shipstation", "method": "PUT", "status": 200, "content": answer}
    )
    notes = []
    rig.world.log.clear()
    for _ in range(4):
        rig.world.clock.advance(25 * 3600)
        notes += rig.run(PUSH).report.notes

    assert calls(rig, "PUT") == 1
    assert notes == [
        "ShipStation accepted product RIBBON but keeps other values: price 2.5 -> 3.00."
    ]


def test_a_run_that_is_out_of_time_goes_on_where_it_stopped(rig_of: RigOf) -> None:
    rig = rig_of()

    rig.run((("push-items", partial(push_items, most=1)),))
    between = calls(rig, "PUT")
    rig.run((("push-items", partial(push_items, most=1)),))
    rig.run(PUSH)
    spent = calls(rig)
    rig.run(PUSH)

    assert between == 1
    assert calls(rig, "PUT") == 2
    assert calls(rig) == spent


def test_a_dry_run_says_what_it_would_do(rig_of: RigOf) -> None:
    rig = rig_of()

    summary = rig.run(PUSH, dry_run=True)
    real = rig.run(PUSH)

    assert any('name "Old name" -> "Gift box of 24"' in one for one in summary.report.notes)
    assert any("2 missing product(s)" in one for one in summary.report.notes)
    assert real.requests["shipstation"] == 5


def test_every_write_leaves_a_trail_with_both_bodies(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.run(PUSH)

    with rig.connection() as conn:
        rows = conn.store.trail.of(["product:ITEM-24"])
        broken = conn.store.trail.verify()

    assert [(row.kind, row.status) for row in rows] == [("intent", "sent"), ("outcome", "done")]
    assert "price 23.5 -> 24.00" in rows[0].summary
    assert rows[0].before_id is not None
    assert rows[0].after_id is not None
    assert broken is None


@pytest.mark.parametrize("link_delay", [0, 600])
def test_helper_orders_make_missing_products_and_go(rig_of: RigOf, link_delay: int) -> None:
    rig = rig_of(missing="order", catalog_store=80009)
    rig.world.load(
        {
            "switches": {"shipstation": {"link_delay": link_delay}},
            "shipstation": {"stores": [{"storeId": 80009, "storeName": "Catalogue"}]},
        }
    )

    first = rig.run(PUSH)
    sent = [one for one in rig.world.log.calls("shipstation") if "createorder" in one.request.path]
    for _ in range(2):
        rig.world.clock.advance(900)
        rig.run(PUSH)
    products = {row["sku"]: row for row in rig.world.shipstation.state()["products"]}
    orders = rig.world.shipstation.state()["orders"]

    assert first.exit_code is Exit.DONE
    assert len(sent) == 1
    assert set(products) == set(NUMBERS)
    assert (products["TEE"]["customsTariffNo"], str(products["TEE"]["price"])) == (
        "6109.10",
        "19.99",
    )
    assert [(row["hidden"], row["orderStatus"]) for row in orders] == [(True, "awaiting_payment")]
    assert meta(rig, "catalog_orders") == ""
    rig.world.log.clear()
    assert "shipstation" not in rig.run(PUSH).requests


def test_a_helper_order_whose_answer_was_lost_is_sent_under_the_same_key(rig_of: RigOf) -> None:
    rig = rig_of(missing="order", catalog_store=80001)
    rig.world.faults.add(
        {"do": "drop", "vendor": "shipstation", "method": "POST", "path": "createorder"}
    )

    first = rig.run(PUSH)
    rig.run(PUSH)
    orders = rig.world.shipstation.state()["orders"]

    assert first.exit_code is Exit.TEMPORARY
    assert [row.get("hidden") for row in orders] == [True]
    assert meta(rig, MISSING) == "0"


def test_a_helper_order_that_somebody_shipped_is_left_alone(rig_of: RigOf) -> None:
    rig = rig_of(missing="order", catalog_store=80001)
    rig.world.load({"switches": {"shipstation": {"link_delay": 600}}})
    rig.run(PUSH)
    order_id = rig.world.shipstation.state()["orders"][0]["orderId"]
    rig.world.shipstation.run({"action": "markasshipped", "orderId": order_id})
    rig.world.clock.advance(900)

    summary = rig.run(PUSH)

    assert any("is shipped and was not deleted" in one for one in summary.report.notes)
    assert not rig.world.shipstation.state()["orders"][0].get("hidden")
    assert calls(rig, "DELETE") == 0


def test_a_refused_helper_order_is_held_and_tried_again(rig_of: RigOf) -> None:
    rig = rig_of(missing="order", catalog_store=80001)
    text = '{"ExceptionMessage":"Store must be active."}'
    rule = {"do": "reject", "vendor": "shipstation", "path": "createorder", "status": 500}
    rig.world.faults.add({**rule, "content": text, "times": 2})

    first = rig.run(PUSH)
    second = rig.run(PUSH)
    third = rig.run(PUSH)

    assert [hold.why for hold in first.new_holds] == ["refused_by_shipstation"]
    assert "must be active" in first.new_holds[0].message
    assert (second.exit_code, second.new_holds) == (Exit.DONE, ())
    assert third.exit_code is Exit.DONE
    assert meta(rig, MISSING) == "0"
    with rig.connection() as conn:
        assert conn.store.holds.open() == []


def test_a_change_taken_back_before_it_was_all_written_is_taken_back_there(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.run(PUSH)
    edit(rig, "ITEM-24", unitPrice="30.00")
    edit(rig, "RIBBON", unitPrice="3.00")
    rig.run((("push-items", partial(push_items, most=1)),))
    edit(rig, "ITEM-24", unitPrice="24.00")
    edit(rig, "RIBBON", unitPrice="2.50")

    rig.run(PUSH)

    assert str(product(rig, 17_000_101)["price"]) == "24"
    assert str(product(rig, 17_000_102)["price"]) == "2.5"


def test_a_company_without_items_costs_no_shipstation_call(rig_of: RigOf) -> None:
    rig = rig_of()
    rig.world.load({"business_central": {"replace": True}})

    assert "shipstation" not in rig.run(PUSH).requests


def test_an_unreadable_product_is_held_and_the_rest_goes_on(rig_of: RigOf) -> None:
    bad = {"productId": 17_000_400, "sku": "BAD", "active": "perhaps"}
    rig = rig_of([*SEED, bad])

    held = rig.run(PUSH)
    rig.world.load({"shipstation": {"products": [{**bad, "active": True}]}})
    rig.world.clock.advance(25 * 3600)
    rig.run(PUSH)

    assert [hold.subject for hold in held.new_holds] == ["record:products:17000400"]
    assert product(rig, 17_000_101)["name"] == "Gift box of 24"
    with rig.connection() as conn:
        assert conn.store.holds.open() == []
