"""Keep a world and a state folder as they stand, and give them back as often as needed."""

import copyreg
import io
import json
import pickle
import sqlite3
import threading
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from bcss.sandbox.shipstation.templates import KINDS, Kind
from bcss.sandbox.world import World

_LOCKS: dict[type, Any] = {
    type(threading.Lock()): threading.Lock,
    type(threading.RLock()): threading.RLock,
}
for _kind in _LOCKS:
    copyreg.pickle(_kind, lambda lock: (_LOCKS[type(lock)], ()))


class _Pickler(pickle.Pickler):
    """Keep what the sandbox compares by identity as the one that it is."""

    def persistent_id(self, value: Any) -> str | None:
        return value.name if isinstance(value, Kind) else None


class _Unpickler(pickle.Unpickler):
    def persistent_load(self, name: Any) -> Kind:
        return KINDS[name]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The sandbox and every file of a connection at one moment."""

    world: bytes
    files: dict[str, bytes]

    @classmethod
    def take(cls, world: World, folder: Path) -> "Snapshot":
        body = io.BytesIO()
        _Pickler(body, pickle.HIGHEST_PROTOCOL).dump(world)
        files = {str(path.relative_to(folder)): path.read_bytes() for path in _files(folder)}
        return cls(body.getvalue(), files)

    def restore(self, folder: Path) -> World:
        """Put the files back into their folder, removing newer ones, and return the world."""
        for path in _files(folder):
            if str(path.relative_to(folder)) not in self.files:
                path.unlink()
        for name, body in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        world = _Unpickler(io.BytesIO(self.world)).load()
        assert isinstance(world, World)
        return world


def _files(folder: Path) -> list[Path]:
    """Return the files of a connection; locks are kept, since they are never deleted."""
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


_BY_CHANCE = {
    "payload": ("salt",),
    "audit": ("before_commit", "after_commit", "hash"),
    "_sqlite_migrations": ("applied_at",),
}


def fingerprint(world: World, database: Path) -> bytes:
    """Return a digest of all that may decide what bcss does next.

    Left out are salts and what is computed from them, the database's random name and the real
    time of its making, the request log, and how much of ShipStation's quota is used. What the
    witness beside the database says is in it, by whether it names this database.
    """
    digest = sha256(repr((world.bc.state(), world.shipstation.state())).encode())
    digest.update(repr((world.clock.now(), world._pending)).encode())
    if not database.exists():
        return digest.digest()
    conn = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        names = conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        for (table,) in names.fetchall():
            digest.update(repr((table, _rows(conn, table))).encode())
        digest.update(repr(_witness(conn, database)).encode())
    finally:
        conn.close()
    return digest.digest()


def _witness(conn: sqlite3.Connection, database: Path) -> list[Any]:
    (name,) = conn.execute("SELECT value FROM meta WHERE key = 'database_id'").fetchone() or ("",)
    found = [json.loads(one.read_text()) for one in database.parent.glob("host/witness/*.json")]
    return [(one["database_id"] == name, one["runs"]) for one in found]


def _rows(conn: sqlite3.Connection, table: str) -> list[Any]:
    cursor = conn.execute(f"SELECT * FROM {table}")  # noqa: S608
    skipped = _BY_CHANCE.get(table, ())
    kept = [n for n, column in enumerate(cursor.description) if column[0] not in skipped]
    rows = [tuple(row[n] for n in kept) for row in cursor]
    return [row for row in rows if table != "meta" or row[0] != "database_id"]
