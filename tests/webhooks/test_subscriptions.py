"""renew-subs against the imitated Business Central and a listener that really answers."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from bcss.errors import Exit, FixCredential, RetryLater, StopVendor
from bcss.flows.subscriptions import hours_left, renew_subs, renew_subs_if_due
from bcss.sandbox.kit import Request
from bcss.sandbox.world import World
from tests.rig import Rig, config_for
from tests.webhooks.rig import TOKEN, listening, with_webhooks
from tests.webhooks.test_work_hints import START

THREE = {"items", "customers", "salesInvoices"}


@dataclass(slots=True)
class Office(Rig):
    """A rig with subscriptions."""

    def renew(self, *, strict: bool = True, dry_run: bool = False) -> Exit:
        part = renew_subs if strict else renew_subs_if_due
        return self.run([("renew-subs", part)], dry_run=dry_run).exit_code

    def subscriptions(self) -> dict[str, dict[str, Any]]:
        rows = self.world.bc.state()["subscriptions"]
        return {str(row["resource"]).rsplit("/", 1)[-1]: row for row in rows}

    def writes(self) -> list[str]:
        calls = [one.request for one in self.world.log.calls("bc")]
        return [one.method for one in calls if "subscriptions" in one.path and one.method != "GET"]

    def hours(self) -> dict[str, float]:
        with self.connection() as conn:
            return hours_left(conn.store, conn.now())

    def meta(self, key: str) -> str:
        with self.connection() as conn:
            return conn.store.meta(key)

    def trail(self) -> list[tuple[str, str, str, str]]:
        with self.connection() as conn:
            return [
                (one.kind, one.subject, one.status, one.summary)
                for one in conn.store.trail.latest(200)
                if one.subject.startswith("subscription:")
            ]

    def forget(self) -> None:
        self.world.log.clear()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    world = World({"clock": "2026-12-07T18:00:00Z", "freeze": True})
    with listening(config_for(tmp_path, start=START)) as ear:
        yield Office(world, ear.config, tmp_path)


def test_it_creates_what_is_missing_with_a_handshake(office: Office) -> None:
    assert office.renew() == Exit.DONE
    found = office.subscriptions()
    assert set(found) == THREE
    assert len({row["clientState"] for row in found.values()}) == 3
    assert office.hours() == dict.fromkeys(THREE, 72.0)
    kinds = [(kind, status) for kind, subject, status, _ in office.trail() if "items" in subject]
    assert kinds == [("intent", "sent"), ("outcome", "done")]
    assert TOKEN not in json.dumps(office.trail())


def test_their_notifications_are_known_for_ours(office: Office, tmp_path: Path) -> None:
    """Business Central's own words arrive with a state that the listener derives anew."""
    office.renew()
    with listening(config_for(tmp_path, start=START)) as ear:
        state = office.subscriptions()["items"]
        entry = {key: state[key] for key in ("clientState", "resource")} | {"changeType": "updated"}
        body = json.dumps({"value": [entry]}).encode()
        assert ear.send("POST", "/bcss/business-central", body).status == 200
        assert [hint.kind for hint in ear.hints()] == ["business_central"]


def test_it_renews_below_36_hours_and_not_before(office: Office) -> None:
    office.renew()
    office.forget()
    office.world.clock.advance(35 * 3600)
    assert office.renew() == Exit.DONE
    assert office.writes() == []
    office.world.clock.advance(2 * 3600)
    assert office.renew() == Exit.DONE
    assert office.writes() == ["PATCH"] * 3
    assert office.hours() == dict.fromkeys(THREE, 72.0)


def test_what_is_lost_is_created_again_and_noted(office: Office) -> None:
    office.renew()
    office.world.clock.advance(73 * 3600)
    assert office.subscriptions() == {} or office.hours() == dict.fromkeys(THREE, 0.0)
    office.forget()
    assert office.renew() == Exit.DONE
    assert office.writes() == ["POST"] * 3
    assert office.meta("hint:items") == office.meta("hint:customers") != ""
    assert ("event", "subscription:items", "lost") in {one[:3] for one in office.trail()}


def test_what_vanishes_between_list_and_renewal_is_created_again(office: Office) -> None:
    office.renew()
    office.world.clock.advance(40 * 3600)
    office.forget()
    gone: list[str] = []

    def expire_first(_vendor: str, request: Request) -> None:
        if request.method == "PATCH" and not gone:
            gone.append(unquote(request.path).rsplit("(", 1)[-1].strip("')"))
            office.world.bc.books.subscriptions.remove(gone[0], office.world.clock.now())

    office.before = expire_first
    assert office.renew() == Exit.DONE
    assert sorted(office.writes()) == ["PATCH", "PATCH", "PATCH", "POST"]
    assert set(office.subscriptions()) == THREE
    assert [one[2] for one in office.trail()].count("lost") == 1


