"""Filters, paging and the page services (business-central.md §3.4, §5)."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.sandbox.businesscentral_rig import ITEM_LINE, SERVICES, TENANT, Rig

TRACKING = f"{SERVICES}/workflowSalesDocuments"


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.clock.freeze()
    return rig


def _filter(text: str) -> str:
    return "$filter=" + quote(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("number eq 'tee'", ["TEE"]),
        ("number eq 'TEE' or number eq '1896-S'", ["TEE", "1896-S"]),
        ("number ne 'TEE' and unitPrice gt 20", ["ITEM-24", "1896-S"]),
        ("unitPrice ge 19.99 and unitPrice lt 24", ["TEE"]),
        ("unitPrice le 0", ["FREIGHT"]),
        ("startswith(number, 'item')", ["ITEM-24"]),
        ("contains(displayName, 'ibbo') or endswith(displayName, 'esk')", ["RIBBON", "1896-S"]),
        ("not (blocked eq false)", []),
        ("type eq 'Service'", ["FREIGHT"]),
        ("(number eq 'TEE' or number eq 'RIBBON') and unitPrice lt 10", ["RIBBON"]),
        ("lastModifiedDateTime gt 2999-01-01T00:00:00Z", []),
        ("lastModifiedDateTime ge 2000-01-01T00:00:00.123Z and number eq 'TEE'", ["TEE"]),
        ("displayName eq 'O''Brien or not'", []),
    ],
)
def test_filters(rig: Rig, text: str, expected: list[str]) -> None:
    assert [row["number"] for row in rig.rows("items", _filter(text))] == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("number eq 'A' or displayName eq 'B'", "'OR' operator is not supported on distinct"),
        ("inventory gt 0", "calculated"),
        ("nonsense eq 1", "Could not find a property named 'nonsense'"),
        ("number eq 5", "incompatible types"),
        ("number eq 'open", "Error in query syntax"),
        ("number eq 'A' and", "Error in query syntax"),
        ("number like 'A'", "Error in query syntax"),
        ("length(number) eq 3", "not supported"),
        ("lastModifiedDateTime gt '2026-01-01'", "incompatible types"),
        ("(" * 200, "Error in query syntax"),
    ],
)
def test_filters_that_are_refused(rig: Rig, text: str, message: str) -> None:
    answer = rig.get("items", _filter(text))
    assert (answer.status, answer.code) == (400, "BadRequest")
    assert message in answer.message


@pytest.mark.parametrize(
    "query", ["$search=x", "filter=x", "$top=-1", "$select=nothing", "$expand=x"]
)
def test_options_that_are_refused(rig: Rig, query: str) -> None:
    assert rig.get("items", query).status == 400


def test_options_choose_order_and_count(rig: Rig) -> None:
    answer = rig.get("items", "$orderby=unitPrice desc&$top=2&$select=number&$count=true")
    assert [row["number"] for row in answer.body["value"]] == ["1896-S", "ITEM-24"]
    assert set(answer.body["value"][0]) == {"@odata.etag", "number"}
    assert answer.body["@odata.count"] == 5
    assert rig.get("items/$count").body == "5"
    assert [row["number"] for row in rig.rows("items", "$skip=4")] == ["FREIGHT"]


def _pages(rig: Rig, query: str, size: int) -> list[list[str]]:
    """Follow nextLinks verbatim and return the numbers page by page."""
    pages = []
    path = "items"
    while True:
        body = rig.get(path, query, prefer=f"odata.maxpagesize={size}").body
        pages.append([row["number"] for row in body["value"]])
        link = body.get("@odata.nextLink")
        if link is None:
            return pages
        assert "aid=FIN&$skiptoken=" in link
        path, _, query = link.removeprefix("http://bc.test").partition("?")


def test_pages_end_with_an_empty_one_when_the_rows_are_a_multiple(rig: Rig) -> None:
    assert [len(page) for page in _pages(rig, "", 2)] == [2, 2, 1]
    assert [len(page) for page in _pages(rig, "", 5)] == [5, 0]
    assert [len(page) for page in _pages(rig, "$top=4", 3)] == [3, 1]
    filtered = _pages(rig, _filter("unitPrice gt 2.4") + "&$select=number", 3)
    assert filtered == [["ITEM-24", "TEE", "RIBBON"], ["1896-S"]]
    rig.app.run({"action": "set", "switches": {"next_links": "always"}})
    assert [len(page) for page in _pages(rig, "", 3)] == [3, 2, 0]


def test_a_page_goes_on_after_a_row_that_is_gone(rig: Rig) -> None:
    for number in range(4):
        rig.invoice(f"REF-{number}")
    first = rig.get("salesInvoices", prefer="odata.maxpagesize=2").body
    rig.call("DELETE", f"salesInvoices({first['value'][1]['id']})")
    path, _, query = first["@odata.nextLink"].removeprefix("http://bc.test").partition("?")
    rest = rig.rows(path, query, prefer="odata.maxpagesize=2")
    assert [row["externalDocumentNumber"] for row in rest] == ["REF-2", "REF-3"]


def test_a_look_up_of_forty_references_returns_each_documents_own_lines(rig: Rig) -> None:
    for number in range(60):
        rig.invoice(f"R-{number}", lines=[{**ITEM_LINE, "quantity": number + 1}])
    wanted = " or ".join(f"externalDocumentNumber eq 'R-{number}'" for number in range(40))
    rows = rig.rows("salesInvoices", _filter(wanted) + "&$expand=salesInvoiceLines($top=5)")
    assert [row["externalDocumentNumber"] for row in rows] == [f"R-{n}" for n in range(40)]
    assert all(
        line["quantity"] == place + 1
        for place, row in enumerate(rows)
        for line in row["salesInvoiceLines"]
    )


def test_the_index_follows_a_changed_reference(rig: Rig) -> None:
    draft = rig.invoice("OLD")
    rig.patch(f"salesInvoices({draft['id']})", {"externalDocumentNumber": "new"})
    assert rig.rows("salesInvoices", _filter("externalDocumentNumber eq 'OLD'")) == []
    assert len(rig.rows("salesInvoices", _filter("externalDocumentNumber eq 'NEW'"))) == 1


def test_the_replica_lags_unless_the_read_asks_for_the_primary(rig: Rig) -> None:
    rig.app.keep_past()
    old = rig.invoice("OLD")
    rig.clock.advance(30)
    rig.invoice("NEW")
    rig.patch(f"salesInvoices({old['id']})", {"email": "a@example.test"})

    def seen(**headers: str) -> list[Any]:
        rows = rig.rows("salesInvoices", **headers)
        return [(row["externalDocumentNumber"], row["email"]) for row in rows]

    assert seen(x_sandbox_lag="10") == [("OLD", "")]
    everything = [("OLD", "a@example.test"), ("NEW", "")]
    assert seen(x_sandbox_lag="10", data_access_intent="ReadWrite") == everything
    assert seen() == everything
    refused = rig.post("salesInvoices", {}, data_access_intent="ReadOnly")
    assert "Data-Access-Intent" in refused.message


def test_a_security_filter_hides_posted_invoices_silently(rig: Rig) -> None:
    draft = rig.invoice()
    rig.action("salesInvoices", draft["id"], "post")
    rig.app.run({"action": "set", "switches": {"hide_posted": True}})
    assert rig.rows("salesInvoices") == []
    assert rig.get(f"salesInvoices({draft['id']})").status == 404


def test_the_tracking_service_has_tags_of_its_own(rig: Rig) -> None:
    draft = rig.invoice()
    query = _filter(f"id eq {draft['id']}") + "&$select=id,packageTrackingNumber"
    row = rig.rows(TRACKING, query)[0]
    assert row["@odata.etag"] != draft["@odata.etag"]
    path = f"{TRACKING}({draft['id']})"
    wrong = rig.patch(path, {"packageTrackingNumber": "1Z"}, draft["@odata.etag"])
    assert wrong.status == 409
    good = rig.patch(path, {"packageTrackingNumber": "1Z"}, row["@odata.etag"])
    assert good.body["packageTrackingNumber"] == "1Z"
    assert good.body["@odata.etag"] != row["@odata.etag"]
    again = rig.get(f"salesInvoices({draft['id']})").body
    assert again["@odata.etag"] == draft["@odata.etag"]
    buffered = rig.patch(path, {"externalDocumentNumber": "other"})
    assert buffered.status == 200
    changed = rig.get(f"salesInvoices({draft['id']})").body
    assert changed["externalDocumentNumber"] == "OTHER"
    assert changed["@odata.etag"] != draft["@odata.etag"]


def test_agents_are_validated_in_body_order(rig: Rig) -> None:
    path = f"{TRACKING}({rig.invoice()['id']})"
    for body, caption in (
        ({"shippingAgentCode": "NOBODY"}, "Shipping Agent"),
        ({"shippingAgentCode": "FEDEX", "shippingAgentServiceCode": "2DAY"}, "Agent Services"),
        ({"shippingAgentServiceCode": "GROUND", "shippingAgentCode": "UPS"}, "Agent Services"),
    ):
        answer = rig.patch(path, body)
        assert (answer.status, answer.code) == (400, "Internal_InvalidTableRelation")
        assert caption in answer.message
    both = {"shippingAgentCode": "ups", "shippingAgentServiceCode": "ground"}
    assert rig.patch(path, both).body["shippingAgentServiceCode"] == "GROUND"
    cleared = rig.patch(path, {"shippingAgentCode": "UPS"}).body
    assert cleared["shippingAgentServiceCode"] == ""
    long = rig.patch(path, {"packageTrackingNumber": "1" * 51})
    assert long.code == "Application_StringExceededLength"


def test_a_released_document_takes_the_number_alone(rig: Rig) -> None:
    path = f"{TRACKING}({rig.invoice()['id']})"
    rig.app.run({"action": "release", "reference": "REF-1"})
    refused = rig.patch(path, {"shippingAgentCode": "UPS"})
    assert "Status must be equal to 'Open' in Sales Header" in refused.message
    assert rig.patch(path, {"packageTrackingNumber": "1Z"}).status == 200


def test_only_unposted_documents_stand_in_the_tracking_service(rig: Rig) -> None:
    invoice, order = rig.invoice("I"), rig.order("O")
    posted = rig.invoice("P")
    rig.action("salesInvoices", posted["id"], "post")
    ids = " or ".join(f"id eq {one['id']}" for one in (invoice, order, posted))
    rows = rig.rows(TRACKING, _filter(ids))
    assert {row["id"]: row["documentType"] for row in rows} == {
        invoice["id"]: "Invoice",
        order["id"]: "Order",
    }
    assert len(rig.rows(TRACKING)) == 2


def test_workflow_items_know_weight_and_origin(rig: Rig) -> None:
    query = _filter("number eq 'TEE' or number eq 'ITEM-24'")
    rows = rig.rows(f"{SERVICES}/workflowItems", query)
    assert [(row["number"], str(row["grossWeight"])) for row in rows] == [
        ("ITEM-24", "0.8"),
        ("TEE", "0.2"),
    ]
    assert rows[1]["countryRegionOfOriginCode"] == "MX"
    items = {row["number"]: row["id"] for row in rig.rows("items")}
    assert rows[1]["id"] == items["TEE"]


def test_small_tables_are_there(rig: Rig) -> None:
    assert rig.rows("companyInformation")[0]["currencyCode"] == "USD"
    assert {row["code"] for row in rig.rows("locations")} == {"EAST", "WEST"}
    account = rig.rows("accounts", _filter("number eq '40500'"))[0]
    assert (account["accountType"], account["directPosting"]) == ("Posting", True)
    assert "US" in {row["code"] for row in rig.rows("countriesRegions")}
    assert rig.rows("customers", _filter("number eq 'WEB'"))[0]["blocked"] == "_x0020_"
    tee = rig.rows("items", _filter("number eq 'TEE'") + "&$expand=itemVariants")[0]
    assert [one["code"] for one in tee["itemVariants"]] == ["RED", "BLUE"]
    assert len(rig.rows(f"items({tee['id']})/itemVariants")) == 2


def test_links_carry_the_host_that_was_called(rig: Rig) -> None:
    answer = rig.get("items", host="localhost:8001", prefer="odata.maxpagesize=1")
    assert answer.body["@odata.nextLink"].startswith(f"http://localhost:8001/v2.0/{TENANT}/")
