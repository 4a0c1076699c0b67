from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pipelines.base.config import (
    Settings,
    load_settings,
    parse_settings,
    process_environment,
    stable_hash,
)
from pipelines.base.errors import SettingsError

ROOT = Path(__file__).parents[2]


def test_the_shipped_settings_file_is_valid():
    settings = load_settings(ROOT / "recsys.toml")
    assert set(settings.placements) == {"discover", "for_you"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gate": {"min_user": 5}}, r"`gate.min_user`: Extra inputs are not permitted"),
        ({"colour": "red"}, r"`colour`: Extra inputs are not permitted"),
        ({"evaluation": {"horizon_days": 0}}, r"`evaluation.horizon_days`: .*greater than"),
    ],
)
def test_unknown_and_invalid_keys_are_refused_by_name(values, message):
    with pytest.raises(SettingsError, match=message):
        parse_settings(values)


def test_a_placement_may_only_name_candidates_that_exist():
    with pytest.raises(SettingsError, match=r"placements.discover names candidates.*'ghost'"):
        parse_settings({"placements": {"discover": {"fallback": "ghost"}}})


def test_candidate_names_are_unique():
    twice = {"name": "popularity", "recommender": "popularity"}
    with pytest.raises(SettingsError, match="candidate names must be unique"):
        parse_settings({"candidates": [twice, twice]})


def test_a_candidate_that_is_not_listed_is_refused():
    with pytest.raises(SettingsError, match="must be listed in recsys.toml. Got 'ghost'"):
        load_settings(ROOT / "recsys.toml").candidate("ghost")


def test_a_missing_settings_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match="must be readable TOML"):
        load_settings(tmp_path / "none.toml")


def test_home_comes_from_the_argument_then_the_environment_then_the_file(tmp_path, monkeypatch):
    config = tmp_path / "recsys.toml"
    config.write_text(f'home = "{tmp_path}/file"\n')
    assert load_settings(config).home == tmp_path / "file"
    monkeypatch.setenv("RECSYS_HOME", str(tmp_path / "environment"))
    assert load_settings(config).home == tmp_path / "environment"
    assert load_settings(config, tmp_path / "argument").home == tmp_path / "argument"


def test_processes_that_are_started_read_the_same_file(tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_CONFIG", str(ROOT / "recsys.toml"))
    config = tmp_path / "other.toml"
    config.write_text("[evaluation]\nk = 7\n")
    monkeypatch.chdir(tmp_path)
    environment = process_environment(load_settings("other.toml", tmp_path / "home"))
    monkeypatch.chdir("/")
    monkeypatch.setattr(os, "environ", environment)
    assert load_settings().evaluation.k == 7
    assert load_settings().home == tmp_path / "home"
    assert process_environment(parse_settings({}))["RECSYS_CONFIG"] == str(config)


def test_the_tracking_server_comes_from_the_environment_when_the_file_names_none(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert load_settings(ROOT / "recsys.toml").tracking_uri == "http://127.0.0.1:9"


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        Settings().home = Path("/elsewhere")


def test_stable_hash_depends_on_values_only():
    assert stable_hash({"a": 1, "b": [1, 2]}) == stable_hash({"b": [1, 2], "a": 1})
    assert stable_hash({"a": 1}) != stable_hash({"a": 2})


def test_the_settings_file_comments_every_key_the_code_knows():
    text = (ROOT / "recsys.toml").read_text()
    for section, field in Settings.model_fields.items():
        keys = getattr(field.annotation, "model_fields", {section: None})
        for key in keys:
            assert re.search(rf"^#? ?\[*(\w+\.)?{key}\b", text, re.M), f"{section}.{key} is missing"


@pytest.mark.parametrize(
    ("pins", "match"),
    [
        ([{"item_id": "a", "rank": 1}, {"item_id": "b", "rank": 1}], "every rank of `pinned`"),
        ([{"item_id": "a", "rank": 1}, {"item_id": "a", "rank": 2}], "every item_id of `pinned`"),
        ([{"item_id": "a", "rank": 51}], "within list_length"),
        ([{"item_id": "a", "rank": 0}], "greater than or equal to 1"),
    ],
)
def test_pins_that_cannot_stand_together_are_refused(pins, match):
    with pytest.raises(SettingsError, match=match):
        parse_settings({"placements": {"discover": {"pinned": pins}}})


def test_keys_of_the_api_come_from_the_file_that_the_environment_names(tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_API_KEYS_FILE", str(tmp_path / "keys"))
    assert load_settings(ROOT / "recsys.toml").serve.keys_file == tmp_path / "keys"
    config = tmp_path / "recsys.toml"
    config.write_text('[serve]\nkeys_file = "/etc/keys"\n')
    assert load_settings(config).serve.keys_file == Path("/etc/keys")


@pytest.mark.parametrize("name", ["it's", 'a"b', "a[1]", "50%", "a*", "a?b", "a#b", "{a}", "a\\b"])
def test_a_home_whose_path_means_something_elsewhere_is_refused(tmp_path, name):
    with pytest.raises(SettingsError, match="the path of a home must have none of the characters"):
        parse_settings({"home": tmp_path / name})


@pytest.mark.parametrize("name", ["my shop", "z\u00fcrich", "a,b;c", "$HOME", "a:b", "(1)", "a&b"])
def test_a_home_with_another_name_is_taken(tmp_path, name):
    assert parse_settings({"home": tmp_path / name}).home == tmp_path / name
