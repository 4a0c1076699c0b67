from __future__ import annotations

import json
import logging
import os
import re
import uuid
import warnings
from datetime import date

import pytest
import yaml

from pipelines.base.errors import FeatureBuildError, WarehouseLockedError
from pipelines.base.tables import DBT_TABLES, INT_USER_ITEM_DAYS
from pipelines.base.warehouse import connect, fingerprint_tables
from pipelines.features import build
from pipelines.features.build import DBT_PROJECT, build_features, dbt_variables, generate_docs
from tests.features.conftest import (
    EVENTS,
    FEATURE_TABLES,
    FIRST_NIGHT,
    ITEMS,
    SECOND_NIGHT,
    SHARED_CUTOFFS,
    insert_events,
    insert_items,
    world_settings,
)

pytestmark = pytest.mark.xdist_group("features")


def yaml_of(kind):
    """Every entry of one kind in the dbt project's YAML, by name."""
    files = [yaml.safe_load(path.read_text()) for path in DBT_PROJECT.glob("models/**/*.yml")]
    return {entry["name"]: entry for file in files for entry in file.get(kind, [])}


def test_build_passes_every_dbt_model_check_and_unit_test(shop):
    report = shop.reports[FIRST_NIGHT]
    assert report.failed == ()
    kinds = [node.kind for node in report.nodes]
    assert {kind: kinds.count(kind) for kind in ("model", "unit_test", "source")} == {
        "model": 21,
        "unit_test": len(yaml_of("unit_tests")),
        "source": 1,
    }
    assert {node.status for node in report.nodes} == {"success", "pass"}


def test_build_leaves_its_report_in_the_run_folder(shop):
    path = shop.settings.run_folder(SECOND_NIGHT).build
    assert json.loads(path.read_text()) == shop.reports[SECOND_NIGHT].as_dict()
    assert len(json.loads(path.read_text())["invocation_id"]) == len(str(uuid.uuid4()))
    assert json.loads(path.read_text())["cutoffs"] == ["2024-01-29", "2024-02-05", "2024-02-12"]


def test_features_of_a_user_are_what_the_events_say(shop):
    (ann,) = [row for row in shop.features["feat_users", date(2024, 2, 5)] if row[1] == "ann"]
    # 5 events on 3 days; tea on two days, cup on one; 3 tea at 3.5, 2 cups at 0.2.
    assert ann[2:9] == (5, 4, 0, 2, 3, 0.5, 3 * 3.5 + 2 * 0.2)
    assert ann[-3:] == (8, 34, "heavy")


def test_a_late_event_is_known_from_the_cutoff_after_it_landed(shop):
    def cups_of_ann(cutoff):
        rows = shop.features["feat_user_items", cutoff]
        return [row[4] for row in rows if row[1:3] == ("ann", "cup")]

    assert cups_of_ann(date(2024, 1, 29)) == [1]
    assert cups_of_ann(date(2024, 2, 5)) == [2]


def test_who_was_only_shown_something_is_no_user(shop):
    assert "eve" not in {row[1] for row in shop.features["feat_users", SECOND_NIGHT]}


def test_an_item_has_the_attributes_of_its_cutoff(shop):
    def tea(cutoff):
        return next(row[2:5] for row in shop.features["feat_items", cutoff] if row[1] == "tea")

    assert tea(date(2024, 1, 29)) == ("Green tea", None, 3.5)
    assert tea(date(2024, 2, 5)) == ("Green tea, new harvest", None, 3.0)


def test_items_are_known_by_attributes_or_by_events(shop):
    items = {row[1]: row for row in shop.features["feat_items", date(2024, 2, 5)]}
    assert sorted(items) == ["cup", "jar", "pot", "tea"]
    assert items["jar"][8:10] == (0, 0) and items["pot"][2] is None


def test_what_is_planted_in_the_future_changes_no_feature_before_it(shop, shop_with_a_future):
    for cutoff in SHARED_CUTOFFS:
        for table in ("feat_user_items", "feat_users", "feat_items"):
            planted = shop_with_a_future.features[table, cutoff]
            assert planted == shop.features[table, cutoff], (table, cutoff)
    for table in ("feat_user_items", "feat_users", "feat_items"):
        assert (
            shop_with_a_future.features[table, SECOND_NIGHT] != shop.features[table, SECOND_NIGHT]
        )


