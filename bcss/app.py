"""Put a connection together out of its configuration, and run flows on it."""

import getpass
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bcss import __version__
from bcss.booking.desk import Limits, Report
from bcss.businesscentral.auth import TokenProvider
from bcss.businesscentral.client import BusinessCentralClient
from bcss.businesscentral.records import Company
from bcss.clock import Clock, SystemClock, iso, parse_utc
from bcss.config.schema import BusinessCentral, Config
from bcss.errors import BcssError, Exit, FixConfig, StateBroken, worst
from bcss.flows.connection import Connection
from bcss.flows.rebuild import rebuild as flow_rebuild
from bcss.flows.rebuild import start_cold_hold
from bcss.holds import Hold
from bcss.http import ApiSession, raw_sender
from bcss.locks import run_lock
from bcss.secrets import resolve
from bcss.shipstation.client import ShipStationClient, basic_authorize
from bcss.shipstation.labels import MAX_FILE, PER_MINUTE, LabelClient
from bcss.shipstation.labels import VENDOR as V2
from bcss.store import witness
from bcss.store.budget import Budget, hash_key
from bcss.store.db import Store
from bcss.store.host import budget_path, host_folder

Authorize = Callable[[bool], Mapping[str, str]]
Part = tuple[str, Callable[[Connection], None]]

_REBUILD = "rebuild"
_UNFINISHED = "rebuilding_since"
_WINDOW = 60.0
_COMPANY_HOURS = 24
_BC_CONNECTIONS = 5
_V2_BODY = 16 * 1024 * 1024


@dataclass(slots=True)
class Surroundings:
    """What tests and the listener replace; the defaults are the real ones."""

    clock: Clock = field(default_factory=SystemClock)
    transport: object | None = None
    authorize: Authorize | None = None
    budget_class: str = "batch"
    width: int = 3
    synchronous: str = "FULL"
    budget_path: Path | None = None
    witness_folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What a person may say on the command line about one run."""

    max_post: int | None = None
    max_amount: Any = None
    max_runtime: float | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended: what it did, what it held newly, and what went wrong."""

    run_id: int
    exit_code: Exit
    report: Report
    new_holds: tuple[Hold, ...]
    errors: tuple[BcssError, ...]
    requests: Mapping[str, int]


def run(
    config: Config,
    command: str,
    parts: Sequence[Part],
    options: Options | None = None,
    around: Surroundings | None = None,
) -> Summary:
    """Run flows under the run lock, each independent of the others' failures.

    Raise LockHeld when another run is under way, FixConfig or StateBroken before any flow.
    """
    around = around or Surroundings()
    with run_lock(config.state.path, command, around.clock), ExitStack() as stack:
        conn = stack.enter_context(connect(config, command, options or Options(), around))
        for name, part in parts:
            try:
                part(conn)
            except BcssError as error:
                conn.report.errors.append(error)
                conn.report.failed.append(name)
        return finish(conn)


@contextmanager
def connect(
    config: Config, command: str, options: Options, around: Surroundings
) -> Iterator[Connection]:
    """Open the state database and prepare both clients, which sign in when first asked."""
    with ExitStack() as stack:
        store, seen = _open_store(config, around)
        stack.callback(store.close)
        if command != _REBUILD:
            _refuse_half_built(store)
        sessions: dict[str, ApiSession] = {}
        ends = None
        if options.max_runtime is not None:
            ends = around.clock.monotonic() + options.max_runtime
        conn = Connection(
            config=config,
            store=store,
            clock=around.clock,
            make_bc=lambda: _bc(conn, around, sessions, stack),
            make_shipstation=lambda: _shipstation(conn, around, sessions, stack),
            make_labels=lambda: _labels(conn, around, sessions, stack),
            limits=Limits(options.max_post, options.max_amount, ends),
            width=around.width,
            dry_run=options.dry_run,
            requests=lambda: {name: one.requests for name, one in sessions.items()},
        )
        run_id = store.begin_run(command, actor(), __version__, config.digest)
        witness.write(seen, store.database_id, run_id)
        _note_host(conn)
        yield conn


def _open_store(config: Config, around: Surroundings) -> tuple[Store, Path]:
    """Open the database, unless it is not the one that the witness has seen."""
    database = config.state.path
    seen = witness.witness_path(around.witness_folder or host_folder(), database)
    witness.check_presence(seen, database)
    store = Store(database, around.clock, synchronous=around.synchronous)
    try:
        witness.check(seen, database, store.database_id, store.last_run())
    except BaseException:
        store.close()
        raise
    return store, seen


