"""Thousands of malformed messages and slow strangers: nothing breaks, grows, or stands in the way."""

import json
import random
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from itertools import count, islice
from pathlib import Path
from resource import RLIMIT_NOFILE

import pytest

from bcss import httpserver
from bcss.errors import Exit
from bcss.listener import MAX_POINTER
from bcss.shipstation.pointer import read_pointer
from tests.webhooks.rig import POINTER, TOKEN, Ear
from tests.webhooks.test_listener import notification
from tests.webhooks.test_work_hints import Shop, ear, shop

__all__ = ["ear", "shop"]
POINTERS = 3000
NOTIFICATIONS = 2500
_PAGE = resource.getpagesize()
_ODD = (b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"{", b"]", b'"', b"\\u", b"1e999", b"NaN", b"[" * 60)


def mutations(whole: bytes, seed: int) -> Iterator[bytes]:
    """Cut, repeat, flip, insert into and exchange parts of a good message, without end."""
    dice = random.Random(seed)
    for kind in count():
        at, to = sorted((dice.randrange(len(whole)), dice.randrange(len(whole) + 1)))
        match kind % 6:
            case 0:
                yield whole[:at]
            case 1:
                yield whole[:at] + whole[to:]
            case 2:
                flipped = bytes([whole[at] ^ (1 << dice.randrange(8))])
                yield whole[:at] + flipped + whole[at + 1 :]
            case 3:
                yield whole[:at] + dice.choice(_ODD) + whole[at:]
            case 4:
                yield whole[:to] + whole[at:to] * dice.randrange(1, 9) + whole[to:]
            case _:
                yield dice.randbytes(dice.randrange(400))


def hostile_pointers() -> list[bytes]:
    """Return mutations of a good pointer that are none any more."""
    whole = json.dumps(POINTER).encode()
    found = (one for one in distinct(mutations(whole, 5)) if read_pointer(one) is None)
    return list(islice((one for one in found if len(one) <= MAX_POINTER), POINTERS))


def hostile_notifications() -> list[bytes]:
    """Return mutations of a notification whose clientState is not ours."""
    whole = json.dumps({"value": [notification(clientState="a" * 50)]}).encode()
    return list(islice(distinct(mutations(whole, 6)), NOTIFICATIONS))


def distinct(bodies: Iterator[bytes]) -> Iterator[bytes]:
    seen: set[bytes] = set()
    for body in bodies:
        if body not in seen:
            seen.add(body)
            yield body


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def send_all(ear: Ear, path: str, bodies: list[bytes]) -> set[int]:
    statuses = set()
    with closing(HTTPConnection("127.0.0.1", ear.port, timeout=15)) as connection:
        for body in bodies:
            connection.request("POST", path, body)
            answer = connection.getresponse()
            answer.read()
            statuses.add(answer.status)
    return statuses


def test_thousands_of_malformed_bodies_have_no_effect(shop: Shop, ear: Ear) -> None:
    shop.ship("SO-1")  # waits for a real hint, or for cron
    shop.world.log.clear()
    pointers, notifications = hostile_pointers(), hostile_notifications()
    assert len({*pointers, *notifications}) >= 5000
    send_all(ear, "/business-central", notifications[:500])
    threads, memory = threading.active_count(), resident()
    assert send_all(ear, "/business-central", notifications) == {200}
    assert ear.hints() == []
    assert send_all(ear, f"/{TOKEN}/shipstation", pointers) == {200}
    assert threading.active_count() <= threads + 2
    assert resident() - memory < 24 * 1024 * 1024
    assert len(ear.hints()) == POINTERS

    assert shop.drain() == Exit.DONE
    assert ear.hints() == []
    assert shop.world.log.calls("shipstation") == []
    assert shop.world.log.calls("bc") == []
    assert shop.posted() == []


def test_a_thousand_slow_connections_do_not_stop_an_honest_sender(ear: Ear) -> None:
    soft, hard = resource.getrlimit(RLIMIT_NOFILE)
    if hard < 2500:
        pytest.skip("this system allows too few open files")
    resource.setrlimit(RLIMIT_NOFILE, (max(soft, 2500), hard))
    before = threading.active_count()
    with ExitStack() as stack:
        begin = f"POST /{TOKEN}/shipstation HTTP/1.1\r\nX: ".encode()
        for _ in range(1000):
            one = stack.enter_context(ear.connect())
            one.sendall(begin)
        assert threading.active_count() <= before + httpserver.MAX_CONNECTIONS
        assert [honest(ear) for _ in range(20)] == [200] * 20
    assert len(ear.hints()) == 20


def honest(ear: Ear, seconds: float = 8.0) -> int:
    """Send a pointer as a vendor does, again when told to; return the last status."""
    deadline = time.monotonic() + seconds
    nap, status = threading.Event(), 0
    while status != 200 and time.monotonic() < deadline:
        try:
            status = ear.point().status
        except OSError:
            status = 0
        if status != 200:
            nap.wait(0.2)
    return status
