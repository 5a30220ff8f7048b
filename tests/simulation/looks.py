"""I8 by what Business Central and ShipStation were really asked before a post, from the log."""

from collections.abc import Iterable
from datetime import datetime
from urllib.parse import unquote

from bcss.sandbox.businesscentral.books import Books
from bcss.sandbox.businesscentral.rows import tag
from bcss.sandbox.kit import Request
from bcss.sandbox.world import Logged, World

_POLL = 300.0
_NOTHING_HAPPENED = 429
_STREAMS = {
    "orders": ("/orders", "modifyDateStart="),
    "shipments": ("/shipments", "createDateStart="),
    "voids": ("/shipments", "voidDateStart="),
    "fulfillments": ("/fulfillments", "createDateStart="),
}


def post_problems(
    world: World, request: Request, document: str, stood_still: Iterable[tuple[datetime, float]]
) -> list[str]:
    """I8: a post needs a late look at all under its reference, and fresh polls.

    `stood_still` are the moments at which a process went on after a pause, and how long it was:
    nothing can be asked while a process sleeps, nor just before the call that follows.
    """
    found = [] if _was_seen(world, request, document) else ["no list read since the last write"]
    now = world.clock.now()
    pauses = list(stood_still)
    polled = _polled(world)
    for stream in _STREAMS:
        begun = polled.get(stream)
        slept = sum(seconds for when, seconds in pauses if begun is not None and when > begun)
        if begun is None or (now - begun).total_seconds() - slept > _POLL:
            found.append(f"{stream} not polled since {begun}")
    return [f"I8 {request.path[-70:]}: {text}" for text in found]


def _was_seen(world: World, request: Request, document: str) -> bool:
    """Go back to the last write to the document, and tell whether a look came after it."""
    entity = request.path.rpartition("/")[0].rpartition("/")[2].partition("(")[0]
    books = world.bc.books
    tables = {"salesInvoices": books.invoices, "salesOrders": books.orders}
    found = tables.get(entity, books.credits).get(document)
    if found is None or request.headers.get("if-match") != tag(found.version):
        return True  # a person has just changed, posted or deleted it: nothing will happen
    name = "invoiceId" if entity == "salesCreditMemos" else "externalDocumentNumber"
    wanted = str(found.values[name])
    for call in reversed(world.log._entries):
        if call.vendor != "bc":
            continue
        if call.request.method == "GET":
            if _is_look(call, entity) and wanted in unquote(call.request.query):
                return True
        elif not call.late and call.status != _NOTHING_HAPPENED and _is_to(call, document, books):
            return False
    return False


def _is_to(call: Logged, document: str, books: Books) -> bool:
    """Tell whether a write was to this document, or to one of its lines."""
    for part in call.request.path.split("(")[1:]:
        name = part.partition(")")[0]
        if document in (name, books.line_owners.get(name, ("", ""))[1]):
            return True
    return False


def _is_look(call: Logged, entity: str) -> bool:
    """Tell whether this is an answered read of a whole entity set, and not of a replica."""
    intent = call.request.headers.get("data-access-intent", "").lower()
    return call.status == 200 and intent == "readwrite" and call.request.path.endswith(f"/{entity}")


def _polled(world: World) -> dict[str, datetime]:
    """Return when each stream was last asked for its first page, and answered."""
    found: dict[str, datetime] = {}
    for call in reversed(world.log._entries):
        if len(found) == len(_STREAMS):
            break
        if (
            call.vendor != "shipstation"
            or call.status != 200
            or "page=1&" not in call.request.query
        ):
            continue
        for stream, (path, member) in _STREAMS.items():
            if call.request.path.endswith(path) and member in call.request.query:
                found.setdefault(stream, call.at)
    return found
