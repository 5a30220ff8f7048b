"""Creating and changing drafts (business-central.md §2.6 to §2.9, §4.2 to §4.5)."""

from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox.businesscentral_rig import FREIGHT_LINE, ITEM_LINE, Rig

NO_GUID = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_deep_insert_makes_a_draft_with_lines_and_totals(rig: Rig) -> None:
    draft = rig.invoice("ref-1 ", customerPurchaseOrderReference="100234")
    assert draft["number"].startswith("S-INV")
    assert (draft["externalDocumentNumber"], draft["status"]) == ("REF-1", "Draft")
    assert draft["totalAmountIncludingTax"] == Decimal("29.7")
    item, freight, comment = draft["salesInvoiceLines"]
    assert [item["sequence"], freight["sequence"], comment["sequence"]] == [10000, 20000, 30000]
    assert (item["description"], item["unitOfMeasureCode"]) == ("Gift box of 24", "PCS")
    assert (comment["itemId"], comment["quantity"]) == (NO_GUID, 0)


def test_lines_come_only_when_expanded(rig: Rig) -> None:
    body = {"customerNumber": "WEB", "salesInvoiceLines": [ITEM_LINE]}
    answer = rig.post("salesInvoices", body)
    assert "salesInvoiceLines" not in answer.body
    identity = answer.body["id"]
    assert "salesInvoiceLines" not in rig.get(f"salesInvoices({identity})").body
    shown = rig.get(f"salesInvoices({identity})", "$expand=salesInvoiceLines").body
    assert len(shown["salesInvoiceLines"]) == 1
    assert rig.rows(f"salesInvoices({identity})/salesInvoiceLines") == shown["salesInvoiceLines"]


def test_a_bad_line_leaves_nothing_behind(rig: Rig) -> None:
    bad = {**ITEM_LINE, "lineObjectNumber": "GONE"}
    body = {"customerNumber": "WEB", "salesInvoiceLines": [ITEM_LINE, bad]}
    answer = rig.post("salesInvoices", body)
    assert answer.status == 400
    assert "Item does not exist" in answer.message
    assert rig.rows("salesInvoices") == []
    assert rig.invoice()["number"] == "S-INV102001"


def test_the_same_reference_may_stand_twice(rig: Rig) -> None:
    assert rig.invoice("SAME")["id"] != rig.invoice("SAME")["id"]
    assert len(rig.rows("salesInvoices", "$filter=externalDocumentNumber eq 'same'")) == 2


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"nonsense": 1}, "BadRequest", "The property 'nonsense' does not exist"),
        ({"number": "X"}, "BadRequest_InvalidOperation", "Control 'number' is read-only"),
        ({"id": NO_GUID}, "BadRequest_InvalidOperation", "read-only"),
        ({"pricesIncludeTax": True}, "BadRequest_InvalidOperation", "read-only"),
        ({"shipToName": "x" * 101}, "Application_StringExceededLength", "is 101, but it must be"),
        ({"externalDocumentNumber": 5}, "BadRequest", "Unable to convert value '5'"),
        ({"postingDate": "2026-13-01"}, "BadRequest", "Unable to convert"),
        ({"customerNumber": "NOBODY"}, "Application_DialogException", "customer cannot be found"),
        ({"currencyCode": "XXX"}, "Internal_InvalidTableRelation", "Currency Code"),
        ({"shipToCountry": "ZZ"}, "Internal_InvalidTableRelation", "(ZZ)"),
        ({"phoneNumber": "12 ext 3"}, "Application_DialogException", "cannot enter letters"),
        ({"discountAmount": 1}, "Application_DialogException", "Cannot apply an invoice discount"),
    ],
)
def test_a_bad_header_is_refused_in_bcs_words(
    rig: Rig, fields: dict[str, Any], code: str, text: str
) -> None:
    body = {"customerNumber": "WEB", **fields, "salesInvoiceLines": [ITEM_LINE]}
    answer = rig.post("salesInvoices", body)
    assert (answer.status, answer.code) == (400, code)
    assert text in answer.message
    assert rig.rows("salesInvoices") == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sequence": 10000}, "SystemId"),
        ({"lineObjectNumber": "40000", "lineType": "Account"}, "'Posting' in G/L Account"),
        ({"lineObjectNumber": "22990", "lineType": "Account"}, "Direct Posting"),
        ({"lineObjectNumber": "99999", "lineType": "Account"}, "G/L Account does not exist"),
        ({"unitOfMeasureCode": "BOX"}, "Item Unit of Measure"),
        ({"itemId": "ITEM-24"}, "Invalid Request Body"),
        ({"taxCode": "OTHER"}, "Tax Group"),
        ({"locationId": "5de545bc-f6f9-ef11-9344-6045bdc8c234"}, "locationId"),
        ({"discountPercent": 101}, "between 0 and 100"),
        ({"lineType": "Nonsense"}, "is not an option"),
    ],
)
def test_a_bad_line_is_refused_in_bcs_words(rig: Rig, changes: dict[str, Any], text: str) -> None:
    line = {"lineType": "Item", "lineObjectNumber": "ITEM-24", **changes}
    if "lineType" in changes:
        line = {"lineType": changes["lineType"], **line}
    answer = rig.post("salesInvoices", {"customerNumber": "WEB", "salesInvoiceLines": [line]})
    assert answer.status == 400
    assert text in answer.message


