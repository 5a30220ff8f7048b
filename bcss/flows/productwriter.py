"""Write what differs into ShipStation's products, one whole resource at a time.

A PUT replaces the whole product (shipstation.md §6.3), so each is read afresh and sent back with
nothing but bcss's own members changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import sha256
from typing import Any

from bcss import wire
from bcss.errors import InDoubt, RecordMissing, RecordRefused, RetryLater, UpstreamError
from bcss.flows.connection import Connection
from bcss.holds import Verdict, Why
from bcss.mapping.products import Wanted, changes, show_changes
from bcss.shipstation.records import Product
from bcss.store.queue import About
from bcss.store.trail import Event

FLOW = "push-items"
# A product that fails so often with the same content is held instead; so many failures in a
# row are ShipStation's trouble and not the products'.
_PATIENCE = 3
_TOKEN = 16
_ERROR = 500


class _Outcome(Enum):
    DONE = auto()
    HELD = auto()
    LATER = auto()
    FAILED = auto()


@dataclass(slots=True)
class Writer:
    """One pass over the products; `most` bounds how many are written in it."""

    conn: Connection
    most: int | None = None
    finished: bool = True
    _in_a_row: int = 0

    def write_all(self, matched: Iterable[tuple[Wanted, Product]]) -> bool:
        """Bring every product in line; return whether nothing is left for the next run.

        Raise RetryLater or StopVendor when ShipStation refuses us as a whole.
        """
        for one, product in matched:
            if not self._write(one, product):
                self.finished = False
                break
        return self.finished

    def _write(self, one: Wanted, product: Product) -> bool:
        """Bring one product in line; return whether to go on."""
        key = f"product:{product.product_id}"
        tried = self.conn.store.meta(key)
        if not changes(product.raw, one):
            self._settled(one, key if tried else "")
            return True
        token = _token(one, product)
        if tried.startswith(token):
            self._tell_stubborn(one, product, key, tried)
            return True
        if self.most == 0 or out_of_time(self.conn):
            return False
        self.most = None if self.most is None else self.most - 1
        return self._note(self._attempt(one, product, key, token))

    def _note(self, outcome: _Outcome) -> bool:
        self.finished = self.finished and outcome in (_Outcome.DONE, _Outcome.HELD)
        self._in_a_row = self._in_a_row + 1 if outcome is _Outcome.FAILED else 0
        return self._in_a_row < _PATIENCE

    def _attempt(self, one: Wanted, product: Product, key: str, token: str) -> _Outcome:
        try:
            return self._put(one, product.product_id, key, token)
        except RecordMissing:
            return _Outcome.LATER
        except RecordRefused as error:
            self._hold(one, product, error)
            return _Outcome.HELD
        except RetryLater as error:
            if error.status != _ERROR:
                raise
            return self._failed(one, product, key, token, error)
        except InDoubt as error:
            return self._failed(one, product, key, token, error)

    def _put(self, one: Wanted, product_id: int, key: str, token: str) -> _Outcome:
        fresh = self.conn.shipstation.get_product(product_id)
        if fresh.sku != one.sku:
            return _Outcome.LATER  # somebody renamed it since it was listed
        changed = changes(fresh.raw, one)
        if not changed:
            self._settled(one, key)
            return _Outcome.DONE
        body = {**fresh.raw, **changed}
        said = f"product {one.sku} ({product_id}): {show_changes(fresh.raw, changed)}"
        self._trail("intent", one, said, "sent", fresh.raw, body)
        try:
            self.conn.shipstation.put_product(body)
        except UpstreamError as error:
            status = "in doubt" if isinstance(error, InDoubt) else "refused"
            self._trail("outcome", one, error.message, status)
            raise
        with self.conn.store.write():
            # While ShipStation goes on showing what it showed, the same is not sent again.
            self.conn.store.set_meta(key, token)
            self._release(one)
            self._trail("outcome", one, f"product {one.sku} updated", "done")
        return _Outcome.DONE

    def _failed(
        self, one: Wanted, product: Product, key: str, token: str, error: UpstreamError
    ) -> _Outcome:
        """Count a failure whose effect is unknown; the next run compares and tries again."""
        known = self.conn.store.meta(key).removeprefix("failed ")
        count, _, of = known.partition(" ")
        times = int(count) + 1 if of == token else 1
        with self.conn.store.write():
            self.conn.store.set_meta(key, f"failed {times} {token}")
        if times >= _PATIENCE:
            self._hold(one, product, error)
            return _Outcome.HELD
        if not self._in_a_row:
            self.conn.report.errors.append(error)
        return _Outcome.FAILED

    def _hold(self, one: Wanted, product: Product, error: UpstreamError) -> None:
        text = f"ShipStation does not take product {one.sku} ({product.product_id}): "
        verdict = Verdict(Why.REFUSED_BY_SHIPSTATION, text + error.message)
        with self.conn.store.write():
            self.conn.store.holds.put(About(subject_of(one.sku)), verdict, self.conn.now())

    def _settled(self, one: Wanted, key: str) -> None:
        """Forget what was tried once ShipStation shows what is wanted."""
        store = self.conn.store
        if not key and store.holds.open_for(subject_of(one.sku)) is None:
            return
        with store.write():
            if key:
                store.set_meta(key, "")
            self._release(one)

    def _release(self, one: Wanted) -> None:
        note = "ShipStation has what Business Central says"
        self.conn.store.holds.close(subject_of(one.sku), self.conn.now(), by="bcss", note=note)

    def _tell_stubborn(self, one: Wanted, product: Product, key: str, tried: str) -> None:
        """Say once that ShipStation shows other values than it was sent and has accepted."""
        if tried.endswith("!"):
            return
        shown = show_changes(product.raw, changes(product.raw, one))
        self.conn.report.notes.append(
            f"ShipStation accepted product {one.sku} but keeps other values: {shown}."
        )
        with self.conn.store.write():
            self.conn.store.set_meta(key, f"{tried}!")

    def _trail(
        self,
        kind: str,
        one: Wanted,
        summary: str,
        status: str,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        event = Event(
            kind,
            FLOW,
            subject_of(one.sku),
            summary,
            target="shipstation",
            status=status,
            before=_body(before),
            after=_body(after),
        )
        with self.conn.store.write():
            self.conn.store.trail.add(self.conn.now(), event)


def subject_of(sku: str) -> str:
    """Name a product in the trail and in the review queue."""
    return f"product:{sku}"


def out_of_time(conn: Connection) -> bool:
    """Tell whether the run has used up its `--max-runtime`."""
    return conn.limits.ends is not None and conn.clock.monotonic() >= conn.limits.ends


def _token(one: Wanted, product: Product) -> str:
    """Name what is wanted of a product together with what it shows."""
    pair = [dict(one.fields), {name: product.raw.get(name) for name in one.fields}]
    return sha256(wire.canonical(pair)).hexdigest()[:_TOKEN]


def _body(raw: Mapping[str, Any] | None) -> bytes | None:
    return None if raw is None else wire.canonical(raw)
