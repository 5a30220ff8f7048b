"""Undo a booking that a person approved to be undone (reliability.md §2.5 T14, design §4.5).

An intent, `makeCorrectiveCreditMemo`, a look-up by the invoice, the approved posting date, the
post under the Exactly-One Rule, and the proof. Each step is read off the unit's state, so a run
that died anywhere is continued by the next; the call that makes a credit memo is never sent while
one exists, nor before the settle horizon of a doubtful one.
"""

from collections.abc import Sequence
from datetime import date

from bcss.booking.desk import Desk
from bcss.businesscentral.odata import encode
from bcss.businesscentral.records import CreditMemo, Document, DocumentSet
from bcss.errors import BcssError, InDoubt, RecordChanged, RecordMissing, RecordRefused
from bcss.holds import Verdict, Why
from bcss.mapping.text import clean
from bcss.money import ZERO, show
from bcss.units import REVERSING, State, Unit

# What a unit waits for once a person approved that the credit memos be looked at again.
LOOK_AGAIN = "look again"
MAKE = "credit"
_STEPS = 8
_DRAFT = "Draft"
_CANCELED = "Canceled"
_NEVER_DRAFT = ("Paid", "Canceled", "Corrective")
_ALREADY = "draft invoice only"
_REFUSED = "refused: "


def reverse(desk: Desk, units: Sequence[Unit]) -> list[Unit]:
    """Bring the credit memos of these units as far as they come; return the units undone."""
    undone = []
    for unit in units:
        try:
            _advance(desk, unit.unit_id)
        except BcssError as error:
            with desk.write():
                desk.note(unit, "outcome", error.message, status="read again")
            if desk.stops(error):
                break
            desk.report.errors.append(error)
        now = desk.store.units.get(unit.unit_id)
        undone += [now] if now.state is State.REV_POSTED and not now.held else []
    return undone


def _advance(desk: Desk, unit_id: int) -> None:
    for _ in range(_STEPS):
        unit = desk.store.units.get(unit_id)
        if unit.held or unit.state not in REVERSING or desk.out_of_time():
            return
        if not _step(desk, unit):
            return


def _step(desk: Desk, unit: Unit) -> bool:
    """Do one step; return whether another may follow at once."""
    match unit.state:
        case State.REV_NEEDED:
            return _make(desk, unit)
        case State.REV_INTENT:
            return _find(desk, unit)
        case State.REV_DRAFTED:
            return _post(desk, unit)
        case State.REV_POST_INTENT:
            return _read_back(desk, unit)
        case _:
            return False


def invoice_of(unit: Unit) -> str:
    """Return the id of a unit's posted invoice."""
    return unit.invoice_id or unit.document_id


def _memos(desk: Desk, unit: Unit) -> list[CreditMemo]:
    return desk.bc.find_credit_memos([invoice_of(unit)])


def _invoice(desk: Desk, unit: Unit) -> Document:
    return desk.bc.get_document(DocumentSet.INVOICES, invoice_of(unit))


def _make(desk: Desk, unit: Unit) -> bool:
    """Have Business Central draft the credit memo, when the invoice has none."""
    try:
        invoice = _invoice(desk, unit)
    except RecordMissing as error:
        return _hold(desk, unit, Why.CREDIT_UNCLEAR, error.message)
    memos = _memos(desk, unit)
    if invoice.status == _CANCELED:
        text = f"{invoice.number} was credited in Business Central already{_named(memos)}."
        return _hold(desk, unit, Why.CREDITED_BY_HAND, text)
    if memos:
        text = f"{invoice.number} has a credit memo that bcss did not make{_named(memos)}."
        return _hold(desk, unit, Why.CREDIT_UNCLEAR, text)
    return _send_make(desk, unit, invoice)


def _send_make(desk: Desk, unit: Unit, invoice: Document) -> bool:
    with desk.write():
        sent = desk.save(unit, state=State.REV_INTENT, sent_at=desk.sending_at(), waiting="")
        intent_id = desk.intend(sent, MAKE, invoice.id)
    try:
        desk.bc.make_credit_memo(invoice.id, invoice.etag)
    except InDoubt as error:
        with desk.write():
            desk.note(sent, "outcome", error.message, status="in doubt")
        return True
    except RecordRefused as error:
        with desk.write():
            desk.settle_intent(sent, intent_id, "refused", error.message)
            back = desk.save(sent, state=State.REV_NEEDED, sent_at=None)
        if isinstance(error, RecordChanged):
            return False
        text = f"Business Central refused to credit {invoice.number}: {clean(error.message)}"
        return _hold(desk, back, Why.CREDIT_REFUSED, text)
    except BcssError as error:
        with desk.write():
            desk.settle_intent(sent, intent_id, "not sent", error.message)
            desk.save(sent, state=State.REV_NEEDED, sent_at=None)
        raise
    with desk.write():
        desk.settle_intent(sent, intent_id, "done", f"credit memo over {invoice.number} drafted")
    return True


