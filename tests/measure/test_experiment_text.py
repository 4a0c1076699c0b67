from __future__ import annotations

import html

import pytest

from pipelines.measure.analysis import analyse_units
from pipelines.measure.experiment_charts import draw_experiment
from pipelines.measure.experiment_text import (
    ADVICE,
    effect_text,
    experiment_document,
    health_lines,
    preference_text,
)
from pipelines.measure.units import check_units
from pipelines.show.html import to_page
from pipelines.show.markdown import to_markdown
from tests.conftest import terminal_text
from tests.measure.conftest import NIGHT, interleaved_report, make_experiment, make_units


@pytest.fixture
def report():
    experiment = make_experiment(hypothesis="Is <b>EASE</b> better?")
    units = check_units(make_units(experiment, 4000, lift=0.3), experiment, NIGHT)
    return {**analyse_units(experiment, units, NIGHT), "history": []}


def test_health_names_users_by_arm(report):
    assert f"control {report['users']['control']:,}" in health_lines(report)[0]


def test_a_fault_is_all_that_health_says(report):
    report["health"]["faults"] = ["users in arms without weight: off"]
    assert health_lines(report) == ["No: users in arms without weight: off."]


def test_an_effect_without_an_interval_says_why():
    assert effect_text({"low": None, "reason": "no variance"}) == "no variance"


def test_a_preference_without_a_share_says_why():
    row = {"share": None, "reason": "no user was served", "tied_user_count": 0}
    assert preference_text(row) == "no user was served (0 tied)"


def test_page_markdown_and_terminal_say_what_to_do_and_what_was_found(report, tmp_path):
    document = experiment_document(report, draw_experiment(report, tmp_path))
    (decision,), effect = report["decisions"], effect_text(report["effects"][0])
    for written in (to_page(document), to_markdown(document), terminal_text(document, 200)):
        assert ADVICE[decision["verdict"]] in written and effect in written
        told = html.unescape(" ".join(written.split()))
        assert all(line in told for line in health_lines(report))


def test_pictures_are_in_the_page_and_beside_the_markdown(report, tmp_path):
    document = experiment_document(report, draw_experiment(report, tmp_path))
    page = to_page(document)
    assert page.count("data:image/png;base64,") == 1
    assert "Is &lt;b&gt;EASE" in page
    assert "](funnel.png)" in to_markdown(document)


def test_an_interleaved_experiment_shows_who_prefers_what(tmp_path):
    report = interleaved_report(60, 20)
    page = to_page(experiment_document(report, draw_experiment(report, tmp_path)))
    assert "75.0% [64.1%, 84.0%] prefer it" in page and "data:image/png;base64," in page
    assert "one list drafted from both arms" in page and "nan" not in page.lower()
    assert "Users by arm: interleaved 100; every user is shown both arms." in page


def test_an_interleaved_experiment_without_a_click_has_a_page_too(tmp_path):
    report = interleaved_report(0, 0)
    pictures = draw_experiment(report, tmp_path)
    assert pictures == {}
    page = to_page(experiment_document(report, pictures))
    assert "no user clicked more on the items of one arm" in page


def test_a_known_truth_stands_beside_what_was_found(report):
    report["truth"] = {"ease": {"ctr": 0.3}}
    assert "ease: true lift of ctr +30.0%; found +" in terminal_text(experiment_document(report))
