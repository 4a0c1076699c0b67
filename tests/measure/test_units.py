from datetime import date

import pandas as pd
import pytest

from pipelines.base.tables import MET_EXPERIMENT_USERS
from pipelines.base.warehouse import connect
from pipelines.experiments.definition import Experiment
from pipelines.measure.units import check_units, read_units
from tests.measure.conftest import NIGHT, create_table, make_units


@pytest.fixture
def units(experiment):
    return make_units(experiment, 400)


def test_sound_units_are_healthy(experiment, units):
    found = check_units(units, experiment, NIGHT)
    assert found.is_healthy and len(found.frame) == 400
    assert found.days == 26  # from noon of March 5th


def test_one_altered_variant_fails_and_is_named(experiment, units):
    was = units.loc[7, "variant"]
    units.loc[7, "variant"] = "ease" if was == "control" else "control"
    found = check_units(units, experiment, NIGHT)
    assert found.faults == ("1 users recorded in another arm than their hash gives: u7",)
    assert not found.is_healthy


def test_one_altered_bucket_fails_and_is_named(experiment, units):
    units.loc[9, "bucket"] += 1
    (fault,) = check_units(units, experiment, NIGHT).faults
    assert "u9" in fault


def test_other_settings_fail(experiment, units):
    units.loc[[1, 2, 3, 4], "config_hash"] = "edited"
    (fault,) = check_units(units, experiment, NIGHT).faults
    assert (
        fault == "4 users served under other settings than the experiment's: u1, u2, u3 and 1 more"
    )


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
