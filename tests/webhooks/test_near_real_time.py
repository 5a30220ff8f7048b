"""Webhooks make things fast; without them, or with bad ones, the next poll makes them right."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from bcss.cli.state import subscriptions
from bcss.errors import Exit
from bcss.flows.customers import sync_customers
from bcss.flows.items import push_items
from bcss.flows.subscriptions import renew_subs_if_due
from bcss.store.hints import Kind
from tests.webhooks.rig import TOKEN, Ear, with_webhooks
from tests.webhooks.test_subscriptions import THREE, Office, office
from tests.webhooks.test_work_hints import Shop, ear, shop

__all__ = ["ear", "office", "shop"]
MASTERS = (("push-items", push_items), ("sync-customers", sync_customers))


# Deliveries -------------------------------------------------------------------------------------


def subscribed(shop: Shop, ear: Ear, **switches: Any) -> None:
    with shop.connection() as conn:
        for event in ("ORDER_NOTIFY", "SHIP_NOTIFY"):
            conn.shipstation.subscribe(f"{ear.url}/{TOKEN}/shipstation", event)
    shop.world.load({"switches": {"shipstation": {"deliveries": True, **switches}}})


NUMBERS = [f"SO-{number}" for number in range(1, 7)]


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"double_every": 1},
        {"reorder": True},
        {"lose_every": 2},
        {"lose_every": 3, "double_every": 2, "reorder": True},
    ],
    ids=str,
)
def test_however_deliveries_come_each_order_is_booked_once_within_one_poll(
    shop: Shop, ear: Ear, switches: dict[str, Any]
) -> None:
    subscribed(shop, ear, **switches)
    for number in NUMBERS:
        shop.ship(number)
        shop.act("flush_webhooks")
        assert shop.drain() == Exit.DONE
        shop.world.clock.advance(60)
    if "lose_every" not in switches:
        assert sorted(shop.posted()) == NUMBERS
    assert shop.run().exit_code == Exit.DONE
    assert sorted(shop.posted()) == NUMBERS
    shop.world.clock.advance(3600)
    assert shop.run().exit_code == Exit.DONE
    assert len(shop.invoices()) == len(NUMBERS)


def test_when_every_webhook_is_lost_one_poll_books_all(shop: Shop, ear: Ear) -> None:
    subscribed(shop, ear, lose_every=1)
    for number in NUMBERS:
        shop.ship(number)
    shop.act("flush_webhooks")
    assert ear.hints() == []
    shop.world.clock.advance(60)
    assert shop.run().exit_code == Exit.DONE
    assert sorted(shop.posted()) == NUMBERS


# What Business Central says ---------------------------------------------------------------------


def lists(shop: Shop | Office) -> dict[str, bool]:
    """Return the lists read of Business Central, and whether only for what changed."""
    found: dict[str, bool] = {}
    for one in shop.world.log.calls("bc"):
        entity = urlsplit(one.request.path).path.rsplit("/", 1)[-1]
        changed = "lastModifiedDateTime" in unquote(str(parse_qs(one.request.query).get("$filter")))
        found.setdefault(entity, changed)
    return found


def refreshed(shop: Shop) -> dict[str, bool]:
    shop.world.clock.advance(600)
    shop.world.log.clear()
    assert shop.run(MASTERS).exit_code == Exit.DONE
    return lists(shop)


def told(shop: Shop, kind: Kind, **changes: int) -> None:
    with shop.connection() as conn:
        company = conn.bc.company
        assert company is not None
    body = {"resource": f"companies({company.id})/items", "changes": changes}
    shop.hint(body if kind == "business_central" else None, kind)
    assert shop.drain() == Exit.DONE


def test_a_notification_makes_the_next_sync_read_variants_too(shop: Shop) -> None:
    refreshed(shop)
    assert "itemVariants" not in refreshed(shop)
    told(shop, "business_central", updated=3)
    found = refreshed(shop)
    assert found["items"] is True
    assert "itemVariants" in found
    assert "itemVariants" not in refreshed(shop)


@pytest.mark.parametrize("kind", ["refresh", "business_central"])
def test_what_nobody_can_name_is_read_from_the_beginning(shop: Shop, kind: Kind) -> None:
    refreshed(shop)
    told(shop, kind, collection=1)
    found = refreshed(shop)
    assert found["items"] is False
    assert found["customers"] is (kind != "refresh")
    assert refreshed(shop)["items"] is True


def test_a_hint_that_comes_while_reading_is_kept_for_the_next_time(shop: Shop) -> None:
    refreshed(shop)
    told(shop, "business_central", updated=1)
    said: list[str] = []

    def say_again(vendor: str, request: Any) -> None:
        if vendor == "bc" and request.path.endswith("/items") and not said:
            shop.world.clock.advance(1)
            said.append(request.path)
            told(shop, "business_central", updated=1)

    shop.after = say_again
    refreshed(shop)
    shop.after = None
    assert "itemVariants" in refreshed(shop)


# Three days of a receiver that comes and goes ---------------------------------------------------


class Proxy:
    """Answers Business Central's handshake, or fails as proxies do."""

    def __init__(self) -> None:
        self.status = 200
        self.handshakes = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                token = parse_qs(urlsplit(self.path).query).get("validationToken", [""])[0]
                body = token.encode() if outer.status == 200 else b""
                outer.handshakes += 1
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/bcss"


