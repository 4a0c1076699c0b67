from __future__ import annotations

import json
from datetime import date

import pytest

from pipelines.base.tables import (
    SERVING_EXPERIMENT_DECISIONS,
    SERVING_EXPERIMENT_EFFECTS,
    SERVING_EXPERIMENT_PREFERENCES,
)
from pipelines.base.warehouse import connect
from pipelines.experiments.state import read_experiment
from pipelines.measure.measure import measure_experiments, read_history
from tests.measure.conftest import (
    NIGHT,
    make_experiment,
    make_interleaved,
    make_teams,
    make_units,
    store_teams,
    store_units,
)


def rows_of(settings, table):
    with connect(settings, read_only=True) as warehouse:
        return warehouse.execute(f"from {table.qualified}").df()


@pytest.fixture
def settings(make_settings):
    return make_settings()


def test_a_morning_leaves_rows_a_page_and_a_run(settings):
    experiment = make_experiment()
    store_units(settings, experiment, make_units(experiment, 4000, lift=0.3))
    assert measure_experiments(settings, NIGHT) == ["home"]
    effects = rows_of(settings, SERVING_EXPERIMENT_EFFECTS)
    assert len(effects) == 3 * 3  # metrics, populations
    folder = settings.experiment_report("home", NIGHT)
    assert {path.name for path in folder.iterdir()} == {
        *("report.json", "report.md", "report.html", "lift.png", "funnel.png")
    }
    report = json.loads((folder / "report.json").read_text())
    (row,) = [
        row
        for row in report["effects"]
        if (row["metric"], row["population"]) == ("ctr", "all users")
    ]
    stored = effects[(effects["metric"] == "ctr") & (effects["population"] == "all users")]
    assert stored["estimate"].tolist() == [row["estimate"]]
    assert rows_of(settings, SERVING_EXPERIMENT_DECISIONS)["verdict"].tolist() == [
        report["decisions"][0]["verdict"]
    ]
    from mlflow.tracking import MlflowClient

    client = MlflowClient(settings.tracking_uri)
    store = client.get_experiment_by_name("online").experiment_id
    (run,) = client.search_runs([store])
    assert run.data.metrics["ease.ctr"] == pytest.approx(row["estimate"])


def test_the_same_morning_twice_is_the_same_morning(settings):
    experiment = make_experiment()
    store_units(settings, experiment, make_units(experiment, 1000))
    measure_experiments(settings, NIGHT)
    folder = settings.experiment_report("home", NIGHT)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    rows = rows_of(settings, SERVING_EXPERIMENT_EFFECTS)
    measure_experiments(settings, NIGHT)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert rows_of(settings, SERVING_EXPERIMENT_EFFECTS).equals(rows)


def test_earlier_mornings_are_the_history(settings):
    experiment = make_experiment()
    store_units(settings, experiment, make_units(experiment, 1000))
    for night in (date(2024, 3, 20), NIGHT):
        measure_experiments(settings, night)
    assert {row["as_of"] for row in read_history(settings, experiment, NIGHT)} == {
        "2024-03-20",
        "2024-04-01",
    }
    assert {row["as_of"] for row in read_history(settings, experiment, date(2024, 3, 20))} == {
        "2024-03-20"
    }


@pytest.mark.parametrize(("rolls_back", "status"), [(True, "stopped"), (False, "running")])
def test_a_significant_loss_ends_it_by_itself_if_it_may(settings, rolls_back, status):
    experiment = make_experiment(rolls_back=rolls_back)
    store_units(settings, experiment, make_units(experiment, 20_000, lift=-0.5))
    measure_experiments(settings, NIGHT)
    after = read_experiment(settings, "home")
    assert after.status == status
    if rolls_back:
        assert after.stopped_on == NIGHT and "the goal is worse" in after.reason


def test_experiments_are_measured_until_their_last_users_had_days_to_buy(settings):
    experiment = make_experiment()  # ends on May 1st, a week to buy
    store_units(settings, experiment, make_units(experiment, 10))
    on = [
        bool(measure_experiments(settings, night))
        for night in (date(2024, 3, 1), date(2024, 3, 2), date(2024, 5, 8), date(2024, 5, 9))
    ]
    assert on == [False, True, True, False]


def test_an_experiment_without_traffic_has_a_page_too(settings):
    experiment = make_experiment()
    store_units(settings, experiment, make_units(experiment, 1).iloc[:0])
    measure_experiments(settings, NIGHT)
    page = (settings.experiment_report("home", NIGHT) / "report.html").read_text()
    assert "nothing is shown before 100" in page and "nan" not in page.lower().replace("finan", "")


def test_an_interleaved_morning_leaves_a_preference_a_decision_and_a_page(settings):
    experiment = make_interleaved(expected_users=50)
    units, teams = make_teams(experiment, 60, 20)
    store_units(settings, experiment, units)
    store_teams(settings, teams)
    for _ in range(2):  # the same morning twice is one
        measure_experiments(settings, NIGHT)
    (row,) = rows_of(settings, SERVING_EXPERIMENT_PREFERENCES).to_dict("records")
    assert (row["arm"], row["share"], row["tied_user_count"]) == ("ease", 0.75, 20)
    assert rows_of(settings, SERVING_EXPERIMENT_DECISIONS)["verdict"].tolist() == ["ship"]
    assert len(rows_of(settings, SERVING_EXPERIMENT_EFFECTS)) == 0
    folder = settings.experiment_report("home", NIGHT)
    assert {path.name for path in folder.iterdir()} == {
        *("report.json", "report.md", "report.html", "preference.png")
    }
    assert json.loads((folder / "report.json").read_text())["preferences"][0]["share"] == 0.75


def test_an_interleaved_loss_ends_it_by_itself(settings):
    experiment = make_interleaved(expected_users=50)
    units, teams = make_teams(experiment, 20, 60)
    store_units(settings, experiment, units)
    store_teams(settings, teams)
    measure_experiments(settings, NIGHT)
    assert read_experiment(settings, "home").status == "stopped"
