import subprocess
import sys
from dataclasses import fields, is_dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcss.config import schema
from bcss.config.example import Answers, example, starter, starter_secrets
from bcss.config.load import load
from bcss.config.schema import (
    IGNORED,
    AccountTarget,
    Agent,
    Config,
    Dated,
    DocumentKind,
    FixedCustomer,
    ItemAlias,
    ItemTarget,
    Kit,
    KitPart,
    MatchCustomer,
    StoreRule,
    secret_references,
)
from bcss.errors import FixConfig

ROOT = Path(__file__).parents[2]
EXAMPLE = example()
MINIMAL = """\
name: acme-us
business_central:
  tenant: contoso.onmicrosoft.com
  environment: Production
  company: CRONUS USA, Inc.
  client_id: 11111111-2222-3333-4444-555555555555
  time_zone: America/New_York
shipstation:
  account: main
state:
  path: state/acme-us.db
"""
STORE = """\
orders:
  start: 2026-12-01
  stores:
    "80001":
      customer: {number: WEB}
      currency: USD
"""


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)
    return path


def read(folder: Path, text: str) -> Config:
    return load(write(folder, text))


def problems(folder: Path, text: str | bytes) -> list[str]:
    path = write(folder, text)
    with pytest.raises(FixConfig) as caught:
        load(path)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def store_of(config: Config, number: int = 80001) -> StoreRule:
    rule = config.orders.stores[number]
    assert isinstance(rule, StoreRule)
    return rule


def test_example_file_is_what_the_schema_says() -> None:
    assert (ROOT / "examples/config.yaml").read_text() == EXAMPLE


def test_example_means_what_it_says(tmp_path: Path) -> None:
    config = read(tmp_path, EXAMPLE)
    rule = store_of(config)
    assert config.orders.document is DocumentKind.POSTED_INVOICE
    assert config.orders.start == date(2026, 12, 1)
    assert config.orders.settle == timedelta(minutes=20)
    assert config.orders.skus["GIFT-24"] == ItemAlias("ITEM-24")
    assert config.orders.skus["TEE-RED"] == ItemAlias("TEE", "RED")
    assert config.orders.skus["BOX-3"] == Kit(
        (KitPart("ITEM-24", quantity=Decimal(2)), KitPart("RIBBON", quantity=Decimal(1)))
    )
    assert rule.customer == FixedCustomer("WEB")
    assert rule.tax == AccountTarget("22300")
    assert (str(rule.tolerance), rule.locations) == ("0.00", {70001: "WEST"})
    assert config.orders.stores[80002] is IGNORED
    assert config.shipping_agents == {"ups_walleted": Agent("UPS", {"ups_ground": "GROUND"})}
    assert config.webhooks is not None
    assert config.webhooks.listen == ("127.0.0.1", 8464)
    assert config.webhooks.token.slot == "webhooks.token"
    assert config.notes == ()
    assert len(config.digest) == 64


def _below(hint: Any) -> list[Any]:
    return [hint] if is_dataclass(hint) else [c for part in get_args(hint) for c in _below(part)]


def _sections(cls: Any) -> set[Any]:
    found = {cls}
    for hint in get_type_hints(cls).values():
        for inner in _below(hint):
            found |= _sections(inner) if inner is not schema.SecretRef else set()
    return found


WRITTEN_OTHERWISE = {
    *(("Config", name) for name in ("path", "digest", "notes")),
    ("Kit", "components"),
    ("MatchCustomer", "by"),
    ("Kit", "since"),
    ("ItemAlias", "since"),
    ("Dated", "rules"),
}


def test_example_shows_every_setting() -> None:
    named = {
        (cls.__name__, f.name) for cls in _sections(schema.Config) for f in fields(cls)
    } - WRITTEN_OTHERWISE
    assert {name for name in named if f"{name[1]}:" not in EXAMPLE} == set()


def test_all_but_the_systems_may_be_left_out(tmp_path: Path) -> None:
    config = read(tmp_path, MINIMAL)
    assert config.state.path == tmp_path / "state/acme-us.db"
    assert config.orders == schema.Orders()
    assert (config.items, config.customers) == (schema.Items(), schema.Customers())
    assert config.webhooks is None
    assert {slot: ref.scheme for slot, ref in secret_references(config).items()} == {
        "business_central.client_secret": "keyring",
        "shipstation.api_key": "keyring",
        "shipstation.api_secret": "keyring",
    }
    assert {ref.connection for ref in secret_references(config).values()} == {"acme-us"}
    vaults = {ref.vault for ref in secret_references(config).values()}
    assert vaults == {tmp_path / "state/acme-us.db.vault"}


