import json
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from pipelines.base.tables import MET_EXPERIMENT_USERS
from pipelines.base.warehouse import connect
from pipelines.experiments.definition import Experiment
from pipelines.measure.units import check_sample_ratio, check_units, read_units
from tests.measure.conftest import NIGHT, create_table, make_units


@pytest.fixture
def units(experiment):
    return make_units(experiment, 400)


def test_sound_units_are_healthy(experiment, units):
    found = check_units(units, experiment, NIGHT)
    assert found.is_healthy and len(found.frame) == 400
    assert found.days == 26  # from noon of March 5th


def test_a_few_doubted_users_are_left_out_and_named(experiment, units):
    was = units.loc[7, "variant"]
    units.loc[7, "variant"] = "ease" if was == "control" else "control"
    units.loc[9, "bucket"] += 1
    units.loc[11, "variant"] = None
    units.loc[13, "config_hash"] = None
    found = check_units(units, experiment, NIGHT)
    assert sorted(found.doubts) == [
        "1 users served under other settings than the experiment's: u13",
        "1 users served without an arm: u11",
        "2 users recorded in another arm than their hash gives: u7, u9",
    ]
    assert found.is_healthy and found.excluded_count == 4
    assert not set(found.frame["user_id"]) & {"u7", "u9", "u11", "u13"}


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("variant", None, "served without an arm"),
        ("variant", "forged", "recorded in another arm than their hash gives"),
        ("bucket", float("nan"), "recorded in another arm than their hash gives"),
        ("variant_count", 2, "served in several arms"),
        ("config_hash", "edited", "served under other settings than the experiment's"),
    ],
)
def test_nothing_is_decided_where_more_than_one_in_a_hundred_is_doubted(
    experiment, units, column, value, why
):
    units[column] = units[column].astype(object)
    units.loc[[1, 2, 3, 4, 5], column] = value
    found = check_units(units, experiment, NIGHT)
    assert found.faults == (f"5 users {why}: u1, u2, u3 and 2 more",)
    assert not found.is_healthy


def test_users_in_several_arms_are_left_out_and_counted(experiment, units):
    units.loc[[3, 5], "variant_count"] = 2
    found = check_units(units, experiment, NIGHT)
    assert found.excluded_count == 2
    assert not set(found.frame["user_id"]) & {"u3", "u5"}


def test_lost_exposures_of_an_arm_alarm(experiment):
    units = make_units(experiment, 4000)
    lost = units.index[units["variant"] == "ease"][:400]
    found = check_units(units.drop(lost), experiment, NIGHT)
    assert found.ratio.is_alarm and not found.is_healthy


def test_nobody_is_no_fault(experiment, units):
    found = check_units(units.iloc[:0], experiment, NIGHT)
    assert found.is_healthy and found.days == 0


def test_units_come_from_the_warehouse_and_ripen_after_a_week(make_settings, experiment):
    settings = make_settings()
    rows = make_units(experiment, 3).assign(
        first_served_at=pd.to_datetime(["2024-03-24 23:59", "2024-03-25 00:01", "2024-04-01 00:00"])
    )
    with connect(settings) as warehouse:
        warehouse.execute("create schema metrics")
        create_table(warehouse, MET_EXPERIMENT_USERS)
        warehouse.register("rows", rows)
        warehouse.execute(
            f"insert into {MET_EXPERIMENT_USERS.qualified} by name select * exclude (is_mature) from rows"
        )
    found = read_units(settings, experiment, NIGHT).frame
    assert found["user_id"].tolist() == ["u0", "u1"]
    assert found["is_mature"].tolist() == [True, False]
    other = Experiment("other", experiment.definition, experiment.config_hash)
    assert len(read_units(settings, other, date(2024, 5, 1)).frame) == 0


CASES = json.loads((Path(__file__).parent / "cases" / "experiments.json").read_text())


def by_arm(values):
    return {f"arm{n}": value for n, value in enumerate(values)}


@pytest.mark.parametrize("case", CASES["sample_ratio"]["cases"], ids=str)
def test_the_p_value_equals_the_published_one(case):
    found = check_sample_ratio(by_arm(case["users"]), by_arm(case["weights"]))
    assert found.p_value == pytest.approx(case["p"], abs=case["tol"])


def test_users_in_an_arm_without_weight_are_a_fault_of_their_own():
    found = check_sample_ratio({"a": 500, "b": 500, "off": 1}, {"a": 0.5, "b": 0.5, "off": 0.0})
    assert found.is_alarm and "off" in found.reason


def test_fewer_than_eight_expected_users_say_nothing():
    found = check_sample_ratio({"a": 15, "b": 0}, {"a": 0.5, "b": 0.5})
    assert not found.is_alarm and "not enough data" in found.reason


def test_weights_in_any_unit_are_the_same_weights():
    shares = check_sample_ratio({"a": 310, "b": 98}, {"a": 0.75, "b": 0.25})
    assert check_sample_ratio({"a": 310, "b": 98}, {"a": 3, "b": 1}) == shares


def test_a_lost_half_of_an_arm_alarms():
    assert check_sample_ratio({"a": 1000, "b": 500}, {"a": 0.5, "b": 0.5}).is_alarm


def test_nobody_anywhere_is_no_alarm():
    assert not check_sample_ratio({}, {"a": 0.5, "b": 0.5}).is_alarm
