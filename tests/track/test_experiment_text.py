from __future__ import annotations

import pytest

from pipelines.track.analysis import analyse_units
from pipelines.track.experiment_text import (
    decision_lines,
    effect_text,
    experiment_markdown,
    figure_lines,
    health_lines,
    preference_text,
)
from pipelines.track.units import check_units
from tests.track.conftest import NIGHT, interleaved_report, make_experiment, make_units


@pytest.fixture
def report():
    experiment = make_experiment()
    units = check_units(make_units(experiment, 4000, lift=0.3), experiment, NIGHT)
    return {**analyse_units(experiment, units, NIGHT), "history": []}


def test_health_names_users_by_arm(report):
    lines = health_lines(report)
    assert f"control {report['users']['control']:,}" in lines[0]


def test_a_fault_is_all_that_health_says(report):
    report["health"]["faults"] = ["users in arms without weight: off"]
    assert health_lines(report) == ["No: users in arms without weight: off."]


def test_an_effect_without_an_interval_says_why():
    assert effect_text({"low": None, "reason": "no variance"}) == "no variance"


def test_a_preference_without_a_share_says_why():
    row = {"share": None, "reason": "no user was served", "tied_user_count": 0}
    assert preference_text(row) == "no user was served (0 tied)"


def test_markdown_has_the_lines_of_the_terminal(report):
    found = experiment_markdown(report)
    for line in (*health_lines(report), *figure_lines(report), *decision_lines(report)):
        assert line in found
    assert len(figure_lines(report)) == 3  # metrics


def test_markdown_of_an_interleaved_experiment_says_who_prefers_what():
    found = experiment_markdown(interleaved_report(60, 20))
    assert "75.0% [64.1%, 84.0%] prefer it (60 users; 20 prefer control, 20 tied" in found
    assert "Users by arm: interleaved 100; every user is shown both arms." in found
