"""Units of an experiment whose truth is known, as the warehouse would hand them over."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from pipelines.base.durable import write_json
from pipelines.base.tables import MET_EXPERIMENT_USERS, MET_INTERLEAVED_USERS
from pipelines.base.warehouse import connect
from pipelines.experiments.definition import Experiment, ExperimentDefinition, definition_hash
from pipelines.measure.interleaving import analyse_interleaving
from pipelines.measure.units import check_units

NIGHT = date(2024, 4, 1)


def create_table(warehouse, table):
    """An empty table as dbt makes it."""
    columns = ", ".join(f"{name} {kind}" for name, kind in table.columns.items())
    warehouse.execute(f"create table if not exists {table.qualified} ({columns})")


def make_experiment(experiment_id="home", **overrides):
    definition = ExperimentDefinition.model_validate(
        {
            "hypothesis": "More is bought.",
            "placement": "discover",
            "arms": [
                {"name": "control", "weight": 0.5},
                {"name": "ease", "weight": 0.5, "candidate": "ease"},
            ],
            "starts": "2024-03-01",
            "ends": "2024-05-01",
            "goal": "conversion",
            "expected_users": 4000,
            "guardrails": [{"metric": "revenue", "margin": 0.2}],
            **overrides,
        }
    )
    return Experiment(experiment_id, definition, definition_hash(definition))


def make_units(experiment, n_users, *, lift=0.0, seed=0, conversion=0.1, ctr=0.1):
    """Users in the arms of their hash; `lift` is on what the users of other arms than control do.

    Impressions have a heavy tail, and users differ in how much they click and buy.
    """
    rng = np.random.default_rng(seed)
    users = [f"u{n}" for n in range(n_users)]
    assigned = [experiment.assign(user) for user in users]
    taste = rng.beta(2, 2 * (1 - ctr) / ctr, n_users)
    factor = np.array([1 + lift * (arm != "control") for arm, _ in assigned])
    impressions = np.ceil(rng.lognormal(2.0, 1.0, n_users)).astype(int)
    habit = rng.gamma(2.0, 0.5, n_users)
    before = rng.poisson(habit * 0.3)
    bought = rng.random(n_users) < np.clip(conversion * (0.3 + 0.7 * habit) * factor, 0, 1)
    return pd.DataFrame(
        {
            "experiment_id": experiment.experiment_id,
            "user_id": users,
            "placement": experiment.definition.placement,
            "variant": [arm for arm, _ in assigned],
            "variant_count": 1,
            "bucket": [bucket for _, bucket in assigned],
            "config_hash": experiment.config_hash,
            "config_hash_count": 1,
            "lists_differ": np.arange(n_users) % 4 > 0,
            "first_served_at": pd.Timestamp("2024-03-05 12:00"),
            "answer_count": 1,
            "impression_count": impressions,
            "click_count": rng.binomial(impressions, np.clip(taste * factor, 0, 1)),
            "purchase_count": bought.astype(int),
            "revenue": bought * rng.lognormal(2.0, 0.5, n_users),
            "purchase_count_before": before,
            "revenue_before": before * 8.0,
            "is_mature": True,
        }
    )


def make_interleaved(experiment_id="home", **overrides):
    given = {"method": "interleave", "goal": "ctr", "guardrails": [], **overrides}
    return make_experiment(experiment_id, **given)


def make_teams(experiment, wins, losses, ties=20, clicks=3):
    """Users and their clicks by team: some prefer the arm, some control, some neither."""
    units = make_units(experiment, wins + losses + ties)
    rows = []
    for n, user in enumerate(units["user_id"]):
        for team in ("control", "ease"):
            likes = (team == "ease") == (n < wins) and n < wins + losses
            rows.append((user, team, clicks if likes else 1))
    teams = pd.DataFrame(rows, columns=["user_id", "team", "click_count"]).assign(
        experiment_id=experiment.experiment_id,
        first_served_at=pd.Timestamp("2024-03-05 12:00"),
        shown_item_count=10,
        impression_count=6,
    )
    return units, teams


def interleaved_report(wins, losses):
    """The report of an interleaved experiment, with this morning as its history."""
    experiment = make_interleaved(expected_users=50)
    units, teams = make_teams(experiment, wins, losses)
    report = analyse_interleaving(experiment, check_units(units, experiment, NIGHT), teams, NIGHT)
    history = [{**row, "as_of": NIGHT.isoformat()} for row in report["preferences"]]
    return {**report, "history": history}


def store_teams(settings, teams):
    """Put teams' clicks where the nights leave them."""
    with connect(settings) as warehouse:
        warehouse.execute("create schema if not exists metrics")
        create_table(warehouse, MET_INTERLEAVED_USERS)
        warehouse.register("rows", teams)
        warehouse.execute(f"insert into {MET_INTERLEAVED_USERS.qualified} by name from rows")


def store_units(settings, experiment, units):
    """Put a started experiment and its users where the nights leave them."""
    path = settings.home / "experiments" / f"{experiment.experiment_id}.json"
    write_json(path, experiment.as_dict())
    with connect(settings) as warehouse:
        warehouse.execute("create schema if not exists metrics")
        create_table(warehouse, MET_EXPERIMENT_USERS)
        warehouse.register("rows", units.drop(columns="is_mature"))
        warehouse.execute(f"insert into {MET_EXPERIMENT_USERS.qualified} by name from rows")


@pytest.fixture
def experiment():
    return make_experiment()
