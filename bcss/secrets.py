"""Find a secret where the configuration says it is kept, as late as possible.

Nothing here stores a secret unencrypted, and no secret is ever part of a message. The desktop
keyring is used through backends that are known to encrypt; on a host without one, `keyring:`
means the encrypted file of `bcss.vault` (stack.md §3).
"""

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, assert_never

from bcss import vault
from bcss.config.schema import SecretRef
from bcss.errors import FixConfig, FixCredential

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

T = TypeVar("T")
Kept = Literal["keyring", "vault"]
_KEYRING_SECONDS = 5.0
_COMMAND_SECONDS = 10.0
# Backends that encrypt, by class; the chainer, plain-text files and the null backend never are.
_APPROVED = frozenset(
    {
        "keyring.backends.macOS.Keyring",
        "keyring.backends.Windows.WinVaultKeyring",
        "keyring.backends.SecretService.Keyring",
        "keyring.backends.libsecret.Keyring",
        "keyring.backends.kwallet.DBusKeyring",
        "keyring.backends.kwallet.DBusKeyringKWallet4",
        "keyring.backends.kwallet.DBusKeyringKWallet5",
    }
)
# Backends that come with keyring itself and are nobody's choice.
_UNREMARKABLE = ("keyring.backends.",)


@dataclass(frozen=True, slots=True)
class Status:
    """Where a secret was found, or why it was not; never the secret."""

    slot: str
    reference: str
    found: bool
    detail: str


@dataclass(frozen=True, slots=True)
class _Found:
    value: str
    source: str


class _NoKeyring(Exception):
    """Why the desktop keyring cannot be asked here."""


def resolve(ref: SecretRef) -> str:
    """Return the secret; raise FixCredential that says where it was looked for."""
    return _locate(ref).value


def status(refs: Iterable[SecretRef]) -> tuple[Status, ...]:
    """Tell for each secret where it is found, without telling it."""
    return tuple(_status(ref) for ref in refs)


def store(ref: SecretRef, value: str, *, into: Kept | None = None) -> str:
    """Keep a secret and return where: the connection's vault if it has one, else the keyring.

    On a host without keyring the vault and its key are made. `into` overrules the choice. Raise
    FixConfig when the configuration says that the secret is kept somewhere else.
    """
    _refuse_foreign(ref)
    _checked(ref, value)
    if into == "vault" or (into is None and _has_vault(ref)):
        return _store_in_vault(ref, value)
    try:
        return _store_in_keyring(ref, value)
    except _NoKeyring as reason:
        if into == "keyring":
            raise FixCredential(f"the desktop keyring cannot be used: {reason}.") from None
        return _store_in_vault(ref, value)


def clear(ref: SecretRef) -> bool:
    """Forget a secret wherever it is kept, and tell whether there was one."""
    _refuse_foreign(ref)
    found = ref.vault is not None and vault.remove(ref.vault, _slot(ref))
    try:
        backend = _backend()
        if _ask(lambda: backend.get_password(_service(ref), _user(ref))) is None:
            return found
        _ask(lambda: backend.delete_password(_service(ref), _user(ref)))
    except _NoKeyring:
        return found
    return True


def _locate(ref: SecretRef) -> _Found:
    match ref.scheme:
        case "env":
            return _from_environment(ref)
        case "file":
            body = _blamed(ref, lambda: vault.read_private(Path(ref.value)))
            return _Found(_decoded(ref, body), f"file {ref.value}")
        case "command":
            return _Found(_decoded(ref, _run(ref)), "command")
        case "credential":
            return _from_systemd(ref)
        case "keyring":
            return _from_keyring(ref)
        case _:
            assert_never(ref.scheme)


def _status(ref: SecretRef) -> Status:
    named = f"{ref.scheme}:{ref.value}" if ref.scheme in {"env", "file", "credential"} else ""
    try:
        return Status(ref.slot, named or f"{ref.scheme}:", found=True, detail=_locate(ref).source)
    except FixCredential as problem:
        return Status(ref.slot, named or f"{ref.scheme}:", found=False, detail=str(problem))


def _refuse_foreign(ref: SecretRef) -> None:
    if ref.scheme != "keyring":
        raise FixConfig(
            f"{ref.slot} is kept elsewhere ({ref.scheme}:), so bcss does not store it.",
            hint='Write "keyring:" in the configuration to let bcss keep it.',
        )


def _missing(ref: SecretRef, tried: str, hint: str = "") -> FixCredential:
    of = f" for {ref.connection}" if ref.connection else ""
    return FixCredential(f"no credential {ref.slot}{of}: {tried}.", hint=hint)


def _blamed(ref: SecretRef, read: Callable[[], T]) -> T:
    """Name the slot in whatever goes wrong with its file."""
    try:
        return read()
    except FixCredential as problem:
        raise _missing(ref, problem.message.rstrip("."), problem.hint) from None


def _decoded(ref: SecretRef, body: bytes) -> str:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise _missing(ref, "what was found is not text") from None
    return _checked(ref, text.removesuffix("\n").removesuffix("\r"))


def _checked(ref: SecretRef, value: str) -> str:
    if not value.strip():
        raise _missing(ref, "what was found is empty")
    if len(value.encode()) > vault.LONGEST_SECRET or "\0" in value:
        raise _missing(ref, "what was found is too long or not text")
    return value


def _from_environment(ref: SecretRef) -> _Found:
    value = os.environ.get(ref.value)
    if value is None:
        raise _missing(ref, f"the environment variable {ref.value} is not set")
    return _Found(_checked(ref, value.removesuffix("\n")), f"environment variable {ref.value}")


