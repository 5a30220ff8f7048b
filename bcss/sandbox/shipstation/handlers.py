"""Answer each path of the imitated API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bcss.sandbox.kit import Response, json_response, loads
from bcss.sandbox.shipstation import events, listing, upsert
from bcss.sandbox.shipstation.account import LOCKED, Account
from bcss.sandbox.shipstation.answers import Refused, failed, invalid, missing
from bcss.sandbox.shipstation.hooks import EVENTS
from bcss.sandbox.shipstation.tables import Row
from bcss.sandbox.shipstation.templates import PRODUCT, Body

MAX_BATCH = 100
_HEADERS = {"content-type": "application/json; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Call:
    """One request with good credentials; query names in lower case."""

    identity: int
    query: dict[str, str]
    body: bytes
    at: datetime


Handler = Callable[[Account, Call], Response]


def _json(call: Call, parameter: str) -> Any:
    try:
        return loads(call.body)
    except (ValueError, RecursionError):
        text = "Unexpected character encountered while parsing value."
        raise invalid(parameter, text) from None


def _object(call: Call, parameter: str, *required: str) -> dict[str, Any]:
    value = _json(call, parameter)
    if not isinstance(value, dict):
        raise invalid(parameter, "The type requires a JSON object.")
    for name in required:
        if value.get(name) in (None, ""):
            raise invalid(f"{parameter}.{name}", f"The {name} field is required.")
    return value


def _lister(chosen: listing.Listing) -> Handler:
    return lambda account, call: listing.answer(account, chosen, call.query, call.at)


def _getter(name: str) -> Handler:
    """Serve one row by id; a soft-deleted order still answers (shipstation.md §11.21)."""

    def get(account: Account, call: Call) -> Response:
        row = account.tables[name].rows.get(call.identity)
        if row is None:
            raise missing(name[:-1])
        if row.identity in account.poison:
            raise failed("Object reference not set to an instance of an object.")
        return _row(account, name, row)

    return get


def _row(account: Account, name: str, row: Row) -> Response:
    return Response(200, _HEADERS, account.tables[name].text(row, items=True).encode())


def _create_order(account: Account, call: Call) -> Response:
    batch = account.new_batch()
    body = _json(call, "apiOrder")
    row, news = upsert.upsert(account, body, call.at, batch)
    if news:
        events.announce_orders(account, batch, [row])
    return _row(account, "orders", row)


def _create_orders(account: Account, call: Call) -> Response:
    """Upsert up to 100 orders, each with its own outcome (shipstation.md §2.5)."""
    sent = _json(call, "apiOrders")
    if not isinstance(sent, list) or len(sent) > MAX_BATCH:
        raise invalid("apiOrders", f"Expected an array of at most {MAX_BATCH} orders.")
    batch = account.new_batch()
    results, new = [], []
    for body in sent:
        try:
            row, news = upsert.upsert(account, body, call.at, batch, prefix="apiOrders")
        except Refused as refusal:
            named = body if isinstance(body, Mapping) else {}
            results.append(_result(None, named, refusal.reason))
            continue
        results.append(_result(row.identity, row.body, None))
        new += [row] if news else []
    events.announce_orders(account, batch, new)
    failures = any(not result["success"] for result in results)
    return json_response(200, {"hasErrors": failures, "results": results})


def _result(order_id: int | None, order: Mapping[str, Any], error: str | None) -> Body:
    return {
        "orderId": order_id,
        "orderNumber": order.get("orderNumber"),
        "orderKey": order.get("orderKey"),
        "success": error is None,
        "errorMessage": error,
    }


def _delete_order(account: Account, call: Call) -> Response:
    row = account.orders.rows.get(call.identity)
    if row is None or row.hidden:
        raise missing("order")
    account.orders.hide(account.change(row, call.at))
    text = "The requested order has been deleted."
    return json_response(200, {"success": True, "message": text})


def _named_order(account: Account, call: Call, *required: str) -> tuple[Row, dict[str, Any]]:
    sent = _object(call, "request", "orderId", *required)
    row = account.orders.rows.get(sent["orderId"]) if isinstance(sent["orderId"], int) else None
    if row is None or row.hidden:
        raise missing("order")
    return row, sent


def _mark_as_shipped(account: Account, call: Call) -> Response:
    row, sent = _named_order(account, call, "carrierCode")
    known = ("orderId", "carrierCode", "shipDate", "trackingNumber")
    try:
        action = {name: value for name, value in sent.items() if name in known}
        events.mark_as_shipped(account, action, call.at)
    except ValueError as error:
        raise failed(str(error)) from None
    order_number = row.body["orderNumber"]
    return json_response(200, {"orderId": row.identity, "orderNumber": order_number})


def _hold_until(account: Account, call: Call) -> Response:
    row, sent = _named_order(account, call, "holdUntilDate")
    if row.body["orderStatus"] in LOCKED:
        raise failed(f"Order is {row.body['orderStatus']}.")
    until = str(sent["holdUntilDate"])[:10]
    account.change(row, call.at, orderStatus="on_hold", holdUntilDate=until)
    account.held.add(row.identity)
    return json_response(200, {"success": True, "message": "Order held successfully."})


def _restore(account: Account, call: Call) -> Response:
    row, _ = _named_order(account, call)
    if row.body["orderStatus"] != "on_hold":
        raise failed(f"Order is {row.body['orderStatus']}.")
    account.change(row, call.at, orderStatus="awaiting_shipment", holdUntilDate=None)
    text = "The requested order has been restored"
    return json_response(200, {"success": True, "message": text})


def _tagger(*, add: bool) -> Handler:
    def tag(account: Account, call: Call) -> Response:
        row, sent = _named_order(account, call, "tagId")
        tags = set(row.body["tagIds"] or ())
        tags = tags | {sent["tagId"]} if add else tags - {sent["tagId"]}
        account.change(row, call.at, tagIds=sorted(tags) or None)
        text = f"Tag {'added' if add else 'removed'} successfully."
        return json_response(200, {"success": True, "message": text})

    return tag


def _put_product(account: Account, call: Call) -> Response:
    """Replace a whole product: what is left out is cleared (shipstation.md §6.3)."""
    table = account.tables["products"]
    row = table.rows.get(call.identity)
    if row is None:
        raise missing("product")
    sent = _object(call, "product")
    kept = {"productId": row.identity, "createDate": row.body["createDate"]}
    cleared = {name: None for name in row.body if name in PRODUCT}
    active = {"active": bool(sent.get("active"))}
    members = {**cleared, **sent, **kept, **active, "modifyDate": call.at}
    table.change(row, call.at, keep=False, **members)
    if sent.get("sku"):
        account.by_sku.setdefault(str(sent["sku"]), row.identity)
    text = "The requested product has been updated"
    return json_response(200, {"success": True, "message": text})


def _bare_list(name: str, member: str = "") -> Handler:
    """Serve a resource that comes as a bare array; `member` is its query filter (§1.5)."""

    def get(account: Account, call: Call) -> Response:
        rows = account.lists[name]
        wanted = call.query.get(member.lower()) if member else None
        if wanted:
            rows = [row for row in rows if str(row.get(member)).lower() == wanted.lower()]
        if name == "stores" and call.query.get("showinactive", "").lower() != "true":
            rows = [row for row in rows if row.get("active", True)]
        return json_response(200, rows)

    return get


def _store(account: Account, call: Call) -> Response:
    for row in account.lists["stores"]:
        if row["storeId"] == call.identity:
            mappings = [{"orderStatus": "awaiting_shipment", "statusKey": "Paid"}]
            return json_response(200, {**row, "statusMappings": mappings})
    raise missing("store")


def _warehouse(account: Account, call: Call) -> Response:
    for row in account.lists["warehouses"]:
        if row["warehouseId"] == call.identity:
            return json_response(200, row)
    raise missing("warehouse")


def _carrier(account: Account, call: Call) -> Response:
    for row in account.lists["carriers"]:
        if row["code"] == call.query.get("carriercode"):
            return json_response(200, row)
    raise missing("carrier")


def _services(account: Account, call: Call) -> Response:
    code = call.query.get("carriercode")
    if not code:
        raise invalid("carrierCode", "The carrierCode field is required.")
    rows = [row for row in account.lists["services"] if row["carrierCode"] == code]
    return json_response(200, rows)


def _packages(account: Account, call: Call) -> Response:
    del account
    code = call.query.get("carriercode")
    package = {"code": "package", "name": "Package", "domestic": True, "international": True}
    return json_response(200, [{"carrierCode": code, **package}])


def _webhooks(account: Account, call: Call) -> Response:
    del call
    return json_response(200, {"webhooks": account.hooks.listed()})


def _subscribe(account: Account, call: Call) -> Response:
    """Subscribe a target; both answers that are documented can be had (§9.1, §16.21)."""
    sent = _object(call, "webhook", "target_url", "event")
    if sent["event"] not in EVENTS:
        raise invalid("webhook.event", f"Error converting value {sent['event']!r}.")
    store = sent.get("store_id")
    name = str(sent.get("friendly_name") or "")
    target = str(sent["target_url"])
    identity = account.hooks.subscribe(target, sent["event"], store, name)
    if account.switches.new_subscribe:
        fields = {"WebHookID": identity, "HookType": sent["event"], "Url": target, "Name": name}
        return json_response(200, fields)
    return json_response(200, {"id": identity})


def _unsubscribe(account: Account, call: Call) -> Response:
    if account.hooks.subscriptions.pop(call.identity, None) is None:
        raise missing("webhook")
    return Response(200, {}, b"")


_ORDERS = {"GET": _lister(listing.ORDERS)}
_SHIPMENTS = {"GET": _lister(listing.SHIPMENTS)}
# Paths are case-insensitive and have working aliases (shipstation.md §1.1).
ROUTES: dict[str, dict[str, Handler]] = {
    "orders": _ORDERS,
    "orders/list": _ORDERS,
    "orders/listbytag": {"GET": _lister(listing.BY_TAG)},
    "orders/{id}": {"GET": _getter("orders"), "DELETE": _delete_order},
    "orders/createorder": {"POST": _create_order},
    "orders/createorders": {"POST": _create_orders},
    "orders/markasshipped": {"POST": _mark_as_shipped},
    "orders/holduntil": {"POST": _hold_until},
    "orders/restorefromhold": {"POST": _restore},
    "orders/addtag": {"POST": _tagger(add=True)},
    "orders/removetag": {"POST": _tagger(add=False)},
    "shipments": _SHIPMENTS,
    "shipments/list": _SHIPMENTS,
    "fulfillments": {"GET": _lister(listing.FULFILLMENTS)},
    "products": {"GET": _lister(listing.PRODUCTS)},
    "products/{id}": {"GET": _getter("products"), "PUT": _put_product},
    "customers": {"GET": _lister(listing.CUSTOMERS)},
    "customers/{id}": {"GET": _getter("customers")},
    "stores": {"GET": _bare_list("stores", "marketplaceId")},
    "stores/{id}": {"GET": _store},
    "warehouses": {"GET": _bare_list("warehouses")},
    "warehouses/{id}": {"GET": _warehouse},
    "carriers": {"GET": _bare_list("carriers")},
    "carriers/getcarrier": {"GET": _carrier},
    "carriers/listservices": {"GET": _services},
    "carriers/listpackages": {"GET": _packages},
    "accounts/listtags": {"GET": _bare_list("tags")},
    "users": {"GET": _bare_list("users")},
    "webhooks": {"GET": _webhooks},
    "webhooks/subscribe": {"POST": _subscribe},
    "webhooks/{id}": {"DELETE": _unsubscribe},
}
