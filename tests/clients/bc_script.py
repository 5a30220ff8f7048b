"""Drive the real client and HTTP session against answers that a test has written down."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from bcss.businesscentral.client import BusinessCentralClient
from bcss.businesscentral.records import Company
from bcss.http import ApiSession
from bcss.sandbox.kit import Request, Response
from tests.mount import BC_URL, Mount

SAMPLES = Path(__file__).parent.parent / "samples" / "business_central"
COMPANY = Company("000000c0-5a1c-f011-9af4-6045bdc8a0c0", "Sander's Lamps, Inc.", "29.0.0.0")
ROOT = "/v2.0/contoso.onmicrosoft.com/Production"
DATA = f"{ROOT}/api/v2.0/companies({COMPANY.id})"
SERVICES = f"{ROOT}/ODataV4/Company('Sander''s Lamps, Inc.')"

Answer = Response | Callable[[Request], Response]


def sample(name: str) -> Any:
    """Read a sample as a plain JSON value that a test may change."""
    return json.loads((SAMPLES / f"{name}.json").read_text())


def answer(value: object = None, status: int = 200, **headers: str) -> Response:
    """Answer with JSON, or with nothing."""
    body = b"" if value is None else json.dumps(value).encode()
    return raw(body, status, "application/json; odata.metadata=minimal", **headers)


def raw(body: bytes, status: int, kind: str, **headers: str) -> Response:
    """Answer with any bytes."""
    return Response(status, {"content-type": kind, **headers}, body)


def rows(*values: object, link: str = "") -> Response:
    """Answer with a list."""
    more = {"@odata.nextLink": link} if link else {}
    return answer({"@odata.context": "x", "value": list(values), **more})


def asked(request: Request) -> dict[str, str]:
    """Read the query of a request."""
    return dict(parse_qsl(request.query, strict_parsing=True)) if request.query else {}


def path_of(request: Request) -> str:
    """Read the path of a request."""
    return unquote(request.path)


@dataclass(slots=True)
class Time:
    """A clock that passes only while somebody sleeps."""

    instant: datetime = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    slept: float = 0.0

    def now(self) -> datetime:
        return self.instant + timedelta(seconds=self.slept)

    def monotonic(self) -> float:
        return self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


@dataclass(slots=True)
class Script:
    """Answers in their order, the last one for ever; keeps what was asked."""

    answers: list[Answer]
    requests: list[Request] = field(default_factory=list)

    def handle(self, _vendor: str, request: Request) -> Response:
        self.requests.append(request)
        step = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return step if isinstance(step, Response) else step(request)

    @property
    def last(self) -> Request:
        return self.requests[-1]

    def sent(self) -> Mapping[str, Any]:
        """Return the JSON body of the last request."""
        body: Mapping[str, Any] = json.loads(self.last.body)
        return body


def talk(
    *answers: Answer, company: Company | None = COMPANY
) -> tuple[BusinessCentralClient, Script]:
    """Return a client whose requests get these answers, and the script that gives them."""
    script = Script(list(answers))
    session = ApiSession(
        vendor="bc",
        base_url=BC_URL,
        clock=Time(),
        authorize=lambda _fresh: {"Authorization": "Bearer invented"},
        transport=Mount(script),
    )
    client = BusinessCentralClient(
        session, tenant="contoso.onmicrosoft.com", environment="Production", company=company
    )
    return client, script