def _from_systemd(ref: SecretRef) -> _Found:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise _missing(
            ref,
            "$CREDENTIALS_DIRECTORY is not set",
            f"Only a systemd unit with LoadCredentialEncrypted={ref.value}:… can read it.",
        )
    path = Path(folder) / ref.value
    body = _blamed(ref, lambda: vault.read_private(path, credential=True))
    return _Found(_decoded(ref, body), f"systemd credential {ref.value}")


def _run(ref: SecretRef) -> bytes:
    try:
        argv = shlex.split(ref.value)
    except ValueError:
        argv = []
    if not argv:
        raise _missing(ref, "its command is not a command line")
    try:
        # The command is the operator's own, from a file that nobody else may write to.
        child = subprocess.Popen(  # noqa: S603
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise _missing(ref, f"{argv[0]} cannot be started ({error.strerror})") from None
    with child:
        return _answer(ref, argv[0], child)


def _answer(ref: SecretRef, program: str, child: "subprocess.Popen[bytes]") -> bytes:
    try:
        answer, said = child.communicate(timeout=_COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        # Its children may hold the pipes open, so the whole group goes.
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise _missing(
            ref, f"{program} did not answer within {_COMMAND_SECONDS:.0f} seconds"
        ) from None
    if child.returncode:
        words = "".join(c if c.isprintable() else " " for c in said[:200].decode(errors="replace"))
        raise _missing(ref, f"{program} ended with {child.returncode} ({words.strip()})")
    return answer


def _slot(ref: SecretRef) -> vault.Slot:
    return vault.Slot(ref.connection, _user(ref))


def _service(ref: SecretRef) -> str:
    return f"bcss:{ref.connection}"


def _user(ref: SecretRef) -> str:
    return ref.value or ref.slot


def _has_vault(ref: SecretRef) -> bool:
    return ref.vault is not None and ref.vault.exists()


def _from_keyring(ref: SecretRef) -> _Found:
    """Ask the vault first: where there is one, it was chosen, and it always has the newest."""
    if ref.vault is not None and (value := vault.get(ref.vault, _slot(ref))) is not None:
        return _Found(value, f"vault {ref.vault}")
    try:
        backend = _backend()
        value = _ask(lambda: backend.get_password(_service(ref), _user(ref)))
        tried, how = f"keyring {_kind(backend)} has no entry", ""
        if value is not None:
            return _Found(_checked(ref, value), f"keyring {_kind(backend)}")
    except _NoKeyring as reason:
        tried, how = f"keyring ({reason})", " --vault"
    beside = f"vault ({ref.vault} {'has no entry' if _has_vault(ref) else 'does not exist'})"
    raise _missing(
        ref, f"tried {tried}, {beside}", f"Run as the same user: bcss auth set {ref.slot}{how}"
    )


def _store_in_vault(ref: SecretRef, value: str) -> str:
    if ref.vault is None:
        raise FixCredential("there is no keyring here, and no state folder for a vault.")
    try:
        ref.vault.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise FixCredential(f"{ref.vault.parent} cannot be made: {error.strerror}.") from None
    vault.put(ref.vault, _slot(ref), value)
    return f"vault {ref.vault}"


def _store_in_keyring(ref: SecretRef, value: str) -> str:
    backend = _backend()
    _ask(lambda: backend.set_password(_service(ref), _user(ref), value))
    if _ask(lambda: backend.get_password(_service(ref), _user(ref))) != value:
        raise _NoKeyring(f"{_kind(backend)} did not keep what was stored")
    if ref.vault is not None:
        vault.remove(ref.vault, _slot(ref))
    return f"keyring {_kind(backend)}"


def _backend() -> "KeyringBackend":
    """Choose the best approved backend; raise _NoKeyring when there is none."""
    if sys.platform == "linux" and not _has_session_bus():
        raise _NoKeyring("no session bus: this looks like cron")
    from keyring.backend import get_all_keyring  # noqa: PLC0415 - 120 ms

    everything = _ask(get_all_keyring)
    approved = [backend for backend in everything if _kind(backend) in _APPROVED]
    if approved:
        return max(approved, key=lambda backend: backend.priority)
    refused = [k for k in map(_kind, everything) if not k.startswith(_UNREMARKABLE)]
    if refused:
        raise _NoKeyring(
            f"{', '.join(refused[:3])} may store passwords unencrypted and is not used"
        )
    raise _NoKeyring("this host has none")


def _has_session_bus() -> bool:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    return bool(os.environ.get("DBUS_SESSION_BUS_ADDRESS")) or bool(
        runtime and (Path(runtime) / "bus").exists()
    )


def _kind(backend: object) -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}"


def _ask(call: Callable[[], T]) -> T:
    """Call a keyring with a time limit: a locked one waits for a person who is not there."""
    answers: list[T] = []
    problems: list[BaseException] = []

    def work() -> None:
        try:
            answers.append(call())
        except BaseException as problem:  # noqa: BLE001 - handed over to the caller's thread
            problems.append(problem)

    worker = threading.Thread(target=work, name="keyring", daemon=True)
    worker.start()
    worker.join(_KEYRING_SECONDS)
    if answers:
        return answers[0]
    if not problems:
        raise _NoKeyring(f"it did not answer within {_KEYRING_SECONDS:.0f} seconds")
    raise _translated(problems[0])


def _translated(problem: BaseException) -> BaseException:
    from keyring.errors import KeyringError, KeyringLocked  # noqa: PLC0415 - 120 ms

    if isinstance(problem, KeyringLocked):
        return _NoKeyring("it is locked, and cron cannot unlock it")
    if isinstance(problem, KeyringError | RuntimeError | OSError):
        words = "".join(c if c.isprintable() else " " for c in str(problem)[:120])
        return _NoKeyring(f"{type(problem).__name__}: {words}")
    return problem
