"""Keep webhook subscriptions and send their thin pointers (shipstation.md §9)."""

import http.client
import queue
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from bcss.sandbox.kit import dumps

Body = dict[str, Any]
EVENTS = ("ORDER_NOTIFY", "ITEM_ORDER_NOTIFY", "SHIP_NOTIFY", "ITEM_SHIP_NOTIFY",
          "FULFILLMENT_SHIPPED", "FULFILLMENT_REJECTED")  # fmt: skip
_TIMEOUT = 10.0
_KEPT = 10_000
_POINTERS = {
    "ORDER_NOTIFY": "/orders?{store}importBatch={batch}",
    "ITEM_ORDER_NOTIFY": "/orders?{store}importBatch={batch}&includeOrderItems=True",
    "SHIP_NOTIFY": "/shipments?{store}batchId={batch}&includeShipmentItems=False",
    "ITEM_SHIP_NOTIFY": "/shipments?{store}batchId={batch}&includeShipmentItems=True",
    # No recorded pointer exists for these two (§9.3); this is our guess.
    "FULFILLMENT_SHIPPED": "/fulfillments?{store}batchId={batch}",
    "FULFILLMENT_REJECTED": "/fulfillments?{store}batchId={batch}",
}


def post(target: str, message: Body) -> int:
    """Send one webhook; return the receiver's status, or 0 when nobody answered."""
    parts = urlsplit(target)
    secure = parts.scheme == "https"
    make = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=_TIMEOUT)
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    try:
        connection.request(
            "POST", path, dumps(message).encode(), {"Content-Type": "application/json"}
        )
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


class Hooks:
    """Subscriptions, what was announced, and the thread that delivers."""

    def __init__(self) -> None:
        self.subscriptions: dict[int, Body] = {}
        self.announced: list[Body] = []
        self.delivered: list[Body] = []
        self._queue: queue.Queue[tuple[str, Body]] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._waiting: tuple[str, Body] | None = None
        self._count = 0

    def subscribe(self, target: str, event: str, store_id: int | None, name: str) -> int:
        """Add a subscription and return its id."""
        identity = max(self.subscriptions, default=123_400) + 1
        self.subscriptions[identity] = {
            "IsLabelAPIHook": False, "WebHookID": identity, "SellerID": 100_001,
            "StoreID": store_id, "HookType": event, "MessageFormat": "Json", "Url": target,
            "Name": name, "BulkCopyBatchID": None, "BulkCopyRecordID": None, "Active": True,
            "WebhookLogs": [], "Seller": None, "Store": None,
        }  # fmt: skip
        return identity

    def restore(self, raw: Mapping[str, Any]) -> None:
        """Take a subscription of seed data, in the form in which it is listed."""
        identity = self.subscribe(raw["Url"], raw["HookType"], raw.get("StoreID"), "")
        row = {**self.subscriptions.pop(identity), "WebHookID": identity, **raw}
        self.subscriptions[row["WebHookID"]] = row

    def listed(self) -> list[Body]:
        """Return all subscriptions as GET /webhooks shows them."""
        return list(self.subscriptions.values())

    def announce(self, events: tuple[str, ...], batch: str, stores: set[int], host: int) -> list[
        tuple[str, Body]
    ]:  # fmt: skip
        """Make the messages of one event for every subscription that it concerns."""
        messages = []
        for hook in self.subscriptions.values():
            store = hook["StoreID"]
            if hook["HookType"] not in events or not hook["Active"]:
                continue
            if store is not None and store not in stores:
                continue
            bound = f"storeID={store}&" if store is not None else ""
            path = _POINTERS[hook["HookType"]].format(store=bound, batch=batch)
            url = f"https://ssapi{host}.shipstation.com{path}"
            message = {"resource_url": url, "resource_type": hook["HookType"]}
            messages.append((str(hook["Url"]), message))
        self.announced = [*self.announced, *(m[1] for m in messages)][-_KEPT:]
        return messages

    def send(
        self, messages: list[tuple[str, Body]], *, lose: int, double: int, reorder: bool
    ) -> None:
        """Hand messages to the delivering thread, with the faults that are switched on."""
        for message in messages:
            self._count += 1
            if lose and self._count % lose == 0:
                continue
            copies = 2 if double and self._count % double == 0 else 1
            for _ in range(copies):
                self._put(message, reorder=reorder)

    def _put(self, message: tuple[str, Body], *, reorder: bool) -> None:
        if reorder and self._waiting is None:
            self._waiting = message
            return
        self._enqueue(message)
        if self._waiting is not None:
            self._enqueue(self._waiting)
            self._waiting = None

    def _enqueue(self, message: tuple[str, Body]) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._deliver, daemon=True)
            self._thread.start()
        self._queue.put(message)

    def _deliver(self) -> None:
        while True:
            target, message = self._queue.get()
            try:
                status = post(target, message)
            except ValueError:
                status = 0
            self.delivered.append({"target": target, "status": status, **message})
            self._queue.task_done()

    def flush(self) -> None:
        """Send what waits to be reordered and wait until everything is delivered."""
        if self._waiting is not None:
            self._enqueue(self._waiting)
            self._waiting = None
        self._queue.join()
