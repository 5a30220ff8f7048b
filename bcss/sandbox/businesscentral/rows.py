"""Keep rows with their tags, indexes and, where replica lag is imitated, their past.

Rows are replaced, never altered: whoever holds one holds what was true when it was read.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar

from bcss.sandbox.businesscentral.schema import Kind

NO_GUID = "00000000-0000-0000-0000-000000000000"
NO_DATE = date.min
NO_TIME = datetime.min.replace(tzinfo=UTC)
ZERO = Decimal(0)
_TAG_BASE = 8313926814576603342
_GUID_STEP = 0x9E3779B97F4A7C15F39CC0605CEDC835
_GUID_START = 0x5DE545BCF6F9EF1193446045BDC8C234


class HasValues(Protocol):
    """What a table needs to know of a row."""

    @property
    def values(self) -> dict[str, Any]:
        """Return the properties as the API shows them."""
        ...


@dataclass(slots=True)
class Row:
    """An entity: what the API shows, what it does not, and its row version.

    `text` is filled when the row is first rendered.
    """

    values: dict[str, Any]
    version: int
    extra: dict[str, Any] = field(default_factory=dict)
    text: str = ""


@dataclass(slots=True)
class Document:
    """A sales document with its lines, the fields no entity shows, and two row versions.

    `version` is the aggregate's, `header_version` the Sales Header's, which the page service
    shows (§3.4, §4.5); they never are the same number.
    """

    kind: Kind
    values: dict[str, Any]
    version: int
    header_version: int
    lines: tuple[Row, ...] = ()
    posted: bool = False
    agent: str = ""
    service: str = ""
    tracking: str = ""
    reference: str = ""
    posting_number: str = ""
    shipping_number: str = ""
    draft_number: str = ""
    text: str = ""
    lines_text: str = ""


def changed(document: Document, **changes: Any) -> Document:
    """Return the document with changes, to be rendered anew."""
    return replace(document, text="", lines_text="", **changes)


R = TypeVar("R", bound=HasValues)


class Table(Generic[R]):
    """Rows by id, in the order of their first insert, with exact-match indexes."""

    def __init__(self, *indexed: str, key: str = "id") -> None:
        self.key = key
        self.rows: dict[str, R] = {}
        self.serials: dict[str, int] = {}
        self.indexes: dict[str, dict[Any, dict[str, None]]] = {name: {} for name in indexed}
        self.journal: list[tuple[datetime, str, R | None]] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[R]:
        return iter(self.rows.values())

    def get(self, identity: str) -> R | None:
        """Return a row by its id."""
        return self.rows.get(identity)

    def put(self, row: R, at: datetime) -> None:
        """Insert or replace a row."""
        identity = row.values[self.key]
        old = self.rows.get(identity)
        if self.journal is not None:
            self.journal.append((at, identity, old))
        self.rows[identity] = row
        if old is None:
            self.serials.setdefault(identity, len(self.serials))
        for name, index in self.indexes.items():
            new_value = _folded(row.values[name])
            if old is not None:
                old_value = _folded(old.values[name])
                if old_value == new_value:
                    continue
                index[old_value].pop(identity, None)
            index.setdefault(new_value, {})[identity] = None

    def remove(self, identity: str, at: datetime) -> None:
        """Remove a row."""
        old = self.rows.pop(identity)
        if self.journal is not None:
            self.journal.append((at, identity, old))
        for name, index in self.indexes.items():
            index[_folded(old.values[name])].pop(identity, None)

    def find(self, name: str, value: Any) -> list[R]:
        """Return the rows whose indexed property equals a value."""
        if name == self.key:
            row = self.rows.get(value)
            return [] if row is None else [row]
        return [self.rows[one] for one in self.indexes[name].get(_folded(value), ())]

    def one(self, name: str, value: Any) -> R | None:
        """Return the first row whose indexed property equals a value."""
        found = self.find(name, value)
        return found[0] if found else None

    def keep_journal(self) -> None:
        """Remember the past from now on."""
        if self.journal is None:
            self.journal = []

    def as_of(self, instant: datetime) -> "Table[R]":
        """Return what a replica shows that has seen nothing since `instant`."""
        past = dict(self.rows)
        for at, identity, old in reversed(self.journal or []):
            if at <= instant:
                break
            if old is None:
                past.pop(identity, None)
            else:
                past[identity] = old
        table: Table[R] = Table(*self.indexes, key=self.key)
        for identity in sorted(past, key=self.serials.__getitem__):
            table.put(past[identity], instant)
        table.serials = self.serials
        return table


def _folded(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def guid(number: int) -> str:
    """Return the n-th GUID of a fixed sequence that looks like any other."""
    text = f"{(_GUID_START + number * _GUID_STEP) & (1 << 128) - 1:032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def tag(version: int) -> str:
    """Return the ETag of a row version, in the shape of §4.5."""
    inner = b64encode(f"'20;{_TAG_BASE + version}1;00;'".encode()).decode()
    return f'W/"{inner}"'


def time_text(instant: datetime) -> str:
    """Render a time with at most milliseconds and no trailing zeros (§2)."""
    text = instant.strftime("%Y-%m-%dT%H:%M:%S") if instant.year > 999 else "0001-01-01T00:00:00"
    milliseconds = instant.microsecond // 1000
    return f"{text}.{milliseconds:03d}".rstrip("0") + "Z" if milliseconds else text + "Z"


def _plain(value: object) -> int | float | str:
    match value:
        case Decimal():
            whole = int(value)
            return whole if whole == value else float(value)
        case datetime():
            return time_text(value)
        case date():
            return value.isoformat()
        case _:
            raise TypeError(f"{type(value).__name__} is not JSON")


_encode = json.JSONEncoder(separators=(",", ":"), default=_plain).encode


def members(values: dict[str, Any], etag: str) -> str:
    """Render an entity's tag and properties as JSON members without the braces."""
    return _encode({"@odata.etag": etag, **values})[1:-1]


def encode(value: object) -> str:
    """Render any value of the API as JSON."""
    return _encode(value)


def row_text(row: Row) -> str:
    """Render a row as JSON members, once."""
    if not row.text:
        row.text = members(row.values, tag(row.version))
    return row.text


def document_text(document: Document) -> str:
    """Render a document's header as JSON members, once."""
    if not document.text:
        document.text = members(document.values, tag(document.version))
    return document.text


def lines_text(document: Document) -> str:
    """Render a document's lines as a JSON array, once."""
    if not document.lines_text:
        document.lines_text = rows_text(document.lines)
    return document.lines_text


def rows_text(rows: Iterable[Row]) -> str:
    """Render rows as a JSON array."""
    return "[" + ",".join("{" + row_text(row) + "}" for row in rows) + "]"
