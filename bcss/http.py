"""Send requests to the vendors: bounded, paced, never redirected, and honest about doubt.

The only module that knows httpx and tenacity. Reads are tried again within bounds; a write is
sent once, and whatever leaves its effect unknown is InDoubt (reliability.md §2.7).
"""

import logging
import ssl
import sys
import threading
import types
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from http import HTTPStatus
from random import SystemRandom
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from bcss.clock import Clock, VendorClock
from bcss.errors import Outdated, RetryLater, StopVendor, UpstreamError
from bcss.reply import (
    Explain,
    Problem,
    Reply,
    Verdict,
    broken,
    error_of,
    explain_plainly,
    too_large,
    unreachable,
    vendor_name,
    verdict_of,
    wait_asked,
)
from bcss.request import (
    Call,
    checked_headers,
    credential_headers,
    is_loopback,
    target_of,
    write_target,
)
from bcss.wire import NotJson

if "httpx" not in sys.modules:
    # httpx imports its own command line when it is there, and with it click, pygments and rich:
    # half of its start-up (stack.md §1.2). The name is private, so a failure must not matter.
    with suppress(Exception):
        _stub: Any = types.ModuleType("httpx._main")
        _stub.main = lambda: None
        sys.modules["httpx._main"] = _stub
import httpx

if TYPE_CHECKING:
    import tenacity

__all__ = [
    "ApiSession",
    "Budget",
    "Exchange",
    "Explain",
    "Problem",
    "Reply",
    "Send",
    "Verdict",
    "raw_sender",
]

for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)  # they log whole URLs below that

MIB: Final = 1024 * 1024
TRIES: Final = 5
TRIES_AT_500: Final = 2  # a 500 is more often a bad record than a bad moment
TRIES_AT_SIGN_IN: Final = 3
THROTTLED_FOR: Final = 60.0  # what ShipStation's window lasts, if it does not say
PATIENCE: Final = 120.0  # seconds one call may spend on being tried again
_SHORT = 400  # no longer is the body that says only that we are throttled
BUDGET_PATIENCE: Final = 900.0  # seconds one call may wait for its turn
_JITTER = SystemRandom()


