"""Starting is quick, help is true, and arguments mean the same on both sides of the command."""

import pytest

from bcss import __version__
from bcss.cli.arguments import behind
from tests.cli.rig import modules_of, process

HEAVY = {"httpx", "msal", "sqlite_utils", "keyring", "rich", "cryptography", "tenacity"}


def test_the_prepared_help_is_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    prepared, real = process("--help"), process("--help", "-h")
    assert (prepared.code, prepared.out) == (0, real.out)
    assert process().out == prepared.out


def test_the_version_is_told() -> None:
    assert process("--version").out == f"bcss {__version__}\n" == process("-V").out


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_the_fast_path_loads_next_to_nothing(arguments: list[str]) -> None:
    loaded = modules_of(arguments)
    assert not loaded & (HEAVY | {"typer", "pydantic", "yaml", "sqlite3", "asyncio"})


@pytest.mark.parametrize("arguments", [["--help", "-h"], ["sync", "--help"], ["hold", "--help"]])
def test_help_loads_no_heavy_package(arguments: list[str]) -> None:
    assert not modules_of(arguments) & (HEAVY | {"yaml", "bcss.app", "bcss.store.db"})


def test_looking_needs_no_http_and_no_secret_store(shop_config: str) -> None:
    assert not modules_of(["status", "--config", shop_config]) & HEAVY


@pytest.fixture
def shop_config(tmp_path_factory: pytest.TempPathFactory) -> str:
    from bcss.config.example import example  # noqa: PLC0415 - one test only

    folder = tmp_path_factory.mktemp("config")
    path = folder / "config.yaml"
    path.write_text(example().replace("/var/lib/bcss", str(folder)))
    path.chmod(0o600)
    return str(path)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--json", "status"], ["status", "--json"]),
        (["--config", "a", "--json", "sync", "all"], ["sync", "all", "--config", "a", "--json"]),
        (["--config=a", "-vv", "hold", "list"], ["hold", "list", "--config=a", "-vv"]),
        (["hold", "--json", "show", "3"], ["hold", "show", "3", "--json"]),
        (["--config", "a", "hold", "--json", "list"], ["hold", "list", "--json", "--config", "a"]),
        (["--json", "why", "--", "-1"], ["why", "--json", "--", "-1"]),
        (["--json"], ["--json"]),
        (["--frob", "status"], ["--frob", "status"]),
        (["--config"], ["--config"]),
        (["--max-post", "3", "sync", "all"], ["sync", "all", "--max-post", "3"]),
    ],
)
def test_options_before_the_command_move_behind_it(given: list[str], expected: list[str]) -> None:
    assert behind(given) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ["frob"],
        ["sync"],
        ["sync", "everything"],
        ["status", "--frob"],
        ["status", "--dry-run"],
        ["--dry-run", "hold", "ignore", "1"],
        ["sync", "all", "--max-amount", "lots"],
        ["sync", "all", "--max-runtime", "soon"],
        ["sync", "all", "--max-post", "-1"],
        ["replay"],
    ],
)
def test_what_is_not_understood_ends_with_2_and_words(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from bcss.cli.main import run  # noqa: PLC0415 - typer is slow to import

    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.strip()
    assert "Traceback" not in captured.err
    assert captured.out == ""
