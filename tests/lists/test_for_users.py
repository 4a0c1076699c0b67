from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from pipelines.ask.query import run_sql
from pipelines.audit.audit import audit_lists
from pipelines.base.config import parse_settings
from pipelines.base.current import read_current
from pipelines.base.durable import write_json
from pipelines.base.errors import NoChampionError, SettingsError
from pipelines.experiments.definition import Experiment, ExperimentDefinition, definition_hash
from pipelines.features.read import read_catalogue, read_interactions
from pipelines.lists.for_users import generate_lists, generate_variant
from pipelines.lists.similar_items import generate_similar
from pipelines.models.artefacts import load_recommender, save_recommender
from pipelines.models.candidates import candidate_spec, fit_candidate
from pipelines.publications.publish import publish
from pipelines.rules import block_lists
from pipelines.rules.exclusion import placement_exclusion
from pipelines.rules.list_rules import make_list_rules
from pipelines.rules.place import place


def read_lists(settings, as_of, placement, variant="control"):
    return pd.read_parquet(settings.run_folder(as_of).variant(placement, variant))


@pytest.mark.parametrize("placement", ["discover", "for_you"])
def test_every_user_of_the_history_gets_a_whole_ranked_list(shop, make_night, placement):
    night = make_night()
    summary = generate_lists(shop, night, placement)
    found = read_lists(shop, night, placement)
    assert found.groupby("user_id").size().to_dict() == {f"u{n:02}": 5 for n in range(12)}
    assert (found.groupby("user_id")["rank"].apply(list).apply(tuple) == (1, 2, 3, 4, 5)).all()
    assert summary["users"] == 12 and summary["rows"] == 60


def test_scores_never_rise_within_a_list(shop, make_night):
    night = make_night()
    for placement in shop.placements:
        generate_lists(shop, night, placement)
        found = read_lists(shop, night, placement)
        assert np.isfinite(found["score"]).all()
        assert (found.groupby("user_id")["score"].diff().dropna() <= 0).all()


def test_a_user_nobody_can_learn_from_gets_the_fallback_and_it_says_so(shop, make_night):
    night = make_night()
    generate_lists(shop, night, "discover")
    rows = read_lists(shop, night, "discover").query("user_id == 'u11'")
    assert set(rows["strategy"]) == {"popularity"}
    assert set(rows["reason"]) == {"fallback: no history that item_knn can learn from"}


def test_short_lists_are_completed_row_by_row(shop, make_night):
    # u00 bought items 0 to 2; only items 3 and 4 were bought together with those
    night = make_night()
    generate_lists(shop, night, "discover")
    rows = read_lists(shop, night, "discover").query("user_id == 'u00'")
    own = rows[rows["strategy"] == "item_knn"]
    assert set(own["item_id"]) == {"i03", "i04"} and list(own["rank"]) == [1, 2]
    assert list(rows["reason"])[2:] == ["fallback: item_knn had no more items"] * 3
    assert rows["item_id"].is_unique


def test_own_completion_of_a_repeat_list_is_called_popular(shop, make_night):
    night = make_night()
    generate_lists(shop, night, "for_you")
    rows = read_lists(shop, night, "for_you").query("user_id == 'u04'")
    assert set(rows[rows["strategy"] == "personal_frequency"]["item_id"]) == {"i04", "i05", "i06"}
    assert set(rows[rows["strategy"] == "popularity"]["reason"]) == {"Popular with other customers"}


def test_nobody_is_shown_what_they_had_or_what_is_out_of_stock(shop, make_night):
    night = make_night()
    generate_lists(shop, night, "discover")
    found = read_lists(shop, night, "discover")
    assert "i13" not in set(found["item_id"])
    assert not set(found.query("user_id == 'u05'")["item_id"]) & {"i05", "i06", "i07"}


def test_a_list_that_ends_early_says_why(shop, make_night):
    night = make_night(events=[("u00", "i00", "purchase", 1), ("u01", "i01", "purchase", 1)])
    summary = generate_lists(shop, night, "for_you")
    reasons = read_lists(shop, night, "for_you")["reason"]
    assert reasons.str.endswith("short list: no other item may be shown").all()
    assert summary["short_lists"] == 2


def test_users_with_nothing_to_show_are_named(shop, make_night):
    night = make_night(events=[("u00", "i00", "purchase", 1)])
    summary = generate_lists(shop, night, "discover")
    assert summary["users_without_items"] == ["u00"] and summary["rows"] == 0


def test_there_is_a_list_for_people_not_known(shop, make_night):
    night = make_night()
    generate_lists(shop, night, "discover")
    rows = read_lists(shop, night, "discover", "fallback")
    assert len(rows) == 5 and set(rows["user_id"]) == {""} and set(rows["variant"]) == {"fallback"}


def test_the_same_night_gives_the_same_bytes_in_any_block_size(shop, make_night, monkeypatch):
    night = make_night()
    folder = shop.run_folder(night).lists / "discover"
    generate_lists(shop, night, "discover")
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    generate_lists(shop, night, "discover")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    frame = read_lists(shop, night, "discover")
    monkeypatch.setattr(block_lists, "BLOCK_USERS", 5)
    generate_lists(shop, night, "discover")
    pd.testing.assert_frame_equal(read_lists(shop, night, "discover"), frame)


def test_rows_say_which_recommender_wrote_them(shop, make_night):
    night = make_night()
    generate_lists(shop, night, "discover")
    role = shop.run_folder(night).role_file("discover", "champion")
    versions = set(read_lists(shop, night, "discover")["model_version"])
    assert versions == {json.loads(role.read_text())["model_version"]}


