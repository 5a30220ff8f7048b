"""Judge the outcome from outside: the sandbox's state and the database's rows, nothing of bcss.

The invariants are those of reliability.md §7.2, with I5 as design §4.2 has it; what must hold
while calls are made stands in `tests.simulation.conduct`. A family's documents are found by the
order number, in one of the places where the design puts it.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from bcss.sandbox.world import Logged, World
from tests.excuses import Acts, Excuse, Facts, excuses_of, unfounded, writes_by_number
from tests.families import KNOWN_SKUS, Family, families_of, goods_of

AGENTS = {
    ("ups_walleted", "ups_ground"): ("UPS", "GROUND"),
    ("ups_walleted", "ups_2nd_day_air"): ("UPS", "2DAY"),
    ("fedex", "fedex_ground"): ("FEDEX", "GROUND"),
    ("stamps_com", "usps_priority_mail"): ("USPS", "PRIORITY"),
}
POSTING = ("posted_invoice", "ship_and_invoice")
Row = dict[str, Any]


@dataclass(slots=True)
class Books:
    """What Business Central holds under each order number, a person's own documents left out.

    `posted` are the invoices that stand; a credited one is in `undone`, with what credits it.
    """

    posted: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    drafts: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    undone: dict[str, list[tuple[Row, list[Row]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    begun: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    memos: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    foreign: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    files: dict[str, str] = field(default_factory=lambda: defaultdict(str))


def problems(
    world: World,
    database: Path,
    *,
    store: int = 80001,
    by_hand: Collection[str] = (),
    kind: str = "posted_invoice",
    foreign: Collection[str] = (),
    ignored: Collection[str] = (),
    credited: Collection[str] = (),
    acts: Acts | None = None,
) -> list[str]:
    """Return every broken promise: doubles, losses, strays, wrong totals, wrong tracking.

    `by_hand` names the orders whose documents a person posted, perhaps before their tracking,
    or deleted where bcss was to leave them as drafts; `foreign` the ids of a person's own
    documents; `ignored` and `credited` the orders that a person decided not to book any more, and
    to undo; `acts` what the state of the vendors does not show.
    """
    found: list[str] = []
    acts = acts or Acts()
    families, absorbed = families_of(world, store)
    books = _books(world, [*families, *acts.vanished], foreign)
    for number, undone in books.undone.items():
        found += _wrongly_undone(number, undone, allowed=number in credited)
    for number, rows in books.posted.items():
        found += [f"I1 {number}: booked {len(rows)} times"] if len(rows) > 1 else []
    excuses, stopped = _excuses(database)
    held = {one.number for one in excuses if not one.waits} | stopped
    waiting = {one.number for one in excuses if one.waits and not one.reason.startswith("credited")}
    left = [one for one in excuses if not (one.waits and one.number in ignored)]
    found += unfounded(left, _Witness(world, absorbed | families, books, acts).facts)
    for number, family in families.items():
        posted, drafts = books.posted[number], books.drafts[number]
        excused = number in held or number in ignored
        credited_by_hand = number in by_hand and books.undone[number]
        if family.eligible and not excused and not credited_by_hand:
            found += _missing(number, posted, drafts, kind, by_hand=number in by_hand)
        if posted and not family.sent:
            found.append(f"I2 {number}: booked though never shipped")
        if drafts and not excused and number not in waiting:
            surplus = len(drafts) - (kind not in POSTING and not family.deleted)
            found += [f"I3 {number}: {surplus} stray drafts"] if surplus > 0 else []
        if books.begun[number] and not excused and number not in by_hand:
            found.append(f"I3 {number}: a credit memo was left as a draft")
        if not excused and number not in by_hand:
            for why in _untold(family) if posted else ():
                found.append(f"I2 {number}: booked though {why}, and nobody was told")
            standing = drafts if kind not in POSTING and family.eligible else []
            for row in [*posted, *standing]:
                found += _wrong(row, family, books.files[row["id"]])
    accounted = {*families, *held, *acts.vanished, *ignored}
    found += _unaccounted(books, accounted, by_hand)
    return found + _unseen(world, database, store)


def _unaccounted(books: Books, accounted: Collection[str], by_hand: Collection[str]) -> list[str]:
    """Name what stands in Business Central for no order that is to be booked, nor is held."""
    numbers = [number for number, rows in books.posted.items() if rows]
    numbers += [number for number, rows in books.drafts.items() if rows and number not in by_hand]
    return [
        f"I2 {number}: a document that no order accounts for"
        for number in sorted({*numbers} - {*accounted})
    ]


def _untold(family: Family) -> list[str]:
    """Name what happened to an order of which somebody must be told once it is booked."""
    void = bool(family.sent) and not family.counting
    happened = {
        "cancelled": family.cancelled,
        "deleted": family.deleted,
        "all labels are void": void,
    }
    return [what for what, so in happened.items() if so]


def _missing(
    number: str, posted: list[Row], drafts: list[Row], kind: str, *, by_hand: bool
) -> list[str]:
    if kind in POSTING:
        return [] if posted else [f"I2 {number}: lost"]
    if by_hand:
        return []  # a document that shall stand as a draft is a person's to post or delete
    if posted:
        return [f"I2 {number}: posted although only a draft was asked for"]
    return [] if drafts else [f"I2 {number}: lost"]


def booked(world: World) -> int:
    """Return how many posted invoices there are."""
    return sum(row["posted"] for row in world.bc.state()["salesInvoices"])


def shipped(world: World, store: int = 80001) -> int:
    """Return how many orders there are to book, of which nothing keeps one from being booked."""
    return sum(one.eligible for one in families_of(world, store)[0].values())


def _wrongly_undone(
    number: str, undone: Iterable[tuple[Row, list[Row]]], *, allowed: bool
) -> list[str]:
    """I6: nothing is credited more than once, nor without somebody's word."""
    found = [] if allowed else [f"I6 {number}: credited though nobody decided so"]
    for invoice, memos in undone:
        back = sum((Decimal(one["totalAmountIncludingTax"]) for one in memos), Decimal(0))
        if back != Decimal(invoice["totalAmountIncludingTax"]):
            found.append(f"I6 {number}: {invoice['number']} credited by {back}")
    return found


