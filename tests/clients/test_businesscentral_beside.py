"""Tracking, credit memos, subscriptions and attachments of Business Central."""

import pytest

from bcss.businesscentral.records import Attachment, DocumentSet, Subscription
from bcss.errors import (
    InDoubt,
    RecordChanged,
    RecordMissing,
    RecordRefused,
    StopVendor,
)
from bcss.sandbox.kit import Request, Response
from tests.clients.bc_script import (
    COMPANY,
    DATA,
    ROOT,
    SERVICES,
    answer,
    asked,
    path_of,
    rows,
    sample,
    talk,
)

INVOICES = DocumentSet.INVOICES
ID = "00000051-5a1c-f011-9af4-6045bdc8a051"
TAG = 'W/"JzE5OzgzMTM5MjY4MTQ1NzY2MDMzNDIxOzAwOyc="'
SERVICE = f"{SERVICES}/workflowSalesDocuments"
MISSING = answer(sample("error_resource_not_found"), 404)


def draft(number: int) -> str:
    return f"{number:08x}-5a1c-f011-9af4-6045bdc8a000"


def ids_in(request: Request) -> list[str]:
    terms = asked(request)["$filter"].split(" or ")
    assert all(term.startswith("id eq ") for term in terms)
    return [term.removeprefix("id eq ") for term in terms]


def tracked(identity: str) -> dict[str, str]:
    row: dict[str, str] = sample("workflow_sales_documents")["value"][0]
    return {**row, "id": identity}


# Tracking


def test_the_service_is_probed_with_the_fields_it_must_have() -> None:
    client, script = talk(rows())
    assert client.has_tracking_service()
    assert path_of(script.last) == SERVICE
    query = asked(script.last)
    assert query["$top"] == "1"
    assert set(query["$select"].split(",")) == {
        "id",
        "packageTrackingNumber",
        "shippingAgentCode",
        "shippingAgentServiceCode",
    }


@pytest.mark.parametrize("status", [404, 400])
def test_a_service_that_is_not_published(status: int) -> None:
    client, _ = talk(answer(sample("error_resource_not_found"), status))
    assert not client.has_tracking_service()


def test_a_service_without_the_field_is_as_good_as_none() -> None:
    text = "Could not find a property named 'packageTrackingNumber' on type 'NAV.x'."
    client, _ = talk(answer({"error": {"code": "BadRequest", "message": text}}, 400))
    assert not client.has_tracking_service()


def test_another_refusal_of_the_probe_is_told() -> None:
    client, _ = talk(answer(sample("error_posting_date"), 400))
    with pytest.raises(RecordRefused):
        client.has_tracking_service()


def test_a_service_without_permission_is_not_taken_for_absent() -> None:
    client, _ = talk(answer(sample("error_permission"), 403))
    with pytest.raises(StopVendor):
        client.has_tracking_service()


def test_tracking_of_many_drafts_takes_one_request_each_forty() -> None:
    client, script = talk(lambda request: rows(*(tracked(one) for one in ids_in(request))))
    wanted = [draft(n) for n in range(60)]
    found = client.read_tracking([*wanted, wanted[0].upper()])
    assert list(found) == wanted
    assert found[wanted[0]].tracking_number == "1Z0000000000000000"
    assert [len(ids_in(one)) for one in script.requests] == [40, 20]
    assert script.requests[0].headers["data-access-intent"] == "ReadWrite"


def test_a_posted_draft_is_not_there_and_the_control_proves_it() -> None:
    control = draft(999)
    client, script = talk(
        lambda request: rows(*(tracked(one) for one in ids_in(request) if one != draft(1)))
    )
    found = client.read_tracking([draft(n) for n in range(60)], control=control)
    assert draft(1) not in found
    assert control in found
    assert all(control in ids_in(one) for one in script.requests)


def test_a_control_that_one_answer_lacks_proves_nothing() -> None:
    control = draft(999)

    def hidden_at_first(request: Request) -> Response:
        hide = draft(0) in ids_in(request)
        return rows(*(tracked(one) for one in ids_in(request) if not (hide and one == control)))

    client, _ = talk(hidden_at_first)
    found = client.read_tracking([draft(n) for n in range(60)], control=control)
    assert control not in found
    assert len(found) == 60


def test_rows_that_were_not_asked_for_do_not_count() -> None:
    client, _ = talk(rows(tracked(draft(1)), tracked(draft(2))))
    assert list(client.read_tracking([draft(2)])) == [draft(2)]