def test_nights_in_either_order_leave_identical_tables(shop, shop_backwards):
    assert shop_backwards.tables == shop.tables
    assert shop.tables["features.feat_user_items"][0] > 0


def user_item_days(settings):
    columns = ", ".join(INT_USER_ITEM_DAYS.columns)
    with connect(settings, read_only=True) as warehouse:
        rows = f"select {columns} from {INT_USER_ITEM_DAYS.qualified} order by all"
        return warehouse.execute(rows).fetchall()


def test_days_built_night_by_night_are_those_built_at_once(tmp_path, shop):
    settings = world_settings(tmp_path)
    insert_items(settings, ITEMS)

    def landed(event):
        return date.fromisoformat(event[5] or event[4][:10])

    insert_events(settings, [event for event in EVENTS if landed(event) < date(2024, 1, 29)])
    build_features(settings, date(2024, 1, 29))
    with connect(settings) as warehouse:  # a trace in a row that nothing has to build again
        warehouse.execute(
            "update intermediate.int_user_item_days set quantity = 7 where quantity > 1"
        )
        warehouse.execute(
            "update intermediate.int_user_item_days set quantity = 1 where quantity = 7"
        )
    traced = user_item_days(settings)
    insert_events(settings, [event for event in EVENTS if landed(event) >= date(2024, 1, 29)])
    build_features(settings, SECOND_NIGHT)
    assert set(traced) < set(user_item_days(settings)) != set(user_item_days(shop.settings))

    with connect(settings) as warehouse:  # an event of the first day is told anew
        warehouse.execute("update raw.events set price = 3.25 where event_id = 'e01'")
    build_features(settings, SECOND_NIGHT)
    with connect(settings) as warehouse:
        warehouse.execute("update raw.events set price = 3.5 where event_id = 'e01'")
    build_features(settings, SECOND_NIGHT)
    assert user_item_days(settings) == user_item_days(shop.settings)

    with connect(settings) as warehouse:  # a day file is taken back
        warehouse.execute("delete from raw.events where landed_date = '2024-02-11'")
    build_features(settings, SECOND_NIGHT)
    assert set(user_item_days(settings)) < set(user_item_days(shop.settings))


@pytest.mark.parametrize("change", ["a table from before", "hashes from before", "another project"])
def test_days_of_another_version_are_built_anew(at_once, shop, monkeypatch, change):
    settings = at_once(EVENTS, SECOND_NIGHT)
    with connect(settings) as warehouse:
        warehouse.execute("update intermediate.int_user_item_days set event_count = 9")
        if change == "a table from before":
            warehouse.execute("alter table intermediate.int_user_item_days drop landing_hash")
        if change == "hashes from before":
            for column in ("user_item_days alter landing_hash", "built_dates alter content_hash"):
                warehouse.execute(f"alter table intermediate.int_{column} type ubigint")
    if change != "a table from before":
        monkeypatch.setattr(build, "project_hash", lambda *_: "another")
    build_features(settings, SECOND_NIGHT)
    kept = [row[:-1] for row in user_item_days(settings)]  # but for the hash itself
    assert kept == [row[:-1] for row in user_item_days(shop.settings)]


def test_what_a_night_adds_is_inserted_from_views_and_said_as_it_is_built(
    at_once, monkeypatch, caplog
):
    settings = at_once(EVENTS, FIRST_NIGHT)
    said = []
    follow = build._follow
    monkeypatch.setattr(
        build, "_follow", lambda event: (said.append(getattr(event.data, "sql", "")), follow(event))
    )
    caplog.clear()
    with caplog.at_level(logging.INFO, "pipelines"):
        build_features(settings, SECOND_NIGHT)
    made = [sql for sql in said if re.search(r"create temporary \w+\s+\"\w+__dbt_tmp", sql)]
    assert len(made) == 8 and all("create temporary view" in sql for sql in made)
    assert caplog.text.count("built ") == 21
    assert re.search(r"built feat_user_items in \d+\.\d\d s", caplog.text)


