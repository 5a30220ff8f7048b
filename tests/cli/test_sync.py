"""Runs as cron starts them: what they do, what they say, and how they end."""

import fcntl
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.rig import BCSS, Shop, process

RUN_MEMBERS = {"run", "created", "posted", "confirmed", "holds", "errors", "notes", "exit_code"}


def test_the_first_run_books_the_day_and_names_what_is_held(shop: Shop) -> None:
    ended = shop.bcss("sync", "all")
    assert (ended.code, ended.out) == (3, "")
    assert "order SO-100010: unknown_sku: " in ended.err
    assert "MYSTERY-1" in ended.err
    assert "have the SKU mapped under orders.skus" in ended.err
    assert len(shop.invoices()) == 9
    assert all(one["status"] == "Open" for one in shop.invoices())


def test_the_second_run_is_silent_and_moves_nothing(shop: Shop) -> None:
    shop.bcss("sync", "all")
    shop.world.log.clear()
    ended = shop.bcss("sync", "all")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert shop.calls("", "PUT", "PATCH", "DELETE") == 0
    assert shop.calls("bc", "POST") == 0
    assert shop.calls() <= 10


@pytest.mark.parametrize("before", [True, False])
def test_json_is_one_object_wherever_the_option_stands(shop: Shop, before: bool) -> None:
    command = ["--json", "sync", "all"] if before else ["sync", "all", "--json"]
    ended = shop.bcss(*command)
    found = ended.json
    assert found.keys() >= RUN_MEMBERS
    assert (ended.code, found["exit_code"], found["created"], found["posted"]) == (3, 3, 9, 9)
    (hold,) = found["holds"]
    assert (hold["order_number"], hold["reason"]) == ("SO-100010", "unknown_sku")
    assert isinstance(hold["amount"], str)


def test_drafts_and_posts_can_be_run_apart(shop: Shop) -> None:
    assert shop.bcss("pull-orders").code == 3
    assert {one["status"] for one in shop.invoices()} == {"Draft"}
    assert shop.bcss("pull-shipments", "--max-post", "2").code == 0
    assert sum(one["status"] == "Open" for one in shop.invoices()) == 2
    assert shop.bcss("sync", "shipments", "--max-amount", "40").code == 0
    posted = [one for one in shop.invoices() if one["status"] == "Open"]
    assert 2 < len(posted) < 9


def test_verbose_says_what_moved_and_quiet_nothing(shop: Shop) -> None:
    assert "9 drafts created" in shop.bcss("pull-orders", "-v").err
    assert shop.bcss("-q", "pull-shipments", "-v").err == ""


def test_the_first_posting_run_stops_and_says_how_to_go_on(shop: Shop) -> None:
    shop.configure(first_run_limit=2)
    ended = shop.bcss("sync", "all")
    assert "at most 2 documents (orders.first_run_limit)" in ended.err
    assert sum(one["status"] == "Open" for one in shop.invoices()) == 2
    assert shop.bcss("sync", "all").err == ""
    assert sum(one["status"] == "Open" for one in shop.invoices()) == 9


def test_a_dry_run_shows_documents_and_writes_nowhere(shop: Shop) -> None:
    ended = shop.bcss("sync", "all", "--dry-run", "--max-post", "3", "--json")
    assert ended.code == 0
    found = ended.json
    assert len(found["documents"]) == 9
    assert found["forecast"]["post"] == 3
    assert shop.calls("", "PUT", "PATCH", "DELETE", "POST") == 0
    assert not shop.database.exists()
    assert not list(shop.folder.rglob("*.csv"))


