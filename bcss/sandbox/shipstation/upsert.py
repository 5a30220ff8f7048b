"""Create and update orders as createorder does (shipstation.md §2.4 and §2.5)."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from bcss.sandbox.shipstation import times
from bcss.sandbox.shipstation.account import LOCKED, OPEN, Account
from bcss.sandbox.shipstation.answers import failed, invalid
from bcss.sandbox.shipstation.tables import Row
from bcss.sandbox.shipstation.templates import (
    ADDRESS,
    ADVANCED,
    ITEM,
    ORDER,
    ORDERS,
    Body,
    amount,
    total,
)

MAX_NUMBER = 50  # longer ones are silently cut (§11.7)
ACCEPTED = ("awaiting_payment", "awaiting_shipment", "on_hold", "shipped", "cancelled")
_READ_ONLY = (
    "orderId", "orderTotal", "customerId", "createDate", "modifyDate", "userId",
    "externallyFulfilled", "externallyFulfilledBy", "externallyFulfilledById",
    "externallyFulfilledByName", "labelMessages",
)  # fmt: skip
_ADVANCED_READ_ONLY = ("mergedOrSplit", "mergedIds", "parentId")
_ITEM_READ_ONLY = ("orderItemId", "productId", "createDate", "modifyDate")
_REQUIRED = ("orderNumber", "orderDate", "orderStatus", "billTo", "shipTo")
_DATES = ("orderDate", "paymentDate", "shipByDate")
_SHAPES: dict[str, type] = {
    "advancedOptions": dict, "tagIds": list, "items": list, "orderKey": str, "orderId": int,
}  # fmt: skip
_AMOUNTS = ("amountPaid", "taxAmount", "shippingAmount")


def _number(value: object, where: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | None):
        raise invalid(where, f"Error converting value {value!r} to type 'System.Decimal'.")
    return amount(value)


def _date(value: object, where: str) -> datetime | None:
    if value is None:
        return None
    try:
        return times.parse(str(value))
    except ValueError:
        raise invalid(where, f"Could not convert string to DateTime: {value}.") from None


def _day(value: object, where: str) -> str | None:
    try:
        return None if value is None else times.read_day(value)
    except ValueError:
        raise invalid(where, f"Could not convert string to DateTime: {value}.") from None


def _address(value: object, where: str) -> Body:
    if not isinstance(value, Mapping):
        raise invalid(where, "Error converting value to type 'SS.OpenApi.Models.Orders.Address'.")
    return {name: value.get(name, default) for name, default in ADDRESS.items()}


def rewritten(address: Body) -> Body:
    """Rewrite a ship-to address as the validation does (§2.4, §11.12)."""
    changed = dict(address)
    for name in ("street1", "street2", "street3", "city", "state"):
        if changed[name]:
            changed[name] = " ".join(str(changed[name]).upper().split())
    changed["country"] = changed["country"] or "US"
    code = str(changed["postalCode"])
    if changed["country"] == "US" and len(code) == 5 and code.isdigit():
        changed["postalCode"] = f"{code}-0001"
    changed["residential"] = bool(changed["residential"])
    changed["addressVerified"] = "Address validated successfully"
    return changed


def _read(body: Mapping[str, Any], prefix: str) -> Body:
    """Check what the model binder checks and keep what may be written."""
    for name in _REQUIRED:
        if body.get(name) in (None, ""):
            raise invalid(f"{prefix}.{name}", f"The {name} field is required.")
    if body["orderStatus"] not in ACCEPTED:
        raise invalid(f"{prefix}.orderStatus", f"Error converting value {body['orderStatus']!r}.")
    for name, shape in _SHAPES.items():
        if body.get(name) is not None and not isinstance(body[name], shape):
            raise invalid(f"{prefix}.{name}", "Cannot deserialize the current JSON value.")
    read = {n: v for n, v in body.items() if n in ORDER and n not in _READ_ONLY}
    read["orderNumber"] = str(body["orderNumber"])[:MAX_NUMBER]
    for name in _DATES:
        read[name] = _date(body.get(name), f"{prefix}.{name}")
    for name in ORDERS.days:
        read[name] = _day(body.get(name), f"{prefix}.{name}")
    for name in _AMOUNTS:
        read[name] = _number(body.get(name), f"{prefix}.{name}")
    for name in ("billTo", "shipTo"):
        read[name] = _address(body[name], f"{prefix}.{name}")
    if not str(read["shipTo"]["postalCode"] or "").strip():
        raise failed("Ship To: Postal Code must be provided.")
    return read


def _advanced(body: Mapping[str, Any], old: Body | None, store: int) -> Body:
    sent = body.get("advancedOptions") or {}
    new = {**ADVANCED, "storeId": store}
    new |= {n: v for n, v in sent.items() if n in ADVANCED and n not in _ADVANCED_READ_ONLY}
    new["storeId"] = new["storeId"] or store
    if old is not None:
        # A store cannot be changed later (§2.4), nor can the links of a split.
        new |= {name: old[name] for name in (*_ADVANCED_READ_ONLY, "storeId")}
    return new


def _item(raw: object, old: Body, where: str) -> Body:
    if not isinstance(raw, Mapping) or raw.get("name") is None:
        raise invalid(where, "Required property 'name' expects a value but got null.")
    quantity = raw.get("quantity", 1)
    if isinstance(quantity, bool) or not isinstance(quantity, int):
        raise invalid(f"{where}.quantity", "Error converting value to type 'System.Int32'.")
    kept = {n: v for n, v in raw.items() if n in ITEM and n not in _ITEM_READ_ONLY}
    same = {n: old[n] for n in _ITEM_READ_ONLY if n in old}
    price = _number(raw.get("unitPrice"), f"{where}.unitPrice")
    return {**kept, **same, "quantity": quantity, "unitPrice": price}


def _items(body: Mapping[str, Any], old: list[Body], prefix: str) -> list[Body]:
    """Replace the lines; one that names a known id or line key stays that line (§16.3)."""
    sent = body.get("items") or []
    by_id = {item["orderItemId"]: item for item in old}
    by_key = {item["lineItemKey"]: item for item in old if item["lineItemKey"]}
    items = []
    for raw in sent:
        match = raw if isinstance(raw, Mapping) else {}
        known = by_id.get(match.get("orderItemId")) or by_key.get(match.get("lineItemKey")) or {}
        items.append(_item(raw, known, f"{prefix}.items"))
    return items


def _target(account: Account, body: Mapping[str, Any]) -> Row | None:
    """Find the order that an upsert means.

    Without orderId the youngest of split siblings is hit, whichever was meant (§11.14). A key
    of a deleted order is free again, which nobody has documented (§16.35).
    """
    if body.get("orderId"):
        row = account.orders.rows.get(body["orderId"])
        if row is None or row.hidden:
            raise failed(f"Order {body['orderId']} was not found.")
        return row
    rows = (account.orders.rows.get(one) for one in account.by_key.get(body["orderKey"] or "", ()))
    live = [
        row
        for row in rows
        if row is not None and not row.hidden and row.body["orderKey"] == body["orderKey"]
    ]
    return live[-1] if body["orderKey"] and live else None


def _update(account: Account, row: Row, new: Body, at: datetime) -> Row:
    old = row.body
    # The whole resource is replaced: what was left out is cleared (§2.4). Tags are only added.
    kept = {name: old[name] for name in (*_READ_ONLY, "orderKey")}
    tags = sorted({*(old["tagIds"] or ()), *(new.get("tagIds") or ())}) or None
    body = {**ORDER, **new, **kept, "tagIds": tags}
    if not old["advancedOptions"]["mergedOrSplit"]:
        body["orderTotal"] = total(body)  # a split leaves the money on the parent (§2.9)
    account.change(row, at, **{**body, "modifyDate": at})
    account.index(row)
    return row


def upsert(
    account: Account, body: object, at: datetime, batch: str, *, prefix: str = "apiOrder"
) -> tuple[Row, bool]:
    """Create or update one order; tell whether the change is news for ORDER_NOTIFY.

    Raise Refused in dialect A or B.
    """
    if not isinstance(body, Mapping):
        raise invalid(
            prefix,
            "Cannot deserialize the current JSON array (e.g. [1,2,3]) into type"
            " 'SS.OpenApi.Models.Orders.Order' because the type requires a JSON object.",
        )
    body = {"orderKey": None, **body}
    new = _read(body, prefix)
    row = _target(account, body)
    if row is not None and row.body["orderStatus"] not in OPEN:
        if account.switches.locked != "silent":
            raise failed(f"Order is {row.body['orderStatus']} and can no longer be modified.")
        return row, False
    old = row.body if row is not None else None
    new["advancedOptions"] = _advanced(
        body, old["advancedOptions"] if old else None, _default_store(account)
    )
    new["items"] = account.filled_items(_items(body, old["items"] if old else [], prefix), at)
    if account.switches.rewrite_address:
        new["shipTo"] = rewritten(new["shipTo"])
    if row is None:
        new.pop("orderKey") if not body["orderKey"] else None
        row = account.add_order({**new, "createDate": at}, at, batch)
        news = row.body["orderStatus"] != "awaiting_payment"
    else:
        was = row.body["orderStatus"]
        row = _update(account, row, new, at)
        # Edits say nothing, but leaving awaiting_payment does (§9.2).
        news = was == "awaiting_payment" and row.body["orderStatus"] not in (was, LOCKED[1])
        row.batch = batch if news else row.batch
    account.link_later(row, at)
    return row, news


def _default_store(account: Account) -> int:
    manual = (one["storeId"] for one in account.lists["stores"] if one.get("marketplaceId") == 0)
    return int(next(manual, 80001))
