"""Bring ShipStation's products in line with Business Central's items (push-items, design §6)."""

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256

from bcss.clock import iso, parse_utc
from bcss.flows import catalogorders
from bcss.flows.catalog import refresh
from bcss.flows.connection import Connection
from bcss.flows.importfiles import import_path, remove_file, replace_file
from bcss.flows.productwriter import Writer, subject_of
from bcss.holds import Verdict, Why
from bcss.mapping.importfile import products_file
from bcss.mapping.products import Comparison, Wanted, changes, compare, show_changes, wanted
from bcss.shipstation.records import UnreadableRecord
from bcss.store.cachestate import items_state
from bcss.store.queue import About

# Products that one run of `sync all` changes at most; each costs two of 40 calls a minute.
_A_RUN = 50
MISSING = "missing_products"  # how many products ShipStation lacks, for `status`
_MISSING_SET = "missing_products_set"
_PUSHED = "items_pushed"
_DAILY = timedelta(hours=24)


def push_some_items(conn: Connection) -> None:
    """Push what changed, a bounded number of products a run, so that booking gets its turn."""
    push_items(conn, most=_A_RUN)


def push_items(conn: Connection, most: int | None = None) -> None:
    """Update the products that differ, hold the doubtful ones, and list the missing ones.

    ShipStation is asked only when items have changed, work is left from an earlier run, or the
    last full comparison is a day old. `most` bounds how many products this run writes.
    """
    refresh(conn)
    state = _state(conn)
    if _is_pushed(conn, state) and not catalogorders.waiting(conn):
        return
    cache = conn.store.cache
    everything = wanted(cache.item_bodies(), cache.variants(), conn.config.items)
    if conn.dry_run:
        _tell(conn, _compare(conn, everything))
    elif _bring_in_line(conn, everything, Writer(conn, most)):
        with conn.store.write():
            conn.store.set_meta(_PUSHED, f"{state} {iso(conn.now())}")


def _state(conn: Connection) -> str:
    """Name what products depend on: the cached items, and how they become products."""
    facts = (items_state(conn.store), repr(conn.config.items))
    return sha256("|".join(facts).encode()).hexdigest()


def _is_pushed(conn: Connection, state: str) -> bool:
    """Tell whether all was in line with this state less than a day ago."""
    known, _, at = conn.store.meta(_PUSHED).partition(" ")
    return known == state and conn.now() - parse_utc(at) < _DAILY


def _bring_in_line(conn: Connection, everything: Sequence[Wanted], writer: Writer) -> bool:
    """Compare and write; return whether nothing is left for the next run."""
    with conn.store.write():
        conn.store.set_meta(_PUSHED, "")  # what is half written is in line with no state
    comparison = _compare(conn, everything)
    _hold(conn, comparison)
    _list_missing(conn, comparison.missing)
    writer.write_all(comparison.matched)
    if conn.config.items.missing != "order":
        return writer.finished
    if catalogorders.ask_for(conn, comparison.missing):
        comparison = _compare(conn, everything)
        _list_missing(conn, comparison.missing)
        writer.write_all(comparison.matched)
    if writer.finished:
        catalogorders.clean_up(conn, frozenset(one.sku for one in comparison.missing))
    return writer.finished


def _compare(conn: Connection, everything: Sequence[Wanted]) -> Comparison:
    """Read all products, inactive ones included, and match them with what is wanted."""
    if not everything:
        return Comparison([], [])
    unreadable: list[UnreadableRecord] = []
    products = conn.shipstation.products(inactive=True, unreadable=unreadable.append)
    comparison = compare(everything, products)
    if not conn.dry_run:
        _hold_unreadable(conn, unreadable)
    return comparison


def _hold_unreadable(conn: Connection, unreadable: Sequence[UnreadableRecord]) -> None:
    bad = {f"record:products:{one.identity[:50]}": str(one) for one in unreadable}
    now, holds = conn.now(), conn.store.holds
    with conn.store.write():
        for subject, text in bad.items():
            holds.put(About(subject), Verdict(Why.UNREADABLE_RECORD, f"{text} (ShipStation)"), now)
        for hold in holds.open():
            if hold.subject.startswith("record:products:") and hold.subject not in bad:
                holds.close(hold.subject, now, by="bcss", note="readable now")


def _hold(conn: Connection, comparison: Comparison) -> None:
    """Hold each doubtful SKU, and release what is doubtful no more or no longer sold."""
    bad = {subject_of(sku): text for sku, text in comparison.doubtful.items()}
    found = {subject_of(one.sku) for one, _ in comparison.matched}
    now, holds = conn.now(), conn.store.holds
    with conn.store.write():
        for subject, text in bad.items():
            holds.put(About(subject), Verdict(Why.SKU_TWICE, text), now)
        for hold in holds.open():
            if not hold.subject.startswith("product:") or hold.subject in bad:
                continue
            if hold.why == Why.SKU_TWICE or hold.subject not in found:
                holds.close(hold.subject, now, by="bcss", note="resolved")


def _list_missing(conn: Connection, missing: Sequence[Wanted]) -> None:
    """Count what ShipStation lacks and keep the import file; tell when the set has changed."""
    path = import_path(conn, "products")
    listed = conn.config.items.missing == "csv" and bool(missing)
    said = f"{len(missing)} product(s) are missing in ShipStation; import {path} there."
    if listed:
        file = products_file(missing)
        replace_file(path, file.text)
        if file.left_out:
            said += f" {file.left_out} of them begin like a formula and are not in the file."
    else:
        remove_file(path)
    digest = sha256("\n".join(one.sku for one in missing).encode()).hexdigest() if missing else ""
    if listed and digest != conn.store.meta(_MISSING_SET):
        conn.report.notes.append(said)
    with conn.store.write():
        conn.store.set_meta(MISSING, str(len(missing)))
        conn.store.set_meta(_MISSING_SET, digest)


def _tell(conn: Connection, comparison: Comparison) -> None:
    """Say what a run would do."""
    notes = conn.report.notes
    for one, product in comparison.matched:
        changed = changes(product.raw, one)
        if changed:
            notes.append(f"would update product {one.sku}: {show_changes(product.raw, changed)}")
    notes += [f"would hold product {sku}: {text}" for sku, text in comparison.doubtful.items()]
    if not comparison.missing:
        return
    count = len(comparison.missing)
    match conn.config.items.missing:
        case "csv":
            path = import_path(conn, "products")
            notes.append(f"would list {count} missing product(s) in {path}")
        case "order":
            notes.append(f"would ask ShipStation for {count} missing product(s) by helper orders")
        case "ignore":
            notes.append(f"would ignore {count} missing product(s)")
