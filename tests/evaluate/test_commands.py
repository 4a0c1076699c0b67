from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipelines.base.cli import cli
from pipelines.base.config import Settings
from pipelines.base.errors import MissingEvaluationError

AS_OF = date(2024, 3, 1)
CONFIG = """
[evaluation]
k = 2
ks = [1, 2]
[events.weights]
purchase = 1.0
[placements.discover]
[placements.for_you]
exclude = "none"
"""


@pytest.fixture
def settings(
    make_settings: Callable[..., Settings], with_store: Callable, take_shop: Callable
) -> Settings:
    settings = with_store(make_settings())
    days = (date(2024, 1, 5), date(2024, 2, 5), date(2024, 2, 20))
    rows = [(f"u{n}", item, "purchase", day) for day in days for n, item in enumerate("abcab")]
    new = [("u2", "a", days[1]), ("u0", "c", days[2]), ("u1", "a", days[2])]
    take_shop(settings, [*rows, *((user, item, "purchase", day) for user, item, day in new)])
    return settings


@pytest.fixture
def recsys(settings: Settings, tmp_path: Path) -> Callable[..., Result]:
    config = tmp_path / "recsys.toml"
    config.write_text(CONFIG)

    def invoke(*arguments: str) -> Result:
        options = ["--as-of", "2024-03-01", "--home", str(settings.home), "--config", str(config)]
        return CliRunner().invoke(cli, [*arguments, *options])

    return invoke


def test_train_evaluates_all_candidates_and_evaluate_prints_them(recsys: Callable) -> None:
    trained = recsys("train")
    assert trained.exit_code == 0, trained.output
    assert "[2/2] recent_popularity" in trained.stderr
    assert "popularity: NDCG@2 discover" in trained.stdout

    shown = recsys("evaluate")

    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert lines[0] == "discover, gate window, 2 users"
    assert any(line.endswith("baseline") for line in lines)
    assert lines[4].startswith("popularity") and "[" in lines[4]
    assert "for_you, gate window, 5 users" in lines


def test_train_of_one_candidate_answers_in_json(recsys: Callable, settings: Settings) -> None:
    found = json.loads(recsys("train", "--candidate", "popularity", "--json").stdout)

    assert list(found) == ["popularity"]
    assert set(found["popularity"]) == {"selection", "gate"}
    assert not (settings.run_folder(AS_OF).candidates / "recent_popularity").exists()


def test_evaluate_answers_in_json_for_one_placement(recsys: Callable) -> None:
    recsys("train")

    found = json.loads(recsys("evaluate", "--placement", "for_you", "--json").stdout)

    assert (found["as_of"], found["window"]) == ("2024-03-01", "gate")
    (rows,) = found["placements"].values()
    assert [row["user_count"] for row in rows] == [5, 5]
    assert all(row["low"] <= row["ndcg_at_2"] <= row["high"] for row in rows)


def test_evaluate_beyond_accuracy_prints_every_segment(recsys: Callable) -> None:
    recsys("train")

    shown = recsys("evaluate", "--beyond", "--placement", "for_you")

    lines = [line.split() for line in shown.stdout.splitlines()]
    assert lines[1][:4] == ["candidate", "segment", "users", "NDCG"]
    assert lines[3][1:3] == ["all", "5"]
    assert lines[4][0] in {"new", "light", "heavy"}


def test_evaluate_rules_prices_what_is_on(recsys: Callable) -> None:
    recsys("train")

    found = json.loads(recsys("evaluate", "--rules", "--json").stdout)["placements"]

    assert {row["rule"] for row in found["discover"]} == {"seen"}
    assert found["for_you"] == []
    assert "none is on" in recsys("evaluate", "--rules", "--placement", "for_you").stdout


def test_two_tables_at_once_are_refused(recsys: Callable) -> None:
    found = recsys("evaluate", "--rules", "--beyond")

    assert found.exit_code == 2
    assert "ask for one of them" in found.stderr


def test_evaluate_before_train_says_what_to_run(recsys: Callable) -> None:
    found = recsys("evaluate")

    assert isinstance(found.exception, MissingEvaluationError)
    assert "recsys train --as-of 2024-03-01" in str(found.exception)


def test_window_outside_the_two_is_refused(recsys: Callable) -> None:
    found = recsys("evaluate", "--window", "today")

    assert found.exit_code == 2
    assert "'selection', 'gate'" in found.stderr


@pytest.mark.parametrize("verb", ["train", "evaluate"])
def test_help_shows_examples(verb: str) -> None:
    found = CliRunner().invoke(cli, [verb, "--help"])

    assert f"recsys {verb} --as-of 2011-12-09" in found.stdout
