from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime

import pandas as pd
import pytest

from pipelines.base.config import parse_settings
from pipelines.base.current import LOOKUPS, Publication, read_current
from pipelines.base.errors import PublicationNotFoundError
from pipelines.base.settings_sections import PlacementSettings
from pipelines.base.tables import FEAT_ITEMS
from pipelines.base.warehouse import connect
from pipelines.features.read import read_interactions
from pipelines.features.snapshot import items_file
from pipelines.serve.answer.list_store import ItemInfo, ListStore
from tests.published_shop import (
    CHAMPIONS,
    NIGHT,
    SHOP,
    bought,
    publish_lists,
    refit,
    write_snapshot,
    write_table,
)
from tests.serve.publications import RULES, publish_by_hand

pytestmark = pytest.mark.xdist_group("store")

PIN = {"item_id": "i09", "rank": 2}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """A published night of the shop; its items have categories, and for_you a pin and a cap."""
    for_you = {**SHOP["placements"]["for_you"], "pinned": [PIN], "max_per_category": 4}
    values = {**SHOP, "placements": {**SHOP["placements"], "for_you": for_you}}
    made = parse_settings(
        {
            "home": tmp_path_factory.mktemp("shop") / "home",
            "warehouse": {"memory_limit": "1GB", "threads": 1},
            **values,
        }
    )
    write_snapshot(made, NIGHT, bought(NIGHT))
    items = [
        {
            "cutoff_date": NIGHT,
            "item_id": f"i{number:02}",
            "title": f"Item number {number}" if number else None,
            "category": ["Tea", "Tea|Gifts", None][number % 3],
            "price": 1.5 * number if number else None,
            "is_available": number != 13,
        }
        for number in range(14)
    ]
    write_table(made.run_folder(NIGHT).snapshot / items_file(NIGHT), FEAT_ITEMS, items)
    refit(made, NIGHT, CHAMPIONS)
    publish_lists(made, NIGHT)
    return made


@pytest.fixture(scope="module")
def publication(settings):
    return read_current(settings, verify=True)


@pytest.fixture
def store(publication):
    with closing(ListStore.open(publication)) as opened:
        yield opened


@pytest.fixture
def damaged(publication, tmp_path):
    """A copy of the publication, to change."""
    folder = tmp_path / "it's 100% odd?#" / publication.publication_id
    shutil.copytree(publication.folder, folder)
    return Publication(publication.publication_id, folder, publication.manifest)


@pytest.fixture
def rows_of(settings, publication):
    """Rows of `serving.duckdb`."""

    def read(sql):
        with connect(settings, path=publication.serving_path, read_only=True) as connection:
            return connection.sql(sql).fetchall()

    return read


def unpacked(stored):
    """Rows of a stored list: rank, item_id, score, strategy, reason."""
    rows = []
    for rank, (item_id, score) in enumerate(zip(stored.items, stored.scores, strict=True), 1):
        label = [one for one in stored.labels if one["from_rank"] <= rank][-1]
        rows.append((rank, item_id, score, label["strategy"], label["reason"]))
    return rows


def change(publication, sql, *values):
    with closing(sqlite3.connect(publication.folder / LOOKUPS)) as file, file:
        file.execute(sql, values)


def test_every_list_is_that_of_the_duckdb_file(store, rows_of):
    names = "rank, item_id, score, strategy, reason, model_version"
    found = rows_of(f"select placement, variant, user_id, {names} from recommendations")
    frame = pd.DataFrame(found, columns=["placement", "variant", "user_id", *names.split(", ")])
    lists = frame.sort_values("rank").groupby(["placement", "variant", "user_id"])
    assert len(lists) == 24
    for key, rows in lists:
        stored = store.get_list(*key)
        assert unpacked(stored) == list(rows.iloc[:, 3:8].itertuples(index=False, name=None))
        assert {stored.model_version} == set(rows["model_version"])
    assert "pinned" in set(frame["strategy"])


def test_lists_for_anyone_are_those_of_the_duckdb_file(store, rows_of):
    keys = rows_of("select distinct placement, category from fallback_recommendations")
    assert sorted({category for _, category in keys}) == ["", "Gifts", "Tea"]
    for placement, category in keys:
        assert unpacked(store.get_fallback(placement, category)) == rows_of(
            "select rank, item_id, score, strategy, reason from fallback_recommendations "
            f"where placement = '{placement}' and category = '{category}' order by rank"
        )
    assert store.get_fallback("discover").model_version.startswith("item_knn-")


def test_similar_items_are_those_of_the_duckdb_file(store, rows_of):
    found = dict.fromkeys(item_id for (item_id,) in rows_of("select item_id from similar_items"))
    assert len(found) >= 10
    for item_id in found:
        assert unpacked(store.get_similar(item_id)) == rows_of(
            "select rank, similar_item_id, score, strategy, reason from similar_items "
            f"where item_id = '{item_id}' order by rank"
        )


