"""Judge the outcome from outside: the sandbox's state and the database's rows, nothing of bcss.

It finds a family's documents by the order number in `customerPurchaseOrderReference`, so it
depends on no reference formula of ours.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from bcss.sandbox.world import World

KNOWN_SKUS = {"ITEM-24", "RIBBON", "1896-S", "GIFT-24", "TEE-RED", "BOX-3", "FREIGHT"}
AGENTS = {
    ("ups_walleted", "ups_ground"): ("UPS", "GROUND"),
    ("ups_walleted", "ups_2nd_day_air"): ("UPS", "2DAY"),
    ("fedex", "fedex_ground"): ("FEDEX", "GROUND"),
    ("stamps_com", "usps_priority_mail"): ("USPS", "PRIORITY"),
}
Row = dict[str, Any]


def problems(
    world: World, database: Path, *, store: int = 80001, by_hand: Collection[str] = ()
) -> list[str]:
    """Return every broken promise: doubles, losses, strays, wrong totals, wrong tracking.

    `by_hand` names the orders whose documents a person posted, perhaps before their tracking.
    """
    found: list[str] = []
    documents = _documents(world)
    held, waiting = _excuses(database)
    for number, family in _families(world, store).items():
        rows = documents.get(number, [])
        posted = [row for row in rows if row["posted"]]
        drafts = [row for row in rows if not row["posted"]]
        if len(posted) > 1:
            found.append(f"{number}: booked {len(posted)} times")
        if family["eligible"] and not posted and number not in held:
            found.append(f"{number}: lost")
        if posted and not family["was_shipped"]:
            found.append(f"{number}: booked though never shipped")
        if drafts and number not in held and number not in waiting:
            found.append(f"{number}: {len(drafts)} stray drafts")
        if number not in held and number not in by_hand:
            files = _attached(world, posted)
            found += [text for row in posted for text in _wrong(number, row, family, files)]
    return found


def booked(world: World) -> int:
    """Return how many posted invoices there are."""
    return sum(row["posted"] for row in world.bc.state()["salesInvoices"])


def _attached(world: World, posted: list[Row]) -> str:
    ids = {row["id"] for row in posted}
    rows = world.bc.state()["documentAttachments"]
    return " ".join(str(row) for row in rows if row["parentId"] in ids)


def _documents(world: World) -> Mapping[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in world.bc.state()["salesInvoices"]:
        found[row["customerPurchaseOrderReference"]].append(row)
    return found


def _excuses(database: Path) -> tuple[set[str], set[str]]:
    conn = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        held = conn.execute("SELECT order_number FROM hold WHERE closed_at IS NULL").fetchall()
        waiting = conn.execute(
            "SELECT order_number FROM unit WHERE waiting <> '' AND state <> 'confirmed'"
        ).fetchall()
    finally:
        conn.close()
    return {row[0] for row in held}, {row[0] for row in waiting}


def _families(world: World, store: int) -> dict[str, Row]:
    state = world.shipstation.state()
    orders = {row["orderId"]: row for row in state["orders"]}
    families: dict[int, list[Row]] = defaultdict(list)
    for row in orders.values():
        top = row
        while (parent := top["advancedOptions"].get("parentId")) in orders:
            top = orders[parent]
        families[top["orderId"]].append(row)
    sent = _sent(state)
    absorbed = {
        one
        for row in orders.values()
        for one in row["advancedOptions"].get("mergedIds") or []
        if one in orders and orders[one]["advancedOptions"].get("parentId") != row["orderId"]
    }
    return {
        orders[root]["orderNumber"]: _family(members, sent)
        for root, members in families.items()
        if orders[root]["advancedOptions"]["storeId"] == store and root not in absorbed
    }


def _sent(state: Row) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in [*state["shipments"], *state["fulfillments"]]:
        if row.get("orderId") and not row.get("isReturnLabel"):
            found[row["orderId"]].append(row)
    return found


def _family(members: list[Row], sent: dict[int, list[Row]]) -> Row:
    live = [[one for one in sent[row["orderId"]] if not one["voided"]] for row in members]
    counting = sorted((one for rows in live for one in rows), key=lambda one: one["createDate"])
    skus = {item["sku"] for row in members for item in row["items"] if not item["adjustment"]}
    return {
        "eligible": all(row["orderStatus"] == "shipped" for row in members)
        and all(live)
        and not any(row["externallyFulfilled"] for row in members)
        and skus <= KNOWN_SKUS,
        "was_shipped": any(sent[row["orderId"]] for row in members),
        "total": sum(Decimal(row["orderTotal"]) for row in members),
        "counting": counting,
        "sent": [one for row in members for one in sent[row["orderId"]]],
        "voided": any(one["voided"] for row in members for one in sent[row["orderId"]]),
    }


def _wrong(number: str, row: Row, family: Row, files: str) -> list[str]:
    found = []
    if Decimal(row["totalAmountIncludingTax"]) != family["total"]:
        found.append(
            f"{number}: total {row['totalAmountIncludingTax']} instead of {family['total']}"
        )
    return found + (_wrong_tracking(number, row, family, files) if family["counting"] else [])


def _wrong_tracking(number: str, row: Row, family: Row, files: str) -> list[str]:
    """Each number must be told in the field, on a comment line or in a file of the document.

    The field holds the latest number known at posting; a later one comes as a file.
    """
    text = " ".join(line["description"] for line in row["lines"]) + files
    numbers = [one["trackingNumber"] for one in family["counting"] if one["trackingNumber"]]
    found = [f"{number}: {one} is told nowhere" for one in numbers if one not in text]
    latest = family["counting"][-1]
    if row["trackingNumber"] not in {one["trackingNumber"] or "" for one in family["sent"]}:
        found.append(f"{number}: tracking {row['trackingNumber']!r}")
    wanted = AGENTS.get((latest["carrierCode"], latest.get("serviceCode") or ""))
    current = row["trackingNumber"] == latest["trackingNumber"]
    if current and wanted and (row["agent"], row["service"]) != wanted:
        found.append(f"{number}: agent {row['agent']} {row['service']}")
    if not files and not family["voided"] and not current:
        found.append(f"{number}: tracking {row['trackingNumber']!r} is not the latest")
    return found
