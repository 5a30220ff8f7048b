"""Answer calls below a company, one function per kind of entity set (business-central.md §1.1)."""

from collections.abc import Callable

from bcss.sandbox.businesscentral import attachments, documents, masters, posting
from bcss.sandbox.businesscentral.answers import (
    Call,
    check_intent,
    check_match,
    count,
    created,
    denied,
    listing,
    one,
    seen,
)
from bcss.sandbox.businesscentral.bodies import parse_object
from bcss.sandbox.businesscentral.cards import ATTACHMENTS
from bcss.sandbox.businesscentral.errors import (
    dialog,
    no_segment,
    not_allowed,
    not_found,
)
from bcss.sandbox.businesscentral.paths import Segment, identity_of, split, visible
from bcss.sandbox.businesscentral.query import parse_options
from bcss.sandbox.businesscentral.rows import Document, Row
from bcss.sandbox.businesscentral.schema import SALES_SHIPMENTS, SHIPMENT_LINES, Kind
from bcss.sandbox.kit import Response

_NEEDS_DOCUMENT = "You must specify an Id or a Document Id to get the lines."
_PARENT_TYPES = {
    "salesorders": "Sales_x0020_Order",
    "salesinvoices": "Sales_x0020_Invoice",
    "salescreditmemos": "Sales_x0020_Credit_x0020_Memo",
    "salesshipments": "Sales_x0020_Shipment",
    "customers": "Customer",
    "items": "Item",
}


def answer(call: Call, parts: list[str]) -> Response:
    """Find the entity set of the path and let it answer."""
    if call.request.method not in ("GET", "POST", "PATCH", "DELETE"):
        raise not_allowed(call.request.method, parts[0])
    if call.request.method != "GET":
        check_intent(call)
    action = parts[-1] if parts[-1].lower().startswith("microsoft.nav.") else ""
    path = [split(part) for part in (parts[:-1] if action else parts)]
    head = path[0]
    handler = _HANDLERS.get(head.low)
    if handler is None:
        raise no_segment(head.name)
    refusal = denied(call, head.name)
    if refusal is not None:
        raise refusal
    if action:
        return _action(call, path, action[len("microsoft.nav.") :].lower())
    return handler(call, path)


def _kind(head: Segment) -> Kind:
    return _KINDS[head.low]


def _documents(call: Call, path: list[Segment]) -> Response:
    kind, head = _kind(path[0]), path[0]
    table = call.books.documents(kind)
    if len(path) == 2 and path[1].name == "$count" and not head.key:
        return count(call, kind.entity, seen(call, table))
    if len(path) > 1:
        return _below_document(call, kind, path)
    return _document(call, kind, head) if head.key else _collection(call, kind)


def _collection(call: Call, kind: Kind) -> Response:
    match call.request.method:
        case "GET":
            return listing(call, kind.entity, seen(call, call.books.documents(kind)))
        case "POST":
            parse_options(call.request.query, kind.entity)
            return created(call, kind.entity, documents.create(call.books, kind, call.request.body))
        case method:
            raise not_allowed(method, kind.value)


def _document(call: Call, kind: Kind, head: Segment) -> Response:
    if call.request.method == "GET":
        return one(call, kind.entity, visible(call, call.books.documents(kind), head))
    document = documents.require(call.books, kind, identity_of(head))
    match call.request.method:
        case "PATCH":
            check_match(call, document.version, required=True)
            return one(call, kind.entity, documents.patch(call.books, document, call.request.body))
        case "DELETE":
            check_match(call, document.version)
            documents.delete(call.books, document)
            return Response(204)
        case method:
            raise not_allowed(method, head.name)


