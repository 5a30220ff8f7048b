"""Setting a connection up: the first file, its secrets, and the check of both systems."""

import stat
from pathlib import Path

import pytest

from bcss.cli.main import run
from tests.cli.rig import Shop, process


def test_init_writes_a_private_file_and_says_what_is_next(tmp_path: Path) -> None:
    path = tmp_path / "etc" / "acme.yaml"
    ended = process("init", "--path", str(path))
    assert (ended.code, ended.out) == (0, f"{path} is written.\n")
    assert "bcss check" in ended.err
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "name: acme" in path.read_text()
    again = process("init", "--path", str(path))
    assert (again.code, "is there already" in again.err) == (2, True)


def test_what_init_wrote_names_only_what_a_person_must_fill_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "acme.yaml"
    assert run(["init", "--path", str(path)]) == 0
    capsys.readouterr()
    assert run(["check", "--config", str(path)]) == 2
    problems = capsys.readouterr().err
    assert "business_central.tenant" in problems
    assert "unknown key" not in problems


def with_kept_secrets(shop: Shop) -> None:
    text = shop.config.read_text()
    for name in ("BCSS_TEST_BC", "BCSS_TEST_KEY", "BCSS_TEST_SECRET"):
        text = text.replace(f"env:{name}", "keyring:")
    shop.configure(text=text)


def test_secrets_are_kept_found_and_forgotten(shop: Shop) -> None:
    with_kept_secrets(shop)
    config = ["--config", str(shop.config)]
    missing = shop.bcss("auth", "status", "--json")
    assert (missing.code, [one["found"] for one in missing.json["secrets"]]) == (4, [False] * 3)
    secrets = {
        "business_central.client_secret": "sandbox-secret",
        "shipstation.api_key": "sandbox-key",
        "shipstation.api_secret": "sandbox-key-secret",
    }
    for name, value in secrets.items():
        kept = process("auth", "set", name, "--stdin", "--vault", *config, stdin=f"{value}\n")
        assert kept.code == 0
        assert value not in kept.out + kept.err
    assert shop.bcss("auth", "status").code == 0
    assert shop.bcss("sync", "all", "--json").json["posted"] == 9
    assert shop.bcss("auth", "clear", "shipstation.api_key").out.endswith("is forgotten\n")
    assert shop.bcss("auth", "clear", "shipstation.api_key").out.endswith("not kept anywhere\n")
    assert shop.bcss("pull-orders").code == 4


def test_a_secret_that_is_kept_elsewhere_or_unknown_is_refused(shop: Shop) -> None:
    config = ["--config", str(shop.config)]
    elsewhere = process("auth", "set", "shipstation.api_key", "--stdin", *config, stdin="x\n")
    assert (elsewhere.code, "is kept elsewhere" in elsewhere.err) == (2, True)
    unknown = process("auth", "set", "shipstation.key", "--stdin", *config, stdin="x\n")
    assert (unknown.code, "It has: " in unknown.err) == (2, True)
    nobody = process("auth", "set", "shipstation.api_key", *config)
    assert (nobody.code, "--stdin" in nobody.err) == (2, True)


def findings(shop: Shop, level: str) -> dict[str, str]:
    checks = shop.bcss("check", "--json").json["checks"]
    return {one["what"]: one["text"] for one in checks if one["level"] == level}


def test_check_of_a_sound_connection_ends_with_0(shop: Shop) -> None:
    ended = shop.bcss("check")
    assert ended.code == 0
    assert "0 wrong" in ended.out
    assert "salesInvoices can be read" in ended.out
    assert not shop.database.exists()
    assert shop.calls("", "PUT", "PATCH", "DELETE", "POST") == 0


def test_check_names_the_entity_that_cannot_be_read(shop: Shop) -> None:
    shop.person("set", switches={"denied": ["salesInvoices"]})
    assert findings(shop, "wrong")["permission"].startswith("salesInvoices: ")
    assert shop.bcss("check").code == 4


def test_check_compares_the_store_rules_with_the_company(shop: Shop) -> None:
    text = shop.config.read_text().replace('"40500"', '"99999"')
    text = text.replace("number: WEB", "number: NOBODY").replace(
        '"80002": ignore', '"80009": ignore'
    )
    shop.configure(text=text)
    wrong = findings(shop, "wrong")
    assert "no account 99999" in wrong["account"]
    assert "no customer NOBODY" in wrong["customer"]
    assert "80009" in wrong["store"]
    assert "80002" in findings(shop, "warning")["store"]
    assert shop.bcss("check").code == 2


def test_check_stops_at_a_shut_door_and_still_asks_the_other(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.bcss("pull-orders")
    monkeypatch.setenv("BCSS_TEST_BC", "wrong")
    wrong = findings(shop, "wrong")
    assert list(wrong) == ["sign-in"]
    assert "client secret was rejected" in wrong["sign-in"]
    assert "API key" in findings(shop, "ok")


def test_check_says_how_tracking_will_travel(shop: Shop) -> None:
    assert "fields" in findings(shop, "ok")["tracking"]
    shop.person("set", switches={"tracking_service": False})
    assert "comment line" in findings(shop, "warning")["tracking"]
