"""Work on a copy of a connection's memory, so that nothing real is changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bcss.app import Options, Surroundings, connect
from bcss.config.schema import Config, State
from bcss.flows.connection import Connection
from bcss.store.db import copy_database


@contextmanager
def _scratch_copy(config: Config) -> Iterator[Config]:
    """Yield the configuration with a copy of its state database, which is deleted afterwards."""
    with TemporaryDirectory(prefix="bcss-") as folder:
        target = Path(folder) / config.state.path.name
        if config.state.path.exists():
            copy_database(config.state.path, target)
        yield replace(config, state=State(target))


@contextmanager
def scratch_connection(config: Config, command: str) -> Iterator[Connection]:
    """Yield a connection on such a copy, with a person's share of ShipStation's quota."""
    with _scratch_copy(config) as copy:
        around = Surroundings(budget_class="operator", witness_folder=copy.state.path.parent)
        with connect(copy, command, Options(), around) as conn:
            yield conn
