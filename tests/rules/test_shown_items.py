from __future__ import annotations

import pytest

from pipelines.rules.shown_items import category_names, keeps_item


@pytest.mark.parametrize(
    ("exclude", "within_days", "event_type", "age_days", "expected"),
    [
        ("none", None, "purchase", 1, False),
        ("all", None, "purchase", 5000, True),
        ("all", 7, "view", 7, True),
        ("all", 7, "view", 8, False),
        (("purchase",), None, "purchase", 40, True),
        (("purchase",), None, "view", 1, False),
        (("impression",), None, "impression", 1, False),  # what was shown keeps nothing
        ("all", None, "served", 1, False),
    ],
)
def test_an_event_keeps_its_item_as_the_placement_says(
    exclude, within_days, event_type, age_days, expected
):
    exposures = ("impression", "served")
    assert keeps_item(exclude, within_days, event_type, age_days, exposures) is expected


def test_categories_are_split_trimmed_and_told_once():
    assert category_names(" tea | cup|tea|") == ["cup", "tea"]
    assert category_names("") == category_names(None) == []
