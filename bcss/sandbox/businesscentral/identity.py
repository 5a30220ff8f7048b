"""Issue tokens as the login host does, and check them (business-central.md §1.2, §1.4)."""

import json
from base64 import urlsafe_b64encode
from datetime import timedelta
from urllib.parse import parse_qsl

from bcss.sandbox.businesscentral.books import Books, Identity
from bcss.sandbox.businesscentral.errors import unauthorised
from bcss.sandbox.businesscentral.rows import guid
from bcss.sandbox.kit import Request, Response, json_response

AUDIENCE = "https://api.businesscentral.dynamics.com"
LIFETIME = 3599
_SCOPE = f"{AUDIENCE}/.default"
_REJECTED = "The server has rejected the client credentials."


def token(books: Books, tenant: str, request: Request) -> Response:
    """Answer the client-credentials grant."""
    form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    client = form.get("client_id", "")
    refusal = _refusal(books.identity, tenant, form)
    if refusal is not None:
        status, error, number, text = refusal
        return _failure(books, status, error, number, text)
    value = _token_text(books, client)
    books.tokens[value] = books.clock.now() + timedelta(seconds=LIFETIME)
    return json_response(
        200,
        {
            "token_type": "Bearer",
            "expires_in": LIFETIME,
            "ext_expires_in": LIFETIME,
            "access_token": value,
        },
        {"cache-control": "no-store"},
    )


def _refusal(
    identity: Identity, tenant: str, form: dict[str, str]
) -> tuple[int, str, int, str] | None:
    """Return status, error, AADSTS number and text of a refusal, or None."""
    client = form.get("client_id", "")
    known = (identity.tenant.lower(), identity.tenant_id.lower())
    wanted = identity.credentials.get(client)
    proven = form.get("client_assertion") or form.get("client_secret") == wanted
    checks = (
        (tenant.lower() in known, (400, "invalid_request", 90002, "Tenant not found.")),
        (
            form.get("grant_type") == "client_credentials",
            (400, "unsupported_grant_type", 70003, "The grant type is not supported."),
        ),
        (form.get("scope") == _SCOPE, (400, "invalid_scope", 1002012, "The scope is not valid.")),
        (
            wanted is not None,
            (400, "unauthorized_client", 700016, "The application was not found in the tenant."),
        ),
        (proven, (401, "invalid_client", 7000215, "Invalid client secret provided.")),
    )
    return next((refusal for passed, refusal in checks if not passed), None)


def _failure(books: Books, status: int, error: str, number: int, text: str) -> Response:
    now = books.clock.now().strftime("%Y-%m-%d %H:%M:%SZ")
    trace, correlation = guid(number), guid(number + 1)
    return json_response(
        status,
        {
            "error": error,
            "error_description": f"AADSTS{number}: {text} Trace ID: {trace} "
            f"Correlation ID: {correlation} Timestamp: {now}",
            "error_codes": [number],
            "timestamp": now,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={number}",
        },
    )


def _part(value: dict[str, object]) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _token_text(books: Books, client: str) -> str:
    """Make a token in the shape of a JWT with the facts of §1.2; nobody signed it."""
    now = int(books.clock.now().timestamp())
    header = _part({"typ": "JWT", "alg": "none"})
    payload = _part(
        {
            "aud": AUDIENCE,
            "tid": books.identity.tenant_id,
            "appid": client,
            "roles": ["API.ReadWrite.All"],
            "nbf": now,
            "exp": now + LIFETIME,
            "jti": books.new_id(),
        }
    )
    return f"{header}.{payload}.sandbox"


def discovery(base: str, tenant: str) -> Response:
    """Answer the OpenID discovery document."""
    return json_response(
        200,
        {
            "issuer": f"{base}/{tenant}/v2.0",
            "authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/{tenant}/oauth2/v2.0/token",
            "jwks_uri": f"{base}/{tenant}/discovery/v2.0/keys",
            "response_types_supported": ["code", "token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
        },
    )


def check(books: Books, request: Request) -> None:
    """Refuse a call without a token issued here that still lives (§1.4)."""
    if not books.switches["authentication"]:
        return
    value = request.headers.get("authorization", "")
    expiry = books.tokens.get(value[7:]) if value[:7].lower() == "bearer " else None
    if expiry is None or expiry <= books.clock.now():
        raise unauthorised(_REJECTED)