@contextmanager
def proxied() -> Iterator[Proxy]:
    proxy = Proxy()
    thread = threading.Thread(target=proxy.server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield proxy
    finally:
        proxy.server.shutdown()
        thread.join()
        proxy.server.server_close()


def outages(seed: int, steps: int) -> Iterator[int]:
    """Return the receiver's status step by step: short troubles, and one that is too long."""
    dice = random.Random(seed)
    long_one = dice.randrange(steps // 4)
    for step in range(steps):
        if long_one <= step < long_one + 75:
            yield 503
        else:
            yield dice.choice((200, 200, 200, 502, 404))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_subscription_never_lapses_without_a_full_reading_behind_it(
    office: Office, seed: int
) -> None:
    """Hourly runs over a week, in which the receiver fails for longer than three days."""
    owed: set[str] = set()
    lapsed = 0
    with proxied() as proxy:
        office.config = with_webhooks(office.config, proxy.url)
        assert office.renew(strict=False) == Exit.DONE
        office.run(MASTERS)
        for status in outages(seed, 168):
            office.world.clock.advance(3600)
            gone = {"items", "customers"} - alive(office)
            lapsed += bool(gone - owed)
            owed |= gone
            proxy.status = status
            office.world.log.clear()
            summary = office.run([("renew-subs", renew_subs_if_due), *MASTERS])
            assert summary.exit_code in (Exit.DONE, Exit.TEMPORARY)
            if min(hours(office).values()) < 23 and status != 200:
                assert summary.exit_code == Exit.TEMPORARY
            back = owed & alive(office)
            read = {one for one, changed_only in lists(office).items() if not changed_only}
            assert back <= read, f"{back} came back without a full reading"
            owed -= back
        proxy.status = 200
        office.world.clock.advance(3600)
        office.run([("renew-subs", renew_subs_if_due), *MASTERS])
        assert alive(office) == THREE
    assert lapsed


def alive(office: Office) -> set[str]:
    now = office.world.clock.now()
    return {
        entity
        for entity, row in office.subscriptions().items()
        if str(row["expirationDateTime"]) > now.strftime("%Y-%m-%dT%H:%M:%S")
    }


def hours(office: Office) -> dict[str, float]:
    """Return what `status` shows."""
    with office.connection() as conn:
        return {one["entity"]: one["hours_left"] for one in subscriptions(conn.store)}


def test_status_shows_the_hours_as_they_run_out(office: Office) -> None:
    office.renew()
    for later, left in ((0, 72.0), (10, 62.0), (50, 12.0), (20, 0.0)):
        office.world.clock.advance(timedelta(hours=later).total_seconds())
        assert hours(office) == dict.fromkeys(THREE, left)
