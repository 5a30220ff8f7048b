"""A shop of its own for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.rig import Shop, demo_seed, serving


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    with serving(demo_seed(), tmp_path, capsys) as made:
        yield made
