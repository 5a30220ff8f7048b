"""Let a test or a person steer the sandbox over HTTP, below `/__sandbox/` on both servers.

`GET state`, `GET log`, `POST data` (the seed's format), `GET`, `POST` and `DELETE faults`,
`POST clock` ({"now": ISO time}, {"advance": seconds}, {"freeze": true or false}), `POST run`
({"action": …, "vendor"?: …}), `POST reset`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from bcss.sandbox.faults import Faults
from bcss.sandbox.kit import Request, Response, SandboxClock, json_response, loads

PREFIX = "/__sandbox/"


class _Log(Protocol):
    def entries(self, vendor: str = "") -> list[dict[str, Any]]: ...

    def clear(self) -> None: ...


class _Steered(Protocol):
    """What the control endpoint needs of a world."""

    clock: SandboxClock
    faults: Faults

    @property
    def log(self) -> _Log: ...

    def load(self, data: dict[str, Any]) -> None: ...

    def state(self) -> dict[str, Any]: ...

    def run(self, vendor: str, action: dict[str, Any]) -> dict[str, Any]: ...

    def reset(self) -> None: ...

    def settle(self) -> int: ...


def handle(world: _Steered, vendor: str, request: Request) -> Response:
    """Answer one control call; what is not understood is refused with 400 and a reason."""
    name = request.path.removeprefix(PREFIX).strip("/")
    handler = _HANDLERS.get((request.method, name))
    if handler is None:
        return json_response(404, {"error": f"no control {request.method} {name[:80]}"})
    try:
        body = loads(request.body) if request.body else {}
        return json_response(200, handler(world, vendor, body))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        return json_response(400, {"error": f"{type(error).__name__}: {error}"})
    except Exception as error:  # noqa: BLE001 - the imitations refuse with exceptions of their own
        return json_response(400, {"error": getattr(error, "message", str(error))})


def _state(world: _Steered, vendor: str, body: Any) -> Any:
    return world.state()


def _log(world: _Steered, vendor: str, body: Any) -> Any:
    return world.log.entries()


def _clear_log(world: _Steered, vendor: str, body: Any) -> Any:
    world.log.clear()
    return {}


def _data(world: _Steered, vendor: str, body: Any) -> Any:
    world.load(body)
    return {}


def _faults(world: _Steered, vendor: str, body: Any) -> Any:
    return world.faults.rules


def _add_faults(world: _Steered, vendor: str, body: Any) -> Any:
    world.faults.add(*(body if isinstance(body, list) else [body]))
    return world.faults.rules


def _clear_faults(world: _Steered, vendor: str, body: Any) -> Any:
    world.faults.clear()
    return []


def _clock(world: _Steered, vendor: str, body: Any) -> Any:
    if "now" in body:
        world.clock.set(datetime.fromisoformat(body["now"]))
    if "advance" in body:
        world.clock.advance(float(body["advance"]))
    if "freeze" in body:
        (world.clock.freeze if body["freeze"] else world.clock.thaw)()
    world.settle()
    return {"now": world.clock.now().isoformat()}


def _run(world: _Steered, vendor: str, body: Any) -> Any:
    action = dict(body)
    return world.run(action.pop("vendor", vendor), action)


def _reset(world: _Steered, vendor: str, body: Any) -> Any:
    world.reset()
    return {}


_HANDLERS: dict[tuple[str, str], Callable[[_Steered, str, Any], Any]] = {
    ("GET", "state"): _state,
    ("GET", "log"): _log,
    ("DELETE", "log"): _clear_log,
    ("POST", "data"): _data,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _add_faults,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "clock"): _clock,
    ("POST", "run"): _run,
    ("POST", "reset"): _reset,
}