def _below_document(call: Call, kind: Kind, path: list[Segment]) -> Response:
    below = path[1]
    if below.low == "documentattachments":
        return _attachments_of(call, path)
    if below.low == "pdfdocument" and call.request.method == "GET":
        documents.require(call.books, kind, identity_of(path[0]))
        return Response(200, {"content-type": "application/pdf"}, b"%PDF-1.4\n%sandbox\n")
    if below.low == "dimensionsetlines" and call.request.method == "GET":
        return Response(200, {"content-type": "application/json"}, b'{"value":[]}')
    if below.low != kind.lines.name.lower() or len(path) > 2:
        raise no_segment(below.name)
    table = call.books.documents(kind)
    if call.request.method == "GET":
        document = visible(call, table, path[0])
    else:
        document = documents.require(call.books, kind, identity_of(path[0]))
    if below.key:
        return _line(call, document, identity_of(below))
    if call.request.method == "GET":
        return listing(call, kind.lines, document.lines)
    if call.request.method == "POST":
        line = documents.add_line(call.books, document, call.request.body)
        return created(call, kind.lines, line)
    raise not_allowed(call.request.method, below.name)


def _line(call: Call, document: Document, identity: str) -> Response:
    row = document.lines[documents.place_of(document, identity)]
    entity = document.kind.lines
    match call.request.method:
        case "GET":
            return one(call, entity, row)
        case "PATCH":
            check_match(call, row.version, required=True)
            body = call.request.body
            return one(call, entity, documents.patch_line(call.books, document, identity, body))
        case "DELETE":
            check_match(call, row.version)
            documents.delete_line(call.books, document, identity)
            return Response(204)
        case method:
            raise not_allowed(method, entity.name)


def _lines(call: Call, path: list[Segment]) -> Response:
    """Answer the flat URL of lines, which needs a line's or a document's id (§2.7)."""
    kind = next(one for one in Kind if one.lines.name.lower() == path[0].low)
    if path[0].key:
        return _flat_line(call, kind, path)
    if call.request.method == "POST":
        return _flat_post(call, kind)
    options = parse_options(call.request.query, kind.lines)
    wanted = options.filter
    if wanted is None or wanted.equal_field not in ("documentId", "id"):
        raise dialog(_NEEDS_DOCUMENT)
    rows: list[Row] = []
    for value in wanted.equal_values:
        owner = call.books.line_owners.get(value, (kind, value))
        document = seen(call, call.books.documents(owner[0])).get(owner[1])
        rows += document.lines if document is not None else ()
    return listing(call, kind.lines, rows)


def _flat_line(call: Call, kind: Kind, path: list[Segment]) -> Response:
    identity = identity_of(path[0])
    owner = call.books.line_owners.get(identity)
    if owner is None or owner[0] is not kind:
        raise not_found()
    return _line(call, documents.require(call.books, *owner), identity)


def _flat_post(call: Call, kind: Kind) -> Response:
    source = parse_object(call.request.body)
    document = documents.require(call.books, kind, str(source.get("documentId", "")).lower())
    line = documents.add_line(call.books, document, call.request.body)
    return created(call, kind.lines, line)


def _action(call: Call, path: list[Segment], name: str) -> Response:
    """Run a bound action; every one answers 204 without a body (§4.8)."""
    if call.request.method != "POST" or len(path) != 1:
        raise not_allowed(call.request.method, path[0].name)
    found = _ACTIONS.get((path[0].low, name))
    if found is None:
        raise no_segment(f"Microsoft.NAV.{name}")
    document = documents.require(call.books, _kind(path[0]), identity_of(path[0]))
    check_match(call, document.version)
    found(call, document)
    return Response(204)


def _shipments(call: Call, path: list[Segment]) -> Response:
    if call.request.method != "GET":
        raise not_allowed(call.request.method, path[0].name)
    table = seen(call, call.books.shipments)
    if not path[0].key:
        return listing(call, SALES_SHIPMENTS, table)
    shipment = visible(call, call.books.shipments, path[0])
    if len(path) == 1:
        return one(call, SALES_SHIPMENTS, shipment)
    if path[1].low == "documentattachments":
        return _attachments_of(call, path)
    if path[1].low != "salesshipmentlines":
        raise no_segment(path[1].name)
    return listing(call, SHIPMENT_LINES, shipment.lines)


def _shipment_lines(call: Call, path: list[Segment]) -> Response:
    if call.request.method != "GET":
        raise not_allowed(call.request.method, path[0].name)
    options = parse_options(call.request.query, SHIPMENT_LINES)
    if options.filter is None or options.filter.equal_field != "documentId":
        raise dialog(_NEEDS_DOCUMENT)
    rows: list[Row] = []
    for value in options.filter.equal_values:
        shipment = call.books.shipments.get(value)
        rows += shipment.lines if shipment is not None else ()
    return listing(call, SHIPMENT_LINES, rows)


