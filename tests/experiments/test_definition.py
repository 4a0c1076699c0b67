from __future__ import annotations

import tomllib
from collections import Counter

import pytest
from pydantic import ValidationError

from pipelines.base.assignment import assign_bucket, layer_bucket
from pipelines.base.config import PROJECT_ROOT
from pipelines.experiments.definition import Experiment, ExperimentDefinition, definition_hash
from tests.measure.conftest import make_experiment, make_interleaved


def test_stored_and_read_again_is_the_same():
    experiment = make_experiment()
    assert Experiment.from_dict(experiment.as_dict()) == experiment


def test_the_hash_is_of_everything_an_experiment_says():
    hashes = {
        definition_hash(make_experiment(**changes).definition)
        for changes in ({}, {"alpha": 0.1}, {"hypothesis": "Other."}, {"expected_users": 1})
    }
    assert len(hashes) == 4


def test_arms_share_the_users_and_nobody_without_an_id_takes_part():
    experiment = make_experiment()
    found = Counter(experiment.assign(f"u{n}")[0] for n in range(2000))
    assert abs(found["ease"] - 1000) < 3 * (2000 * 0.25) ** 0.5
    assert experiment.assign("u1")[1] == assign_bucket("u1", "home")
    assert experiment.assign("") is None


def test_users_outside_the_layers_range_take_no_part():
    experiment = make_experiment(layer="page", layer_to=0.3)
    for user in (f"u{n}" for n in range(200)):
        assert (experiment.assign(user) is not None) == (layer_bucket(user, "page") < 3000)


def test_a_share_of_each_arm_takes_part():
    experiment = make_experiment(coverage=0.2)
    outside = sum(experiment.assign(f"u{n}") is None for n in range(2000))
    assert abs(outside - 1600) < 3 * (2000 * 0.2 * 0.8) ** 0.5


def test_experiments_that_were_frozen_before_there_were_methods_keep_their_hash():
    path = PROJECT_ROOT / "docs" / "demo" / "experiments" / "tastes.toml"
    definition = ExperimentDefinition.model_validate(tomllib.loads(path.read_text()))
    assert definition_hash(definition) == "784c62e315dd"
    other = definition.model_copy(update={"method": "interleave"})
    assert definition_hash(other) != "784c62e315dd"


def test_users_of_an_interleaved_experiment_are_in_no_arm():
    experiment = make_interleaved(coverage=0.5)
    found = Counter(
        None if (given := experiment.assign(f"u{n}")) is None else given[0] for n in range(2000)
    )
    assert set(found) == {"interleaved", None}
    assert abs(found[None] - 1000) < 3 * (2000 * 0.25) ** 0.5
    assert experiment.variants == {"interleaved": 1.0}
    assert make_experiment().variants == {"control": 0.5, "ease": 0.5}


@pytest.mark.parametrize(
    "wrong",
    [
        {"goal": "conversion"},
        {"guardrails": [{"metric": "revenue"}]},
        {
            "arms": [
                {"name": "control", "weight": 0.4},
                {"name": "a", "weight": 0.3, "candidate": "ease"},
                {"name": "b", "weight": 0.3, "candidate": "knn"},
            ]
        },
    ],
)
def test_an_interleaved_experiment_compares_the_clicks_of_two(wrong):
    with pytest.raises(ValidationError, match="two arms, goal `ctr` and no guardrails"):
        make_interleaved(**wrong)
