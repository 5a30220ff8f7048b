"""Speak to the imitated ShipStation in process, as a client would over HTTP."""

import base64
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from bcss.sandbox.kit import Request, Response, SandboxClock, dumps
from bcss.sandbox.shipstation import ShipStation

NOON = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)  # 12:00 Pacific
ADDRESS = {"name": "Example Buyer", "street1": "1 Test St", "postalCode": "75001", "city": "Dallas"}


class Rig:
    """An account with a frozen clock and no throttle."""

    def __init__(self, at: datetime = NOON, **data: Any) -> None:
        self.clock = SandboxClock()
        self.clock.freeze()
        self.clock.set(at)
        self.app = ShipStation(self.clock)
        self.app.load({"rate_limit": {"limit": 0}, **data})
        code = base64.b64encode(b"sandbox-key:sandbox-key-secret").decode()
        self.headers = {"authorization": f"Basic {code}", "content-type": "application/json"}

    def send(
        self, method: str, path: str, body: object = None, query: str = "", **headers: str
    ) -> Response:
        sent = b"" if body is None else dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.app.handle(Request(method, path, query, {**self.headers, **names}, sent))

    def get(self, path: str, **query: Any) -> Any:
        response = self.send("GET", path, query=urlencode(query))
        assert response.status == 200, response.body
        return json.loads(response.body)

    def post(self, path: str, body: object) -> Any:
        response = self.send("POST", path, body)
        assert response.status == 200, response.body
        return json.loads(response.body)

    def ids(self, name: str, **query: Any) -> list[int]:
        rows = self.get(f"/{name}", **query)[name]
        return [row[f"{name[:-1]}Id"] for row in rows]

    def run(self, action: str, **arguments: Any) -> dict[str, Any]:
        return self.app.run({"action": action, **arguments})

    def order(self, **members: Any) -> int:
        """Import one order of 2 * 10.00 + 1 * 5.50."""
        items = [
            {"sku": "ITEM-24", "name": "Gift set", "quantity": 2, "unitPrice": "10.00"},
            {"sku": "RIBBON", "name": "Ribbon", "quantity": 1, "unitPrice": "5.50"},
        ]
        raw = {"orderNumber": "SO-1", "orderKey": "SO-1-KEY", "items": items, "shipTo": ADDRESS}
        found = self.run("import", orders=[{**raw, **members}])["orderIds"][0]
        assert isinstance(found, int)
        return found


def message(response: Response) -> Any:
    return json.loads(response.body)


def new_order(**members: Any) -> dict[str, Any]:
    """Return a body for createorder."""
    return {
        "orderNumber": "N-1",
        "orderDate": "2026-03-02T09:00:00.0000000",
        "orderStatus": "awaiting_shipment",
        "billTo": {"name": "Example Buyer"},
        "shipTo": ADDRESS,
        "items": [
            {"lineItemKey": "10", "sku": "ITEM-24", "name": "Set", "quantity": 2, "unitPrice": 9.99}
        ],
        **members,
    }