def _attachments_of(call: Call, path: list[Segment]) -> Response:
    parent = identity_of(path[0])
    if call.request.method == "POST":
        kind = _PARENT_TYPES.get(path[0].low, "")
        made = attachments.create(call.books, call.request.body, kind, parent)
        return created(call, ATTACHMENTS, made)
    if call.request.method != "GET":
        raise not_allowed(call.request.method, path[1].name)
    return listing(call, ATTACHMENTS, call.books.attachments.find("parentId", parent))


def _attachments(call: Call, path: list[Segment]) -> Response:
    head, books = path[0], call.books
    if len(path) > 1:
        return _attachment_content(call, path)
    match call.request.method, bool(head.key):
        case "POST", False:
            return created(call, ATTACHMENTS, attachments.create(books, call.request.body))
        case "GET", False:
            attachments.require_parent(parse_options(call.request.query, ATTACHMENTS).filter)
            return listing(call, ATTACHMENTS, books.attachments)
        case "GET", True:
            return one(call, ATTACHMENTS, attachments.require(books, identity_of(head)))
        case "DELETE", True:
            found = attachments.require(books, identity_of(head))
            check_match(call, found.version)
            books.attachments.remove(found.values["id"], books.stamp())
            return Response(204)
        case method, _:
            raise not_allowed(method, head.name)


def _attachment_content(call: Call, path: list[Segment]) -> Response:
    if path[1].low not in ("attachmentcontent", "content"):
        raise no_segment(path[1].name)
    found = attachments.require(call.books, identity_of(path[0]))
    if call.request.method == "GET":
        return Response(200, {"content-type": "application/octet-stream"}, found.content)
    if call.request.method != "PATCH":
        raise not_allowed(call.request.method, path[1].name)
    star_only = call.books.switches["attachment_star_only"]
    if star_only and call.header("if-match") != "*":
        check_match(call, -1, required=True)
    check_match(call, found.version, required=True)
    attachments.upload(call.books, found, call.request.body)
    return Response(204)


def _masters(call: Call, path: list[Segment]) -> Response:
    if len(path) > 1 and path[1].low == "documentattachments":
        return _attachments_of(call, path)
    key = identity_of(path[0]) if path[0].key else ""
    below = path[1].low if len(path) > 1 else ""
    return masters.answer(call, path[0].low, key, below)


def _send_nothing(call: Call, document: Document) -> None:
    """Pretend to e-mail a document."""


def _cancel(call: Call, document: Document) -> None:
    posting.cancel(call.books, document)


def _credit(call: Call, document: Document) -> None:
    posting.make_corrective_credit_memo(call.books, document)


def _post(call: Call, document: Document) -> None:
    posting.post(call.books, document)


def _ship(call: Call, document: Document) -> None:
    posting.ship_and_invoice(call.books, document)


_ACTIONS: dict[tuple[str, str], Callable[[Call, Document], None]] = {
    ("salesorders", "shipandinvoice"): _ship,
    ("salesinvoices", "post"): _post,
    ("salesinvoices", "postandsend"): _post,
    ("salesinvoices", "send"): _send_nothing,
    ("salesinvoices", "cancel"): _cancel,
    ("salesinvoices", "cancelandsend"): _cancel,
    ("salesinvoices", "makecorrectivecreditmemo"): _credit,
    ("salescreditmemos", "post"): _post,
    ("salescreditmemos", "postandsend"): _post,
    ("salescreditmemos", "send"): _send_nothing,
}
_KINDS = {kind.value.lower(): kind for kind in Kind}
_HANDLERS: dict[str, Callable[[Call, list[Segment]], Response]] = {
    **dict.fromkeys(_KINDS, _documents),
    **{kind.lines.name.lower(): _lines for kind in Kind},
    **dict.fromkeys(masters.NAMES, _masters),
    "salesshipments": _shipments,
    "salesshipmentlines": _shipment_lines,
    "documentattachments": _attachments,
}