def test_a_section_with_everything_commented_out_has_its_defaults(tmp_path: Path) -> None:
    config = read(tmp_path, MINIMAL + "items:\norders:\n  skus:\n  stores:\n")
    assert (config.items, config.orders) == (schema.Items(), schema.Orders())


def test_home_and_relative_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/example")
    text = MINIMAL.replace("state/acme-us.db", "~/acme.db") + ""
    text = text.replace("account: main", 'api_key: "file:keys/one"\n  api_secret: "file:~/two"')
    config = read(tmp_path, text)
    assert config.state.path == Path("/home/example/acme.db")
    assert config.shipstation.api_key.value == str(tmp_path / "keys/one")
    assert config.shipstation.api_secret.value == "/home/example/two"


CASES = [
    ('tolerance: "0.00"', "tolerance: a bit",
     'orders.stores.80001.tolerance: expected an amount, got "a bit"'),
    ('tolerance: "0.00"', "tolerance: 1e3",
     'orders.stores.80001.tolerance: expected an amount, got "1e3"'),
    ('tolerance: "0.00"', "tolerance: -1",
     'orders.stores.80001.tolerance: expected an amount, got "-1"'),
    ('discount: {account: "40600"}', "discout: spread",
     'orders.stores.80001.discout: unknown key; did you mean "discount"?'),
    ("document: posted_invoice", "document: posted-invoice",
     ('orders.document: expected posted_invoice, draft_invoice, sales_order or ship_and_invoice, '
      'got "posted-invoice"; did you mean "posted_invoice"?')),
    ("time_zone: America/New_York", "time_zone: Eastern",
     'business_central.time_zone: expected a time zone such as America/New_York, got "Eastern"'),
    ("time_zone: America/New_York", "time_zone: ../../etc/passwd",
     ("business_central.time_zone: expected a time zone such as America/New_York, "
      'got "../../etc/passwd"')),
    ("start: 2026-12-01", "start: 1.12.2026",
     'orders.start: expected a date such as 2026-12-01, got "1.12.2026"'),
    ("start: 2026-12-01", "start: 2026-02-30",
     'orders.start: expected a date of the calendar, got "2026-02-30"'),
    ("settle: 20m", "settle: soon",
     'orders.settle: expected a duration such as 20m, 36h or 7d, got "soon"'),
    ("quantity: 2", "quantity: 0",
     'orders.skus.BOX-3.kit[0].quantity: expected a quantity above zero, got "0"'),
    ("GIFT-24: ITEM-24", "GIFT-24: [ITEM-24]",
     "orders.skus.GIFT-24: expected an item number, {item: NUMBER} or {kit: [...]}, got a list"),
    ("{item: TEE, variant: RED}", "{item: TEE, color: RED}",
     ("orders.skus.TEE-RED.color: unknown key; known here: item, variant, unit, from, until, kit, "
     "price")),
    ('shipping: {account: "40500"}', "shipping: {acct: 1}",
     "orders.stores.80001.shipping: expected {account: NUMBER} or {item: NUMBER}, got a section"),
    ("customer: {number: WEB}", "customer: WEB",
     ("orders.stores.80001.customer: expected {number: NUMBER} or "
      "{match: email | username | phone, otherwise: hold | create | {number: NUMBER}}, got \"WEB\"")),
    ('"80002": ignore', '"80002": ignored',
     ('orders.stores.80002: expected a section of rules, or ignore, got "ignored"; '
      'did you mean "ignore"?')),
    ('"80002": ignore', "north: ignore",
     "orders.stores.north: expected a whole number from 0 to 1000000000000000, got \"north\""),
    ('"80002": ignore', '"80002": {customer: {number: WEB}}',
     "orders.stores.80002.currency: is missing"),
    ("currency: USD", "currency: usd",
     'orders.stores.80001.currency: expected a currency such as USD, got "usd"'),
    ("requests_per_minute: 40", "requests_per_minute: 0",
     "shipstation.requests_per_minute: expected a whole number from 1 to 10000, got \"0\""),
    ("listen: 127.0.0.1:8464", "listen: 127.0.0.1:84640",
     'webhooks.listen: expected an address and port such as 127.0.0.1:8464, got "127.0.0.1:84640"'),
    ("marker: \"Shipped {carrier} {tracking}\"", 'marker: "Shipped {carier}"',
     ('orders.marker: expected text with no other braces than {carrier} and {tracking}, '
      'got "Shipped {carier}"')),
    ("marker: \"Shipped {carrier} {tracking}\"", 'marker: "{carrier.__class__}"',
     ('orders.marker: expected text with no other braces than {carrier} and {tracking}, '
      'got "{carrier.__class__}"')),
    ("customers:\n", "custmers:\n", 'custmers: unknown key; did you mean "customers"?'),
    ("location: EAST", "location: A-NAME-TOO-LONG",
     'orders.stores.80001.location: expected at most 10 characters, got "A-NAME-TOO-LONG"'),
    ("api_url: https://ssapi.shipstation.com", "api_url: http://ssapi.shipstation.com",
     ("shipstation.api_url: expected https:// (http:// is for this very machine only), "
      'got "http://ssapi.shipstation.com"')),
    ("authority: https://login.microsoftonline.com", "authority: http://login.example",
     ("business_central.authority: expected https:// (http:// is for this very machine only), "
      'got "http://login.example"')),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "problem"), CASES)
