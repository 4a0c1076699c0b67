from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from pipelines.backtest.page import backtest_document, summary_lines
from pipelines.show.html import to_page
from tests.conftest import fabricate_results


@pytest.fixture
def page(tmp_path):
    picture = tmp_path / "chart.png"
    picture.write_bytes(b"picture")
    return to_page(backtest_document(fabricate_results(), picture))


def test_the_page_needs_nothing_else(page):
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "data:image/png;base64,cGljdHVyZQ==" in page


def test_every_promotion_refusal_and_stop_is_told_with_its_reason(page):
    assert "ease is promoted" in page
    assert "not better &amp; slower" in page
    assert "check_events: DataCheckError: a week is missing" in page


def test_names_cannot_become_markup(page):
    assert "svd &lt;b&gt;" in page
    assert "<b>" not in page


def test_tags_are_balanced(page):
    class Balance(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open_tags = []

        def handle_starttag(self, tag, attrs):
            if tag not in {"meta", "img", "br"}:
                self.open_tags.append(tag)

        def handle_endtag(self, tag):
            assert self.open_tags.pop() == tag

    checked = Balance()
    checked.feed(page)
    assert checked.open_tags == []


def test_every_figure_stands_beside_its_interval(page):
    assert ".3000 [.2800, .3200]" in page
    assert "+.1500 [+.1300, +.1700]" in page


def test_summary_names_stopped_nights():
    assert summary_lines(fabricate_results()) == [
        "for_you: 1 promotions, 1 refusals, 0 nights without a challenger; at the gate NDCG@10 "
        ".2900 against .1500 of the best baseline of each night (mean of 2 nights), clearly "
        "better on 2; as served NDCG@10 .2900 against .1500 of the best baseline of each night "
        "(mean of 2 nights), clearly better on 2.",
        "Stopped nights, whose lists before stay live: 2024-01-15.",
    ]
