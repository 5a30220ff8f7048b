"""The whole way of a draft, and the other calls, against the imitation mounted in process."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from bcss.businesscentral.client import BusinessCentralClient
from bcss.businesscentral.records import Body, DocumentSet
from bcss.clock import SystemClock
from bcss.errors import RecordChanged, RecordMissing, RecordRefused, StopVendor
from bcss.http import ApiSession
from bcss.sandbox.businesscentral import BusinessCentral
from bcss.sandbox.businesscentral.subscriptions import Sent
from bcss.sandbox.kit import Request, Response, SandboxClock
from tests.mount import BC_URL, Mount

INVOICES, ORDERS = DocumentSet.INVOICES, DocumentSet.ORDERS
TENANT = "contoso.onmicrosoft.com"


class OneVendor:
    """A world with Business Central alone."""

    def __init__(self) -> None:
        self.app = BusinessCentral(SandboxClock())

    def handle(self, _vendor: str, request: Request) -> Response:
        return self.app.handle(request)


def login(app: BusinessCentral) -> Mapping[str, str]:
    form = urlencode(
        {
            "grant_type": "client_credentials",
            "client_id": "11111111-2222-3333-4444-555555555555",
            "client_secret": "sandbox-secret",
            "scope": "https://api.businesscentral.dynamics.com/.default",
        }
    ).encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    reply = app.handle(Request("POST", f"/{TENANT}/oauth2/v2.0/token", "", headers, form))
    return {"Authorization": f"Bearer {json.loads(reply.body)['access_token']}"}


def connect(world: OneVendor, environment: str = "Production") -> BusinessCentralClient:
    token = login(world.app)
    session = ApiSession(
        vendor="bc",
        base_url=BC_URL,
        clock=SystemClock(),
        authorize=lambda _fresh: token,
        transport=Mount(world),
    )
    return BusinessCentralClient(session, tenant=TENANT, environment=environment)


@pytest.fixture
def world() -> OneVendor:
    return OneVendor()


@pytest.fixture
def client(world: OneVendor) -> BusinessCentralClient:
    made = connect(world)
    made.choose_company("CRONUS USA, Inc.")
    return made


def draft(reference: str, *, entity: DocumentSet = INVOICES, **changes: Any) -> Body:
    lines = [
        {
            "lineType": "Item",
            "lineObjectNumber": "ITEM-24",
            "quantity": Decimal(2),
            "unitPrice": Decimal("24.00"),
            "taxCode": "NONTAXABLE",
        },
        {
            "lineType": "Account",
            "lineObjectNumber": "40500",
            "quantity": Decimal(1),
            "unitPrice": Decimal("6.5"),
            "taxCode": "NONTAXABLE",
        },
        {"lineType": "Comment", "description": "Shipped (bcss 7f3a91-1)"},
    ]
    header = {
        "customerNumber": "WEB",
        "externalDocumentNumber": reference,
        entity.document_date: "2026-11-20",
        "postingDate": "2026-11-20",
        "shipToName": "Example Buyer",
    }
    return {**header, **changes, entity.lines: lines}


def test_a_draft_is_made_tracked_posted_and_found(client: BusinessCentralClient) -> None:
    created = client.create_document(INVOICES, draft("BX-1-AAAABBBBCCCC"))
    assert client.has_tracking_service()
    row = client.read_tracking([created.id])[created.id]
    written = client.write_tracking(
        created.id, row.etag, agent="UPS", service="GROUND", number="1Z0"
    )
    assert (written.shipping_agent, written.tracking_number) == ("UPS", "1Z0")
    (found,) = client.find_documents(INVOICES, ["bx-1-aaaabbbbcccc", "BX-OTHER"])
    (document,) = found.documents
    assert (document.id, document.number) == (created.id, created.number)
    assert document.total_including_tax == Decimal("54.5")
    assert [line.line_type for line in document.lines] == ["Item", "Account", "Comment"]
    client.post_document(INVOICES, document.id, document.etag)
    posted = client.get_document(INVOICES, created.id)
    assert posted.number != created.number
    assert client.read_tracking([created.id]) == {}


def test_a_stale_tag_is_refused(client: BusinessCentralClient) -> None:
    created = client.create_document(INVOICES, draft("BX-2"))
    changed = client.patch_document(INVOICES, created.id, created.etag, {"shipToName": "Other"})
    assert changed.etag != created.etag
    with pytest.raises(RecordChanged):
        client.post_document(INVOICES, created.id, created.etag)
    with pytest.raises(RecordChanged):
        client.delete_document(INVOICES, created.id, created.etag)
    client.delete_document(INVOICES, created.id, changed.etag)
    client.delete_document(INVOICES, created.id, changed.etag)
    with pytest.raises(RecordMissing):
        client.get_document(INVOICES, created.id)


def test_lines_are_added_changed_and_deleted(client: BusinessCentralClient) -> None:
    created = client.create_document(INVOICES, draft("BX-3"))
    added = client.add_line(
        INVOICES, created.id, {"lineType": "Comment", "description": "1Z1 as well"}
    )
    client.patch_line(INVOICES, added.id, added.etag, {"description": "1Z2 as well"})
    lines = client.get_document(INVOICES, created.id).lines
    assert lines[-1].description == "1Z2 as well"
    client.delete_line(INVOICES, lines[-1].id, lines[-1].etag)
    assert len(client.get_document(INVOICES, created.id).lines) == 3


def test_an_order_becomes_an_invoice(client: BusinessCentralClient) -> None:
    created = client.create_document(ORDERS, draft("BX-4", entity=ORDERS))
    (found,) = client.find_documents(ORDERS, ["BX-4"], "BX-4")
    assert found.control_seen
    client.post_document(ORDERS, created.id, found.documents[0].etag)
    with pytest.raises(RecordMissing):
        client.get_document(ORDERS, created.id)
    (invoice,) = client.find_invoices_of_orders([created.id])
    assert (invoice.order_number, invoice.reference) == (created.number, "BX-4")


def test_many_references_in_two_requests(client: BusinessCentralClient) -> None:
    for n in range(50):
        client.create_document(INVOICES, draft(f"BX-{n:03}"))
    before = client.session.requests
    answers = client.find_documents(INVOICES, [f"BX-{n:03}" for n in range(60)], "BX-007")
    assert client.session.requests == before + 2
    assert sum(len(one.documents) for one in answers) == 50
    assert all(one.control_seen for one in answers)
    listed = list(client.changed_documents(INVOICES, None))
    assert len(listed) == 50


def test_a_credit_memo(client: BusinessCentralClient) -> None:
    created = client.create_document(INVOICES, draft("BX-5"))
    client.post_document(INVOICES, created.id, client.get_document(INVOICES, created.id).etag)
    posted = client.get_document(INVOICES, created.id)
    client.make_credit_memo(posted.id, posted.etag)
    (memo,) = client.find_credit_memos([posted.id])
    assert memo.total_including_tax == posted.total_including_tax
    memo = client.patch_credit_memo(memo.id, memo.etag, {"postingDate": "2026-11-21"})
    client.post_credit_memo(memo.id, memo.etag)
    assert client.get_credit_memo(memo.id).number != memo.number


def test_a_file_beside_a_posted_invoice(client: BusinessCentralClient) -> None:
    created = client.create_document(INVOICES, draft("BX-6"))
    client.post_document(INVOICES, created.id, client.get_document(INVOICES, created.id).etag)
    row = client.create_attachment(INVOICES, created.id, "tracking-7001.txt")
    client.upload_attachment(row, b"UPS 1Z0\n", just_created=True)
    (found,) = client.document_attachments(INVOICES, created.id)
    assert (found.file_name, found.size) == ("tracking-7001.txt", 8)


def test_master_data(client: BusinessCentralClient) -> None:
    items = {one.number: one for one in client.items()}
    assert items["ITEM-24"].unit_price == Decimal("24.00")
    assert client.workflow_items(["ITEM-24"])["ITEM-24"].weight == Decimal("0.8")
    assert set(client.workflow_items()) == set(items)
    assert {(one.item_number, one.code) for one in client.item_variants()} >= {
        ("TEE", "RED"),
        ("TEE", "BLUE"),
    }
    customers = {one.number: one for one in client.customers()}
    assert customers["WEB"].currency_code == "USD"
    assert client.find_customer("web") == customers["WEB"]
    assert client.find_item("NOTHING") is None
    assert {one.number for one in client.accounts() if one.usable} >= {"40500", "40600", "22300"}
    assert {one.code for one in client.locations()} == {"EAST", "WEST"}
    assert "US" in client.countries()
    assert client.company_information()["currencyCode"] == "USD"
    newest = max(one.last_modified for one in items.values())
    assert list(client.items(newest)) == []


def test_a_customer_is_created_once(client: BusinessCentralClient) -> None:
    body = {"number": "SS-1", "displayName": "Example Buyer", "email": "buyer@example.test"}
    assert client.create_customer(body).number == "SS-1"
    with pytest.raises(RecordRefused):
        client.create_customer(body)


def test_refusals_in_words(client: BusinessCentralClient, world: OneVendor) -> None:
    body = draft("BX-7")
    body["salesInvoiceLines"][0]["lineObjectNumber"] = "NOTHING"
    with pytest.raises(RecordRefused, match="does not exist"):
        client.create_document(INVOICES, body)
    assert client.probe("salesInvoices") is False
    with pytest.raises(StopVendor, match="Environment does not exist"):
        connect(world, "Nowhere").companies()


def test_a_subscription_with_its_handshake(client: BusinessCentralClient, world: OneVendor) -> None:
    calls: list[str] = []

    def receiver(url: str, _body: bytes, _headers: dict[str, str]) -> Sent:
        calls.append(url)
        token = parse_qs(urlsplit(url).query)["validationToken"][0]
        return Sent(200, token.encode())

    world.app.send = receiver
    url = "https://hooks.example.test/bcss/business-central"
    made = client.create_subscription("items", notification_url=url, client_state="invented")
    (found,) = client.subscriptions()
    assert found.id == made.id
    assert client.subscribed_to(found) == "items"
    renewed = client.renew_subscription(found, client_state="invented")
    assert renewed.expires >= found.expires
    assert len(calls) == 2
    client.delete_subscription(renewed)
    assert client.subscriptions() == []
    with pytest.raises(RecordMissing):
        client.renew_subscription(renewed, client_state="invented")
    world.app.send = lambda _url, _body, _headers: Sent(404, b"")
    with pytest.raises(RecordRefused, match="validation"):
        client.create_subscription("items", notification_url=url, client_state="invented")
