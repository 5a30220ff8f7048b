"""Remember outside the state folder which database this connection has, and how far it came.

A database that was deleted, emptied or restored from an old copy would book everything again
without knowing it. The witness makes the next run refuse instead (design §3).
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bcss.errors import StateBroken

_HINT = "Build it again out of Business Central and ShipStation: bcss rebuild --since DATE."


@dataclass(frozen=True, slots=True)
class Witness:
    """What the witness file says."""

    database_id: str
    runs: int


def witness_path(folder: Path, database: Path) -> Path:
    """Return the witness file of a database, named after where the database lies."""
    name = sha256(str(database.absolute()).encode()).hexdigest()[:24]
    return folder / "witness" / f"{name}.json"


def read(path: Path) -> Witness | None:
    """Return what the witness says, or None when there is none; raise StateBroken for rubbish."""
    try:
        found = json.loads(path.read_text("utf-8"))
        return Witness(str(found["database_id"]), int(found["runs"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise StateBroken(
            f"The witness {path} cannot be read.", hint="Delete it only if the state is whole."
        ) from None


def check_presence(path: Path, database: Path) -> None:
    """Refuse before a lost database would be created anew."""
    if read(path) is not None and (not database.exists() or database.stat().st_size == 0):
        raise StateBroken(f"The state database {database} is gone or empty.", hint=_HINT)


def check(path: Path, database: Path, database_id: str, runs: int) -> None:
    """Refuse a database that is another, or older, than the one the witness knows."""
    known = read(path)
    if known is None:
        return
    if known.database_id != database_id:
        raise StateBroken(
            f"{database} is not the state database this connection had before.", hint=_HINT
        )
    if known.runs > runs:
        raise StateBroken(
            f"{database} is an old copy: it knows {runs} runs, there have been {known.runs}.",
            hint=_HINT,
        )


def write(path: Path, database_id: str, runs: int) -> None:
    """Note the database and its run counter, atomically."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, json.dumps({"database_id": database_id, "runs": runs}).encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    draft.replace(path)


def forget(path: Path) -> None:
    """Remove the witness of a database that is being built again."""
    with suppress(FileNotFoundError):
        path.unlink()
