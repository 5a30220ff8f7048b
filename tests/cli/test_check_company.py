"""`check` compares the store rules with the company, and says what no API shows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.rig import Shop, demo_seed, serving

Rule = Callable[[str], str]
PLAIN = "      tax_code: NONTAXABLE\n"


def findings(shop: Shop) -> dict[str, list[str]]:
    """Return what was found, by level and name."""
    found: dict[str, list[str]] = {}
    for one in shop.bcss("check", "--json").json["checks"]:
        found.setdefault(f"{one['level']} {one['what']}", []).append(one["text"])
    return found


def ruled(shop: Shop, *lines: str) -> None:
    """Add lines to the rule of the store."""
    text = shop.config.read_text()
    shop.configure(text=text.replace(PLAIN, PLAIN + "".join(f"      {one}\n" for one in lines)))


def replaced(shop: Shop, old: str, new: str) -> None:
    text = shop.config.read_text()
    assert old in text
    shop.configure(text=text.replace(old, new))


@pytest.mark.parametrize(
    ("line", "name", "text"),
    [
        ("payment_terms: NEVER", "payment terms", "no payment terms NEVER"),
        ("salesperson: NOBODY", "salesperson", "no salesperson NOBODY"),
        ("adjustments: {account: '22990'}", "account", "account 22990 takes no sales line"),
        ("adjustments: {account: '40000'}", "account", "account 40000 takes no sales line"),
        ("prices: gross", "tax", "gross needs VAT"),
    ],
)
def test_a_rule_that_the_company_cannot_keep_ends_with_2(
    shop: Shop, line: str, name: str, text: str
) -> None:
    ruled(shop, line)

    (found,) = findings(shop)[f"wrong {name}"]

    assert found.startswith("orders.stores.80001.")
    assert text in found
    assert shop.bcss("check").code == 2


def test_a_rule_that_the_company_knows_is_fine_in_any_case(shop: Shop) -> None:
    ruled(shop, "payment_terms: card", "salesperson: jo", "dimensions: {1: SALES}")

    found = findings(shop)

    assert [name for name in found if name.startswith("wrong")] == []
    assert {"ok payment terms", "ok salesperson", "look dimensions"} <= found.keys()
    assert shop.bcss("check").code == 0


@pytest.mark.parametrize("entity", ["salespeoplePurchasers", "paymentTerms"])
def test_a_table_that_cannot_be_read_is_named_and_stops_nothing(shop: Shop, entity: str) -> None:
    ruled(shop, "payment_terms: NEVER", "salesperson: NOBODY")
    shop.person("set", switches={"denied": [entity]})

    found = findings(shop)

    name = "salesperson" if entity.startswith("sales") else "payment terms"
    assert "cannot be read; look there" in found[f"look {name}"][0]
    assert f"wrong {name}" not in found


def test_a_line_for_tax_is_refused_in_a_vat_company(shop: Shop) -> None:
    assert findings(shop)["ok tax"] == ["the company's tax tables are those of sales tax"]
    shop.person("set", switches={"vat": True})

    found = findings(shop)

    assert found["ok tax"] == ["the company's tax tables are those of VAT"]
    assert "orders.stores.80001.tax: a line for tax is for sales-tax" in found["wrong tax"][0]
    assert shop.bcss("check").code == 2
    replaced(shop, '{account: "22300"}', "excluded")
    assert "wrong tax" not in findings(shop)
    assert shop.bcss("check").code == 0


@pytest.mark.parametrize(("country", "vat"), [("US", False), ("DE", True), ("", True)])
def test_what_is_only_inferred_says_so_and_refuses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], country: str, vat: bool
) -> None:
    seed: dict[str, Any] = demo_seed()
    seed["business_central"] = {
        **seed.get("business_central", {}),
        "company_information": {"country": country},
        "switches": {"denied": ["taxGroups", "taxAreas"]},
    }
    with serving(seed, tmp_path, capsys) as shop:
        warned = findings(shop)["warning tax"]

        assert "only inferred from the company's country" in warned[0]
        assert f"({country or 'none'})" in warned[0]
        assert [text for text in warned[1:] if "is for sales-tax" in text] == warned[1:]
        assert len(warned) == 1 + vat
        assert shop.bcss("check").code == 0


def test_a_tax_code_that_the_company_lacks_is_refused(shop: Shop) -> None:
    replaced(shop, "tax_code: NONTAXABLE", "tax_code: NOTAX")

    assert "no tax group NOTAX" in findings(shop)["wrong tax"][0]


def test_a_currency_must_be_known_and_its_rounding_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed: dict[str, Any] = demo_seed()
    coins = {"code": "CHF", "displayName": "Swiss Franc", "amountRoundingPrecision": "0.05"}
    seed["business_central"] = {**seed.get("business_central", {}), "currencies": [coins]}
    with serving(seed, tmp_path, capsys) as shop:
        assert "USD: no API shows it" in findings(shop)["look invoice rounding"][0]
        replaced(shop, "currency: USD", "currency: CHF")
        found = findings(shop)
        assert "CHF is rounded to 0.05" in found["warning invoice rounding"][0]
        assert "wrong currency" not in found
        replaced(shop, "currency: CHF", "currency: SEK")
        assert "no currency SEK" in findings(shop)["wrong currency"][0]
        shop.person("set", switches={"denied": ["currencies"]})
        found = findings(shop)
        assert "SEK: Currencies cannot be read" in found["look invoice rounding"][0]
        assert "wrong currency" not in found


def test_a_closed_posting_period_is_told_before_anything_is_held(shop: Shop) -> None:
    assert "open from the beginning" in findings(shop)["ok posting period"][0]
    shop.person("set", switches={"allow_posting_to": "2020-12-31"})
    found = findings(shop)["warning posting period"][0]
    assert "open from the beginning to 2020-12-31: what ships today cannot be posted" in found
    shop.person("set", switches={"denied": ["generalLedgerSetup"]})
    assert "cannot be read" in findings(shop)["look posting period"][0]


def test_what_only_business_central_shows_is_named_with_its_page(shop: Shop) -> None:
    told = findings(shop)["look number series"]
    assert len(told) == 2
    assert told[0].startswith(
        "Invoice Nos. of Sales & Receivables Setup > Number Series must allow"
    )
    assert "another series than Invoice Nos." in told[1]
    ruled(shop, "document: ship_and_invoice")
    replaced(shop, "{number: WEB}", "{match: email, otherwise: create}")
    told = findings(shop)["look number series"]
    assert told[0].startswith("Order Nos. of ")
    assert "Customer Nos." in told[1]
    ended = shop.bcss("check")
    assert "0 wrong, " in ended.out
    assert "that only Business Central itself shows" in ended.out


def test_a_blocked_customer_is_refused(shop: Shop) -> None:
    shop.person("edit_customer", number="WEB", changes={"blocked": "All"})

    assert "customer WEB is blocked (All)" in findings(shop)["wrong customer"][0]