def test_items_are_those_of_the_duckdb_file(store, rows_of):
    rows = rows_of("select item_id, title, category, price, is_available from items")
    assert store.get_items([row[0] for row in rows]) == {row[0]: ItemInfo(*row[1:]) for row in rows}
    assert store.get_items(["i00", "i13"])["i00"] == ItemInfo(None, "Tea", None, True)
    assert store.get_items(["i13"])["i13"].is_available is False


def test_exclusions_are_the_history_that_the_rule_keeps(settings, store):
    history = read_interactions(settings, NIGHT, NIGHT)
    for user, user_id in enumerate(history.user_ids.tolist()):
        met = history.item_ids[history.item[history.user == user]].tolist()
        assert store.get_exclusions("discover", user_id) == set(met)
        assert store.get_exclusions("for_you", user_id) == frozenset()


def test_a_store_says_what_it_is_of(settings, publication, store):
    assert (store.publication_id, store.as_of) == (publication.publication_id, NIGHT)
    moment = datetime.fromisoformat(publication.manifest["generated_at"])
    assert store.generated_at == moment.replace(tzinfo=UTC)
    assert store.exposure_types == set(settings.events.exposures)


def test_rules_of_placements_come_in_the_order_of_the_settings(store):
    assert list(store.placements) == ["discover", "for_you"]
    assert store.placements["for_you"] == PlacementSettings(
        exclude="none",
        list_length=5,
        max_per_category=4,
        pinned=(PIN,),
        personalise_without_consent=True,
    )
    assert store.placements["discover"].exclude == "all"


def test_rules_by_event_type_are_a_tuple_and_unknown_ones_are_passed_over(damaged):
    rules = {
        "exclude": ["purchase"],
        "exclude_within_days": 30,
        "list_length": 50,
        "max_per_category": None,
        "rerank_depth": 10,
        "pinned": [],
        "of_tomorrow": 1,
    }
    change(
        damaged, "update meta set value = ? where key = 'placements'", json.dumps({"home": rules})
    )
    rules_of_home = PlacementSettings(exclude=("purchase",), exclude_within_days=30)
    with closing(ListStore.open(damaged)) as store:
        assert store.placements == {"home": rules_of_home}


def test_what_is_not_known_is_none_or_left_out(store):
    assert store.get_list("discover", "control", "nobody") is None
    assert store.get_list("basket", "control", "u00") is None
    assert store.get_list("discover", "fallback", "") is None
    assert store.get_fallback("discover", "Coffee") is None
    assert store.get_similar("nothing") is None
    assert store.get_exclusions("discover", "nobody") == frozenset()
    assert list(store.get_items(["i01", "zzz"])) == ["i01"]
    assert store.get_items([]) == {}


@pytest.mark.parametrize("odd", ["u00' or '1'='1", '"]', "%", "\x00", "\u202e", "u00\x00"])
def test_ids_that_look_like_something_else_are_only_ids(store, odd):
    assert store.get_list("discover", "control", odd) is None
    assert store.get_similar(odd) is None
    assert store.get_items([odd, "i01"]).keys() == {"i01"}


def test_many_threads_get_the_lists_they_ask_for(store):
    wrong = []

    def ask(user_id, items):
        for _ in range(300):
            if store.get_list("for_you", "control", user_id).items != items:
                wrong.append(user_id)

    wanted = {user: store.get_list("for_you", "control", user).items for user in ("u00", "u05")}
    threads = [threading.Thread(target=ask, args=pair) for pair in [*wanted.items()] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and wanted["u00"] != wanted["u05"]


def test_the_file_cannot_be_written_to(store):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store._connection.execute("delete from lists")


def test_a_closed_store_says_so(publication):
    store = ListStore.open(publication)
    store.close()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        store.get_similar("i01")


# refused


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("schema_version", "1", "schema_version 1"),
        ("schema_version", "two", "invalid literal"),
        ("publication_id", "2024-03-09-00000000", "the lists of 2024-03-09-00000000"),
        ("as_of", "2024-03-1", "Invalid isoformat"),
        ("generated_at", "", "Invalid isoformat"),
        ("placements", '{"discover": {}}', "exclude"),
        ("placements", "[]", "no attribute 'items'"),
        ("exposure_types", "{", "Expecting property name"),
    ],
)
def test_a_flipped_meta_is_refused(damaged, key, value, found):
    change(damaged, "update meta set value = ? where key = ?", value, key)
    with pytest.raises(PublicationNotFoundError, match=rf"schema version 2\. Found .*{found}"):
        ListStore.open(damaged)


