"""Reverse a posted invoice by a corrective credit memo (business-central.md §2.26, §4.8)."""

from collections.abc import Sequence

from bcss.businesscentral import odata
from bcss.businesscentral.odata import CHUNK, DECIDING, ENGLISH, Site
from bcss.businesscentral.read import read_credit_memo
from bcss.businesscentral.records import Body, CreditMemo, DocumentSet

SET = "salesCreditMemos"


def find(site: Site, invoice_ids: Sequence[str], *, chunk: int = CHUNK) -> list[CreditMemo]:
    """Find the credit memos, drafts and posted ones, that apply to these posted invoices."""
    wanted = sorted({odata.guid(one) for one in invoice_ids})

    def ask(group: Sequence[str]) -> list[CreditMemo]:
        query = [("$filter", odata.any_guid("invoiceId", group))]
        rows = odata.read_whole(site, f"{site.data}/{SET}", query)
        return [odata.take(read_credit_memo, row) for row in rows]

    answers = odata.in_chunks(wanted, chunk, ask)
    return [one for answer in answers for one in answer if one.invoice_id in wanted]


def get(site: Site, memo_id: str) -> CreditMemo:
    """Read one credit memo; raise RecordMissing."""
    return odata.take(read_credit_memo, odata.read_object(site, _path(site, memo_id), (), DECIDING))


def make(site: Site, invoice_id: str, etag: str) -> None:
    """Let BC draft the credit memo that corrects a posted invoice; then `find` it."""
    headers = {**ENGLISH, **odata.if_match(etag)}
    invoice = f"{site.data}/{DocumentSet.INVOICES}({odata.guid(invoice_id)})"
    site.session.send("POST", f"{invoice}/Microsoft.NAV.makeCorrectiveCreditMemo", headers=headers)


def patch(site: Site, memo_id: str, etag: str, changes: Body) -> CreditMemo:
    """Change header fields of a draft, such as its posting date."""
    headers = {**ENGLISH, **odata.if_match(etag)}
    content = odata.encode(changes)
    reply = site.session.send("PATCH", _path(site, memo_id), headers=headers, body=content)
    return odata.take_written(read_credit_memo, reply)


def post(site: Site, memo_id: str, etag: str) -> None:
    """Post a draft as it was read; an error does not prove that nothing was posted."""
    headers = {**ENGLISH, **odata.if_match(etag)}
    site.session.send("POST", f"{_path(site, memo_id)}/Microsoft.NAV.post", headers=headers)


def _path(site: Site, memo_id: str) -> str:
    return f"{site.data}/{SET}({odata.guid(memo_id)})"
