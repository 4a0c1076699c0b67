"""Nights that interleave, or fail, take no cutoffs from each other."""

from __future__ import annotations

import json
from datetime import date, timedelta

from pipelines.base.warehouse import connect
from pipelines.features.build import build_features
from pipelines.features.kept_cutoffs import (
    begin_reading,
    cutoffs_being_read,
    end_reading,
    retained_from,
)
from pipelines.features.snapshot import take_snapshot
from tests.features.conftest import EVENTS, FIRST_NIGHT, insert_events, world_settings

LATER = FIRST_NIGHT + timedelta(days=28)


def built(settings, night, *, is_passed=True):
    path = settings.run_folder(night).build
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"is_passed": is_passed}))


def test_retention_counts_from_the_newest_night_whose_build_passed(make_settings):
    settings = make_settings(features={"retention_days": 10})
    assert retained_from(settings) == date.min
    built(settings, date(2024, 1, 20))
    built(settings, date(2024, 3, 1), is_passed=False)
    (settings.runs / "night-of-the-audit").mkdir()
    assert retained_from(settings) == date(2024, 1, 10)


def test_cutoffs_are_kept_from_the_build_to_the_snapshot(make_settings):
    settings = make_settings()
    begin_reading(settings, FIRST_NIGHT)
    begin_reading(settings, LATER)
    both = {*settings.night(FIRST_NIGHT).cutoffs, *settings.night(LATER).cutoffs}
    assert cutoffs_being_read(settings) == sorted(both)
    end_reading(settings, LATER)
    end_reading(settings, LATER)
    assert cutoffs_being_read(settings) == sorted(settings.night(FIRST_NIGHT).cutoffs)


def test_a_later_night_that_builds_in_between_leaves_what_an_earlier_one_is_about_to_read(tmp_path):
    settings = world_settings(tmp_path, retention_days=1, stale_error_days=90)
    insert_events(settings, EVENTS)
    build_features(settings, FIRST_NIGHT)
    build_features(settings, LATER)
    build_features(settings, LATER)  # counts from itself now
    take_snapshot(settings, FIRST_NIGHT)
    take_snapshot(settings, LATER)
    build_features(settings, LATER)
    with connect(settings, read_only=True) as warehouse:
        left = warehouse.execute("select distinct cutoff_date from features.feat_users").fetchall()
    assert {cutoff for (cutoff,) in left} == set(settings.night(LATER).cutoffs)
