"""Judge signed webhooks in the listener, which asks nobody: the worker fetches the keys (design §7)."""

import threading
from contextlib import closing
from pathlib import Path
from typing import Final

from bcss.clock import Clock
from bcss.errors import BcssError
from bcss.httpserver import Request
from bcss.shipstation.signature import KEY_ID, Keys, Verdict, judge, read_keys
from bcss.store.hints import SIGNING_KEYS, Hints
from bcss.wire import NotJson

_REREAD: Final = 60.0
_REREAD_UNKNOWN: Final = 5.0


class Signatures:
    """The keys as the worker last fetched them, read again once in a while; for many threads."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: Keys = {}
        self._read_at: float | None = None

    def judge(self, request: Request) -> Verdict:
        """Tell what a request's signature is worth."""
        named = request.headers.get(KEY_ID)
        keys = self._known(named[0].decode("latin-1")) if named else {}
        return judge(request.headers, request.body, keys, self._clock.now())

    def _known(self, key_id: str) -> Keys:
        with self._lock:
            patience = _REREAD if key_id in self._keys else _REREAD_UNKNOWN
            now = self._clock.monotonic()
            if self._read_at is None or now - self._read_at >= patience:
                self._keys, self._read_at = self._load(), now
            return self._keys

    def _load(self) -> Keys:
        """Read the keys; without them every signed webhook is only a reason to poll."""
        try:
            with closing(Hints(self._path, self._clock)) as hints:
                return read_keys(hints.fact(SIGNING_KEYS).encode())
        except (BcssError, NotJson):
            return {}
