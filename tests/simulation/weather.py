"""The faults of the network and of both vendors, at random."""

import random
from typing import Any

Rule = dict[str, Any]
_WRITES = ("POST", "PATCH", "DELETE")
_LATE = (1, 59, 300, 900, 1140, 1500)
_REFUSED = '{"error":{"code":"Internal_ServerError","message":"Something odd happened."}}'


def storm(rng: random.Random) -> list[Rule]:
    """Return the rules of one run: often none, sometimes several."""
    return [_rule(rng) for _ in range(rng.choice((0, 0, 1, 1, 2, 3)))]


def _rule(rng: random.Random) -> Rule:
    dice = rng.random()
    if dice < 0.06:
        return {"vendor": "bc", "do": "lag", "seconds": rng.choice((5, 60, 600))}
    if dice < 0.1:
        return _lasting(rng)
    vendor = rng.choice(("bc", "bc", "bc", "shipstation"))
    rule: Rule = {"vendor": vendor, "nth": rng.randint(1, 6)}
    if vendor == "bc":
        rule["method"] = rng.choice(("POST", "POST", "PATCH", "GET", "DELETE"))
        if rule["method"] == "POST" and rng.random() < 0.5:
            rule["path"] = "Microsoft.NAV"
    return rule | _effect(rng, writes=rule.get("method", "GET") in _WRITES)


def _lasting(rng: random.Random) -> Rule:
    """A storm of refusals, rows that are hidden, or lists in another order."""
    return rng.choice(
        (
            {"vendor": "bc", "do": "throttle", "retry_after": 5, "every": 2, "times": 40},
            {"vendor": "bc", "do": "reject", "status": 503, "every": 2, "times": 30},
            {"vendor": "shipstation", "do": "throttle", "retry_after": 9, "every": 2, "times": 9},
            {"vendor": "bc", "do": "shuffle"},
            {"vendor": "bc", "do": "hide", "path": "salesInvoices", "field": "number",
             "match": "PS-INV"},
            {"vendor": "bc", "do": "url_limit", "limit": 700},
        )
    )  # fmt: skip


def _effect(rng: random.Random, *, writes: bool) -> Rule:
    kinds = ["drop", "error_after", "truncate", "html", "reject", "throttle"]
    rule: Rule = {"do": rng.choice([*kinds, "late", "late", "drop"] if writes else kinds)}
    match rule["do"]:
        case "late":
            rule["after"] = rng.choice(_LATE)
        case "reject":
            rule["status"] = rng.choice((500, 502, 503, 504, 408))
        case "error_after":
            rule["status"] = rng.choice((400, 408, 500, 502, 503, 504))
            if rule["status"] == 400:
                rule["content"] = _REFUSED
        case "throttle":
            rule["retry_after"] = rng.choice((1, 7, 30))
        case "truncate":
            rule["cut"] = rng.random() < 0.5
        case _:
            pass
    return rule
