"""Cache Business Central's master data, refreshed incrementally (design §4.5)."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256

from bcss import wire
from bcss.businesscentral.records import Customer, Item, ItemVariant, Location
from bcss.mapping.catalog import Catalog, CatalogCustomer, CatalogItem
from bcss.mapping.text import code
from bcss.money import ZERO, parse_amount
from bcss.store.payloads import compress, expand
from bcss.store.sqlite import Connection

_DIGEST = 16
_LIKE = 400
_TERMS = "bc:payment_terms"


class Cache:
    """The cached items, variants, customers, locations and countries of one company."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn

    def keep_items(self, items: Iterable[Item]) -> list[str]:
        """Keep items; return the numbers of those that changed in a way that matters to us."""
        changed = []
        for item in items:
            body = wire.canonical(_item_body(item))
            digest = sha256(body).digest()[:_DIGEST]
            cursor = self._conn.execute(
                "INSERT INTO item (number, id, gtin, base_unit, blocked, digest, body) "
                "VALUES (?,?,?,?,?,?,?) ON CONFLICT (number) DO UPDATE SET id=excluded.id, "
                "gtin=excluded.gtin, base_unit=excluded.base_unit, blocked=excluded.blocked, "
                "digest=excluded.digest, body=excluded.body WHERE digest <> excluded.digest",
                (
                    code(item.number),
                    item.id,
                    code(item.gtin),
                    item.base_unit_of_measure,
                    int(item.blocked),
                    digest,
                    compress(body),
                ),
            )
            if cursor.rowcount > 0:
                changed.append(code(item.number))
        return changed

    def keep_variants(self, variants: Iterable[ItemVariant]) -> None:
        """Keep variants."""
        self._conn.executemany(
            "INSERT OR REPLACE INTO variant (item_number, code, id, description) VALUES (?,?,?,?)",
            [(code(v.item_number), code(v.code), v.id, v.description) for v in variants],
        )

    def keep_customers(self, customers: Iterable[Customer]) -> None:
        """Keep customers, found again by number, by each of their e-mails and by phone."""
        for one in customers:
            number = code(one.number)
            digits = "".join(c for c in one.phone if c.isdigit())
            self._conn.execute(
                "INSERT INTO customer (number, email, phone, blocked, body) VALUES (?,?,?,?,?) "
                "ON CONFLICT (number) DO UPDATE SET email=excluded.email, phone=excluded.phone, "
                "blocked=excluded.blocked, body=excluded.body",
                (number, one.email, digits, int(bool(one.blocked)), compress(_customer_body(one))),
            )
            self._conn.execute("DELETE FROM customer_email WHERE number = ?", (number,))
            self._conn.executemany(
                "INSERT OR IGNORE INTO customer_email (email, number) VALUES (?, ?)",
                [
                    (part.strip().casefold(), number)
                    for part in one.email.split(";")
                    if part.strip()
                ],
            )

    def keep_places(self, locations: Iterable[Location], countries: Iterable[str]) -> None:
        """Replace the locations and countries."""
        self._conn.execute("DELETE FROM location")
        self._conn.execute("DELETE FROM country")
        self._conn.executemany(
            "INSERT OR REPLACE INTO location (code, id) VALUES (?, ?)",
            [(code(one.code), one.id) for one in locations],
        )
        self._conn.executemany(
            "INSERT OR IGNORE INTO country (code) VALUES (?)", [(code(one),) for one in countries]
        )

    def keep_payment_terms(self, terms: Mapping[str, str]) -> None:
        """Replace the payment terms, ids by code."""
        self._conn.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?) "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (_TERMS, wire.dumps({code(name): one for name, one in terms.items()})),
        )

    def _payment_terms(self) -> dict[str, str]:
        row = self._conn.execute("SELECT value FROM meta WHERE key = ?", (_TERMS,)).fetchone()
        return dict(wire.parse_object(row[0])) if row else {}

    def catalog(
        self,
        numbers: Iterable[str],
        gtins: Iterable[str],
        keys: Iterable[tuple[str, str]],
        priced: Container[str] = (),
    ) -> Catalog:
        """Return what the cache knows of some item numbers, barcodes and customer keys.

        The prices of the items in `priced` come along, which costs some time each.
        """
        items = {n: found for n in set(numbers) if (found := self._item("number", n))}
        items |= {
            n: replace(one, unit_price=self._price(n)) for n, one in items.items() if n in priced
        }
        by_gtin = {g: found for g in set(gtins) if g and (found := self._item("gtin", g))}
        variants = {}
        for number in items:
            rows = self._conn.execute(
                "SELECT code, id FROM variant WHERE item_number = ?", (number,)
            )
            variants.update({(number, row[0]): row[1] for row in rows})
        return Catalog(
            items=items,
            by_gtin=by_gtin,
            variants=variants,
            customers={key: self._customers(*key) for key in set(keys)},
            locations=dict(self._conn.execute("SELECT code, id FROM location").fetchall()),
            countries=frozenset(row[0] for row in self._conn.execute("SELECT code FROM country")),
            payment_terms=self._payment_terms(),
        )

    def _price(self, number: str) -> Decimal:
        bodies = self.item_bodies([number])
        return parse_amount(bodies[0].get("price") or 0) if bodies else ZERO

    def numbers_like(self, text: str) -> list[str]:
        """Return some item numbers among which a misspelt one may be found, the likeliest first."""
        rows = self._conn.execute(
            "SELECT number FROM item WHERE abs(length(number) - ?1) <= 4 "
            "ORDER BY substr(number, 1, 2) = substr(?2, 1, 2) DESC, "
            "substr(number, 1, 1) = substr(?2, 1, 1) DESC, number LIMIT ?3",
            (len(text), code(text), _LIKE),
        )
        return [row[0] for row in rows]

    def has_customer(self, number: str) -> bool:
        """Tell whether a customer of this number is known."""
        row = self._conn.execute("SELECT 1 FROM customer WHERE number = ?", (code(number),))
        return row.fetchone() is not None

    def _item(self, column: str, value: str) -> CatalogItem | None:
        row = self._conn.execute(
            f"SELECT number, base_unit, blocked FROM item WHERE {column} = ?",  # noqa: S608
            (value,),
        ).fetchone()
        return CatalogItem(row[0], row[1], blocked=bool(row[2])) if row else None

    def _customers(self, by: str, value: str) -> tuple[CatalogCustomer, ...]:
        condition = {
            "email": "number IN (SELECT number FROM customer_email WHERE email = ?)",
            "username": "number = ?",
            "phone": "phone = ?",
        }[by]
        rows = self._conn.execute(
            f"SELECT number, blocked FROM customer WHERE {condition}",  # noqa: S608
            (value,),
        )
        return tuple(CatalogCustomer(row[0], blocked=bool(row[1])) for row in rows)

    def item_bodies(self, numbers: Iterable[str] | None = None) -> list[wire.Json]:
        """Return cached items as JSON, all of them or some."""
        if numbers is None:
            rows = self._conn.execute("SELECT body FROM item ORDER BY number").fetchall()
            return [wire.parse_object(expand(row[0])) for row in rows]
        found = []
        for number in numbers:
            row = self._conn.execute("SELECT body FROM item WHERE number = ?", (number,)).fetchone()
            found += [wire.parse_object(expand(row[0]))] if row else []
        return found

    def variants(self) -> list[tuple[str, str, str]]:
        """Return (item number, code, description) of every cached variant."""
        rows = self._conn.execute(
            "SELECT item_number, code, description FROM variant ORDER BY item_number, code"
        )
        return [(row[0], row[1], row[2]) for row in rows]

    def customer(self, by: str, value: str) -> wire.Json | None:
        """Return the one customer with this number or e-mail as JSON, or None."""
        found = self._customers(by, value)
        if len(found) != 1:
            return None
        row = self._conn.execute(
            "SELECT body FROM customer WHERE number = ?", (found[0].number,)
        ).fetchone()
        return wire.parse_object(expand(row[0]))

    def customer_bodies(self) -> list[wire.Json]:
        """Return every cached customer as JSON."""
        rows = self._conn.execute("SELECT body FROM customer ORDER BY number").fetchall()
        return [wire.parse_object(expand(row[0])) for row in rows]

    def address_sent(self, number: str) -> wire.Json | None:
        """Return the address that ShipStation was last aligned with, or None at first."""
        row = self._conn.execute("SELECT sent FROM customer WHERE number = ?", (number,)).fetchone()
        return wire.parse_object(expand(row[0])) if row and row[0] is not None else None

    def note_address(self, number: str, address: wire.Json) -> None:
        """Note the address that open orders have been aligned with."""
        self._conn.execute(
            "UPDATE customer SET sent = ? WHERE number = ?",
            (compress(wire.canonical(address)), number),
        )


def _item_body(item: Item) -> wire.Json:
    return {
        "number": item.number,
        "id": item.id,
        "name": item.display_name,
        "type": item.type,
        "blocked": item.blocked,
        "gtin": item.gtin,
        "price": item.unit_price,
        "base_unit": item.base_unit_of_measure,
        "weight": item.weight,
        "tariff_number": item.tariff_number,
        "country_of_origin": item.country_of_origin,
    }


def _customer_body(one: Customer) -> bytes:
    return wire.canonical(
        {
            "number": one.number,
            "name": one.display_name,
            "email": one.email,
            "phone": one.phone,
            "street1": one.address_line1,
            "street2": one.address_line2,
            "city": one.city,
            "state": one.state,
            "country": one.country,
            "postal_code": one.postal_code,
        }
    )
