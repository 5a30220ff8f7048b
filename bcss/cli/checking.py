"""Ask both systems what is missing before bcss can work, one plain line each (`check`)."""

import shutil
from collections.abc import Iterator, Sequence

from bcss.cli import companychecks
from bcss.cli.answer import Answer
from bcss.cli.finding import Finding, Look, wrong
from bcss.cli.render import Block, Table
from bcss.cli.scratch import scratch_connection
from bcss.config.schema import (
    Config,
    ItemTarget,
    StoreRule,
    secret_references,
)
from bcss.errors import BcssError, Exit, worst
from bcss.flows.connection import Connection
from bcss.flows.hooks import shortfalls
from bcss.flows.route import tracking_route
from bcss.flows.subscriptions import hours_left, receiver_problem
from bcss.secrets import status

_ENTITIES = (
    "salesInvoices",
    "salesOrders",
    "customers",
    "items",
    "itemVariants",
    "accounts",
    "locations",
    "countriesRegions",
)
_LEAST_FREE = 100 * 1024 * 1024
_MOST_SKEW = 60.0


def checked(config: Config) -> Answer:
    """Look at everything a run needs; what cannot be asked without the former is left out."""
    findings = [*_config(config), *_secrets(config), *_state(config)]
    with scratch_connection(config, "check") as conn:
        for looks in (_BUSINESS_CENTRAL, _SHIPSTATION, _SHIPSTATION_V2):
            for what, look in looks:
                before = len(findings)
                findings += _guarded(what, look, conn)
                if _stops(findings[before:], what):
                    break
    code = worst([finding.code for finding in findings])
    rows = [
        {"what": one.what, "level": one.level, "text": one.text, "exit_code": int(one.code)}
        for one in findings
    ]
    return Answer({"checks": rows, "exit_code": int(code)}, _blocks(findings), code)


def _blocks(findings: Sequence[Finding]) -> list[Block]:
    table = Table(("", "what", ""), [[one.level, one.what, one.text] for one in findings])
    wrongs = sum(one.level == "wrong" for one in findings)
    warned = sum(one.level == "warning" for one in findings)
    unread = sum(one.level == "look" for one in findings)
    seen = f", {unread} that only Business Central itself shows" if unread else ""
    return [table, f"{wrongs} wrong, {warned} to look at{seen}"]


def _guarded(what: str, look: Look, conn: Connection) -> Iterator[Finding]:
    try:
        yield from look(conn)
    except BcssError as error:
        yield Finding(what, "wrong", str(error), error.exit_code)


def _stops(findings: Sequence[Finding], what: str) -> bool:
    """Tell whether the rest of a system cannot be asked: its door is shut."""
    return what in ("sign-in", "API key") and any(one.level == "wrong" for one in findings)


# This host ----------------------------------------------------------------------------------------


def _config(config: Config) -> Iterator[Finding]:
    yield Finding("config", "ok", str(config.path))
    for note in config.notes:
        yield Finding("config", "warning", note)
    if not config.orders.stores:
        yield Finding("config", "warning", "no store is listed under orders.stores")


def _secrets(config: Config) -> Iterator[Finding]:
    for one in status(secret_references(config).values()):
        if one.found:
            yield Finding("secret", "ok", f"{one.slot}: {one.detail}")
        else:
            yield Finding("secret", "wrong", one.detail, Exit.DENIED)


def _state(config: Config) -> Iterator[Finding]:
    path = config.state.path
    folder = next(place for place in path.parents if place.exists())
    free = shutil.disk_usage(folder).free
    known = str(path) if path.exists() else f"{path} (made by the first run)"
    yield Finding("state", "ok", known)
    if free < _LEAST_FREE:
        yield Finding("disk", "warning", f"only {free // 1024 // 1024} MiB are free in {folder}")


# Business Central ---------------------------------------------------------------------------------


def _sign_in(conn: Connection) -> Iterator[Finding]:
    conn.bc.companies()  # the company may be known from before, the secret must work now
    company = conn.bc.company
    name = f"{company.name} ({company.id})" if company else "no company"
    settings = conn.config.business_central
    yield Finding("sign-in", "ok", f"{settings.tenant}, {settings.environment}, {name}")


def _permissions(conn: Connection) -> Iterator[Finding]:
    for entity in _ENTITIES:
        try:
            shows = conn.bc.probe(entity)
        except BcssError as error:
            yield Finding("permission", "wrong", f"{entity}: {error}", error.exit_code)
            continue
        yield Finding("permission", "ok", f"{entity} can be read" + ("" if shows else " (empty)"))


