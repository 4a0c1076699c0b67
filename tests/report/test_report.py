from __future__ import annotations

import shlex
import subprocess
from datetime import date, timedelta

import pytest

from pipelines.base.durable import read_json, write_json
from pipelines.base.errors import UnknownNightError
from pipelines.models.specifications import specifications_file
from pipelines.publications.choose import rollback
from pipelines.report.report import _champion_prices, build_report, report_night
from pipelines.report.report_text import report_document
from pipelines.show.markdown import to_markdown
from tests.published_shop import rule

SAID = "item_knn: tuned as of 2024-03-04, NDCG@10 +.0123 [+.0040, +.0206] on 3 windows before"


def filed(report):
    return to_markdown(report_document(report, is_whole=True))


def test_a_night_that_never_ran_is_refused_and_gets_no_folder(shop):
    with pytest.raises(UnknownNightError, match="run it: recsys run --as-of 2031-01-01"):
        build_report(shop, date(2031, 1, 1))
    assert not shop.run_folder(date(2031, 1, 1)).folder.exists()


def test_the_report_tells_the_whole_night(shop, report_home, two_nights):
    report = build_report(shop, report_home)
    assert report["load"]["feeds"]["events"]["row_count"] == 34
    board = report["placements"]["discover"]["leaderboards"]["gate"]
    assert [row["candidate"] for row in board] == ["item_knn", "recent_popularity"]
    assert report["placements"]["for_you"]["leaderboards"]["gate"] == []
    assert report["placements"]["for_you"]["gate"]["is_promoted"] is False
    publication = report["publication"]
    assert publication["publication_id"] == two_nights[1] and publication["is_live"]
    assert publication["audit"]["overlap_at_10"] == {"discover": 1.0, "for_you": 1.0}
    assert [customer["segment"] for customer in report["customers"]] == ["heavy", "light", "new"]
    assert read_json(shop.run_folder(report_home).report) == report
    assert shop.run_folder(report_home).report_text.exists()


def test_the_report_adds_up_the_error_that_a_year_spent(shop, report_home):
    folder = shop.run_folder
    spent = rule("error_spent", None, threshold=0.05, value=0.001)
    for night in (
        report_home,
        report_home - timedelta(days=364),
        report_home - timedelta(days=365),
    ):
        write_json(folder(night).gate("for_you"), {"rules": [spent]})
    gate = read_json(folder(report_home).gate("discover"))
    write_json(folder(report_home).gate("for_you"), {**gate, "rules": [spent]})
    report = build_report(shop, report_home)
    years = {name: one["year_error"] for name, one in report["placements"].items()}
    assert years == {
        "discover": {"night_count": 0, "spent": 0},
        "for_you": {"night_count": 2, "spent": 0.002},
    }
    assert "Spent in a year up to tonight: 0.2%, by 2 judged nights." in filed(report)


def test_shares_and_coverage_of_the_published_lists_add_up(shop, report_home):
    lists = build_report(shop, report_home)["publication"]["lists"]
    assert [entry["placement"] for entry in lists] == ["discover", "for_you"]
    for entry in lists:
        assert sum(entry["strategy_share"].values()) == pytest.approx(1)
        assert entry["coverage"] == entry["item_count"] / 13  # of 14 items one is out of stock


def test_a_night_that_stopped_half_way_says_what_is_missing(shop, make_night, capsys):
    report_night(shop, make_night())
    printed = capsys.readouterr().out
    for sentence in (
        "Nothing is recorded: the load did not end.",
        "No candidate was evaluated.",
        "The gate was not decided.",
        "Nothing was published from this night.",
    ):
        assert sentence in printed


def test_a_person_sees_no_log_line_beside_the_report(shop, report_home, caplog):
    with caplog.at_level("INFO", logger="pipelines"):
        report_night(shop, report_home)
    assert caplog.messages == []


def test_a_night_that_is_not_live_any_more_says_which_is(shop, report_home, two_nights, capsys):
    rollback(shop)
    report = build_report(shop, report_home)
    publication = report["publication"]
    assert not publication["is_live"] and publication["live_id"] == two_nights[0]
    state = f"not live; live is {two_nights[0]}, pinned"
    report_night(shop, report_home)
    assert state in " ".join(capsys.readouterr().out.split())
    assert state in filed(report)


def test_a_publication_that_retention_dropped_is_still_named(shop, report_home, one_night):
    (shop.publications / one_night / "manifest.json").unlink()
    publication = build_report(shop, report_home)["publication"]
    assert publication["publication_id"] == one_night and publication["lists"] == []


@pytest.mark.slow
def test_the_commands_that_are_printed_work(shop, report_home, monkeypatch, tmp_path):
    commands = [entry["command"] for entry in build_report(shop, report_home)["commands"]]
    assert " ui --backend-store-uri sqlite:///" in commands[0]
    purpose = build_report(shop, report_home)["commands"][0]["purpose"]
    assert "then open http://127.0.0.1:5000/#/experiments" in purpose
    assert "workflowType=machine_learning" in purpose
    assert shlex.split(commands[-1])[1] == "rollback"
    for command in commands[1:]:
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_a_first_night_has_nothing_to_roll_back_to(shop, report_home, one_night):
    commands = [entry["command"] for entry in build_report(shop, report_home)["commands"]]
    assert not [command for command in commands if "rollback" in command]


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


def test_a_tuned_candidate_is_named_with_its_night_and_gain(shop, report_home):
    plan(shop, report_home)
    write_entries(shop, tuned("2024-03-04", "bbb", 0.0123))
    assert f"\n\n* {SAID}\n\n" in filed(build_report(shop, report_home))


def test_the_latest_search_that_found_what_the_night_used_is_told(shop, report_home):
    plan(shop, report_home)
    write_entries(
        *(shop, tuned("2024-02-01", "bbb", 0.5), tuned("2024-03-04", "bbb", 0.0123)),
        *(tuned("2024-03-05", "another", 0.6), tuned("2024-04-01", "bbb", 0.7)),
    )
    searches = build_report(shop, report_home)["tuned"]
    assert {name: one["value"] for name, one in searches.items()} == {"item_knn": 0.0123}


def test_gain_in_other_placements_says_where(shop, report_home):
    plan(shop, report_home)
    write_entries(shop, tuned("2024-03-04", "bbb", 0.0123, ["discover", "for_you"]))
    assert f"{SAID} (in discover and for_you)" in filed(build_report(shop, report_home))


def test_a_tuned_candidate_without_its_search_is_still_called_tuned(shop, report_home):
    plan(shop, report_home)
    assert build_report(shop, report_home)["tuned"] == {"item_knn": {}}


def test_a_candidate_as_in_the_settings_is_not_called_tuned(shop, report_home):
    plan(shop, report_home, is_tuned=False)
    write_entries(shop, tuned("2024-03-04", "bbb", 0.0123))
    assert build_report(shop, report_home)["tuned"] == {}


def test_rules_of_the_champion_are_priced_before_the_challengers():
    board = [{"candidate": name, "rule": "seen"} for name in ("b", "c", "a")]
    gate = {"champion": {"name": "a"}, "challenger": {"name": "b"}}
    assert [row["candidate"] for row in _champion_prices(board, gate)] == ["a", "b"]
    assert _champion_prices(board, None) == []