def _find(desk: Desk, unit: Unit) -> bool:
    """Take the one draft that our call has made; doubt waits for the settle horizon."""
    memos = _memos(desk, unit)
    if not memos:
        return _not_there(desk, unit)
    if len(memos) > 1:
        text = f"{unit.document_number} has more than one credit memo{_named(memos)}."
        return _hold(desk, unit, Why.CREDIT_UNCLEAR, text)
    (memo,) = memos
    objection = _objection(unit, memo)
    if objection:
        return _hold(desk, unit, Why.CREDIT_UNCLEAR, objection)
    posted = memo.status in _NEVER_DRAFT
    draft = unit.memo_draft if memo.id == unit.memo_id else memo.number
    with desk.write():
        desk.store.units.close_open(unit.unit_id, "landed", desk.now())
        desk.save(
            unit,
            state=State.REV_POST_INTENT if posted else State.REV_DRAFTED,
            memo_id=memo.id,
            memo_draft="" if posted else draft,
            sent_at=None,
            waiting="",
        )
    return True


def _not_there(desk: Desk, unit: Unit) -> bool:
    with desk.write():
        unit = desk.timed_anew(unit)
    if unit.sent_at is not None and not desk.is_settled(unit.sent_at):
        if not unit.waiting:
            with desk.write():
                desk.save(unit, waiting="settle")
        return False
    intents = desk.store.units.intents(unit.unit_id)
    last = next((one for one in reversed(intents) if one.step == MAKE), None)
    if last is not None and last.outcome == "done" and unit.waiting != LOOK_AGAIN:
        text = f"Business Central made a credit memo over {unit.document_number} and shows none."
        return _hold(desk, unit, Why.CREDIT_UNCLEAR, text)
    with desk.write():
        desk.store.units.close_open(unit.unit_id, "never landed", desk.now())
        desk.save(unit, state=State.REV_NEEDED, sent_at=None, waiting="", memo_id="", memo_draft="")
    return True


def _objection(unit: Unit, memo: CreditMemo) -> str:
    """Say why a credit memo is not the whole correction of the invoice."""
    if unit.bc_total is None or memo.total_including_tax == unit.bc_total:
        return ""
    there = show(memo.total_including_tax, memo.currency_code or unit.currency)
    whole = show(unit.bc_total, unit.currency)
    return f"Credit memo {memo.number} is over {there}, invoice {unit.document_number} over {whole}"


def _post(desk: Desk, unit: Unit) -> bool:
    """Post what one deciding read shows to be the only credit memo of the invoice, as made."""
    memos = _memos(desk, unit)
    mine = [one for one in memos if one.id == unit.memo_id]
    if len(memos) != 1 or not mine:
        gone = "" if mine else f"; draft {unit.memo_draft} is gone"
        text = f"{unit.document_number} should have one credit memo{_named(memos)}{gone}."
        return _hold(desk, unit, Why.CREDIT_UNCLEAR, text)
    memo = mine[0]
    objection = _objection(unit, memo)
    if objection:
        return _hold(desk, unit, Why.CREDIT_UNCLEAR, objection)
    if _looks_posted(unit, memo):
        with desk.write():
            desk.save(unit, state=State.REV_POST_INTENT)
        return True
    if memo.status != _DRAFT:
        text = f"Credit memo {memo.number} is not open for posting: {memo.status}."
        return _hold(desk, unit, Why.CREDIT_REFUSED, text)
    wanted = date.fromisoformat(unit.memo_date)
    if memo.posting_date != wanted:
        return _set_date(desk, unit, memo, wanted)
    return _send_post(desk, unit, memo)


def _set_date(desk: Desk, unit: Unit, memo: CreditMemo, wanted: date) -> bool:
    """Write the approved posting date; the next step reads again before it posts."""
    changes = {"postingDate": wanted.isoformat()}
    with desk.write():
        intent_id = desk.intend(unit, "credit date", memo.id, encode(changes))
    try:
        desk.bc.patch_credit_memo(memo.id, memo.etag, changes)
    except RecordRefused as error:
        with desk.write():
            desk.settle_intent(unit, intent_id, "refused", error.message)
        if isinstance(error, RecordChanged | RecordMissing):
            return False
        text = f"Credit memo {memo.number} takes no date {wanted}: {clean(error.message)}"
        return _hold(desk, unit, Why.CREDIT_REFUSED, text)
    with desk.write():
        desk.settle_intent(unit, intent_id, "done", f"{memo.number} is dated {wanted}")
    return True


