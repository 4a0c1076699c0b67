from __future__ import annotations

import io

import pytest
from rich.console import Console

from pipelines.recommend.report import build_report, report_night
from pipelines.recommend.report_tables import MINUS
from pipelines.recommend.report_terminal import print_report


@pytest.fixture
def text_of():
    """What is printed to a log that is 100 columns wide."""

    def read(action):
        stream = io.StringIO()
        action(Console(file=stream, width=100, highlight=False))
        return stream.getvalue()

    return read


@pytest.mark.parametrize("width", [80, 100])
def test_the_report_is_plain_and_fits_a_log(shop, report_home, capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    report_night(shop, report_home)
    lines = capsys.readouterr().out.splitlines()
    assert not [line for line in lines if "\x1b" in line]
    next_steps = next(number for number, line in enumerate(lines) if line == "Next")
    assert max(len(line) for line in lines[:next_steps]) <= width


def test_sections_follow_the_night(shop, report_home, text_of):
    text = text_of(lambda console: print_report(build_report(shop, report_home), console))
    headings = [
        "Night of 2024-03-11",
        "Loaded",
        "discover: leaderboard on the gate window, 700 users",
        "Gate: PROMOTED item_knn: item_knn wins",
        "for_you: leaderboard",
        "Gate: KEPT personal_frequency; item_knn against it: NDCG@10",
        "Published",
        "Customer u00 (heavy)",
        "Customer u01 (light)",
        "Customer u02 (new)",
        "Next",
    ]
    positions = [text.find(heading) for heading in headings]
    assert -1 not in positions and positions == sorted(positions)


def test_figures_are_never_cut(shop, report_home, text_of):
    text = text_of(lambda console: print_report(build_report(shop, report_home), console))
    difference = f"{MINUS}.0200 [{MINUS}.0300, {MINUS}.0100]"
    for figure in (".2000 [.1900, .2100]", "12,345", "7,859", difference, "FAILS"):
        assert figure in text
    assert "…" not in text


def test_customers_are_shown_with_titles_beside_their_history(shop, report_home, text_of):
    text = text_of(lambda console: print_report(build_report(shop, report_home), console))
    line = next(line for line in text.splitlines() if line.startswith("03-10 Item number 0"))
    assert line.count("Item number") == 3  # history, discover, for_you


def test_a_terminal_gets_colours(shop, report_home):
    stream = io.StringIO()
    print_report(
        build_report(shop, report_home), Console(file=stream, width=100, force_terminal=True)
    )
    assert "\x1b[" in stream.getvalue()


def test_markup_in_a_title_or_note_is_only_text(shop, report_home, text_of):
    report = build_report(shop, report_home)
    report["load"]["notes"] = ["[bold]odd[/bold] [/]"]
    report["customers"][0]["lists"]["discover"][0]["title"] = "[red]MUG[/]"
    text = text_of(lambda console: print_report(report, console))
    assert "[bold]odd[/bold] [/]" in text and "[red]MUG[/]" in text
