"""Read the catalogue: rows of data that a finance person wrote, or could have written."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
KINDS = ("posted_invoice", "draft_invoice", "sales_order", "ship_and_invoice")
_GOODS = re.compile(r"(-?[0-9.]+) x (.*?) at (-?[0-9.]+)")
_ADJUSTMENT = re.compile(r"(.+): (-?[0-9.]+)")
_TERM = re.compile(r"\s*([-+x()]|[0-9.]+)")


@dataclass(frozen=True, slots=True)
class Row:
    """One shape: what the shop did, what the store's rules are, and what must come of it.

    Every value is text as it stands in the file; amounts become Decimal where they are used.
    """

    name: str
    group: str
    orders: dict[str, dict[str, Any]]
    expect: dict[str, Any]
    happens: tuple[str, ...] = ()
    store: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    bc: dict[str, Any] = field(default_factory=dict)
    kinds: tuple[str, ...] = KINDS
    arithmetic: str = ""

    @property
    def slug(self) -> str:
        """Return a short name for the test's id."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")[:60]


@cache
def rows() -> tuple[Row, ...]:
    """Return every row of the catalogue, all scalars as text."""
    found = []
    text = (FOLDER / "catalogue.yaml").read_text("utf-8")
    for group in yaml.load(text, Loader=yaml.BaseLoader):  # noqa: S506 - it makes texts only
        found += [_row(group["group"], dict(raw)) for raw in group["rows"]]
    return tuple(found)


def _row(group: str, raw: dict[str, Any]) -> Row:
    orders = raw.pop("orders", None) or {"A": raw.pop("order")}
    for name in {"happens", "kinds"} & set(raw):
        raw[name] = tuple(raw[name])
    return Row(group=group, orders=orders, **raw)


def items(lines: list[str]) -> list[dict[str, Any]]:
    """Read lines such as `2 x GIFT-24 at 24.00` and `Coupon SPRING: -5.00`."""
    return [_item(line) for line in lines]


def _item(line: str) -> dict[str, Any]:
    if goods := _GOODS.fullmatch(line):
        quantity = Decimal(goods[1])
        whole = quantity == quantity.to_integral_value()
        return {
            "sku": goods[2],
            "name": goods[2],
            "quantity": int(quantity) if whole else quantity,
            "unitPrice": Decimal(goods[3]),
        }
    adjustment = _ADJUSTMENT.fullmatch(line)
    assert adjustment, f"neither goods nor an adjustment: {line!r}"
    return {
        "sku": "",
        "name": adjustment[1],
        "quantity": 1,
        "unitPrice": Decimal(adjustment[2]),
        "adjustment": True,
    }


def work_out(text: str) -> tuple[Decimal, Decimal]:
    """Return both sides of an equation such as `2 x 24.00 + 4.90 = 52.90`."""
    left, _, right = text.partition("=")
    return _Sum(left).value(), _Sum(right).value()


class _Sum:
    """A calculation with +, -, x and brackets, read from left to right."""

    def __init__(self, text: str) -> None:
        self.terms = _TERM.findall(text)
        assert "".join(self.terms) == re.sub(r"\s", "", text), text

    def value(self) -> Decimal:
        """Work out the whole."""
        total = self._product()
        while self.terms and self.terms[0] in ("+", "-"):
            sign = 1 if self.terms.pop(0) == "+" else -1
            total += sign * self._product()
        return total

    def _product(self) -> Decimal:
        total = self._one()
        while self.terms and self.terms[0] == "x":
            self.terms.pop(0)
            total *= self._one()
        return total

    def _one(self) -> Decimal:
        term = self.terms.pop(0)
        if term == "-":
            return -self._one()
        if term != "(":
            return Decimal(term)
        inside = self.value()
        assert self.terms.pop(0) == ")"
        return inside
