"""The generated seed data: shapes, sums and repeatability."""

import ast
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from bcss.clock import parse_utc
from bcss.sandbox import shapes
from bcss.sandbox.kit import dumps, loads
from bcss.shipstation.records import read_fulfillment, read_order, read_shipment
from bcss.wire import parse
from tests.sandbox.shipstation_rig import Rig

DAY = date(2026, 1, 5)


def by_shape(document: dict[str, Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for order in document["shipstation"]["orders"]:
        found.setdefault(document["shapes"][str(order["orderId"])], []).append(order)
    return found


def test_every_shape_occurs_and_every_order_has_one() -> None:
    document = shapes.generate(60, start=DAY)
    names = {shape.name for shape in shapes.ROTATION} | {"unknown_sku", "merged_absorbed"}
    assert set(document["shapes"].values()) == names
    assert len(names) >= 14
    for count in (0, 1, 7, 23, 100):
        made = shapes.generate(count, start=DAY)
        assert len(made["shipstation"]["orders"]) == count == len(made["shapes"])


def test_the_same_seed_gives_the_same_data_and_another_seed_other_data() -> None:
    one = dumps(shapes.generate(120, start=DAY))
    assert one == dumps(shapes.generate(120, start=DAY))
    assert one != dumps(shapes.generate(120, seed=2, start=DAY))


def test_totals_obey_the_arithmetic_but_for_split_families() -> None:
    document = shapes.generate(300, start=DAY)
    for shape, orders in by_shape(document).items():
        lines = Decimal(0)
        for order in orders:
            lines += sum(i["quantity"] * i["unitPrice"] for i in order["items"])
            lines += order["taxAmount"] + order["shippingAmount"]
            assert order["orderTotal"] >= 0
        if shape != "merged_absorbed":
            # Within a family the sum is right even where a split left the money on the parent.
            assert sum(order["orderTotal"] for order in orders) == lines


def test_each_shape_is_what_its_name_says() -> None:
    document = shapes.generate(100, start=DAY)
    found = by_shape(document)
    labels = Counter(s["orderId"] for s in document["shipstation"]["shipments"])
    marks = Counter(f["orderId"] for f in document["shipstation"]["fulfillments"])
    parent, child = found["split_pair"][:2]
    assert child["advancedOptions"]["parentId"] == parent["orderId"]
    assert (child["orderTotal"], child["orderStatus"]) == (0, "shipped")
    assert {order["orderStatus"] for order in found["half_shipped"]} == {
        "shipped",
        "awaiting_shipment",
    }
    assert [labels[o["orderId"]] for o in found["two_labels"]] == [2] * len(found["two_labels"])
    assert labels[found["relabelled"][0]["orderId"]] == 2
    assert labels[found["marked"][0]["orderId"]] == 0
    assert marks[found["marked"][0]["orderId"]] == 1
    assert found["external"][0]["externallyFulfilled"] is True
    assert labels[found["external"][0]["orderId"]] == 0
    assert found["manual_key"][0]["orderKey"].startswith("manual-")
    assert len(found["manual_key"][0]["orderKey"]) == 39
    assert found["ignored_store"][0]["advancedOptions"]["storeId"] == shapes.IGNORED_STORE
    assert any(i["unitPrice"] < 0 and i["adjustment"] for i in found["discount"][0]["items"])
    assert any(i["sku"] == "NO-SUCH-ITEM" for i in found["unknown_sku"][0]["items"])
    assert found["merged"][0]["advancedOptions"]["mergedIds"]
    assert found["merged_absorbed"][0]["orderStatus"] == "cancelled"


def test_about_one_order_in_forty_has_an_unknown_sku() -> None:
    found = by_shape(shapes.generate(2000, start=DAY))
    assert 30 <= len(found["unknown_sku"]) <= 60


def test_the_data_lies_within_its_time_and_store() -> None:
    document = shapes.generate(500, start=DAY, store=80007)
    end = parse_utc(document["until"])
    begin = datetime(2026, 1, 5, 16, 0, tzinfo=UTC)
    times = [parse_utc(o["modifyDate"]) for o in document["shipstation"]["orders"]]
    assert begin <= min(times)
    assert max(times) <= end < begin + timedelta(days=21)
    stores = {o["advancedOptions"]["storeId"] for o in document["shipstation"]["orders"]}
    assert stores == {80007, shapes.IGNORED_STORE}


def test_generated_data_loads_and_reads_as_the_client_reads_it() -> None:
    document = loads(dumps(shapes.generate(120, start=DAY)))
    rig = Rig()
    rig.app.load(document)
    readers = (
        ("orders", read_order),
        ("shipments", read_shipment),
        ("fulfillments", read_fulfillment),
    )
    for name, read in readers:
        body = rig.send("GET", f"/{name}", query="pageSize=500").body
        rows = parse(body)[name]
        assert [read(row) for row in rows]
        assert len(rows) == len(document["shipstation"][name])
    made = rig.order()
    assert made == max(order["orderId"] for order in document["shipstation"]["orders"]) + 1


def test_the_demo_day_is_a_dozen_orders_with_one_to_hold() -> None:
    document = shapes.demo_day()
    orders = document["shipstation"]["orders"]
    assert 12 <= len(orders) <= 14
    assert list(document["shapes"].values()).count("unknown_sku") == 1
    assert all(order["customerEmail"].endswith("@example.test") for order in orders)
    assert document["until"] < document["clock"]
    assert {order["orderStatus"] for order in orders} == {
        "shipped",
        "awaiting_shipment",
        "cancelled",
    }
    later = shapes.demo_day(date(2026, 7, 1))
    assert later["clock"] == "2026-07-02T03:00:00Z"


def test_the_imitation_stands_on_the_standard_library_and_the_kit_alone() -> None:
    folder = Path(shapes.__file__).parent
    for path in (*(folder / "shipstation").glob("*.py"), folder / "shapes.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [a.name for a in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert not name.startswith("bcss") or name.startswith("bcss.sandbox"), path
