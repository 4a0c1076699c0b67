from __future__ import annotations

import json
from datetime import timedelta

import pytest

from pipelines.base.durable import read_if_there, write_json
from pipelines.base.errors import NoChampionError
from pipelines.experiments.definition import Experiment, ExperimentDefinition, definition_hash
from pipelines.features.read import read_interactions
from pipelines.features.snapshot import MANIFEST_FILE
from pipelines.gate.select import select_challengers
from pipelines.gate.verdicts import decide_gates
from pipelines.models.artefacts import load_recommender
from pipelines.registry.refit import refit_placement


def read_role(settings, night, placement, role):
    return read_if_there(settings.run_folder(night).role_file(placement, role))


@pytest.fixture
def decided(shop, night, evaluate_all):
    """`ease` was promoted everywhere unless keywords say otherwise; no MLflow run is open."""

    def make(**ndcg):
        evaluate_all(shop, **ndcg)
        select_challengers(shop, night)
        decide_gates(shop, night)
        shop.run_folder(night).tracking.write_text('{"parent_run_id": null}')

    return make


def test_promoted_challenger_is_the_only_role(shop, night, decided):
    decided()
    versions = refit_placement(shop, night, "discover")
    assert list(versions) == ["champion"]
    role = read_role(shop, night, "discover", "champion")
    assert versions["champion"] == role["model_version"] == f"ease-{role['spec_hash']}@2024-03-01"
    assert (role["candidate"], role["run_id"]) == ("ease", "logged")
    assert role["spec"]["params"] == {"regularization": 5.0}


def test_refused_challenger_is_fitted_beside_the_champion(shop, night, decided):
    decided(recent_popularity=0.5)
    assert list(refit_placement(shop, night, "discover")) == ["champion", "challenger"]
    assert read_role(shop, night, "discover", "champion")["candidate"] == "recent_popularity"
    assert read_role(shop, night, "discover", "challenger")["candidate"] == "ease"


def test_saved_champion_knows_everything_before_the_night(shop, night, decided):
    decided()
    refit_placement(shop, night, "discover")
    saved = load_recommender(shop.run_folder(night).role("discover", "champion"))
    history = read_interactions(shop, night, night)
    fresh = type(saved)(**saved.get_params()).fit(history)
    assert (saved.recommend(history, 3).items == fresh.recommend(history, 3).items).all()


def test_rerun_keeps_what_is_there(shop, night, decided):
    decided()
    refit_placement(shop, night, "discover")
    folder = shop.run_folder(night).role("discover", "champion")
    before = {path.name: path.stat().st_ino for path in folder.glob("*.npz")}
    contents = {path.name: path.read_bytes() for path in folder.iterdir()}
    refit_placement(shop, night, "discover")
    assert {path.name: path.stat().st_ino for path in folder.glob("*.npz")} == before
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == contents


def test_changed_snapshot_is_fitted_again(shop, night, decided):
    decided()
    refit_placement(shop, night, "discover")
    first = read_role(shop, night, "discover", "champion")["input_hash"]
    manifest = shop.run_folder(night).snapshot / MANIFEST_FILE
    manifest.write_text(json.dumps({"content_hash": "other"}))
    refit_placement(shop, night, "discover")
    assert read_role(shop, night, "discover", "champion")["input_hash"] != first


def test_fit_is_shared_between_placements(shop, night, decided, caplog):
    decided()
    refit_placement(shop, night, "discover")
    with caplog.at_level("INFO"):
        refit_placement(shop, night, "for_you")
    assert "the fit of discover is shared" in caplog.text
    folders = [shop.run_folder(night).role(one, "champion") for one in shop.placements]
    arrays = [(folder / "arrays.npz").read_bytes() for folder in folders]
    assert arrays[0] == arrays[1]
    assert read_role(shop, night, "for_you", "champion")["placement"] == "for_you"


def test_challenger_of_an_earlier_attempt_is_taken_away(shop, night, decided):
    decided(recent_popularity=0.5)
    refit_placement(shop, night, "discover")
    decided()
    assert list(refit_placement(shop, night, "discover")) == ["champion"]
    assert read_role(shop, night, "discover", "challenger") is None


def test_refit_before_the_gate_is_refused(shop, night):
    with pytest.raises(NoChampionError, match="must be decided before"):
        refit_placement(shop, night, "discover")


def test_arms_of_a_running_experiment_are_fitted_beside_the_champion(shop, night, decided):
    decided()
    definition = ExperimentDefinition.model_validate(
        {
            "hypothesis": "Popular items do as well.",
            "placement": "discover",
            "arms": [
                {"name": "control", "weight": 0.5},
                {"name": "popular", "weight": 0.5, "candidate": "popularity"},
            ],
            "starts": night,
            "ends": night + timedelta(days=1),
            "goal": "ctr",
            "expected_users": 100,
        }
    )
    path = shop.home / "experiments" / "home.json"
    write_json(path, Experiment("home", definition, definition_hash(definition)).as_dict())
    assert list(refit_placement(shop, night, "discover")) == ["champion", "popular"]
    assert read_role(shop, night, "discover", "popular")["candidate"] == "popularity"
    path.unlink()
    assert list(refit_placement(shop, night, "discover")) == ["champion"]
    assert read_role(shop, night, "discover", "popular") is None
