"""Write a draft document to text and read it back, to the last digit."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from bcss import wire
from bcss.config.schema import DocumentKind
from bcss.store.payloads import compress, expand
from bcss.units import Draft, DraftLine, Tracking

_LINE_AMOUNTS = ("quantity", "unit_price", "discount")
_AMOUNTS = ("gross", "net", "tolerance")
_FIELDS = tuple(one.name for one in fields(Draft))
_LINE_FIELDS = tuple(one.name for one in fields(DraftLine))
_TRACKING_FIELDS = tuple(one.name for one in fields(Tracking))


# A unit is read and written some eight times on its way; its draft changes once.
_KEPT = 2048
_packed: "OrderedDict[int, tuple[Draft, bytes]]" = OrderedDict()


def pack(draft: Draft) -> bytes:
    """Render a draft for the unit's row; the same object is rendered once."""
    known = _packed.get(id(draft))
    if known is not None and known[0] is draft:
        return known[1]
    value = {name: getattr(draft, name) for name in _FIELDS}
    value["tracking"] = {name: getattr(draft.tracking, name) for name in _TRACKING_FIELDS}
    value["lines"] = [_sparse(line) for line in draft.lines]
    return _keep(draft, compress(wire.canonical(_texts(value))))[1]


def _keep(draft: Draft, body: bytes) -> tuple[Draft, bytes]:
    """Remember the newest drafts with their bodies; the entry keeps the object's id its own."""
    _packed[id(draft)] = (draft, body)
    while len(_packed) > _KEPT:
        _packed.popitem(last=False)
    return draft, body


@lru_cache(maxsize=_KEPT)
def unpack(body: bytes) -> Draft:
    """Read what `pack` wrote."""
    return _keep(_read(body), body)[0]


def _read(body: bytes) -> Draft:
    value = wire.parse_object(expand(body))
    tracking = value["tracking"]
    read: dict[str, Any] = {
        **value,
        **{name: Decimal(value[name]) for name in _AMOUNTS},
        "earlier": tuple(value.get("earlier", ())),
        "kind": DocumentKind(value["kind"]),
        "posting_date": date.fromisoformat(value["posting_date"]),
        "document_date": date.fromisoformat(value["document_date"]),
        "lines": tuple(_line(line) for line in value["lines"]),
        "tracking": Tracking(
            **{**tracking, **{name: tuple(tracking[name]) for name in ("comments", "unmapped")}}
        ),
    }
    return Draft(**read)


def _texts(value: Any) -> Any:
    match value:
        case date() | Decimal():
            return str(value)
        case Mapping():
            return {key: _texts(member) for key, member in value.items()}
        case list() | tuple():
            return [_texts(member) for member in value]
        case _:
            return value


def _sparse(line: DraftLine) -> dict[str, Any]:
    values = ((name, getattr(line, name)) for name in _LINE_FIELDS)
    return {name: value for name, value in values if value not in ("", Decimal(0))}


def _line(value: dict[str, Any]) -> DraftLine:
    return DraftLine(**{**value, **{n: Decimal(value.get(n, "0")) for n in _LINE_AMOUNTS}})
