"""Tokens, addresses and error bodies (business-central.md §1)."""

import base64
import json

import pytest

from bcss.sandbox.kit import Request
from tests.sandbox.businesscentral_rig import COMPANY_ID, ROOT, SERVICES, TENANT, Rig, read


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_token_names_its_audience_and_lives_an_hour(rig: Rig) -> None:
    answer = rig.sign_in()
    assert (answer.status, answer.body["token_type"], answer.body["expires_in"]) == (
        200,
        "Bearer",
        3599,
    )
    payload = answer.body["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert claims["aud"] == "https://api.businesscentral.dynamics.com"
    assert claims["roles"] == ["API.ReadWrite.All"]
    rig.clock.freeze()
    rig.clock.advance(3600)
    assert rig.get(f"{ROOT}/companies").status == 401


@pytest.mark.parametrize(
    ("tenant", "change", "status", "error", "number"),
    [
        (TENANT, {"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ("elsewhere.example", {}, 400, "invalid_request", 90002),
        (TENANT, {"client_id": "nobody"}, 400, "unauthorized_client", 700016),
        (TENANT, {"scope": "other"}, 400, "invalid_scope", 1002012),
    ],
)
def test_a_refused_token_says_why(
    rig: Rig, tenant: str, change: dict[str, str], status: int, error: str, number: int
) -> None:
    answer = rig.sign_in(tenant, **change)
    assert (answer.status, answer.body["error"]) == (status, error)
    assert answer.body["error_codes"] == [number]
    assert f"AADSTS{number}: " in answer.body["error_description"]


def test_the_discovery_document_points_to_the_token_endpoint(rig: Rig) -> None:
    path = f"/{TENANT}/v2.0/.well-known/openid-configuration"
    answer = read(rig.app.handle(Request("GET", path, "", {"host": "bc.test"})))
    assert answer.body["token_endpoint"] == f"http://bc.test/{TENANT}/oauth2/v2.0/token"


@pytest.mark.parametrize("token", ["", "Bearer nonsense", "Basic abc"])
def test_a_call_without_a_good_token_is_401(rig: Rig, token: str) -> None:
    answer = rig.get(f"{ROOT}/companies", authorization=token)
    assert (answer.status, answer.code) == (401, "Authentication_InvalidCredentials")
    assert "Bearer" in answer.headers["www-authenticate"]


def test_an_unknown_environment_is_404_in_xml(rig: Rig) -> None:
    answer = rig.get(f"/v2.0/{TENANT}/Nowhere/api/v2.0/companies")
    assert answer.status == 404
    assert "<code>NoEnvironment</code>" in answer.body


def test_the_tenant_may_be_left_out_or_be_a_guid_but_not_another(rig: Rig) -> None:
    tenant_id = rig.app.books.identity.tenant_id
    assert rig.get("/v2.0/Production/api/v2.0/companies").status == 200
    assert rig.get(f"/v2.0/{tenant_id}/production/api/v2.0/companies").status == 200
    assert rig.get("/v2.0/other.example/Production/api/v2.0/companies").status == 401


def test_companies_are_found_by_id_and_by_name(rig: Rig) -> None:
    row = rig.rows(f"{ROOT}/companies")[0]
    assert (row["id"], row["name"], row["displayName"]) == (COMPANY_ID, "CRONUS USA, Inc.", "")
    by_name = f"{ROOT}/companies(name='CRONUS%20USA%2C%20Inc.')/items"
    assert len(rig.rows(by_name)) == len(rig.rows("items"))
    other = rig.get(f"{ROOT}/companies(00000000-0000-0000-0000-000000000001)/items")
    assert (other.status, other.code) == (404, "Internal_CompanyNotFound")


def test_an_unknown_entity_is_a_resource_not_found(rig: Rig) -> None:
    answer = rig.get("contact")
    assert (answer.status, answer.code) == (404, "BadRequest_ResourceNotFound")
    assert answer.message.startswith("Resource not found for the segment 'contact'.  Correlation")


def test_a_set_that_cannot_be_written_says_405(rig: Rig) -> None:
    answer = rig.post(f"{ROOT}/companies", {})
    assert (answer.status, answer.code) == (405, "BadRequest_MethodNotAllowed")
    assert rig.post("accounts", {}).status == 405
    assert rig.post("salesShipments", {}).status == 405


def test_a_missing_permission_looks_like_a_server_error(rig: Rig) -> None:
    rig.app.run({"action": "set", "switches": {"denied": ["salesInvoices"]}})
    answer = rig.get("salesInvoices")
    assert (answer.status, answer.code) == (403, "Internal_ServerError")
    assert "permissions prevented the action" in answer.message


def test_the_page_services_are_addressed_by_company_name(rig: Rig) -> None:
    assert rig.rows(f"{SERVICES}/workflowSalesDocuments") == []
    wrong = SERVICES.replace("CRONUS", "OTHER") + "/workflowSalesDocuments"
    assert rig.get(wrong).status == 404
    rig.app.run({"action": "set", "switches": {"tracking_service": False}})
    answer = rig.get(f"{SERVICES}/workflowSalesDocuments")
    assert (answer.status, answer.code) == (404, "BadRequest_ResourceNotFound")


def test_an_unknown_switch_is_refused() -> None:
    from bcss.sandbox.businesscentral.errors import Refused  # noqa: PLC0415

    with pytest.raises(Refused, match="trakcing"):
        Rig().app.load({"switches": {"trakcing": True}})
