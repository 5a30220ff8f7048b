"""Keep secrets in an encrypted file, for a host that has no keyring; read private files safely.

Each entry is sealed by AES-256-GCM under a key that lies elsewhere, and is bound to its
connection and slot, so that entries cannot be exchanged (stack.md §3.1). Whoever holds both the
file and its key reads everything: the key file keeps a backup of the state folder from being
enough, no more.
"""

import base64
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bcss.errors import FixCredential

LONGEST_SECRET = 64 * 1024
_LARGEST_VAULT = 4 * 1024 * 1024
_KEY_BYTES = 32
_NONCE_BYTES = 12
_VERSION = 1
_GROUP_AND_OTHERS = 0o077
_ALL_BUT_GROUP_READ = 0o037


@dataclass(frozen=True, slots=True)
class Slot:
    """Which secret of which connection an entry holds."""

    connection: str
    name: str

    @property
    def label(self) -> str:
        """Name the entry in messages and in the file."""
        return f"{self.connection}/{self.name}"


def read_private(path: Path, *, largest: int = LONGEST_SECRET, credential: bool = False) -> bytes:
    """Read a file that belongs to us or root and that nobody else can read.

    Raise FixCredential when it is missing, a link, too large, or open to others. systemd gives
    a unit's credentials (`credential`) by an access list that shows as readable by the group.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise FixCredential(f"{path} does not exist.") from None
    except OSError as error:
        link = " (a symbolic link is not followed)" if path.is_symlink() else ""
        raise FixCredential(f"{path} cannot be read: {error.strerror}{link}.") from None
    try:
        forbidden = _ALL_BUT_GROUP_READ if credential else _GROUP_AND_OTHERS
        _refuse_open_file(path, os.fstat(descriptor), forbidden)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            body = file.read(largest + 1)
    finally:
        os.close(descriptor)
    if len(body) > largest:
        raise FixCredential(f"{path} is larger than {largest} bytes.")
    return body


def _refuse_open_file(path: Path, found: os.stat_result, forbidden: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise FixCredential(f"{path} is not a regular file.")
    if found.st_uid not in {0, os.geteuid()}:
        raise FixCredential(f"{path} belongs to another user.")
    if found.st_mode & forbidden:
        mode = stat.S_IMODE(found.st_mode)
        raise FixCredential(
            f"{path} is readable by others (mode {mode:04o}).", hint=f"Run: chmod 600 {path}"
        )


def key_path() -> Path:
    """Return where the key of encrypted files lies, whether it exists or not."""
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and (Path(credentials) / "bcss.vault_key").is_file():
        return Path(credentials) / "bcss.vault_key"
    if named := os.environ.get("BCSS_VAULT_KEY_FILE"):
        return Path(named)
    if folder := os.environ.get("XDG_CONFIG_HOME"):
        return Path(folder) / "bcss" / "vault.key"
    try:
        return Path.home() / ".config" / "bcss" / "vault.key"
    except RuntimeError:
        raise FixCredential(
            "no home folder to look for the vault key in.", hint="Set BCSS_VAULT_KEY_FILE."
        ) from None


def get(vault: Path, slot: Slot) -> str | None:
    """Return a secret, or None when the file or the entry does not exist."""
    sealed = _entries(vault).get(slot.label)
    return None if sealed is None else _open(vault, slot, sealed)


def put(vault: Path, slot: Slot, value: str) -> None:
    """Store a secret; make the key, then the file, when there are none."""
    entries = dict(_entries(vault))
    if entries and not key_path().exists():
        raise FixCredential(
            f"the key {key_path()} of {vault} is gone.",
            hint=f"Bring it back, or delete {vault} and set every secret again.",
        )
    key = _key(vault, create=True)
    entries[slot.label] = _seal(key, slot, value)
    _write(vault, entries)


def remove(vault: Path, slot: Slot) -> bool:
    """Forget a secret and tell whether there was one."""
    entries = dict(_entries(vault))
    if entries.pop(slot.label, None) is None:
        return False
    _write(vault, entries)
    return True


def _seal(key: bytes, slot: Slot, value: str) -> str:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - 20 ms

    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(key).encrypt(nonce, value.encode(), _bound_to(slot))
    return base64.b64encode(nonce + sealed).decode("ascii")


def _open(vault: Path, slot: Slot, sealed: str) -> str:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - 20 ms
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - 20 ms

    key = _key(vault, create=False)
    try:
        body = base64.b64decode(sealed, validate=True)
        opened = AESGCM(key).decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], _bound_to(slot))
    except (InvalidTag, ValueError):
        raise FixCredential(
            f"vault entry {slot.label} does not decrypt (wrong key, or the file was altered)."
        ) from None
    return opened.decode()


def _bound_to(slot: Slot) -> bytes:
    return "\0".join(("bcss vault", str(_VERSION), slot.connection, slot.name)).encode()


def _key(vault: Path, *, create: bool) -> bytes:
    path = key_path()
    if path.resolve().is_relative_to(vault.parent.resolve()):
        raise FixCredential(
            f"the vault key {path} lies in the folder of the vault, so one backup would hold both.",
            hint="Set BCSS_VAULT_KEY_FILE to a place elsewhere.",
        )
    if create and not path.exists():
        _create(path, base64.b64encode(os.urandom(_KEY_BYTES)) + b"\n")
    credential = path.name == "bcss.vault_key"
    try:
        key = base64.b64decode(read_private(path, credential=credential).strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise FixCredential(f"{path} holds no vault key.")
    return key


def _create(path: Path, body: bytes) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise FixCredential(f"{path} cannot be written: {error.strerror}.") from None


def _entries(vault: Path) -> Mapping[str, str]:
    if not vault.exists() and not vault.is_symlink():
        return {}
    try:
        content = json.loads(read_private(vault, largest=_LARGEST_VAULT))
        entries = content["entries"] if content["version"] == _VERSION else None
    except (ValueError, TypeError, KeyError, RecursionError):
        entries = None
    if not isinstance(entries, dict) or not all(isinstance(v, str) for v in entries.values()):
        raise FixCredential(f"{vault} is not a vault of this version of bcss, or was altered.")
    return entries


def _write(vault: Path, entries: Mapping[str, str]) -> None:
    """Replace the file as a whole, so that a crash leaves the old one or the new one."""
    body = json.dumps({"version": _VERSION, "entries": entries}, indent=1, sort_keys=True)
    fresh = vault.with_name(f".{vault.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    _create(fresh, body.encode() + b"\n")
    fresh.replace(vault)
    folder = os.open(vault.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
