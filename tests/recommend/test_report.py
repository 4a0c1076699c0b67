from __future__ import annotations

import shlex
import subprocess

import pytest

from pipelines.durable import read_json
from pipelines.recommend.live import rollback
from pipelines.recommend.report import build_report, report_night
from pipelines.recommend.report_markdown import to_markdown


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
    assert state in to_markdown(report).replace("`", "")


def test_a_publication_that_retention_dropped_is_still_named(shop, report_home, one_night):
    (shop.publications / one_night / "manifest.json").unlink()
    publication = build_report(shop, report_home)["publication"]
    assert publication["publication_id"] == one_night and publication["lists"] == []


@pytest.mark.slow
def test_the_commands_that_are_printed_work(shop, report_home, monkeypatch, tmp_path):
    commands = [entry["command"] for entry in build_report(shop, report_home)["commands"]]
    assert " ui --backend-store-uri sqlite:///" in commands[0]
    assert shlex.split(commands[-1])[1] == "rollback"
    for command in commands[1:]:
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_a_first_night_has_nothing_to_roll_back_to(shop, report_home, one_night):
    commands = [entry["command"] for entry in build_report(shop, report_home)["commands"]]
    assert not [command for command in commands if "rollback" in command]