def tables(settings):
    with connect(settings, read_only=True) as warehouse:
        return fingerprint_tables(warehouse)


def rows_of(settings, asked):
    with connect(settings, read_only=True) as warehouse:
        return warehouse.execute(asked).fetchall()


def change(settings, *statements):
    with connect(settings) as warehouse:
        for statement in statements:
            warehouse.execute(statement)


def by_day_of_landing(events):
    landings = {}
    for event in events:
        landings.setdefault(event[5] or event[4][:10], []).append(event)
    return sorted(landings.items())


#: Beside those of the shop: news of an old pair, late news of an old day, a user who only was late.
MORE_EVENTS = [
    *EVENTS,
    ("g01", "view", "bob", "cup", "2024-02-08 10:00", None, None, None),
    ("g02", "purchase", "ann", "tea", "2024-01-16 07:00", "2024-02-09", 1, 3.1),
    ("g03", "purchase", "dan", "pot", "2024-01-03 10:00", "2024-02-10", 1, 0.3),
    ("e05", "purchase", "bob", "cup", "2024-01-27 10:00", "2024-02-10", 3, 0.1),
    ("g04", "impression", "cid", "tea", "2024-02-11 10:00", None, None, None),
]


THREE_NIGHTS = [date(2024, 2, day) for day in (9, 10, 12)]


def test_nights_in_a_row_leave_the_tables_of_the_same_nights_on_the_whole_log(tmp_path, at_once):
    """Cutoffs taken from the ones before are those that are summed from all events."""
    settings = world_settings(tmp_path / "nights")
    insert_items(settings, ITEMS)
    landings = by_day_of_landing(MORE_EVENTS)
    for night in THREE_NIGHTS:
        while landings and landings[0][0] < night.isoformat():
            insert_events(settings, landings.pop(0)[1])
        build_features(settings, night)
    assert not landings
    anew = at_once(MORE_EVENTS)
    for night in THREE_NIGHTS:  # nothing is remembered: each night sums all
        change(anew, "drop table if exists intermediate.int_built_dates")
        build_features(anew, night)
    expected = {name: found for name, found in tables(anew).items() if "built_dates" not in name}
    found = tables(settings)
    assert {name: found[name] for name in expected} == expected
    assert found["features.feat_user_items"][0] > 30
    columns = "event_count, view_count, first_event_at, last_event_at, cutoff_date"
    carried = rows_of(settings, f"select user_id, item_id, {columns} from features.feat_user_items")
    assert sorted(carried) == sorted(summed_pairs(settings))


def summed_pairs(settings):
    """Every pair of every cutoff in feat_user_items, each cutoff summed from all days it knows."""
    return rows_of(
        settings,
        "select user_id, item_id, sum(event_count)::bigint,"
        " coalesce(sum(event_count) filter (event_type = 'view'), 0)::bigint,"
        " min(first_event_at), max(last_event_at), cutoff_date"
        " from intermediate.int_user_item_days as days"
        " join (select distinct cutoff_date from features.feat_user_items) as cutoffs"
        " on days.event_date < cutoff_date and days.landed_date < cutoff_date"
        " where event_type not in ('impression', 'served') group by all",
    )


@pytest.mark.parametrize(
    "changed",
    [
        "update raw.events set landed_date = '2024-02-07' where event_id = 'e04'",
        "delete from raw.events where landed_date = '2024-01-30'",
    ],
)
def test_a_changed_day_file_is_built_anew_wherever_it_is_known(at_once, changed):
    """Also where the night that first met it was stopped half way, and it was changed back since."""
    settings = at_once(MORE_EVENTS, date(2024, 2, 11))
    before = tables(settings)
    change(settings, "create table kept as from raw.events", changed)
    change(
        settings,
        "insert into raw.events select * replace (null as user_id) from raw.events "
        "where event_id = 'e13'",
    )  # stops the build after int_repeated_events
    with pytest.raises(FeatureBuildError):
        build_features(settings, date(2024, 2, 11))
    change(
        settings, "delete from raw.events", "insert into raw.events from kept", "drop table kept"
    )
    build_features(settings, date(2024, 2, 11))
    assert tables(settings) == before
    change(settings, changed)
    build_features(settings, SECOND_NIGHT)
    other = at_once(MORE_EVENTS, name="other")
    change(other, changed)
    build_features(other, SECOND_NIGHT)
    tonight = f"cutoff_date in {tuple(map(str, settings.night(SECOND_NIGHT).cutoffs))}"
    for table in FEATURE_TABLES:
        asked = f"from features.{table} where {tonight} order by all"
        found = [rows_of(home, asked) for home in (settings, other)]
        assert found[0] == found[1] != [], table