def test_blocked_customers_and_items_are_refused(rig: Rig) -> None:
    rig.app.run({"action": "edit_customer", "number": "AMZN", "changes": {"blocked": "All"}})
    rig.app.run({"action": "edit_item", "number": "RIBBON", "changes": {"blocked": True}})
    answer = rig.post("salesInvoices", {"customerNumber": "AMZN"})
    assert "when Customer AMZN is blocked with type All" in answer.message
    line = {"lineType": "Item", "lineObjectNumber": "RIBBON"}
    answer = rig.post("salesInvoices", {"customerNumber": "WEB", "salesInvoiceLines": [line]})
    assert "Blocked must be equal to 'No' in Item: No.=RIBBON" in answer.message
    assert answer.code == "Application_FieldValidationException"


def test_the_local_currency_is_stored_blank_and_shown_by_its_code(rig: Rig) -> None:
    assert rig.invoice(currencyCode="usd")["currencyId"] == NO_GUID
    euro = rig.invoice(currencyCode="EUR")
    assert (euro["currencyCode"], euro["currencyId"] == NO_GUID) == ("EUR", False)
    cleared = rig.patch(f"salesInvoices({euro['id']})", {"currencyId": NO_GUID}).body
    assert (cleared["currencyCode"], cleared["currencyId"]) == ("USD", NO_GUID)


def test_a_price_that_stands_before_item_or_quantity_is_lost(rig: Rig) -> None:
    lost = {"lineType": "Item", "unitPrice": 1, "lineObjectNumber": "ITEM-24", "quantity": 1}
    draft = rig.invoice(lines=[lost])
    assert draft["salesInvoiceLines"][0]["unitPrice"] == 24
    rig.app.run({"action": "set", "switches": {"property_order": "metadata"}})
    draft = rig.invoice(lines=[lost])
    assert draft["salesInvoiceLines"][0]["unitPrice"] == 1


def test_a_tax_code_of_no_percent_makes_no_tax_and_reads_back_differently(rig: Rig) -> None:
    free = rig.invoice(lines=[ITEM_LINE])["salesInvoiceLines"][0]
    assert (free["taxCode"], free["taxPercent"], free["totalTaxAmount"]) == ("NO TAX", 0, 0)
    plain = {name: value for name, value in ITEM_LINE.items() if name != "taxCode"}
    taxed = rig.invoice(lines=[plain])
    assert taxed["salesInvoiceLines"][0]["taxPercent"] == 6
    assert taxed["totalTaxAmount"] == Decimal("1.48")
    assert taxed["totalAmountIncludingTax"] == Decimal("26.18")
    untaxed = rig.invoice(lines=[plain], customerNumber="AMZN")
    assert untaxed["totalTaxAmount"] == 0


def test_gross_prices_come_from_the_customer(rig: Rig) -> None:
    changes = {"prices_include_tax": True, "tax_percent": 6}
    rig.app.run({"action": "edit_customer", "number": "10000", "changes": changes})
    line = {"lineType": "Item", "lineObjectNumber": "ITEM-24", "quantity": 1, "unitPrice": 10.6}
    draft = rig.invoice(lines=[line], customerNumber="10000")
    assert draft["pricesIncludeTax"] is True
    assert draft["totalAmountExcludingTax"] == 10
    assert draft["totalAmountIncludingTax"] == Decimal("10.6")


def test_line_discounts_round_half_up(rig: Rig) -> None:
    line = {**ITEM_LINE, "quantity": 1, "unitPrice": 10.01, "discountPercent": 50}
    draft = rig.invoice(lines=[line])
    assert draft["salesInvoiceLines"][0]["discountAmount"] == Decimal("5.01")
    assert draft["totalAmountExcludingTax"] == 5


def test_an_invoice_discount_is_spread_once_there_are_lines(rig: Rig) -> None:
    draft = rig.invoice()
    answer = rig.patch(f"salesInvoices({draft['id']})", {"discountAmount": 2.7})
    assert answer.body["totalAmountIncludingTax"] == 27
    shown = rig.rows(f"salesInvoices({draft['id']})/salesInvoiceLines")
    assert sum(line["invoiceDiscountAllocation"] for line in shown) == Decimal("2.7")


