from __future__ import annotations

import json
from datetime import date

from pipelines.models.specifications import entry_at, read_entries, specifications_file

ENTRIES = [
    {"as_of": "2024-01-01", "base_spec_hash": "base", "spec": {"n": 1}},
    {"as_of": "2024-02-01", "base_spec_hash": "base", "spec": {"n": 2}},
    {"as_of": "2024-02-15", "base_spec_hash": "other", "spec": {"n": 3}},
]


def test_a_night_uses_the_latest_entry_that_is_not_younger():
    found = [
        entry_at(ENTRIES, "base", day)
        for day in (date(2023, 12, 31), date(2024, 1, 1), date(2024, 1, 31), date(2024, 3, 1))
    ]
    assert found == [None, ENTRIES[0], ENTRIES[0], ENTRIES[1]]


def test_an_entry_tuned_from_another_specification_is_passed_over():
    assert entry_at(ENTRIES, "edited", date(2024, 3, 1)) is None


def test_a_candidate_that_was_never_tuned_has_no_entries(make_settings):
    assert read_entries(make_settings(), "ease") == []


def test_entries_are_read_from_the_home(make_settings):
    settings = make_settings()
    path = specifications_file(settings, "ease")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"candidate": "ease", "entries": ENTRIES}))
    assert path == settings.home / "specifications" / "ease.json"
    assert read_entries(settings, "ease") == ENTRIES
