from __future__ import annotations

import io

import pytest
from rich.console import Console

from pipelines.base.durable import read_json, write_json
from pipelines.evaluate.board_text import RULE_LEGEND
from pipelines.evaluate.results import read_metrics
from pipelines.report.report import build_report, report_night
from pipelines.report.report_text import report_document
from pipelines.show.figures import MINUS
from pipelines.show.markdown import to_markdown
from pipelines.show.terminal import print_document
from tests.conftest import terminal_text


def printed(report, width=100):
    return terminal_text(report_document(report, is_whole=False), width)


def filed(report):
    return to_markdown(report_document(report, is_whole=True))


@pytest.mark.parametrize("width", [80, 100])
def test_the_report_is_plain_and_fits_a_log(shop, report_home, capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    report_night(shop, report_home)
    lines = capsys.readouterr().out.splitlines()
    assert not [line for line in lines if "\x1b" in line]
    next_steps = next(number for number, line in enumerate(lines) if line == "Next")
    assert max(len(line) for line in lines[:next_steps]) <= width


def test_sections_follow_the_night_on_the_terminal_and_in_the_file(shop, report_home):
    report = build_report(shop, report_home)
    headings = [
        "Night of 2024-03-11",
        "Loaded",
        "discover: leaderboard on the gate window, 700 users",
        "for_you: leaderboard",
        "Published",
        "Customer u00 (heavy)",
        "Customer u01 (light)",
        "Customer u02 (new)",
        "Next",
    ]
    lines = [line.lstrip("#─ ").rstrip("─ ") for line in filed(report).splitlines()]
    assert [line for line in lines if line in headings] == headings
    text = printed(report)
    gates = ["Gate: PROMOTED item_knn: item_knn wins", "Gate: KEPT personal_frequency; item_knn"]
    positions = [
        text.find(words)
        for words in (*headings[:3], gates[0], headings[3], gates[1], *headings[4:])
    ]
    assert -1 not in positions and positions == sorted(positions)


def test_figures_are_never_cut(shop, report_home):
    text = printed(build_report(shop, report_home))
    difference = f"{MINUS}.0200 [{MINUS}.0300, {MINUS}.0100]"
    for figure in (".2000 [.1900, .2100]", "12,345", "7,859", difference, "FAILS"):
        assert figure in text
    assert "…" not in text


def test_the_file_holds_figures_reasons_and_titles(shop, report_home):
    text = filed(build_report(shop, report_home))
    assert "| item_knn | .2000 | [.1900, .2100] | .1000 | 25% | champion |" in text
    assert "Gate: **KEPT** personal_frequency; item_knn against it: NDCG@10 " in text
    assert "\n* First night: the best baseline" in text and "\xa0" not in text
    assert "beats_champion: beats_champion in words" in text and "**FAILS**" in text
    assert "| 03-10 Item number 0 | 1 Item number" in text
    assert "```sh\n# " in text


def test_every_row_of_a_table_has_as_many_cells_as_its_head(shop, report_home):
    report = build_report(shop, report_home)
    report["customers"][0]["lists"]["discover"][0]["title"] = "A|B\nC"
    text = filed(report)
    assert "A\\|B C" in text
    blocks = [block for block in text.split("\n\n") if block.startswith("| ")]
    for block in blocks:
        counts = {line.replace("\\|", "").count("|") for line in block.splitlines()}
        assert len(counts) == 1


def test_customers_are_shown_with_titles_beside_their_history(shop, report_home):
    text = printed(build_report(shop, report_home))
    line = next(line for line in text.splitlines() if line.startswith("03-10 Item number 0"))
    assert line.count("Item number") == 3  # history, discover, for_you


def test_a_terminal_gets_colours(shop, report_home):
    stream = io.StringIO()
    document = report_document(build_report(shop, report_home), is_whole=False)
    print_document(document, Console(file=stream, width=100, force_terminal=True))
    assert "\x1b[" in stream.getvalue()


def test_markup_in_a_title_or_note_is_only_text(shop, report_home):
    report = build_report(shop, report_home)
    report["load"]["notes"] = ["[bold]odd[/bold] [/]"]
    report["customers"][0]["lists"]["discover"][0]["title"] = "[red]MUG[/]"
    text = printed(report)
    assert "[bold]odd[/bold] [/]" in text and "[red]MUG[/]" in text


def test_recall_of_a_first_stage_follows_the_leaderboard(shop, report_home):
    report = build_report(shop, report_home)
    (best, _) = report["placements"]["discover"]["leaderboards"]["gate"]
    best |= {f"candidate_recall{end}": 0.5 for end in ("", "_low", "_high")}
    said = "item_knn: of what users chose, .5000 [.5000, .5000] is among its candidates"
    assert f"\n\n* {said}\n\n" in filed(report)
    assert f"\n{said}\n" in printed(report)


def test_a_tuned_candidate_is_named_under_the_leaderboard(shop, report_home):
    report = build_report(shop, report_home)
    report["tuned"] = {"item_knn": {}, "elsewhere": {}}
    assert "* item_knn: tuned; the search is not on record any more" in filed(report)
    assert "elsewhere" not in printed(report)


def test_rules_of_the_champion_are_priced(shop, report_home):
    prices = {"ndcg_with": 0.19, "ndcg_without": 0.2, "coverage_with": 0.3, "coverage_without": 0.2}
    price = {"rule": "diversity", **prices, "difference": -0.01, "low": -0.015, "high": -0.005}
    for name in ("item_knn", "recent_popularity"):
        path = shop.run_folder(report_home).evaluation(name, "gate", "discover") / "metrics.json"
        write_json(path, {**read_json(path), "rule_prices": [{**price, "user_count": 700}]})
    text = filed(build_report(shop, report_home))
    row = "| diversity, item_knn | .1900 | .2000 | −.0100 [−.0150, −.0050] | 30% | 20% |"
    assert row in text and RULE_LEGEND in text and "diversity, recent_popularity" not in text


def spend(shop, as_of, name, fit, recommend):
    for window in ("selection", "gate"):
        folder = shop.run_folder(as_of).evaluation(name, window, "discover")
        times = {"fit_seconds": fit, "recommend_seconds": recommend}
        write_json(folder / "metrics.json", {**read_metrics(folder), **times})


def test_seconds_end_the_evaluations_slowest_first(shop, report_home):
    spend(shop, report_home, "item_knn", 14.0, 1.0)
    spend(shop, report_home, "recent_popularity", 4.5, 0.5)
    report = build_report(shop, report_home)
    rows = "| item_knn | 28.0 | 2.0 | 30.0 | 75% |\n| recent_popularity | 9.0 | 1.0 | 10.0 | 25% |"
    assert rows in filed(report)
    lines = printed(report).splitlines()
    assert lines.index("Where the time went, in seconds") < lines.index("Published")
    assert "item_knn 28.0 2.0 30.0 75%" in [" ".join(line.split()) for line in lines]


def test_steps_of_the_night_follow_with_their_runs(shop, report_home):
    for subject, seconds in ((None, 6.0), ("discover", 1.0), ("for_you", 1.0)):
        verb = "load_days" if subject is None else "refit_placement"
        path = shop.run_folder(report_home).steps / f"{verb}.{subject}.json"
        write_json(path, {"verb": verb, "subject": subject, "seconds": seconds})
    report = build_report(shop, report_home)
    rows = "| load_days | 1 | 6.0 | 75% |\n| refit_placement | 2 | 2.0 | 25% |"
    assert rows in filed(report)
    assert "refit_placement 2 2.0 25%" in " ".join(printed(report).split())


def test_evaluations_without_times_have_no_table(shop, report_home):
    report = build_report(shop, report_home)
    assert report["seconds"] == []
    assert "Where the time went" not in filed(report) + printed(report)


def test_what_each_source_of_the_settings_gave_stands_before_what_was_loaded(shop, report_home):
    report = build_report(shop, report_home)
    counts = {"event_count": 1200, "item_count": 3, "user_count": 4, "exclusions": {"nobody": 2}}
    files = {"written_files": 5, "unchanged_files": 0, "removed_files": 1}
    report["landed"] = [
        {"name": "orders", **counts, **files},
        {"name": "clicks", "error": "not [reachable]"},
    ]
    text = filed(report)
    assert "| orders | 1,200 | 7 | 2 | 5 written, 1 removed |" in text
    assert "| clicks |  |  |  | not" in text
    assert text.index("| orders |") < text.index("\n| events |")


def test_what_the_checks_warn_of_stands_under_what_was_loaded(shop, report_home):
    results = [
        {"meaning": "user 'bulk' made 500 of 850 (59%) of all events", "is_passed": False},
        {"meaning": "every event has user_id", "is_passed": True},
    ]
    write_json(shop.run_folder(report_home).event_checks, {"results": results})
    report = build_report(shop, report_home)
    assert report["warnings"] == [results[0]["meaning"]]
    for text in (printed(report), filed(report)):
        assert "warning: user 'bulk' made 500 of 850 (59%) of all events" in text
