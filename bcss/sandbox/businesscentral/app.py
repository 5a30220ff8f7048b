"""Answer as Business Central and its login host do (business-central.md §1 to §8)."""

import re
import threading
from typing import Any
from urllib.parse import unquote

from bcss.sandbox.businesscentral import identity, loading, people, subscriptions
from bcss.sandbox.businesscentral.answers import (
    Call,
    check_match,
    listing,
    one,
    origin,
    plain_list,
)
from bcss.sandbox.businesscentral.cards import COMPANIES, SUBSCRIPTIONS
from bcss.sandbox.businesscentral.errors import (
    Refused,
    no_segment,
    not_allowed,
    unauthorised,
    xml_error,
)
from bcss.sandbox.businesscentral.routes import answer
from bcss.sandbox.businesscentral.rows import NO_GUID, Row
from bcss.sandbox.businesscentral.services import page_service
from bcss.sandbox.kit import Request, Response, SandboxClock, json_response

_COMPANY = re.compile(r"companies\(([^()]*|name='.*')\)")
_SERVICE_COMPANY = re.compile(r"Company\('(.*)'\)")
_UNKNOWN_COMPANY = (
    "Cannot process the request because the default company cannot be found. You can specify a "
    "default company in the service configuration file."
)
_NO_ENVIRONMENT = xml_error(404, "NoEnvironment", "Environment does not exist.")