def _route(conn: Connection) -> Iterator[Finding]:
    route = tracking_route(conn)
    if route == "workflow":
        yield Finding("tracking", "ok", "agent, service and number go into the document's fields")
        return
    yield Finding(
        "tracking",
        "warning",
        "tracking goes onto a comment line; publish page 6402 as workflowSalesDocuments for more",
    )


def _items(conn: Connection) -> Iterator[Finding]:
    """Look up the items that the configuration itself names."""
    named = {
        target.number
        for rule in conn.config.orders.stores.values()
        if isinstance(rule, StoreRule)
        for target in (rule.shipping, rule.discount, rule.adjustments, rule.tax)
        if isinstance(target, ItemTarget)
    }
    for number in sorted(named):
        if conn.bc.find_item(number) is None:
            yield wrong("item", f"the company has no item {number}, which a store rule names")


def _receiver(conn: Connection) -> Iterator[Finding]:
    """Ask our own public address as Business Central will, and compare the subscriptions."""
    hooks = conn.config.webhooks
    if hooks is None:
        return
    problem = receiver_problem(conn)
    if problem:
        yield Finding("receiver", "warning", problem)
    else:
        yield Finding("receiver", "ok", "the public address answers Business Central's handshake")
    left = hours_left(conn.store, conn.now())
    for entity in hooks.subscriptions:
        if not left.get(entity):
            yield Finding("subscription", "warning", f"{entity}: none yet; bcss renew-subs")
        else:
            yield Finding("subscription", "ok", f"{entity}: {left[entity]} h left")


# ShipStation --------------------------------------------------------------------------------------


def _key(conn: Connection) -> Iterator[Finding]:
    page = conn.shipstation.orders_page(pageSize=1)
    yield Finding("API key", "ok", f"accepted; the account shows {page.total} orders")
    if page.server_time is None:
        return
    skew = abs((page.server_time - conn.now()).total_seconds())
    if skew > _MOST_SKEW:
        yield Finding("clock", "warning", f"this host's clock is {skew:.0f} s off ShipStation's")


def _stores(conn: Connection) -> Iterator[Finding]:
    listed = conn.config.orders.stores
    there = {store.store_id: store for store in conn.shipstation.stores(inactive=True)}
    for store_id, store in there.items():
        if store.active and store_id not in listed:
            text = f"{store_id} ({store.name}) is not listed: its orders are held"
            yield Finding("store", "warning", text)
    for store_id in listed:
        if store_id not in there:
            yield wrong("store", f"orders.stores.{store_id}: the account has no such store")
    yield Finding("stores", "ok", f"{len(there)} in the account, {len(listed)} listed")


def _carriers(conn: Connection) -> Iterator[Finding]:
    known = conn.config.shipping_agents
    for carrier in conn.shipstation.carriers():
        names = {carrier.code.casefold(), carrier.name.casefold(), carrier.nickname.casefold()}
        if not names & set(known):
            text = f"{carrier.code} has no shipping agent: its raw codes go onto the comment line"
            yield Finding("carrier", "warning", text)


def _webhooks(conn: Connection) -> Iterator[Finding]:
    if conn.config.webhooks is None:
        return
    problems = shortfalls(conn)
    for text in problems:
        yield Finding("webhook", "warning", f"{text}: bcss webhooks register, or list")
    if not problems:
        yield Finding("webhooks", "ok", "ShipStation tells our listener what happens")


def _labels(conn: Connection) -> Iterator[Finding]:
    if conn.config.shipstation.v2_api_key is None:
        return
    count = conn.labels.count()
    files = ", PDFs are attached" if conn.config.orders.label_pdf else ""
    yield Finding("V2 API key", "ok", f"accepted; the account shows {count} labels{files}")


_BUSINESS_CENTRAL: tuple[tuple[str, Look], ...] = (
    ("sign-in", _sign_in),
    ("permission", _permissions),
    ("tracking", _route),
    ("store rules", companychecks.targets),
    ("header", companychecks.headers),
    ("tax", companychecks.tax),
    ("currency", companychecks.currencies),
    ("posting period", companychecks.period),
    ("number series", companychecks.series),
    ("item", _items),
    ("receiver", _receiver),
)
_SHIPSTATION: tuple[tuple[str, Look], ...] = (
    ("API key", _key),
    ("store", _stores),
    ("carrier", _carriers),
    ("webhook", _webhooks),
)
_SHIPSTATION_V2: tuple[tuple[str, Look], ...] = (("V2 API key", _labels),)
