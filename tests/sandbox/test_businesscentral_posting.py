"""Posting, its refusals and what it leaves (business-central.md §3.3, §4.6 to §4.9)."""

from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox.businesscentral_rig import COMMENT_LINE, FREIGHT_LINE, ITEM_LINE, SERVICES, Rig

DRAFT_ONLY = "The action can be applied to a draft invoice only."


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.clock.freeze()
    return rig


def _switch(rig: Rig, **switches: Any) -> None:
    rig.app.run({"action": "set", "switches": switches})


def _track(rig: Rig, identity: str) -> None:
    body = {
        "shippingAgentCode": "UPS",
        "shippingAgentServiceCode": "GROUND",
        "packageTrackingNumber": "1Z999",
    }
    assert rig.patch(f"{SERVICES}/workflowSalesDocuments({identity})", body).status == 200


def test_posting_keeps_the_id_and_changes_the_number(rig: Rig) -> None:
    draft = rig.invoice()
    answer = rig.action("salesInvoices", draft["id"], "post", if_match=draft["@odata.etag"])
    assert (answer.status, answer.body) == (204, "")
    posted = rig.get(f"salesInvoices({draft['id']})", "$expand=salesInvoiceLines").body
    assert posted["number"].startswith("PS-INV")
    assert (posted["status"], posted["externalDocumentNumber"]) == ("Open", "REF-1")
    assert posted["totalAmountIncludingTax"] == draft["totalAmountIncludingTax"]
    assert len(posted["salesInvoiceLines"]) == 3
    assert posted["@odata.etag"] != draft["@odata.etag"]


def test_a_second_post_is_refused(rig: Rig) -> None:
    draft = rig.invoice()
    rig.action("salesInvoices", draft["id"], "Post")
    again = rig.action("salesInvoices", draft["id"], "post")
    assert (again.status, again.code) == (400, "Application_DialogException")
    assert again.message.startswith(DRAFT_ONLY + "  CorrelationId:  ")


def test_a_stale_tag_stops_a_post(rig: Rig) -> None:
    draft = rig.invoice()
    rig.patch(f"salesInvoices({draft['id']})", {"email": "a@example.test"})
    answer = rig.action("salesInvoices", draft["id"], "post", if_match=draft["@odata.etag"])
    assert answer.status == 409
    assert rig.get(f"salesInvoices({draft['id']})").body["status"] == "Draft"


def test_posted_documents_cannot_be_changed(rig: Rig) -> None:
    draft = rig.invoice()
    rig.action("salesInvoices", draft["id"], "post")
    path = f"salesInvoices({draft['id']})"
    refused = rig.patch(path, {"shipToName": "Other"})
    assert "has been posted and can no longer be modified" in refused.message
    assert rig.patch(path, {"dueDate": "2027-01-01"}).status == 200
    line = f"{path}/salesInvoiceLines({draft['salesInvoiceLines'][0]['id']})"
    assert rig.patch(line, {"quantity": 9}).status == 400
    assert rig.call("DELETE", line).status == 400
    assert rig.post(f"{path}/salesInvoiceLines", FREIGHT_LINE).status == 400
    assert rig.call("DELETE", path).status == 400


def test_tracking_travels_to_the_posted_documents(rig: Rig) -> None:
    draft = rig.invoice()
    _track(rig, draft["id"])
    rig.action("salesInvoices", draft["id"], "post")
    assert rig.get(f"{SERVICES}/workflowSalesDocuments({draft['id']})").status == 404
    state = rig.app.state()
    for document in (state["salesInvoices"][0], state["salesShipments"][0]):
        assert (document["agent"], document["service"], document["trackingNumber"]) == (
            "UPS",
            "GROUND",
            "1Z999",
        )
    shipped = rig.rows("salesShipments", "$expand=salesShipmentLines")[0]
    assert shipped["externalDocumentNumber"] == "REF-1"
    assert [line["lineType"] for line in shipped["salesShipmentLines"]] == [
        "Item",
        "G_x002F_L_x0020_Account",
        "_x0020_",
    ]
    assert "packageTrackingNumber" not in shipped


