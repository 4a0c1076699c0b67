from __future__ import annotations

import math

from pipelines.backtest.chart import draw_backtest, series_of
from tests.conftest import fabricate_results


def test_a_night_without_a_figure_is_a_gap_in_the_line():
    line = series_of(fabricate_results(), "for_you", "gate", "champion")
    assert line["value"][[0, 2]].tolist() == [0.30, 0.28]
    assert math.isnan(line["value"][1])
    assert line["low"][0] == 0.30 - 0.02


def test_a_baseline_has_its_own_line():
    line = series_of(fabricate_results(), "for_you", "served", "popularity")
    assert line["value"][0] == 0.1
    assert math.isnan(line["high"][2])


def test_the_same_results_give_the_same_picture(tmp_path):
    one = draw_backtest(fabricate_results(), tmp_path / "one.png")
    two = draw_backtest(fabricate_results(), tmp_path / "two.png")
    assert one.read_bytes() == two.read_bytes()
    assert one.read_bytes().startswith(b"\x89PNG")


def test_nights_that_all_stopped_are_drawn_without_lines(tmp_path):
    results = fabricate_results()
    results["nights"] = [results["nights"][1]]
    assert draw_backtest(results, tmp_path / "chart.png").exists()
