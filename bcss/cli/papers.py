"""Show documents line by line, as they would stand in Business Central."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from bcss.booking.body import comments
from bcss.cli.labels import label_line, label_objects
from bcss.cli.render import Block, Table, printable, when
from bcss.cli.words import KINDS, plainly, waiting_words
from bcss.config.schema import AccountTarget, Config, StoreRule
from bcss.holds import Why
from bcss.mapping.amounts import line_amount, lines_total
from bcss.mapping.text import code as code_of
from bcss.money import ZERO, show
from bcss.store.db import Store
from bcss.units import REVERSING, Draft, DraftLine, State, Unit

_LATER = "known once drafted"
_SHOWN_WAITING = 20
_UNBORN = (State.SEEN, State.READY, State.CREATE_INTENT)
# What a person calls the header fields that a store's rule may set.
_HEADER = {
    "salesperson": "salesperson",
    "paymentTermsId": "payment terms",
    "shortcutDimension1Code": "dimension 1",
    "shortcutDimension2Code": "dimension 2",
}
_SHIP_TO = tuple(
    f"shipTo{part}"
    for part in (
        "Name",
        "Contact",
        "AddressLine1",
        "AddressLine2",
        "City",
        "State",
        "PostCode",
        "Country",
    )
)


@dataclass(frozen=True, slots=True)
class Names:
    """The codes of what a document names by its id, and what its accounts are for."""

    locations: Mapping[str, str]
    terms: Mapping[str, str]
    accounts: Mapping[str, str]

    def article(self, kind: str, number: str, variant: str) -> str:
        """Name what a line is about."""
        what = self.accounts.get(number, "")
        if kind != "Account":
            return f"{number} {variant}".strip()
        return f"{what}, account {number}" if what else f"account {number}"


def names_of(store: Store, config: Config | None = None) -> Names:
    """Return the codes of the locations and payment terms that the cache knows."""
    catalog = store.cache.catalog((), (), ())
    return Names(
        {one: code for code, one in catalog.locations.items()},
        {one: code for code, one in catalog.payment_terms.items()},
        _accounts(config) if config else {},
    )


def _accounts(config: Config) -> dict[str, str]:
    """Return what each account is for, as the stores' rules say; several uses are all named."""
    uses: dict[str, list[str]] = {}
    for rule in config.orders.stores.values():
        if isinstance(rule, StoreRule):
            for use in ("shipping", "discount", "adjustments", "tax"):
                target = getattr(rule, use)
                if isinstance(target, AccountTarget):
                    uses.setdefault(code_of(target.number), []).append(use)
    return {number: " or ".join(dict.fromkeys(words)) for number, words in uses.items()}


def document_object(
    store: Store, unit: Unit, draft: Draft, names: Names, bc_total: Decimal | None
) -> dict[str, Any]:
    """Return a unit's document as `--json` shows it; amounts are in its currency."""
    attempt = unit.attempt + 1 if unit.state in _UNBORN else unit.attempt
    printed = comments(draft, unit.unit_hash, attempt)
    return {
        "order_number": unit.order_number,
        "order_key": unit.order_key,
        "store_id": unit.store_id,
        "action": _action(unit),
        "state": str(unit.state),
        "kind": str(draft.kind),
        "open": draft.open,
        "reference": draft.reference,
        "customer": draft.customer,
        "currency": draft.currency,
        "posting_date": draft.posting_date.isoformat(),
        "document_date": draft.document_date.isoformat(),
        "header": {
            name: names.terms.get(value, value) if name == "paymentTermsId" else value
            for name, value in draft.header.items()
        },
        "ship_to": dict(draft.ship_to),
        "cut": draft.cut,
        "lines": [
            *(_line(line, draft.currency, names) for line in draft.lines),
            *({"type": "Comment", "description": text} for text in printed),
        ],
        "tracking": {
            "agent": draft.tracking.agent,
            "service": draft.tracking.service,
            "number": draft.tracking.number,
            "unmapped": list(draft.tracking.unmapped),
        },
        "labels": label_objects(store, unit),
        "shipstation_total": shipstation_total(store, unit),
        "expected_total": draft.gross,
        "our_total": lines_total(draft.lines, draft.currency),
        "bc_total": bc_total,
        "tax": draft.tax,
        "prices": draft.prices,
        "document_number": unit.document_number or unit.draft_number,
    }


