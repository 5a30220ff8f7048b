"""Sales documents: the requests that go out, and what their answers may mean."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from bcss.businesscentral.records import DocumentSet
from bcss.errors import (
    InDoubt,
    RecordChanged,
    RecordMissing,
    RecordRefused,
    RetryLater,
    UpstreamError,
    UrlTooLong,
)
from bcss.sandbox.kit import Request, Response
from tests.clients.bc_script import DATA, answer, asked, path_of, raw, rows, sample, talk

INVOICES, ORDERS = DocumentSet.INVOICES, DocumentSet.ORDERS
ID = "00000051-5a1c-f011-9af4-6045bdc8a051"
TAG = 'W/"JzE5OzgzMTM5MjY4MTQ1NzY2MDMzNDIxOzAwOyc="'
REFUSED = {"error": {"code": "BadRequest", "message": "no"}}
GONE = answer({"error": {"code": "BadRequest_NotFound", "message": "gone"}}, 404)


def invoice(reference: str, number: str = "S-INV1", **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = sample("sales_invoice_draft")
    return {**made, "externalDocumentNumber": reference, "number": number, **changes}


def references_in(request: Request) -> list[str]:
    """Take a filter of `or` on one field to pieces, and find nothing else in it."""
    terms = asked(request)["$filter"].split(" or ")
    start = "externalDocumentNumber eq '"
    assert all(term.startswith(start) and term.endswith("'") for term in terms)
    return [term[len(start) : -1] for term in terms]


def answers_all(request: Request) -> Response:
    return rows(*(invoice(one) for one in references_in(request)))


# Finding


def test_one_request_asks_for_forty_references_and_the_control() -> None:
    client, script = talk(answers_all)
    references = [f"REF-{n:04}" for n in range(80)]
    answers = client.find_documents(INVOICES, references, "CTRL-1")
    assert [len(one.references) for one in answers] == [40, 40]
    assert all(one.control_seen for one in answers)
    found = [document.reference for one in answers for document in one.documents]
    assert found == references
    first = script.requests[0]
    assert path_of(first) == f"{DATA}/salesInvoices"
    assert references_in(first) == [*references[:40], "CTRL-1"]
    assert asked(first)["$expand"] == "salesInvoiceLines"
    assert first.headers["data-access-intent"] == "ReadWrite"
    assert first.headers["accept-language"] == "en-US"
    assert "prefer" not in first.headers
    assert "+" not in first.query  # a blank is %20


def test_orders_expand_their_own_lines() -> None:
    order = {**sample("sales_order"), "externalDocumentNumber": "REF-1"}
    client, script = talk(rows(order))
    (found,) = client.find_documents(ORDERS, ["REF-1"])
    assert asked(script.last)["$expand"] == "salesOrderLines"
    assert (found.documents[0].entity, found.control_seen) == (ORDERS, None)


def test_a_missing_control_is_told() -> None:
    client, _ = talk(rows(invoice("REF-1")))
    (found,) = client.find_documents(INVOICES, ["REF-1"], "CTRL-1")
    assert found.control_seen is False
    assert [one.reference for one in found.documents] == ["REF-1"]


def test_a_control_that_was_asked_for_is_among_the_documents() -> None:
    client, script = talk(answers_all)
    (found,) = client.find_documents(INVOICES, ["REF-1", "CTRL-1"], "ctrl-1")
    assert found.control_seen
    assert [one.reference for one in found.documents] == ["REF-1", "CTRL-1"]
    assert references_in(script.last) == ["REF-1", "CTRL-1"]


def test_references_compare_as_codes_do() -> None:
    client, script = talk(rows(invoice("REF-1"), invoice("REF-10"), invoice("REF-2")))
    (found,) = client.find_documents(INVOICES, ["ref-1", "REF-1", "Ref-2 "])
    assert len(references_in(script.last)) == 2
    assert [one.reference for one in found.documents] == ["REF-1", "REF-2"]


def test_a_quote_is_doubled_and_odd_characters_are_encoded() -> None:
    client, script = talk(rows())
    client.find_documents(INVOICES, ["O'Brien & Co #7+50%/2"])
    assert asked(script.last)["$filter"] == ("externalDocumentNumber eq 'O''Brien & Co #7+50%/2'")
    assert "%26" in script.last.query
    assert "%2B50%25" in script.last.query


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_reference_is_never_asked_for(empty: str) -> None:
    client, script = talk(rows())
    with pytest.raises(ValueError, match="empty reference"):
        client.find_documents(INVOICES, ["REF-1", empty])
    with pytest.raises(ValueError, match="empty reference"):
        client.find_documents(INVOICES, ["REF-1"], empty)
    assert script.requests == []


def test_nothing_asked_is_nothing_sent() -> None:
    client, script = talk(rows())
    assert client.find_documents(INVOICES, [], "CTRL-1") == []
    assert script.requests == []


@pytest.mark.parametrize("status", [400, 404, 413, 414, 431])
def test_a_refused_look_up_is_halved_until_it_is_answered(status: int) -> None:
    def at_most_five(request: Request) -> Response:
        if len(references_in(request)) > 6:
            return answer(REFUSED, status)
        return answers_all(request)

    client, script = talk(at_most_five)
    references = [f"REF-{n:04}" for n in range(40)]
    answers = client.find_documents(INVOICES, references, "CTRL-1")
    assert [document.reference for one in answers for document in one.documents] == references
    assert all(one.control_seen for one in answers)
    assert [len(references_in(one)) for one in script.requests] == [41, 21, 11, *[6] * 8]


def test_an_answer_in_pages_decides_nothing() -> None:
    def pages(request: Request) -> Response:
        if len(references_in(request)) > 2:
            return rows(invoice("REF-0000"), link="http://bc.test/more")
        return answers_all(request)

    client, _ = talk(pages)
    answers = client.find_documents(INVOICES, [f"REF-{n:04}" for n in range(4)])
    assert [len(one.documents) for one in answers] == [2, 2]


def test_a_single_reference_that_is_refused_is_an_error() -> None:
    client, script = talk(answer(REFUSED, 400))
    with pytest.raises(RecordRefused):
        client.find_documents(INVOICES, ["REF-1", "REF-2", "REF-3"])
    assert [len(references_in(one)) for one in script.requests] == [3, 2, 1]


def test_a_single_reference_in_pages_is_an_error() -> None:
    client, _ = talk(rows(invoice("REF-1"), link="http://bc.test/more"))
    with pytest.raises(RecordRefused) as caught:
        client.find_documents(INVOICES, ["REF-1"])
    assert caught.value.code == "incomplete"


def test_a_document_that_cannot_be_read_is_isolated_not_skipped() -> None:
    def bad_second(request: Request) -> Response:
        made = [invoice(one) for one in references_in(request)]
        for one in made:
            if one["externalDocumentNumber"] == "REF-0001":
                one["totalAmountIncludingTax"] = None
        return rows(*made)

    client, script = talk(bad_second)
    with pytest.raises(RecordRefused, match="totalAmountIncludingTax") as caught:
        client.find_documents(INVOICES, [f"REF-{n:04}" for n in range(4)])
    assert caught.value.code == "unreadable"
    assert references_in(script.last) == ["REF-0001"]


def test_an_answer_that_is_no_list_is_asked_for_again_later() -> None:
    bodies: tuple[object, ...] = ({"hello": 1}, {"value": {}}, {"value": [1]}, ["x"])
    for body in bodies:
        client, _ = talk(answer(body))
        with pytest.raises(RetryLater):
            client.find_documents(INVOICES, ["REF-1"])


def test_invoices_of_orders_are_found_by_the_id_of_the_order() -> None:
    made = sample("sales_invoice_of_order")
    client, script = talk(rows(made, invoice("REF-9")))
    found = client.find_invoices_of_orders([made["orderId"].upper(), ID])
    assert [one.number for one in found] == ["PS-INV103045"]
    assert asked(script.last)["$filter"] == f"orderId eq {ID} or orderId eq {made['orderId']}"


# One document


def test_one_document_is_read_with_its_lines() -> None:
    client, script = talk(answer(sample("sales_invoice_draft")))
    assert len(client.get_document(INVOICES, ID.upper()).lines) == 3
    assert path_of(script.last) == f"{DATA}/salesInvoices({ID})"
    assert asked(script.last) == {"$expand": "salesInvoiceLines"}
    assert script.last.headers["data-access-intent"] == "ReadWrite"


def test_a_missing_document() -> None:
    client, _ = talk(GONE)
    with pytest.raises(RecordMissing):
        client.get_document(INVOICES, ID)


@pytest.mark.parametrize("value", ["", "1) or (2", "S-INV1", ID + "/x", ID[:-1], f"{{{ID}}}"])
def test_only_a_guid_enters_a_url(value: str) -> None:
    client, script = talk(rows())
    for call in (
        lambda: client.get_document(INVOICES, value),
        lambda: client.post_document(INVOICES, value, TAG),
        lambda: client.delete_document(INVOICES, value, TAG),
        lambda: client.patch_line(INVOICES, value, TAG, {}),
        lambda: client.read_tracking([value]),
        lambda: client.find_invoices_of_orders([value]),
        lambda: client.document_attachments(INVOICES, value),
    ):
        with pytest.raises(ValueError, match="not a GUID"):
            call()
    assert script.requests == []


# Writing


def test_a_draft_is_created_in_one_request_in_the_order_given() -> None:
    client, script = talk(answer(sample("sales_invoice_draft"), 201))
    line = {
        "lineType": "Item",
        "lineObjectNumber": "ITEM-24",
        "quantity": Decimal(2),
        "unitPrice": Decimal("19.95"),
        "discountAmount": Decimal("0.00"),
    }
    created = client.create_document(
        INVOICES, {"customerNumber": "WEB", "salesInvoiceLines": [line], "currencyCode": "USD"}
    )
    assert (created.id, created.number) == (ID, "S-INV102201")
    assert (script.last.method, path_of(script.last)) == ("POST", f"{DATA}/salesInvoices")
    assert script.last.body == (
        b'{"customerNumber":"WEB","salesInvoiceLines":[{"lineType":"Item",'
        b'"lineObjectNumber":"ITEM-24","quantity":2,"unitPrice":19.95,"discountAmount":0}],'
        b'"currencyCode":"USD"}'
    )
    assert script.last.headers["content-type"] == "application/json"
    assert "if-match" not in script.last.headers


@pytest.mark.parametrize(
    "reply",
    [
        raw(b'{"id":"0000', 201, "application/json"),
        raw(b"", 201, "application/json"),
        raw(b"", 204, "application/json"),
        raw(b"<html></html>", 200, "text/html"),
        answer({"number": "S-INV1"}, 201),
        answer({"id": ID}, 201),
        answer([], 201),
        answer(REFUSED, 500),
        answer(REFUSED, 504),
        answer(REFUSED, 408),
    ],
)
def test_a_create_whose_answer_does_not_tell_is_in_doubt_and_sent_once(reply: Response) -> None:
    client, script = talk(reply)
    with pytest.raises(InDoubt):
        client.create_document(INVOICES, {"customerNumber": "WEB"})
    assert len(script.requests) == 1


def test_a_refused_create_says_why() -> None:
    client, _ = talk(answer(sample("error_posting_date"), 400))
    with pytest.raises(RecordRefused, match="allowed posting dates") as caught:
        client.create_document(INVOICES, {"customerNumber": "WEB"})
    assert caught.value.code == "Application_DialogException"


@pytest.mark.parametrize("value", [Decimal("0.1234567890123456789"), "\ud800", float("nan")])
def test_what_cannot_be_sent_is_refused_before_it_is_sent(value: object) -> None:
    client, script = talk(answer(sample("sales_invoice_draft"), 201))
    with pytest.raises(RecordRefused) as caught:
        client.create_document(INVOICES, {"unitPrice": value})
    assert caught.value.code == "unsendable"
    assert script.requests == []


def test_a_change_names_the_version_it_is_meant_for() -> None:
    reply = sample("sales_invoice_draft")
    del reply["salesInvoiceLines"]
    client, script = talk(answer(reply))
    found = client.patch_document(INVOICES, ID, TAG, {"postingDate": "2026-11-20"})
    assert (found.number, found.lines) == ("S-INV102201", ())
    assert (script.last.method, script.last.headers["if-match"]) == ("PATCH", TAG)
    assert path_of(script.last) == f"{DATA}/salesInvoices({ID})"
    assert script.sent() == {"postingDate": "2026-11-20"}


def test_lines_are_changed_at_their_own_address() -> None:
    client, script = talk(answer(sample("sales_order")["salesOrderLines"][2]))
    client.patch_line(ORDERS, ID, TAG, {"description": "Shipped"})
    assert path_of(script.last) == f"{DATA}/salesOrderLines({ID})"
    assert (script.last.method, script.last.headers["if-match"]) == ("PATCH", TAG)
    client.delete_line(INVOICES, ID, TAG)
    assert path_of(script.last) == f"{DATA}/salesInvoiceLines({ID})"
    assert (script.last.method, script.last.headers["if-match"]) == ("DELETE", TAG)
    added = client.add_line(ORDERS, ID, {"lineType": "Comment", "description": "Shipped"})
    assert added.line_type == "Comment"
    assert path_of(script.last) == f"{DATA}/salesOrders({ID})/salesOrderLines"


@pytest.mark.parametrize("status", [200, 201, 204])
@pytest.mark.parametrize(
    ("entity", "action"),
    [
        (INVOICES, "salesInvoices({})/Microsoft.NAV.post"),
        (ORDERS, "salesOrders({})/Microsoft.NAV.shipAndInvoice"),
    ],
)
def test_posting(entity: DocumentSet, action: str, status: int) -> None:
    client, script = talk(answer(None, status))
    client.post_document(entity, ID, TAG)
    assert path_of(script.last) == f"{DATA}/{action.format(ID)}"
    assert (script.last.method, script.last.body) == ("POST", b"")
    assert script.last.headers["if-match"] == TAG
    assert script.last.headers["content-length"] == "0"


@pytest.mark.parametrize(
    ("reply", "meaning"),
    [
        (answer(sample("error_entity_changed"), 409), RecordChanged),
        (answer(sample("error_entity_changed"), 412), RecordChanged),
        (answer(sample("error_posting_date"), 400), RecordRefused),
        (GONE, RecordMissing),
        (answer(None, 504), InDoubt),
        (answer(None, 503), InDoubt),
        (answer(None, 413), UrlTooLong),
    ],
)
def test_a_post_that_fails_is_sent_once(reply: Response, meaning: type[UpstreamError]) -> None:
    client, script = talk(reply)
    with pytest.raises(UpstreamError) as caught:
        client.post_document(INVOICES, ID, TAG)
    assert type(caught.value) is meaning
    assert len(script.requests) == 1


def test_deleting_what_is_gone_is_done() -> None:
    client, script = talk(answer(None, 204), GONE)
    client.delete_document(INVOICES, ID, TAG)
    client.delete_document(INVOICES, ID, TAG)
    assert [one.headers["if-match"] for one in script.requests] == [TAG, TAG]
    assert script.last.method == "DELETE"


def test_deleting_what_somebody_changed_is_refused() -> None:
    client, _ = talk(answer(sample("error_entity_changed"), 409))
    with pytest.raises(RecordChanged):
        client.delete_document(INVOICES, ID, TAG)


@pytest.mark.parametrize(
    "tag", ["", "*", "abc", 'W/"a"\r\nX: y', 'W/"a" , W/"b"', 'W/"' + "a" * 600 + '"']
)
def test_without_a_version_nothing_is_written(tag: str) -> None:
    client, script = talk(answer(None, 204))
    for write in (
        lambda: client.post_document(INVOICES, ID, tag),
        lambda: client.delete_document(INVOICES, ID, tag),
        lambda: client.patch_document(INVOICES, ID, tag, {}),
        lambda: client.patch_line(INVOICES, ID, tag, {}),
        lambda: client.write_tracking(ID, tag, agent="UPS", service="GROUND", number="1Z0"),
    ):
        with pytest.raises(RecordRefused) as caught:
            write()
        assert caught.value.code == "no-etag"
    assert script.requests == []


# Lists that prove nothing


def test_documents_of_a_period_come_in_pages() -> None:
    link = f"http://bc.test{DATA}/salesInvoices?aid=FIN&$skiptoken={ID}"
    client, script = talk(rows(invoice("REF-1"), link=link), rows())
    found = list(client.documents_of_period(INVOICES, date(2026, 11, 1), date(2026, 11, 30)))
    assert [one.reference for one in found] == ["REF-1"]
    first, second = script.requests
    assert asked(first) == {
        "$filter": "postingDate ge 2026-11-01 and postingDate le 2026-11-30",
        "$expand": "salesInvoiceLines",
    }
    assert first.headers["prefer"] == second.headers["prefer"] == "odata.maxpagesize=200"
    assert second.query == f"aid=FIN&$skiptoken={ID}"
