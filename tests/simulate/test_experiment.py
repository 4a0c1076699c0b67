from __future__ import annotations

import pytest

from pipelines.base.config import PROJECT_ROOT, load_settings
from pipelines.base.errors import ExperimentError
from pipelines.simulate.experiment import simulate_experiment
from pipelines.simulate.loop import Simulation

CONFIG = PROJECT_ROOT / "docs" / "demo" / "shop.toml"


def test_an_experiment_without_a_file_is_refused_before_anything_runs(tmp_path):
    settings = load_settings(CONFIG, tmp_path / "home")
    with pytest.raises(ExperimentError, match=r"Found no nothing.toml. Known: tastes"):
        simulate_experiment(settings, Simulation(days=1), "nothing")
    assert not settings.landing.exists()


@pytest.mark.prove
def test_a_month_through_the_api_finds_the_truth(tmp_path):
    settings = load_settings(CONFIG, tmp_path / "home")
    report = simulate_experiment(
        settings, Simulation(days=30), "tastes", over_http=True, config=CONFIG, show=print
    )
    (found,) = [
        row
        for row in report["effects"]
        if (row["metric"], row["population"]) == ("ctr", "all users")
    ]
    truth = report["truth"]["longer"]["ctr"]
    print(f"true lift {truth:+.1%}, found {found['low']:+.1%} to {found['high']:+.1%}")
    assert found["low"] <= truth <= found["high"]
    assert truth > 0 and report["decisions"][0]["verdict"] == "ship"
