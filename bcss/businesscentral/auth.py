"""Sign in at Microsoft Entra as an application; the only module that knows msal.

msal calls the network in every constructor, replays failures for minutes and raises although
a good token is at hand (stack.md §2.3). So it gets our HTTP stack, discovery is answered here,
each sign-in gets a fresh msal object, and the last good token is kept by us.
"""

import json
import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from bcss.clock import Clock, iso
from bcss.errors import BcssError, FixConfig, FixCredential, RetryLater
from bcss.http import Send
from bcss.reply import Reply, clean, wait_asked
from bcss.request import is_loopback

SCOPE: Final = "https://api.businesscentral.dynamics.com/.default"
_RENEW_BEFORE = timedelta(minutes=5)
_USABLE_FOR = timedelta(seconds=60)
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
_AADSTS = re.compile(r"AADSTS(\d{4,8})")
_TRACES = re.compile(r"\s*\bTrace ID:.*", re.IGNORECASE | re.DOTALL)
_TRANSIENT = frozenset({90055, 90024, 90033, 50196})

# A client secret, or msal's dictionary for a certificate (private_key with thumbprint or
# public_certificate, and passphrase), or a function that fetches either when it is needed.
Credential = str | Mapping[str, Any] | Callable[[], str | Mapping[str, Any]]

_REJECTED = (
    "The client secret was rejected. Copy the secret's Value, not its Secret ID, then "
    "`bcss auth set`."
)
_UNKNOWN_APP = (
    "business_central.client_id is unknown in this tenant: wrong tenant, or admin consent is "
    "missing."
)
_WRONG_TENANT = "business_central.tenant is wrong, or belongs to another cloud."
_CERTIFICATE = (
    "The certificate is not uploaded, its thumbprint is wrong, or this host's clock is off; it "
    "says {now}."
)
_BAD_SCOPE = "The scope must be https://api.businesscentral.dynamics.com/.default."
_CONSENT = (
    "Grant the application permission API.ReadWrite.All of Dynamics 365 Business Central, with "
    "admin consent."
)
_NOT_PROVISIONED = "Business Central is not provisioned in this tenant."
_POLICY = "A Conditional Access policy for workload identities blocks this application or address."
_ANYTHING = "Look the code up at https://login.microsoftonline.com/error and run `bcss check`."
_HELP = {
    7000215: _REJECTED,
    7000222: (
        "The client secret has expired. Create a new one in App registrations > Certificates & "
        "secrets, then `bcss auth set`."
    ),
    700016: _UNKNOWN_APP,
    700011: _UNKNOWN_APP,
    70001: _UNKNOWN_APP,
    7000112: "The app registration is disabled.",
    90002: _WRONG_TENANT,
    90013: _WRONG_TENANT,
    900023: _WRONG_TENANT,
    700027: _CERTIFICATE,
    50012: _CERTIFICATE,
    700030: _CERTIFICATE,
    7000218: "No credential arrived; is the client secret empty?",
    7000216: "No credential arrived; is the client secret empty?",
    900144: "No credential arrived; is the client secret empty?",
    70011: _BAD_SCOPE,
    1002012: _BAD_SCOPE,
    28002: _BAD_SCOPE,
    500011: _NOT_PROVISIONED,
    50001: _NOT_PROVISIONED,
    650052: _CONSENT,
    650056: _CONSENT,
    650057: _CONSENT,
    53003: _POLICY,
    530032: _POLICY,
    50034: "A user was asked for; business_central.client_id must be an application.",
}


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class _Answer:
    """What msal expects of an HTTP response."""

    status_code: int
    text: str
    headers: Mapping[str, str]

    def raise_for_status(self) -> None:
        """Raise for an error status."""
        if self.status_code >= HTTPStatus.BAD_REQUEST:
            raise OSError(f"HTTP status {self.status_code}")