def test_cutoffs_that_are_built_and_unchanged_are_not_written_again(at_once):
    settings = at_once(MORE_EVENTS, FIRST_NIGHT)
    change(settings, "update features.feat_user_items set quantity = 77 where user_id = 'bob'")
    build_features(settings, SECOND_NIGHT)

    def traced():
        with connect(settings, read_only=True) as warehouse:
            rows = "select distinct cutoff_date from features.feat_user_items where quantity = 77"
            return {cutoff for (cutoff,) in warehouse.execute(rows).fetchall()}

    assert traced() == {date(2024, 1, 22), date(2024, 1, 29), FIRST_NIGHT}
    change(settings, "update raw.events set price = 0.3 where event_id = 'e08'")  # of the 30th
    build_features(settings, SECOND_NIGHT)
    assert traced() == {date(2024, 1, 22), date(2024, 1, 29)}


def test_other_settings_build_everything_anew(at_once):
    homes = at_once(MORE_EVENTS, SECOND_NIGHT).home, at_once(MORE_EVENTS, name="anew").home
    found = []
    for home in homes:
        settings = world_settings(home, half_life_days=3)
        events = settings.events.model_copy(update={"exposures": ("view", "impression")})
        settings = settings.model_copy(update={"events": events})
        build_features(settings, SECOND_NIGHT)
        found.append(tables(settings))
    assert found[0] == found[1]


def test_rows_that_no_build_has_passed_are_tested_again(at_once):
    settings = at_once(MORE_EVENTS, FIRST_NIGHT)
    twice = (
        "insert into features.feat_user_items by name from features.feat_user_items "
        "where cutoff_date = '2024-02-05'"
    )
    change(settings, twice, "update intermediate.int_built_dates set is_tested = false")
    for _ in range(2):
        with pytest.raises(FeatureBuildError) as caught:
            build_features(settings, FIRST_NIGHT)
        assert "feat_user_items_holds" in str(caught.value)
        assert "cutoff_date, user_id, item_id must be unique, and 5 keys are not" in str(
            caught.value
        )


def test_an_equation_that_rows_break_is_told_as_it_is_written(at_once):
    settings = at_once(MORE_EVENTS, FIRST_NIGHT)
    change(settings, "update features.feat_users set segment = 'it''s' where user_id = 'ann'")
    with pytest.raises(FeatureBuildError) as caught:
        build_features(settings, FIRST_NIGHT)
    assert re.search(
        r"feat_users_holds.*segment in \('new', 'light', 'heavy'\) and .* must hold, and \d rows",
        str(caught.value),
        re.DOTALL,
    )


def test_cutoffs_beyond_the_retention_are_dropped(shop):
    cutoffs = {cutoff for _, cutoff in shop.features}
    assert cutoffs == {date(2024, 1, 22), *SHARED_CUTOFFS, SECOND_NIGHT}


def test_a_failed_build_names_each_node_and_frees_the_warehouse(tmp_path, caplog):
    settings = world_settings(tmp_path)
    insert_events(settings, [*EVENTS, ("bad", "view", None, "tea", "2024-01-02 09:00", None, 1, 1)])
    before = dict(os.environ), list(warnings.filters)
    with caplog.at_level(logging.ERROR), pytest.raises(FeatureBuildError) as caught:
        build_features(settings, FIRST_NIGHT)
    assert "user_id must not be null, and 1 rows have none" in str(caught.value)
    assert re.search(r"Every dbt node must pass.*Found \d failed", str(caught.value))
    assert "stg_events_holds" in caplog.text
    assert (dict(os.environ), list(warnings.filters)) == before
    assert not json.loads(settings.run_folder(FIRST_NIGHT).build.read_text())["is_passed"]
    with connect(settings) as warehouse:
        assert warehouse.execute("select count(*) from raw.events").fetchone() == (15,)


