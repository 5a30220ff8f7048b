"""Name every reason for which something waits for time, change or a person.

The table at the end is the documentation of design §4.3: each reason, its release, what the
clerk reads as the next step, and what approving means.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Release(StrEnum):
    """What may end a hold: time, a change of input, or a person's decision."""

    AUTO = "auto"
    CHANGE = "change"
    PERSON = "person"


NO_EFFECT = "is refused, since it would change nothing: do the next step first"
# Who ends the holds of what was tried again, beside bcss itself and persons.
REPLAY = "replay"
# Ends the message of a hold over a document that a person has posted.
BY_HAND = "Somebody posted it by hand."
_COMPARE = (
    "The total that somebody posted is not the order's: accept it by approving, or credit the "
    "document by hand in Business Central and ignore the hold."
)
RETRIES = "tries once more; it works only if what was named has been corrected by then"


@dataclass(frozen=True, slots=True)
class Reason:
    """One row of the table of reasons; `approving` says what approving does."""

    release: Release
    next_step: str
    approving: str = NO_EFFECT

    @property
    def can_approve(self) -> bool:
        """Tell whether approving ever has an effect; else it is refused with the next step."""
        return self.approving != NO_EFFECT


class Why(StrEnum):
    """The reasons; the value is what `hold list` prints."""

    UNKNOWN_STORE = "unknown_store"
    UNREADABLE_RECORD = "unreadable_record"
    NO_KEY = "no_key"
    KEY_SHARED = "key_shared"
    VANISHED = "vanished"
    FAMILY_CHANGED = "family_changed"
    WAITING_TOO_LONG = "waiting_too_long"
    PARTLY_CANCELLED = "partly_cancelled"
    NO_SHIP_EVIDENCE = "no_ship_evidence"
    EXTERNALLY_FULFILLED = "externally_fulfilled"
    STRADDLES_START = "straddles_start"
    UNKNOWN_SKU = "unknown_sku"
    UNKNOWN_CUSTOMER = "unknown_customer"
    UNMAPPED_ADJUSTMENT = "unmapped_adjustment"
    UNMAPPED_CHARGE = "unmapped_charge"
    KIT_PRICE = "kit_price"
    UNKNOWN_LOCATION = "unknown_location"
    UNKNOWN_TERMS = "unknown_terms"
    LATE_SHIPMENT = "late_shipment"
    NOTHING_TO_BOOK = "nothing_to_book"
    NEGATIVE_TOTAL = "negative_total"
    TOTAL_DIFFERS = "total_differs"
    REFERENCE_IN_USE = "reference_in_use"
    POSSIBLE_MANUAL_DUPLICATE = "possible-manual-duplicate"
    REFUSED_BY_BC = "refused_by_bc"
    BC_DRAFT_EDITED = "bc_draft_edited"
    DRAFT_DIFFERS = "draft_differs"
    DRAFT_GONE = "draft_gone"
    DRAFT_AFTER_FAILED_POST = "draft_after_failed_post"
    POST_REFUSED = "post_refused"
    PERIOD_CLOSED = "period_closed"
    BOOKED_TWICE = "booked_twice"
    SURPLUS_DRAFT = "surplus_draft"
    POSTED_TOTAL_DIFFERS = "posted_total_differs"
    EDITED_AFTER_POST = "edited_after_post"
    VOIDED_AFTER_POST = "voided_after_post"
    CANCELLED_AFTER_POST = "cancelled_after_post"
    DELETED_AFTER_POST = "deleted_after_post"
    MERGED_AFTER_POST = "merged_after_post"
    CREDIT_REFUSED = "credit_refused"
    CREDIT_UNCLEAR = "credit_unclear"
    CREDITED_BY_HAND = "credited_by_hand"
    SKU_TWICE = "sku_twice"
    REFUSED_BY_SHIPSTATION = "refused_by_shipstation"


_CHANGE, _PERSON, _AUTO = Release.CHANGE, Release.PERSON, Release.AUTO

_BY_ITSELF = "The order then goes on by itself in the next run."
_CONFIG = "Ask whoever looks after the config"