def test_a_refused_reading_of_tracking_is_halved() -> None:
    def at_most_ten(request: Request) -> Response:
        if len(ids_in(request)) > 10:
            return answer({"error": {"code": "BadRequest", "message": "too long"}}, 414)
        return rows(*(tracked(one) for one in ids_in(request)))

    client, script = talk(at_most_ten)
    assert len(client.read_tracking([draft(n) for n in range(40)])) == 40
    assert [len(ids_in(one)) for one in script.requests] == [40, 20, 10, 10, 10, 10]


def test_tracking_is_written_agent_first_and_read_back() -> None:
    client, script = talk(answer(sample("workflow_sales_documents")["value"][0]))
    row = client.write_tracking(ID, TAG, agent="UPS", service="GROUND", number="1Z0")
    assert row.tracking_number == "1Z0000000000000000"
    assert (script.last.method, path_of(script.last)) == ("PATCH", f"{SERVICE}({ID})")
    assert script.last.headers["if-match"] == TAG
    assert list(script.sent().items()) == [
        ("shippingAgentCode", "UPS"),
        ("shippingAgentServiceCode", "GROUND"),
        ("packageTrackingNumber", "1Z0"),
    ]


def test_the_number_alone() -> None:
    client, script = talk(answer(sample("workflow_sales_documents")["value"][0]))
    client.write_tracking(ID, TAG, agent="UPS", service="", number="1Z0", number_only=True)
    assert script.sent() == {"packageTrackingNumber": "1Z0"}


def test_what_a_tracking_write_may_meet() -> None:
    for reply, meaning in (
        (answer(sample("error_entity_changed"), 409), RecordChanged),
        (MISSING, RecordMissing),
        (answer(sample("error_posting_date"), 400), RecordRefused),
        (answer({"id": ID}), InDoubt),
        (answer(None, 502), InDoubt),
    ):
        client, script = talk(reply)
        with pytest.raises(meaning):
            client.write_tracking(ID, TAG, agent="UPS", service="GROUND", number="1Z0")
        assert len(script.requests) == 1


# Credit memos


def test_a_credit_memo_is_made_found_dated_and_posted() -> None:
    memo = sample("sales_credit_memo")
    invoice = memo["invoiceId"]
    client, script = talk(
        answer(None, 204), rows(memo), answer(memo), answer(memo), answer(None, 204)
    )
    client.make_credit_memo(invoice, TAG)
    assert path_of(script.last) == (
        f"{DATA}/salesInvoices({invoice})/Microsoft.NAV.makeCorrectiveCreditMemo"
    )
    assert script.last.headers["if-match"] == TAG
    (found,) = client.find_credit_memos([invoice])
    assert asked(script.last)["$filter"] == f"invoiceId eq {invoice}"
    assert script.last.headers["data-access-intent"] == "ReadWrite"
    assert client.get_credit_memo(found.id) == found
    client.patch_credit_memo(found.id, found.etag, {"postingDate": "2026-11-22"})
    assert script.last.headers["if-match"] == found.etag
    client.post_credit_memo(found.id, found.etag)
    assert path_of(script.last) == f"{DATA}/salesCreditMemos({found.id})/Microsoft.NAV.post"


# Subscriptions


def test_a_subscription_is_created_renewed_and_ended() -> None:
    made = sample("subscription")
    client, script = talk(answer(made, 201), answer(made), answer(None, 204), MISSING)
    url = "https://hooks.example.test/bcss/business-central"
    found = client.create_subscription("customers", notification_url=url, client_state="s3")
    assert path_of(script.last) == f"{ROOT}/api/v2.0/subscriptions"
    body = {
        "notificationUrl": url,
        "resource": f"/api/v2.0/companies({made['resource'][20:56]})/customers",
        "clientState": "s3",
    }
    assert script.sent() == body
    client.renew_subscription(found, client_state="s3")
    where = f"{ROOT}/api/v2.0/subscriptions('{made['subscriptionId']}')"
    assert (script.last.method, path_of(script.last)) == ("PATCH", where)
    assert script.last.headers["if-match"] == made["@odata.etag"]
    assert script.sent() == body
    client.delete_subscription(found)
    client.delete_subscription(found)
    assert (script.last.method, path_of(script.last)) == ("DELETE", where)


def test_subscriptions_are_listed_beside_the_companies() -> None:
    client, script = talk(answer(sample("subscriptions")))
    (found,) = client.subscriptions()
    assert path_of(script.last) == f"{ROOT}/api/v2.0/subscriptions"
    assert found.resource == client.subscription_resource("customers")


