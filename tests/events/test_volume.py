from __future__ import annotations

from datetime import date, timedelta

from pipelines.events.volume import Volume, measure_volume

AS_OF = date(2024, 3, 1)


def days(*counts):
    """Counts of the days that end the day before AS_OF, oldest first."""
    return {
        AS_OF - timedelta(days=len(counts) - place): count for place, count in enumerate(counts)
    }


def test_a_steady_shop_has_ratios_of_one():
    assert measure_volume(days(*[50] * 40), AS_OF) == Volume(50, 1.0, 1.0)


def test_a_drop_overnight_shows_in_the_day_and_little_in_the_week():
    volume = measure_volume(days(*[100] * 39, 60), AS_OF)
    assert volume.day_ratio == 0.6
    assert volume.week_ratio == (660 / 7) / 100


def test_a_weekday_that_is_always_closed_is_not_judged():
    counts = [0 if place % 7 == 0 else 100 for place in range(35)][::-1]
    assert measure_volume(days(*counts), AS_OF).day_ratio is None


def test_an_empty_day_that_was_busy_a_week_earlier_is_judged():
    assert measure_volume(days(*[100] * 35, 0), AS_OF).day_ratio == 0.0


def test_a_feed_that_ran_dry_has_a_week_ratio_of_zero():
    assert measure_volume(days(*[100] * 28, *[0] * 7), AS_OF).week_ratio == 0.0


def test_a_young_log_is_compared_with_the_days_it_has():
    assert measure_volume(days(*[100] * 10), AS_OF).week_ratio == 1.0


def test_a_log_that_just_began_is_not_judged():
    assert measure_volume(days(100, 100), AS_OF) == Volume(100, None, None)
    assert measure_volume({}, AS_OF) == Volume(0, None, None)


def test_days_from_as_of_on_are_not_counted():
    counts = days(*[50] * 40)
    assert measure_volume(counts | {AS_OF: 9999}, AS_OF) == measure_volume(counts, AS_OF)