class BusinessCentral:
    """The imitation: one tenant, its environments' one company, and its login host.

    `send` is how webhook receivers are reached; tests may put a function of their own there.
    """

    def __init__(self, clock: SandboxClock) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.books = loading.new_books(clock)
        self.send: subscriptions.Send = subscriptions.send_over_http
        self._timer: threading.Timer | None = None

    def load(self, data: dict[str, Any]) -> None:
        """Add data, in the format of `loading`."""
        with self.lock:
            loading.load(self.books, data)

    def state(self) -> dict[str, Any]:
        """Return the whole state, with what no entity shows."""
        with self.lock:
            return loading.state(self.books)

    def run(self, action: dict[str, Any]) -> dict[str, Any]:
        """Do what people and time do; see `people`."""
        if action.get("action") == "deliver_notifications":
            return {"sent": subscriptions.deliver(self.books, self.send, self.lock)}
        with self.lock:
            result = people.run(self.books, action)
        self._schedule()
        return result

    def keep_past(self) -> None:
        """Remember the past of documents from now on, so that reads may lag."""
        self.books.keep_journals()

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        try:
            if not request.path.startswith("/v2.0/"):
                return self._elsewhere(request)
            response = self._environment(request)
        except Refused as refusal:
            return refusal.response()
        if request.method != "GET" and self.books.changes:
            self._schedule()
        return response

    def _elsewhere(self, request: Request) -> Response:
        """Answer the login host, and the list of environments."""
        parts = request.path.strip("/").split("/")
        with self.lock:
            match parts:
                case [tenant, "oauth2", "v2.0", "token"] if request.method == "POST":
                    return identity.token(self.books, unquote(tenant), request)
                case [tenant, "v2.0", ".well-known", "openid-configuration"]:
                    return identity.discovery(origin(request), tenant)
                case ["environments", "v1.2"]:
                    identity.check(self.books, request)
                    return self._environments(request)
                case _:
                    return Response(404)

    def _environments(self, request: Request) -> Response:
        known = self.books.identity
        rows = [
            {"aadTenantId": known.tenant_id, "applicationFamily": "BusinessCentral", "name": name}
            for name in known.environments
        ]
        return json_response(200, {"value": rows})

    def _environment(self, request: Request) -> Response:
        parts = request.path.split("/")
        # /v2.0/{tenant}/{environment}/api|ODataV4/…; the tenant may be left out (§1.1).
        with_tenant = len(parts) > 4 and parts[4] in ("api", "ODataV4")
        place = 4 if with_tenant else 3
        tenant = unquote(parts[2]).lower() if with_tenant else ""
        environment = unquote(parts[place - 1]).lower()
        with self.lock:
            identity.check(self.books, request)
            known = self.books.identity
            if tenant and tenant not in (known.tenant.lower(), known.tenant_id.lower()):
                raise unauthorised(
                    "Web service call failed because user could not be authenticated or authorized."
                )
            if environment not in (name.lower() for name in known.environments):
                return _NO_ENVIRONMENT
        root = origin(request) + "/".join(
            parts[: place + 2 if parts[place] == "api" else place + 1]
        )
        rest = [unquote(part) for part in parts[place + 1 :] if part]
        if parts[place] == "ODataV4":
            with self.lock:
                return self._service(request, root, rest)
        if rest[:1] != ["v2.0"]:
            raise no_segment("/".join(rest)[:80])
        return self._api(request, root, rest[1:])

    def _service(self, request: Request, root: str, rest: list[str]) -> Response:
        match = _SERVICE_COMPANY.fullmatch(rest[0]) if rest else None
        if match is None or len(rest) < 2:
            raise no_segment(rest[0] if rest else "")
        if match[1].replace("''", "'").lower() != self.books.identity.company_name.lower():
            raise Refused(404, "Internal_CompanyNotFound", _UNKNOWN_COMPANY)
        call = Call(self.books, request, root, f"{root}/{rest[0]}")
        return page_service(call, rest[1:])

    def _api(self, request: Request, root: str, rest: list[str]) -> Response:
        call = Call(self.books, request, root, root)
        head = rest[0] if rest else ""
        if head.startswith("subscriptions"):
            return self._subscriptions(call, head)
        with self.lock:
            if not rest:
                return plain_list(call, "", [])
            if len(rest) == 1 and head.startswith("companies"):
                return self._companies(call, head)
            return self._company(request, root, rest)

    def _company(self, request: Request, root: str, rest: list[str]) -> Response:
        match = _COMPANY.fullmatch(rest[0])
        if match is None:
            raise no_segment(rest[0][:80])
        self._check_company(match[1])
        base = f"{root}/companies({self.books.identity.company_id})"
        return answer(Call(self.books, request, root, base), rest[1:])

    def _check_company(self, key: str) -> None:
        known = self.books.identity
        name = key[6:-1].replace("''", "'") if key.startswith("name='") else ""
        if key.lower() != known.company_id and name != known.company_name:
            raise Refused(404, "Internal_CompanyNotFound", _UNKNOWN_COMPANY)

    def _companies(self, call: Call, head: str) -> Response:
        if call.request.method != "GET":
            raise not_allowed(call.request.method, "companies")
        row = self._company_row()
        match = _COMPANY.fullmatch(head)
        if match is not None:
            self._check_company(match[1])
            return one(call, COMPANIES, row)
        if head != "companies":
            raise no_segment(head[:80])
        return listing(call, COMPANIES, [row])

    def _company_row(self) -> Row:
        """Show the company; displayName is empty, so that the name must be shown (§1.1)."""
        known = self.books.identity
        made = self.books.company_information.values["lastModifiedDateTime"]
        values = {
            "id": known.company_id,
            "systemVersion": known.system_version,
            "timestamp": 1234,
            "name": known.company_name,
            "displayName": "",
            "businessProfileId": "",
            "systemCreatedAt": made,
            "systemCreatedBy": NO_GUID,
            "systemModifiedAt": made,
            "systemModifiedBy": NO_GUID,
        }
        return Row(values, self.books.company_information.version)

    def _subscriptions(self, call: Call, head: str) -> Response:
        """Answer the subscriptions; the handshake happens outside the lock (§7.2)."""
        method, books = call.request.method, self.books
        if head == "subscriptions":
            if method == "POST":
                return self._subscribe(call)
            if method != "GET":
                raise not_allowed(method, head)
            with self.lock:
                subscriptions.expire(books)
                return listing(call, SUBSCRIPTIONS, books.subscriptions)
        with self.lock:
            key = subscriptions.key_of(head.removeprefix("subscriptions").strip("()"))
            found = subscriptions.require(books, key)
            if method == "GET":
                return one(call, SUBSCRIPTIONS, found)
            check_match(call, found.version, required=method == "PATCH")
            if method == "DELETE":
                books.subscriptions.remove(key, books.stamp())
                return Response(204)
            if method != "PATCH":
                raise not_allowed(method, "subscriptions")
            given = subscriptions.read(books, call.request.body)
        subscriptions.shake_hands(books, self.send, given["notificationUrl"], self.lock)
        with self.lock:
            return one(call, SUBSCRIPTIONS, subscriptions.renew(books, key, given))

    def _subscribe(self, call: Call) -> Response:
        with self.lock:
            given = subscriptions.read(self.books, call.request.body)
        subscriptions.shake_hands(self.books, self.send, given["notificationUrl"], self.lock)
        with self.lock:
            return one(call, SUBSCRIPTIONS, subscriptions.create(self.books, given), 201)

    def _schedule(self) -> None:
        """Let notifications go by themselves some seconds after the first change (§7.3)."""
        with self.lock:
            switches = self.books.switches
            if not switches["deliveries"] or self._timer is not None or not self.books.changes:
                return
            self._timer = threading.Timer(switches["notification_delay"], self._deliver)
            self._timer.daemon = True
            self._timer.start()

    def _deliver(self) -> None:
        with self.lock:
            self._timer = None
        subscriptions.deliver(self.books, self.send, self.lock)
