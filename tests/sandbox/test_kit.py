"""The kit, the faults, the world around both imitations and its control endpoint."""

import ast
import http.client
import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from bcss.sandbox.businesscentral.subscriptions import Sent
from bcss.sandbox.kit import (
    Aborted,
    Request,
    Response,
    SandboxClock,
    dumps,
    json_response,
    serve,
)
from bcss.sandbox.world import World
from tests.sandbox.businesscentral_rig import COMPANY, COMPANY_ID, FORM, ITEM_LINE, ROOT, TENANT

SANDBOX = Path(__file__).parents[2] / "bcss" / "sandbox"
TOKEN_FORM = "&".join(f"{name}={value}" for name, value in FORM.items()).encode()


class Bench:
    """A world with a token, called in process."""

    def __init__(self) -> None:
        self.world = World({"clock": "2026-12-07T12:00:00+00:00", "freeze": True})
        path = f"/{TENANT}/oauth2/v2.0/token"
        answer = self.world.handle("bc", Request("POST", path, "", {}, TOKEN_FORM))
        self.headers = {"authorization": "Bearer " + json.loads(answer.body)["access_token"]}

    def send(
        self, method: str, path: str, body: Any = None, query: str = "", **headers: str
    ) -> Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = b"" if body is None else json.dumps(body).encode()
        full = f"{COMPANY}/{path}"
        return self.world.handle(
            "bc", Request(method, full, query, {**self.headers, **names}, sent)
        )

    def create(self, reference: str) -> Response:
        body = {
            "customerNumber": "WEB",
            "externalDocumentNumber": reference,
            "salesInvoiceLines": [ITEM_LINE],
        }
        return self.send("POST", "salesInvoices", body)

    def subscribe(self, name: str) -> Response:
        resource = f"/api/v2.0/companies({COMPANY_ID})/{name}"
        body = {"notificationUrl": "https://hooks.example.test/x", "resource": resource}
        request = Request("POST", f"{ROOT}/subscriptions", "", self.headers, dumps(body).encode())
        return self.world.handle("bc", request)

    def references(self, **headers: str) -> list[str]:
        answer = self.send("GET", "salesInvoices", **headers)
        assert answer.status == 200
        return [row["externalDocumentNumber"] for row in json.loads(answer.body)["value"]]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_sandbox_shares_no_code_with_the_rest() -> None:
    for file in SANDBOX.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [one.name for one in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                ours = name == "bcss" or name.startswith("bcss.")
                assert not ours or name.startswith("bcss.sandbox"), f"{file}: {name}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.10", "0.1"),
        ("1000.80", "1000.8"),
        ("3", "3"),
        ("-12.35", "-12.35"),
        ("123456789012345678.123456", "123456789012345678.123456"),
    ],
)
def test_decimals_are_numbers_of_the_same_digits(value: str, text: str) -> None:
    assert dumps({"n": Decimal(value)}) == f'{{"n":{text}}}'
    assert json_response(200, [Decimal(value)]).body.decode() == f"[{text}]"


