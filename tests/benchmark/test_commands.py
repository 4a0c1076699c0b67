from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from pipelines.base.cli import cli
from pipelines.base.errors import BenchmarkError
from pipelines.benchmark import comparison as benchmark
from pipelines.benchmark.commands import parse_cuts


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Any:
    """Runs the verb on four users of two tastes, in this process."""
    caplog.set_level(logging.INFO, "pipelines")
    (tmp_path / "train.txt").write_text("u a b\nv a b c\nw d e\nx d e f\n")
    (tmp_path / "test.txt").write_text("u c\nw f\n")
    files = ["--train", str(tmp_path / "train.txt"), "--test", str(tmp_path / "test.txt")]
    monkeypatch.setattr(benchmark, "_measure_apart", benchmark._measure_or_say_why_not)
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", list(root.handlers))

    def invoke(*arguments: str, split: bool = True) -> SimpleNamespace:
        result = CliRunner().invoke(
            cli, ["benchmark", *(files if split else files[:2]), *arguments]
        )
        return SimpleNamespace(code=result.exit_code, result=result)

    return invoke


def test_json_is_all_that_is_printed(run: Any) -> None:
    ended = run("--k", "2,1", "--candidates", "item_knn:shrinkage=0,popularity", "--json")
    found = json.loads(ended.result.stdout)
    assert ended.code == 0
    assert found["k"] == [1, 2]
    assert [row["candidate"] for row in found["candidates"]] == [
        "item_knn:shrinkage=0",
        "popularity",
    ]
    assert found["candidates"][0]["metrics"]["ndcg_at_1"]["value"] == 1.0
    assert "[1/2] item_knn:shrinkage=0" in ended.result.stderr


def test_tables_show_every_cut(run: Any) -> None:
    ended = run("--k", "1,2", "--candidates", "popularity", "--seen", "allow")
    assert ended.code == 0
    assert "Seen items: allow." in ended.result.stdout
    assert all(f"at {k}" in ended.result.stdout for k in (1, 2))


def test_a_failed_candidate_is_an_exit_code_after_the_table(run: Any) -> None:
    ended = run("--candidates", "popularity,ease:regularization=-1")
    assert ended.code == 1
    assert "failed: ease:regularization=-1" in ended.result.stdout


@pytest.mark.parametrize(
    ("validation", "found"), [(["--validation", "0.5"], "both"), ([], "neither")]
)
def test_exactly_one_of_test_and_validation_is_wanted(
    run: Any, validation: list[str], found: str
) -> None:
    ended = run(*validation, split=found == "both")
    assert isinstance(ended.result.exception, BenchmarkError)
    assert f"Got {found}." in str(ended.result.exception)


@pytest.mark.parametrize("text", ["0", "ten", "5,", "-1", "1.5"])
def test_cut_that_is_no_whole_number_above_0_is_refused(text: str) -> None:
    with pytest.raises(BenchmarkError, match="whole numbers of at least 1"):
        parse_cuts(text)


def test_cuts_are_sorted_and_counted_once() -> None:
    assert parse_cuts("20, 5,20") == (5, 20)
