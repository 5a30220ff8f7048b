"""Read and write the tracking fields of drafts (business-central.md §3.4, route A).

The page service `workflowSalesDocuments` shows drafts only, under the same id as API v2.0, and
its version tags are its own: those of `salesInvoices` belong to another row.
"""

from collections.abc import Sequence

from bcss.businesscentral import odata
from bcss.businesscentral.odata import CHUNK, ENGLISH, Site
from bcss.businesscentral.read import read_tracking_row
from bcss.businesscentral.records import Body, TrackingRow
from bcss.errors import RecordMissing, RecordRefused

SERVICE = "workflowSalesDocuments"
_FIELDS = "id,shippingAgentCode,shippingAgentServiceCode,packageTrackingNumber"


def has_service(site: Site) -> bool:
    """Probe whether the company publishes the service with the fields that we need.

    An unknown service or field is a `BadRequest…` of some status (§4.10). Raise StopVendor where
    the permission is missing: that is for a person to decide, not to fall back from.
    """
    query = [("$top", "1"), ("$select", _FIELDS)]
    try:
        site.session.get(f"{site.services}/{SERVICE}", query=query, headers=ENGLISH)
    except RecordMissing:
        return False
    except RecordRefused as refusal:
        if refusal.code.startswith("BadRequest"):
            return False
        raise
    return True


def read(
    site: Site, ids: Sequence[str], *, control: str | None = None, chunk: int = CHUNK
) -> dict[str, TrackingRow]:
    """Read the rows of these drafts by id; a posted or deleted one is not there.

    `control` is a draft known to exist: it is asked for in each chunk, and stands in the result
    only when every answer had it. Without it a missing row may be a hidden one (design §4.5).
    """
    wanted = list(dict.fromkeys(odata.guid(one) for one in ids))
    extra = None if control is None else odata.guid(control)
    answers = list(odata.in_chunks(wanted, chunk, lambda group: _ask(site, group, extra)))
    found = {one: row for answer in answers for one, row in answer.items()}
    if extra is not None and not all(extra in answer for answer in answers):
        found.pop(extra, None)
    return found


def _ask(site: Site, group: Sequence[str], control: str | None) -> dict[str, TrackingRow]:
    terms = list(dict.fromkeys([*group, *([control] if control else [])]))
    query = [("$filter", odata.any_guid("id", terms)), ("$select", _FIELDS)]
    rows = odata.read_whole(site, f"{site.services}/{SERVICE}", query)
    found = (odata.take(read_tracking_row, row) for row in rows)
    return {row.id: row for row in found if row.id in terms}


def write(
    site: Site,
    document_id: str,
    etag: str,
    *,
    agent: str,
    service: str,
    number: str,
    number_only: bool = False,
) -> TrackingRow:
    """Write the fields onto a draft; the answer is the proof of what BC has stored.

    The order of the members matters: the agent's validation clears the service. Raise
    RecordRefused where agent or service is unknown or the draft is released, RecordChanged,
    RecordMissing.
    """
    body: Body = {}
    if not number_only:
        body = {"shippingAgentCode": agent, "shippingAgentServiceCode": service}
    body["packageTrackingNumber"] = number
    headers = {**ENGLISH, **odata.if_match(etag)}
    path = f"{site.services}/{SERVICE}({odata.guid(document_id)})"
    reply = site.session.send("PATCH", path, headers=headers, body=odata.encode(body))
    return odata.take_written(read_tracking_row, reply)
