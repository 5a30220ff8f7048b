"""Put files beside documents, posted ones as well (business-central.md §2.23)."""

from bcss.businesscentral import odata
from bcss.businesscentral.odata import ENGLISH, Site
from bcss.businesscentral.read import read_attachment
from bcss.businesscentral.records import Attachment, DocumentSet
from bcss.errors import RecordChanged, RecordRefused

SET = "documentAttachments"
_TAG_REFUSED = "BadRequest_InvalidToken"


def read(site: Site, entity: DocumentSet, document_id: str) -> list[Attachment]:
    """List the files beside a document; creating is not idempotent, so look here first."""
    parent = odata.guid(document_id)
    kind = odata.text_literal(entity.attachment_parent)
    query = [("$filter", f"parentId eq {parent} and parentType eq {kind}")]
    rows = odata.read_whole(site, f"{site.data}/{SET}", query)
    return [odata.take(read_attachment, row) for row in rows]


def create(site: Site, entity: DocumentSet, document_id: str, file_name: str) -> Attachment:
    """Make the row of a file; its content comes by `upload`."""
    body = {
        "fileName": file_name,
        "parentType": entity.attachment_parent,
        "parentId": odata.guid(document_id),
    }
    content = odata.encode(body)
    path = f"{site.data}/{SET}"
    reply = site.session.send("POST", path, headers=ENGLISH, body=content)
    return odata.take_written(read_attachment, reply)


def upload(
    site: Site, attachment: Attachment, content: bytes, *, just_created: bool = False
) -> None:
    """Send a file's content.

    Only for a row that this attempt has just created may its own tag, when refused, be replaced
    by `*` (design §4.5): nobody else can know of it yet.
    """
    if attachment.etag or not just_created:
        try:
            return _put(site, attachment, content, odata.if_match(attachment.etag)["If-Match"])
        except RecordRefused as refusal:
            tag_refused = isinstance(refusal, RecordChanged) or refusal.code == _TAG_REFUSED
            if not (just_created and tag_refused):
                raise
    return _put(site, attachment, content, "*")


def _put(site: Site, attachment: Attachment, content: bytes, tag: str) -> None:
    headers = {**ENGLISH, "If-Match": tag, "Content-Type": "application/octet-stream"}
    path = f"{site.data}/{SET}({odata.guid(attachment.id)})/attachmentContent"
    site.session.send("PATCH", path, headers=headers, body=content)
