"""Each guard holds its scenario, and its mutant, the guard switched off, is caught by it."""

from pathlib import Path

import pytest

from tests.guards.table import GUARDS


@pytest.mark.parametrize("name", GUARDS)
def test_guard_holds(name: str, tmp_path: Path) -> None:
    assert GUARDS[name].scenario(tmp_path) == []


@pytest.mark.parametrize("name", GUARDS)
def test_mutant_is_caught(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guard = GUARDS[name]
    guard.switch_off(monkeypatch)

    broken = guard.scenario(tmp_path)

    assert any(guard.breaks in one for one in broken), broken
