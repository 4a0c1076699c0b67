from __future__ import annotations

import subprocess
import sys

import pytest

from pipelines.base.config import process_environment
from pipelines.gate.plan import plan_candidates
from pipelines.gate.select import select_challengers
from pipelines.gate.verdicts import decide_gates
from pipelines.registry.refit import refit_placement
from pipelines.registry.registry import promote_aliases

#: Run where the package is not importable: the version brings its own code.
SCRIPT = """
import sys
import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/recommender-discover@champion")
lists = model.predict(pd.DataFrame({"user_id": ["u00", "nobody"]}), params={"k": 2})
print(lists.groupby("user_id", sort=False)["rank"].max().to_dict())
import pipelines
assert "/code/pipelines/" in pipelines.__file__, pipelines.__file__
assert "duckdb" not in sys.modules and "airflow" not in sys.modules
"""


@pytest.mark.slow  # a process of its own imports MLflow and scikit-learn again
def test_champion_can_be_loaded_in_a_process_of_its_own(
    shop, change, night, evaluate_all, tmp_path
):
    settings = change(placements={"discover": shop.placements["discover"].model_dump()})
    assert plan_candidates(settings, night)
    evaluate_all(settings)
    select_challengers(settings, night)
    decide_gates(settings, night)
    refit_placement(settings, night, "discover")
    promote_aliases(settings, night)
    answer = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT, settings.tracking_uri],
        cwd=tmp_path,
        env={**process_environment(settings), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stdout.strip().endswith("{'u00': 2, 'nobody': 2}"), answer.stderr
