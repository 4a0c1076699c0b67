from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from pipelines.base.cli import VERBS, cli, examples
from pipelines.run.services import free_port

HEAVY = ("pandas", "numpy", "sklearn", "duckdb", "mlflow", "dbt", "great_expectations", "airflow")


def recsys(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipelines", *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_with_examples(verb):
    result = CliRunner().invoke(cli, [verb, "--help"])
    assert result.exit_code == 0, result.output
    assert "Examples:" in result.output
    assert f"recsys {verb}" in result.output


def test_help_lists_every_verb_and_loads_nothing_heavy():
    code = (
        "import sys; from click.testing import CliRunner; from pipelines.base.cli import cli; "
        "print(CliRunner().invoke(cli, ['--help']).output); "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(f"\n  {verb} " in done.stdout for verb in VERBS)
    assert done.stdout.strip().endswith("[]")


def test_a_known_error_is_one_plain_line_and_exit_code_2():
    done = recsys("load", "--as-of", "yesterday")
    assert done.returncode == 2
    assert done.stderr.startswith("SettingsError: A day must be written YYYY-MM-DD")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", ["load", "run"])
def test_a_home_that_is_not_there_is_refused_and_not_made(verb, tmp_path):
    home = tmp_path / "wrong"
    done = recsys(verb, "--as-of", "2024-03-02", "--home", str(home))
    assert done.returncode == 2 and not home.exists()
    assert done.stderr.splitlines()[-1].startswith("DayFilesError: A home must have day files.")
    assert f"no day file below {home}/landing" in done.stderr and "Traceback" not in done.stderr


def test_an_unknown_verb_is_refused():
    assert recsys("fly").returncode == 2


def test_examples_are_kept_line_by_line():
    assert examples("recsys one", "recsys two").splitlines()[-2:] == [
        "  recsys one",
        "  recsys two",
    ]


def test_doctor_says_what_an_empty_home_lacks(tmp_path):
    done = recsys("doctor", "--home", str(tmp_path / "home"))
    assert done.returncode == 1
    assert ["LOOK", "day", "files", "none"] in [row.split()[:4] for row in done.stdout.splitlines()]
    assert "recsys land online-retail" in " ".join(done.stdout.split())


def test_an_api_key_is_shown_once_with_the_hash_for_the_settings():
    done = recsys("api-key", "--json")
    found = json.loads(done.stdout)
    assert hashlib.sha256(found["key"].encode()).hexdigest() == found["sha256"]
    assert 'keys = ["' in recsys("api-key").stdout


def test_the_api_says_where_it_is_and_what_to_try(tmp_path):
    port = str(free_port())
    command = [sys.executable, "-m", "pipelines", "serve", "--port", port, "--home", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        hello = [process.stdout.readline() for _ in range(3)]
        process.terminate()
    assert f"http://127.0.0.1:{port}" in hello[0]
    assert "curl -s 'http://127.0.0.1" in hello[1]
    assert "/v1/recommendations/" in hello[1]
