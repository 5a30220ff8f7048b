"""Work on a copy of a connection's memory, so that nothing real is changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bcss.config.schema import Config, State
from bcss.store.db import copy_database


@contextmanager
def scratch_copy(config: Config) -> Iterator[Config]:
    """Yield the configuration with a copy of its state database, which is deleted afterwards."""
    with TemporaryDirectory(prefix="bcss-") as folder:
        target = Path(folder) / config.state.path.name
        if config.state.path.exists():
            copy_database(config.state.path, target)
        yield replace(config, state=State(target))
