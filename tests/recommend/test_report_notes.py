from __future__ import annotations

from pipelines.recommend.report import build_report
from pipelines.recommend.report_markdown import to_markdown
from pipelines.recommend.report_notes import board_notes


def test_recall_of_a_first_stage_follows_the_leaderboard(shop, report_home):
    report = build_report(shop, report_home)
    (best, _) = report["placements"]["discover"]["leaderboards"]["gate"]
    assert board_notes(report["placements"]["discover"]) == []
    best |= {f"candidate_recall{end}": 0.5 for end in ("", "_low", "_high")}
    said = "item_knn: of what users chose, .5000 [.5000, .5000] is among its candidates"
    assert board_notes(report["placements"]["discover"]) == [said]
    assert f"\n\n* {said}\n\n" in to_markdown(report)


def test_a_placement_without_evaluations_has_no_notes(shop, report_home):
    assert board_notes(build_report(shop, report_home)["placements"]["for_you"]) == []