class Budget(Protocol):
    """What a session needs of a rate budget (bcss.store.budget)."""

    def acquire(self, klass: str) -> float:
        """Take one request; return 0, or the seconds to wait before asking again."""
        ...

    def feed(self, headers: Mapping[str, str]) -> None:
        """Learn from an answer's headers."""
        ...

    def blocked(self, seconds: float) -> None:
        """Note that the vendor refused, and for how long."""
        ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came of it, for the audit trail; no host and no credentials."""

    vendor: str
    method: str
    url: str
    status: int | None
    request_body: bytes
    response_body: bytes
    milliseconds: int
    at: datetime
    error: str = ""


# Sends one request outside any session: method, absolute URL, headers, body.
Send = Callable[[str, str, Mapping[str, str], bytes], Reply]


class _NotSentError(Exception):
    """No byte of the request left us."""


class _BrokenError(Exception):
    """The exchange ended without a whole answer."""


class _TooLargeError(Exception):
    """The answer exceeds its bound."""


class _AgainError(Exception):
    """The same request may be sent again; `error` is raised when it is not."""

    def __init__(
        self,
        error: UpstreamError,
        wait: float | None,
        tries: int = TRIES,
        *,
        throttled: bool = False,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait = wait
        self.tries = tries
        self.throttled = throttled


class _Wire:
    """A pool of connections to one host; knows nothing of what is sent."""

    def __init__(
        self,
        base_url: str,
        clock: Clock,
        *,
        connections: int,
        max_body: int,
        transport: object | None,
    ) -> None:
        parts = urlsplit(base_url)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._clock = clock
        self._max_body = max_body
        # httpx's pool stays broken once requests have queued in it (stack.md §4.1).
        self._turn = threading.BoundedSemaphore(connections)
        limits = httpx.Limits(
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=30.0,
        )
        # The transport alone: a client above it would keep cookies, follow and authenticate, none
        # of which is wanted here, and take a tenth of the time of a run.
        mounted: Any = transport
        self._transport: httpx.BaseTransport = mounted or httpx.HTTPTransport(
            verify=_tls() if parts.scheme == "https" else _no_tls(),
            limits=limits,
            proxy=_proxy(parts.scheme, parts.hostname or ""),
        )

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> Reply:
        """Send once and read the whole answer within `deadline` seconds."""
        started = self._clock.monotonic()
        if not self._turn.acquire(timeout=deadline):
            raise _NotSentError("no connection became free")
        try:
            return self._exchange(method, url, headers, body, started, deadline)
        finally:
            self._turn.release()

    def _exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        started: float,
        deadline: float,
    ) -> Reply:
        try:
            request = httpx.Request(
                method,
                url,
                headers=list(headers.items()),
                content=body or None,
                extensions={
                    "timeout": {"connect": 5.0, "read": deadline, "write": 30.0, "pool": None}
                },
            )
            with closing(self._transport.handle_request(request)) as response:
                return Reply(
                    response.status_code,
                    {name.lower(): value for name, value in response.headers.items()},
                    self._read(response, started + deadline),
                )
        except (
            httpx.ConnectError,
            httpx.ConnectTimeout,
            httpx.PoolTimeout,
            httpx.ProxyError,
            httpx.UnsupportedProtocol,
        ) as error:
            raise _NotSentError(_reason(error)) from None
        except (httpx.TransportError, httpx.StreamError, zlib.error) as error:
            raise _BrokenError(_reason(error)) from None
        except (httpx.InvalidURL, UnicodeError) as error:
            raise _NotSentError(f"the request cannot be written: {_reason(error)}") from None

    def _read(self, response: httpx.Response, until: float) -> bytes:
        """Read and unpack the body, watching size and time at each piece."""
        if response.is_stream_consumed:
            return response.content  # a transport in process has the whole body at once
        coding = response.headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("identity", "", "gzip", "deflate"):
            raise _BrokenError(f"the answer is packed as {coding[:40]!r}")
        unpack = zlib.decompressobj(47) if coding in ("gzip", "deflate") else None
        pieces: list[bytes] = []
        size = 0
        for raw in response.iter_raw():
            piece = unpack.decompress(raw, self._max_body - size + 1) if unpack else raw
            pieces.append(piece)
            size += len(piece)
            if size > self._max_body:
                raise _TooLargeError(f"the answer exceeds {self._max_body // MIB} MiB")
            if self._clock.monotonic() > until:
                raise _BrokenError("the answer took too long")
        if unpack and size and not unpack.eof:
            raise _BrokenError("the answer ended early")
        return b"".join(pieces)

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()


class ApiSession:
    """All traffic with one vendor: pacing, trying again, and the meaning of answers.

    `authorize` returns the headers that authenticate; its argument asks for a fresh token.
    Paths are percent-encoded by the caller where a name needs it; query values are not.
    `there` is the vendor's clock. `run_ends` is the clock's monotonic second after which nothing is waited for. `explain` may
    be replaced by the client that owns the session. With several threads the observer is called
    from each of them.
    """

    def __init__(
        self,
        *,
        vendor: str,
        base_url: str,
        clock: Clock,
        authorize: Callable[[bool], Mapping[str, str]],
        budget: Budget | None = None,
        budget_class: str = "batch",
        max_connections: int = 5,
        deadline: float = 60.0,
        write_deadline: float = 630.0,
        max_body: int = 64 * MIB,
        observer: Callable[[Exchange], None] | None = None,
        transport: object | None = None,
        user_agent: str = "bcss",
        explain: Explain = explain_plainly,
        run_ends: float | None = None,
    ) -> None:
        self.vendor = vendor
        self.base_url = base_url.rstrip("/")
        self.explain = explain
        self.run_ends = run_ends
        self.requests = 0
        self._clock = clock
        self._authorize = authorize
        self._budget = budget
        self._class = budget_class
        self._deadline = deadline
        self._write_deadline = write_deadline
        self._observer = observer
        self._count_lock = threading.Lock()
        self.there = VendorClock(clock)
        self._headers = {
            "accept": "application/json",
            "accept-encoding": "gzip",
            "user-agent": user_agent,
        }
        self._wire = _Wire(
            self.base_url,
            clock,
            connections=max_connections,
            max_body=max_body,
            transport=transport,
        )
        self._origin = self._wire.origin

    @property
    def server_time(self) -> datetime | None:
        """Return the vendor's clock as of its last answer, in whole seconds."""
        return self.there.said()

    def get(
        self,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        tries: int = TRIES,
    ) -> Reply:
        """Read, trying again within bounds.

        Raise RetryLater, StopVendor, RecordMissing, RecordRefused or UrlTooLong.
        """
        return self._run(
            self._call("GET", write_target(self.base_url, path, query), headers, tries=tries)
        )

    def get_url(
        self, absolute_url: str, *, headers: Mapping[str, str] | None = None, tries: int = TRIES
    ) -> Reply:
        """Read an address that the vendor gave us, verbatim, on our own host only."""
        target = target_of(absolute_url, self._origin)
        if target is None:
            raise StopVendor(
                f"{vendor_name(self.vendor)} sent us to another host for the next page.",
                hint="Nothing was sent there; check the configured address.",
                vendor=self.vendor,
            )
        return self._run(self._call("GET", target, headers, tries=tries))

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        still: Callable[[], bool] | None = None,
    ) -> Reply:
        """Write once; only what certainly had no effect is sent again.

        `still` is asked each time before anything leaves, so that no waiting outlasts what the
        request rests on: Outdated says that nothing was sent.
        Raise InDoubt when the effect is unknown, RetryLater when there was none, and
        StopVendor, RecordMissing, RecordChanged, RecordRefused or UrlTooLong.
        """
        return self._run(
            self._call(
                method, write_target(self.base_url, path, query), headers, body=body, still=still
            )
        )

    def close(self) -> None:
        """Close all connections."""
        self._wire.close()

    def _call(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None,
        *,
        body: bytes = b"",
        tries: int = TRIES,
        still: Callable[[], bool] | None = None,
    ) -> Call:
        merged = dict(self._headers)
        if body:
            merged["content-type"] = "application/json"
        merged.update(checked_headers(headers or {}))
        read = method in ("GET", "HEAD")
        deadline = self._deadline if read else self._write_deadline
        return Call(method, target, merged, body, deadline, tries, still)

    def _run(self, call: Call) -> Reply:
        started = self._clock.monotonic()
        try:
            return self._try(call)
        except _AgainError as first:
            return self._persist(call, first, started)

    def _persist(self, call: Call, first: _AgainError, started: float) -> Reply:
        """Send again until it succeeds or the next wait would exceed a bound."""
        import tenacity  # noqa: PLC0415 - 70 ms that a run without trouble need not pay

        known = [first]

        def attempt() -> Reply:
            if known:
                raise known.pop()
            return self._try(call)

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_AgainError),
            wait=_pause,
            stop=lambda state: self._gives_up(state, call, started),
            sleep=self._clock.sleep,
            reraise=True,
        )
        try:
            return retrying(attempt)
        except _AgainError as last:
            raise last.error from None

    def _gives_up(self, state: "tenacity.RetryCallState", call: Call, started: float) -> bool:
        error = state.outcome.exception() if state.outcome else None
        tries = min(call.tries, error.tries) if isinstance(error, _AgainError) else call.tries
        if state.attempt_number >= tries:
            return True
        now = self._clock.monotonic()
        ends = min(started + PATIENCE, self.run_ends if self.run_ends is not None else float("inf"))
        return now + state.upcoming_sleep > ends

    def _try(self, call: Call) -> Reply:
        reply = self._once(call, fresh=False)
        if reply.status == HTTPStatus.UNAUTHORIZED:
            # A token may have been revoked, and ShipStation has been seen to answer 401 now and
            # then to good keys (shipstation.md §1.3). A 401 never has an effect.
            reply = self._once(call, fresh=True)
        return self._judge(call, reply)

    def _once(self, call: Call, *, fresh: bool) -> Reply:
        headers = {**call.headers, **self._credentials(fresh=fresh)}
        self._await_turn()
        if call.still is not None and not call.still():
            raise Outdated(f"What {call.what} rests on is too old by now; nothing was sent.")
        with self._count_lock:
            self.requests += 1
        at, started = self._clock.now(), self._clock.monotonic()
        try:
            reply = self._wire.exchange(
                call.method, self._origin + call.target, headers, call.body, call.deadline
            )
        except (_NotSentError, _BrokenError, _TooLargeError) as error:
            self._observe(call, at, started, None, str(error))
            raise self._failed(call, error) from None
        self.there.hear(reply.headers.get("date", ""))
        if self._budget:
            self._budget.feed(reply.headers)
        self._observe(call, at, started, reply, "")
        return reply

    def _credentials(self, *, fresh: bool) -> dict[str, str]:
        try:
            return credential_headers(self._authorize(fresh))
        except RetryLater as error:
            raise _AgainError(error, error.retry_after, TRIES_AT_SIGN_IN) from None

    def _await_turn(self) -> None:
        """Wait for the shared budget, unless that would outlast the run."""
        if self._budget is None:
            return
        begun = self._clock.monotonic()
        while (wait := self._budget.acquire(self._class)) > 0:
            until = self._clock.monotonic() + wait
            ends = min(
                begun + BUDGET_PATIENCE, self.run_ends if self.run_ends is not None else until
            )
            if until > ends:
                raise RetryLater(
                    f"{vendor_name(self.vendor)} allows no further request for {wait:.0f} s.",
                    hint="The next run continues.",
                    vendor=self.vendor,
                    retry_after=wait,
                )
            self._clock.sleep(wait + _JITTER.uniform(0.0, 0.05))

    def _judge(self, call: Call, reply: Reply) -> Reply:
        """Return a good answer; raise what any other one means."""
        verdict = verdict_of(reply.status)
        if verdict is Verdict.FINE and not _may_be_throttled(reply):
            return self._readable(call, reply)
        problem = self.explain(reply)
        verdict = problem.verdict or verdict
        if verdict is Verdict.FINE:
            return self._readable(call, reply)
        wait = wait_asked(reply.headers, self._clock.now())
        error = error_of(
            reply, problem, vendor=self.vendor, what=call.what, write=call.write, retry_after=wait
        )
        if verdict is Verdict.THROTTLED:
            if self._budget:
                self._budget.blocked(THROTTLED_FOR if wait is None else wait)
            raise _AgainError(error, wait, throttled=True)
        if verdict is Verdict.UNAVAILABLE and not call.write:
            named = wait if "retry-after" in reply.headers else None
            raise _AgainError(
                error,
                named,
                TRIES_AT_500 if reply.status == HTTPStatus.INTERNAL_SERVER_ERROR else TRIES,
            )
        raise error

    def _readable(self, call: Call, reply: Reply) -> Reply:
        """Refuse a 2xx that is not what it should be: a login page, half an answer."""
        wants_json = "json" in call.headers["accept"]
        if not reply.body or not wants_json or not _should_be_json(reply):
            return reply
        try:
            reply.json()
        except NotJson:
            pass
        else:
            return reply
        problem = Problem("an answer that cannot be read")
        error = error_of(reply, problem, vendor=self.vendor, what=call.what, write=call.write)
        if call.write:
            raise error
        raise _AgainError(error, None)

    def _failed(self, call: Call, error: Exception) -> Exception:
        """Say what a missing answer means for this request."""
        if isinstance(error, _NotSentError):
            return _AgainError(unreachable(self.vendor, error), None)
        if isinstance(error, _TooLargeError) and not call.write:
            return too_large(self.vendor, call.what, error)
        doubt = broken(self.vendor, call.what, error, write=call.write)
        return doubt if call.write else _AgainError(doubt, None)

    def _observe(
        self, call: Call, at: datetime, started: float, reply: Reply | None, error: str
    ) -> None:
        if self._observer is None:
            return
        self._observer(
            Exchange(
                vendor=self.vendor,
                method=call.method,
                url=call.target,
                status=reply.status if reply else None,
                request_body=call.body,
                response_body=reply.body if reply else b"",
                milliseconds=round((self._clock.monotonic() - started) * 1000),
                at=at,
                error=error,
            )
        )


