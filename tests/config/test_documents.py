"""Hold the README and the samples to what the program really does."""

import re
import tomllib
from pathlib import Path

import pytest

from bcss.config.example import example
from bcss.config.load import load
from bcss.errors import PRECEDENCE, Exit, FixConfig

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_every_exit_code_is_explained_once() -> None:
    section = README.split("### Exit codes")[1].split("\n#")[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)] == list(Exit)


def test_the_order_of_exit_codes_is_told() -> None:
    (told,) = re.findall(r"the first of ([\d, ]+) is used", README)
    assert [int(code) for code in told.split(", ")] == [
        c for c in PRECEDENCE if c != Exit.DIFFERENCES
    ]


def test_the_shown_mistakes_are_reported_as_shown(tmp_path: Path) -> None:
    shown = [line for line in README.splitlines() if line.startswith("config.yaml:")]
    wrong = example().replace("document: posted_invoice ", "document: posted_invoce ")
    path = tmp_path / "config.yaml"
    path.write_text(wrong.replace('tolerance: "0.00"', "tolerance: a bit"))
    path.chmod(0o600)
    with pytest.raises(FixConfig) as caught:
        load(path)
    assert str(caught.value).replace(f"{tmp_path}/", "").splitlines() == shown


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[^a-z0-9-]", line)[0] for line in project["dependencies"]}
    section = README.split("| Dependency | Why |")[1].split("\n\n")[0]
    first = [row.split("|")[1] for row in section.splitlines() if row.startswith("| ")]
    assert {name.strip() for row in first for name in row.split(",")} == needed


def test_the_samples_name_the_exit_code_of_a_held_lock() -> None:
    unit = (ROOT / "examples/systemd/bcss-sync@.service").read_text()
    assert f"SuccessExitStatus={int(Exit.LOCKED)}\n" in unit
