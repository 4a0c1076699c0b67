from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from pipelines.base.cli import cli
from pipelines.base.errors import LandingError


@pytest.fixture
def recsys(tmp_path, monkeypatch):
    """Runs a command line on a home of its own whose day may be bad for the most part."""
    config = tmp_path / "recsys.toml"
    config.write_text("[events]\nmax_quarantine_share = 1.0\n")
    monkeypatch.setenv("RECSYS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RECSYS_CONFIG", str(config))

    def run(*arguments):
        return CliRunner().invoke(cli, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def orders(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("user_id,sku,event_at,price\nu1,i1,2024-03-01,2\nu2,i1,2024-03-01,-2\n")
    return path


def test_a_log_is_landed_loaded_and_its_bad_row_released(recsys, orders):
    landed = recsys(
        "land", "table", orders, "--map", "item_id=sku", "--event-type", "view", "--json"
    )
    assert json.loads(landed.stdout)["event_count"] == 2
    loaded = recsys("load", "--as-of", "2024-03-02")
    assert (
        "events: 1 days loaded, 0 unchanged, 1 rows, 0 duplicates, 1 quarantined" in loaded.stdout
    )
    listed = recsys("quarantine", "list", "--reason", "negative_price", "--json")
    (row,) = json.loads(listed.stdout)
    assert row["payload"]["user_id"] == "u2"
    released = recsys("quarantine", "release", row["quarantine_id"][:12], "--set", "price=2")
    assert released.stdout == "1 rows released, 0 refused.\n"
    assert "released" in recsys("quarantine", "list").stdout


def test_a_refused_row_is_told_with_its_reason(recsys, orders):
    recsys("land", "table", orders, "--map", "item_id=sku", "--event-type", "view")
    recsys("load", "--as-of", "2024-03-02", "--json")
    refused = recsys("quarantine", "release", "--day", "2024-03-01")
    assert "0 rows released, 1 refused." in refused.stdout
    assert "negative_price" in refused.stdout
    as_json = recsys("quarantine", "release", "--day", "2024-03-01", "--json")
    assert list(json.loads(as_json.stdout)["refused"].values()) == ["negative_price"]


def test_an_option_that_is_no_pair_is_refused(recsys, orders):
    wrong = recsys("land", "table", orders, "--map", "sku")
    assert wrong.exit_code == 2 and "write NAME=VALUE, not 'sku'" in wrong.stderr


def test_an_error_of_the_stage_reaches_the_caller(recsys):
    assert isinstance(recsys("land", "ebay").exception, LandingError)


@pytest.mark.parametrize("verb", [["land"], ["load"], ["quarantine", "list"]])
def test_help_shows_examples(recsys, verb):
    assert f"recsys {' '.join(verb)} " in recsys(*verb, "--help").stdout
