import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bcss import secrets, vault
from bcss.config.schema import SecretRef, SecretScheme
from bcss.errors import FixConfig, FixCredential

SLOT = "shipstation.api_key"
VALUE = "an-invented-value"


@pytest.fixture(autouse=True)
def bare_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a home of its own, and no session bus, as under cron."""
    for name in ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("BCSS_VAULT_KEY_FILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home/config"))


def ref(scheme: SecretScheme, value: str = "", *, folder: Path | None = None) -> SecretRef:
    return SecretRef(scheme, value, SLOT, "acme", folder and folder / "state/acme.db.vault")


def private(path: Path, body: str | bytes, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body if isinstance(body, bytes) else body.encode())
    path.chmod(mode)
    return path


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BCSS_TEST_KEY", f"{VALUE}\n")
    assert secrets.resolve(ref("env", "BCSS_TEST_KEY")) == VALUE
    monkeypatch.delenv("BCSS_TEST_KEY")
    with pytest.raises(FixCredential, match="BCSS_TEST_KEY is not set"):
        secrets.resolve(ref("env", "BCSS_TEST_KEY"))


@pytest.mark.parametrize(
    ("body", "value"),
    [("a b\n", "a b"), ("a\n\n", "a\n"), ("a\r\n", "a"), (" a ", " a ")],
)
def test_a_file_loses_one_newline(tmp_path: Path, body: str, value: str) -> None:
    path = private(tmp_path / "key", body)
    assert secrets.resolve(ref("file", str(path))) == value


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = private(tmp_path / "key", VALUE, mode)
    with pytest.raises(FixCredential, match=rf"readable by others \(mode {mode:04o}\).*chmod 600"):
        secrets.resolve(ref("file", str(path)))


def test_a_link_a_folder_a_pipe_and_nothing_are_refused(tmp_path: Path) -> None:
    link, pipe = tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(private(tmp_path / "key", VALUE))
    os.mkfifo(pipe, 0o600)
    for path, why in ((link, "symbolic link"), (pipe, "not a regular file"),
                      (tmp_path, "not a regular file"), (tmp_path / "no", "does not exist")):  # fmt: skip
        with pytest.raises(FixCredential, match=why):
            secrets.resolve(ref("file", str(path)))


@pytest.mark.parametrize("body", ["", "\n", "  \n", b"\xff\xfe", "a\0b", "x" * 70_000])
def test_what_cannot_be_a_secret_is_refused(tmp_path: Path, body: str | bytes) -> None:
    with pytest.raises(FixCredential):
        secrets.resolve(ref("file", str(private(tmp_path / "key", body))))


def test_a_command_is_run_without_a_shell(tmp_path: Path) -> None:
    command = f"{sys.executable} -c \"import sys; print(sys.argv[1])\" '$HOME; x'"
    assert secrets.resolve(ref("command", command)) == "$HOME; x"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import sys; sys.exit('no entry')", r"ended with 1 \(no entry\)"),
        ("pass", "is empty"),
    ],
)
def test_a_command_that_fails_says_why(code: str, why: str) -> None:
    with pytest.raises(FixCredential, match=why):
        secrets.resolve(ref("command", f'{sys.executable} -c "{code}"'))


def test_a_command_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(FixCredential, match="cannot be started"):
        secrets.resolve(ref("command", f"{tmp_path}/none"))
    with pytest.raises(FixCredential, match="not a command line"):
        secrets.resolve(ref("command", "a 'b"))


def test_a_command_that_hangs_is_ended_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "_COMMAND_SECONDS", 0.3)
    script = private(tmp_path / "hang.sh", "sleep 60 & sleep 60")
    with pytest.raises(FixCredential, match="did not answer"):
        secrets.resolve(ref("command", f"sh {script}"))


def test_a_systemd_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FixCredential, match=r"\$CREDENTIALS_DIRECTORY is not set"):
        secrets.resolve(ref("credential", "acme.key"))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    path = private(tmp_path / "acme.key", f"{VALUE}\n", 0o440)
    assert secrets.resolve(ref("credential", "acme.key")) == VALUE
    path.chmod(0o444)
    with pytest.raises(FixCredential, match="readable by others"):
        secrets.resolve(ref("credential", "acme.key"))


def test_cron_without_anything_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FixCredential) as caught:
        secrets.resolve(ref("keyring", folder=tmp_path))
    said = str(caught.value)
    assert "no credential shipstation.api_key for acme" in said
    assert "no session bus: this looks like cron" in said
    assert "acme.db.vault does not exist" in said
    assert "bcss auth set shipstation.api_key --vault" in said


def test_the_vault_keeps_a_secret_sealed(tmp_path: Path) -> None:
    where = ref("keyring", folder=tmp_path)
    assert where.vault is not None
    assert secrets.store(where, VALUE) == f"vault {where.vault}"
    assert secrets.resolve(where) == VALUE
    key = tmp_path / "home/config/bcss/vault.key"
    for path in (key, where.vault):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert VALUE not in path.read_text()
    assert [p.name for p in where.vault.parent.iterdir()] == ["acme.db.vault"]
    (told,) = secrets.status([where])
    assert (told.found, told.detail) == (True, f"vault {where.vault}")
    assert secrets.clear(where) is True
    assert secrets.clear(where) is False
    assert secrets.status([where])[0].found is False


def test_entries_are_bound_to_their_place(tmp_path: Path) -> None:
    file = tmp_path / "state/v"
    file.parent.mkdir()
    one, two = vault.Slot("acme", "one"), vault.Slot("acme", "two")
    vault.put(file, one, "first")
    vault.put(file, two, "second")
    assert (vault.get(file, one), vault.get(file, two)) == ("first", "second")
    swapped = file.read_text().replace("acme/one", "acme/1").replace("acme/two", "acme/one")
    private(file, swapped.replace("acme/1", "acme/two"))
    with pytest.raises(FixCredential, match="acme/one does not decrypt"):
        vault.get(file, one)


def test_a_vault_needs_its_own_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = ref("keyring", folder=tmp_path)
    secrets.store(where, VALUE)
    key = tmp_path / "home/config/bcss/vault.key"
    key.chmod(0o644)
    with pytest.raises(FixCredential, match=rf"{key} is readable by others \(mode 0644\)"):
        secrets.resolve(where)
    key.unlink()
    with pytest.raises(FixCredential, match="does not exist"):
        secrets.resolve(where)
    with pytest.raises(FixCredential, match=r"the key .* is gone"):
        secrets.store(where, "another")
    private(key, "c2hvcnQ=")
    with pytest.raises(FixCredential, match="holds no vault key"):
        secrets.resolve(where)
    monkeypatch.setenv("BCSS_VAULT_KEY_FILE", str(tmp_path / "elsewhere/key"))
    secrets.store(ref("keyring", folder=tmp_path / "second"), VALUE)
    with pytest.raises(FixCredential, match="does not decrypt"):
        secrets.resolve(where)


def test_the_key_may_not_lie_beside_the_vault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BCSS_VAULT_KEY_FILE", str(tmp_path / "state/deeper/vault.key"))
    with pytest.raises(FixCredential, match="lies in the folder of the vault"):
        secrets.store(ref("keyring", folder=tmp_path), VALUE)


def test_the_key_may_come_from_systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = ref("keyring", folder=tmp_path)
    secrets.store(where, VALUE)
    key = tmp_path / "home/config/bcss/vault.key"
    private(tmp_path / "run/bcss.vault_key", key.read_bytes(), 0o440)
    key.unlink()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "run"))
    assert secrets.resolve(where) == VALUE


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"version": 2, "entries": {}}', "[" * 5000,
                                  '{"version": 1, "entries": {"acme/x": 1}}'])  # fmt: skip
def test_a_broken_vault_is_said_to_be_one(tmp_path: Path, body: str) -> None:
    where = ref("keyring", folder=tmp_path)
    assert where.vault is not None
    private(where.vault, body)
    with pytest.raises(FixCredential, match="is not a vault"):
        secrets.resolve(where)


def test_what_is_kept_elsewhere_is_not_stored(tmp_path: Path) -> None:
    with pytest.raises(FixConfig, match="is kept elsewhere"):
        secrets.store(ref("env", "KEY", folder=tmp_path), VALUE)
    with pytest.raises(FixConfig, match="is kept elsewhere"):
        secrets.clear(ref("file", "/x", folder=tmp_path))


def test_no_secret_is_shown(tmp_path: Path) -> None:
    assert VALUE not in repr(ref("command", f"echo {VALUE}"))
    assert VALUE not in str(ref("command", f"echo {VALUE}"))
    (told,) = secrets.status([ref("command", f"echo {VALUE}")])
    assert told.found
    assert VALUE not in repr(told)


# A keyring as a desktop has it: registered by its class, as a backend of the library is. It runs
# in a process of its own, because the library remembers what it found.
KEYRING = """
import sys, time
from pathlib import Path
import keyring.backend, keyring.errors
from bcss import secrets
from bcss.config.schema import SecretRef
from bcss.errors import FixCredential