def test_a_new_token_reaches_business_central(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.renew()
    before = office.subscriptions()["items"]["clientState"]
    monkeypatch.setenv("BCSS_TEST_HOOK", TOKEN + "-new")
    assert office.renew() == Exit.DONE
    assert office.subscriptions()["items"]["clientState"] != before


def test_what_is_no_longer_configured_goes_and_others_stay(office: Office) -> None:
    office.renew()
    hooks = office.config.webhooks
    assert hooks is not None
    with office.connection() as conn:
        other = f"{hooks.public_url}/elsewhere/business-central"
        conn.bc.create_subscription("items", notification_url=other, client_state="theirs")
    office.config = replace(office.config, webhooks=replace(hooks, subscriptions=("items",)))
    assert office.renew() == Exit.DONE
    rows = office.world.bc.state()["subscriptions"]
    assert len(rows) == 2
    assert {row["clientState"] == "theirs" for row in rows} == {True, False}
    assert set(office.hours()) == {"items"}


def test_of_two_for_the_same_entity_one_stays(office: Office) -> None:
    """The same resource without its slash is another text, and so another subscription."""
    office.renew()
    row = office.subscriptions()["items"]
    names = ("notificationUrl", "resource", "clientState")
    double = {name: row[name].lstrip("/") for name in names}
    with office.connection() as conn:
        path = f"{conn.bc._site.api}/subscriptions"
        conn.bc.session.send("POST", path, body=json.dumps(double).encode())
    assert len(office.world.bc.state()["subscriptions"]) == 4
    assert office.renew() == Exit.DONE
    assert len(office.world.bc.state()["subscriptions"]) == 3
    assert set(office.subscriptions()) == THREE


def test_without_a_webhooks_section_there_is_nothing_to_do(office: Office) -> None:
    office.config = replace(office.config, webhooks=None)
    assert office.renew() == Exit.DONE
    assert office.world.log.calls() == []


def test_an_entity_that_cannot_be_watched_fails_alone(office: Office) -> None:
    hooks = office.config.webhooks
    assert hooks is not None
    wanted = ("itemVariants", "taxGroups", "items")
    office.config = replace(office.config, webhooks=replace(hooks, subscriptions=wanted))
    with office.connection() as conn:
        renew_subs(conn)
        (error,) = conn.report.errors
    assert isinstance(error, RetryLater)
    assert "taxGroups" in str(error)
    assert set(office.subscriptions()) == {"itemVariants", "items"}


def test_a_dry_run_only_says_what_it_would_do(office: Office) -> None:
    assert office.renew(dry_run=True) == Exit.DONE
    assert office.subscriptions() == {}
    assert office.hours() == {}


def test_refused_by_business_central_as_a_whole_is_a_credential_matter(office: Office) -> None:
    office.world.faults.add(
        {"vendor": "bc", "do": "reject", "times": 0, "status": 403, "path": "subscriptions"}
    )
    with office.connection() as conn, pytest.raises(StopVendor):
        renew_subs(conn)


def test_a_missing_token_is_said(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BCSS_TEST_HOOK")
    with office.connection() as conn, pytest.raises(FixCredential):
        renew_subs(conn)


# A receiver that fails --------------------------------------------------------------------------


@contextmanager
def answering(
    status: int, body: bytes = b"", headers: dict[str, str] | None = None
) -> Iterator[str]:
    """Serve one answer to everything, as a proxy that is set up wrongly does."""

    class Wrong(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Wrong)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/bcss"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<html>welcome</html>", "something else answers"),
        (404, b"", "does not serve this path"),
        (405, b"", "does not serve this path"),
        (401, b"", "wants a login"),
        (302, b"", "redirects"),
        (502, b"", "does not reach the listener"),
        (503, b"", "does not reach the listener"),
        (418, b"", "answered 418"),
    ],
)
def test_a_wrong_answer_is_explained(office: Office, status: int, body: bytes, said: str) -> None:
    with answering(status, body, {"Location": "https://elsewhere.test/"}) as url:
        office.config = with_webhooks(office.config, url)
        with office.connection() as conn, pytest.raises(RetryLater, match=said):
            renew_subs(conn)
    assert office.world.log.calls() == []
    assert said in json.loads(office.meta("receiver"))["problem"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://127.0.0.1:1/bcss", "refuses connections"),
        ("http://no-such-host.invalid/bcss", "has no address"),
    ],
)
def test_a_receiver_that_cannot_be_reached_is_explained(
    office: Office, url: str, said: str
) -> None:
    office.config = with_webhooks(office.config, url)
    with office.connection() as conn, pytest.raises(RetryLater, match=said):
        renew_subs(conn)


def test_within_sync_all_a_failing_receiver_counts_only_below_24_hours(office: Office) -> None:
    assert office.renew(strict=False) == Exit.DONE
    good = office.config
    office.config = with_webhooks(good)
    office.world.clock.advance(47 * 3600)
    assert office.renew(strict=False) == Exit.DONE
    assert office.renew() == Exit.TEMPORARY
    office.world.clock.advance(2 * 3600)
    assert office.renew(strict=False) == Exit.TEMPORARY
    office.config = good
    assert office.renew(strict=False) == Exit.DONE
    assert office.hours() == dict.fromkeys(THREE, 72.0)


def test_a_receiver_that_never_worked_does_not_fail_every_sync(office: Office) -> None:
    office.config = with_webhooks(office.config)
    assert office.renew(strict=False) == Exit.DONE
    assert office.renew() == Exit.TEMPORARY


def test_within_sync_all_nothing_is_asked_while_all_is_well(office: Office) -> None:
    office.renew(strict=False)
    office.forget()
    office.world.clock.advance(timedelta(hours=5).total_seconds())
    assert office.renew(strict=False) == Exit.DONE
    assert office.world.log.calls() == []
    office.world.clock.advance(timedelta(hours=2).total_seconds())
    assert office.renew(strict=False) == Exit.DONE
    assert [one.status for one in office.world.log.calls() if one.status != 401] == [200]
