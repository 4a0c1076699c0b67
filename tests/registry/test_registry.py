from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from pipelines.base.durable import read_json
from pipelines.gate.select import select_challengers
from pipelines.gate.verdicts import decide_gates
from pipelines.models.artefacts import load_recommender
from pipelines.registry.bundle import gather_placement
from pipelines.registry.refit import refit_placement
from pipelines.registry.registry import promote_aliases, register_placement, registered_name

NAME = "recommender-discover"


@pytest.fixture
def refit_night(shop, change, night, evaluate_all):
    """Refit one placement on a night; the small home has one snapshot, copied for later ones."""
    settings = change(placements={"discover": shop.placements["discover"].model_dump()})

    def run(days=0, **ndcg):
        as_of = night + timedelta(days=days)
        if days:
            source = settings.run_folder(night).snapshot
            target = settings.run_folder(as_of).snapshot
            shutil.copytree(source, target, dirs_exist_ok=True)
            for kind in ("items", "users"):
                for cutoff in settings.night(as_of).cutoffs:
                    shutil.copy(
                        target / f"{kind}-{night}.parquet", target / f"{kind}-{cutoff}.parquet"
                    )
        evaluate_all(settings, as_of, **ndcg)
        select_challengers(settings, as_of)
        decide_gates(settings, as_of)
        refit_placement(settings, as_of, "discover")
        return settings, as_of

    return run


def versions(client):
    found = client.search_model_versions(f"name = '{NAME}'")
    return {one.version: one.tags for one in found}


def aliases(client):
    found = client.get_registered_model(NAME).aliases
    return {alias: str(version) for alias, version in found.items()}


def test_registered_name_says_the_placement():
    assert registered_name("discover") == NAME


def test_loading_the_champion_gives_its_lists(refit_night, client):
    settings, as_of = refit_night()
    promote_aliases(settings, as_of)
    model = mlflow.pyfunc.load_model(f"models:/{NAME}@champion")
    users = ["u03", "nobody", "u00"]
    lists = model.predict(pd.DataFrame({"user_id": users}), params={"k": 3})
    fitted = load_recommender(settings.run_folder(as_of).role("discover", "champion"))
    expected = gather_placement(settings, as_of, "discover", fitted).recommend(users, 3)
    assert lists.equals(expected)
    assert lists.loc[lists["user_id"] == "nobody", "reason"].str.startswith("fallback").all()
    without_k = model.predict(pd.DataFrame({"user_id": ["u00"]}))
    assert without_k["rank"].max() == 4  # of 8 items u00 has met 4


def test_version_holds_data_and_code_but_no_pickle(refit_night, client):
    refit_night()
    version = client.search_model_versions(f"name = '{NAME}'")[0]
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}/{version.version}"))
    kinds = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert not kinds & {".pkl", ".pickle", ".joblib", ".cloudpickle"}
    names = {path.name for path in (folder / "artifacts" / "placement").rglob("*")}
    assert {"histories.npz", "catalogue.parquet", "placement.json", "arrays.npz"} <= names


def test_version_and_its_run_say_where_they_come_from(refit_night, client):
    settings, as_of = refit_night()
    role = read_json(settings.run_folder(as_of).role_file("discover", "champion"))
    [found] = versions(client).values()
    assert found["model_version"] == role["model_version"]
    assert (found["candidate"], found["as_of"]) == ("ease", "2024-03-01")
    run = client.get_run(client.search_model_versions(f"name = '{NAME}'")[0].run_id)
    assert run.data.tags["window"] == "serving"
    assert "examples.md" in [one.path for one in client.list_artifacts(run.info.run_id)]


def test_rerun_uses_the_same_version(refit_night, client):
    settings, as_of = refit_night()
    first = register_placement(settings, as_of, "discover")
    assert register_placement(settings, as_of, "discover") == first
    assert len(versions(client)) == 1


def test_aliases_point_to_tonights_versions_and_never_back(refit_night, client):
    settings, first = refit_night(recent_popularity=0.5)
    _, second = refit_night(days=1, recent_popularity=0.5)
    tonight = promote_aliases(settings, second)["discover"]
    assert aliases(client) == tonight == {"champion": "3", "challenger": "4"}
    promote_aliases(settings, first)
    assert aliases(client) == tonight


def test_challenger_alias_goes_when_the_challenger_was_promoted(refit_night, client):
    settings, first = refit_night(recent_popularity=0.5)
    promote_aliases(settings, first)
    assert set(aliases(client)) == {"champion", "challenger"}
    _, second = refit_night(days=1)
    promote_aliases(settings, second)
    assert set(aliases(client)) == {"champion"}


def test_server_that_is_down_stops_nothing(refit_night, shop, change, caplog):
    _, as_of = refit_night()
    down = change(
        placements={"discover": shop.placements["discover"].model_dump()},
        mlflow={"tracking_uri": "http://127.0.0.1:9", "timeout_seconds": 1, "restart_seconds": 0},
    )
    assert promote_aliases(down, as_of) == {"discover": {"champion": None}}
    assert "registering ease-" in caplog.text
    role = read_json(down.run_folder(as_of).role_file("discover", "champion"))
    assert role["model_version"].startswith("ease-")


def test_night_without_a_run_is_not_registered(refit_night, shop, night, caplog, client):
    settings, as_of = refit_night()
    settings.run_folder(as_of).tracking.write_text('{"parent_run_id": null}')
    assert register_placement(settings, as_of, "discover") == {"champion": None}
    assert "the night has no parent run" in caplog.text
