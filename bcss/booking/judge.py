"""Judge what a look-up or a deciding read has shown; pure (design §4.1, §4.4, §4.5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bcss.booking.body import (
    carries_quantity,
    comment_lines,
    content_differences,
    differences,
    is_ours,
    provenance,
    same_content,
    same_goods,
)
from bcss.booking.explain import explain, standing_text
from bcss.businesscentral.records import Document, DocumentSet
from bcss.holds import Verdict, Why
from bcss.mapping.explain import apart
from bcss.mapping.text import code
from bcss.money import show
from bcss.units import AFTER_POST, Draft, Unit

_CREDITED = "Canceled"  # `Corrective` is a correction itself, and stands (BC §4.6)
_NEVER_DRAFT = ("Paid", _CREDITED, "Corrective")


@dataclass(frozen=True, slots=True)
class Nothing:
    """No document of this unit exists as far as the read could see."""


@dataclass(frozen=True, slots=True)
class One:
    """Exactly one document is this unit's; `posted` is whether that is certain."""

    document: Document
    posted: bool


@dataclass(frozen=True, slots=True)
class Several:
    """More than one document is this unit's; `surplus` may be deleted, `left` must not be."""

    keep: Document
    surplus: tuple[Document, ...]
    left: tuple[Document, ...] = ()


Sighting = Nothing | One | Several | Verdict


def judge(unit: Unit, documents: Sequence[Document], owned: Sequence[str] = ()) -> Sighting:
    """Say what the documents found under a unit's references mean for it.

    `documents` holds both entity sets' rows under the unit's references and its order number;
    `owned` names the ids among them that other units hold.
    """
    references = {unit.reference, unit.other_reference} - {""}
    under = [one for one in documents if code(one.reference) in references or is_known(one, unit)]
    mine = [one for one in under if is_ours(one, unit) or is_known(one, unit)]
    foreign = [one for one in under if one not in mine]
    adoptable = [one for one in foreign if _adoptable(one, unit, owned)]
    strangers = [one for one in foreign if one not in adoptable]
    booked = any(is_posted(one, unit) for one in mine)
    if strangers and not booked and not _must_be_taken_up(mine, unit):
        return _in_use(strangers[0])
    beside = [one for one in strangers if booked and _by_hand(one, unit, owned)]
    others = [one for one in documents if one.id not in owned]
    manual = _manual_duplicate(unit, others, references)
    if manual is not None and not mine and "duplicate" not in unit.approved:
        return manual
    return _among(unit, _merged([*mine, *adoptable, *beside]))


def _by_hand(document: Document, unit: Unit, owned: Sequence[str]) -> bool:
    """Tell whether somebody made it for the unit's customer, beside the booked one (§4.4.5)."""
    if provenance(document) is not None or document.id in owned or unit.draft is None:
        return False
    return code(document.customer_number) == code(unit.draft.customer)


def _must_be_taken_up(mine: Sequence[Document], unit: Unit) -> bool:
    """Tell whether the unit has lost sight of its document, as after a rebuild.

    It is taken up first, or approving the stranger's hold would book the order again beside it.
    """
    return bool(mine) and (not unit.document_id or unit.state in AFTER_POST)


def is_known(document: Document, unit: Unit) -> bool:
    """Recognise the unit's document by its id, or the invoice made from its order (§4.4.5)."""
    if not unit.document_id:
        return False
    return unit.document_id in (document.id, document.order_id) or is_of_order(document, unit)


def is_under(document: Document, unit: Unit) -> bool:
    """Tell whether a document carries the unit's reference, or is known by its id or order."""
    return code(document.reference) == unit.reference or is_known(document, unit)


def is_of_order(document: Document, unit: Unit) -> bool:
    """Tell whether an invoice names the unit's order by its number, and no other one by its id."""
    if not unit.kind.is_order or not unit.draft_number or document.order_id:
        return False
    return code(document.order_number) == code(unit.draft_number)


def _adoptable(document: Document, unit: Unit, owned: Sequence[str]) -> bool:
    if provenance(document) is not None or unit.draft is None or document.id in owned:
        return False
    return same_content(unit.draft, document)


def _in_use(document: Document) -> Verdict:
    found = provenance(document)
    whose = "another unit's marker" if found else "no bcss marker"
    total = show(document.total_including_tax, document.currency_code)
    return Verdict(
        Why.REFERENCE_IN_USE,
        f"{document.entity} {document.number} ({document.customer_number}, {total}, "
        f"{document.status}) carries reference {document.reference} and {whose}.",
    )


def _manual_duplicate(
    unit: Unit, documents: Sequence[Document], references: set[str]
) -> Verdict | None:
    number = code(unit.order_number)[:35]
    for document in documents:
        reference = code(document.reference)
        if reference == number and reference not in references and provenance(document) is None:
            total = show(document.total_including_tax, document.currency_code)
            return Verdict(
                Why.POSSIBLE_MANUAL_DUPLICATE,
                f"{document.entity} {document.number} ({document.customer_number}, {total}, "
                f"{document.status}) carries the order number as its external document number.",
            )
    return None


