"""CONTRIBUTING's steps of a new recommender, carried out in a copy, up to the leaderboard."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import textwrap
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipelines.base.config import PROJECT_ROOT, load_settings
from tests import judged_shop

take_shop = judged_shop.take_shop

AS_OF = date(2024, 3, 1)
NIGHT = """
import json, sys
from datetime import date
from pathlib import Path
from pipelines.base.config import load_settings
from pipelines.evaluate.evaluation import evaluate_candidate
from pipelines.evaluate.leaderboard import leaderboard
from pipelines.gate.plan import plan_candidates

settings, night = load_settings(Path("recsys.toml"), Path(sys.argv[1])), date(2024, 3, 1)
for name in plan_candidates(settings, night):
    evaluate_candidate(settings, night, name)
boards = {one: leaderboard(settings, night, one, "gate") for one in settings.placements}
print(json.dumps({one: board["candidate"].tolist() for one, board in boards.items()}))
"""


def steps() -> list[str]:
    """Code blocks of the section on a new recommender, in order."""
    text = (PROJECT_ROOT / "CONTRIBUTING.md").read_text()
    section = text.split("## A new recommender\n")[1].split("\n## ")[0]
    return [textwrap.dedent(block) for block in re.findall(r"```\w+\n(.*?)```", section, re.S)]


def run(copy: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """A checkout, with the small shop's settings as its own, in which the steps were followed."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in ("pipelines", "dbt_project", "tests"):
        shutil.copytree(PROJECT_ROOT / name, copy / name)
    shutil.copy(PROJECT_ROOT / "pyproject.toml", copy)
    source, line, candidate, test = steps()
    (copy / "pipelines/models/chosen_together.py").write_text(source)
    (copy / "tests/models/test_chosen_together.py").write_text(test)
    registry = copy / "pipelines/models/candidates.py"
    text, added = re.subn(
        r"(?s)(\nRECOMMENDERS.*?)\n}", rf"\1\n    {line.strip()}\n}}", registry.read_text(), count=1
    )
    assert added == 1
    registry.write_text(text)
    settings = (PROJECT_ROOT / "tests/shop.toml").read_text()
    listed = 'candidates = ["popularity", '
    assert settings.count(listed) == 1  # of discover; for_you takes all candidates
    settings = settings.replace(listed, f'{listed}"chosen_together", ')
    dead = (
        '[mlflow]\ntracking_uri = "http://127.0.0.1:9"\ntimeout_seconds = 1\nrestart_seconds = 0\n'
    )
    (copy / "recsys.toml").write_text(f"{settings}\n{dead}\n{candidate}")
    return copy


@pytest.mark.slow
@pytest.mark.xdist_group("contributing")
def test_a_new_recommender_passes_the_contract_and_its_own_test(followed):
    tests = ["test_base.py", "test_parameters.py", "test_fold_in.py", "test_chosen_together.py"]
    paths = [f"tests/models/{name}" for name in tests]
    found = run(followed, "-m", "pytest", "-q", "-k", "chosen_together", *paths)
    assert int(re.search(r"(\d+) passed", found)[1]) > 25
    run(followed, "-m", "ruff", "check", "pipelines/models", "tests/models")
    run(followed, "-m", "ruff", "format", "--check", "pipelines/models", "tests/models")


@pytest.mark.slow
@pytest.mark.xdist_group("contributing")
def test_a_new_recommender_has_a_row_in_the_next_nights_leaderboards(followed, take_shop, tmp_path):
    settings = load_settings(followed / "recsys.toml", tmp_path)
    bought = [
        (f"u{user}", f"i{(user + day) % 7}", "purchase", AS_OF - timedelta(days=day + 1))
        for user in range(12)
        for day in range(0, 28, 3)
    ]
    take_shop(settings, bought)

    boards = json.loads(run(followed, "-c", NIGHT, str(tmp_path)).splitlines()[-1])

    assert {name: "chosen_together" in rows for name, rows in boards.items()} == {
        "discover": True,
        "for_you": True,
    }
