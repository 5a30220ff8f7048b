"""Answer the OData page services below `ODataV4/Company('…')` (business-central.md §3.4)."""

from bcss.sandbox.businesscentral import tracking
from bcss.sandbox.businesscentral.answers import (
    Call,
    check_intent,
    check_match,
    denied,
    listing,
    one,
    seen,
)
from bcss.sandbox.businesscentral.cards import WORKFLOW_ITEMS
from bcss.sandbox.businesscentral.errors import no_segment, not_allowed, not_found
from bcss.sandbox.businesscentral.paths import Segment, identity_of, split, visible
from bcss.sandbox.businesscentral.query import Options, parse_options
from bcss.sandbox.businesscentral.rows import Document, Row, Table
from bcss.sandbox.businesscentral.schema import WORKFLOW_DOCUMENTS, Kind
from bcss.sandbox.kit import Response


def page_service(call: Call, parts: list[str]) -> Response:
    """Answer the OData page services below `ODataV4/Company('…')` (§3.4)."""
    head = split(parts[0])
    services = {"workflowsalesdocuments": _workflow, "salesdocuments": _workflow}
    handler = services.get(head.low, _workflow_items if head.low == "workflowitems" else None)
    if handler is None or not call.books.switches["tracking_service"] or len(parts) > 1:
        raise no_segment(head.name)
    refusal = denied(call, head.name)
    if refusal is not None:
        raise refusal
    return handler(call, head)


def _workflow(call: Call, head: Segment) -> Response:
    books = call.books
    tables = [seen(call, books.documents(kind)) for kind in Kind]
    if not head.key:
        if call.request.method != "GET":
            raise not_allowed(call.request.method, head.name)
        return _workflow_list(call, tables)
    identity = identity_of(head)
    match call.request.method:
        case "GET":
            found = tracking.find_rows(tables, [identity])
            if not found:
                raise not_found()
            return one(call, WORKFLOW_DOCUMENTS, found[0])
        case "PATCH":
            check_intent(call)
            document = tracking.find_document(books, identity)
            check_match(call, document.header_version, required=True)
            stored = tracking.patch(books, document, call.request.body)
            return one(call, WORKFLOW_DOCUMENTS, tracking.document_row(stored))
        case method:
            raise not_allowed(method, head.name)


def _workflow_list(call: Call, tables: list[Table[Document]]) -> Response:
    """List drafts; a filter on ids reads those only."""

    def by_id(options: Options) -> list[Row] | None:
        wanted = options.filter
        if wanted is None or wanted.equal_field != "id":
            return None
        rows = tracking.find_rows(tables, wanted.equal_values)
        return [row for row in rows if wanted.test(row.values)]

    options = parse_options(call.request.query, WORKFLOW_DOCUMENTS)
    if by_id(options) is not None:
        return listing(call, WORKFLOW_DOCUMENTS, [], by_id)
    return listing(call, WORKFLOW_DOCUMENTS, tracking.document_rows(tables))


def _workflow_items(call: Call, head: Segment) -> Response:
    if call.request.method != "GET":
        raise not_allowed(call.request.method, head.name)
    rows = tracking.item_rows(call.books)
    if not head.key:
        return listing(call, WORKFLOW_ITEMS, rows)
    return one(call, WORKFLOW_ITEMS, visible(call, rows, head))
