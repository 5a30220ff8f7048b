"""Check what no single setting can know: rules between settings.

They look at the file's tree, not at the finished configuration, so that they report together
with everything else that is wrong. A setting that does not parse is somebody else's problem.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from bcss.config import values
from bcss.config.edge import Problem
from bcss.config.schema import (
    BusinessCentral,
    Config,
    DocumentKind,
    Ignored,
    SecretRef,
    StoreRule,
    vault_path,
)

T = TypeVar("T")
_SHORTEST_SETTLE = timedelta(minutes=20)


def check(tree: Any) -> list[Problem]:
    """Return the problems that lie between settings."""
    found: list[Problem] = []
    for rule in (_sign_in, _settle, _start, _open_orders, _tax, _skus, _catalog, _agents):
        found.extend(rule(tree))
    return found


def at(tree: Any, *place: str) -> Any:
    """Return what stands at a place of the file's tree, or None."""
    for key in place:
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(key)
    return tree


def notes(tree: Any) -> tuple[str, ...]:
    """Return a sentence for each setting that is accepted but has no effect."""
    found: list[str] = []
    for store, rule in _booked_stores(tree):
        if _tax_word(rule) == "business_central" and at(rule, "discount") not in (None, "spread"):
            found.append(
                f"orders.stores.{store}.discount is not used: Business Central computes the tax, "
                "so discounts are spread over the item lines"
            )
        if _tax_word(rule) == "business_central" and at(rule, "tax_code"):
            found.append(
                f"orders.stores.{store}.tax_code is not used: Business Central computes the tax"
            )
        tolerance = _parsed(values.amount, at(rule, "tolerance"))
        if _tax_word(rule) != "business_central" and tolerance:
            found.append(
                f"orders.stores.{store}.tolerance is not used: it is for tax that Business Central "
                "computes only"
            )
    if at(tree, "orders", "label_pdf") == "true" and not at(tree, "shipstation", "v2_api_key"):
        found.append(
            "orders.label_pdf is not used: labels come from ShipStation V2, which "
            "shipstation.v2_api_key opens"
        )
    return tuple(found)


def complete(config: Config) -> Config:
    """Fill in what follows from other settings, and fold the names that ignore case."""
    stores = {store: _spread(rule) for store, rule in config.orders.stores.items()}
    agents = {
        _folded(name): replace(agent, services={_folded(k): v for k, v in agent.services.items()})
        for name, agent in config.shipping_agents.items()
    }
    return replace(
        config,
        business_central=_with_sign_in(config),
        orders=replace(config.orders, stores=stores),
        shipping_agents=agents,
    )


def _spread(rule: StoreRule | Ignored) -> StoreRule | Ignored:
    """Spread discounts wherever Business Central computes the tax (design §4.2)."""
    if isinstance(rule, StoreRule) and rule.tax == "business_central":
        return replace(rule, discount="spread")
    return rule


def _with_sign_in(config: Config) -> BusinessCentral:
    section = config.business_central
    if section.client_secret is not None or section.certificate is not None:
        return section
    slot, vault = "business_central.client_secret", vault_path(config.state.path)
    return replace(section, client_secret=SecretRef("keyring", "", slot, config.name, vault))


def _folded(name: str) -> str:
    return name.strip().casefold()


def _sign_in(tree: Any) -> Iterator[Problem]:
    place = ("business_central", "certificate")
    if at(tree, *place) is not None and at(tree, "business_central", "client_secret") is not None:
        yield Problem(place, "give either client_secret or certificate, not both")


def _settle(tree: Any) -> Iterator[Problem]:
    length = _parsed(values.duration, at(tree, "orders", "settle"))
    if length is None or length >= _SHORTEST_SETTLE:
        return
    address = _parsed(values.url, at(tree, "business_central", "api_url"))
    if address is None or not values.is_loopback(urlsplit(address).hostname or ""):
        yield Problem(
            ("orders", "settle"),
            "expected at least 20m: a request of Business Central may live that long "
            "(less is for an imitation on this very machine)",
        )