def test_a_problem_is_named_with_its_line(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert EXAMPLE.count(old) == 1
    line = EXAMPLE[: EXAMPLE.index(old)].count("\n") + 1
    text = EXAMPLE.replace(old, new)
    assert f"config.yaml:{line}: {problem}" in problems(tmp_path, text)


def test_all_problems_come_at_once_and_in_order(tmp_path: Path) -> None:
    text = EXAMPLE
    for old, new, _ in (CASES[0], CASES[3], CASES[5], CASES[10]):
        text = text.replace(old, new)
    text = text.replace("  start: 2026-12-01\n", "").replace("settle: 20m", "settle: 1m")
    lines = problems(tmp_path, text)
    assert len(lines) == 6
    assert [int(line.split(":")[1]) for line in lines] == sorted(
        int(line.split(":")[1]) for line in lines
    )


RULES = [
    (MINIMAL + STORE.replace("  start: 2026-12-01\n", ""), "orders.start: is required before"),
    (MINIMAL + STORE + "      tax: excluded\n", "tax_code: is missing"),
    (MINIMAL + STORE + '      tax: {account: "22300"}\n', "tax_code: is missing"),
    (MINIMAL + "items: {missing: order}\n", "items.catalog_store: is missing"),
    (MINIMAL + STORE.replace("orders:", "orders:\n  when: open"),
     "orders.document: posted_invoice cannot go with when: open"),
    (MINIMAL + "shipping_agents:\n  UPS: {agent: UPS}\n  ups: {agent: UPS}\n",
     'shipping_agents.ups: is the same as "UPS"'),
    (MINIMAL + "orders: {settle: 19m}\n", "orders.settle: expected at least 20m"),
    (MINIMAL.replace("  client_id", '  client_secret: "env:A"\n  certificate: {private_key: "file:a"'
                     f", thumbprint: {'ab' * 20}}}\n  client_id"),
     "business_central.certificate: give either client_secret or certificate"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), RULES)
def test_rules_between_settings(tmp_path: Path, text: str, problem: str) -> None:
    (line,) = problems(tmp_path, text)
    assert problem in line


@pytest.mark.parametrize("kind", ["draft_invoice", "sales_order"])
def test_nothing_posted_needs_no_start(tmp_path: Path, kind: str) -> None:
    text = STORE.replace("start: 2026-12-01", f"document: {kind}")
    assert read(tmp_path, MINIMAL + text).orders.start is None


def test_a_store_that_posts_needs_a_start(tmp_path: Path) -> None:
    text = STORE.replace("start: 2026-12-01", "document: draft_invoice")
    text += "      document: posted_invoice\n"
    assert "orders.start: is required" in problems(tmp_path, MINIMAL + text)[0]


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "127.9.9.9", "localhost:1", "[::1]:9000"])
def test_this_machine_may_be_reached_in_the_clear(tmp_path: Path, host: str) -> None:
    text = MINIMAL.replace(
        "  client_id", f"  api_url: http://{host}/\n  authority: http://{host}\n  client_id"
    )
    config = read(tmp_path, text + "orders: {settle: 0s}\n")
    assert config.business_central.api_url == f"http://{host}"
    assert config.orders.settle == timedelta(0)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1.example",
        "http://localhost.example",
        "http://user@localhost",
        "https://user:word@example.test",
        "ftp://127.0.0.1",
        "https://",
        "https://example.test/?a=b",
        "http://[::2]",
        "http://127.0.0.1:99999",
        "http://0.0.0.0",
        "//example.test",
    ],
)
def test_other_addresses_are_refused(tmp_path: Path, address: str) -> None:
    text = MINIMAL.replace("  client_id", f'  authority: "{address}"\n  client_id')
    assert "business_central.authority: expected" in problems(tmp_path, text)[0]
    assert "word" not in problems(tmp_path, text)[0]


