"""Choose how tracking reaches documents, by what the company offers (design §5)."""

from datetime import timedelta
from typing import Literal

from bcss.clock import iso, parse_utc
from bcss.errors import FixConfig
from bcss.flows.connection import Connection

_PROBE_AGE = timedelta(hours=24)
_KEY = "tracking_route"


def tracking_route(conn: Connection) -> Literal["workflow", "comment"]:
    """Return the best route the company offers; probed once a day and kept.

    Raise FixConfig when the configured route is not there, or is not built yet.
    """
    wanted = conn.config.business_central.tracking
    if wanted == "comment":
        return "comment"
    if wanted in ("extension", "page"):
        raise FixConfig(
            f"business_central.tracking: {wanted} is not built yet.",
            hint="Use auto, workflow or comment.",
        )
    found = _probe(conn)
    if wanted == "workflow" and found != "workflow":
        raise FixConfig(
            "The company does not publish the service workflowSalesDocuments.",
            hint="Publish page 6402 under that name in Business Central, or set tracking: auto.",
        )
    return found


def _probe(conn: Connection) -> Literal["workflow", "comment"]:
    text = conn.store.meta(_KEY)
    at, _, route = text.partition(" ")
    if route and conn.now() - parse_utc(at) < _PROBE_AGE:
        return "workflow" if route == "workflow" else "comment"
    found: Literal["workflow", "comment"] = (
        "workflow" if conn.bc.has_tracking_service() else "comment"
    )
    with conn.store.write():
        conn.store.set_meta(_KEY, f"{iso(conn.now())} {found}")
    return found