def raw_sender(
    base_url: str, clock: Clock, *, transport: object | None = None, deadline: float = 30.0
) -> tuple[Send, Callable[[], None]]:
    """Return a function that sends single requests to one host, and one that closes it.

    For the token endpoint, whose answers have their own meaning. Raise RetryLater when no whole
    answer came.
    """
    wire = _Wire(base_url, clock, connections=1, max_body=MIB, transport=transport)

    def send(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Reply:
        lowered = {name.lower(): value for name, value in headers.items()}
        host = urlsplit(base_url).hostname or base_url
        try:
            return wire.exchange(
                method, url, {"accept-encoding": "gzip", **lowered}, body, deadline
            )
        except (_NotSentError, _BrokenError, _TooLargeError) as error:
            raise RetryLater(
                f"{host} cannot be reached: {error}.",
                hint="Check the network; the next run tries again.",
            ) from None

    return send, wire.close


def _proxy(scheme: str, host: str) -> str | None:
    """Return the proxy that the host's settings name for an address, if any."""
    if is_loopback(host) or proxy_bypass(host):
        return None
    known = getproxies()
    return known.get(scheme) or known.get("all")


@cache
def _tls() -> ssl.SSLContext:
    """Load the trusted authorities once; SSL_CERT_FILE and SSL_CERT_DIR are honoured."""
    return httpx.create_ssl_context()


@cache
def _no_tls() -> ssl.SSLContext:
    """Spare plain http the 40 ms of loading authorities; trusts nothing."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _pause(state: "tenacity.RetryCallState") -> float:
    """Wait as long as the vendor asks, else longer each time; never all at the same moment."""
    error = state.outcome.exception() if state.outcome else None
    known = error if isinstance(error, _AgainError) else None
    if known and known.wait is not None:
        return known.wait + _JITTER.uniform(0.0, 1.0)
    longest = min(30.0, 0.5 * 2.0**state.attempt_number)
    if known and known.throttled:
        return 5.0 * longest * _JITTER.uniform(0.5, 1.0)
    return _JITTER.uniform(0.0, longest)


def _may_be_throttled(reply: Reply) -> bool:
    return len(reply.body) < _SHORT and b"too many requests" in reply.body.lower()


def _should_be_json(reply: Reply) -> bool:
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("", "text/html", "text/plain") or "json" in kind


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())[:200].rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