@pytest.mark.parametrize(
    ("lines", "fields", "switches", "text"),
    [
        ([], {}, {}, "Please add at least one line item to the invoice."),
        ([COMMENT_LINE], {}, {}, "There is nothing to post because"),
        ([ITEM_LINE], {"postingDate": "0001-01-01"}, {}, "Posting Date must have a value in"),
        ([ITEM_LINE], {}, {"allow_posting_from": "2026-12-08"}, "range of allowed posting dates"),
        ([ITEM_LINE], {}, {"allow_posting_to": "2026-12-06"}, "range of allowed posting dates"),
        ([ITEM_LINE], {}, {"location_mandatory": True}, "Location Code must have a value in"),
        (
            [ITEM_LINE],
            {"externalDocumentNumber": ""},
            {"external_document_mandatory": True},
            "External Document No. must have a value in Sales Header: Document Type=Invoice",
        ),
        ([{**FREIGHT_LINE, "quantity": -1}], {}, {}, "must be 0 or greater"),
    ],
)
def test_what_posting_refuses(
    rig: Rig, lines: Any, fields: dict[str, Any], switches: dict[str, Any], text: str
) -> None:
    _switch(rig, **switches)
    draft = rig.invoice(lines=lines, **fields)
    answer = rig.action("salesInvoices", draft["id"], "post")
    assert (answer.status, answer.code) == (400, "Application_DialogException")
    assert text in answer.message
    assert rig.get(f"salesInvoices({draft['id']})").body["number"] == draft["number"]
    assert rig.rows("salesShipments") == []


def test_a_customer_blocked_after_the_draft_stops_the_post(rig: Rig) -> None:
    draft = rig.invoice()
    rig.app.run({"action": "edit_customer", "number": "WEB", "changes": {"blocked": "All"}})
    answer = rig.action("salesInvoices", draft["id"], "post")
    assert "You cannot post this type of document when Customer WEB" in answer.message


def test_a_number_reserved_by_a_failed_post_is_kept(rig: Rig) -> None:
    rule = {"match": "^REF-1$", "text": "You must assign a lot number for item X.", "times": 1}
    _switch(rig, fail_post=[rule])
    draft = rig.invoice()
    assert "lot number" in rig.action("salesInvoices", draft["id"], "post").message
    held = rig.get(f"{SERVICES}/workflowSalesDocuments({draft['id']})").body
    assert held["postingNumber"] == "PS-INV103001"
    other = rig.invoice("REF-2")
    rig.action("salesInvoices", other["id"], "post")
    assert rig.get(f"salesInvoices({other['id']})").body["number"] == "PS-INV103002"
    assert rig.action("salesInvoices", draft["id"], "post").status == 204
    assert rig.get(f"salesInvoices({draft['id']})").body["number"] == "PS-INV103001"


def test_invoice_rounding_changes_the_posted_total(rig: Rig) -> None:
    _switch(rig, invoice_rounding="1.00")
    draft = rig.invoice()
    rig.action("salesInvoices", draft["id"], "post")
    posted = rig.get(f"salesInvoices({draft['id']})", "$expand=salesInvoiceLines").body
    assert draft["totalAmountIncludingTax"] == Decimal("29.7")
    assert posted["totalAmountIncludingTax"] == 30
    assert posted["salesInvoiceLines"][-1]["description"] == "Invoice Rounding"


def test_a_released_draft_looks_posted_but_is_not(rig: Rig) -> None:
    draft = rig.invoice()
    rig.app.run({"action": "release", "reference": "REF-1"})
    row = rig.get(f"salesInvoices({draft['id']})").body
    assert (row["status"], row["number"]) == ("Open", draft["number"])
    assert rig.rows(f"{SERVICES}/workflowSalesDocuments")[0]["status"] == "Released"


