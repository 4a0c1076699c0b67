from __future__ import annotations

from pipelines.features.interactions import Interactions
from pipelines.models.choices import describe_baskets, read_choices

PURCHASES = {"purchase": 1.0}


def test_choices_are_one_row_per_user_item_and_day_the_oldest_first(
    history_of_two: Interactions,
) -> None:
    rows = read_choices(history_of_two, PURCHASES)
    assert rows.user.tolist() == [0, 0, 0, 1, 1]
    assert rows.item.tolist() == [0, 0, 0, 0, 1]
    assert rows.age.tolist() == [25, 15, 5, 40, 40]
    assert rows.count.tolist() == [2, 1, 1, 1, 1]


def test_rows_find_how_many_baskets_came_after_theirs(history_of_two: Interactions) -> None:
    baskets = describe_baskets(history_of_two, PURCHASES)
    rows = read_choices(history_of_two, PURCHASES)
    assert baskets.place_of(rows).tolist() == [2, 1, 0, 0, 0]
    assert baskets.last_size.tolist() == [1, 2]
