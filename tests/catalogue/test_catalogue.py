"""Book every shape of the catalogue through the sandbox, in each document kind it applies to."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bcss.money import show
from tests.catalogue.rows import FOLDER, KINDS, Row, rows, work_out
from tests.catalogue.stage import Stage, stage
from tests.catalogue.table import catalogue

CASES = [(row, kind) for row in rows() for kind in row.kinds]
POSTING = ("posted_invoice", "ship_and_invoice")


@pytest.mark.parametrize(("row", "kind"), CASES, ids=[f"{row.slug}-{kind}" for row, kind in CASES])
def test_a_shape_is_booked_as_the_catalogue_says(row: Row, kind: str, tmp_path: Path) -> None:
    play = stage(row, kind, tmp_path)

    play.play()

    assert _held(play) == sorted(_texts(row.expect.get("held", [])))
    _check_messages(play, row)
    _check_states(play, row)
    booked = row.expect.get("booked", {})
    booked = {"A": booked} if booked and "total" in booked else booked
    for name, wanted in booked.items():
        _check_document(play, name, wanted, kind)
    drafts = int(row.expect.get("drafts", "0"))
    assert len(play.documents()) == len(booked) + drafts


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _held(play: Stage) -> list[str]:
    return sorted(hold.why for hold in play.holds())


def _check_messages(play: Stage, row: Row) -> None:
    told = " ".join(hold.message for hold in play.holds())
    for text in _texts(row.expect.get("says", [])):
        assert text in told


def _check_states(play: Stage, row: Row) -> None:
    for name, wanted in row.expect.get("waits", {}).items():
        unit = play.unit(name)
        assert wanted in unit.waiting, f"{name} is {unit.state}: {unit.waiting}"


def _check_document(play: Stage, name: str, wanted: dict[str, Any], kind: str) -> None:
    document = play.document(name)
    assert document is not None, [hold.message for hold in play.holds()]
    assert document["posted"] == (kind in POSTING)
    assert ("lines" in wanted) <= (_lines(play, document) == wanted.get("lines"))
    assert Decimal(document["totalAmountIncludingTax"]) == Decimal(wanted["total"])
    assert Decimal(document["totalTaxAmount"]) == Decimal(wanted.get("tax", "0"))
    assert document["customerNumber"] == wanted.get("customer", document["customerNumber"])
    assert document["currencyCode"] == wanted.get("currency", "USD")
    assert document["postingDate"] == wanted.get("date", "2026-03-02")
    if "payment_terms" in wanted:
        terms = play.rig.world.bc.books.payment_terms.get(document["paymentTermsId"])
        assert terms is not None
        assert terms.values["code"] == wanted["payment_terms"]
    for field, value in wanted.get("fields", {}).items():
        assert document[field] == value
    for text in _texts(wanted.get("comments", [])):
        assert any(text in line["description"] for line in document["lines"])


def _lines(play: Stage, document: dict[str, Any]) -> list[str]:
    books = play.rig.world.bc.books
    shown = []
    for line in document["lines"]:
        if line["lineType"] == "Comment":
            continue
        variant = books.variants.get(line["itemVariantId"])
        place = books.locations.get(line["locationId"])
        text = line["lineObjectNumber"] + (f"/{variant.values['code']}" if variant else "")
        text += f": {_plain(line['quantity'])} x {show(Decimal(line['unitPrice']))}"
        if Decimal(line["discountAmount"]):
            text += f" less {show(Decimal(line['discountAmount']))}"
        if place and place.values["code"] != "EAST":
            text += f" from {place.values['code']}"
        shown.append(text)
    return shown


def _plain(number: Any) -> str:
    return f"{Decimal(number).normalize():f}"


@pytest.mark.parametrize("row", [row for row in rows() if row.arithmetic], ids=lambda r: r.slug)
def test_the_arithmetic_is_right(row: Row) -> None:
    for equation in row.arithmetic.split("; "):
        left, right = work_out(equation)
        assert left == right, equation


def test_what_is_booked_shows_its_arithmetic() -> None:
    silent = [row.name for row in rows() if "booked" in row.expect and not row.arithmetic]
    assert silent == []


def test_the_catalogue_is_large_and_each_name_its_own() -> None:
    names = [row.name for row in rows()]
    assert len(names) == len(set(names)) >= 60
    assert {kind for row in rows() for kind in row.kinds} == set(KINDS)


def test_the_readable_table_is_made_from_the_rows() -> None:
    assert (FOLDER / "CATALOGUE.md").read_text("utf-8") == catalogue()