REASONS: dict[Why, Reason] = {
    Why.UNKNOWN_STORE: Reason(
        _CHANGE,
        f"{_CONFIG} to list the store under orders.stores, or to set it to ignore. {_BY_ITSELF}",
    ),
    Why.UNREADABLE_RECORD: Reason(
        _CHANGE, f"Correct the named field of the record in ShipStation. {_BY_ITSELF}"
    ),
    Why.NO_KEY: Reason(
        _CHANGE, "ShipStation gave the order no key; book it by hand, then ignore the hold."
    ),
    Why.KEY_SHARED: Reason(
        _CHANGE,
        "Book all of the named orders by hand that are not booked yet, then ignore the hold: "
        "bcss books none of them. Cancel or delete what is not a real order in ShipStation, and "
        "the other one goes on by itself.",
    ),
    Why.VANISHED: Reason(
        _PERSON,
        "A part of the order no longer exists in ShipStation; check it there. If nothing was "
        "sent, ignore the hold.",
        "books what is left of the order, if that agrees with its total",
    ),
    Why.FAMILY_CHANGED: Reason(
        _PERSON,
        "The order was split or merged after a document was made; settle both documents by hand "
        "in Business Central, then ignore the hold.",
    ),
    Why.WAITING_TOO_LONG: Reason(
        _CHANGE, f"Ship or cancel the rest of the split order in ShipStation. {_BY_ITSELF}"
    ),
    Why.PARTLY_CANCELLED: Reason(
        _CHANGE,
        "Book the shipped part by hand with the figures shown, then ignore the hold: bcss books "
        "no part of it.",
    ),
    Why.NO_SHIP_EVIDENCE: Reason(
        _AUTO,
        f"Add the label or fulfillment in ShipStation, or wait for it. {_BY_ITSELF} If nothing "
        "was sent, ignore the hold.",
    ),
    Why.EXTERNALLY_FULFILLED: Reason(
        _CHANGE,
        "Book it by hand and ignore the hold; or ask whoever looks after the config to decide for "
        "the store with externally_fulfilled: book or ignore.",
    ),
    Why.STRADDLES_START: Reason(
        _CHANGE,
        "A part was shipped before bcss began to book; book it by hand, then ignore the hold.",
    ),
    Why.UNKNOWN_SKU: Reason(
        _CHANGE,
        "Create the item in Business Central, or have the SKU mapped under orders.skus in the "
        f"config. {_BY_ITSELF}",
    ),
    Why.UNKNOWN_CUSTOMER: Reason(
        _CHANGE,
        "Create the customer in Business Central, or have the store's customer rule set in the "
        f"config. {_BY_ITSELF}",
    ),
    Why.UNMAPPED_ADJUSTMENT: Reason(
        _CHANGE,
        f"{_CONFIG}: the store needs an account for adjustments (or discounts). {_BY_ITSELF}",
    ),
    Why.UNMAPPED_CHARGE: Reason(
        _CHANGE, f"{_CONFIG}: the store needs an account for shipping or tax. {_BY_ITSELF}"
    ),
    Why.KIT_PRICE: Reason(
        _CHANGE, f"The kit's price does not divide. {_CONFIG} to adjust orders.skus. {_BY_ITSELF}"
    ),
    Why.UNKNOWN_LOCATION: Reason(
        _CHANGE, f"{_CONFIG} to correct the store's location. {_BY_ITSELF}"
    ),
    Why.UNKNOWN_TERMS: Reason(
        _CHANGE, f"{_CONFIG} to correct the store's payment_terms. {_BY_ITSELF}"
    ),
    Why.LATE_SHIPMENT: Reason(
        _PERSON,
        "Ask whether its period may still be posted into, then approve or ignore the hold.",
        "books it with its ship date as posting date",
    ),
    Why.NOTHING_TO_BOOK: Reason(
        _CHANGE, "The order has no line with a quantity; book it by hand, or ignore the hold."
    ),
    Why.NEGATIVE_TOTAL: Reason(
        _CHANGE, "The total is below zero; write a credit memo by hand, then ignore the hold."
    ),
    Why.TOTAL_DIFFERS: Reason(
        _CHANGE,
        "Compare the totals shown; correct the order in ShipStation or have the config corrected. "
        f"{_BY_ITSELF} Or correct the item's tax in Business Central, then approve.",
        f"{RETRIES}; it is refused while the order itself does not add up",
    ),
    Why.REFERENCE_IN_USE: Reason(
        _PERSON,
        "Look at the document shown: it carries this order's reference but is not ours.",
        "gives the order a reference of its own and books it beside that document",
    ),
    Why.POSSIBLE_MANUAL_DUPLICATE: Reason(
        _PERSON,
        "Somebody may have typed this order already; if so, ignore the hold.",
        "books the order beside that document",
    ),
    Why.REFUSED_BY_BC: Reason(
        _CHANGE, "Correct what Business Central names, then approve.", RETRIES
    ),
    Why.BC_DRAFT_EDITED: Reason(
        _PERSON,
        "Somebody changed our draft in Business Central. Approve it as it stands; or undo the "
        "change or post it by hand there, then approve; or delete it there, then approve for a "
        "new one.",
        "books the order by the draft as it stands in Business Central now",
    ),
    Why.DRAFT_DIFFERS: Reason(
        _CHANGE,
        "Business Central stored other values than were sent; compare the lines shown, correct "
        "the draft or delete it in Business Central, then approve.",
        RETRIES,
    ),
    Why.DRAFT_GONE: Reason(
        _PERSON,
        "Somebody deleted our draft; if the order is not to be booked, ignore the hold.",
        "makes a new draft",
    ),
    Why.DRAFT_AFTER_FAILED_POST: Reason(
        _PERSON,
        "The order changed after a posting was tried. Post the draft by hand in Business Central, "
        "then approve; or delete it there, then approve for a new one.",
        "takes up the draft that was posted by hand, or makes a new one for a deleted one; it is "
        "refused while the draft stands",
    ),
    Why.POST_REFUSED: Reason(
        _CHANGE, "Correct what Business Central names, then approve.", RETRIES
    ),
    Why.PERIOD_CLOSED: Reason(
        _CHANGE, "Have the posting period opened in Business Central, then approve.", RETRIES
    ),
    Why.BOOKED_TWICE: Reason(
        _PERSON,
        "Two posted documents carry this reference: credit one of them by hand today, then ignore "
        "the hold; the other one stays.",
    ),
    Why.SURPLUS_DRAFT: Reason(
        _PERSON,
        "A second draft of this order stands that somebody has touched, or that is of an earlier "
        "state of the order: delete it by hand, then approve.",
        "goes on with the one document that is left; it is refused while both stand",
    ),
    Why.POSTED_TOTAL_DIFFERS: Reason(
        _PERSON,
        "The posted total is not the order's; check rounding settings. Posting for the store is "
        "stopped until this is decided.",
        "accepts this document as it is and lets the store post again",
    ),
    Why.EDITED_AFTER_POST: Reason(
        _PERSON,
        "The order was edited after it was booked; approve the correction shown, or ignore it.",
        "posts a corrective credit memo over the invoice and books the order again as it is now",
    ),
    Why.VOIDED_AFTER_POST: Reason(
        _PERSON,
        "All labels were voided after booking; if nothing was sent, approve the correction shown.",
        "posts a corrective credit memo over the invoice; the order is booked again once it ships",
    ),
    Why.CANCELLED_AFTER_POST: Reason(
        _PERSON,
        "The order was cancelled after it was booked; approve the correction shown, or ignore it.",
        "posts a corrective credit memo over the invoice and books nothing more",
    ),
    Why.MERGED_AFTER_POST: Reason(
        _CHANGE,
        "Approve the hold of the order that is booked, or credit its invoice by hand. "
        f"{_BY_ITSELF} If its lines are not to be billed here, ignore the hold.",
    ),
    Why.DELETED_AFTER_POST: Reason(
        _PERSON,
        "The order was deleted in ShipStation after it was booked; if nothing was sent, approve "
        "the correction shown, else ignore it.",
        "posts a corrective credit memo over the invoice and books nothing more",
    ),
    Why.CREDIT_REFUSED: Reason(
        _PERSON,
        "Correct what Business Central names, then approve. A paid invoice can never be credited "
        "this way: write the credit memo by hand, and where this card announces one the new "
        "invoice, over the same amounts; then ignore the hold.",
        "tries the credit memo again, dated today",
    ),
    Why.CREDIT_UNCLEAR: Reason(
        _PERSON,
        "Look at this invoice's credit memos in Business Central: leave exactly the right one, or "
        "none, then approve.",
        "posts the one credit memo that is left, or goes on with it if it is posted already; makes "
        "a new one only if none is left",
    ),
    Why.CREDITED_BY_HAND: Reason(
        _PERSON,
        "The invoice was credited by hand, or before this database was built again; approve to book "
        "the order again, else ignore the hold.",
        "books the order again as it is now, beside the credited invoice",
    ),
    Why.REFUSED_BY_SHIPSTATION: Reason(
        _CHANGE, "Correct what ShipStation names; the next push of items tries again by itself."
    ),
    Why.SKU_TWICE: Reason(
        _CHANGE,
        "Make the SKU unique (case and blanks count); the next push of items goes on by itself.",
    ),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision to hold: the reason, and the message that names the document and the figures.

    `amount` and `content` stand for several orders, of which one unit's own tell only a part.
    """

    why: Why
    message: str
    next_at: datetime | None = None
    amount: Decimal | None = None
    content: str = ""

    @property
    def release(self) -> Release:
        """Return what may end this hold."""
        return REASONS[self.why].release

    @property
    def next_step(self) -> str:
        """Return what a person does next."""
        return REASONS[self.why].next_step


@dataclass(frozen=True, slots=True)
class Hold:
    """A row of the review queue; amounts in `currency`, which is empty where unknown.

    `assigned` names the person who looks after it.
    """

    hold_id: int
    subject: str
    why: str
    release: Release
    since: datetime
    next_at: datetime | None
    message: str
    order_number: str
    order_key: str
    order_id: int | None
    store_id: int | None
    amount: Decimal | None
    currency: str
    content: str
    closed_at: datetime | None
    assigned: str = ""

    @property
    def label(self) -> str:
        """Return the name by which a person calls this hold."""
        return label_of(self.hold_id)

    @property
    def next_step(self) -> str:
        """Return what a person does next."""
        if self.why == Why.POSTED_TOTAL_DIFFERS and self.message.endswith(BY_HAND):
            return _COMPARE  # which stops no store, and which no setting has caused
        return REASONS[Why(self.why)].next_step


def label_of(hold_id: int) -> str:
    """Return the name by which a person calls a hold."""
    return f"H-{hold_id:04d}"