@pytest.mark.parametrize(
    "written", ["S3cret-value", "keyring", "vault:x", "env:", "env:A B", "file:"]
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, written: str) -> None:
    text = MINIMAL.replace("  client_id", f'  client_secret: "{written}"\n  client_id')
    (line,) = problems(tmp_path, text)
    assert line.startswith("config.yaml:6: business_central.client_secret: ")
    assert "S3cret" not in line
    for scheme in ("keyring:", "env:", "file:", "command:", "credential:"):
        assert scheme in line


def test_text_stays_text(tmp_path: Path) -> None:
    text = STORE.replace("{number: WEB}", "{number: 010}")
    text += "      location: NO\n      tolerance: 1.10\n      locations: {70001: on}\n"
    text += '      tax: {account: "22300"}\n      tax_code: 1_000\n'
    rule = store_of(read(tmp_path, MINIMAL + text))
    assert rule.customer == FixedCustomer("010")
    assert (rule.location, rule.tax_code, rule.locations) == ("NO", "1_000", {70001: "on"})
    assert str(rule.tolerance) == "1.10"


def test_business_central_tax_spreads_discounts_and_says_so(tmp_path: Path) -> None:
    plain = read(tmp_path, MINIMAL + STORE)
    assert store_of(plain).discount == "spread"
    assert plain.notes == ()
    noted = read(tmp_path, MINIMAL + STORE + '      discount: {account: "40600"}\n')
    assert store_of(noted).discount == "spread"
    assert "orders.stores.80001.discount is not used" in noted.notes[0]


@pytest.mark.parametrize(
    ("rule", "meaning"),
    [
        ("{match: email}", MatchCustomer("email", "hold")),
        ("{match: phone, otherwise: create}", MatchCustomer("phone", "create")),
        (
            "{match: username, otherwise: {number: W}}",
            MatchCustomer("username", FixedCustomer("W")),
        ),
        (
            "{match: email, otherwise: create, template: {taxLiable: true, salespersonCode: JO}}",
            MatchCustomer("email", "create", {"taxLiable": True, "salespersonCode": "JO"}),
        ),
    ],
)
def test_customers_may_be_matched(tmp_path: Path, rule: str, meaning: MatchCustomer) -> None:
    text = STORE.replace("{number: WEB}", rule)
    assert store_of(read(tmp_path, MINIMAL + text)).customer == meaning


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("{match: email, template: {taxLiable: true}}", "a template goes with otherwise: create"),
        ("{match: email, otherwise: create, template: {name: X}}", "template.name: unknown"),
        ("{match: email, otherwise: create, template: {taxLiable: y}}", "template.taxLiable: exp"),
    ],
)
def test_a_wrong_template_is_told(tmp_path: Path, rule: str, problem: str) -> None:
    (told,) = problems(tmp_path, MINIMAL + STORE.replace("{number: WEB}", rule))
    assert f"orders.stores.80001.customer: {problem}" in told


def test_a_sku_may_mean_different_items_at_different_times(tmp_path: Path) -> None:
    text = STORE.replace(
        "  stores:",
        "  skus:\n    MUG: [{item: A, until: 2026-06-30}, {item: B/RED, from: 2026-07-01}]\n  stores:",
    )
    assert read(tmp_path, MINIMAL + text).orders.skus["MUG"] == Dated(
        (ItemAlias("A", until=date(2026, 6, 30)), ItemAlias("B/RED", since=date(2026, 7, 1)))
    )


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("{kit: [{item: A, share: 1}, {item: B}], price: spread}", "a share, or none"),
        ("{kit: [{item: A, share: 1}, {item: B, share: 2}]}", "shares go with price: spread"),
        ("{item: A, from: 2026-07-01, until: 2026-06-30}", "until 2026-06-30 comes before"),
    ],
)
def test_a_sku_that_contradicts_itself_is_told(tmp_path: Path, rule: str, problem: str) -> None:
    text = STORE.replace("  stores:", f"  skus:\n    MUG: {rule}\n  stores:")
    (told,) = problems(tmp_path, MINIMAL + text)
    assert problem in told


def test_a_store_may_name_dimensions_and_terms(tmp_path: Path) -> None:
    text = (
        STORE
        + "      dimensions: {1: SALES, 2: WEB}\n      payment_terms: CARD\n      late_after: 14d\n"
    )
    rule = store_of(read(tmp_path, MINIMAL + text))
    assert (rule.dimensions, rule.payment_terms) == ({1: "SALES", 2: "WEB"}, "CARD")
    assert rule.late_after == timedelta(days=14)
    (told,) = problems(tmp_path, MINIMAL + STORE + "      dimensions: {3: X}\n")
    assert "expected {1: CODE, 2: CODE}" in told