def test_the_clock_runs_stops_and_jumps() -> None:
    clock = SandboxClock()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    clock.set(datetime(2026, 1, 1, tzinfo=UTC))
    first = clock.now()
    assert clock.now() > first
    clock.freeze()
    stopped = clock.now()
    assert clock.now() == stopped
    clock.advance(3600)
    assert clock.now() == stopped + timedelta(hours=1)
    with pytest.raises(ValueError, match="offset"):
        clock.set(datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake under test


class Echo:
    """Answers with what it got, or hangs up."""

    def handle(self, request: Request) -> Response:
        if request.path == "/hang-up":
            raise Aborted
        if request.path == "/cut":
            return Response(200, {"content-length": "100"}, b"half")
        seen = [request.method, request.path, request.query, request.headers.get("x-one")]
        return json_response(200, [*seen, request.body.decode()])


@pytest.fixture
def echo() -> Iterator[http.client.HTTPConnection]:
    server = serve(Echo(), "127.0.0.1", 0)
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    yield connection
    connection.close()
    server.close()


def test_the_server_keeps_the_connection_and_the_raw_address(
    echo: http.client.HTTPConnection,
) -> None:
    for number in range(2):
        echo.request("PATCH", f"/a%2Fb('x')?$top={number}", b"body", {"X-One": "1"})
        answer = echo.getresponse()
        assert json.loads(answer.read()) == ["PATCH", "/a%2Fb('x')", f"$top={number}", "1", "body"]
        assert answer.headers["Date"]
        assert answer.version == 11
        assert echo.sock is not None


def test_an_aborted_call_closes_without_an_answer(echo: http.client.HTTPConnection) -> None:
    echo.request("GET", "/hang-up")
    with pytest.raises(http.client.RemoteDisconnected):
        echo.getresponse()
    echo.close()
    echo.request("GET", "/cut")
    with pytest.raises(http.client.IncompleteRead):
        echo.getresponse().read()


def test_a_body_of_unknown_length_is_refused(echo: http.client.HTTPConnection) -> None:
    echo.putrequest("POST", "/")
    echo.putheader("Transfer-Encoding", "chunked")
    echo.endheaders(b"5\r\nhello\r\n0\r\n\r\n")
    assert echo.getresponse().status == 400


def test_a_dropped_answer_leaves_its_effect(bench: Bench) -> None:
    bench.world.faults.add({"do": "drop", "method": "POST", "path": "salesInvoices$"})
    with pytest.raises(Aborted):
        bench.create("A")
    assert bench.references() == ["A"]
    assert bench.create("B").status == 201
    assert [call.status for call in bench.world.log.calls("bc")][1] == 0


def test_a_rejected_call_has_no_effect(bench: Bench) -> None:
    bench.world.faults.add({"do": "reject", "vendor": "bc", "body": '"A"', "status": 502})
    assert bench.create("A").status == 502
    assert bench.create("B").status == 201
    assert bench.references() == ["B"]


def test_an_error_after_the_effect_looks_like_a_failure(bench: Bench) -> None:
    bench.world.faults.add({"do": "error_after", "nth": 2, "method": "POST", "status": 504})
    assert [bench.create(one).status for one in "ABC"] == [201, 504, 201]
    assert bench.references() == ["A", "B", "C"]


def test_answers_can_be_torn_or_replaced(bench: Bench) -> None:
    bench.world.faults.add(
        {"do": "truncate", "method": "POST"},
        {"do": "html", "method": "POST", "nth": 2},
        {"do": "html", "method": "POST", "nth": 3, "effect": False},
    )
    with pytest.raises(json.JSONDecodeError):
        json.loads(bench.create("A").body)
    answer = bench.create("B")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html")
    assert bench.create("C").status == 200
    assert bench.references() == ["A", "B"]
    bench.world.faults.add({"do": "truncate", "cut": True})
    cut = bench.send("GET", "items")
    assert int(cut.headers["content-length"]) > len(cut.body)


def test_a_late_effect_comes_when_its_time_comes(bench: Bench) -> None:
    bench.world.faults.add({"do": "late", "method": "POST", "after": 600})
    with pytest.raises(Aborted):
        bench.create("A")
    assert bench.references() == []
    bench.world.clock.advance(599)
    assert bench.references() == []
    bench.world.clock.advance(1)
    assert bench.references() == ["A"]
    assert [call.late for call in bench.world.log.calls()].count(True) == 1


def test_a_late_effect_comes_when_it_is_told_to(bench: Bench) -> None:
    bench.world.faults.add({"do": "late", "method": "POST"})
    with pytest.raises(Aborted):
        bench.create("A")
    bench.world.clock.advance(3000)
    assert bench.references() == []
    assert bench.world.run("bc", {"action": "late_effects"}) == {"done": 1}
    assert bench.references() == ["A"]


def test_throttling_has_headers_only_where_asked(bench: Bench) -> None:
    bench.world.faults.add(
        {"do": "throttle", "nth": 1},
        {"do": "throttle", "nth": 2, "retry_after": 7, "reset_header": 9},
    )
    bare, full = bench.send("GET", "items"), bench.send("GET", "items")
    assert (bare.status, full.status) == (429, 429)
    assert "retry-after" not in bare.headers
    assert (full.headers["retry-after"], full.headers["x-rate-limit-reset"]) == ("7", "9")
    assert json.loads(bare.body)["error"]["code"] == "Application_TooManyRequests"
    assert bench.send("GET", "items").status == 200


def test_lag_hiding_and_shuffling_change_what_lists_show(bench: Bench) -> None:
    for one in "ABCDE":
        bench.create(one)
    faults = bench.world.faults
    faults.add(
        {
            "do": "hide",
            "path": "salesInvoices",
            "field": "externalDocumentNumber",
            "match": "^[AB]$",
        }
    )
    assert bench.references() == ["C", "D", "E"]
    faults.clear()
    faults.add({"do": "shuffle"})
    shuffled = bench.references()
    assert shuffled != list("ABCDE")
    assert sorted(shuffled) == list("ABCDE")
    faults.clear()
    faults.add({"do": "lag", "seconds": 60})
    bench.world.clock.advance(120)
    bench.create("F")
    assert bench.references() == list("ABCDE")
    assert bench.references(data_access_intent="ReadWrite") == list("ABCDEF")


def test_long_addresses_are_refused(bench: Bench) -> None:
    bench.world.faults.add({"do": "url_limit", "limit": 300, "status": 404})
    assert bench.send("GET", "items", query="$top=1").status == 200
    assert bench.send("GET", "items", query="$filter=number eq '" + "x" * 300 + "'").status == 404


def test_too_many_at_once_can_be_throttled(bench: Bench) -> None:
    """Five handshakes wait for their receiver, outside every lock, while others call."""
    arrived, go_on = threading.Semaphore(0), threading.Event()

    def receive(url: str, body: bytes, headers: dict[str, str]) -> Sent:
        arrived.release()
        assert go_on.wait(10)
        return Sent(200, url.partition("validationToken=")[2].encode())

    bench.world.bc.send = receive
    bench.world.faults.add({"do": "throttle", "in_flight": 5})
    names = ["items", "customers", "salesInvoices", "salesOrders", "accounts"]
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda name=name: answers.append(bench.subscribe(name).status))
        for name in names
    ]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert arrived.acquire(timeout=10)
    assert bench.send("GET", "items").status == 429
    go_on.set()
    for thread in threads:
        thread.join()
    assert answers == [201] * 5
    assert bench.send("GET", "items").status == 200
    assert bench.world.most_in_flight["bc"] == 6


