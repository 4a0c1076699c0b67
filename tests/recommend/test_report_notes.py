from __future__ import annotations

import io

from rich.console import Console

from pipelines.durable import write_json
from pipelines.models.specifications import specifications_file
from pipelines.recommend.report import build_report
from pipelines.recommend.report_markdown import to_markdown
from pipelines.recommend.report_notes import board_notes, tuned_specifications
from pipelines.recommend.report_terminal import print_report

SAID = "item_knn: tuned as of 2024-03-04, NDCG@10 +.0123 [+.0040, +.0206] on 3 windows before"


def printed(report):
    stream = io.StringIO()
    print_report(report, Console(file=stream, width=100, highlight=False))
    return stream.getvalue()


def plan(shop, as_of, **planned):
    """The night's plan: item_knn with a specification of its own."""
    entries = [{"name": "item_knn", "spec_hash": "bbb", "is_tuned": True, **planned}]
    entries.append({"name": "recent_popularity", "spec_hash": "ccc", "is_tuned": False})
    write_json(shop.run_folder(as_of).plan, {"candidates": entries})


def tuned(as_of, spec_hash, value, placements=("discover",)):
    """An entry of `recsys tune`."""
    gain = {"value": value, "low": 0.004, "high": 0.0206}
    windows = [["2024-02-01", "2024-02-08"]] * 3
    found = {"as_of": as_of, "spec_hash": spec_hash, "k": 10, "windows": windows}
    return {**found, "placements": list(placements), "differences": {"in_use": gain}}


def write_entries(shop, *entries):
    path = specifications_file(shop, "item_knn")
    write_json(path, {"candidate": "item_knn", "entries": list(entries)})


def test_recall_of_a_first_stage_follows_the_leaderboard(shop, report_home):
    report = build_report(shop, report_home)
    (best, _) = report["placements"]["discover"]["leaderboards"]["gate"]
    assert board_notes(report, "discover") == []
    best |= {f"candidate_recall{end}": 0.5 for end in ("", "_low", "_high")}
    said = "item_knn: of what users chose, .5000 [.5000, .5000] is among its candidates"
    assert f"\n\n* {said}\n\n" in to_markdown(report)
    assert f"\n{said}\n" in printed(report)


def test_a_placement_without_evaluations_has_no_notes(shop, report_home):
    assert board_notes(build_report(shop, report_home), "for_you") == []


def test_a_tuned_candidate_is_named_with_its_night_and_gain(shop, report_home):
    plan(shop, report_home)
    write_entries(shop, tuned("2024-03-04", "bbb", 0.0123))
    report = build_report(shop, report_home)
    assert f"\n\n* {SAID}\n\n" in to_markdown(report)
    assert f"\n{SAID}\n" in printed(report)


def test_the_latest_search_that_found_what_the_night_used_is_told(shop, report_home):
    plan(shop, report_home)
    write_entries(
        *(shop, tuned("2024-02-01", "bbb", 0.5), tuned("2024-03-04", "bbb", 0.0123)),
        *(tuned("2024-03-05", "another", 0.6), tuned("2024-04-01", "bbb", 0.7)),
    )
    found = tuned_specifications(shop, report_home)
    assert {name: one["value"] for name, one in found.items()} == {"item_knn": 0.0123}


def test_gain_in_other_placements_says_where(shop, report_home):
    plan(shop, report_home)
    write_entries(shop, tuned("2024-03-04", "bbb", 0.0123, ["discover", "for_you"]))
    assert f"{SAID} (in discover and for_you)" in to_markdown(build_report(shop, report_home))


def test_a_tuned_candidate_without_its_search_is_still_called_tuned(shop, report_home):
    plan(shop, report_home)
    text = to_markdown(build_report(shop, report_home))
    assert "* item_knn: tuned; the search is not on record any more" in text


def test_a_candidate_as_in_the_settings_is_not_called_tuned(shop, report_home):
    plan(shop, report_home, is_tuned=False)
    write_entries(shop, tuned("2024-03-04", "bbb", 0.0123))
    assert tuned_specifications(shop, report_home) == {}
