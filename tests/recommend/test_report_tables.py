from __future__ import annotations

import pytest
from rich.console import Console

from pipelines.recommend.report_tables import (
    WIDTH,
    format_interval,
    interval_bar,
    make_console,
    make_table,
)


def test_a_log_is_as_wide_as_the_report(capsys):
    console = make_console()
    assert console.width == WIDTH and not console.is_terminal


@pytest.mark.parametrize(
    ("low", "value", "high"), [(0.0, 0.0, 0.0), (0.9, 1.0, 1.1), (None, 0.5, None), (-1, 0.5, 9)]
)
def test_a_bar_is_always_as_wide_and_shows_its_figure(low, value, high):
    bar = interval_bar(low, value, high, top=1.0)
    assert len(bar) == 14 and bar.count("●") == 1


def test_a_board_of_zeros_has_no_bar():
    assert interval_bar(0.0, 0.0, 0.0, top=0.0).strip() == ""


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ((None, None, None), ""),
        ((-0.02, -0.03, -0.01), "-.0200 [-.0300, -.0100]"),
        ((716.0, None, None), "716"),
        ((1.0, 0.995, 1.0), "1 [.9950, 1]"),
    ],
)
def test_figures_are_short_and_signed(interval, text):
    assert format_interval(*interval) == text


def test_only_a_wrapping_column_gives_way(capsys):
    table = make_table([("id", "left"), ("count", "right"), ("words", "wrap")])
    table.add_row("name_of_twenty_chars", "1,234,567", "one two three four five six seven")
    Console(width=45).print(table)
    printed = capsys.readouterr().out
    assert "name_of_twenty_chars" in printed and "1,234,567" in printed and "seven" in printed
