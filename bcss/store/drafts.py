"""Write a draft document to text and read it back, to the last digit."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Any

from bcss import wire
from bcss.config.schema import DocumentKind
from bcss.store.payloads import compress, expand
from bcss.units import Draft, DraftLine, Tracking

_LINE_AMOUNTS = ("quantity", "unit_price", "discount")
_AMOUNTS = ("gross", "net", "tolerance")


def pack(draft: Draft) -> bytes:
    """Render a draft for the unit's row."""
    value = asdict(draft)
    value["lines"] = [_sparse(line) for line in value["lines"]]
    return compress(wire.canonical(_texts(value)))


def unpack(body: bytes) -> Draft:
    """Read what `pack` wrote."""
    value = wire.parse_object(expand(body))
    tracking = value["tracking"]
    read: dict[str, Any] = {
        **value,
        **{name: Decimal(value[name]) for name in _AMOUNTS},
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


def _sparse(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if value not in ("", Decimal(0))}


def _line(value: dict[str, Any]) -> DraftLine:
    return DraftLine(**{**value, **{n: Decimal(value.get(n, "0")) for n in _LINE_AMOUNTS}})
