"""Ask Business Central in OData: literals, chunks of terms, objects and pages.

Only documented request forms are used (business-central.md §1.1, §5). The URL encoding of a
query is the HTTP layer's; what goes into a path is encoded here.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urljoin

from bcss import wire
from bcss.businesscentral.read import UnreadableAnswer, as_guid
from bcss.businesscentral.records import Body, Company
from bcss.clock import iso
from bcss.errors import FixConfig, InDoubt, RecordRefused, RetryLater
from bcss.reply import Reply

if TYPE_CHECKING:
    from bcss.http import ApiSession

VENDOR = "bc"
NAME = "Business Central"
CHUNK = 40
PAGE_SIZE = 2000
# English texts are needed to tell refusals apart (business-central.md §5.3).
ENGLISH = {"Accept-Language": "en-US"}
# A read that decides something must not come from a lagging replica (design §1 fact 6).
DECIDING = {**ENGLISH, "Data-Access-Intent": "ReadWrite"}
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{1,500}"', re.ASCII)
_NAME = re.compile(r"[0-9A-Za-z_-]{1,150}", re.ASCII)

T = TypeVar("T")
Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Site:
    """Where requests go: the HTTP session, the environment's root and the company in use."""

    session: "ApiSession"
    root: str
    company: Company | None = None

    @property
    def api(self) -> str:
        """Return the path of API v2.0, where companies and subscriptions are."""
        return f"{self.root}/api/v2.0"

    @property
    def data(self) -> str:
        """Return the path of the company's entity sets."""
        return f"{self.api}/companies({self.chosen.id})"

    @property
    def services(self) -> str:
        """Return the path of the company's OData page services (business-central.md §3.4)."""
        name = quote(self.chosen.name.replace("'", "''"), safe="")
        return f"{self.root}/ODataV4/Company('{name}')"

    @property
    def chosen(self) -> Company:
        """Return the company in use; raise FixConfig while there is none."""
        if self.company is None:
            raise FixConfig("No company is chosen.", hint="Set business_central.company.")
        return self.company


def site_root(tenant: str, environment: str) -> str:
    """Return the path below which an environment's services are."""
    return f"/v2.0/{quote(tenant, safe='')}/{quote(environment, safe='')}"


def text_literal(text: str) -> str:
    """Quote a string for a filter."""
    return "'" + text.replace("'", "''") + "'"


def guid(value: str) -> str:
    """Check a GUID before it enters a URL; raise ValueError for anything else."""
    found = as_guid(value)
    if found is None:
        raise ValueError(f"not a GUID: {value[:80]!r}")
    return found


def key_name(value: str) -> str:
    """Check a string key before it enters a URL; raise ValueError for anything else."""
    if not _NAME.fullmatch(value):
        raise ValueError(f"not a key: {value[:80]!r}")
    return value


def any_text(field: str, values: Sequence[str]) -> str:
    """Ask for any of these texts in one field; `or` over two fields is refused by BC (§5.1)."""
    return " or ".join(f"{field} eq {text_literal(value)}" for value in values)


def any_guid(field: str, values: Sequence[str]) -> str:
    """Ask for any of these GUIDs in one field."""
    return " or ".join(f"{field} eq {guid(value)}" for value in values)


def changed_since(since: datetime | None) -> Query:
    """Ask for rows modified after an instant, or for all; the caller's overlap is in `since`."""
    return [] if since is None else [("$filter", f"lastModifiedDateTime gt {iso(since)}")]


def if_match(etag: str) -> Mapping[str, str]:
    """Make the precondition of a write; a tag that is none is refused, and `*` is never sent."""
    if not _ETAG.fullmatch(etag):
        raise RecordRefused(
            "The record was read without a usable version tag.",
            hint="It is read again in the next run.",
            vendor=VENDOR,
            code="no-etag",
        )
    return {"If-Match": etag}


def encode(body: Body) -> bytes:
    """Write a request's body with its members in the order given (§4.3)."""
    try:
        return wire.dumps(body).encode()
    except ValueError as problem:
        raise RecordRefused(
            f"A value cannot be sent to {NAME}: {str(problem)[:200]}.",
            hint="Correct it in ShipStation or in the configuration.",
            vendor=VENDOR,
            code="unsendable",
        ) from None


