"""Talk to the imitated Business Central in process, as a client would on the wire."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from bcss.sandbox.businesscentral import BusinessCentral
from bcss.sandbox.kit import Request, Response, SandboxClock

TENANT = "contoso.onmicrosoft.com"
ROOT = f"/v2.0/{TENANT}/Production/api/v2.0"
SERVICES = f"/v2.0/{TENANT}/Production/ODataV4/Company('CRONUS%20USA%2C%20Inc.')"
COMPANY_ID = "c0ffee00-1234-4abc-8def-0123456789ab"
COMPANY = f"{ROOT}/companies({COMPANY_ID})"
FORM = {
    "grant_type": "client_credentials",
    "client_id": "11111111-2222-3333-4444-555555555555",
    "client_secret": "sandbox-secret",
    "scope": "https://api.businesscentral.dynamics.com/.default",
}
NOON = "2026-12-07T12:00:00+00:00"
ITEM_LINE = {
    "lineType": "Item",
    "lineObjectNumber": "ITEM-24",
    "taxCode": "NONTAXABLE",
    "quantity": 2,
    "unitPrice": 12.35,
}
FREIGHT_LINE = {
    "lineType": "Account",
    "lineObjectNumber": "40500",
    "taxCode": "NONTAXABLE",
    "quantity": 1,
    "unitPrice": 5,
}
COMMENT_LINE = {"lineType": "Comment", "description": "Shipped UPS Ground (bcss 7f3a91-1)"}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its body read."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])

    @property
    def message(self) -> str:
        return str(self.body["error"]["message"])


def read(response: Response) -> Answer:
    """Read the JSON of an answer, or leave its text."""
    text = response.body.decode()
    is_json = "json" in response.headers.get("content-type", "")
    body = json.loads(text, parse_float=Decimal) if is_json and text else text
    return Answer(response.status, response.headers, body)


class Rig:
    """One imitation with a token, and short names for its calls."""

    def __init__(self) -> None:
        self.clock = SandboxClock()
        self.app = BusinessCentral(self.clock)
        self.token = ""
        self.token = str(self.sign_in().body["access_token"])

    def sign_in(self, tenant: str = TENANT, **changes: str) -> Answer:
        form = "&".join(f"{name}={quote(value)}" for name, value in {**FORM, **changes}.items())
        path = f"/{tenant}/oauth2/v2.0/token"
        return read(self.app.handle(Request("POST", path, "", {}, form.encode())))

    def call(
        self, method: str, path: str, query: str = "", body: Any = None, **headers: str
    ) -> Answer:
        content = b"" if body is None else json.dumps(body, default=float).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"authorization": f"Bearer {self.token}", "host": "bc.test", **names}
        full = path if path.startswith("/v2.0/") else f"{COMPANY}/{path}"
        return read(self.app.handle(Request(method, full, query, sent, content)))

    def get(self, path: str, query: str = "", **headers: str) -> Answer:
        return self.call("GET", path, query, **headers)

    def post(self, path: str, body: Any = None, query: str = "", **headers: str) -> Answer:
        return self.call("POST", path, query, body, **headers)

    def patch(self, path: str, body: Any, tag: str = "*", query: str = "") -> Answer:
        return self.call("PATCH", path, query, body, if_match=tag)

    def rows(self, path: str, query: str = "", **headers: str) -> list[Any]:
        answer = self.get(path, query, **headers)
        assert answer.status == 200, answer
        return list(answer.body["value"])

    def invoice(self, reference: str = "REF-1", lines: Any = None, **fields: Any) -> Any:
        return self.document("salesInvoices", reference, lines, **fields)

    def order(self, reference: str = "REF-1", lines: Any = None, **fields: Any) -> Any:
        return self.document("salesOrders", reference, lines, **fields)

    def document(self, entity: str, reference: str, lines: Any, **fields: Any) -> Any:
        """Create a draft and return it with its lines."""
        name = entity.removesuffix("s") + "Lines"
        body = {
            "customerNumber": "WEB",
            "externalDocumentNumber": reference,
            "postingDate": "2026-12-07",
            **fields,
            name: [ITEM_LINE, FREIGHT_LINE, COMMENT_LINE] if lines is None else lines,
        }
        answer = self.post(entity, body, f"$expand={name}")
        assert answer.status == 201, answer
        return answer.body

    def action(self, entity: str, identity: str, name: str, **headers: str) -> Answer:
        return self.post(f"{entity}({identity})/Microsoft.NAV.{name}", **headers)
