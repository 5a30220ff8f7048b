"""Keep a child process running: start it again when it dies, end it when we end."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Final

from bcss.clock import Clock

PATIENCE: Final = 30.0  # how long the child may take to finish what it has begun
_LONGEST: Final = 60.0
_STEADY: Final = 60.0  # a child that lived so long starts again at once


class Keeper:
    """One child process and the thread that watches it."""

    def __init__(
        self, command: Sequence[str], env: dict[str, str], clock: Clock, *, first: float = 1.0
    ) -> None:
        self._command = list(command)
        self._env = env
        self._clock = clock
        self._first = first
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    @property
    def pid(self) -> int | None:
        """Return the child's process id while it runs."""
        child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def start(self) -> None:
        """Start the child."""
        self._thread.start()

    def stop(self) -> None:
        """End the child, first kindly."""
        self._stopping.set()
        with self._lock:
            child = self._child
        if child is not None and child.poll() is None:
            child.terminate()
            try:
                child.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                child.kill()
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        delay = self._first
        while not self._stopping.is_set():
            begun = self._clock.monotonic()
            ended = self._live()
            if self._stopping.is_set():
                return
            if self._clock.monotonic() - begun > _STEADY:
                delay = self._first
            say(f"the worker ended ({ended}); it is started again in {delay:g} s.")
            self._stopping.wait(delay)
            delay = min(delay * 2, _LONGEST)

    def _live(self) -> str:
        """Start the child and wait for its end; return what ended it."""
        with self._lock:
            if self._stopping.is_set():
                return ""
            try:
                self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                    self._command, env=self._env, stdin=subprocess.DEVNULL
                )
            except OSError as error:
                return str(error.strerror)
            child = self._child
        return f"exit {child.wait()}"


def say(text: str) -> None:
    """Tell the operator, on stderr as every daemon does."""
    sys.stderr.write(f"bcss: {text}\n")
    sys.stderr.flush()