def test_a_night_without_a_fitted_champion_is_refused(shop, make_night):
    with pytest.raises(NoChampionError, match="discover/challenger need a fitted challenger"):
        generate_variant(shop, make_night(), "discover", "challenger")


def test_an_unknown_placement_is_refused(shop, make_night):
    with pytest.raises(SettingsError, match="Got 'basket'. Known: discover, for_you"):
        generate_lists(shop, make_night(), "basket")


def test_a_variant_named_fallback_is_refused(shop, make_night):
    with pytest.raises(SettingsError, match="must not be named 'fallback'"):
        generate_variant(shop, make_night(), "discover", "fallback")


@pytest.mark.parametrize("placement", ["discover", "for_you"])
def test_lists_are_written_by_the_rules_they_are_judged_by(shop, make_night, placement):
    rules = {"diversity": 0.4, "rerank_depth": 3, "pinned": [{"item_id": "i09", "rank": 2}]}
    values = shop.model_dump(mode="json")
    values["placements"][placement] |= rules
    settings, night = parse_settings(values), make_night()
    generate_lists(settings, night, placement)
    found = read_lists(settings, night, placement)

    history = read_interactions(settings, night, night)
    catalogue = read_catalogue(settings, night, night)
    placed = settings.placements[placement]
    judged = place(
        load_recommender(settings.run_folder(night).role(placement, "champion")),
        None,
        history,
        10,
        exclude=placement_exclusion(placed, history, catalogue),
        rules=make_list_rules(placed, history, catalogue),
    )
    whole = np.flatnonzero((judged.items[:, :5] >= 0).all(axis=1))
    assert len(whole) or placement == "discover"
    for user in whole:
        rows = found[found["user_id"] == judged.user_ids[user]]
        assert rows["item_id"].tolist() == judged.item_ids[judged.items[user, :5]].tolist()
        assert rows["score"].tolist() == judged.scores[user, :5].tolist()


@pytest.fixture
def running_experiment(shop):
    """An experiment of `popular` against the champion in `discover`, from the night on."""

    def start(**changes):
        definition = ExperimentDefinition.model_validate(
            {
                "hypothesis": "Popular items do as well.",
                "placement": "discover",
                "arms": [
                    {"name": "control", "weight": 0.5},
                    {"name": "popular", "weight": 0.5, "candidate": "recent_popularity"},
                ],
                "starts": "2024-03-10",
                "ends": "2024-04-10",
                "goal": "ctr",
                "expected_users": 100,
                **changes,
            }
        )
        experiment = Experiment("home", definition, definition_hash(definition))
        write_json(shop.home / "experiments" / "home.json", experiment.as_dict())
        return experiment

    return start


def fit_arm(shop, night):
    """What the refit leaves for the arm `popular`."""
    history = read_interactions(shop, night, night)
    spec = candidate_spec(shop, shop.candidate("recent_popularity"))
    folder = shop.run_folder(night).role("discover", "popular")
    save_recommender(fit_candidate(spec, history), spec, folder)
    role = {"candidate": spec.name, "spec": spec.as_dict(), "spec_hash": spec.spec_hash}
    write_json(folder / "role.json", {**role, "model_version": "popular-1", "run_id": None})


def test_every_arm_of_an_experiment_has_lists_for_everybody(shop, make_night, running_experiment):
    night = make_night()
    running_experiment()
    fit_arm(shop, night)
    generate_lists(shop, night, "discover")
    control, arm = (read_lists(shop, night, "discover", name) for name in ("control", "popular"))
    assert set(control["user_id"]) == set(arm["user_id"])
    assert set(arm["variant"]) == {"popular"} and set(arm["model_version"]) == {"popular-1"}
    assert not control["item_id"].equals(arm["item_id"])


def test_lists_of_an_arm_that_is_no_more_are_removed(shop, make_night, running_experiment):
    night = make_night()
    running_experiment()
    fit_arm(shop, night)
    generate_lists(shop, night, "discover")
    running_experiment(ends="2024-03-10", starts="2024-03-01")
    generate_lists(shop, night, "discover")
    folder = shop.run_folder(night).lists / "discover"
    assert {path.stem for path in folder.glob("*.parquet")} == {"control", "fallback"}


def test_a_publication_carries_its_experiment_and_what_wrote_each_arm(
    shop, make_night, running_experiment
):
    night = make_night()
    experiment = running_experiment()
    fit_arm(shop, night)
    for placement in shop.placements:
        generate_lists(shop, night, placement)
    generate_similar(shop, night)
    audit_lists(shop, night)
    publish(shop, night)
    publication = read_current(shop)
    assert publication.manifest["experiments"] == [experiment.as_dict()]
    rows = run_sql(shop, "select placement, variant, candidate from models order by all")
    assert rows.to_numpy().tolist() == [
        ["discover", "control", "item_knn"],
        ["discover", "popular", "recent_popularity"],
        ["for_you", "control", "personal_frequency"],
    ]
    shares = run_sql(
        shop, "select variant, count(distinct user_id) from recommendations group by 1 order by 1"
    )
    assert shares.to_numpy().tolist() == [["control", 12], ["popular", 12]]


def test_an_edited_experiment_gets_no_arm_and_people_are_served(
    shop, make_night, running_experiment, caplog
):
    night = make_night()
    running_experiment()
    folder = shop.experiments_folder
    folder.mkdir()
    (folder / "home.toml").write_text("hypothesis = 'Another.'")
    generate_lists(shop, night, "discover")
    assert "left out of this night" in caplog.text
    assert not shop.run_folder(night).variant("discover", "popular").exists()
    assert len(read_lists(shop, night, "discover")) == 60