@pytest.mark.parametrize(
    ("resource", "entity_set"),
    [
        ("/api/v2.0/companies({})/items", "items"),
        ("api/v2.0/companies({})/items", "items"),
        ("companies({})/items", "items"),
        ("https://api.example.test/v2.0/Production/api/v2.0/companies({})/items", "items"),
        ("/api/v2.0/companies(000000c1-5a1c-f011-9af4-6045bdc8a0c1)/items", None),
        ("/api/v2.0/items", None),
        ("", None),
    ],
)
def test_what_a_subscription_of_ours_watches(resource: str, entity_set: str | None) -> None:
    made = {**sample("subscription"), "resource": resource.format(COMPANY.id.upper())}
    client, _ = talk(rows(made))
    (found,) = client.subscriptions()
    assert client.subscribed_to(found) == entity_set


def test_a_subscription_that_has_expired_is_missing() -> None:
    client, _ = talk(answer(sample("subscriptions")), MISSING)
    (found,) = client.subscriptions()
    with pytest.raises(RecordMissing):
        client.renew_subscription(found, client_state="s3")


def test_only_a_key_enters_the_address_of_a_subscription() -> None:
    made = sample("subscription")
    client, script = talk(answer(sample("subscriptions")))
    (found,) = client.subscriptions()
    odd = Subscription("x') or ('", found.etag, "", "", "", found.expires)
    with pytest.raises(ValueError, match="not a key"):
        client.delete_subscription(odd)
    assert len(script.requests) == 1
    assert made["subscriptionId"] == found.id


# Attachments


def test_attachments_are_listed_by_document_and_kind() -> None:
    client, script = talk(rows(sample("document_attachment")))
    (found,) = client.document_attachments(INVOICES, ID)
    assert found.file_name == "tracking-7001.txt"
    assert asked(script.last)["$filter"] == (
        f"parentId eq {ID} and parentType eq 'Sales_x0020_Invoice'"
    )
    client.document_attachments(DocumentSet.ORDERS, ID)
    assert "'Sales_x0020_Order'" in asked(script.last)["$filter"]


def test_a_file_takes_two_steps() -> None:
    made = sample("document_attachment")
    client, script = talk(answer(made, 201), answer(None, 204))
    row = client.create_attachment(INVOICES, ID, "tracking-7001.txt")
    assert script.sent() == {
        "fileName": "tracking-7001.txt",
        "parentType": "Sales_x0020_Invoice",
        "parentId": ID,
    }
    client.upload_attachment(row, b"\x00text", just_created=True)
    assert path_of(script.last) == f"{DATA}/documentAttachments({row.id})/attachmentContent"
    assert (script.last.method, script.last.body) == ("PATCH", b"\x00text")
    assert script.last.headers["content-type"] == "application/octet-stream"
    assert script.last.headers["if-match"] == made["@odata.etag"]


INVALID_TAG = answer({"error": {"code": "BadRequest_InvalidToken", "message": "no"}}, 400)
STALE = answer(sample("error_entity_changed"), 409)


@pytest.mark.parametrize("refused", [INVALID_TAG, STALE])
def test_only_a_row_just_created_is_written_without_its_tag(refused: Response) -> None:
    row = Attachment(ID, TAG, "tracking-7001.txt", 0)
    client, script = talk(refused, answer(None, 204))
    client.upload_attachment(row, b"text", just_created=True)
    assert [one.headers["if-match"] for one in script.requests] == [TAG, "*"]
    client, script = talk(refused)
    with pytest.raises(RecordRefused):
        client.upload_attachment(row, b"text")
    assert len(script.requests) == 1


def test_a_row_without_tag() -> None:
    row = Attachment(ID, "", "tracking-7001.txt", 0)
    client, script = talk(answer(None, 204))
    with pytest.raises(RecordRefused):
        client.upload_attachment(row, b"text")
    assert script.requests == []
    client.upload_attachment(row, b"text", just_created=True)
    assert [one.headers["if-match"] for one in script.requests] == ["*"]


def test_another_refusal_of_the_content_is_not_tried_again() -> None:
    client, script = talk(answer(sample("error_posting_date"), 400))
    with pytest.raises(RecordRefused):
        client.upload_attachment(Attachment(ID, TAG, "x.txt", 0), b"text", just_created=True)
    assert len(script.requests) == 1