def _refuse_half_built(store: Store) -> None:
    """Refuse a database that lacks what a rebuild that died had yet to find."""
    since = store.meta(_UNFINISHED)
    if since:
        raise StateBroken(
            "A rebuild of the state database was begun and has not finished.",
            hint=f"Run it again: bcss rebuild --since {since}",
        )


def _note_host(conn: Connection) -> None:
    """Begin a cold hold where the database was moved here from another host (design §4.5)."""
    here = sha256(platform.node().encode()).hexdigest()[:16]
    known = conn.store.meta("host")
    if known == here:
        return
    with conn.store.write():
        conn.store.set_meta("host", here)
        if known:
            settle = conn.config.orders.settle
            start_cold_hold(conn.store, settle, "the database came from another host")


def finish(conn: Connection) -> Summary:
    """Record how the run ended and choose its exit code."""
    report, store = conn.report, conn.store
    new_holds = tuple(store.holds.new_in_run(store.trail.run_id))
    codes = [error.exit_code for error in report.errors] + ([Exit.HELD] if new_holds else [])
    code = worst(codes)
    store.end_run(
        int(code),
        {
            "created": report.created,
            "adopted": report.adopted,
            "tracked": report.tracked,
            "posted": report.posted,
            "confirmed": report.confirmed,
            "dropped": report.dropped,
            "credited": report.credited,
            "held": len(new_holds),
            "waived_controls": sorted(report.waived),
            "errors": [error.message[:300] for error in report.errors],
            "requests": conn.requests(),
        },
    )
    return Summary(
        store.trail.run_id, code, report, new_holds, tuple(report.errors), conn.requests()
    )


