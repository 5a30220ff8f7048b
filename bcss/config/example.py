"""Write the commented configuration: the example of the repository and what `bcss init` makes.

The words come from `bcss.config.schema`, so that an explanation stands in one place only.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

from bcss.config import schema
from bcss.config.schema import SecretRef, vault_path

Sample: TypeAlias = "Mapping[str, str | Sample]"
Place = tuple[str, ...]
_WIDTH = 100
_OFF = "# "  # before a key: shown, but commented out

EXAMPLE: Sample = {
    "name": "acme-us",
    "business_central": {
        "tenant": "contoso.onmicrosoft.com",
        "environment": "Production",
        "company": "CRONUS USA, Inc.",
        "client_id": "11111111-2222-3333-4444-555555555555",
        "client_secret": '"keyring:"',
        "# certificate": '{private_key: "file:/etc/bcss/bc.pem", thumbprint: "…"}',
        "api_url": "https://api.businesscentral.dynamics.com",
        "authority": "https://login.microsoftonline.com",
        "time_zone": "America/New_York",
        "tracking": "auto",
    },
    "shipstation": {
        "account": "main",
        "api_key": '"keyring:"',
        "api_secret": '"keyring:"',
        "# v2_api_key": '"keyring:"',
        "api_url": "https://ssapi.shipstation.com",
        "v2_api_url": "https://api.shipstation.com",
        "requests_per_minute": "40",
    },
    "items": {
        "sku": "number",
        "variant_separator": '"-"',
        "weight_unit": "kg",
        "missing": "csv",
        "# catalog_store": "80009",
    },
    "customers": {"ship_to": "open-orders"},
    "orders": {
        "document": "posted_invoice",
        "when": "shipped",
        "start": "2026-12-01",
        "document_date": "ship",
        "first_run_limit": "20",
        "settle": "20m",
        "marker": '"Shipped {carrier} {tracking}"',
        "label_pdf": "false",
        "skus": {
            "GIFT-24": "ITEM-24",
            "TEE-RED": "{item: TEE, variant: RED}",
            "BOX-3": "{kit: [{item: ITEM-24, quantity: 2}, {item: RIBBON, quantity: 1}]}",
            "# SET-2": "{kit: [{item: TEE/RED, share: 80}, {item: RIBBON, share: 20}], price: spread}",
            "# MUG": "[{item: MUG-1, until: 2026-12-31}, {item: MUG-2, from: 2027-01-01}]",
        },
        "# countries": "{UK: GB}",
        "# states": "{Texas: TX}",
        "stores": {
            '"80001"': {
                "customer": "{number: WEB}",
                "currency": "USD",
                "shipping": '{account: "40500"}',
                "discount": '{account: "40600"}',
                "adjustments": '{account: "40650"}',
                "tax": '{account: "22300"}',
                "tax_code": "NONTAXABLE",
                "prices": "net",
                "tolerance": '"0.00"',
                "location": "EAST",
                "locations": '{"70001": WEST}',
                "split": "wait",
                "hold_after": "7d",
                "externally_fulfilled": "hold",
                "# document": "draft_invoice",
                "# salesperson": "WEB",
                "# payment_terms": "CARD",
                "# dimensions": "{1: SALES, 2: WEB}",
                "# late_after": "14d",
            },
            '# "80003"': "{currency: EUR, customer: {match: email, otherwise: create, "
            "template: {taxLiable: true}}}",
            '"80002"': "ignore",
        },
    },
    "shipping_agents": {"ups_walleted": "{agent: UPS, services: {ups_ground: GROUND}}"},
    "webhooks": {
        "listen": "127.0.0.1:8464",
        "public_url": "https://hooks.example.com/bcss",
        "token": '"keyring:"',
        "subscriptions": "[items, customers, salesInvoices]",
    },
    "state": {"path": "/var/lib/bcss/acme-us.db"},
}
_HEAD = """\
# Configuration of one bcss connection: one Business Central company, one ShipStation account.
# A secret is never written here but referred to, as a quoted text: "keyring:" (the keyring, or
# an encrypted file on a host without one), "env:NAME", "file:PATH" (readable by its owner only),
# "command:PROGRAM ARGUMENTS" or "credential:NAME" (systemd). Amounts are quoted: "0.00".
"""
# What `bcss init` shows for a person to switch on.
_STARTER_OFF: frozenset[Place] = frozenset(
    {
        ("business_central", "api_url"),
        ("business_central", "authority"),
        ("shipstation", "api_url"),
        ("shipstation", "v2_api_url"),
        ("orders", "start"),
        ("orders", "skus"),
        ("orders", "stores"),
        ("shipping_agents",),
        ("webhooks",),
    }
)


@dataclass(frozen=True, slots=True)
class Answers:
    """What `bcss init` was told; whatever is empty is left for a person to fill in."""

    name: str
    state: Path
    tenant: str = ""
    environment: str = "Production"
    company: str = ""
    client_id: str = ""
    time_zone: str = ""


def example() -> str:
    """Return the text of examples/config.yaml."""
    return (
        "\n".join([*_HEAD.splitlines(), *_section(schema.Config, EXAMPLE, (), _Style({}))]) + "\n"
    )


def starter(answers: Answers) -> str:
    """Return the configuration that `bcss init` writes."""
    told: dict[Place, str] = {
        ("name",): _quoted(answers.name),
        ("state", "path"): _quoted(str(answers.state)),
        **{
            ("business_central", key): _quoted(getattr(answers, key))
            for key in ("tenant", "environment", "company", "client_id", "time_zone")
        },
    }
    style = _Style(told, _STARTER_OFF)
    return "\n".join([*_HEAD.splitlines(), *_section(schema.Config, EXAMPLE, (), style)]) + "\n"


def starter_secrets(answers: Answers) -> dict[str, SecretRef]:
    """Return the secrets that a fresh configuration needs, by slot, for `bcss init` to ask for."""
    slots = ("business_central.client_secret", "shipstation.api_key", "shipstation.api_secret")
    kept = vault_path(answers.state)
    return {slot: SecretRef("keyring", "", slot, answers.name, kept) for slot in slots}


@dataclass(frozen=True, slots=True)
class _Style:
    told: Mapping[Place, str]
    off: frozenset[Place] = frozenset()


def _section(cls: Any, sample: Sample, place: Place, style: _Style) -> Iterator[str]:
    for key, value in sample.items():
        name = key.removeprefix(_OFF)
        here = (*place, name)
        doc, inner = _field(cls, name)
        lines = list(_entry(name, doc, value, inner, here, style))
        if not place and not isinstance(value, str):
            yield ""
        off = key.startswith(_OFF) or here in style.off
        yield from (_commented(line, len(place)) if off else line for line in lines)


def _entry(
    name: str, doc: str, value: "str | Sample", inner: Any, place: Place, style: _Style
) -> Iterator[str]:
    blank = "  " * (len(place) - 1)
    if isinstance(value, str):
        yield from _setting(blank, f"{name}: {style.told.get(place, value)}".rstrip(), doc)
        return
    if doc:
        yield f"{blank}# {doc}"
    yield f"{blank}{name}:"
    yield from _section(inner, value, place, style)


def _setting(blank: str, text: str, doc: str) -> Iterator[str]:
    line = f"{blank}{text}"
    if not doc:
        yield line
    elif len(line) + len(doc) + len("  # ") <= _WIDTH:
        yield f"{line}  # {doc}"
    else:
        yield f"{blank}# {doc}"
        yield line


def _commented(line: str, depth: int) -> str:
    blank = "  " * depth
    return line if line.startswith(f"{blank}# ") else f"{blank}# {line.removeprefix(blank)}"


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A mapping whose keys people choose; `inner` is what stands below each of them."""

    inner: Any


def _field(cls: Any, name: str) -> tuple[str, Any]:
    """Return a key's words and what stands below it; keys that people choose have no words."""
    if isinstance(cls, _Chosen):
        return "", cls.inner
    hint = get_type_hints(cls, include_extras=True)[name]
    return hint.__metadata__[0], _below(hint)


def _below(hint: Any) -> Any:
    """Find the section below a key."""
    if isinstance(hint, type) and is_dataclass(hint):
        return hint
    if get_origin(hint) is Mapping:
        return _Chosen(_below(get_args(hint)[1]))
    return next(filter(None, map(_below, get_args(hint))), None)


def _quoted(text: str) -> str:
    """Quote text for YAML where it is not plain."""
    if not text or text.replace("-", "").replace(".", "").replace("/", "").isalnum():
        return text
    return "'" + text.replace("'", "''") + "'"
