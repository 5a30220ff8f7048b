"""Fetch the public keys that signed webhooks name, for the listener, which asks nobody (design §7)."""

from contextlib import closing
from datetime import timedelta
from typing import Final

from bcss.clock import Clock, iso, parse_utc
from bcss.config.schema import Config
from bcss.errors import RetryLater
from bcss.http import raw_sender
from bcss.shipstation.signature import keys_url, read_keys
from bcss.store.hints import SIGNING_KEYS, UNKNOWN_KEY, Hints, hints_path
from bcss.wire import NotJson

_AT: Final = "signing keys asked for at"
_GOOD_AT: Final = "signing keys read at"
_UNKNOWN: Final = "signing keys unknown then"
_EVERY: Final = timedelta(hours=24)
_AGAIN: Final = timedelta(minutes=5)
_OK: Final = 200


def refresh_keys(config: Config, clock: Clock, transport: object | None = None) -> str:
    """Fetch the key set when it is a day old or a webhook named another; return what went wrong.

    Nothing is asked without a V2 key, nor more often than every 5 minutes.
    """
    if config.shipstation.v2_api_key is None or config.webhooks is None:
        return ""
    with closing(Hints(hints_path(config.state.path), clock)) as hints:
        unknown = str(hints.tallies().get(UNKNOWN_KEY, 0))
        if not _is_due(hints, clock, unknown):
            return ""
        hints.note({_AT: iso(clock.now()), _UNKNOWN: unknown})
        try:
            text = _fetch(keys_url(config.shipstation.v2_api_url), clock, transport)
        except RetryLater as error:
            return str(error)
        hints.note({SIGNING_KEYS: text, _GOOD_AT: iso(clock.now())})
    return ""


def _is_due(hints: Hints, clock: Clock, unknown: str) -> bool:
    asked, good = hints.fact(_AT), hints.fact(_GOOD_AT)
    now = clock.now()
    if asked and now - parse_utc(asked) < _AGAIN:
        return False
    return not good or now - parse_utc(good) >= _EVERY or unknown != hints.fact(_UNKNOWN)


def _fetch(url: str, clock: Clock, transport: object | None) -> str:
    """Ask for the key set, without any credential; keep the old one unless this one is good."""
    send, close = raw_sender(url, clock, transport=transport)
    try:
        reply = send("GET", url, {"accept": "application/json"}, b"")
    finally:
        close()
    try:
        fit = reply.status == _OK and read_keys(reply.body)
    except NotJson:
        fit = False
    if not fit:
        raise RetryLater(
            f"{url} answered {reply.status} without keys that can be used.",
            hint="Signed webhooks only start a poll until it does.",
        )
    return reply.body.decode()
