from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from pipelines.ask.why import explain_user
from pipelines.base.cli import cli


@pytest.fixture
def recsys(shop, one_night):
    """Run `recsys why` on the shop's home; what it tells comes from the publication there."""

    def run(*words):
        return CliRunner().invoke(
            cli, ["why", *words, "--home", str(shop.home)], catch_exceptions=False
        )

    return run


def test_an_answer_for_a_program_is_json(shop, recsys):
    found = recsys("--user", "u11", "--item", "i13", "--placement", "for_you", "--json")
    wanted = explain_user(shop, "u11", "i13", "for_you")
    assert json.loads(found.stdout)["history"] == wanted["history"]
    assert (
        json.loads(found.stdout)["placements"]["for_you"]["item"]
        == (wanted["placements"]["for_you"]["item"])
    )


def test_an_answer_for_people_is_text(one_night, recsys):
    found = recsys("--user", "u00", "--item", "i01")
    assert f"Customer u00 in {one_night}" in found.stdout
    assert "because of a purchase on 2024-03-09" in found.stdout


def test_a_user_must_be_named(recsys):
    assert recsys("--item", "i01").exit_code == 2
