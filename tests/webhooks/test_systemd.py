"""Socket activation and readiness, as systemd speaks them, without systemd."""

import os
import socket
import subprocess
import sys
import threading
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from bcss.errors import FixConfig
from bcss.systemd import inherited_socket, notify
from tests.webhooks.rig import TOKEN, hints_of
from tests.webhooks.test_process import CONFIG

# Do what systemd does: pass the socket as number 3 to a process that knows its own id.
EXEC = (
    "import os, sys\n"
    "os.dup2(int(sys.argv[1]), 3)\n"
    "os.set_inheritable(3, True)\n"
    "env = {**os.environ, 'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1'}\n"
    "args = [sys.executable, '-m', 'bcss', 'serve-webhooks', *sys.argv[2:]]\n"
    "os.execve(sys.executable, args, env)\n"
)


def test_it_takes_systemds_socket_and_tells_when_it_is_ready(tmp_path: Path) -> None:
    path, address = tmp_path / "config.yaml", tmp_path / "notify"
    nowhere = "http://127.0.0.1:1"
    state = tmp_path / "state.db"
    # The port of the configuration cannot be had; systemd's socket is used instead.
    path.write_text(
        CONFIG.format(bc=nowhere, shipstation=nowhere, port=1, state=state, start="2026-12-01")
    )
    path.chmod(0o600)
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as listening,
        closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as told,
    ):
        told.bind(str(address))
        told.settimeout(30)
        port = listening.getsockname()[1]
        # What comes before the listener is up waits in the socket.
        early = HTTPConnection("127.0.0.1", port, timeout=30)
        early.request("POST", f"/bcss/{TOKEN}/shipstation", b"early")
        process = subprocess.Popen(
            [sys.executable, "-c", EXEC, str(listening.fileno()), "--config", str(path),
             "--no-worker"],
            env={**os.environ, "BCSS_TEST_HOOK": TOKEN, "NOTIFY_SOCKET": str(address)},
            pass_fds=[listening.fileno()],
        )  # fmt: skip
        try:
            assert told.recv(100) == b"READY=1"
            assert told.recv(100) == b"WATCHDOG=1"
            assert early.getresponse().status == 200
            early.close()
            process.terminate()
            while (said := told.recv(100)) == b"WATCHDOG=1":
                pass
            assert said == b"STOPPING=1"
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
        assert [one.body for one in hints_of(state)] == [b"early"]


def test_without_systemd_nothing_is_inherited_or_told(tmp_path: Path) -> None:
    ours = str(os.getpid())
    assert inherited_socket({}) is None
    assert inherited_socket({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) is None
    notify("READY=1", {})
    notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    with pytest.raises(FixConfig, match="one"):
        inherited_socket({"LISTEN_PID": ours, "LISTEN_FDS": "2"})


def test_an_abstract_address_is_understood() -> None:
    name = f"bcss-test-{os.getpid()}-{threading.get_ident()}"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as told:
        told.bind(f"\0{name}")
        told.settimeout(5)
        notify("STOPPING=1", {"NOTIFY_SOCKET": f"@{name}"})
        assert told.recv(100) == b"STOPPING=1"
