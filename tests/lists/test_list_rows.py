from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow.parquet as pq

from pipelines.base.tables import SERVING_RECOMMENDATIONS
from pipelines.lists.list_rows import LIST_SCHEMA, ListWriter, to_table, write_tables
from pipelines.models.personal_frequency import PersonalFrequency
from pipelines.models.popularity import Popularity
from pipelines.rules.place import FALLBACK_LIST, FALLBACK_REST, OWN, OWN_COMPLETION, PlacedLists


def writer(list_length=3):
    return ListWriter(
        "for_you",
        "control",
        date(2024, 3, 10),
        list_length,
        "personal_frequency-abc@2024-03-10",
        PersonalFrequency(),
        Popularity(),
        rules=None,  # labels do not look at them
    )


def lists_of(items, source):
    items = np.array(items, dtype=np.int32)
    scores = np.where(items >= 0, -np.arange(items.shape[1], dtype=float), np.nan)
    users = np.array([f"u{user}" for user in range(len(items))])
    return PlacedLists(users, np.array(["a", "b", "c"]), items, scores, np.array(source))


def test_columns_are_the_serving_tables_without_the_publication():
    assert ["publication_id", *LIST_SCHEMA.names] == list(SERVING_RECOMMENDATIONS.columns)


def test_rows_stand_in_order_of_user_and_rank():
    lists = lists_of([[2, 0, 1], [1, -1, -1]], [[OWN] * 3] * 2)
    rows = to_table(writer(), lists).to_pylist()
    assert [(row["user_id"], row["rank"], row["item_id"]) for row in rows] == [
        ("u0", 1, "c"),
        ("u0", 2, "a"),
        ("u0", 3, "b"),
        ("u1", 1, "b"),
    ]


def test_every_row_says_who_wrote_it_and_why():
    source = [[OWN, OWN_COMPLETION, FALLBACK_REST], [FALLBACK_LIST] * 3]
    rows = to_table(writer(), lists_of([[0, 1, 2], [0, 1, 2]], source)).to_pylist()
    assert [(row["strategy"], row["reason"]) for row in rows[:4]] == [
        ("personal_frequency", "You choose this often"),
        ("popularity", "Popular with other customers"),
        ("popularity", "fallback: personal_frequency had no more items"),
        ("popularity", "fallback: no history that personal_frequency can learn from"),
    ]


def test_a_short_list_says_so_in_every_row():
    rows = to_table(writer(), lists_of([[0, 1, -1]], [[OWN] * 3])).to_pylist()
    assert all(row["reason"].endswith("; short list: no other item may be shown") for row in rows)


def test_one_row_group_per_table_and_nothing_beside_the_file(tmp_path):
    table = to_table(writer(), lists_of([[0, 1, 2]], [[OWN] * 3]))
    write_tables(tmp_path / "control.parquet", [table, table])
    assert pq.ParquetFile(tmp_path / "control.parquet").num_row_groups == 2
    assert [path.name for path in tmp_path.iterdir()] == ["control.parquet"]
