"""Attach files to documents in two steps (business-central.md §2.23)."""

import re
from typing import Any

from bcss.sandbox.businesscentral.bodies import blank, parse_object, read_properties
from bcss.sandbox.businesscentral.books import Attachment, Books
from bcss.sandbox.businesscentral.cards import ATTACHMENTS
from bcss.sandbox.businesscentral.errors import dialog, not_found
from bcss.sandbox.businesscentral.filters import Filter
from bcss.sandbox.businesscentral.rows import NO_GUID, members, tag

_NEEDS_PARENT = "You must specify a document id and a document type to get the attachments."
_BAD_NAME = re.compile(r'[\\/:*?"<>|\x00-\x1f]')
_PARENTS = {
    "Sales_x0020_Order": "orders",
    "Sales_x0020_Invoice": "invoices",
    "Sales_x0020_Credit_x0020_Memo": "credits",
    "Sales_x0020_Shipment": "shipments",
    "Customer": "customers",
    "Item": "items",
}


def create(books: Books, body: bytes, parent_type: str = "", parent_id: str = "") -> Attachment:
    """Make an attachment without content; posted invoices take one too."""
    values = blank(ATTACHMENTS)
    values.update(parentType=parent_type, parentId=parent_id or NO_GUID)
    values.update(read_properties(parse_object(body), ATTACHMENTS))
    table = _PARENTS.get(values["parentType"])
    if table is None:
        raise dialog(f"Parent type {values['parentType']} is not supported.")
    if getattr(books, table).get(values["parentId"]) is None:
        raise dialog("The parent document does not exist.")
    if not values["fileName"] or _BAD_NAME.search(values["fileName"]):
        values["fileName"] = "filename.txt"
    values.update(id=books.new_id(), lastModifiedDateTime=books.stamp())
    attachment = Attachment(values, books.next())
    books.attachments.put(attachment, books.stamp())
    return attachment


def upload(books: Books, attachment: Attachment, content: bytes) -> None:
    """Store the content, which a second request brings."""
    values = {
        **attachment.values,
        "byteSize": len(content),
        "lastModifiedDateTime": books.stamp(),
    }
    books.attachments.put(Attachment(values, books.next(), content), books.stamp())


def require(books: Books, identity: str) -> Attachment:
    """Return an attachment, or refuse with 404."""
    attachment = books.attachments.get(identity)
    if attachment is None:
        raise not_found()
    return attachment


def require_parent(wanted: Filter | None) -> None:
    """Refuse a list without parentId and parentType."""
    if wanted is None or not {"parentId", "parentType"} <= wanted.fields:
        raise dialog(_NEEDS_PARENT)


def text(attachment: Attachment, base: str) -> str:
    """Render an attachment as JSON members, with the links to its content (§5.6)."""
    values: dict[str, Any] = {}
    link = f"{base}/documentAttachments({attachment.values['id']})/attachmentContent"
    for name, value in attachment.values.items():
        values[name] = value
        if name == "byteSize":
            values["attachmentContent@odata.mediaEditLink"] = link
            values["attachmentContent@odata.mediaReadLink"] = link
    return members(values, tag(attachment.version))
