from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console

from pipelines.recommend.report_tables import (
    MINUS,
    TIE,
    WIDTH,
    fill,
    format_interval,
    format_threshold,
    make_console,
    make_table,
)


def test_a_log_is_as_wide_as_the_report(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    console = make_console()
    assert console.width == WIDTH and not console.is_terminal


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ((None, None, None), ""),
        ((-0.02, -0.03, -0.01), f"{MINUS}.0200 [{MINUS}.0300, {MINUS}.0100]"),
        ((716.0, None, None), "716"),
        ((123456.0, None, None), "123,456"),
        ((33.4187, None, None), "33.42"),
        ((1.0, 0.995, 1.0), "1 [.9950, 1]"),
    ],
)
def test_figures_are_short_and_signed(interval, text):
    assert format_interval(*interval) == text


def test_a_log_is_narrower_where_columns_are_asked_for_and_never_wider(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert make_console().width == 80
    monkeypatch.setenv("COLUMNS", "250")
    assert make_console().width == WIDTH


def test_a_log_that_has_only_ascii_keeps_the_signs_of_figures(monkeypatch):
    log = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", log)
    make_console().print(f"{MINUS}.0200 ≥ {MINUS}.05 CAF\u00c9")
    log.flush()
    assert log.buffer.getvalue() == b"-.0200 >= -.05 CAF?\n"


@pytest.mark.parametrize(
    ("threshold", "text"), [(10.5, "10.5"), (0.0, "0"), (-0.05, f"{MINUS}.05")]
)
def test_a_threshold_is_as_short_as_it_was_set(threshold, text):
    assert format_threshold(threshold) == text


def test_figures_that_are_tied_together_stay_on_one_line():
    assert fill(f"kept: ease{TIE}.1{TIE}[0,{TIE}1]", 12) == "kept:\nease .1 [0, 1]"


def printed(capsys, table, width):
    Console(width=width).print(table)
    return capsys.readouterr().out


def test_only_a_wrapping_column_gives_way(capsys):
    table = make_table([("id", "left"), ("count", "right"), ("words", "wrap")])
    table.add_row("name_of_twenty_chars", "1,234,567", "one two three four five six seven")
    text = printed(capsys, table, 45)
    assert "name_of_twenty_chars" in text and "1,234,567" in text and "seven" in text


def test_gaps_close_before_anything_wraps(capsys):
    table = make_table([("a", "left"), ("b", "left")])
    table.add_row("x" * 10, "y" * 10)
    assert f"{'x' * 10}  {'y' * 10}" in printed(capsys, table, 22)
    assert f"{'x' * 10} {'y' * 10}" in printed(capsys, table, 21)


def test_without_room_every_cell_wraps_and_none_is_cut(capsys):
    table = make_table([("a", "left"), ("b", "right")])
    table.add_row("x" * 10, "y" * 10)
    text = printed(capsys, table, 12)
    assert text.count("x") == text.count("y") == 10 and "…" not in text