def shipstation_total(store: Store, unit: Unit) -> Decimal:
    """Return what ShipStation says of a unit's orders.

    An order of the same key that was cancelled or deleted is none of them; the parts of a split
    order are, since ShipStation keeps the money of all on the first (shipstation.md §5).
    """
    found = [store.orders.order(one) for one in store.units.members(unit.unit_id)]
    members = [one for one in found if one is not None]
    parents = {one.parent_id for one in members} - {None}
    counted = [
        one
        for one in members
        if one.parent_id is not None
        or one.order_id in parents
        or not (one.status == "cancelled" or store.orders.is_gone(one.order_id))
    ]
    return sum((one.order_total for one in counted or members), ZERO)


def _line(line: DraftLine, currency: str, names: Names) -> dict[str, Any]:
    return {
        "type": line.type,
        "number": line.number,
        "what": names.accounts.get(line.number, "") if line.type == "Account" else "",
        "variant": line.variant,
        "quantity": line.quantity,
        "unit": line.unit,
        "unit_price": line.unit_price,
        "discount": line.discount,
        "amount": line_amount(line, currency),
        "tax_code": line.tax_code,
        "location": names.locations.get(line.location_id, line.location_id),
    }


def _action(unit: Unit) -> str:
    """Say what the next run does about a unit."""
    posts = unit.kind.posts and not (unit.draft and unit.draft.open)
    match unit.state, unit.waiting:
        case _ if unit.held == Why.DRAFT_GONE:
            action = "held, its draft is gone"
        case (State.CONFIRMED, _):
            action = "booked already"
        case _ if unit.held:
            action = "held"
        case (state, _) if state in REVERSING:
            action = "credit"
        case (State.DRAFTED, "cancel"):
            action = "delete the draft"
        case (State.DRAFTED, "replace"):
            action = "replace the draft"
        case (State.DRAFTED, _):
            action = "post" if posts else "compare"
        case (State.READY | State.CREATE_INTENT, _):
            action = "create and post" if posts else "create"
        case (State.POST_INTENT | State.POSTED, _):
            action = "read back"
        case _:
            action = "nothing"
    return action


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
    blocks: list[Block] = [
        block
        for one in data["documents"]
        for block in ([credited_line(one), ""] if one.get("credits") else document_blocks(one))
    ]
    if data["holds"]:
        rows = [
            [
                one["id"],
                one["order_number"] or one["subject"],
                one["reason"],
                plainly(one["message"]),
            ]
            for one in data["holds"]
        ]
        blocks.append(Table(("hold", "order", "reason", "message"), rows))
    waiting = data["waiting"][:_SHOWN_WAITING]
    if waiting:
        rows = [[one["order_number"], waiting_words(one["reason"])] for one in waiting]
        blocks.append(Table(("order", "waits: it"), rows))
    rest = len(data["waiting"]) - len(waiting)
    return blocks + ([f"… and {rest} more wait"] if rest > 0 else [])


def credited_line(one: Mapping[str, Any]) -> str:
    """Say what becomes of an order whose correction a person approved."""
    return printable(f"{one['order_number']}: {one['credits']}")


def document_blocks(one: Mapping[str, Any], zone: ZoneInfo | None = None) -> list[Block]:
    """Lay out one document with everything that is sent, and the three totals."""
    kind = next(words for kind, words in KINDS.items() if str(kind) == one["kind"])
    kind = "sales order" if one["open"] else kind
    columns = (
        "",
        "number",
        "for",
        "quantity",
        "unit",
        "price",
        "discount",
        "amount",
        "tax",
        "location",
    )
    printed = [line["description"] for line in one["lines"] if line["type"] == "Comment"]
    rows = [_row(one, line) for line in _booked(one)]
    return [
        printable(
            f"{one['order_number']}: {one['action']}: {kind} for customer {one['customer']}, "
            f"posting date {one['posting_date']}, reference {one['reference']}, {_tracking(one)}"
        ),
        *(f"  {printable(text)}" for text in _header_texts(one)),
        *(f"  {label_line(label)}" for label in one["labels"]),
        *([_used(Table(columns, rows))] if rows else []),
        *(f"  prints on the customer's document: {printable(text)}" for text in printed),
        f"  totals: {_totals(one, zone)}",
        "",
    ]