def test_an_answer_can_be_delayed(bench: Bench) -> None:
    bench.world.faults.add({"do": "delay", "seconds": 0.02})
    before = time.monotonic()
    bench.send("GET", "items")
    assert time.monotonic() - before >= 0.02


@pytest.mark.parametrize(
    "rule", [{"do": "explode"}, {"do": "drop", "nht": 1}, {"do": "drop", "vendor": "x"}, {}]
)
def test_a_rule_that_is_not_understood_is_refused(bench: Bench, rule: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="faults"):
        bench.world.faults.add(rule)
    assert not bench.world.faults


def test_parallel_creates_get_numbers_of_their_own(bench: Bench) -> None:
    answers: list[dict[str, Any]] = []

    def work(worker: int) -> None:
        made = [bench.create(f"W{worker}-{number}") for number in range(20)]
        answers.extend(json.loads(one.body) for one in made)

    threads = [threading.Thread(target=work, args=(one,)) for one in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one["number"] for one in answers}) == 100
    assert len({one["id"] for one in answers}) == 100
    assert len(bench.references()) == 100


def _control(world: World, method: str, name: str, body: Any = None) -> tuple[int, Any]:
    sent = b"" if body is None else json.dumps(body).encode()
    answer = world.handle("bc", Request(method, f"/__sandbox/{name}", "", {}, sent))
    return answer.status, json.loads(answer.body)


