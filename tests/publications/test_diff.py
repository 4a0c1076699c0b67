from __future__ import annotations

import duckdb
import pandas as pd
import pytest

from pipelines.base.current import LOOKUPS, MANIFEST, MANIFEST_HASH, SERVING
from pipelines.base.durable import file_sha256, write_json, write_text
from pipelines.base.errors import PublicationNotFoundError, SettingsError
from pipelines.base.warehouse import connect
from pipelines.publications.diff import diff_publications

OLD, NEW = "2024-03-10-00000000", "2024-03-11-11111111"
#: user, items in order of rank; strategy "knn", the last of each list "popular".
BEFORE = {"same": "abc", "swapped": "abc", "other": "abc", "gone": "abc"}
AFTER = {"same": "abc", "swapped": "bac", "other": "axy", "fresh": "xyz"}


def store(settings, publication_id, lists, placement="home"):
    """A publication with these lists and nothing else; other placements stay as they are."""
    folder = settings.publications / publication_id
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            **{"placement": placement, "variant": "control", "user_id": user, "item_id": item},
            **{"rank": rank, "strategy": "popular" if rank == len(items) else "knn"},
        }
        for user, items in lists.items()
        for rank, item in enumerate(items, 1)
    ]
    frame = pd.DataFrame(rows)
    titles = pd.DataFrame({"item_id": list("abcxyz"), "title": list("ABCXYZ")})
    with duckdb.connect(str(folder / "serving.duckdb")) as connection:
        connection.register("frame", frame)
        connection.register("titles", titles)
        connection.execute("create table if not exists recommendations as from frame limit 0")
        connection.execute("insert into recommendations from frame")
        connection.execute("create or replace table items as from titles")
    (folder / LOOKUPS).touch()
    files = {name: {"sha256": file_sha256(folder / name)} for name in (SERVING, LOOKUPS)}
    write_json(folder / MANIFEST, {"publication_id": publication_id, "files": files})
    write_text(folder / MANIFEST_HASH, f"{file_sha256(folder / MANIFEST)}\n")


@pytest.fixture
def diff(shop):
    store(shop, OLD, BEFORE)
    store(shop, NEW, AFTER)
    found = diff_publications(shop, OLD, NEW)
    (entry,) = found["lists"]
    return entry


def test_users_are_counted_by_what_became_of_their_list(diff):
    assert (diff["placement"], diff["variant"]) == ("home", "control")
    assert diff["users"] == {
        **{"before": 4, "after": 4, "both": 3},
        **{"changed": 2, "appeared": 1, "vanished": 1},
    }


def test_overlap_is_of_users_of_both_nights(diff):
    # same and swapped keep 3 of 3, other keeps 1 of 3
    overlap = diff["overlap_at_10"]
    assert overlap["mean"] == pytest.approx((1 + 1 + 1 / 3) / 3)
    assert overlap["p50"] == 1.0
    assert overlap["histogram"] == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2]


def test_ranks_move_only_for_items_that_stay(diff):
    # kept: 3 of same, 3 of swapped (a and b by one place), a of other
    moves = diff["rank_moves"]
    assert (moves["kept_rows"], moves["max"]) == (7, 1)
    assert moves["moved_share"] == moves["mean_places"] == pytest.approx(2 / 7)


def test_items_enter_and_leave_lists_of_users_of_both_nights(diff):
    # x and y came to other; to fresh, who is new, nothing came
    assert diff["entered"] == [
        {"item_id": "x", "title": "X", "user_count": 1, "is_new": True},
        {"item_id": "y", "title": "Y", "user_count": 1, "is_new": True},
    ]
    assert diff["left"] == [
        {"item_id": "b", "title": "B", "user_count": 1, "is_gone": False},
        {"item_id": "c", "title": "C", "user_count": 1, "is_gone": False},
    ]
    assert diff["item_counts"] == {"entered": 2, "left": 2, "new": 3, "gone": 0}


def test_rows_are_counted_by_strategy(diff):
    # b of swapped moved from rank 2 to 1: still knn
    assert diff["strategies"] == [
        {
            **{"strategy": "knn", "rows_before": 8, "rows_after": 8},
            **{"rows_entered": 3, "rows_left": 3},
        },
        {
            **{"strategy": "popular", "rows_before": 4, "rows_after": 4},
            **{"rows_entered": 2, "rows_left": 2},
        },
    ]


def test_a_publication_does_not_differ_from_itself(shop):
    store(shop, OLD, BEFORE)
    (entry,) = diff_publications(shop, OLD, OLD)["lists"]
    assert entry["users"]["changed"] == 0 and entry["entered"] == entry["left"] == []
    assert entry["overlap_at_10"]["histogram"][-1] == 4 and entry["rank_moves"]["max"] == 0


def test_only_so_many_items_are_named(shop):
    store(shop, OLD, BEFORE)
    store(shop, NEW, AFTER)
    (entry,) = diff_publications(shop, OLD, NEW, shown_items=1)["lists"]
    assert [item["item_id"] for item in entry["entered"]] == ["x"]
    assert entry["item_counts"]["entered"] == 2


def test_a_placement_that_one_of_them_lacks_is_shown_as_such(shop):
    store(shop, OLD, BEFORE)
    store(shop, NEW, AFTER)
    store(shop, NEW, {"same": "ab"}, placement="basket")
    basket, home = diff_publications(shop, OLD, NEW)["lists"]
    assert (basket["users"]["before"], basket["users"]["after"]) == (0, 1)
    assert basket["overlap_at_10"] is None and basket["entered"] == []
    assert home["users"]["both"] == 3
    assert diff_publications(shop, OLD, NEW, placement="home")["lists"] == [home]


def test_an_unknown_placement_is_refused(shop):
    store(shop, OLD, BEFORE)
    with pytest.raises(SettingsError, match="Got 'cart'. There are: home"):
        diff_publications(shop, OLD, OLD, placement="cart")


def test_a_damaged_publication_is_not_compared(shop):
    store(shop, OLD, BEFORE)
    store(shop, NEW, AFTER)
    (shop.publications / NEW / "serving.duckdb").write_bytes(b"")
    with pytest.raises(PublicationNotFoundError, match=f"Found {NEW} damaged"):
        diff_publications(shop, OLD, NEW)


def test_real_nights_are_compared_as_python_would(shop, two_nights):
    before, _ = two_nights
    lists = {}
    for publication_id in two_nights:
        path = shop.publications / publication_id / "serving.duckdb"
        with connect(shop, path=path, read_only=True) as connection:
            lists[publication_id] = {
                (placement, user): items
                for placement, user, items in connection.execute(
                    "select placement, user_id, list(item_id order by rank)"
                    " from recommendations group by all"
                ).fetchall()
            }
    found = diff_publications(shop)
    assert found["before"] == {"publication_id": before, "as_of": before[:10]}
    for entry in found["lists"]:
        old, new = (
            {
                user: items
                for (place, user), items in lists[one].items()
                if place == entry["placement"]
            }
            for one in two_nights
        )
        changed = [user for user in old if old[user] != new[user]]
        gained = [item for user in old for item in set(new[user]) - set(old[user])]
        assert entry["users"]["both"] == len(old) and entry["users"]["changed"] == len(changed)
        assert sum(item["user_count"] for item in entry["entered"]) == len(gained)
        assert entry["overlap_at_10"]["mean"] == pytest.approx(
            sum(len(set(old[user]) & set(new[user])) / 5 for user in old) / len(old)
        )