def _start(tree: Any) -> Iterator[Problem]:
    posting = [store for store, rule in _booked_stores(tree) if _kind(tree, rule) in _POSTING]
    if posting and at(tree, "orders", "start") is None:
        yield Problem(
            ("orders", "start"),
            "is required before anything is posted: the first day whose shipments are booked, "
            "such as 2026-12-01",
        )


_POSTING = {kind.value for kind in DocumentKind if kind.posts}
_INVOICES = {kind.value for kind in DocumentKind if not kind.is_order}


def _open_orders(tree: Any) -> Iterator[Problem]:
    if at(tree, "orders", "when") != "open":
        return
    for store, rule in _booked_stores(tree):
        kind = _kind(tree, rule)
        if kind in _INVOICES:
            own = at(rule, "document") is not None
            place = ("orders", "stores", store, "document") if own else ("orders", "document")
            yield Problem(
                place, f"{kind} cannot go with when: open; use sales_order or ship_and_invoice"
            )


def _tax(tree: Any) -> Iterator[Problem]:
    for store, rule in _booked_stores(tree):
        tax = at(rule, "tax")
        by_account = isinstance(tax, Mapping) or tax == "excluded"
        if by_account and at(rule, "tax_code") is None:
            yield Problem(
                ("orders", "stores", store, "tax_code"),
                "is missing: it keeps Business Central from computing tax on top "
                f"({'tax: excluded' if tax == 'excluded' else 'tax on a line of its own'} needs it)",
            )


def _skus(tree: Any) -> Iterator[Problem]:
    skus = at(tree, "orders", "skus")
    for sku, rule in skus.items() if isinstance(skus, Mapping) else ():
        for entry in rule if isinstance(rule, list) else [rule]:
            yield from _shares(entry, ("orders", "skus", sku))
            yield from _dates(entry, ("orders", "skus", sku))


def _shares(entry: Any, place: tuple[str, ...]) -> Iterator[Problem]:
    parts = at(entry, "kit")
    if not isinstance(parts, list):
        return
    given = [at(part, "share") is not None for part in parts]
    if any(given) and not all(given):
        yield Problem((*place, "kit"), "give every item of the kit a share, or none")
    if any(given) and at(entry, "price") != "spread":
        yield Problem((*place, "kit"), "shares go with price: spread")


def _dates(entry: Any, place: tuple[str, ...]) -> Iterator[Problem]:
    first, last = (_parsed(values.day, at(entry, name)) for name in ("from", "until"))
    if first is not None and last is not None and last < first:
        yield Problem(place, f"until {last} comes before from {first}")


def _catalog(tree: Any) -> Iterator[Problem]:
    if at(tree, "items", "missing") == "order" and at(tree, "items", "catalog_store") is None:
        yield Problem(("items", "catalog_store"), "is missing: missing: order needs a manual store")


def _agents(tree: Any) -> Iterator[Problem]:
    agents = at(tree, "shipping_agents")
    yield from _same_but_for_case(agents, ("shipping_agents",))
    for name, agent in agents.items() if isinstance(agents, Mapping) else ():
        yield from _same_but_for_case(at(agent, "services"), ("shipping_agents", name, "services"))


def _same_but_for_case(section: Any, place: tuple[str, ...]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for key in section if isinstance(section, Mapping) else ():
        first = seen.setdefault(_folded(key), key)
        if first != key:
            yield Problem((*place, key), f'is the same as "{first}": case does not matter here')


def _booked_stores(tree: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    stores = at(tree, "orders", "stores")
    for store, rule in stores.items() if isinstance(stores, Mapping) else ():
        if isinstance(rule, Mapping):
            yield store, rule


def _tax_word(rule: Mapping[str, Any]) -> Any:
    tax = at(rule, "tax")
    return "business_central" if tax is None else tax


def _kind(tree: Any, rule: Mapping[str, Any]) -> Any:
    own = at(rule, "document")
    chosen = at(tree, "orders", "document") if own is None else own
    return DocumentKind.POSTED_INVOICE.value if chosen is None else chosen


def _parsed(reader: Callable[[object], T], value: object) -> T | None:
    if value is None:
        return None
    try:
        return reader(value)
    except ValueError:
        return None
