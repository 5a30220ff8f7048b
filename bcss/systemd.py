"""Speak systemd's two small protocols, socket activation and readiness, where it asks for them.

Both are a few lines over environment variables (sd_listen_fds(3), sd_notify(3)); elsewhere they
do nothing.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from bcss.errors import FixConfig

OURS: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC")
_FIRST: Final = 3


def inherited_socket(environ: Mapping[str, str] | None = None) -> socket.socket | None:
    """Return the listening socket that systemd opened for this process, if it did.

    Raise FixConfig when it passes anything but one TCP socket.
    """
    environ = os.environ if environ is None else environ
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    if environ.get("LISTEN_FDS") != "1":
        raise FixConfig(
            f"systemd passes {environ.get('LISTEN_FDS') or 'no'} sockets, and the listener takes one.",
            hint="Leave one ListenStream in the .socket unit.",
        )
    found = socket.socket(fileno=_FIRST)
    found.set_inheritable(False)
    if found.type != socket.SOCK_STREAM or found.family not in (socket.AF_INET, socket.AF_INET6):
        found.close()
        raise FixConfig(
            "systemd passes a socket that is not TCP.",
            hint="Let ListenStream name an address and a port.",
        )
    return found


def notify(state: str, environ: Mapping[str, str] | None = None) -> None:
    """Tell systemd a state such as `READY=1`; a failure is no reason to end."""
    environ = os.environ if environ is None else environ
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(1.0)
        sender.sendto(state.encode(), address)
