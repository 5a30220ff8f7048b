"""What Business Central's refusals mean, whatever the status says."""

from typing import Any

import pytest

from bcss.businesscentral.records import DocumentSet
from bcss.errors import (
    InDoubt,
    RecordChanged,
    RecordMissing,
    RecordRefused,
    RetryLater,
    StopVendor,
    UpstreamError,
)
from tests.clients.bc_script import SAMPLES, answer, raw, sample, talk

ID = "00000051-5a1c-f011-9af4-6045bdc8a051"
CORRELATION = "00000abc-5a1c-f011-9af4-6045bdc8aabc"
TAG = 'W/"JzE5OzE7MDA7Jw=="'


def refusal(*answers: Any) -> UpstreamError:
    """Post a draft and return what it raises."""
    client, _ = talk(*answers)
    with pytest.raises(UpstreamError) as caught:
        client.post_document(DocumentSet.INVOICES, ID, TAG)
    return caught.value


@pytest.mark.parametrize(
    ("name", "status", "meaning", "code"),
    [
        ("error_posting_date", 400, RecordRefused, "Application_DialogException"),
        ("error_permission", 400, StopVendor, "Internal_ServerError"),
        ("error_permission", 403, StopVendor, "Internal_ServerError"),
        ("error_entity_changed", 409, RecordChanged, "Request_EntityChanged"),
        ("error_entity_changed", 412, RecordChanged, "Request_EntityChanged"),
        ("error_company_capitals", 404, StopVendor, "Internal_CompanyNotFound"),
        ("error_company_capitals", 400, StopVendor, "Internal_CompanyNotFound"),
        ("error_resource_not_found", 404, RecordMissing, "BadRequest_ResourceNotFound"),
        ("error_same_key", 400, RecordRefused, "Internal_EntityWithSameKeyExists"),
        ("error_same_key", 409, RecordRefused, "Internal_EntityWithSameKeyExists"),
        ("error_locked", 400, InDoubt, "Internal_ServerError"),
        ("error_locked", 409, InDoubt, "Internal_ServerError"),
        ("error_too_many_requests", 429, RetryLater, "Application_TooManyRequests"),
        ("error_credentials", 401, StopVendor, "Authentication_InvalidCredentials"),
    ],
)
def test_a_refused_write(name: str, status: int, meaning: type[UpstreamError], code: str) -> None:
    error = refusal(answer(sample(name), status))
    assert type(error) is meaning
    assert (error.code, error.status) == (code, status)
    assert "CorrelationId" not in str(error)
    assert error.hint


def test_the_correlation_is_kept_for_support() -> None:
    error = refusal(answer(sample("error_posting_date"), 400))
    assert error.request_id == CORRELATION
    assert "Posting Date is not within your range of allowed posting dates." in error.message


def test_a_header_tells_the_correlation_where_the_text_does_not() -> None:
    body = {"error": {"code": "BadRequest", "message": "Invalid Request Body"}}
    assert refusal(answer(body, 400, **{"request-id": "abc-1"})).request_id == "abc-1"


def test_a_wrong_environment_points_at_the_configuration() -> None:
    body = (SAMPLES / "error_no_environment.xml").read_bytes()
    error = refusal(raw(body, 404, "application/xml"))
    assert type(error) is StopVendor
    assert "Environment does not exist." in error.message
    assert "business_central.environment" in error.hint


def test_a_token_for_something_else() -> None:
    body = (SAMPLES / "error_unauthorized.xml").read_bytes()
    error = refusal(raw(body, 401, "application/xml"))
    assert type(error) is StopVendor
    assert "The credentials provided are incorrect" in error.message


@pytest.mark.parametrize("status", [200, 503])
def test_a_maintenance_page_leaves_a_write_in_doubt(status: int) -> None:
    page = (SAMPLES / "error_maintenance.html").read_bytes()
    assert type(refusal(raw(page, status, "text/html"))) is InDoubt


def test_permission_is_recognised_in_older_words() -> None:
    text = "You do not have the following permissions on Page 30009: Execute."
    body = {"error": {"code": "Internal_ServerError", "message": text}}
    assert type(refusal(answer(body, 400))) is StopVendor


def test_an_error_without_body_still_says_something() -> None:
    error = refusal(raw(b"", 400, "text/plain"))
    assert type(error) is RecordRefused
    assert "400" in error.message


def test_a_lock_met_by_a_read_is_waited_for() -> None:
    client, script = talk(
        answer(sample("error_locked"), 409), answer(sample("sales_invoice_draft"))
    )
    assert client.get_document(DocumentSet.INVOICES, ID).number == "S-INV102201"
    assert len(script.requests) == 2
