"""Fixtures that every test may use."""

from pathlib import Path

import pytest

from tests.simulation.plugin import pytest_terminal_summary

__all__ = ["pytest_terminal_summary"]

SECRETS = {
    "BCSS_TEST_KEY": "sandbox-key",
    "BCSS_TEST_SECRET": "sandbox-key-secret",
    "BCSS_TEST_BC": "sandbox-secret",
    "BCSS_TEST_V2": "sandbox-v2-key",
}


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep every test away from the real home, and give it the sandbox's credentials."""
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "BCSS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
