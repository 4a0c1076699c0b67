import pytest

from pipelines.track.analysis import analyse_units
from pipelines.track.experiment_charts import draw_experiment
from pipelines.track.experiment_page import ADVICE, experiment_page, health_lines
from pipelines.track.units import check_units
from tests.track.conftest import NIGHT, make_experiment, make_units


@pytest.fixture
def report():
    experiment = make_experiment(hypothesis="Is <b>EASE</b> better?")
    units = check_units(make_units(experiment, 4000, lift=0.3), experiment, NIGHT)
    return {**analyse_units(experiment, units, NIGHT), "history": []}


def test_the_page_says_what_to_do_and_shows_its_pictures(report, tmp_path):
    found = experiment_page(report, draw_experiment(report, tmp_path))
    assert ADVICE[report["decisions"][0]["verdict"]] in found
    assert "data:image/png;base64," in found
    assert "Is &lt;b&gt;EASE" in found


def test_health_names_users_by_arm(report):
    lines = health_lines(report)
    assert f"control {report['users']['control']:,}" in lines[0]


def test_a_fault_is_all_that_health_says(report):
    report["health"]["faults"] = ["users in arms without weight: off"]
    assert health_lines(report) == ["No: users in arms without weight: off."]


def test_a_known_truth_stands_beside_what_was_found(report, tmp_path):
    report["truth"] = {"ease": {"ctr": 0.3}}
    found = experiment_page(report, draw_experiment(report, tmp_path))
    assert "ease: true lift of ctr +30.0%; found " in found