def _send_post(desk: Desk, unit: Unit, memo: CreditMemo) -> bool:
    amount = unit.bc_total or ZERO
    if not desk.limits.allow(amount):
        desk.report.limited = True
        return False
    with desk.write():
        desk.limits.spend(amount)
        text = f"exactly one credit memo over {unit.document_number}: {memo.number}"
        desk.note(unit, "evidence", text, target=memo.id, status="exactly one")
        sent = desk.save(unit, state=State.REV_POST_INTENT, sent_at=desk.sending_at(), waiting="")
        intent_id = desk.intend(sent, "credit post", memo.id)
    try:
        desk.bc.post_credit_memo(memo.id, memo.etag)
    except InDoubt as error:
        with desk.write():
            desk.note(sent, "outcome", error.message, status="in doubt")
        return True
    except RecordRefused as error:
        return _post_refused(desk, sent, intent_id, error)
    except BcssError as error:
        with desk.write():
            desk.settle_intent(sent, intent_id, "not sent", error.message)
            desk.save(sent, state=State.REV_DRAFTED, sent_at=None)
        raise
    with desk.write():
        desk.settle_intent(sent, intent_id, "done", f"posted credit memo {memo.number}")
    return True


def _post_refused(desk: Desk, unit: Unit, intent_id: int, error: RecordRefused) -> bool:
    """Note a refusal; what became of the credit memo is read afterwards (design §1, fact 5)."""
    stale = isinstance(error, RecordChanged)
    known = isinstance(error, RecordMissing) or _ALREADY in error.message.lower()
    with desk.write():
        outcome = "stale" if stale else "missing" if known else "refused"
        desk.settle_intent(unit, intent_id, outcome, error.message)
        if not stale and not known:
            desk.save(unit, waiting=f"{_REFUSED}{clean(error.message)[:400]}")
    return True


def _read_back(desk: Desk, unit: Unit) -> bool:
    """Tell a posted credit memo from a draft: by its number, its status, or its invoice."""
    try:
        memo = desk.bc.get_credit_memo(unit.memo_id)
    except RecordMissing:
        return _hold(desk, unit, Why.CREDIT_UNCLEAR, f"Credit memo {unit.memo_draft} is gone.")
    if not _looks_posted(unit, memo) and _invoice(desk, unit).status != _CANCELED:
        return _still_draft(desk, unit)
    objection = _objection(unit, memo)
    if objection:
        return _hold(desk, unit, Why.CREDIT_UNCLEAR, objection)
    with desk.write():
        desk.store.units.close_open(unit.unit_id, "done", desk.now())
        done = desk.save(
            unit, state=State.REV_POSTED, memo_number=memo.number, sent_at=None, waiting=""
        )
        total = show(memo.total_including_tax, memo.currency_code or unit.currency)
        text = f"credit memo {memo.number} over {unit.document_number} is posted, {total}"
        desk.note(done, "evidence", text, target=memo.id, status="credited")
        desk.report.credited += 1
    return True


def _looks_posted(unit: Unit, memo: CreditMemo) -> bool:
    renumbered = bool(unit.memo_draft) and memo.number != unit.memo_draft
    return renumbered or memo.status in _NEVER_DRAFT


def _still_draft(desk: Desk, unit: Unit) -> bool:
    """Take the draft back to be posted again by its id, or hold it for what BC said."""
    intents = [one for one in desk.store.units.intents(unit.unit_id) if one.step == "credit post"]
    accepted = bool(intents) and intents[-1].outcome == "done"
    with desk.write():
        desk.store.units.close_open(unit.unit_id, "no effect seen", desk.now())
        back = desk.save(unit, state=State.REV_DRAFTED, waiting="", sent_at=None)
    if unit.waiting.startswith(_REFUSED):
        said = unit.waiting.removeprefix(_REFUSED)
        text = f"Business Central refused to post credit memo {unit.memo_draft}: {said}"
        return _hold(desk, back, Why.CREDIT_REFUSED, text)
    if accepted:
        text = f"Business Central took the posting of {unit.memo_draft}, which still is a draft."
        return _hold(desk, back, Why.CREDIT_REFUSED, text)
    return True


def _hold(desk: Desk, unit: Unit, why: Why, text: str) -> bool:
    with desk.write():
        desk.hold(unit, Verdict(why, text))
    return False


def _named(memos: Sequence[CreditMemo]) -> str:
    rows = (
        f"{one.number} ({one.status}, {show(one.total_including_tax, one.currency_code)})"
        for one in memos
    )
    text = ", ".join(rows)
    return f": {text}" if text else ""
