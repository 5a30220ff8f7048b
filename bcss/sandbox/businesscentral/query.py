"""Apply OData query options and paging to rows (business-central.md §5.1, §5.2)."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote_plus

from bcss.sandbox.businesscentral.entities import Entity
from bcss.sandbox.businesscentral.errors import Refused, bad_request
from bcss.sandbox.businesscentral.filters import Filter, parse_filter
from bcss.sandbox.businesscentral.rows import Table

SERVER_PAGE = 20_000
_PAGE_SIZE = re.compile(r"odata\.maxpagesize\s*=\s*([0-9]{1,9})", re.IGNORECASE)
_KNOWN = {
    "$filter",
    "$select",
    "$expand",
    "$orderby",
    "$top",
    "$skip",
    "$count",
    "$skiptoken",
    "$schemaversion",
    "$format",
    "aid",
    "tenant",
    "company",
}


@dataclass(slots=True)
class Options:
    """What a request asks of a list or an entity; `raw` holds all of it, decoded, in order."""

    raw: tuple[tuple[str, str], ...] = ()
    filter: Filter | None = None
    select: tuple[str, ...] = ()
    expand: dict[str, str] = field(default_factory=dict)
    order: tuple[tuple[str, bool], ...] = ()
    top: int | None = None
    skip: int = 0
    count: bool = False
    token: str = ""


def _decoded(query: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for part in query.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        pairs.append((unquote_plus(name), unquote_plus(value)))
    return tuple(pairs)


def parse_options(query: str, entity: Entity) -> Options:
    """Read the query string; an unknown option is refused."""
    if not query:
        return Options()
    options = Options(raw=_decoded(query))
    for name, value in options.raw:
        if name not in _KNOWN:
            raise bad_request(f"The query parameter '{name}' is not supported.")
        _take(options, name, value, entity)
    return options


def _take(options: Options, name: str, value: str, entity: Entity) -> None:
    match name:
        case "$filter":
            options.filter = parse_filter(value, entity)
        case "$select":
            options.select = tuple(_known(one.strip(), entity) for one in value.split(","))
        case "$expand":
            options.expand = _expansions(value, entity)
        case "$orderby":
            options.order = tuple(_order(one, entity) for one in value.split(","))
        case "$top":
            options.top = _whole(name, value)
        case "$skip":
            options.skip = _whole(name, value)
        case "$count":
            options.count = value == "true"
        case "$skiptoken":
            options.token = value
        case _:
            pass


def _whole(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise bad_request(f"Invalid value '{value[:40]}' for {name} query option found.")
    return int(value)


def _known(name: str, entity: Entity) -> str:
    if name not in entity.fields:
        raise bad_request(
            f"Could not find a property named '{name}' on type 'Microsoft.NAV.{entity.singular}'."
        )
    return name


def _order(text: str, entity: Entity) -> tuple[str, bool]:
    name, _, direction = text.strip().partition(" ")
    field_ = entity.fields[_known(name, entity)]
    if not field_.stored or direction.strip() not in ("", "asc", "desc"):
        raise bad_request(f"The property '{name}' cannot be used in the $orderby query option.")
    return name, direction.strip() == "desc"


def _expansions(text: str, entity: Entity) -> dict[str, str]:
    """Split `a($select=x,y),b` at commas outside parentheses; nested options are kept as text."""
    found: dict[str, str] = {}
    depth, start = 0, 0
    for place, mark in enumerate(text + ","):
        depth += (mark == "(") - (mark == ")")
        if mark == "," and depth == 0:
            name, _, nested = text[start:place].strip().partition("(")
            if name not in entity.navigations:
                raise bad_request(
                    f"Could not find a property named '{name}' on type "
                    f"'Microsoft.NAV.{entity.singular}'."
                )
            found[name] = nested.removesuffix(")")
            start = place + 1
    return found


@dataclass(frozen=True, slots=True)
class Page:
    """One page of rows; `next_token` is empty on the last, `count` is of all that match."""

    rows: Sequence[Any]
    count: int
    next_token: str
    rest: int | None


def page_size(prefer: str) -> int:
    """Return the page size a Prefer header asks for; larger ones are clamped (§5.2)."""
    match = _PAGE_SIZE.search(prefer)
    return max(1, min(int(match[1]), SERVER_PAGE)) if match else SERVER_PAGE


def matching(table: Table[Any], options: Options) -> list[Any]:
    """Return the rows a filter lets through, by an index where there is one."""
    wanted = options.filter
    if wanted is None:
        return list(table)
    if wanted.equal_field and (
        wanted.equal_field in table.indexes or wanted.equal_field == table.key
    ):
        found: dict[str, Any] = {}
        for value in wanted.equal_values:
            for row in table.find(wanted.equal_field, value):
                found[row.values[table.key]] = row
        rows = [row for row in found.values() if wanted.test(row.values)]
        rows.sort(key=lambda row: table.serials[row.values[table.key]])
        return rows
    test = wanted.test
    return [row for row in table if test(row.values)]


def ordered(rows: list[Any], options: Options) -> list[Any]:
    """Sort rows by $orderby, last key first so that the sorts add up."""
    for name, descending in reversed(options.order):
        rows.sort(key=lambda row: row.values[name], reverse=descending)
    return rows


def cut(
    rows: list[Any],
    options: Options,
    size: int,
    links: str,
    key: Callable[[Any], str],
    serials: Mapping[str, int] | None = None,
) -> Page:
    """Cut one page out of the matching rows.

    `links` is "exact" (a full page always has a nextLink, so that a whole multiple ends with an
    empty page, §5.2), "always" (even a short page has one) or "never_empty".
    """
    count = len(rows)
    start = options.skip
    if options.token:
        start = _start(rows, options, key, serials or {})
    end = start + size if options.top is None else start + min(size, options.top)
    page = rows[start:end]
    rest = None if options.top is None else options.top - len(page)
    more = {
        "exact": len(page) == size,
        "always": bool(page),
        "never_empty": end < count,
    }[links]
    if rest == 0 or not page or not more:
        return Page(page, count, "", rest)
    return Page(page, count, key(page[-1]), rest)


def _start(
    rows: list[Any], options: Options, key: Callable[[Any], str], serials: Mapping[str, int]
) -> int:
    """Find where a continuation goes on; it is a position by key, so its row may be gone (§5.2)."""
    for place, row in enumerate(rows):
        if key(row) == options.token:
            return place + 1
    serial = serials.get(options.token)
    if serial is None or options.order:
        raise Refused(400, "SkipTokenIsNoLongerValid", "The skip token is no longer valid.")
    return sum(serials[key(row)] < serial for row in rows)


def next_link(base: str, options: Options, page: Page) -> str:
    """Write the continuation: the request's own options, the rest of $top, aid and the token."""
    kept = [
        (name, str(page.rest) if name == "$top" else value)
        for name, value in options.raw
        if name not in ("$skiptoken", "aid", "$skip")
    ]
    parts = [f"{name}={quote(value, safe='')}" for name, value in kept]
    return base + "?" + "&".join([*parts, "aid=FIN", f"$skiptoken={page.next_token}"])