def test_a_stale_source_stops_the_build_by_the_night_and_not_by_the_clock(tmp_path):
    settings = world_settings(tmp_path, stale_warn_days=1, stale_error_days=3)
    insert_events(settings, EVENTS)
    insert_items(settings, ITEMS)
    with pytest.raises(FeatureBuildError, match="raw.events: error: .* ends 4 days before as_of"):
        build_features(settings, date(2024, 2, 16))


def test_a_shop_without_a_single_event_stops_the_build(tmp_path):
    with pytest.raises(FeatureBuildError, match="raw.events: error: no day file is before as_of"):
        build_features(world_settings(tmp_path), FIRST_NIGHT)


def test_a_project_that_dbt_cannot_read_is_an_error_that_says_so(tmp_path, monkeypatch):
    settings = world_settings(tmp_path)
    monkeypatch.setattr(build, "DBT_PROJECT", tmp_path)
    with pytest.raises(FeatureBuildError, match="must be able to run the project"):
        build_features(settings, FIRST_NIGHT)


def test_a_warehouse_held_by_another_is_refused_before_dbt_starts(tmp_path, monkeypatch):
    def held(*args, **kwargs):
        raise WarehouseLockedError("held")

    monkeypatch.setattr(build, "connect", held)
    with pytest.raises(WarehouseLockedError, match="held"):
        build_features(world_settings(tmp_path), FIRST_NIGHT)


def test_docs_are_one_page_in_the_run_folder_that_describes_the_tables(shop):
    page = generate_docs(shop.settings, SECOND_NIGHT)
    assert page.parent == shop.settings.run_folder(SECOND_NIGHT).dbt
    assert "One row per cutoff_date and user_id" in page.read_text()


def test_nothing_is_written_beside_the_dbt_sources(shop):
    written = {path.name for path in DBT_PROJECT.iterdir()}
    assert written == {"dbt_project.yml", "profiles.yml", "macros", "models", "tests"}


@pytest.mark.parametrize("table", DBT_TABLES, ids=lambda table: table.name)
def test_tables_have_the_columns_and_the_grain_that_their_yaml_says(shop, table):
    with connect(shop.settings, read_only=True) as warehouse:
        rows = warehouse.execute(f"describe {table.qualified}").fetchall()
    assert [row[:2] for row in rows] == list(table.columns.items())
    assert set(table.key) <= set(table.columns)
    assert table.grain.startswith("One row per ")


@pytest.mark.parametrize("name", sorted(yaml_of("models")))
def test_every_dbt_model_says_its_grain_first_and_describes_every_column(name):
    described = yaml_of("models")[name]
    assert described["description"].startswith("One row per ")
    assert all(column["description"].strip() for column in described["columns"])


def test_every_dbt_model_with_logic_has_a_unit_test():
    tested = {test["model"] for test in yaml_of("unit_tests").values()}
    assert set(yaml_of("models")) - tested == {"int_cutoffs", "int_built_dates"}  # no branch


@pytest.mark.parametrize(
    "path", sorted(DBT_PROJECT.glob("tests/*.sql")), ids=lambda path: path.stem
)
def test_singular_tests_say_when_they_fail_and_why(path):
    text = path.read_text()
    assert path.stem.startswith("assert_")
    assert all(word in text for word in ("Fails when:", "Why:", "Precedent:", "Not this:"))


def test_the_build_passes_every_variable_the_project_declares(tmp_path):
    declared = yaml.safe_load((DBT_PROJECT / "dbt_project.yml").read_text())["vars"]
    passed = dbt_variables(world_settings(tmp_path), FIRST_NIGHT)
    assert set(declared) | {"warehouse", "temp_directory", "memory_limit", "threads"} == set(passed)
