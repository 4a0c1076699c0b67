from __future__ import annotations

from pipelines.ask.customers import choose_customers


def test_one_customer_of_each_segment_with_history_and_lists(shop, make_lists):
    customers = choose_customers(shop, make_lists())
    assert [(customer["segment"], customer["user_id"]) for customer in customers] == [
        ("heavy", "u00"),
        ("light", "u01"),
        ("new", "u02"),  # u11 is new too, but only has the fallback
    ]
    heavy = customers[0]
    assert [row["item_id"] for row in heavy["history"]] == ["i00", "i01", "i02"]
    assert [row["rank"] for row in heavy["lists"]["discover"]] == [1, 2, 3, 4, 5]
    assert heavy["lists"]["for_you"][0]["title"].startswith("Item number")


def test_segments_nobody_is_in_are_left_out(shop, make_lists, bought_rows):
    night = make_lists(events=[row for row in bought_rows if row[0] in {"u00", "u02", "u03"}])
    assert [customer["segment"] for customer in choose_customers(shop, night)] == ["heavy", "new"]


def test_a_night_without_lists_has_no_customers(shop, make_night):
    assert choose_customers(shop, make_night()) == []
