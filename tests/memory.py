"""A folder in memory for tests that play thousands of runs, each on a database of its own.

Nothing in them depends on the disk: they ask SQLite not to wait for it anyhow. The tests of real
processes and of the store's faults stay on the disk.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
HERE = _MEMORY if os.access(_MEMORY, os.W_OK) else None


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Yield a fresh folder in memory, or on the disk where the host has no such place."""
    with tempfile.TemporaryDirectory(prefix="bcss-", dir=HERE) as folder:
        yield Path(folder)