def test_the_control_endpoint_steers_everything(bench: Bench) -> None:
    world = bench.world
    bench.create("A")
    status, state = _control(world, "GET", "state")
    assert status == 200
    assert [
        one["externalDocumentNumber"] for one in state["business_central"]["salesInvoices"]
    ] == ["A"]
    rule = {"do": "reject", "method": "POST"}
    assert _control(world, "POST", "faults", [rule])[1][0]["fired"] == 0
    assert bench.create("B").status == 503
    assert _control(world, "GET", "faults")[1][0]["fired"] == 1
    assert _control(world, "DELETE", "faults") == (200, [])
    assert _control(world, "POST", "faults", {"do": "nonsense"})[0] == 400
    moved = _control(world, "POST", "clock", {"now": "2026-12-08T00:00:00Z", "freeze": True})
    assert moved == (200, {"now": "2026-12-08T00:00:00+00:00"})
    assert (
        _control(world, "POST", "run", {"action": "delete_by_person", "reference": "A"})[0] == 200
    )
    assert _control(world, "POST", "run", {"action": "nonsense"})[0] == 400
    new = {"business_central": {"items": [{"number": "NEW", "displayName": "New"}]}}
    assert _control(world, "POST", "data", new) == (200, {})
    assert "NEW" in {one["number"] for one in world.state()["business_central"]["items"]}
    assert _control(world, "GET", "nonsense")[0] == 404


def test_the_log_names_every_call_but_no_credential(bench: Bench) -> None:
    bench.create("A")
    entry = _control(bench.world, "GET", "log")[1][-1]
    assert (entry["n"], entry["vendor"], entry["method"], entry["status"]) == (2, "bc", "POST", 201)
    assert "authorization" not in entry["headers"]
    assert json.loads(entry["body"])["externalDocumentNumber"] == "A"


def test_a_reset_goes_back_to_the_seed(bench: Bench) -> None:
    bench.create("A")
    bench.world.faults.add({"do": "drop"})
    assert _control(bench.world, "POST", "reset") == (200, {})
    assert bench.world.state()["business_central"]["salesInvoices"] == []
    assert bench.world.clock.now() == datetime(2026, 12, 7, 12, tzinfo=UTC)
    assert not bench.world.faults
    assert len(bench.world.log) == 0


def test_a_world_serves_both_vendors_over_http() -> None:
    world = World()
    urls = world.serve()
    try:
        central = http.client.HTTPConnection(urlsplit(urls.business_central).netloc, timeout=10)
        central.request("POST", f"/{TENANT}/oauth2/v2.0/token", TOKEN_FORM)
        assert "access_token" in json.loads(central.getresponse().read())
        world.faults.add({"do": "drop", "vendor": "bc", "path": "companies"})
        central.request("GET", "/v2.0/Production/api/v2.0/companies")
        with pytest.raises(http.client.RemoteDisconnected):
            central.getresponse()
        central.close()
        station = http.client.HTTPConnection(urlsplit(urls.shipstation).netloc, timeout=10)
        station.request("GET", "/__sandbox/log")
        assert [one["status"] for one in json.loads(station.getresponse().read())] == [200, 0]
        station.request("GET", "/stores")
        assert station.getresponse().status == 401
        station.close()
    finally:
        world.close()


def test_the_seed_reaches_both_vendors() -> None:
    document = {
        "entity": "salesInvoices",
        "body": {
            "customerNumber": "WEB",
            "externalDocumentNumber": "SEEDED",
            "postingDate": "2026-12-01",
            "salesInvoiceLines": [ITEM_LINE],
        },
        "tracking": "1Z",
        "post": True,
    }
    world = World(
        {
            "business_central": {"documents": [document], "shipping_agents": {"DHL": ["AIR"]}},
            "switches": {"business_central": {"tracking_length": 30}},
            "faults": [{"do": "drop"}],
        }
    )
    state = world.state()["business_central"]
    posted = state["salesInvoices"][0]
    assert (posted["posted"], posted["trackingNumber"]) == (True, "1Z")
    assert state["switches"]["tracking_length"] == 30
    assert world.bc.books.agents["DHL"] == {"AIR"}
    assert len(world.faults.rules) == 1
