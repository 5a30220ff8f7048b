"""The mount behaves as a wire does: whole answers, dropped ones, and those cut in two."""

from collections.abc import Callable

import pytest

from bcss.errors import InDoubt
from bcss.http import ApiSession
from bcss.sandbox.kit import Aborted, Request, Response
from tests.http.rig import StillClock
from tests.mount import BC_URL, SHIPSTATION_URL, Mount


class World:
    """Answers both vendors with one function."""

    def __init__(self, handle: Callable[[str, Request], Response]) -> None:
        self.handle = handle


def session(url: str, handle: Callable[[str, Request], Response]) -> ApiSession:
    return ApiSession(
        vendor="bc",
        base_url=url,
        clock=StillClock(),
        authorize=lambda _: {"Authorization": "Bearer x"},
        transport=Mount(World(handle)),
    )


@pytest.mark.parametrize(("url", "vendor"), [(BC_URL, "bc"), (SHIPSTATION_URL, "shipstation")])
def test_a_request_arrives_as_on_the_wire(url: str, vendor: str) -> None:
    seen: list[tuple[str, Request]] = []

    def handle(name: str, request: Request) -> Response:
        seen.append((name, request))
        return Response(201, {"content-type": "application/json"}, b'{"id":1}')

    reply = session(url, handle).send("POST", "/a b/c", query=[("$x", "1 2")], body=b"{}")
    assert reply.json() == {"id": 1}
    name, request = seen[0]
    assert (name, request.method, request.path, request.query) == (
        vendor,
        "POST",
        "/a%20b/c",
        "$x=1%202",
    )
    assert request.headers["authorization"] == "Bearer x"
    assert request.body == b"{}"


def test_a_dropped_connection_is_doubt() -> None:
    def handle(_: str, __: Request) -> Response:
        raise Aborted

    with pytest.raises(InDoubt, match="disconnected"):
        session(BC_URL, handle).send("POST", "/a")


def test_an_answer_cut_in_two_is_doubt() -> None:
    headers = {"content-type": "application/json", "content-length": "99"}
    with pytest.raises(InDoubt, match="without sending complete body"):
        session(BC_URL, lambda *_: Response(201, headers, b"[1]")).send("POST", "/a")
