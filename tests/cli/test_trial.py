"""Trying bcss out: the demonstration, and the sandbox as a process."""

import json
import signal
import subprocess
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from bcss.sandbox.kit import dumps
from tests.cli.rig import BCSS, demo_seed, process


def test_the_demonstration_needs_nothing_and_shows_both_sides() -> None:
    begun = time.monotonic()
    ended = process("demo")
    assert time.monotonic() - begun < 20
    assert (ended.code, ended.err) == (0, "")
    assert "booked: 9 orders, ShipStation 2415.92 USD, Business Central 2415.92 USD" in ended.out
    assert "held: SO-100010: SKU MYSTERY-1" in ended.out
    assert "second run: nothing to do" in ended.out


def test_the_demonstration_as_json() -> None:
    found = process("demo", "--json").out
    orders = json.loads(found)["orders"]
    booked = [one for one in orders if one["bc_total"] is not None]
    assert len(booked) == 9
    assert all(one["bc_total"] == one["shipstation_total"] for one in booked)
    assert all(one["tracking"] and one["document_number"] for one in booked)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_sandbox_serves_until_it_is_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    seed, faults = tmp_path / "seed.json", tmp_path / "faults.json"
    seed.write_text(dumps(demo_seed()))
    faults.write_text('[{"do": "reject", "vendor": "shipstation"}]')
    arguments = ["sandbox", "--seed-data", str(seed), "--faults", str(faults)]
    with subprocess.Popen([*BCSS, *arguments], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        urls = json.loads(child.stdout.readline())
        assert urls.pop("shipstation_v2") == urls["shipstation"]
        assert urls.keys() == {"business_central", "authority", "shipstation", "control"}
        with urlopen(f"{urls['control']}state", timeout=10) as answer:  # noqa: S310 - loopback
            state = json.loads(answer.read())
        assert len(state["shipstation"]["orders"]) == 13
        assert len(state["faults"]) == 1
        child.send_signal(number)
        assert child.wait(10) == 0


def test_the_sandbox_makes_orders_by_number() -> None:
    arguments = ["sandbox", "--orders", "40"]
    with subprocess.Popen([*BCSS, *arguments], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        urls = json.loads(child.stdout.readline())
        with urlopen(f"{urls['control']}state", timeout=10) as answer:  # noqa: S310 - loopback
            assert len(json.loads(answer.read())["shipstation"]["orders"]) >= 40
        child.terminate()
        assert child.wait(10) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "is not JSON"), ('{"shipstation": {"frob": 1}}', "does not understand")],
)
def test_the_sandbox_refuses_data_that_it_does_not_understand(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "seed.json"
    path.write_text(text)
    ended = process("sandbox", "--seed-data", str(path))
    assert (ended.code, said in ended.err) == (2, True)
    assert "Traceback" not in ended.err
