"""The booking unit, its states, and the document it shall become (design §4.1 to §4.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from bcss.businesscentral.records import DocumentSet
from bcss.config.schema import DocumentKind


class State(StrEnum):
    """Where a unit stands; a hold is kept beside the state, not instead of it."""

    SEEN = "seen"
    READY = "ready"
    CREATE_INTENT = "create_intent"
    DRAFTED = "drafted"
    POST_INTENT = "post_intent"
    POSTED = "posted"
    CONFIRMED = "confirmed"
    DROPPED = "dropped"
    REV_NEEDED = "rev_needed"
    REV_INTENT = "rev_intent"
    REV_DRAFTED = "rev_drafted"
    REV_POST_INTENT = "rev_post_intent"
    REV_POSTED = "rev_posted"


BEFORE_DRAFT = (State.SEEN, State.READY)
AFTER_POST = (State.POSTED, State.CONFIRMED)
# A person approved that the posted invoice be credited (reliability.md §2.5, T14).
REVERSING = (
    State.REV_NEEDED,
    State.REV_INTENT,
    State.REV_DRAFTED,
    State.REV_POST_INTENT,
    State.REV_POSTED,
)
CREDITED = "credited"
# Credited before bcss has seen it stand, as after a rebuild: whether to book the order again is
# not known.
CREDITED_UNSEEN = "credited-unseen"
# How a person's approval of a draft as it stands is noted on its unit, before the draft's tag.
AS_DRAFTED = "draft:"
# Why a draft that stands is to be taken back: for another one, or for good.
REPLACE = "replace"
CANCEL = "cancel"


def entity_of(kind: DocumentKind) -> DocumentSet:
    """Return the entity set in which bcss creates documents of this kind."""
    return DocumentSet.ORDERS if kind.is_order else DocumentSet.INVOICES


@dataclass(frozen=True, slots=True)
class DraftLine:
    """One line as it will be sent; amounts in the document's currency."""

    type: Literal["Item", "Account", "Comment"]
    number: str = ""
    variant: str = ""
    variant_id: str = ""
    unit: str = ""
    tax_code: str = ""
    quantity: Decimal = Decimal(0)
    unit_price: Decimal = Decimal(0)
    discount: Decimal = Decimal(0)
    location_id: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Tracking:
    """What goes into the document's shipping fields, and what the comment lines say.

    `unmapped` names carrier codes for which the config has no agent.
    """

    agent: str = ""
    service: str = ""
    number: str = ""
    comments: tuple[str, ...] = ()
    unmapped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """The exact document a unit shall become.

    `net` and `gross` are what the document must come to; None where Business Central computes
    the tax and only the other figure binds (design §4.2). `open` is a document whose order has
    not shipped yet: it stands, follows the order, and must not be posted. `header` holds the
    store's own header fields by BC's names; `cut` says which texts lost something. `earlier` holds
    the dates and comment lines that may stand yet while a new label's are being written.
    """

    kind: DocumentKind
    reference: str
    customer: str
    currency: str
    posting_date: date
    document_date: date
    order_number: str
    ship_to: Mapping[str, str]
    lines: tuple[DraftLine, ...]
    tracking: Tracking
    gross: Decimal
    net: Decimal
    tolerance: Decimal
    tax: Literal["none", "computed"]
    prices: Literal["net", "gross"]
    header: Mapping[str, str] = field(default_factory=dict)
    cut: str = ""
    open: bool = False
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """An order family with a generation, and how far its booking has come.

    `config` is the digest of the configuration that its draft follows. The `memo_` fields are the corrective credit memo that reverses it: id, number as a draft,
    number once posted, and the posting date that was approved, in ISO form.
    """

    unit_id: int
    unit_hash: str
    store_id: int
    order_key: str
    generation: int
    order_number: str
    root_order_id: int
    reference: str
    other_reference: str
    kind: DocumentKind
    state: State = State.SEEN
    waiting: str = ""
    waiting_since: datetime | None = None
    held: str = ""
    document_id: str = ""
    draft_number: str = ""
    document_number: str = ""
    invoice_id: str = ""
    attempt: int = 0
    money_hash: str = ""
    booked_hash: str = ""
    track_hash: str = ""
    tracked_hash: str = ""
    approved: str = ""
    verified: bool = False
    post_attempted: bool = False
    sent_at: datetime | None = None
    ship_date: date | None = None
    total: Decimal | None = None
    bc_total: Decimal | None = None
    currency: str = ""
    draft: Draft | None = None
    memo_id: str = ""
    memo_draft: str = ""
    memo_number: str = ""
    memo_date: str = ""
    config: str = ""
    updated_at: datetime | None = None

    @property
    def is_credited(self) -> bool:
        """Tell whether the document that was booked is credited."""
        return self.waiting in (CREDITED, CREDITED_UNSEEN)

    @property
    def marker(self) -> str:
        """Return the end of the comment line that names this unit and attempt."""
        return marker(self.unit_hash, self.attempt)


def marker(unit_hash: str, attempt: int) -> str:
    """Render the provenance that ends the marker line of every document (design §4.1)."""
    return f"(bcss {unit_hash}-{attempt})"
