"""Mount the sandbox in process: real clients, real HTTP messages, no sockets."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx

from bcss.sandbox.kit import Aborted, Request

BC_URL = "http://bc.test"
SHIPSTATION_URL = "http://shipstation.test"
AUTHORITY_URL = "http://bc.test"
_VENDORS = {"bc.test": "bc", "shipstation.test": "shipstation"}


class _Body(httpx.SyncByteStream):
    """The bytes of an answer, ending as a connection that is cut does."""

    def __init__(self, body: bytes, *, cut: bool) -> None:
        self._body = body
        self._cut = cut

    def __iter__(self) -> Iterator[bytes]:
        yield self._body
        if self._cut:
            raise httpx.RemoteProtocolError("peer closed connection without sending complete body")


class Mount(httpx.BaseTransport):
    """Hand each request to a `World`; a dropped connection looks as it does on the wire."""

    def __init__(
        self,
        world: Any,
        *,
        before: Callable[[str, Request], None] | None = None,
        after: Callable[[str, Request], None] | None = None,
    ) -> None:
        self.world = world
        self.before = before
        self.after = after

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        vendor = _VENDORS[request.url.host]
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        message = Request(
            method=request.method,
            path=path,
            query=query,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=request.read(),
        )
        if self.before:
            self.before(vendor, message)
        try:
            answer = self.world.handle(vendor, message)
        except Aborted as dropped:
            raise httpx.RemoteProtocolError(
                "Server disconnected without sending a response.", request=request
            ) from dropped
        if self.after:
            self.after(vendor, message)
        declared = int(answer.headers.get("content-length", len(answer.body)))
        return httpx.Response(
            answer.status,
            headers=list(answer.headers.items()),
            stream=_Body(answer.body, cut=declared > len(answer.body)),
            request=request,
        )