def _books(world: World, families: Iterable[str], foreign: Collection[str]) -> Books:
    state = world.bc.state()
    books = Books()
    forms = {_letters(number): number for number in families}
    memos: dict[str, list[Row]] = defaultdict(list)
    for memo in state["salesCreditMemos"]:
        memos[memo["invoiceId"]].append(memo)
    for row in [*state["salesInvoices"], *state["salesOrders"]]:
        number = _number_of(row, forms)
        if row["id"] in foreign or row.get("orderId") in foreign:
            books.foreign[number].append(row)
            continue
        over = memos[row["id"]]
        books.memos[number] += over
        undoing = [one for one in over if one["posted"]]
        books.begun[number] += [
            one for one in over if not one["posted"] and one["id"] not in foreign
        ]
        if undoing:
            books.undone[number].append((row, undoing))
        else:
            (books.posted if row["posted"] else books.drafts)[number].append(row)
    for attached in state["documentAttachments"]:
        books.files[attached["parentId"]] += f" {attached}"
    return books


def _number_of(row: Row, forms: Mapping[str, str]) -> str:
    """Read the order number off a document: plain, or inside the hashed reference."""
    number = str(row.get("customerPurchaseOrderReference") or "")
    if number:
        return number
    reference = str(row["externalDocumentNumber"])
    inner = reference.split("-")[1] if reference.startswith("BX-") else _letters(reference)
    return forms.get(inner, reference)


def order_number(world: World, reference: str) -> str:
    """Return the order number that a reference is of, or the reference where there is none."""
    numbers = [str(row["orderNumber"]) for row in world.shipstation.state()["orders"]]
    forms = {_letters(one): one for one in numbers}
    return _number_of({"externalDocumentNumber": reference}, forms)


def _letters(text: str) -> str:
    return "".join(one for one in text.upper() if one.isalnum())[:16]


def _excuses(database: Path) -> tuple[list[Excuse], set[str]]:
    """Return what is held or waits, and the drafts of a store in which posting is stopped."""
    conn = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        stopped = conn.execute(
            "SELECT unit.order_number FROM unit JOIN hold USING (store_id) "
            "WHERE state = 'drafted' AND why = 'posted_total_differs' AND closed_at IS NULL"
        ).fetchall()
        return [*excuses_of(conn)], {row[0] for row in stopped}
    finally:
        conn.close()


@dataclass(frozen=True, slots=True)
class _Witness:
    """Tell what the world shows of an order number."""

    world: World
    families: Mapping[str, Family]
    books: Books
    acts: Acts
    calls: dict[str, list[Logged]] = field(default_factory=dict)

    def facts(self, number: str) -> Facts:
        family, books = self.families.get(number), self.books
        posted, drafts = books.posted[number], books.drafts[number]
        undone = [row for row, _ in books.undone[number]]
        foreign = books.foreign[number]
        rows = [*posted, *drafts, *undone]
        names = {number, *(str(row["externalDocumentNumber"]) for row in rows)}
        calls = self._calls()
        return Facts(
            members=family.members if family else (),
            live=family.live if family else (),
            sent=bool(family and family.sent),
            posted=tuple(posted),
            drafts=tuple(drafts),
            undone=tuple(undone),
            memos=tuple(books.memos[number]),
            foreign=tuple(foreign),
            agrees=family is not None and not any(_wrong_content(row, family) for row in rows),
            total=family.total if family else Decimal(0),
            shared=family is not None and self._is_shared(family),
            absorbed_booked=family is not None and self._absorbed_booked(family),
            goods_known=family is not None and goods_of(family.members) <= KNOWN_SKUS,
            calls=(*calls.get(number, ()), *calls.get("", ())),
            vanished=number in self.acts.vanished,
            edited=bool(names & (self.acts.edited | self.acts.renamed)),
            removed=bool(names & self.acts.removed),
            released=bool(names & self.acts.released),
            hidden=self.acts.hidden,
            lost=self.acts.lost,
            died=self.acts.died,
        )

    def _calls(self) -> dict[str, list[Logged]]:
        if not self.calls:
            rows: dict[str, list[Row]] = defaultdict(list)
            books = self.books
            for number in {*books.posted, *books.drafts, *books.undone, *books.begun}:
                rows[number] += [*books.posted[number], *books.drafts[number], *books.begun[number]]
                for row, memos in books.undone[number]:
                    rows[number] += [row, *memos]
            self.calls.update(writes_by_number(self.world, rows))
        return self.calls

    def _absorbed_booked(self, family: Family) -> bool:
        """Tell whether an order is booked that was merged into this one, be it in two steps."""
        orders = {row["orderId"]: row for row in self.world.shipstation.state()["orders"]}
        left, seen = [*family.members], set[int]()
        while left:
            merged = left.pop()["advancedOptions"].get("mergedIds") or []
            new = [orders[one] for one in merged if one in orders and one not in seen]
            seen |= {row["orderId"] for row in new}
            left += new
        numbers = {orders[one]["orderNumber"] for one in seen}
        return any(self.books.posted[one] or self.books.undone[one] for one in numbers)

    def _is_shared(self, family: Family) -> bool:
        key = family.members[0]["orderKey"]
        return (
            sum(
                any(row["orderKey"] == key for row in one.members) for one in self.families.values()
            )
            > 1
        )


