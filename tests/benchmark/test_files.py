from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.base.errors import BenchmarkError
from pipelines.benchmark.files import (
    cut_validation,
    history_of,
    read_rows,
    read_split,
)

PAIRS = pd.DataFrame({"user_id": ["7", "7", "10"], "item_id": ["b", "a", "a"]})


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.csv.gz", "rows.txt"])
def test_every_format_gives_the_same_rows(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "rows.parquet":
        PAIRS.to_parquet(path, index=False)
    elif name == "rows.txt":
        write(path, "7 b a\n\n10 a\n11\n")  # an empty line, and a user without items
    else:
        PAIRS.to_csv(path, index=False)
    pd.testing.assert_frame_equal(read_rows(path).astype(object), PAIRS.astype(object))


def test_whole_numbers_in_parquet_are_read_as_ids(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"user_id": [7], "item_id": [42]}).to_parquet(path)
    assert read_rows(path).loc[0].tolist() == ["7", "42"]


def test_times_are_read_as_utc_and_numbers_as_seconds_since_1970(tmp_path: Path) -> None:
    texts = write(tmp_path / "a.csv", "user_id,item_id,event_at\nu,a,1970-01-02T01:00:00+01:00\n")
    numbers = write(tmp_path / "b.csv", "user_id,item_id,event_at\nu,a,86400\n")
    for path in (texts, numbers):
        assert read_rows(path)["event_at"].tolist() == [pd.Timestamp("1970-01-02")]


def test_order_of_rows_is_age_where_there_is_no_time(tmp_path: Path) -> None:
    history = history_of(read_rows(write(tmp_path / "rows.txt", "u c a b\nv a\n")))
    assert history.user_ids.tolist() == ["u", "v"]
    assert history.item_ids.tolist() == ["a", "b", "c"]
    assert list(zip(history.user, history.item, history.age_days, strict=True)) == [
        (0, 0, 2),
        (0, 1, 1),
        (0, 2, 3),
        (1, 0, 1),
    ]


def test_event_at_gives_ages_before_the_day_after_the_last_one() -> None:
    at = pd.to_datetime(["2024-01-01 08:00", "2024-01-03 20:00", "2024-01-01 09:00"])
    history = history_of(PAIRS.assign(event_at=at))
    assert history.cutoff == date(2024, 1, 4)
    by_user_and_item = dict(
        zip(zip(history.user, history.item, strict=True), history.age_days, strict=True)
    )
    assert by_user_and_item == {(0, 0): 3, (1, 0): 1, (1, 1): 3}  # "10" sorts before "7"


def test_weights_of_a_day_are_added_up() -> None:
    rows = pd.DataFrame(
        {
            "user_id": ["u"] * 3,
            "item_id": ["a", "a", "a"],
            "event_at": pd.to_datetime(
                ["2024-01-01 08:00", "2024-01-01 09:00", "2024-01-02 00:00"]
            ),
            "weight": [2.0, 3.0, 1.0],
        }
    )
    history = history_of(rows)
    assert history.event_count.tolist() == [5.0, 1.0]
    assert history.age_days.tolist() == [2, 1]
    assert history.last_event_at[0] == np.datetime64("2024-01-01T09:00")


def test_validation_takes_the_floor_of_each_users_share_the_same_every_time() -> None:
    rows = pd.DataFrame({"user_id": ["u"] * 7 + ["v"], "item_id": [*"abcdefga"]})
    kept, taken = cut_validation(rows, 0.3)
    assert taken["user_id"].tolist() == ["u", "u"]
    assert sorted([*kept["item_id"], *taken["item_id"]]) == sorted(rows["item_id"])
    pd.testing.assert_frame_equal(cut_validation(rows, 0.3)[1], taken)


def test_validation_takes_the_latest_items_where_there_are_times() -> None:
    days = pd.to_datetime(["2024-01-03", "2024-01-01", "2024-01-05", "2024-01-04", "2024-01-02"])
    rows = pd.DataFrame({"user_id": "u", "item_id": [*"abcab"], "event_at": days})
    kept, taken = cut_validation(rows, 0.67)  # c on the fifth, then a, met again on the fourth
    assert set(taken["item_id"]) == {"c", "a"}
    assert set(kept["item_id"]) == {"b"}


def test_split_is_train_and_test_or_train_alone(tmp_path: Path) -> None:
    train = write(tmp_path / "train.txt", "u a b c d\n")
    test = write(tmp_path / "test.txt", "u e e\n")
    assert read_split(train, test).truth.to_numpy().tolist() == [["u", "e"]]
    cut = read_split(train, None, 0.5)
    assert (cut.history.n_items, len(cut.truth)) == (2, 2)
    with pytest.raises(BenchmarkError, match="neither a test file nor a validation share"):
        read_split(train, None)


@pytest.mark.parametrize("share", [0.0, 1.0, 1.5])
def test_validation_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(BenchmarkError, match="must be above 0 and below 1"):
        cut_validation(PAIRS, share)


def test_validation_share_that_takes_nothing_is_refused() -> None:
    with pytest.raises(BenchmarkError, match="must take at least one item. Got 0.1"):
        cut_validation(PAIRS, 0.1)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rows.csv", "user,item_id\nu,a\n", "lacks user_id. Rename"),
        ("rows.csv", "user_id,item_id\nu,a\nv,\n", "without item_id. Drop"),
        ("rows.csv", "user_id,item_id,weight\nu,a,much\n", "`weight` must be a number"),
        ("rows.csv", "user_id,item_id,event_at\nu,a,late\n", "`event_at` must be a time"),
        ("rows.txt", "u\nv\n", "at least one user with an item"),
        ("rows.parquet", "no parquet", "must be Parquet, CSV or one line per user"),
    ],
)
def test_file_that_cannot_be_used_is_refused(
    name: str, text: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(BenchmarkError, match=message):
        read_rows(write(tmp_path / name, text))


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="Correct the path"):
        read_rows(tmp_path / "nothing.txt")