def test_a_meta_without_a_row_is_refused(damaged):
    change(damaged, "delete from meta where key = 'placements'")
    with pytest.raises(PublicationNotFoundError, match="Found KeyError"):
        ListStore.open(damaged)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.3, 0.5, 0.7])
def test_a_truncated_file_is_refused(damaged, share):
    path = damaged.folder / LOOKUPS
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(PublicationNotFoundError, match="Publish that night again"):
        ListStore.open(damaged).sample_check()


def test_a_file_that_is_gone_or_no_database_is_refused(damaged):
    path = damaged.folder / LOOKUPS
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(PublicationNotFoundError, match="not a database"):
        ListStore.open(damaged)
    path.unlink()
    with pytest.raises(PublicationNotFoundError, match="unable to open"):
        ListStore.open(damaged)


# the sample


def test_sound_lists_pass_the_sample(store):
    store.sample_check()


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "[]",
        '{"items": ["i01"]',
        '{"items": [], "scores": [], "labels": [], "model_version": ""}',
        '{"items": ["i01"], "scores": [], "labels": [], "model_version": ""}',
    ],
)
def test_a_list_that_is_none_fails_the_sample(damaged, payload):
    change(damaged, "update lists set payload = ? where user_id = 'u04'", payload)
    with (
        closing(ListStore.open(damaged)) as store,
        pytest.raises(PublicationNotFoundError, match="Random look-ups in 2024-03-10"),
    ):
        store.sample_check(1000)  # twelve users: u04 is among them


def test_a_publication_without_lists_has_nothing_to_sample(damaged):
    change(damaged, "delete from lists")
    with closing(ListStore.open(damaged)) as store:
        store.sample_check()


def fill_lists(publication, count):
    """Lists of so many users, ids as a shop has them."""
    with closing(sqlite3.connect(publication.folder / LOOKUPS)) as file, file:
        ((payload,),) = file.execute("select payload from lists limit 1").fetchall()
        file.execute("delete from lists")
        file.executemany(
            "insert into lists values ('discover', 'control', ?, ?)",
            [(f"c{number * 7919 % 100_003:06d}", payload) for number in range(count)],
        )


def test_the_sample_is_spread_over_the_users(damaged):
    fill_lists(damaged, 2000)
    with closing(ListStore.open(damaged)) as store:
        users = list(store._random_users("discover", "control", 400))
    # 400 draws with equal chances meet 362 of 2,000 users, and tenths of them about alike
    assert len(set(users)) > 250
    tenths = pd.Series(users).str[1:].astype(int) // 10_001
    assert tenths.value_counts().reindex(range(10), fill_value=0).min() >= 10


def test_every_placement_and_variant_is_sampled(damaged):
    for variant in ("blue", "treatment"):
        change(
            damaged,
            "insert into lists select placement, ?, user_id, payload from lists "
            "where placement = 'for_you' and variant = 'control'",
            variant,
        )
    with closing(ListStore.open(damaged)) as store:
        assert list(store._kinds()) == [
            ("discover", "control"),
            *(("for_you", variant) for variant in ("blue", "control", "treatment")),
        ]


def test_the_sample_costs_no_more_with_more_lists(damaged):
    def steps(count):
        fill_lists(damaged, count)
        taken = 0

        def step():
            nonlocal taken
            taken += 1

        with closing(ListStore.open(damaged)) as store:
            store._connection.set_progress_handler(step, 1)
            store.sample_check(20)
        return taken

    few = steps(500)
    assert 0 < steps(10_000) < 1.2 * few


@pytest.fixture
def popular_store(make_settings, content):
    pinned = [{"item_id": "a", "rank": 1}]
    given = content(placements={"discover": {**RULES, "pinned": pinned}, "bare": RULES})
    one = ListStore.open(publish_by_hand(make_settings(), given))
    yield one
    one.close()


def test_the_lists_for_anyone_outlive_the_file(popular_store):
    wanted = popular_store.get_fallback("discover")
    with closing(popular_store.hold_popular()) as held:
        popular_store.close()
        assert held.get_fallback("discover") == wanted
        assert held.get_fallback("discover", "tea") is None and held.get_fallback("bare") is None
        assert held.get_items(["k", "a", "zz", "b"]).keys() == {"k", "a"}  # a is pinned, b in none


def test_nothing_of_a_user_or_an_item_is_held_in_memory(popular_store):
    with closing(popular_store.hold_popular()) as held:
        assert held.get_list("discover", "control", "u1") is None
        assert held.get_exclusions("discover", "u1") == frozenset()
        assert held.get_similar("a") is None
        for name in ("publication_id", "as_of", "generated_at", "placements", "exposure_types"):
            assert getattr(held, name) == getattr(popular_store, name)
