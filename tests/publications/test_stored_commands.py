from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from pipelines.base.cli import cli
from pipelines.publications.choose import pin


@pytest.fixture
def recsys(shop, shop_config):
    """Run a verb on the shop's home."""

    def run(*words):
        options = ["--home", str(shop.home), "--config", str(shop_config)]
        return CliRunner().invoke(cli, [*words, *options])

    return run


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    """A terminal that no other test has narrowed."""
    monkeypatch.setenv("COLUMNS", "120")


def test_publications_are_a_table_and_json(shop, two_nights, recsys):
    before, last = two_nights
    pin(shop, before)
    done = recsys("publications", "--verify")
    assert done.exit_code == 0, done.output
    first, second = (
        next(line for line in done.stdout.splitlines() if name in line) for name in two_nights
    )
    assert first.split()[:5] == [before, "live,", "pinned", "12", "120"]
    assert second.split()[1] == "current" and "sound" in second
    found = json.loads(recsys("publications", "--json").stdout)
    assert (found["live_id"], found["current_id"], found["pinned_id"]) == (before, last, before)


def test_a_damaged_publication_is_said_and_the_exit_code_is_1(shop, two_nights, recsys):
    (shop.publications / two_nights[0] / "lists.sqlite").write_bytes(b"")
    assert recsys("publications").exit_code == 0
    done = recsys("publications", "--verify")
    assert done.exit_code == 1 and "damaged" in done.stdout
    assert "lists.sqlite differs from its hash" in done.stderr


def test_a_home_without_publications_is_told_what_to_run(recsys):
    done = recsys("publications")
    assert done.exit_code == 1 and "Run a night: recsys run" in done.stdout


def test_diff_compares_the_live_publication_with_the_one_before(two_nights, recsys):
    before, last = two_nights
    done = recsys("diff")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(f"From {before} to {last}")
    found = json.loads(recsys("diff", last, before, "--placement", "for_you", "--json").stdout)
    assert found["after"]["publication_id"] == before
    assert [entry["placement"] for entry in found["lists"]] == ["for_you"]
