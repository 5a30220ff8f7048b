"""Show documents line by line, as they would stand in Business Central."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bcss.cli.render import Block, Table, printable
from bcss.cli.words import KINDS, waiting_words
from bcss.mapping.amounts import line_amount, lines_total
from bcss.money import show
from bcss.units import Draft, Unit

_LATER = "known once drafted"
_SHOWN_WAITING = 20


def document_object(
    unit: Unit,
    draft: Draft,
    action: str,
    shipstation_total: Decimal,
    bc_total: Decimal | None,
    printed: Sequence[str],
) -> dict[str, Any]:
    """Return a document as `--json` shows it; amounts are in its currency."""
    return {
        "order_number": unit.order_number,
        "order_key": unit.order_key,
        "store_id": unit.store_id,
        "action": action,
        "state": str(unit.state),
        "kind": str(draft.kind),
        "reference": draft.reference,
        "customer": draft.customer,
        "currency": draft.currency,
        "posting_date": draft.posting_date.isoformat(),
        "document_date": draft.document_date.isoformat(),
        "ship_to": dict(draft.ship_to),
        "lines": [*_lines(draft), *({"type": "Comment", "description": text} for text in printed)],
        "tracking": {
            "agent": draft.tracking.agent,
            "service": draft.tracking.service,
            "number": draft.tracking.number,
            "unmapped": list(draft.tracking.unmapped),
        },
        "shipstation_total": shipstation_total,
        "expected_total": draft.gross,
        "our_total": lines_total(draft.lines, draft.currency),
        "bc_total": bc_total,
        "tax": draft.tax,
        "prices": draft.prices,
        "document_number": unit.document_number or unit.draft_number,
    }


def _lines(draft: Draft) -> list[dict[str, Any]]:
    return [
        {
            "type": line.type,
            "number": line.number,
            "variant": line.variant,
            "quantity": line.quantity,
            "unit_price": line.unit_price,
            "discount": line.discount,
            "amount": line_amount(line, draft.currency),
            "tax_code": line.tax_code,
            "unit": line.unit,
        }
        for line in draft.lines
    ]


def waiting_object(unit: Unit) -> dict[str, Any]:
    """Return a waiting unit as `--json` shows it."""
    return {
        "order_number": unit.order_number,
        "order_key": unit.order_key,
        "reason": unit.waiting,
        "since": unit.waiting_since or unit.updated_at,
    }


def blocks_of(data: Mapping[str, Any]) -> list[Block]:
    """Lay out documents, then what is held, then what waits."""
    blocks: list[Block] = [block for one in data["documents"] for block in _document(one)]
    if data["holds"]:
        rows = [
            [one["id"], one["order_number"] or one["subject"], one["reason"], one["message"]]
            for one in data["holds"]
        ]
        blocks.append(Table(("hold", "order", "reason", "message"), rows))
    waiting = data["waiting"][:_SHOWN_WAITING]
    if waiting:
        rows = [[one["order_number"], waiting_words(one["reason"])] for one in waiting]
        blocks.append(Table(("order", "waits: it"), rows))
    rest = len(data["waiting"]) - len(waiting)
    return blocks + ([f"… and {rest} more wait"] if rest > 0 else [])


def _document(one: Mapping[str, Any]) -> list[Block]:
    currency = one["currency"]
    kind = next(words for kind, words in KINDS.items() if str(kind) == one["kind"])
    sent = one["tracking"]
    carrier = " ".join(part for part in (sent["agent"], sent["service"]) if part)
    tracking = f"{sent['number'] or 'no tracking number'}{f' by {carrier}' if carrier else ''}"
    return [
        printable(
            f"{one['order_number']}: {one['action']}: {kind} for customer {one['customer']}, "
            f"posting date {one['posting_date']}, reference {one['reference']}, {tracking}"
        ),
        Table(("", "number", "quantity", "price", "discount", "amount"), _rows(one)),
        *(
            f"  prints on the customer's document: {printable(line['description'])}"
            for line in one["lines"]
            if line["type"] == "Comment"
        ),
        (
            f"  totals: ShipStation {show(one['shipstation_total'], currency)}, "
            f"ours {show(one['our_total'], currency)}{_before_tax(one)}, "
            f"Business Central {_bc_total(one)}"
        ),
        "",
    ]


def _rows(one: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            line["type"],
            f"{line['number']} {line['variant']}".strip(),
            f"{line['quantity'].normalize():f}",
            show(line["unit_price"]),
            show(line["discount"]) if line["discount"] else "",
            show(line["amount"], one["currency"]),
        ]
        for line in one["lines"]
        if line["type"] != "Comment"
    ]


def _before_tax(one: Mapping[str, Any]) -> str:
    return " before tax" if one["tax"] == "computed" and one["prices"] == "net" else ""


def _bc_total(one: Mapping[str, Any]) -> str:
    return _LATER if one["bc_total"] is None else show(one["bc_total"], one["currency"])
