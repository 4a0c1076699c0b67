from __future__ import annotations

from datetime import date

import pyarrow.parquet as pq

from pipelines.events.day_folders import day_file
from pipelines.simulate.past import FILES, moment_of, visitors, write_past
from pipelines.simulate.world import make_world

FIRST, LAST = date(2024, 1, 1), date(2024, 1, 3)


def test_a_past_is_day_files_of_events_and_one_of_items(make_settings):
    settings, world = make_settings(), make_world(5, 80, 40)
    count = write_past(settings, world, FIRST, LAST)
    days = [
        pq.read_table(day_file(settings, "events", date(2024, 1, day), FILES)).to_pandas()
        for day in (1, 2, 3)
    ]
    assert sum(map(len, days)) == count > 0
    for number, rows in enumerate(days, 1):
        assert (rows["event_at"].dt.day == number).all()
        assert set(rows["event_type"]) == {"view", "purchase"}
    items = pq.read_table(day_file(settings, "items", FIRST, FILES)).to_pandas()
    assert len(items) == 40 and items["title"].is_unique


def test_the_same_past_has_the_same_bytes(make_settings):
    settings, world = make_settings(), make_world(5, 80, 40)
    write_past(settings, world, FIRST, LAST)
    path = day_file(settings, "events", LAST, FILES)
    before = path.read_bytes()
    path.unlink()
    write_past(settings, world, FIRST, LAST)
    assert path.read_bytes() == before


def test_who_comes_depends_on_the_day_and_on_their_rate():
    world = make_world(5, 4000, 10)
    today, tomorrow = visitors(world, FIRST), visitors(world, LAST)
    assert len(set(today)) == len(today)
    assert set(today) != set(tomorrow)
    expected = world.visit_rates.sum()
    assert abs(len(today) - expected) < 4 * expected**0.5


def test_visits_are_spread_over_the_day():
    moments = [moment_of(FIRST, place, 100) for place in range(100)]
    assert moments == sorted(moments)
    assert moments[0].hour == 1 and moments[-1].hour < 23
