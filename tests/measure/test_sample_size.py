from datetime import date, timedelta

import pandas as pd
import pytest

from pipelines.base.errors import ExperimentError
from pipelines.base.tables import INT_USER_ITEM_DAYS
from pipelines.base.warehouse import connect
from pipelines.measure.effects import users_per_arm_needed
from pipelines.measure.sample_size import plan_experiment
from tests.measure.conftest import create_table, make_experiment

NIGHT = date(2024, 3, 1)


@pytest.fixture
def settings(make_settings):
    """560 users in 28 days; every fifth bought in the last week, for 10."""
    settings = make_settings()
    rows = []
    for n in range(560):
        day = NIGHT - timedelta(days=1 + n % 28)
        rows.append((f"u{n}", "view", day, 4, 0.0))
        rows.append((f"u{n}", "click", day, n % 3, 0.0))
        if n % 5 == 0:
            rows.append((f"u{n}", "purchase", NIGHT - timedelta(days=1 + n % 7), 1, 10.0))
    frame = pd.DataFrame(
        rows, columns=["user_id", "event_type", "event_date", "event_count", "revenue"]
    ).assign(is_first_landing=True)
    with connect(settings) as warehouse:
        warehouse.execute("create schema intermediate")
        create_table(warehouse, INT_USER_ITEM_DAYS)
        warehouse.register("rows", frame)
        warehouse.execute(f"insert into {INT_USER_ITEM_DAYS.qualified} by name from rows")
    return settings


def test_users_and_days_follow_from_our_own_events(settings):
    given = make_experiment(goal="conversion", expected_users=10).definition
    found = plan_experiment(settings, given, NIGHT, 0.5)
    assert found.mean == pytest.approx(0.2)
    assert found.variance == pytest.approx(0.2 * 0.8 * 560 / 559)
    assert found.users_per_arm == users_per_arm_needed(found.variance, 0.1, alpha=0.05, power=0.8)
    assert found.users == 2 * found.users_per_arm
    assert found.users_per_day == 20
    assert found.days == -(-found.users // 20) + 7
    assert any("expected_users is 10" in warning for warning in found.warnings)
    assert any("more than 28" in warning for warning in found.warnings)


def test_half_the_traffic_takes_twice_the_days(settings):
    whole = plan_experiment(settings, make_experiment().definition, NIGHT, 0.5)
    half = plan_experiment(settings, make_experiment(coverage=0.5).definition, NIGHT, 0.5)
    assert half.days - 7 == pytest.approx(2 * (whole.days - 7), abs=1)


@pytest.mark.parametrize(("goal", "mean"), [("revenue", 2.0), ("ctr", 0.25)])
def test_other_goals_have_a_plan_too(settings, goal, mean):
    given = make_experiment(goal=goal, guardrails=[]).definition
    found = plan_experiment(settings, given, NIGHT, 0.5)
    assert found.mean == pytest.approx(mean, rel=0.01) and found.variance > 0


def test_without_events_there_is_no_plan(settings):
    with pytest.raises(ExperimentError, match="needs events to estimate conversion"):
        plan_experiment(settings, make_experiment().definition, date(2023, 1, 1), 0.1)
