"""Write tracking onto drafts before they are posted (design §4.4.4, §5)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bcss.booking.body import comment_lines, comments, provenance, renewals
from bcss.booking.calls import Outcome
from bcss.booking.desk import Desk
from bcss.booking.gone import gone
from bcss.booking.judge import is_posted
from bcss.booking.lookup import adopt, made_from
from bcss.booking.proof import posted_among
from bcss.businesscentral.odata import encode
from bcss.businesscentral.records import Document, DocumentSet, TrackingRow
from bcss.errors import BcssError, InDoubt, RecordChanged, RecordMissing, RecordRefused
from bcss.holds import Verdict, Why
from bcss.units import Draft, Unit, entity_of

# Stands for a hash that no tracking has: the service did not show the draft, which is read next.
_ABSENT = "absent"
# How Business Central refuses to change a posted invoice, whose number may not show it (BC §2.8).
_POSTED = "The invoice has been posted and can no longer be modified."


@dataclass(frozen=True, slots=True)
class _Write:
    unit: Unit
    row: TrackingRow


def track(desk: Desk, units: Sequence[Unit]) -> None:
    """Bring dates, comment lines and shipping fields of drafts to what was shipped."""
    renewed = [unit for unit in units if _renew(desk, unit)]
    bare = [unit for unit in renewed if not _has_fields(desk, unit)]
    with desk.write():
        for unit in bare:
            desk.save(unit, tracked_hash=unit.track_hash)
    fielded = [unit for unit in renewed if _has_fields(desk, unit)]
    if fielded:
        _write_fields(desk, fielded)


def _has_fields(desk: Desk, unit: Unit) -> bool:
    tracking = unit.draft.tracking if unit.draft else None
    return desk.route == "workflow" and bool(tracking and (tracking.number or tracking.agent))


def _renew(desk: Desk, unit: Unit) -> bool:
    """Renew dates and comment lines unless the draft was just created with them."""
    if unit.tracked_hash == f"created:{unit.track_hash}":
        return True
    try:
        document = desk.bc.get_document(entity_of(unit.kind), unit.document_id)
    except RecordMissing:
        _missing(desk, unit)
        return False
    except BcssError as error:
        _failed_to_renew(desk, unit, error)
        return False
    if is_posted(document, unit) or unit.draft is None:
        with desk.write():
            adopt(desk, unit, document, posted=is_posted(document, unit))
        return False
    try:
        return _renew_document(desk, unit, unit.draft, document)
    except BcssError as error:
        if _is_proof(desk, unit, document, error):
            with desk.write():
                adopt(desk, unit, document, posted=True)
        else:
            _failed_to_renew(desk, unit, error)
    return False


def _is_proof(desk: Desk, unit: Unit, document: Document, error: BcssError) -> bool:
    """Tell whether a refusal proves a document posted of which nothing else says whether it is."""
    if not isinstance(error, RecordRefused) or _POSTED not in error.message:
        return False
    if document.entity is not DocumentSet.INVOICES or document.status != "Open":
        return False
    try:
        return posted_among(desk, [document], ()).get(document.id, True)
    except BcssError:
        return False


def _missing(desk: Desk, unit: Unit) -> None:
    invoice = made_from(desk, unit)
    with desk.write():
        if invoice is not None:
            adopt(desk, unit, invoice, posted=True)
        else:
            gone(desk, unit, f"Draft {unit.draft_number} was deleted by somebody.")


def _failed_to_renew(desk: Desk, unit: Unit, error: BcssError) -> None:
    with desk.write():
        if not desk.stops(error):
            _refused(desk, unit, error)


def _renew_document(desk: Desk, unit: Unit, draft: Draft, document: Document) -> bool:
    changes = renewals(draft, unit, document)
    if changes:
        with desk.write():
            intent_id = desk.intend(unit, "renew", document.id, encode(changes))
        desk.bc.patch_document(document.entity, document.id, document.etag, changes)
        with desk.write():
            desk.settle_intent(unit, intent_id, "done", f"renewed dates of {document.number}")
    found = provenance(document)
    wanted = comments(draft, unit.unit_hash, found[1] if found else unit.attempt)
    present = comment_lines(document)
    for line, text in zip(present, wanted, strict=False):
        if line.description != text:
            with desk.write():
                intent_id = desk.intend(unit, "renew", line.id, encode({"description": text}))
            desk.bc.patch_line(document.entity, line.id, line.etag, {"description": text})
            with desk.write():
                desk.settle_intent(unit, intent_id, "done", f"renewed comment of {document.number}")
    _match_count(desk, unit, document, list(wanted))
    return True


def _match_count(desk: Desk, unit: Unit, document: Document, wanted: list[str]) -> None:
    """Add the comment lines that are missing and delete those that are too many."""
    present = comment_lines(document)
    for text in wanted[len(present) :]:
        body = {"lineType": "Comment", "description": text}
        with desk.write():
            intent_id = desk.intend(unit, "renew", document.id, encode(body))
        desk.bc.add_line(document.entity, document.id, body)
        with desk.write():
            desk.settle_intent(unit, intent_id, "done", f"added a comment to {document.number}")
    for line in present[len(wanted) :]:
        with desk.write():
            intent_id = desk.intend(unit, "renew", line.id)
        desk.bc.delete_line(document.entity, line.id, line.etag)
        with desk.write():
            desk.settle_intent(unit, intent_id, "done", f"removed a comment of {document.number}")


def _write_fields(desk: Desk, units: Sequence[Unit]) -> None:
    rows = desk.bc.read_tracking([unit.document_id for unit in units])
    with desk.write():
        for unit in units:
            if unit.document_id not in rows:
                _absent(desk, unit)
    jobs = [_Write(unit, rows[unit.document_id]) for unit in units if unit.document_id in rows]

    def prepare(job: _Write) -> int | None:
        if _as_wanted(job):
            _tracked(desk, job.unit, job.row)
            return None
        return desk.intend(job.unit, "track", job.unit.document_id, _fields(job.unit))

    def send(job: _Write, _intent: int) -> TrackingRow:
        return _put(desk, job)

    def finish(job: _Write, intent_id: int, outcome: Outcome[TrackingRow]) -> bool:
        if outcome.value is not None:
            _settle(desk, job, intent_id, outcome.value)
            return True
        assert outcome.error is not None  # noqa: S101 - an outcome is one or the other
        return _failed(desk, job, intent_id, outcome.error)

    desk.send(jobs, prepare=prepare, send=send, finish=finish)


def _put(desk: Desk, job: _Write) -> TrackingRow:
    """Write agent, service and number; the number alone where BC refuses the other two."""
    assert job.unit.draft is not None  # noqa: S101 - only units with a draft are tracked
    tracking = job.unit.draft.tracking
    try:
        return desk.bc.write_tracking(
            job.unit.document_id,
            job.row.etag,
            agent=tracking.agent,
            service=tracking.service,
            number=tracking.number[: desk.number_length],
            number_only=not tracking.agent,
        )
    except (RecordMissing, RecordChanged):
        raise
    except RecordRefused:
        if not tracking.agent:
            raise
        return desk.bc.write_tracking(
            job.unit.document_id,
            job.row.etag,
            agent="",
            service="",
            number=tracking.number[: desk.number_length],
            number_only=True,
        )


def _fields(unit: Unit) -> bytes:
    assert unit.draft is not None  # noqa: S101 - only units with a draft are tracked
    tracking = unit.draft.tracking
    return encode(
        {
            "shippingAgentCode": tracking.agent,
            "shippingAgentServiceCode": tracking.service,
            "packageTrackingNumber": tracking.number,
        }
    )


def _as_wanted(job: _Write) -> bool:
    tracking = job.unit.draft.tracking if job.unit.draft else None
    return tracking is not None and (
        job.row.shipping_agent,
        job.row.shipping_agent_service,
        job.row.tracking_number,
    ) == (tracking.agent, tracking.service, tracking.number)


def _settle(desk: Desk, job: _Write, intent_id: int, row: TrackingRow) -> None:
    kept = " ".join(
        part
        for part in (row.shipping_agent, row.shipping_agent_service, row.tracking_number)
        if part
    )
    desk.settle_intent(job.unit, intent_id, "done", f"tracking on {job.unit.draft_number}: {kept}")
    _tracked(desk, job.unit, row)


def _tracked(desk: Desk, unit: Unit, row: TrackingRow) -> None:
    wanted = unit.draft.tracking if unit.draft else None
    if wanted and wanted.agent and not row.shipping_agent:
        desk.report.notes.append(
            f"{unit.order_number}: Business Central refused shipping agent {wanted.agent} "
            f"{wanted.service}; only the tracking number stands on {unit.draft_number}."
        )
    desk.report.tracked += 1
    desk.save(unit, tracked_hash=unit.track_hash)


def _failed(desk: Desk, job: _Write, intent_id: int, error: BcssError) -> bool:
    if isinstance(error, InDoubt):
        desk.note(job.unit, "outcome", error.message, status="in doubt")
        return True
    desk.settle_intent(job.unit, intent_id, "refused", error.message)
    if desk.stops(error):
        return False
    _refused(desk, job.unit, error)
    return True


def _refused(desk: Desk, unit: Unit, error: BcssError) -> None:
    """Leave a changed or vanished draft to the next read; hold what BC refuses for good."""
    if isinstance(error, RecordChanged | RecordMissing | InDoubt):
        desk.note(unit, "outcome", error.message, status="read again")
        desk.save(replace(unit), tracked_hash="")
        return
    desk.hold(unit, Verdict(Why.REFUSED_BY_BC, error.message))


def _absent(desk: Desk, unit: Unit) -> None:
    """Have the document itself read next, which tells a posted or deleted one from a hidden one."""
    desk.note(unit, "evidence", "the tracking service does not show this draft", status="absent")
    if unit.tracked_hash != _ABSENT:
        desk.save(unit, tracked_hash=_ABSENT)
        return
    if not unit.draft_number:
        desk.save(unit, tracked_hash=unit.track_hash)  # perhaps posted: posting again tells (§4.5)
        return
    desk.hold(
        unit,
        Verdict(
            Why.REFUSED_BY_BC,
            f"workflowSalesDocuments does not show draft {unit.draft_number}; tracking cannot be "
            "written.",
        ),
    )