class _Adapter:
    """The HTTP client msal is given: ours, with discovery answered on the spot."""

    def __init__(self, endpoint: str, send: Send, *, plain: bool) -> None:
        self._endpoint = endpoint
        self._send = send
        self._plain = plain
        self.reply: Reply | None = None

    def get(self, url: str, **_: Any) -> _Answer:
        """Answer the discovery that every msal constructor asks for."""
        value = {
            "token_endpoint": self._endpoint,
            "authorization_endpoint": self._endpoint.replace("/token", "/authorize"),
            "issuer": url.partition("/.well-known")[0],
        }
        return _Answer(HTTPStatus.OK, json.dumps(value), {})

    def post(
        self,
        url: str,
        params: object = None,
        data: Any = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> _Answer:
        """Send a form; encoded here, since msal's assertion is bytes (stack.md §2.2)."""
        del params
        if url != self._endpoint:
            raise RetryLater("The sign-in was led to another address than the configured one.")
        if self._plain:
            url = "http://" + url.removeprefix("https://")
        form = {"content-type": "application/x-www-form-urlencoded"}
        body = urlencode(data or {}).encode("ascii")
        self.reply = self._send("POST", url, {**(headers or {}), **form}, body)
        text = self.reply.body.decode("utf-8", "replace")
        return _Answer(self.reply.status, text, dict(self.reply.headers))

    def close(self) -> None:
        """Do nothing: the connection belongs to whoever gave `send`."""


class TokenProvider:
    """Keeps one access token for Business Central and renews it in time.

    An authority with http:// is accepted on loopback only. `send` comes from
    `bcss.http.raw_sender` and must reach the authority's host.
    """

    def __init__(
        self,
        *,
        authority: str,
        tenant: str,
        client_id: str,
        credential: Credential,
        send: Send,
        clock: Clock,
        scope: str = SCOPE,
    ) -> None:
        parts = urlsplit(authority)
        self._plain = parts.scheme == "http"
        _check(authority, tenant, plain=self._plain)
        self._host = f"https://{parts.netloc}"
        self._prefix = parts.path.rstrip("/")
        self._tenant = tenant
        self._client_id = client_id
        self._credential = credential
        self._send = send
        self._clock = clock
        self._scope = scope
        self._lock = threading.Lock()  # msal would sign in once per thread
        self._token: _Token | None = None
        self._given = threading.local()

    def authorize(self, force: bool = False) -> dict[str, str]:
        """Return the Authorization header; `force` says that the last one was refused.

        Raise FixCredential when Entra refuses us, RetryLater when it cannot be asked.
        """
        with self._lock:
            token = self._current(force=force)
        self._given.token = token
        return {"Authorization": f"Bearer {token.value}"}

    def _current(self, *, force: bool) -> _Token:
        now = self._clock.now()
        held = self._token
        if force and held is not getattr(self._given, "token", None):
            force = False  # another thread has renewed it since this one's was refused
        if force:
            self._token = held = None
        if held and held.expires - now > _RENEW_BEFORE:
            return held
        try:
            self._token = self._sign_in()
        except BcssError:
            if held and held.expires - now > _USABLE_FOR:
                return held
            raise
        return self._token

    def _sign_in(self) -> _Token:
        import msal  # noqa: PLC0415 - 240 ms that only a command with network pays

        logging.getLogger("msal").setLevel(logging.CRITICAL)  # it logs whole answers
        credential = self._credential() if callable(self._credential) else self._credential
        endpoint = f"{self._host}{self._prefix}/{self._tenant}/oauth2/v2.0/token"
        adapter = _Adapter(endpoint, self._send, plain=self._plain)
        asked = self._clock.now()
        try:
            app = msal.ConfidentialClientApplication(
                self._client_id,
                client_credential=credential if isinstance(credential, str) else dict(credential),
                authority=f"{self._host}/{self._tenant}",
                instance_discovery=False,
                validate_authority=False,
                azure_region=False,
                http_client=adapter,
            )
            result = app.acquire_token_for_client(scopes=[self._scope])
        except BcssError:
            raise
        except Exception as error:  # noqa: BLE001 - msal documents nothing of what it raises
            raise self._failure(adapter.reply, error) from None
        return self._read(result, adapter.reply, asked)

    def _read(self, result: Any, reply: Reply | None, asked: datetime) -> _Token:
        value = result.get("access_token") if isinstance(result, dict) else None
        if isinstance(value, str) and value:
            return _Token(value, asked + timedelta(seconds=_seconds(result.get("expires_in"))))
        raise self._refusal(result if isinstance(result, dict) else {}, reply)

    def _failure(self, reply: Reply | None, error: Exception) -> BcssError:
        """Explain an exception of msal: before a request it is the credential, else the answer."""
        if reply is None:
            return FixCredential(
                f"The credential of Business Central cannot be used ({type(error).__name__}).",
                hint="A certificate needs private_key and thumbprint, both in PEM form; then "
                "`bcss auth set`.",
            )
        return RetryLater(
            f"Microsoft Entra answered {reply.status} with something that is no token.",
            hint="A proxy or login page may stand in between; the next run tries again.",
            vendor="entra",
            status=reply.status,
            retry_after=wait_asked(reply.headers, self._clock.now()),
        )

    def _refusal(self, result: Mapping[str, Any], reply: Reply | None) -> BcssError:
        codes = _codes(result)
        status = reply.status if reply else None
        said = self._said(result, codes)
        if status == HTTPStatus.TOO_MANY_REQUESTS or _TRANSIENT & set(codes) or not result:
            return RetryLater(
                said,
                hint="The next run tries again.",
                vendor="entra",
                status=status,
                retry_after=wait_asked(reply.headers, self._clock.now()) if reply else None,
            )
        known = (_HELP[code] for code in codes if code in _HELP)
        return FixCredential(said, hint=next(known, _ANYTHING).format(now=iso(self._clock.now())))

    def _said(self, result: Mapping[str, Any], codes: list[int]) -> str:
        """Quote Entra, with the ids that its support asks for."""
        name = f"AADSTS{codes[0]}" if codes else clean(result.get("error") or "no reason", 60)
        text = clean(_TRACES.sub("", str(result.get("error_description") or "")))
        ids = ", ".join(
            f"{label} {clean(result[member], 60)}"
            for member, label in (
                ("correlation_id", "correlation"),
                ("trace_id", "trace"),
                ("timestamp", "at"),
            )
            if result.get(member)
        )
        text = re.sub(r"^AADSTS\d+:\s*", "", text)
        return f"Microsoft Entra refused the sign-in: {name} {text}{f' ({ids})' if ids else ''}"


def _check(authority: str, tenant: str, *, plain: bool) -> None:
    parts = urlsplit(authority)
    if not parts.hostname or parts.scheme not in ("http", "https") or parts.username:
        raise FixConfig(
            "business_central.authority is no address.",
            hint="Usually it is https://login.microsoftonline.com.",
        )
    if plain and not is_loopback(parts.hostname):
        raise FixConfig(
            "business_central.authority must begin with https://.",
            hint="Plain http is for loopback hosts only; the client secret would travel openly.",
        )
    if not _TENANT.fullmatch(tenant):
        raise FixConfig(
            "business_central.tenant is neither a domain name nor an id.",
            hint="For example contoso.onmicrosoft.com.",
        )


def _codes(result: Mapping[str, Any]) -> list[int]:
    listed = result.get("error_codes")
    codes = [code for code in listed if isinstance(code, int)] if isinstance(listed, list) else []
    found = _AADSTS.search(str(result.get("error_description") or ""))
    return codes or ([int(found[1])] if found else [])


def _seconds(value: object) -> int:
    """Read a token's life; an absent or absurd one means 10 minutes."""
    try:
        seconds = int(str(value))
    except ValueError:
        return 600
    return seconds if 0 < seconds <= 86_400 else 600  # noqa: PLR2004 - one day