def test_variants_belong_to_their_item(rig: Rig) -> None:
    red = rig.rows("itemVariants", "$filter=itemNumber eq 'TEE' and code eq 'red'")[0]
    good = {
        "lineType": "Item",
        "lineObjectNumber": "TEE",
        "itemVariantId": red["id"],
        "quantity": 1,
    }
    draft = rig.invoice(lines=[good])
    assert draft["salesInvoiceLines"][0]["description"] == "T-shirt, red"
    bad = {**good, "lineObjectNumber": "RIBBON"}
    answer = rig.post("salesInvoices", {"customerNumber": "WEB", "salesInvoiceLines": [bad]})
    assert answer.status == 400


def test_a_blank_posting_date_stays_blank(rig: Rig) -> None:
    body = {"customerNumber": "WEB", "salesInvoiceLines": [ITEM_LINE]}
    assert rig.post("salesInvoices", body).body["postingDate"] == "0001-01-01"


def test_a_patch_needs_a_tag_and_the_right_one(rig: Rig) -> None:
    draft = rig.invoice()
    path = f"salesInvoices({draft['id']})"
    for tag in ("", "nonsense"):
        answer = rig.patch(path, {"email": "a@example.test"}, tag)
        assert (answer.status, answer.code) == (400, "BadRequest_InvalidToken")
    first = rig.patch(path, {"email": "a@example.test"}, draft["@odata.etag"])
    assert (first.status, first.body["email"]) == (200, "a@example.test")
    assert first.body["@odata.etag"] != draft["@odata.etag"]
    stale = rig.patch(path, {"email": "b@example.test"}, draft["@odata.etag"])
    assert (stale.status, stale.code) == (409, "Request_EntityChanged")
    assert rig.get(path).body["email"] == "a@example.test"


def test_reading_and_an_idle_patch_leave_the_tag(rig: Rig) -> None:
    draft = rig.invoice()
    path = f"salesInvoices({draft['id']})"
    assert rig.get(path).body["@odata.etag"] == draft["@odata.etag"]
    again = rig.patch(path, {"externalDocumentNumber": "REF-1"}).body
    assert again["@odata.etag"] == draft["@odata.etag"]
    assert again["lastModifiedDateTime"] == draft["lastModifiedDateTime"]


def test_a_delete_looks_at_the_tag_only_when_sent(rig: Rig) -> None:
    draft = rig.invoice()
    path = f"salesInvoices({draft['id']})"
    rig.patch(path, {"email": "a@example.test"})
    assert rig.call("DELETE", path, if_match=draft["@odata.etag"]).status == 409
    assert rig.call("DELETE", path).status == 204
    assert rig.get(path).status == 404
    assert rig.call("DELETE", path).status == 404


def test_lines_can_be_added_changed_and_removed(rig: Rig) -> None:
    draft = rig.invoice(lines=[ITEM_LINE])
    path = f"salesInvoices({draft['id']})"
    added = rig.post(f"{path}/salesInvoiceLines", FREIGHT_LINE)
    assert (added.status, added.body["sequence"]) == (201, 20000)
    assert rig.get(path).body["totalAmountIncludingTax"] == Decimal("29.7")
    line = f"salesInvoiceLines({added.body['id']})"
    assert rig.patch(f"{path}/{line}", {"sequence": 5}).status == 400
    assert rig.patch(f"{path}/{line}", {"lineObjectNumber": "40600"}).status == 400
    changed = rig.patch(line, {"unitPrice": 6})
    assert changed.body["amountExcludingTax"] == 6
    assert rig.get(path).body["totalAmountIncludingTax"] == Decimal("30.7")
    assert rig.call("DELETE", f"{path}/{line}").status == 204
    assert rig.get(path).body["totalAmountIncludingTax"] == Decimal("24.7")


def test_the_flat_url_of_lines_needs_a_document(rig: Rig) -> None:
    draft = rig.order()
    answer = rig.get("salesOrderLines")
    assert "You must specify an Id or a Document Id" in answer.message
    found = rig.rows("salesOrderLines", f"$filter=documentId eq {draft['id']}")
    assert [line["id"] for line in found] == [line["id"] for line in draft["salesOrderLines"]]


def test_orders_take_prices_with_tax_only_in_a_vat_company(rig: Rig) -> None:
    draft = rig.order()
    answer = rig.patch(f"salesOrders({draft['id']})", {"pricesIncludeTax": True})
    assert "VAT Calculation Type is Sales Tax" in answer.message
    rig.app.run({"action": "set", "switches": {"vat": True}})
    assert rig.patch(f"salesOrders({draft['id']})", {"pricesIncludeTax": True}).status == 200


def test_a_customer_is_created_once(rig: Rig) -> None:
    answer = rig.post("customers", {"number": "c-1", "displayName": "Example Buyer"})
    assert (answer.status, answer.body["number"]) == (201, "C-1")
    again = rig.post("customers", {"number": "C-1", "displayName": "Example Buyer"})
    assert (again.status, again.code) == (400, "Internal_EntityWithSameKeyExists")
    assert "displayName" in rig.post("customers", {"number": "C-2"}).message
    assert rig.invoice(customerNumber="C-1")["customerName"] == "Example Buyer"