def _merged(documents: list[Document]) -> list[Document]:
    """Count an order and the invoice made from it as one document: the invoice."""
    made_from = {one.order_id for one in documents if one.order_id}
    named = {code(one.order_number) for one in documents if one.order_number and not one.order_id}
    return [one for one in documents if one.id not in made_from and not _is_order(one, named)]


def _is_order(document: Document, numbers: set[str]) -> bool:
    return document.entity is DocumentSet.ORDERS and code(document.number) in numbers


def _among(unit: Unit, documents: list[Document]) -> Sighting:
    if not documents:
        return Nothing()
    if len(documents) == 1:
        return One(documents[0], posted=is_posted(documents[0], unit))
    posted = [one for one in documents if is_posted(one, unit)]
    if len(posted) > 1:
        return twice(unit, posted)
    keep = posted[0] if posted else min(documents, key=lambda one: (one.number, one.id))
    others = [one for one in documents if one is not keep]
    surplus = [one for one in others if _is_surplus(one, unit, keep) and not is_credited(keep)]
    left = [one for one in others if one not in surplus]
    return Several(keep, tuple(surplus), tuple(left))


def _is_surplus(document: Document, unit: Unit, keep: Document) -> bool:
    """Tell whether a second draft is only ours; one that says something else is a person's now."""
    if not may_delete(document, unit):
        return False
    if unit.draft is None:
        return same_goods(document, keep)
    added = len(comment_lines(document)) > max(1, len(unit.draft.tracking.comments))
    return not added and not content_differences(unit.draft, document)


def twice(unit: Unit, documents: Sequence[Document]) -> Verdict:
    """Say that a customer was billed more than once."""
    numbers = " and ".join(sorted(one.number for one in documents))
    return Verdict(Why.BOOKED_TWICE, f"{numbers} are both posted under {unit.reference}.")


def may_delete(document: Document, unit: Unit) -> bool:
    """Tell whether bcss may delete a document: marked as this unit's, never posted or tried.

    An order with any shipped or invoiced quantity is never deleted.
    """
    tried = unit.post_attempted and document.id == unit.document_id
    untouched = document.status == "Draft" and not carries_quantity(document.lines)
    return is_ours(document, unit) and untouched and not tried


def is_posted(document: Document, unit: Unit) -> bool:
    """Tell whether a document is certainly posted; `status` alone does not (BC §4.6).

    An invoice made from an order is posted by its nature; one whose number differs from its
    draft's is; so is one that was paid, cancelled or corrected.
    """
    if document.entity is DocumentSet.ORDERS:
        return False
    made = document.order_id.strip("0-") or document.order_number
    if made or document.status in _NEVER_DRAFT:
        return True
    known_draft = document.id == unit.document_id and unit.draft_number
    return bool(known_draft) and document.number != unit.draft_number


def is_credited(document: Document) -> bool:
    """Tell whether a corrective credit memo stands against a document."""
    return document.status == _CREDITED


def check_draft(draft: Draft, unit: Unit, document: Document) -> Verdict | None:
    """Compare a draft with what was sent and with the order's totals; None when both agree."""
    found = differences(draft, unit, document)
    if found and unit.verified:
        return edited(document, found, draft.gross)
    if found:
        return Verdict(Why.DRAFT_DIFFERS, f"{document.number}: " + "; ".join(found[:6]))
    return check_totals(draft, document, Why.TOTAL_DIFFERS)


def edited(document: Document, found: Sequence[str], said: Decimal, more: str = "") -> Verdict:
    """Show a draft that a person changed as it stands, and what approving it would book.

    `said` is what ShipStation says of the order now.
    """
    total, currency = document.total_including_tax, document.currency_code
    return Verdict(
        Why.BC_DRAFT_EDITED,
        f"{document.number}: {'; '.join(found[:6])}. It stands at {standing_text(document)}. "
        f"Approving books {show(total, currency)}: {apart(total, said, currency)}{more}.",
    )


def check_totals(draft: Draft, document: Document, why: Why) -> Verdict | None:
    """Compare the totals by the store's tax rule; only tax that BC computes may differ (§4.2)."""
    if document.prices_include_tax != (draft.prices == "gross"):
        said = "include" if document.prices_include_tax else "do not include"
        return Verdict(
            why, f"{document.number}: its prices {said} tax, the store's rule is {draft.prices}."
        )
    wrong = _wrong_figures(draft, document)
    if not wrong:
        return None
    figures = ", ".join(
        f"{name} {show(there, draft.currency)} instead of {show(ours, draft.currency)}"
        for name, there, ours in wrong
    )
    lines = explain(draft, document)
    return Verdict(why, f"{document.number}: {figures}." + (f" {lines}." if lines else ""))


def _wrong_figures(draft: Draft, document: Document) -> list[tuple[str, Decimal, Decimal]]:
    gross = ("total with tax", document.total_including_tax, draft.gross)
    net = ("total without tax", document.total_excluding_tax, draft.net)
    tax = ("tax", document.total_tax, Decimal(0))
    if draft.tax == "none":
        return [one for one in (gross, net, tax) if one[1] != one[2]]
    if draft.prices == "gross":
        return [gross] if gross[1] != gross[2] else []
    wrong = [net] if net[1] != net[2] else []
    return wrong + ([gross] if abs(gross[1] - gross[2]) > draft.tolerance else [])
