from __future__ import annotations

import io

import pytest
from rich.console import Console

from pipelines.durable import read_json, write_json
from pipelines.recommend.report import build_report
from pipelines.recommend.report_markdown import to_markdown
from pipelines.recommend.report_rules import LEGEND, champion_prices, print_prices

PRICE = {
    "rule": "diversity",
    "ndcg_with": 0.19,
    "ndcg_without": 0.2,
    "difference": -0.01,
    "low": -0.015,
    "high": -0.005,
    "coverage_with": 0.3,
    "coverage_without": 0.25,
    "user_count": 700,
}


@pytest.fixture
def priced_home(shop, report_home):
    """The report's home, with a rule that was priced for both candidates of discover."""
    run = shop.run_folder(report_home)
    for name in ("item_knn", "recent_popularity"):
        path = run.evaluation(name, "gate", "discover") / "metrics.json"
        write_json(path, {**read_json(path), "rule_prices": [PRICE]})
    return report_home


def test_the_report_prices_the_rules_of_champion_and_challenger(shop, priced_home):
    prices = build_report(shop, priced_home)["placements"]["discover"]["rule_prices"]
    assert prices == [{"candidate": "item_knn", **PRICE}]


def test_the_files_table_has_both_sides_and_the_difference(shop, priced_home):
    text = to_markdown(build_report(shop, priced_home))
    row = "| diversity, item_knn | .1900 | .2000 | −.0100 [−.0150, −.0050] | 30% | 25% |"
    assert row in text and LEGEND in text


@pytest.mark.parametrize("width", [80, 100])
def test_the_printed_table_fits(shop, width):
    stream = io.StringIO()
    prices = [{"candidate": "personal_frequency", **PRICE}]
    print_prices(Console(file=stream, width=width, highlight=False), prices, 10)
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "−.0100 [−.0150, −.0050]" in stream.getvalue()


def test_without_rules_nothing_is_printed():
    stream = io.StringIO()
    print_prices(Console(file=stream), [], 10)
    assert stream.getvalue() == ""


def test_the_champion_comes_before_the_challenger():
    board = [{"candidate": name, **PRICE} for name in ("b", "c", "a")]
    gate = {"champion": {"name": "a"}, "challenger": {"name": "b"}}
    assert [row["candidate"] for row in champion_prices(board, gate)] == ["a", "b"]
    assert champion_prices(board, None) == []