def test_a_wrong_secret_ends_with_4_and_no_traceback(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BCSS_TEST_BC", "not-the-secret")
    ended = shop.bcss("sync", "all")
    assert ended.code == 4
    assert "client secret was rejected" in ended.err
    assert "bcss auth set" in ended.err
    assert "Traceback" not in ended.err
    assert "not-the-secret" not in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_missing_secret_names_its_place(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BCSS_TEST_KEY")
    ended = shop.bcss("pull-orders")
    assert ended.code == 4
    assert "shipstation.api_key" in ended.err


def test_a_broken_configuration_lists_every_problem(shop: Shop) -> None:
    text = shop.config.read_text().replace("currency: USD", "curency: USD")
    shop.configure(text=text.replace("settle: 0s", "settle: soon"))
    ended = shop.bcss("sync", "all", "--json")
    assert (ended.code, ended.json["exit_code"]) == (2, 2)
    assert "orders.settle: expected a duration" in ended.err
    assert 'unknown key; did you mean "currency"?' in ended.err


def test_a_missing_configuration_says_how_to_begin(tmp_path: Path) -> None:
    ended = process("status", "--config", str(tmp_path / "none.yaml"))
    assert ended.code == 2
    assert "bcss init" in ended.err


def test_a_vendor_that_is_down_is_temporary(shop: Shop) -> None:
    shop.bcss("pull-orders")
    shop.world.faults.add({"do": "reject", "vendor": "shipstation", "times": 0})
    ended = shop.bcss("pull-orders", "--max-runtime", "1s")
    assert ended.code == 5
    assert "Traceback" not in ended.err
    assert len(ended.err.splitlines()) == 1


def test_two_connections_are_two_runs_with_the_worse_code(shop: Shop) -> None:
    missing = shop.folder / "missing.yaml"
    ended = shop.bcss("--config", str(missing), "sync", "all", "--json")
    assert ended.code == 2
    first, second = ended.json["connections"]
    assert (first["connection"], first["posted"]) == ("shop", 9)
    assert "no such file" in second["errors"][0]["message"]


def test_a_folder_names_all_its_configurations(shop: Shop) -> None:
    other = shop.configure(name="other")
    ended = shop.bcss("status", "--json", config=shop.folder)
    assert [one["connection"] for one in ended.json["connections"]] == ["other", "shop"]
    other.write_text(other.read_text().replace("other.db", "shop.db"))
    shared = shop.bcss("status", config=shop.folder)
    assert shared.code == 2
    assert "as well" in shared.err


@contextmanager
def lock_held(database: Path, since: datetime) -> Iterator[None]:
    path = database.with_name(f"{database.name}.run.lock")
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        said = {"pid": os.getpid(), "what": "sync all", "since": since.isoformat()}
        file.write(json.dumps(said))
        file.flush()
        yield


def test_a_run_beside_another_ends_with_6_in_silence(shop: Shop) -> None:
    with lock_held(shop.database, datetime.now(UTC)):
        ended = shop.bcss("sync", "all")
        assert (ended.code, ended.out, ended.err) == (6, "", "")
        assert "Another run (sync all" in shop.bcss("sync", "all", "-v").err
        assert shop.bcss("status").code == 0
    assert shop.calls() == 0


def test_a_run_beside_one_that_hangs_says_so(shop: Shop) -> None:
    with lock_held(shop.database, datetime.now(UTC) - timedelta(hours=3)):
        ended = shop.bcss("sync", "all")
    assert ended.code == 6
    assert "Another run (sync all" in ended.err


def test_nothing_of_a_stranger_acts_on_the_terminal(shop: Shop) -> None:
    lines = [{"sku": "\x1b[2JODD", "name": "\u202eodd", "unitPrice": 5, "quantity": 1}]
    order = {"orderNumber": "X\x1b[31m1", "orderKey": "X-HOSTILE-1", "items": lines}
    made = shop.world.run(
        "shipstation",
        {"action": "import", "orders": [{**order, "advancedOptions": {"storeId": 80001}}]},
    )
    shop.world.run("shipstation", {"action": "label", "orderId": made["orderIds"][0]})
    text = shop.bcss("sync", "all").err + shop.bcss("hold", "list").out + shop.bcss("plan").out
    assert "X\\x1b[31m1" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_old_holds_are_recalled_once_a_day(shop: Shop) -> None:
    shop.bcss("sync", "all")
    from bcss.clock import SystemClock, iso  # noqa: PLC0415 - one test only
    from bcss.store.db import Store  # noqa: PLC0415

    store = Store(shop.database, SystemClock())
    before = iso(datetime.now(UTC) - timedelta(days=2))
    store.connection.execute("UPDATE hold SET since = ?", (before,))
    store.close()
    assert "1 still held" in shop.bcss("sync", "all").err
    assert shop.bcss("sync", "all").err == ""


def test_a_lost_database_is_noticed_and_built_again(shop: Shop) -> None:
    shop.bcss("sync", "all")
    for path in shop.database.parent.glob(f"{shop.database.name}*"):
        path.unlink()
    refused = shop.bcss("sync", "all")
    assert refused.code == 1
    assert "is gone or empty" in refused.err
    assert "bcss rebuild --since" in refused.err
    rebuilt = shop.bcss("rebuild", "--since", "2020-01-01")
    assert rebuilt.code == 3
    assert "9 documents adopted" in rebuilt.err
    again = shop.bcss("sync", "all", "--json").json
    assert (again["created"], again["posted"]) == (0, 0)
    assert len(shop.invoices()) == 9


def test_hints_that_nobody_gave_are_no_work(shop: Shop) -> None:
    ended = shop.bcss("sync", "hints")
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert shop.calls() == 0


def test_an_interrupted_run_ends_with_130_and_leaves_the_lock(shop: Shop) -> None:
    shop.world.faults.add({"do": "delay", "vendor": "shipstation", "seconds": 2, "times": 0})
    arguments = [*BCSS, "sync", "all", "--config", str(shop.config)]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as child:
        until = time.monotonic() + 20
        while not shop.calls("shipstation") and time.monotonic() < until:
            select.select([], [], [], 0.02)
            if shop.world.in_flight["shipstation"]:
                break
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 130
        assert child.stderr is not None
        assert child.stderr.read() == "bcss: interrupted; the next run goes on.\n"
    shop.world.faults.clear()
    assert shop.bcss("sync", "all", "--json").json["posted"] == 9


def test_the_listener_ends_with_0_when_it_is_told_to(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BCSS_TEST_HOOK", "hook-token-for-tests-0123456789")
    hooks = (
        "webhooks:\n  listen: 127.0.0.1:0\n  public_url: https://hooks.example.test/bcss\n"
        '  token: "env:BCSS_TEST_HOOK"\n'
    )
    shop.configure(text=shop.config.read_text() + hooks)
    arguments = [*BCSS, "serve-webhooks", "--no-worker", "--config", str(shop.config)]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        assert "shop: listening on 127.0.0.1:" in child.stderr.readline()
        child.terminate()
        assert child.wait(20) == 0
