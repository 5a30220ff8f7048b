"""What tests share that play thousands of runs: a folder in memory, and a rare collector.

Nothing in them depends on the disk: they ask SQLite not to wait for it anyhow. The tests of real
processes and of the store's faults stay on the disk.
"""

import gc
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


@pytest.fixture(autouse=True)
def rare_collections() -> Iterator[None]:
    """Collect garbage rarely: a tenth of the time would go into it."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)
    yield
    gc.set_threshold(*before)
    gc.unfreeze()
