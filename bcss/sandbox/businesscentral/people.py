"""Do what people and time do inside Business Central, for the control endpoint.

Actions: post_by_person {reference or id}, edit_by_person {reference or id, changes, line?},
delete_by_person {reference or id}, create_by_person {entity?, body, post?, …}, release, send_for_approval and
reopen {reference or id}, pay {reference or id}, edit_item {number, changes}, edit_customer {number,
changes}, move_clock {seconds or to}, deliver_notifications, expire_subscriptions,
revoke_tokens, set {switches}.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from bcss.sandbox.businesscentral import documents, loading, posting
from bcss.sandbox.businesscentral.books import Books
from bcss.sandbox.businesscentral.errors import bad_request, not_found
from bcss.sandbox.businesscentral.rows import ZERO, Document, encode
from bcss.sandbox.businesscentral.schema import Kind

Action = Mapping[str, Any]
Result = dict[str, Any]


def run(books: Books, action: Action) -> Result:
    """Do one action and say what came of it."""
    found = _ACTIONS.get(str(action.get("action")))
    if found is None:
        raise bad_request(f"Unknown action {action.get('action')!r}.")
    return found(books, action)


def _find(books: Books, action: Action) -> Document:
    """Find a document by id, number or reference, unposted ones first."""
    kinds = [Kind(action["entity"])] if "entity" in action else list(Kind)
    found: list[Document] = []
    for kind in kinds:
        table = books.documents(kind)
        if "id" in action:
            found += table.find("id", action["id"])
        elif "number" in action:
            found += table.find("number", action["number"])
        else:
            found += table.find("externalDocumentNumber", action["reference"])
    if not found:
        raise not_found()
    return min(found, key=lambda one: one.posted)


def _result(document: Document) -> Result:
    values = document.values
    return {"id": values["id"], "number": values["number"], "status": values["status"]}


def _post(books: Books, action: Action) -> Result:
    document = _find(books, action)
    if document.kind is Kind.ORDER:
        return _result(posting.ship_and_invoice(books, document))
    return _result(posting.post(books, document))


def _edit(books: Books, action: Action) -> Result:
    """Change header fields, or with `line` (its place, from 0) a line; -1 adds one."""
    document = _find(books, action)
    body = encode(action["changes"]).encode()
    if "line" not in action:
        return _result(documents.patch(books, document, body))
    if action["line"] == -1:
        documents.add_line(books, document, body)
    else:
        line_id = document.lines[action["line"]].values["id"]
        documents.patch_line(books, document, line_id, body)
    return _result(_find(books, action))


def _delete(books: Books, action: Action) -> Result:
    document = _find(books, action)
    documents.delete(books, document)
    return _result(document)


def _create(books: Books, action: Action) -> Result:
    """Make a document by hand, from the body of a POST; `post` posts it too."""
    kind = Kind(action.get("entity", Kind.INVOICE.value))
    document = documents.create(books, kind, encode(action["body"]).encode())
    if not action.get("post"):
        return _result(document)
    return _post(books, {"id": document.values["id"]})


def _status(books: Books, document: Document, status: str) -> Result:
    values = {**document.values, "status": status}
    return _result(documents.put(books, document, values, document.lines))


def _release(books: Books, action: Action) -> Result:
    """Release a draft: its status says Open although it is not posted (§4.6)."""
    return _status(books, _find(books, action), "Open")


def _send_for_approval(books: Books, action: Action) -> Result:
    return _status(books, _find(books, action), "In_x0020_Review")


def _reopen(books: Books, action: Action) -> Result:
    return _status(books, _find(books, action), "Draft")


def _pay(books: Books, action: Action) -> Result:
    """Close a posted invoice."""
    document = _find(books, action)
    values = {**document.values, "status": "Paid", "remainingAmount": ZERO}
    return _result(documents.put(books, document, values, document.lines))


def _edit_item(books: Books, action: Action) -> Result:
    row = loading.put_item(books, {"number": action["number"], **action["changes"]})
    return {"id": row.values["id"]}


def _edit_customer(books: Books, action: Action) -> Result:
    row = loading.put_customer(books, {"number": action["number"], **action["changes"]})
    return {"id": row.values["id"]}


def _move_clock(books: Books, action: Action) -> Result:
    if "to" in action:
        books.clock.set(datetime.fromisoformat(action["to"]))
    else:
        books.clock.advance(float(action["seconds"]))
    return {"now": books.clock.now().isoformat()}


def _expire(books: Books, action: Action) -> Result:
    """End all subscriptions, or the one with this id."""
    wanted = action.get("id")
    gone = [one for one in books.subscriptions if wanted in (None, one.values["subscriptionId"])]
    for one in gone:
        books.subscriptions.remove(one.values["subscriptionId"], books.stamp())
    return {"expired": len(gone)}


def _revoke(books: Books, action: Action) -> Result:
    gone = len(books.tokens)
    books.tokens.clear()
    return {"revoked": gone}


def _set(books: Books, action: Action) -> Result:
    loading.set_switches(books, action["switches"])
    return {"switches": dict(books.switches)}


_ACTIONS: dict[str, Callable[[Books, Action], Result]] = {
    "post_by_person": _post,
    "edit_by_person": _edit,
    "delete_by_person": _delete,
    "create_by_person": _create,
    "release": _release,
    "send_for_approval": _send_for_approval,
    "reopen": _reopen,
    "pay": _pay,
    "edit_item": _edit_item,
    "edit_customer": _edit_customer,
    "move_clock": _move_clock,
    "expire_subscriptions": _expire,
    "revoke_tokens": _revoke,
    "set": _set,
}