def actor() -> str:
    """Name who runs this: the operating-system user, and whether it is cron or a person."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{'tty' if os.isatty(0) else 'batch'}"[:80]


def _bc(
    conn: Connection, around: Surroundings, sessions: dict[str, ApiSession], stack: ExitStack
) -> BusinessCentralClient:
    settings = conn.config.business_central
    session = ApiSession(
        vendor="business_central",
        base_url=settings.api_url,
        clock=around.clock,
        authorize=around.authorize or _sign_in(settings, around, stack),
        max_connections=_BC_CONNECTIONS,
        transport=around.transport,
        user_agent=f"bcss/{__version__}",
        run_ends=conn.limits.ends,
    )
    stack.callback(session.close)
    sessions["business_central"] = session
    company = _known_company(conn)
    client = BusinessCentralClient(
        session, tenant=settings.tenant, environment=settings.environment, company=company
    )
    if company is None:
        _note_company(conn, client.choose_company(settings.company))
    _bind(conn, client)
    return client


def _sign_in(settings: BusinessCentral, around: Surroundings, stack: ExitStack) -> Authorize:
    send, close = raw_sender(settings.authority, around.clock, transport=around.transport)
    stack.callback(close)

    def credential() -> str | dict[str, str]:
        if settings.certificate is not None:
            key = resolve(settings.certificate.private_key)
            return {"private_key": key, "thumbprint": settings.certificate.thumbprint}
        if settings.client_secret is None:
            raise FixConfig(
                "business_central has neither client_secret nor certificate.",
                hint='Set client_secret: "keyring:" and run bcss auth set.',
            )
        return resolve(settings.client_secret)

    provider = TokenProvider(
        authority=settings.authority,
        tenant=settings.tenant,
        client_id=settings.client_id,
        credential=credential,
        send=send,
        clock=around.clock,
    )
    return provider.authorize


def _known_company(conn: Connection) -> Company | None:
    """Return the company as last looked up, unless that is a day old or the name changed."""
    at, _, rest = conn.store.meta("company").partition("\t")
    fields = rest.split("\t")
    asked = conn.config.business_central.company
    if len(fields) != 4 or fields[0] != asked:  # noqa: PLR2004 - asked, id, name, version
        return None
    if (conn.now() - parse_utc(at)).total_seconds() > _COMPANY_HOURS * 3600:
        return None
    return Company(fields[1], fields[2], fields[3])


def _note_company(conn: Connection, company: Company) -> None:
    asked = conn.config.business_central.company
    fields = (iso(conn.now()), asked, company.id, company.name, company.system_version)
    with conn.store.write():
        conn.store.set_meta("company", "\t".join(fields))


def _bind(conn: Connection, client: BusinessCentralClient) -> None:
    settings = conn.config.business_central
    company = client.company
    conn.store.bind(
        {
            "tenant": settings.tenant,
            "environment": settings.environment,
            "company": company.id if company else "",
            "ShipStation account": conn.config.shipstation.account,
        }
    )


def _shipstation(
    conn: Connection, around: Surroundings, sessions: dict[str, ApiSession], stack: ExitStack
) -> ShipStationClient:
    settings = conn.config.shipstation
    key, secret = resolve(settings.api_key), resolve(settings.api_secret)
    path = around.budget_path or budget_path()
    limit = settings.requests_per_minute
    budget = Budget(path, hash_key(key), limit, _WINDOW, around.clock)
    stack.callback(budget.close)
    budget.claim_stores(conn.config.name, conn.booked_stores())
    session = ApiSession(
        vendor="shipstation",
        base_url=settings.api_url,
        clock=around.clock,
        authorize=basic_authorize(key, secret),
        budget=budget,
        budget_class=around.budget_class,
        max_connections=1,
        transport=around.transport,
        user_agent=f"bcss/{__version__}",
        run_ends=conn.limits.ends,
    )
    stack.callback(session.close)
    sessions["shipstation"] = session
    return ShipStationClient(session)


def _labels(
    conn: Connection, around: Surroundings, sessions: dict[str, ApiSession], stack: ExitStack
) -> LabelClient:
    """Open V2 with a budget of its own; the files of labels are fetched without the key."""
    settings = conn.config.shipstation
    if settings.v2_api_key is None:
        raise FixConfig("shipstation.v2_api_key is not set.")
    key = resolve(settings.v2_api_key)
    budget = Budget(
        around.budget_path or budget_path(), hash_key(key), PER_MINUTE, _WINDOW, around.clock
    )
    stack.callback(budget.close)

    def open_session(name: str, base_url: str, headers: Mapping[str, str]) -> ApiSession:
        session = ApiSession(
            vendor=V2,
            base_url=base_url,
            clock=around.clock,
            authorize=lambda _fresh: headers,
            budget=budget,
            budget_class=around.budget_class,
            max_connections=1,
            max_body=_V2_BODY if headers else MAX_FILE,
            transport=around.transport,
            user_agent=f"bcss/{__version__}",
            run_ends=conn.limits.ends,
        )
        stack.callback(session.close)
        sessions[name] = session
        return session

    @cache
    def files(origin: str) -> ApiSession:
        return open_session(f"files of {urlsplit(origin).netloc}", origin, {})

    api = open_session(V2, settings.v2_api_url, {"API-Key": key})
    return LabelClient(api, settings.v2_api_url, files)


def rebuild(config: Config, since: datetime, around: Surroundings | None = None) -> Summary:
    """Build the state database again, keeping what is left of the old one beside it."""
    around = around or Surroundings()
    database = config.state.path
    with run_lock(database, _REBUILD, around.clock), ExitStack() as stack:
        _begin_again(config, since, around)
        witness.forget(witness.witness_path(around.witness_folder or host_folder(), database))
        conn = stack.enter_context(connect(config, _REBUILD, Options(), around))
        try:
            flow_rebuild(conn, since)
        except BcssError as error:
            conn.report.errors.append(error)
            conn.report.failed.append(_REBUILD)
        else:
            with conn.store.write():
                conn.store.set_meta(_UNFINISHED, "")
        return finish(conn)


def _begin_again(config: Config, since: datetime, around: Surroundings) -> None:
    """Put the database aside and begin one in cold hold, while the witness still refuses it.

    Whoever dies in between leaves a database that no run takes for a first installation.
    """
    database = config.state.path
    stamp = around.clock.now().strftime("%Y%m%dT%H%M%SZ")
    for suffix in ("", "-wal", "-shm", "-journal"):
        left = database.with_name(database.name + suffix)
        if left.exists():
            left.replace(database.with_name(f"{database.name}.{stamp}{suffix}"))
    store = Store(database, around.clock, synchronous=around.synchronous)
    with closing(store), store.write():
        store.set_meta(_UNFINISHED, str(since.astimezone(config.business_central.time_zone).date()))
        start_cold_hold(store, config.orders.settle, "the database was rebuilt")