def test_targets_may_be_items(tmp_path: Path) -> None:
    text = STORE + "      shipping: {item: FREIGHT}\n      hold_after: 7d\n"
    rule = store_of(read(tmp_path, MINIMAL + text))
    assert (rule.shipping, rule.hold_after) == (ItemTarget("FREIGHT"), timedelta(days=7))


def test_carriers_ignore_case(tmp_path: Path) -> None:
    text = "shipping_agents:\n  UPS by ShipStation: {agent: UPS, services: {UPS_Ground: GROUND}}\n"
    agents = read(tmp_path, MINIMAL + text).shipping_agents
    assert agents == {"ups by shipstation": Agent("UPS", {"ups_ground": "GROUND"})}


YAML = [
    ("name: a\nname: b\n", "config.yaml:2: name: stands twice, in lines 1 and 2"),
    ("name: &a x\nitems: *a\n", "config.yaml:1: name: uses an alias or anchor"),
    ("name: !!python/name:os.system x\n", "config.yaml:1: name: uses a tag"),
    ("name: !!str x\n", "config.yaml:1: name: uses a tag"),
    ("? [a]\n: b\n", "config.yaml:1: has a key that is not text"),
    ("name: a\n---\nname: b\n", "config.yaml:2: holds a second document"),
    ("name: [\n", "config.yaml:2: "),
    ("name: a\n\tb: c\n", "config.yaml:2: "),
    ("name: keyring:\n", "config.yaml:1: mapping values are not allowed here"),
    ("a: " + "[" * 200 + "]" * 200, "config.yaml:1: a"),
    ("- a\n", "config.yaml:1: expected a section, got a list"),
    ("", "config.yaml:1: name: is missing"),
    (b"name: \xff\n", "config.yaml:1: is not UTF-8 text"),
    (b"a: b\nname: \x00\n", "config.yaml:1: holds characters"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), YAML)
def test_only_plain_yaml_is_read(tmp_path: Path, text: str | bytes, problem: str) -> None:
    assert any(line.startswith(problem) for line in problems(tmp_path, text))


def test_the_file_is_bounded(tmp_path: Path) -> None:
    assert "is larger than 256 KiB" in problems(tmp_path, "# " + "x" * 300_000)[0]


@pytest.mark.parametrize("mode", [0o660, 0o602, 0o666])
def test_a_file_that_others_may_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path, MINIMAL)
    path.chmod(mode)
    with pytest.raises(FixConfig, match="chmod go-w"):
        load(path)


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FixConfig, match="is not a file"):
        load(tmp_path)
    with pytest.raises(FixConfig, match="no such file"):
        load(tmp_path / "none.yaml")


def test_a_fresh_configuration_lists_what_is_left_to_say(tmp_path: Path) -> None:
    answers = Answers("acme-us", tmp_path / "acme-us.db")
    left = problems(tmp_path, starter(answers))
    assert [line.split(": ")[1] for line in left] == [
        f"business_central.{key}" for key in ("tenant", "company", "client_id", "time_zone")
    ]


def test_a_fresh_configuration_holds_what_was_told(tmp_path: Path) -> None:
    answers = Answers(
        "acme-us", tmp_path / "acme-us.db", "contoso.example", "Test", "O'Hara: Sons", "1-2", "UTC"
    )
    config = read(tmp_path, starter(answers))
    assert config.business_central.company == "O'Hara: Sons"
    assert config.state.path == tmp_path / "acme-us.db"
    assert config.orders.stores == {}
    assert secret_references(config) == starter_secrets(answers)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_whatever_is_done_to_a_file_ends_in_words(tmp_path: Path, data: st.DataObject) -> None:
    lines = EXAMPLE.splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 1))
    cut = data.draw(st.integers(0, len(lines[at])))
    lines[at] = lines[at][:cut] + data.draw(st.text(max_size=8)) + lines[at][cut:]
    path = write(tmp_path, "".join(lines).encode("utf-8", "surrogatepass"))
    said = ""
    try:
        load(path)
    except FixConfig as problem:
        said = str(problem)
    assert all(line.startswith(f"{path}:") for line in said.splitlines())


def test_the_dataclasses_cost_no_heavy_import() -> None:
    heavy = "{'pydantic', 'yaml', 'keyring', 'cryptography'}"
    code = f"import sys, bcss.config.schema, bcss.secrets; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
