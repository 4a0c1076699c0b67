from __future__ import annotations

from pipelines.publications.diff import diff_publications
from pipelines.publications.diff_text import diff_document
from tests.conftest import terminal_text


def printed(found):
    return terminal_text(diff_document(found))


def test_a_diff_of_two_nights_is_told_by_placement(shop, two_nights):
    before, last = two_nights
    text = printed(diff_publications(shop))
    assert text.startswith(f"From {before} to {last}")
    assert "discover\nusers: 12 before, 12 after; 0 appeared, 0 vanished" in text
    assert "lists changed:" in text and "first 10 items kept:" in text
    assert "item_knn" in text and "personal_frequency" in text


def test_items_are_named_with_titles_and_whether_they_are_new(shop):
    item = {"item_id": "[i01]", "title": "Red [bold] lamp", "user_count": 1200}
    entry = {
        **{"placement": "home", "variant": "test", "overlap_at_10": None},
        "users": {"before": 1, "after": 1, "both": 0, "appeared": 1, "vanished": 1, "changed": 0},
        "rank_moves": {"kept_rows": 0},
        "item_counts": {"entered": 1, "left": 0, "new": 1, "gone": 0},
        **{"entered": [{**item, "is_new": True}], "left": [], "strategies": []},
    }
    side = {"publication_id": "2024-03-10-00000000", "as_of": "2024-03-10"}
    text = printed({"before": side, "after": side, "k": 10, "lists": [entry]})
    assert "home/test" in text and "items that left lists: 0" in text
    row = next(line for line in text.splitlines() if "lamp" in line)
    assert row.split() == ["1,200", "[i01]", "Red", "[bold]", "lamp", "in", "no", "list", "before"]


def test_publications_without_lists_are_said_to_have_none():
    side = {"publication_id": "2024-03-10-00000000", "as_of": "2024-03-10"}
    text = printed({"before": side, "after": side, "k": 10, "lists": []})
    assert "Neither has a list." in text
