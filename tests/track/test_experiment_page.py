import pytest

from pipelines.track.analysis import analyse_units
from pipelines.track.experiment_charts import draw_experiment
from pipelines.track.experiment_page import ADVICE, experiment_page
from pipelines.track.units import check_units
from tests.track.conftest import NIGHT, interleaved_report, make_experiment, make_units


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


def test_an_interleaved_experiment_shows_who_prefers_what(tmp_path):
    report = interleaved_report(60, 20)
    found = experiment_page(report, draw_experiment(report, tmp_path))
    assert "75.0% [64.1%, 84.0%]" in found and "data:image/png;base64," in found
    assert "one list drafted from both arms" in found and "nan" not in found.lower()


def test_an_interleaved_experiment_without_a_click_has_a_page_too(tmp_path):
    report = interleaved_report(0, 0)
    pictures = draw_experiment(report, tmp_path)
    assert pictures == {}
    assert "no user clicked more on the items of one arm" in experiment_page(report, pictures)


def test_a_known_truth_stands_beside_what_was_found(report, tmp_path):
    report["truth"] = {"ease": {"ctr": 0.3}}
    found = experiment_page(report, draw_experiment(report, tmp_path))
    assert "ease: true lift of ctr +30.0%; found " in found
