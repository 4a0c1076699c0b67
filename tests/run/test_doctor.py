from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

from pipelines.base import spark
from pipelines.base.config import load_settings
from pipelines.events.configured_sources import land_sources
from pipelines.publications.choose import pin
from pipelines.run.doctor import MIN_FREE_BYTES, examine
from pipelines.run.moved_home import repair_home
from tests.conftest import land_small_shop

ROOT = Path(__file__).parent.parent.parent
BASELINES = ("popularity", "recent_popularity")


def by_subject(settings):
    return {finding.subject: finding for finding in examine(settings)}


def test_an_empty_home_is_told_what_to_run_first(make_settings):
    settings = make_settings()
    found = by_subject(settings)
    assert not found["day files"].is_fine
    assert "recsys land online-retail" in found["day files"].remedy
    assert "recsys run --as-of" in found["warehouse"].remedy
    assert not found["publication"].is_fine


def test_an_engine_that_is_not_installed_is_told(make_settings, monkeypatch):
    assert by_subject(make_settings())["engine"].found == "duckdb, in this process"
    settings = make_settings(engine="spark", spark={"master": "local[3]"})
    found = by_subject(settings)["engine"].found
    assert found == "spark on local[3]: features, and lists of many users"
    monkeypatch.setattr(spark, "MODULES", ("dbt.adapters.ghost",))
    found = by_subject(settings)["engine"]
    assert not found.is_fine and "Found no dbt.adapters.ghost" in found.found


def test_looking_at_a_home_leaves_it_as_it_was(make_settings):
    settings = make_settings()
    examine(settings)
    assert not settings.home.exists()


def test_a_home_after_a_night_lacks_nothing(small_shop):
    settings = small_shop(after=(10,))
    repair_home(settings)  # it is a copy
    found = examine(settings)
    assert [finding.subject for finding in found if not finding.is_fine] == ["freshness"]
    assert by_subject(settings)["MLflow"].found.endswith(": 1 nights")
    assert "CURRENT is 2024-03-11-" in by_subject(settings)["publication"].found
    pin(settings)
    assert "is pinned: later nights are not shown" in by_subject(settings)["publication"].found
    (settings.publications / "PIN.json").write_text("{")
    broken = by_subject(settings)["publication"]
    assert not broken.is_fine and "recsys unpin" in broken.found


def test_a_settings_file_of_ones_own_says_what_it_leaves_to_the_defaults(tmp_path):
    own = tmp_path / "recsys.toml"
    own.write_text("[gate]\nmin_users = 408\n")
    finding = by_subject(load_settings(own, tmp_path / "home"))["settings"]
    assert not finding.is_fine
    assert "the defaults hold for placements, candidates, events" in finding.found
    assert "gate" not in finding.found.partition("hold for")[2].partition(".")[0]
    assert "candidates popularity, recent_popularity" in finding.found
    assert "recsys init FILE" in finding.remedy


def test_the_bundled_settings_leave_no_section_to_the_defaults(tmp_path):
    finding = by_subject(load_settings(ROOT / "recsys.toml", tmp_path / "home"))["settings"]
    assert finding.is_fine and "defaults" not in finding.found


def test_days_that_were_landed_are_counted(make_settings):
    settings = make_settings()
    land_small_shop(settings)
    assert by_subject(settings)["day files"].found == "70 days, 2024-01-01 to 2024-03-10"


def test_sources_are_told_with_what_is_not_there(make_settings, tmp_path):
    (tmp_path / "orders.csv").write_text("who,what,at\nu1,i1,2024-03-08\n")
    mapping = {"user_id": "who", "item_id": "what", "event_at": "at"}
    orders = {"name": "orders", "path": str(tmp_path / "orders.csv"), "mapping": mapping}
    orders["event_type"] = "purchase"
    settings = make_settings(sources=[orders])
    assert by_subject(settings)["sources"].found == "orders (not landed yet)"
    land_sources(settings, date(2024, 3, 9))
    assert by_subject(settings)["sources"].found == "orders (landed)"
    gone = {**orders, "name": "clicks", "path": str(tmp_path / "clicks.csv")}
    finding = by_subject(make_settings(sources=[orders, gone]))["sources"]
    assert not finding.is_fine
    assert finding.found == (
        f"orders (landed), clicks (not landed yet); nothing is at {tmp_path}/clicks.csv"
    )


def test_nights_that_stopped_and_a_paused_schedule_are_told(make_settings):
    settings = make_settings()
    assert by_subject(settings)["nights"].found == "none yet"
    assert "has seen the nightly DAG" in by_subject(settings)["schedule"].found
    sound, stopped = settings.run_folder(date(2024, 3, 9)), settings.run_folder(date(2024, 3, 10))
    for folder, last in ((sound.steps, "publish"), (stopped.steps, "load_days")):
        folder.mkdir(parents=True)
        (folder / f"{last}.json").write_text("{}")
    sound.publication.write_text("{}")
    finding = by_subject(settings)["nights"]
    assert not finding.is_fine
    assert finding.found == ("1 of the newest 2 were published; 2024-03-10 stopped after load_days")
    settings.airflow.mkdir()
    with closing(sqlite3.connect(settings.airflow / "airflow.db")) as database:
        database.execute("create table dag (dag_id text, is_paused int)")
        database.execute("insert into dag values ('nightly_recommendations', 1)")
        database.commit()
        assert "recsys up --unpause" in by_subject(settings)["schedule"].found
        database.execute("update dag set is_paused = 0")
        database.commit()
        assert "runs by its schedule" in by_subject(settings)["schedule"].found


def test_a_wrong_candidate_is_named(make_settings):
    wrong = {"name": "odd", "recommender": "popularity", "params": {"halflife": 3}}
    sound = [{"name": name, "recommender": "popularity"} for name in BASELINES]
    finding = by_subject(make_settings(candidates=[wrong, *sound]))["candidates"]
    assert not finding.is_fine
    assert "halflife" in finding.found


def test_a_full_disk_is_seen(make_settings, monkeypatch):
    usage = type("Usage", (), {"free": MIN_FREE_BYTES - 1})
    monkeypatch.setattr("shutil.disk_usage", lambda place: usage)
    assert not by_subject(make_settings())["disk"].is_fine


def test_an_mlflow_server_that_does_not_answer_is_said(make_settings):
    settings = make_settings(mlflow={"tracking_uri": "http://127.0.0.1:1"})
    finding = by_subject(settings)["MLflow"]
    assert (finding.is_fine, finding.found) == (False, "http://127.0.0.1:1: no answer")