def test_a_released_draft_keeps_its_lines_but_can_be_posted(rig: Rig) -> None:
    draft = rig.invoice()
    rig.app.run({"action": "release", "reference": "REF-1"})
    refused = rig.post(f"salesInvoices({draft['id']})/salesInvoiceLines", FREIGHT_LINE)
    assert "Status must be equal to 'Open'" in refused.message
    assert rig.action("salesInvoices", draft["id"], "post").status == 204


def test_a_draft_under_approval_cannot_be_posted(rig: Rig) -> None:
    draft = rig.invoice()
    rig.app.run({"action": "send_for_approval", "reference": "REF-1"})
    assert rig.get(f"salesInvoices({draft['id']})").body["status"] == "In_x0020_Review"
    refused = rig.action("salesInvoices", draft["id"], "post")
    assert "must be approved and released" in refused.message
    rig.app.run({"action": "reopen", "reference": "REF-1"})
    assert rig.action("salesInvoices", draft["id"], "post").status == 204


def test_items_look_changed_after_posting_where_the_switch_says_so(rig: Rig) -> None:
    def stamp() -> Any:
        return rig.rows("items", "$filter=number eq 'ITEM-24'")[0]["lastModifiedDateTime"]

    before = stamp()
    rig.clock.advance(60)
    rig.action("salesInvoices", rig.invoice()["id"], "post")
    assert stamp() == before
    _switch(rig, items_touched_by_posting=True)
    rig.action("salesInvoices", rig.invoice()["id"], "post")
    assert stamp() > before


def test_a_complete_order_disappears_and_leaves_shipment_and_invoice(rig: Rig) -> None:
    order = rig.order()
    _track(rig, order["id"])
    answer = rig.action("salesOrders", order["id"], "shipAndInvoice")
    assert (answer.status, answer.body) == (204, "")
    assert rig.get(f"salesOrders({order['id']})").status == 404
    invoice = rig.rows("salesInvoices", f"$filter=orderId eq {order['id']}")[0]
    assert invoice["id"] != order["id"]
    assert (invoice["orderNumber"], invoice["externalDocumentNumber"], invoice["status"]) == (
        order["number"],
        "REF-1",
        "Open",
    )
    assert invoice["totalAmountIncludingTax"] == order["totalAmountIncludingTax"]
    shipment = rig.rows("salesShipments", f"$filter=orderNumber eq '{order['number']}'")[0]
    assert shipment["number"].startswith("S-SHPT")
    assert rig.app.state()["salesShipments"][0]["trackingNumber"] == "1Z999"


def test_a_partly_shipped_order_stays_with_its_rest(rig: Rig) -> None:
    order = rig.order(lines=[ITEM_LINE, FREIGHT_LINE])
    first, freight = order["salesOrderLines"]
    path = f"salesOrders({order['id']})"
    rig.patch(f"{path}/salesOrderLines({first['id']})", {"shipQuantity": 1})
    rig.patch(f"{path}/salesOrderLines({freight['id']})", {"shipQuantity": 0})
    assert rig.action("salesOrders", order["id"], "shipAndInvoice").status == 204
    line = rig.rows(f"{path}/salesOrderLines")[0]
    assert (line["shippedQuantity"], line["invoicedQuantity"], line["shipQuantity"]) == (1, 1, 1)
    assert rig.call("DELETE", path).status == 400
    assert rig.action("salesOrders", order["id"], "shipAndInvoice").status == 204
    assert rig.get(path).status == 404
    invoices = rig.rows("salesInvoices", "$filter=externalDocumentNumber eq 'REF-1'")
    assert [one["totalAmountIncludingTax"] for one in invoices] == [
        Decimal("12.35"),
        Decimal("17.35"),
    ]


