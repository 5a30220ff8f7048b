"""References are frozen for ever: a change here would book orders twice."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcss.mapping.reference import Identity, hashed_form, plain_form, unit_hash, usable_key

GOLDEN = json.loads((Path(__file__).parent / "references.json").read_text("utf-8"))
SAFE = re.compile(r"[A-Z0-9._-]{1,35}")


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row["order_key"][:20] or "empty")
def test_golden_references_never_change(row: dict[str, str]) -> None:
    identity = Identity(row["account"], int(row["store"]), row["order_key"], int(row["generation"]))

    assert plain_form(identity) == row["plain"]
    assert hashed_form(identity, row["order_number"]) == row["hashed"]
    assert unit_hash(identity) == row["unit"]


identities = st.builds(
    Identity,
    account=st.text(max_size=20),
    store_id=st.integers(1, 2**40),
    order_key=st.text(max_size=200),
    generation=st.integers(0, 5),
)


@given(identities, st.text(max_size=80))
def test_a_reference_is_safe_in_bc_and_in_a_filter(identity: Identity, number: str) -> None:
    for reference in (plain_form(identity), hashed_form(identity, number)):
        if reference:
            assert SAFE.fullmatch(reference)
            assert reference == reference.strip().upper()


@given(st.lists(identities, min_size=2, max_size=40, unique=True))
def test_different_units_have_different_hashed_references(many: list[Identity]) -> None:
    assert len({hashed_form(one, "100") for one in many}) == len(many)


@given(identities)
def test_the_plain_form_depends_on_key_and_generation_alone(identity: Identity) -> None:
    other = Identity("another", identity.store_id + 1, identity.order_key, identity.generation)

    assert plain_form(identity) == plain_form(other)
    if identity.generation:
        assert plain_form(identity) == ""


@pytest.mark.parametrize("key", ["", "0", "00000000-0000-0000-0000-000000000000", "{0000}", "  "])
def test_an_empty_or_zero_key_is_no_key(key: str) -> None:
    assert not usable_key(key)


def test_a_plain_form_never_looks_like_a_hashed_one() -> None:
    assert plain_form(Identity("main", 1, "BX-12345678")) == ""
    assert plain_form(Identity("main", 1, "SO-1000142")) == "SO-1000142"
    assert plain_form(Identity("main", 1, "so-1000142")) == ""
    assert plain_form(Identity("main", 1, "SHORT-7")) == ""