kept = {{}}
class Keyring(keyring.backend.KeyringBackend):
    priority = 5
    def get_password(self, service, username):
        {get}
        return kept.get((service, username))
    def set_password(self, service, username, password):
        kept[service, username] = password
    def delete_password(self, service, username):
        del kept[service, username]
Keyring.__module__ = "{module}"

secrets._KEYRING_SECONDS = 0.5
where = SecretRef("keyring", "", "shipstation.api_key", "acme", Path("{vault}"))
{act}
"""


def on_a_desktop(
    tmp_path: Path, act: str, *, get: str = "", module: str = "keyring.backends.SecretService"
) -> str:
    code = KEYRING.format(get=get, module=module, act=act, vault=tmp_path / "state/v")
    environment = {**os.environ, "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    return done.stdout.strip() + done.stderr.strip()


def test_a_keyring_is_used_where_there_is_one(tmp_path: Path) -> None:
    act = (
        "print(secrets.store(where, 'one'), secrets.resolve(where), kept)\n"
        "print(secrets.clear(where), kept)"
    )
    said = on_a_desktop(tmp_path, act)
    assert said.startswith("keyring keyring.backends.SecretService.Keyring one {")
    assert "('bcss:acme', 'shipstation.api_key'): 'one'" in said
    assert said.endswith("True {}")


def test_a_vault_that_was_chosen_stays_chosen(tmp_path: Path) -> None:
    act = (
        "secrets.store(where, 'old')\n"
        "secrets.store(where, 'new', into='vault')\n"
        "print(secrets.resolve(where))\n"
        "secrets.store(where, 'newer')\n"
        "print(secrets.resolve(where), list(kept.values()))\n"
        "secrets.store(where, 'newest', into='keyring')\n"
        "print(secrets.resolve(where), list(kept.values()))"
    )
    assert on_a_desktop(tmp_path, act).splitlines() == [
        "new",
        "newer ['old']",
        "newest ['newest']",
    ]


TRY = "try: secrets.resolve(where)\nexcept FixCredential as problem: print(problem)"


def test_a_locked_keyring_says_so(tmp_path: Path) -> None:
    said = on_a_desktop(tmp_path, TRY, get="raise keyring.errors.KeyringLocked('locked')")
    assert "it is locked, and cron cannot unlock it" in said


def test_a_keyring_that_waits_for_a_person_is_given_up(tmp_path: Path) -> None:
    said = on_a_desktop(tmp_path, TRY, get="time.sleep(30)")
    assert "it did not answer within" in said


@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("keyrings.alt.file", "keyrings.alt.file.Keyring may store passwords unencrypted"),
        ("keyring.backends.null", "this host has none"),
    ],
)
def test_a_keyring_that_may_not_encrypt_is_not_used(tmp_path: Path, module: str, why: str) -> None:
    act = f"{TRY}\nprint(secrets.store(where, 'one'), kept)"
    said = on_a_desktop(tmp_path, act, module=module)
    assert why in said
    assert f"vault {tmp_path / 'state/v'} {{}}" in said