def take(read: Callable[[Any], T], value: object) -> T:
    """Read one record of an answer; what cannot be read is refused, not guessed."""
    try:
        return read(value)
    except UnreadableAnswer as problem:
        raise RecordRefused(
            f"{NAME} answered with a record that cannot be read: {problem}.",
            hint="Look at this record in Business Central.",
            vendor=VENDOR,
            code="unreadable",
        ) from None


def take_written(read: Callable[[Any], T], reply: Reply) -> T:
    """Read a write's answer; one that cannot be read leaves in doubt what was written."""
    try:
        return read(reply.json())
    except (wire.NotJson, UnreadableAnswer) as problem:
        raise InDoubt(
            f"{NAME} answered a write with {reply.status} and a body that cannot be read: "
            f"{str(problem)[:120]}.",
            hint="The next run looks up whether it was written.",
            vendor=VENDOR,
            status=reply.status,
        ) from None


def read_object(
    site: Site, path: str, query: Query = (), headers: Mapping[str, str] = ENGLISH
) -> wire.Json:
    """Read one JSON object; raise RetryLater when something else came."""
    return _object(site.session.get(path, query=query, headers=headers))


def _object(reply: Reply) -> wire.Json:
    try:
        answer = reply.json()
    except wire.NotJson:
        answer = None
    if isinstance(answer, dict):
        return answer
    raise RetryLater(
        f"{NAME} answered a read with something that is not a JSON object.",
        hint="A proxy or a maintenance page may stand between; the next run asks again.",
        vendor=VENDOR,
        status=reply.status,
    )


def _values(answer: wire.Json) -> list[wire.Json]:
    rows = answer.get("value")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RetryLater(
            f"{NAME} answered a list without a list of objects.",
            hint="The next run asks again.",
            vendor=VENDOR,
        )
    return rows


def has_rows(site: Site, path: str) -> bool:
    """Tell whether a list shows any row to this application."""
    return bool(_values(read_object(site, path, [("$top", "1"), ("$select", "id")], DECIDING)))


def read_whole(site: Site, path: str, query: Query) -> list[wire.Json]:
    """Read a list that decides something: one answer with all of its rows, or RecordRefused.

    An answer in pages is a position by key while rows change, so it proves nothing (§5.2).
    """
    answer = read_object(site, path, query, DECIDING)
    if answer.get("@odata.nextLink"):
        raise RecordRefused(
            f"{NAME} gave only a part of the rows that were asked for.",
            hint="Look for a document number that stands on very many documents.",
            vendor=VENDOR,
            code="incomplete",
        )
    return _values(answer)


def in_chunks(values: Sequence[str], size: int, ask: Callable[[Sequence[str]], T]) -> Iterator[T]:
    """Ask for some values at a time, and for half as many whenever that is refused.

    A refusal of a single value is raised; nobody knows the longest URL BC takes (REL §2.7).
    """
    position = 0
    while position < len(values):
        group = values[position : position + size]
        try:
            answer = ask(group)
        except RecordRefused:
            if len(group) == 1:
                raise
            size = (len(group) + 1) // 2
            continue
        yield answer
        position += len(group)


def read_pages(
    site: Site, path: str, query: Query = (), *, page_size: int = PAGE_SIZE
) -> Iterator[wire.Json]:
    """Read a list page by page; links are followed verbatim with the same headers (§5.2).

    The last page may be empty. A link that comes twice would go round for ever: RetryLater.
    """
    headers = {**ENGLISH, "Prefer": f"odata.maxpagesize={page_size}"}
    answer = read_object(site, path, query, headers)
    seen: set[str] = set()
    while True:
        yield from _values(answer)
        link = answer.get("@odata.nextLink")
        if not link:
            return
        if not isinstance(link, str) or link in seen:
            raise RetryLater(
                f"{NAME} sends the same page again and again.",
                hint="The next run asks again.",
                vendor=VENDOR,
            )
        seen.add(link)
        address = urljoin(f"{site.session.base_url}{path}", link)
        answer = _object(site.session.get_url(address, headers=headers))
