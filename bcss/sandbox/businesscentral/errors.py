"""Refuse requests in Business Central's words (business-central.md §1.4, §4.10)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bcss.sandbox.kit import Response, json_response

DIALOG = "Application_DialogException"
FIELD = "Application_FieldValidationException"
RELATION = "Internal_InvalidTableRelation"
_CORRELATION = "5ad0cc6c-7a1e-4a6e-9d0b-2f0d3f6f9c11"
_XML = {"content-type": "application/xml; charset=utf-8"}


@dataclass(slots=True, eq=False)
class Refused(Exception):
    """The request is refused with this status, code and text; nothing has happened."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """Render the error envelope of §4.10, two blanks before and after the colon."""
        text = f"{self.message}  CorrelationId:  {_CORRELATION}."
        return json_response(
            self.status, {"error": {"code": self.code, "message": text}}, self.headers
        )


def bad_request(message: str) -> Refused:
    """Refuse a malformed body, property or query option."""
    return Refused(400, "BadRequest", message)


def dialog(message: str) -> Refused:
    """Refuse with a business error, as AL's Error() does."""
    return Refused(400, DIALOG, message)


def failed_test(message: str) -> Refused:
    """Refuse with a failed TestField."""
    return Refused(400, FIELD, message)


def empty_field(caption: str, record: str) -> Refused:
    """Refuse because a field must have a value."""
    return failed_test(f"{caption} must have a value in {record}. It cannot be zero or empty.")


def not_related(caption: str, table: str, value: str, related: str) -> Refused:
    """Refuse a code that its related table does not hold."""
    return Refused(
        400,
        RELATION,
        f"The field {caption} of table {table} contains a value ({value}) "
        f"that cannot be found in the related table ({related}).",
    )


def not_found() -> Refused:
    """Answer for a key that does not exist."""
    return Refused(404, "Internal_RecordNotFound", "The record does not exist.")


def no_segment(name: str) -> Refused:
    """Answer for an entity set that does not exist."""
    return Refused(
        404,
        "BadRequest_ResourceNotFound",
        f"Resource not found for the segment '{name}'.",
    )


def not_allowed(method: str, name: str) -> Refused:
    """Answer for a method that the entity set does not take."""
    return Refused(
        405,
        "BadRequest_MethodNotAllowed",
        f"'{method}' requests for '{name}' of EdmType 'Entity' are not allowed within "
        "Microsoft Dynamics NAV OData web services.",
    )


def read_only(name: str) -> Refused:
    """Refuse to write a property that is read-only."""
    return Refused(400, "BadRequest_InvalidOperation", f"Control '{name}' is read-only")


def no_token() -> Refused:
    """Refuse a PATCH whose If-Match is missing or malformed (§4.5)."""
    return Refused(
        400,
        "BadRequest_InvalidToken",
        "Could not validate the client concurrency token required by the service. "
        "Please provide a valid token in the client request.",
    )


def changed() -> Refused:
    """Refuse a stale tag (§4.5: 409, not 412)."""
    return Refused(409, "Request_EntityChanged", "Another user has already changed the record.")


def xml_error(status: int, code: str, message: str) -> Response:
    """Render the gateway's XML errors (§1.4)."""
    body = (
        '<error xmlns="http://docs.oasis-open.org/odata/ns/metadata">'
        f"<code>{code}</code><message>{message}</message></error>"
    )
    return Response(status, _XML, body.encode())


def unauthorised(message: str) -> Refused:
    """Refuse the credentials (§1.4)."""
    return Refused(
        401,
        "Authentication_InvalidCredentials",
        message,
        {
            "www-authenticate": 'Bearer realm="", authorization_uri="https://login.microsoftonline.com"'
        },
    )
