"""Keep the files that a person imports into ShipStation, beside the state database."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

from bcss.errors import FixConfig
from bcss.flows.connection import Connection


def import_path(conn: Connection, what: str) -> Path:
    """Name a file of the connection, `<state folder>/<name>-<what>.csv`."""
    return conn.config.state.path.parent / f"{conn.config.name}-{what}.csv"


def replace_file(path: Path, text: str) -> None:
    """Write a file for its owner only, whole or not at all; raise FixConfig when that fails."""
    temporary = ""
    try:
        handle, temporary = mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        with os.fdopen(handle, "wb") as out:
            out.write(text.encode("utf-8", "replace"))
            out.flush()
            os.fsync(out.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            with suppress(OSError):
                Path(temporary).unlink()
        raise FixConfig(
            f"{path} cannot be written: {error.strerror}.",
            hint="Make room or give this user the right to write into the folder.",
        ) from None


def remove_file(path: Path) -> None:
    """Remove a file that has nothing to say any more."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
