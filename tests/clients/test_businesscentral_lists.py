"""Companies, master data and pages: the requests that go out, and odd answers."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from bcss.errors import FixConfig, RecordMissing, RecordRefused, RetryLater, StopVendor
from bcss.sandbox.kit import Request, Response
from tests.clients.bc_script import (
    DATA,
    ROOT,
    SERVICES,
    answer,
    asked,
    path_of,
    raw,
    rows,
    sample,
    talk,
)

API = f"{ROOT}/api/v2.0"
NEXT = f"http://bc.test{DATA}/customers?aid=FIN&$skiptoken=5de545bc-f6f9-ef11-9344-6045bdc8c234"


# Companies


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("CRONUS USA, Inc.", "CRONUS USA, Inc."),
        (" cronus usa, inc. ", "CRONUS USA, Inc."),
        ("000000C1-5A1C-F011-9AF4-6045BDC8A0C1", "My Company's Test"),
    ],
)
def test_a_company_is_chosen_by_name_or_id(wanted: str, name: str) -> None:
    client, script = talk(answer(sample("companies")), rows(), company=None)
    chosen = client.choose_company(wanted)
    assert chosen.name == name
    assert client.company == chosen
    assert path_of(script.requests[0]) == f"{API}/companies"
    list(client.locations())
    assert path_of(script.last) == f"{API}/companies({chosen.id})/locations"


def test_an_unknown_company_names_those_there_are() -> None:
    client, _ = talk(answer(sample("companies")), company=None)
    with pytest.raises(FixConfig, match=r"'CRONUS USA, Inc\.'") as caught:
        client.choose_company("Cronus")
    assert caught.value.exit_code == 2
    assert client.company is None


def test_without_a_company_nothing_is_asked() -> None:
    client, script = talk(rows(), company=None)
    with pytest.raises(FixConfig):
        client.find_item("ITEM-24")
    assert script.requests == []


def test_names_are_encoded_in_paths() -> None:
    client, script = talk(rows())
    client.has_tracking_service()
    assert path_of(script.last).startswith(SERVICES)
    assert "Company('Sander%27%27s%20Lamps%2C%20Inc.')" in script.last.path


# Pages


def test_links_are_followed_verbatim_to_an_empty_last_page() -> None:
    page = {**sample("customers_page"), "@odata.nextLink": NEXT}
    client, script = talk(answer(page), answer(sample("customers_last_page")))
    assert [one.number for one in client.customers()] == ["WEB", "10000"]
    first, second = script.requests
    assert first.headers["prefer"] == second.headers["prefer"] == "odata.maxpagesize=2000"
    assert path_of(second) == f"{DATA}/customers"
    assert second.query == NEXT.partition("?")[2]
    assert "$top" not in asked(first)
    assert "$skip" not in asked(first)


@pytest.mark.parametrize(
    "link", ["customers?aid=FIN&$skiptoken=1", f"{DATA}/customers?aid=FIN&$skiptoken=1"]
)
def test_a_relative_link_is_followed(link: str) -> None:
    client, script = talk(rows(link=link), rows())
    assert list(client.customers()) == []
    assert path_of(script.last) == f"{DATA}/customers"
    assert script.last.query == "aid=FIN&$skiptoken=1"


def test_a_page_is_read_only_when_its_rows_are_wanted() -> None:
    client, script = talk(answer({**sample("customers_page"), "@odata.nextLink": NEXT}))
    customers = client.customers()
    next(customers)
    next(customers)
    assert len(script.requests) == 1


def test_a_link_that_goes_round_ends() -> None:
    client, script = talk(rows(link=NEXT))
    with pytest.raises(RetryLater, match="again and again"):
        list(client.customers())
    assert len(script.requests) == 2


def test_two_links_that_point_at_each_other_end() -> None:
    client, script = talk(rows(link=NEXT + "1"), rows(link=NEXT + "2"), rows(link=NEXT + "1"))
    with pytest.raises(RetryLater, match="again and again"):
        list(client.customers())
    assert len(script.requests) == 3


@pytest.mark.parametrize(
    "link", ["http://evil.example.test/x", "https://bc.test/x", "//evil.example.test/x"]
)
def test_a_link_to_another_host_is_not_followed(link: str) -> None:
    client, script = talk(rows(link=link))
    with pytest.raises(StopVendor):
        list(client.customers())
    assert len(script.requests) == 1


def test_a_page_that_is_cut_off_is_read_again() -> None:
    whole = answer(sample("customers_last_page"))
    client, script = talk(raw(whole.body[:-5], 200, "application/json"), whole)
    assert list(client.customers()) == []
    assert len(script.requests) == 2


# Master data


def test_only_what_changed_is_asked_for_in_utc_with_milliseconds() -> None:
    client, script = talk(answer(sample("items")))
    since = datetime(2026, 11, 20, 12, 0, 1, 234567, tzinfo=timezone(timedelta(hours=2)))
    assert [one.number for one in client.items(since)] == ["ITEM-24", "GIFTBOX"]
    query = asked(script.last)
    assert query["$filter"] == "lastModifiedDateTime gt 2026-11-20T10:00:01.234Z"
    assert query["$select"].startswith("id,number,")
    assert list(client.items()) != []
    assert "$filter" not in asked(script.last)


def test_what_is_selected_is_enough_for_the_readers() -> None:
    """Cut each sample down to the selected fields; the records must stay the same."""

    def selected(name: str) -> Any:
        def cut(request: Request) -> Response:
            fields = asked(request)["$select"].split(",")
            return rows(*({field: row[field] for field in fields} for row in sample(name)["value"]))

        return cut

    for name, method in (
        ("items", "items"),
        ("item_variants", "item_variants"),
        ("customers_page", "customers"),
        ("accounts", "accounts"),
        ("locations", "locations"),
        ("countries_regions", "countries"),
    ):
        whole = {key: value for key, value in sample(name).items() if key != "@odata.nextLink"}
        full, _ = talk(answer(whole))
        cut, _ = talk(selected(name))
        assert list(getattr(cut, method)()) == list(getattr(full, method)())


def test_the_company_card() -> None:
    client, script = talk(answer(sample("company_information")))
    assert client.company_information()["currencyCode"] == "USD"
    assert path_of(script.last) == f"{DATA}/companyInformation"


def test_one_item_is_looked_up_afresh() -> None:
    row = sample("items")["value"][0]
    client, script = talk(rows({**row, "number": "ITEM-240"}, row))
    found = client.find_item("item-24")
    assert found is not None
    assert found.number == "ITEM-24"
    assert asked(script.last)["$filter"] == "number eq 'item-24'"
    assert script.last.headers["data-access-intent"] == "ReadWrite"


def test_an_item_or_customer_that_is_not_there() -> None:
    client, script = talk(rows())
    assert client.find_item("NOTHING") is None
    assert client.find_customer("O'HARA") is None
    assert asked(script.last)["$filter"] == "number eq 'O''HARA'"
    asked_before = len(script.requests)
    assert client.find_item(" ") is None
    assert len(script.requests) == asked_before


def test_a_customer_is_created_under_our_number() -> None:
    made = sample("customers_page")["value"][0]
    client, script = talk(answer(made, 201), answer(sample("error_same_key"), 400))
    assert client.create_customer({"number": "WEB", "displayName": "Web"}).number == "WEB"
    assert path_of(script.last) == f"{DATA}/customers"
    with pytest.raises(RecordRefused) as caught:
        client.create_customer({"number": "WEB", "displayName": "Web"})
    assert caught.value.code == "Internal_EntityWithSameKeyExists"


def test_weights_of_some_items_and_of_all() -> None:
    client, script = talk(answer(sample("workflow_items")))
    assert client.workflow_items()["ITEM-24"].weight == Decimal("1.25")
    assert path_of(script.last).endswith("/workflowItems")
    assert "$filter" not in asked(script.last)
    assert client.workflow_items(["ITEM-24", "GIFTBOX"])["GIFTBOX"].weight == Decimal("0.2")
    assert asked(script.last)["$filter"] == "number eq 'ITEM-24' or number eq 'GIFTBOX'"


@pytest.mark.parametrize("numbers", [None, ["ITEM-24", "GIFTBOX"]])
def test_without_the_service_no_weights_are_known(numbers: list[str] | None) -> None:
    client, _ = talk(answer(sample("error_resource_not_found"), 404))
    assert client.workflow_items(numbers) == {}


def test_a_blank_item_number_is_not_asked_for() -> None:
    client, script = talk(rows())
    assert client.workflow_items([""]) == {}
    assert script.requests == []


def test_a_time_is_read_in_utc() -> None:
    client, _ = talk(answer(sample("items")))
    assert next(client.items()).last_modified == datetime(
        2026, 11, 18, 7, 52, 31, 220000, tzinfo=UTC
    )


def test_a_missing_entity_set_is_not_an_empty_one() -> None:
    client, _ = talk(answer(sample("error_resource_not_found"), 404))
    with pytest.raises(RecordMissing):
        list(client.items())


def test_a_probe_tells_rows_none_and_no_permission() -> None:
    denied = answer(sample("error_permission"), 403)
    client, script = talk(rows({"id": "x"}, link=NEXT), rows(), denied)
    assert client.probe("salesInvoices")
    assert asked(script.last) == {"$top": "1", "$select": "id"}
    assert not client.probe("salesOrders")
    with pytest.raises(StopVendor, match="Microsoft Entra Applications"):
        client.probe("customers")
