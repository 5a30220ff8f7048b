"""Render the catalogue as a table that a finance person reads: `python -m tests.catalogue.table`."""

from typing import Any

from tests.catalogue.rows import FOLDER, KINDS, Row, rows

_HEAD = """\
# What bcss books, shape by shape

Each line is one kind of order, played through the imitation of both systems by
`tests/catalogue/test_catalogue.py`, in every document kind it applies to. The standard store books
on customer WEB in USD: shipping to account 40500, discounts to 40600, adjustments such as gift
wrap to 40650, sales tax to 22300, from location EAST. The second column says what is different.

This page is made from `catalogue.yaml`; a test compares the two.
"""


def catalogue() -> str:
    """Return the whole page."""
    parts = [_HEAD]
    group = ""
    for row in rows():
        if row.group != group:
            group = row.group
            parts.append(f"\n## {group}\n")
            parts.append("| Shape | The shop | What comes of it | Arithmetic |")
            parts.append("|---|---|---|---|")
        cells = (row.name, _shop(row), _outcome(row), row.arithmetic)
        parts.append("| " + " | ".join(_cell(one) for one in cells) + " |")
    return "\n".join(parts) + "\n"


def _cell(text: str) -> str:
    clean = " ".join(text.split())
    return clean.replace("|", "\\|") if len(clean) < 700 else clean[:697].replace("|", "\\|") + "…"


def _shop(row: Row) -> str:
    found = []
    for name, order in row.orders.items():
        if "from" in order:
            continue
        label = f"{name}: " if len(row.orders) > 1 else ""
        money = [f"{key} {order[key]}" for key in ("tax", "shipping", "total") if key in order]
        rest = [
            f"{key} {_short(value)}"
            for key, value in order.items()
            if key not in ("lines", "tax", "shipping", "total")
        ]
        found.append(label + ", ".join([*order.get("lines", []), *money, *rest]))
    rules = [f"`{key}: {_short(value)}`" for key, value in {**row.config, **row.store}.items()]
    system = [f"BC: `{key}: {_short(value)}`" for key, value in row.bc.items()]
    return "<br>".join([*found, *row.happens, *rules, *system])


def _short(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{k}: {_short(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(_short(one) for one in value) + "]"
        case _:
            text = str(value) or "(none)"
            return text if len(text) <= 60 else f"{text[:57]}…"


def _outcome(row: Row) -> str:
    expect = row.expect
    found = []
    booked = expect.get("booked", {})
    for name, one in ({"": booked} if "total" in booked else booked).items():
        found.append(_document(name, one))
    held = expect.get("held", [])
    found += [f"**held: {why}**" for why in ([held] if isinstance(held, str) else held)]
    says = expect.get("says", [])
    found += [f"“{text}”" for text in ([says] if isinstance(says, str) else says)]
    found += [f"{name} waits: {why}" for name, why in expect.get("waits", {}).items()]
    if not found:
        found.append("nothing is booked")
    if row.kinds != KINDS:
        found.append(f"({', '.join(row.kinds)})")
    return "<br>".join(found)


def _document(name: str, one: dict[str, Any]) -> str:
    """Say what a document looks like in a few words."""
    head = f"{name}: " if name else ""
    rest = [
        f"{key.replace('_', ' ')} {one[key]}"
        for key in ("tax", "customer", "date", "payment_terms")
        if key in one
    ]
    total = f"{head}booked {one['total']} {one.get('currency', 'USD')}"
    fields = [f"{key} = {value}" for key, value in one.get("fields", {}).items()]
    return "<br>".join([", ".join([total, *rest]), *one.get("lines", []), *fields])


if __name__ == "__main__":
    (FOLDER / "CATALOGUE.md").write_text(catalogue(), "utf-8")
