from __future__ import annotations

import re
import shutil
from datetime import timedelta

import pytest

from pipelines.base.warehouse import connect, fingerprint_tables
from pipelines.features import build, parsed_project
from pipelines.features.build import DBT_PROJECT, build_features, dbt_variables
from pipelines.features.parsed_project import (
    DBT_PARSED,
    NIGHT_VARIABLES,
    PROFILE_VARIABLES,
    keep_parsed,
    kept_path,
    project_hash,
    read_parsed,
)
from tests.features.conftest import (
    EVENTS,
    FIRST_NIGHT,
    SECOND_NIGHT,
    world_settings,
)

pytestmark = pytest.mark.xdist_group("features")


def test_a_later_night_is_built_from_what_an_earlier_one_parsed(at_once, monkeypatch):
    settings = at_once(EVENTS, FIRST_NIGHT)
    (kept,) = (settings.home / "dbt").iterdir()
    monkeypatch.setattr(build, "keep_parsed", lambda *_: pytest.fail("the project was parsed"))
    report = build_features(settings, SECOND_NIGHT)
    assert report.failed == ()
    monkeypatch.undo()
    monkeypatch.setattr(build, "read_parsed", lambda _: None)
    anew, tables = at_once(EVENTS, name="anew"), []
    for night in (FIRST_NIGHT, SECOND_NIGHT):
        build_features(anew, night)
    for home in (settings, anew):
        with connect(home, read_only=True) as warehouse:
            tables.append(fingerprint_tables(warehouse))
    assert tables[0] == tables[1]
    assert [path.name for path in (settings.home / "dbt").iterdir()] == [kept.name]


def test_what_is_kept_is_told_apart_by_what_dbt_is_told_but_the_night_and_the_warehouse(tmp_path):
    settings = world_settings(tmp_path)
    variables = dbt_variables(settings, FIRST_NIGHT)
    path = kept_path(settings, variables)
    later = dbt_variables(settings, FIRST_NIGHT + timedelta(days=1))
    assert later["as_of"] != variables["as_of"] and later["cutoffs"] != variables["cutoffs"]
    assert kept_path(settings, later) == path
    for name in PROFILE_VARIABLES:
        assert kept_path(settings, variables | {name: "another"}) == path
    for other in ({"stale_warn_days": 4}, {"project_hash": "another"}):
        assert kept_path(settings, variables | other) != path


def test_a_project_is_told_apart_by_its_files_and_the_version_of_dbt(tmp_path, monkeypatch):
    project = tmp_path / "project"
    shutil.copytree(DBT_PROJECT, project)
    found = project_hash(project, "duckdb")
    assert dbt_variables(world_settings(tmp_path), FIRST_NIGHT)["project_hash"] == found
    for name in ("models/intermediate/int_cutoffs.sql", "macros/expressions.sql"):
        path = project / name
        text = path.read_text()
        path.write_text(text + "-- another")
        assert project_hash(project, "duckdb") != found
        path.write_text(text)
    assert project_hash(project, "duckdb") == found
    monkeypatch.setattr(parsed_project, "version", lambda _: "0")
    assert project_hash(project, "duckdb") != found


def test_what_was_kept_before_makes_way(tmp_path):
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / DBT_PARSED).write_bytes(b"parsed")
    for name in ("before", "now"):
        keep_parsed(tmp_path / "dbt" / f"{name}.msgpack", tmp_path / "target")
    (kept,) = (tmp_path / "dbt").iterdir()
    assert (kept.name, kept.read_bytes()) == ("now.msgpack", b"parsed")


def test_a_damaged_file_is_no_parse(tmp_path, caplog):
    path = tmp_path / "damaged.msgpack"
    assert read_parsed(path) is None and not caplog.records
    path.write_bytes(b"\x93 not what dbt wrote")
    assert read_parsed(path) is None
    assert "cannot be read and is made anew" in caplog.text


def files_with(variables):
    """Files of the project that are rendered as it is parsed: of SQL, those with the profile's."""
    pattern = re.compile(rf"var\(\s*['\"]({'|'.join(variables)})\b")
    files = [path for path in DBT_PROJECT.rglob("*") if path.suffix in (".sql", ".yml")]
    return {path.name for path in files if pattern.search(path.read_text())}


def test_no_yaml_has_a_variable_of_the_night():
    assert not [name for name in files_with(NIGHT_VARIABLES) if name.endswith(".yml")]


def test_only_the_profile_has_its_variables():
    assert files_with(PROFILE_VARIABLES) == {"profiles.yml"}