def test_a_discount_line_of_negative_quantity_ships_with_its_order(rig: Rig) -> None:
    discount = {**FREIGHT_LINE, "lineObjectNumber": "40600", "quantity": -1, "unitPrice": 3}
    order = rig.order(lines=[ITEM_LINE, discount])
    assert order["totalAmountIncludingTax"] == Decimal("21.7")
    assert rig.action("salesOrders", order["id"], "shipAndInvoice").status == 204
    assert rig.get(f"salesOrders({order['id']})").status == 404


def test_an_order_without_lines_has_its_own_text(rig: Rig) -> None:
    order = rig.order(lines=[])
    answer = rig.action("salesOrders", order["id"], "shipAndInvoice")
    assert "line item to the estimate." in answer.message


def test_a_corrective_credit_memo_is_a_draft_that_applies_to_the_invoice(rig: Rig) -> None:
    draft = rig.invoice()
    refused = rig.action("salesInvoices", draft["id"], "makeCorrectiveCreditMemo")
    assert "posted invoice only" in refused.message
    rig.action("salesInvoices", draft["id"], "post")
    assert rig.action("salesInvoices", draft["id"], "makeCorrectiveCreditMemo").status == 204
    memo = rig.rows("salesCreditMemos", f"$filter=invoiceId eq {draft['id']}")[0]
    assert (memo["status"], memo["totalAmountIncludingTax"]) == ("Draft", Decimal("29.7"))
    moved = rig.patch(f"salesCreditMemos({memo['id']})", {"postingDate": "2026-12-08"})
    assert moved.status == 200
    assert rig.action("salesCreditMemos", memo["id"], "post").status == 204
    posted = rig.get(f"salesCreditMemos({memo['id']})").body
    assert posted["number"].startswith("PS-CR")
    assert rig.get(f"salesInvoices({draft['id']})").body["status"] == "Canceled"


def test_cancel_credits_at_once(rig: Rig) -> None:
    draft = rig.invoice()
    rig.action("salesInvoices", draft["id"], "post")
    assert rig.action("salesInvoices", draft["id"], "cancel").status == 204
    assert rig.get(f"salesInvoices({draft['id']})").body["status"] == "Canceled"
    again = rig.action("salesInvoices", draft["id"], "cancel")
    assert "already been canceled" in again.message


def test_attachments_follow_to_the_posted_invoice(rig: Rig) -> None:
    order = rig.order()
    made = rig.post(
        "documentAttachments",
        {
            "fileName": "tracking-1.txt",
            "parentType": "Sales_x0020_Order",
            "parentId": order["id"],
        },
    )
    assert made.status == 201
    content = f"documentAttachments({made.body['id']})/attachmentContent"
    assert rig.patch(content, "1Z999").status == 204
    rig.action("salesOrders", order["id"], "shipAndInvoice")
    invoice = rig.rows("salesInvoices")[0]
    query = f"$filter=parentId eq {invoice['id']} and parentType eq 'Sales_x0020_Invoice'"
    found = rig.rows("documentAttachments", query)
    assert [(one["fileName"], one["byteSize"]) for one in found] == [("tracking-1.txt", 7)]
    assert "document id and a document type" in rig.get("documentAttachments").message


def test_people_can_do_what_people_do(rig: Rig) -> None:
    made = rig.app.run(
        {
            "action": "create_by_person",
            "body": {"customerNumber": "WEB", "externalDocumentNumber": "BY-HAND"},
        }
    )
    rig.app.run({"action": "edit_by_person", **made, "line": -1, "changes": ITEM_LINE})
    rig.app.run(
        {
            "action": "edit_by_person",
            "reference": "BY-HAND",
            "changes": {"postingDate": "2026-12-07"},
        }
    )
    posted = rig.app.run({"action": "post_by_person", "reference": "BY-HAND"})
    assert posted["number"].startswith("PS-INV")
    draft = rig.invoice("GONE")
    rig.app.run({"action": "delete_by_person", "reference": "GONE"})
    assert rig.get(f"salesInvoices({draft['id']})").status == 404
