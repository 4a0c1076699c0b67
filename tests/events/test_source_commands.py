from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from pipelines.base.cli import cli


@pytest.fixture
def recsys(tmp_path, monkeypatch):
    """Runs a command line on a home with two landed sources, and day files of the shop's own."""
    monkeypatch.setenv("RECSYS_HOME", str(tmp_path / "home"))

    def run(*arguments):
        return CliRunner().invoke(cli, [str(argument) for argument in arguments])

    for name in ("views", "buys"):
        path = tmp_path / f"{name}.csv"
        path.write_text("user_id,item_id,event_at\nu1,i1,2024-03-01\nu1,i1,2024-03-02\n")
        landed = run("land", "table", path, "--event-type", "view")
        assert "2 files written, 0 unchanged, 0 removed; source " + name in landed.stdout
    own = tmp_path / "home" / "landing" / "events" / "date=2024-03-02" / "pos.csv"
    own.write_text("event_type,user_id,item_id,event_at\nview,u1,i1,2024-03-02\n")
    return run


def test_sources_are_listed_with_rows_days_and_files(recsys, tmp_path):
    assert recsys("sources", "list").stdout.splitlines() == [
        f"buys   2 events in 2 days (2024-03-01 to 2024-03-02), 2 files; {tmp_path}/buys.csv",
        f"views  2 events in 2 days (2024-03-01 to 2024-03-02), 2 files; {tmp_path}/views.csv",
        "pos    ? events in 1 days (2024-03-02 to 2024-03-02), 1 files; not recorded",
        "3 sources.",
    ]
    listed = json.loads(recsys("sources", "list", "--json").stdout)
    assert [one["event_rows"] for one in listed] == [2, 2, None]


def test_a_removed_source_is_gone_from_the_list_and_from_the_next_load(recsys):
    loaded = recsys("load", "--as-of", "2024-03-03", "--json")
    assert json.loads(loaded.stdout)["feeds"]["events"]["total_rows"] == 2  # each told thrice
    removed = recsys("sources", "remove", "views", "buys")
    assert removed.stdout.splitlines() == [
        "2 day files of views removed.",
        "2 day files of buys removed.",
        "The next load takes their rows out of the warehouse.",
    ]
    loaded = recsys("load", "--as-of", "2024-03-03").stdout
    assert "events: 1 days loaded" in loaded and "1 rows in all" in loaded
    assert "removed 1 days with 1 rows" in loaded
    assert recsys("sources", "list").stdout.endswith("1 sources.\n")


def test_removals_may_be_told_to_a_program(recsys):
    assert json.loads(recsys("sources", "remove", "views", "--json").stdout) == {"views": 2}


@pytest.mark.parametrize("verb", ["list", "remove"])
def test_help_shows_examples(recsys, verb):
    assert f"recsys sources {verb}" in recsys("sources", verb, "--help").stdout
