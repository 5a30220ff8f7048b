"""Labels of ShipStation V2 through the real program: run, check, and what people are shown."""

from pathlib import Path

import pytest

from tests.cli.rig import CONFIG, DAY, Shop


def with_key(shop: Shop, *, pdf: bool = True, key: str = "BCSS_TEST_V2") -> Shop:
    text = CONFIG.replace(
        "  requests_per_minute:",
        f'  v2_api_key: "env:{key}"\n  v2_api_url: {{urls.shipstation}}\n  requests_per_minute:',
    ).replace("  settle: 0s\n", f"  settle: 0s\n  label_pdf: {str(pdf).lower()}\n")
    filled = text.format(
        name="shop",
        urls=shop.urls,
        start=DAY,
        first_run_limit=0,
        skus="",
        state=shop.folder / "state" / "shop.db",
    )
    shop.configure(text=filled)
    return shop


def attached(shop: Shop) -> list[str]:
    rows = shop.world.bc.state()["documentAttachments"]
    return sorted(row["fileName"] for row in rows if row["byteSize"])


@pytest.mark.parametrize("command", [["sync", "all"], ["pull-orders"], ["sync", "shipments"]])
def test_labels_come_with_shipments_and_stay_away_otherwise(shop: Shop, command: list[str]) -> None:
    with_key(shop).bcss("pull-orders")
    shop.bcss(*command)
    assert bool(attached(shop)) == (command != ["pull-orders"])


def test_what_v2_told_is_shown_wherever_the_order_is(shop: Shop) -> None:
    ended = with_key(shop).bcss("sync", "all", "--json")
    assert ended.json["requests"]["shipstation_v2"] >= 1
    assert len(attached(shop)) >= 9

    (order,) = shop.bcss("why", "SO-100001", "--json").json["orders"]
    (label,) = order["labels"]
    assert (label["cost"], label["currency"], label["voided"]) == ("8.21", "USD", False)
    url = f"https://track.example.com/?number={label['tracking_number']}"
    assert label["tracking_url"] == url
    line = f"Label {label['tracking_number']}: cost 8.21 USD, {url}"
    assert line in shop.bcss("why", "SO-100001").out
    assert line in " ".join(shop.bcss("plan", "SO-100001").out.split())
    shown = shop.bcss("audit", "show", "SO-100001", "--json").json["entries"]
    ours = [one for one in shown if one["flow"] == "labels"]
    (told,) = [one["summary"] for one in ours if one["kind"] == "event"]
    (done,) = [one["summary"] for one in ours if one["kind"] == "outcome"]
    assert done.startswith(f"attached label-{label['shipment_id']}.pdf to ")
    assert told == f"label se-{label['shipment_id']} cost 8.21 USD {url}"
    (document,) = shop.bcss("plan", "SO-100001", "--json").json["documents"]
    assert document["labels"] == [label]
    assert shop.bcss("audit", "verify").code == 0


def test_a_rehearsal_asks_v2_for_nothing(shop: Shop) -> None:
    with_key(shop).bcss("sync", "all", "--dry-run")
    assert not [one for one in shop.world.log.calls() if one.request.path.startswith("/v2/")]


def test_a_wrong_key_ends_with_4_and_says_which(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BCSS_TEST_V2", "not-the-key")
    ended = with_key(shop).bcss("sync", "all")
    assert ended.code == 4
    assert "shipstation.v2_api_key is refused" in ended.err
    assert "bcss auth set shipstation.v2_api_key" in ended.err
    assert sum(row["posted"] for row in shop.invoices()) == 9
    checked = shop.bcss("check")
    assert checked.code == 4
    assert "V2 API key" in checked.out


def test_a_missing_secret_books_all_the_same(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BCSS_TEST_V2")
    ended = with_key(shop).bcss("sync", "all")
    assert (ended.code, "BCSS_TEST_V2" in ended.err) == (4, True)
    assert sum(row["posted"] for row in shop.invoices()) == 9


def test_check_tries_the_key(shop: Shop) -> None:
    def said(*, what: str) -> list[str]:
        checks = shop.bcss("check", "--json").json["checks"]
        return [one["text"] for one in checks if one["what"] == what]

    assert said(what="V2 API key") == []
    with_key(shop)
    (text,) = said(what="V2 API key")
    assert text.startswith("accepted; the account shows ")
    assert text.endswith("labels, PDFs are attached")


def test_check_says_that_pdfs_need_a_key(shop: Shop) -> None:
    text = shop.config.read_text().replace("  settle: 0s\n", "  settle: 0s\n  label_pdf: true\n")
    shop.configure(text=text)
    assert "orders.label_pdf is not used" in shop.bcss("check").out


def test_a_misspelt_choice_is_refused_with_the_right_name(shop: Shop, tmp_path: Path) -> None:
    text = shop.config.read_text().replace("  settle: 0s\n", "  settle: 0s\n  labels_pdf: true\n")
    ended = shop.bcss("check", config=shop.configure(name="typo", text=text))
    assert ended.code == 2
    assert 'orders.labels_pdf: unknown key; did you mean "label_pdf"?' in ended.err