def _tracking(one: Mapping[str, Any]) -> str:
    sent = one["tracking"]
    carrier = " ".join(part for part in (sent["agent"], sent["service"]) if part)
    raw = f" (no shipping agent for {', '.join(sent['unmapped'])})" if sent["unmapped"] else ""
    return f"{sent['number'] or 'no tracking number'}{f' by {carrier}' if carrier else ''}{raw}"


def _header_texts(one: Mapping[str, Any]) -> list[str]:
    """Return what else stands in the header, the whole ship-to, and what did not fit."""
    texts = [f"document date {one['document_date']}, currency {one['currency']}"]
    header = one["header"]
    texts[0] += "".join(f", {_HEADER[name]} {header[name]}" for name in _HEADER if name in header)
    if one["document_number"]:
        texts[0] = f"document {one['document_number']}, {texts[0]}"
    address = ", ".join(text for name in _SHIP_TO if (text := one["ship_to"].get(name)))
    return [
        *texts,
        *([f"ship to: {address}"] if address else []),
        *([f"does not fit: {one['cut']}"] if one["cut"] else []),
    ]


def _booked(one: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [line for line in one["lines"] if line["type"] != "Comment"]


def _row(one: Mapping[str, Any], line: Mapping[str, Any]) -> list[str]:
    return [
        line["type"],
        f"{line['number']} {line['variant']}".strip(),
        line["what"],
        f"{line['quantity'].normalize():f}",
        line["unit"],
        show(line["unit_price"]),
        show(line["discount"]) if line["discount"] else "",
        show(line["amount"], one["currency"]),
        line["tax_code"],
        line["location"],
    ]


def _used(table: Table) -> Table:
    """Leave out the columns in which nothing stands."""
    kept = [n for n, _ in enumerate(table.headers) if any(row[n] for row in table.rows)]
    rows: Sequence[Sequence[str]] = [[row[n] for n in kept] for row in table.rows]
    return Table([table.headers[n] for n in kept], rows)


def _totals(one: Mapping[str, Any], zone: ZoneInfo | None) -> str:
    currency = one["currency"]
    before = " before tax" if one["tax"] == "computed" and one["prices"] == "net" else ""
    return (
        f"ShipStation {show(one['shipstation_total'], currency)}{_left_out(one)}, "
        f"ours {show(one['our_total'], currency)}{before}{_theirs(one, zone)}"
    )


def _left_out(one: Mapping[str, Any]) -> str:
    """Say what of ShipStation's total the document does not hold, or what it has beyond it."""
    left_out = one["shipstation_total"] - one["expected_total"]
    if not left_out:
        return ""
    amount = show(abs(left_out), one["currency"])
    if left_out > 0 and one["state"] in (*_UNBORN, State.DRAFTED):
        return f" ({amount} of it is not booked)"
    return f" now ({amount} {'more' if left_out > 0 else 'less'} than this document)"


def _theirs(one: Mapping[str, Any], zone: ZoneInfo | None) -> str:
    if one.get("edited"):
        return "; the draft as it stands is in the message above"
    return f", Business Central {_there(one, zone)}"


def _there(one: Mapping[str, Any], zone: ZoneInfo | None) -> str:
    if one["bc_total"] is None:
        return _LATER
    total = show(one["bc_total"], one["currency"])
    seen = one.get("bc_total_seen")
    if one["action"].endswith("is gone"):
        return f"no longer has it (it was {total})"
    return f"{total} (last seen {when(seen, zone)})" if seen else total