def _unseen(world: World, database: Path, store: int) -> list[str]:
    """I9 at rest: every row of a booked store stands in the database."""
    state = world.shipstation.state()
    conn = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        orders = {row[0] for row in conn.execute("SELECT order_id FROM ss_order")}
        sent = set(conn.execute("SELECT kind, id FROM evidence").fetchall())
        ahead = conn.execute(
            "SELECT stream FROM watermark WHERE reached > ?",
            (_text(world.clock.now()),),
        ).fetchall()
    finally:
        conn.close()
    found = [f"I9 the watermark of {stream} is in the future" for (stream,) in ahead]
    found += [
        f"I9 {row['orderNumber']}: order {row['orderId']} was never seen"
        for row in state["orders"]
        if row["advancedOptions"]["storeId"] == store
        and row["orderId"] not in orders
        and not row.get("hidden")
    ]
    for letter, name, key in (
        ("s", "shipments", "shipmentId"),
        ("f", "fulfillments", "fulfillmentId"),
    ):
        found += [
            f"I9 {row['orderNumber']}: {key} {row[key]} was never seen"
            for row in state[name]
            if row["orderId"] in orders and (letter, row[key]) not in sent
        ]
    return found


def _text(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _wrong(row: Row, family: Family, files: str) -> list[str]:
    """I5 and I4: what the document holds, then the tracking."""
    found = _wrong_content(row, family)
    settled = family.counting and family.shipped  # an open order's labels are told when it ships
    return found + (_wrong_tracking(row, family, files) if settled else [])


def _wrong_content(row: Row, family: Family) -> list[str]:
    """I5: totals, currency, quantities and charges to the cent."""
    number = family.number
    found = []
    if Decimal(row["totalAmountIncludingTax"]) != family.total:
        found.append(
            f"I5 {number}: total {row['totalAmountIncludingTax']} instead of {family.total}"
        )
    if row["currencyCode"] != "USD":
        found.append(f"I5 {number}: currency {row['currencyCode']}")
    items: Counter[str] = Counter()
    charges: dict[str, Decimal] = defaultdict(Decimal)
    for line in row["lines"]:
        if line["lineType"] == "Item":
            items[line["lineObjectNumber"]] += line["quantity"]
        elif line["lineType"] == "Account":
            charges[line["lineObjectNumber"]] += line["quantity"] * line["unitPrice"]
    if +items != +family.items:
        found.append(f"I5 {number}: {dict(items)} instead of {dict(family.items)}")
    if dict(charges) != dict(family.charges):
        found.append(f"I5 {number}: {dict(charges)} instead of {dict(family.charges)}")
    return found


def _wrong_tracking(row: Row, family: Family, files: str) -> list[str]:
    """Each number must be told in the field, on a comment line or in a file of the document.

    The field holds the latest number known at posting; a later one comes as a file.
    """
    number = family.number
    text = " ".join(line["description"] for line in row["lines"]) + files
    numbers = [one["trackingNumber"] for one in family.counting if one["trackingNumber"]]
    found = [f"I4 {number}: {one} is told nowhere" for one in numbers if one not in text]
    latest = ([one for one in family.counting if one["trackingNumber"]] or family.counting)[-1]
    if row["trackingNumber"] not in {one["trackingNumber"] or "" for one in family.sent}:
        found.append(f"I4 {number}: tracking {row['trackingNumber']!r}")
    wanted = AGENTS.get((latest["carrierCode"], latest.get("serviceCode") or ""))
    current = row["trackingNumber"] == (latest["trackingNumber"] or "")
    if (
        current
        and wanted
        and latest is family.counting[-1]
        and (row["agent"], row["service"]) != wanted
    ):
        found.append(f"I4 {number}: agent {row['agent']} {row['service']}")
    if not files and not family.voided and not current:
        found.append(f"I4 {number}: tracking {row['trackingNumber']!r} is not the latest")
    return found
