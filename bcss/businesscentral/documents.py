"""Find, create, change and post sales orders and invoices (business-central.md §4)."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime

from bcss.businesscentral import odata
from bcss.businesscentral.odata import CHUNK, DECIDING, ENGLISH, Site
from bcss.businesscentral.read import read_created, read_document, read_line
from bcss.businesscentral.records import (
    Answer,
    Body,
    Created,
    Document,
    DocumentLine,
    DocumentSet,
)
from bcss.errors import RecordMissing

# Tells right before a call leaves whether what it rests on is still good (bcss.http).
Still = Callable[[], bool]
REFERENCE = "externalDocumentNumber"
# A document with its lines is some kilobytes, so that pages of them are kept small.
DOCUMENT_PAGE = 200


def _fold(reference: str) -> str:
    """Compare as BC does: a Code is trimmed and in upper case (§2)."""
    return reference.strip().upper()


def find(
    site: Site,
    entity: DocumentSet,
    references: Sequence[str],
    control: str | None = None,
    *,
    chunk: int = CHUNK,
) -> list[Answer]:
    """Look documents up by external document number, each answer complete and with its control.

    Raise RecordRefused when even a single reference gets no complete answer.
    """
    wanted = list({_fold(one): one for one in references}.values())
    if not all(_fold(one) for one in (*wanted, *([] if control is None else [control]))):
        raise ValueError("an empty reference would find every document without one")

    def ask(group: Sequence[str]) -> Answer:
        return _answer(site, entity, group, control)

    return list(odata.in_chunks(wanted, chunk, ask))


def _answer(
    site: Site, entity: DocumentSet, references: Sequence[str], control: str | None
) -> Answer:
    asked = {_fold(one) for one in references}
    extra = [] if control is None or _fold(control) in asked else [control]
    query = [
        ("$filter", odata.any_text(REFERENCE, [*references, *extra])),
        ("$expand", entity.lines),
    ]
    rows = odata.read_whole(site, f"{site.data}/{entity}", query)
    found = [odata.take(lambda row: read_document(entity, row), row) for row in rows]
    seen = {_fold(one.reference) for one in found}
    return Answer(
        references=tuple(references),
        documents=tuple(one for one in found if _fold(one.reference) in asked),
        control_seen=None if control is None else _fold(control) in seen,
    )


def find_of_orders(site: Site, order_ids: Sequence[str], *, chunk: int = CHUNK) -> list[Document]:
    """Find the posted invoices made from these orders, whose ids may be dead by now (§4.8)."""

    def ask(group: Sequence[str]) -> list[Document]:
        entity = DocumentSet.INVOICES
        query = [("$filter", odata.any_guid("orderId", group)), ("$expand", entity.lines)]
        rows = odata.read_whole(site, f"{site.data}/{entity}", query)
        return [odata.take(lambda row: read_document(entity, row), row) for row in rows]

    wanted = {odata.guid(one) for one in order_ids}
    answers = odata.in_chunks(sorted(wanted), chunk, ask)
    return [one for answer in answers for one in answer if one.order_id in wanted]


def find_of_order_numbers(
    site: Site, numbers: Sequence[str], *, chunk: int = CHUNK
) -> list[Document]:
    """Find the posted invoices that name these orders' numbers, where the id leads nowhere (§4.8).

    One that names another order by its id is left to its owner by the caller.
    """

    def ask(group: Sequence[str]) -> list[Document]:
        entity = DocumentSet.INVOICES
        query = [("$filter", odata.any_text("orderNumber", group)), ("$expand", entity.lines)]
        rows = odata.read_whole(site, f"{site.data}/{entity}", query)
        return [odata.take(lambda row: read_document(entity, row), row) for row in rows]

    wanted = list({_fold(one): one for one in numbers if _fold(one)}.values())
    answers = odata.in_chunks(wanted, chunk, ask)
    folded = {_fold(one) for one in wanted}
    return [one for answer in answers for one in answer if _fold(one.order_number) in folded]


def changed(
    site: Site, entity: DocumentSet, since: datetime | None, *, with_lines: bool = True
) -> Iterator[Document]:
    """List the documents modified after an instant, for the sweep and rebuild.

    Rows that change while the list is read may come twice or be missed (§5.2): this proves
    nothing, it finds candidates.
    """
    return _list(site, entity, odata.changed_since(since), with_lines=with_lines)


def of_period(
    site: Site, entity: DocumentSet, first: date, last: date, *, with_lines: bool = True
) -> Iterator[Document]:
    """List the documents whose posting date is in a period, both days included."""
    period = f"postingDate ge {first.isoformat()} and postingDate le {last.isoformat()}"
    return _list(site, entity, [("$filter", period)], with_lines=with_lines)


def _list(
    site: Site, entity: DocumentSet, query: odata.Query, *, with_lines: bool
) -> Iterator[Document]:
    expand = [("$expand", entity.lines)] if with_lines else []
    path = f"{site.data}/{entity}"
    for row in odata.read_pages(site, path, [*query, *expand], page_size=DOCUMENT_PAGE):
        yield odata.take(lambda row: read_document(entity, row, with_lines=with_lines), row)


def get(site: Site, entity: DocumentSet, document_id: str) -> Document:
    """Read one document with its lines; raise RecordMissing."""
    path = _path(site, entity, document_id)
    answer = odata.read_object(site, path, [("$expand", entity.lines)], DECIDING)
    return odata.take(lambda row: read_document(entity, row), answer)


def create(site: Site, entity: DocumentSet, body: Body, *, still: Still | None = None) -> Created:
    """Create a draft with its lines in one transaction (§4.3).

    Raise RecordRefused with BC's code and text, InDoubt when the answer does not tell, Outdated
    when nothing was sent any more.
    """
    content = odata.encode(body)
    path = f"{site.data}/{entity}"
    reply = site.session.send("POST", path, headers=ENGLISH, body=content, still=still)
    return odata.take_written(read_created, reply)


def patch(site: Site, entity: DocumentSet, document_id: str, etag: str, changes: Body) -> Document:
    """Change header fields of a draft; the answer has no lines. Raise RecordChanged."""
    headers = {**ENGLISH, **odata.if_match(etag)}
    content = odata.encode(changes)
    path = _path(site, entity, document_id)
    reply = site.session.send("PATCH", path, headers=headers, body=content)
    return odata.take_written(lambda row: read_document(entity, row, with_lines=False), reply)


def delete(site: Site, entity: DocumentSet, document_id: str, etag: str) -> None:
    """Delete a draft as it was read; one that is gone already counts as done."""
    headers = {**ENGLISH, **odata.if_match(etag)}
    try:
        site.session.send("DELETE", _path(site, entity, document_id), headers=headers)
    except RecordMissing:
        return


def post(
    site: Site, entity: DocumentSet, document_id: str, etag: str, *, still: Still | None = None
) -> None:
    """Post a draft as it was read (§4.8); an error does not prove that nothing was posted.

    Only Outdated does: nothing was sent.
    """
    headers = {**ENGLISH, **odata.if_match(etag)}
    path = f"{_path(site, entity, document_id)}/Microsoft.NAV.{entity.action}"
    site.session.send("POST", path, headers=headers, still=still)


def add_line(site: Site, entity: DocumentSet, document_id: str, line: Body) -> DocumentLine:
    """Add a line to a draft, such as a comment line with a tracking number."""
    content = odata.encode(line)
    path = f"{_path(site, entity, document_id)}/{entity.lines}"
    reply = site.session.send("POST", path, headers=ENGLISH, body=content)
    return odata.take_written(read_line, reply)


def patch_line(site: Site, entity: DocumentSet, line_id: str, etag: str, changes: Body) -> None:
    """Change a line of a draft as it was read."""
    headers = {**ENGLISH, **odata.if_match(etag)}
    content = odata.encode(changes)
    site.session.send("PATCH", _line(site, entity, line_id), headers=headers, body=content)


def delete_line(site: Site, entity: DocumentSet, line_id: str, etag: str) -> None:
    """Delete a line of a draft as it was read; one that is gone already counts as done."""
    headers = {**ENGLISH, **odata.if_match(etag)}
    try:
        site.session.send("DELETE", _line(site, entity, line_id), headers=headers)
    except RecordMissing:
        return


def _path(site: Site, entity: DocumentSet, document_id: str) -> str:
    return f"{site.data}/{entity}({odata.guid(document_id)})"


def _line(site: Site, entity: DocumentSet, line_id: str) -> str:
    return f"{site.data}/{entity.lines}({odata.guid(line_id)})"
