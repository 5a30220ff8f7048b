"""A vendor's clock by its answers: right to a second, whatever the header says."""

from datetime import UTC, datetime, timedelta

import pytest

from bcss.clock import VendorClock

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


class HostClock:
    """A host's clock whose two hands move apart when somebody sets it, or when it sleeps."""

    def __init__(self) -> None:
        self.wall = NOON
        self.steady = 100.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def sleep(self, seconds: float) -> None:
        self.steady += seconds


@pytest.fixture
def host() -> HostClock:
    return HostClock()


def test_without_an_answer_it_is_the_hosts(host: HostClock) -> None:
    clock = VendorClock(host)

    assert (clock.answered(), clock.now()) == (NOON, NOON)


def test_two_clocks_that_agree_keep_the_hosts_fractions(host: HostClock) -> None:
    host.wall = NOON + timedelta(milliseconds=900)
    clock = VendorClock(host)
    clock.hear("Tue, 10 Mar 2026 12:00:00 GMT")

    assert clock.answered() == host.wall


@pytest.mark.parametrize("set_by", [timedelta(hours=-3), timedelta(0)])
def test_what_passes_is_the_longer_of_both_hands(host: HostClock, set_by: timedelta) -> None:
    clock = VendorClock(host)
    clock.hear("Tue, 10 Mar 2026 14:00:00 GMT")
    host.steady += 30
    host.wall += timedelta(seconds=30) + set_by

    assert clock.answered() == NOON + timedelta(hours=2)
    assert clock.now() == NOON + timedelta(hours=2, seconds=30)


def test_a_host_that_slept_counts_its_sleep(host: HostClock) -> None:
    clock = VendorClock(host)
    clock.hear("Tue, 10 Mar 2026 12:00:00 GMT")
    host.wall += timedelta(hours=8)

    assert clock.now() == NOON + timedelta(hours=8)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "garbage",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Fri, 31 Dec 9999 23:59:59 -1200",
        "Thu, 01 Jan 0001 00:00:00 +2359",
        "Tue, 10 Mar 1999 12:00:00 GMT",
    ],
)
def test_a_header_that_cannot_be_leaves_the_hosts_clock(host: HostClock, header: str) -> None:
    clock = VendorClock(host)
    clock.hear(header)

    assert (clock.answered(), clock.now()) == (NOON, NOON)
