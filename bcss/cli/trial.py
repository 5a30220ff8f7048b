"""Try bcss without an account: the imitations in the foreground, and a demonstration."""

import signal
import threading
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from bcss.cli.ending import Terminated
from bcss.cli.options import Common, spread
from bcss.errors import Exit, FixConfig


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("sandbox")(spread(sandbox))
    app.command("demo")(spread(demo))


def sandbox(
    bc_port: Annotated[
        int, typer.Option("--bc-port", metavar="N", help="Port; 0 takes a free one.")
    ] = 0,
    shipstation_port: Annotated[
        int, typer.Option("--shipstation-port", metavar="N", help="Port; 0 takes a free one.")
    ] = 0,
    seed_data: Annotated[
        Path | None, typer.Option("--seed-data", metavar="FILE", help="Data of both, as JSON.")
    ] = None,
    faults: Annotated[
        Path | None, typer.Option("--faults", metavar="FILE", help="Faults, as a JSON list.")
    ] = None,
    orders: Annotated[
        int, typer.Option("--orders", metavar="N", min=0, help="Make N orders of every shape.")
    ] = 0,
    start: Annotated[
        str, typer.Option("--start", metavar="DATE", help="The day on which they begin.")
    ] = "2026-03-02",
) -> Exit:
    """Serve imitations of both APIs until interrupted.

    Their addresses are printed as one JSON object.
    """
    seed = _generated(orders, start) if orders else {}
    seed |= _json(seed_data) if seed_data else {}
    if faults:
        seed["faults"] = _json(faults)
    return _serve(seed, bc_port, shipstation_port)


def _generated(count: int, start: str) -> dict[str, Any]:
    from bcss.sandbox.shapes import generate  # noqa: PLC0415 - only here

    try:
        day = date.fromisoformat(start)
    except ValueError:
        raise FixConfig(f"--start: expected a date such as 2026-03-02, got {start!r}.") from None
    made = generate(count, start=day)
    return {**made, "clock": made["until"]}


def _json(path: Path) -> Any:
    from bcss.sandbox.kit import loads  # noqa: PLC0415 - only here

    try:
        return loads(path.read_bytes())
    except OSError as error:
        raise FixConfig(f"{path}: cannot be read: {error.strerror}.") from None
    except ValueError as error:
        raise FixConfig(f"{path}: is not JSON: {error}.") from None


def _serve(seed: dict[str, Any], bc_port: int, shipstation_port: int) -> Exit:
    """Serve until SIGINT or SIGTERM, both of which end it as asked."""
    from bcss.cli.render import json_text  # noqa: PLC0415 - loaded by now
    from bcss.sandbox.world import World  # noqa: PLC0415 - only here

    try:
        world = World(seed)
        urls = world.serve(bc_port, shipstation_port)
    except (ValueError, KeyError, TypeError) as error:
        raise FixConfig(f"The sandbox does not understand its data: {error}.") from None
    except OSError as error:
        raise FixConfig(f"The sandbox cannot listen: {error.strerror}.") from None
    # Whoever starts it in the background of a script may end it by SIGINT all the same.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    told = {name: getattr(urls, name) for name in ("business_central", "authority", "shipstation")}
    told["shipstation_v2"] = urls.shipstation  # V2 is below /v2 on the same server
    try:
        typer.echo(json_text({**told, "control": f"{urls.business_central}/__sandbox/"}))
        threading.Event().wait()
    except (KeyboardInterrupt, Terminated):
        return Exit.DONE
    finally:
        world.close()
    return Exit.DONE


def demo(common: Common) -> Exit:
    """Synchronise an invented day between two imitations."""
    from bcss.cli.demo import show_demo  # noqa: PLC0415 - brings everything

    return show_demo(as_json=common.as_json)
