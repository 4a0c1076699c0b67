from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from pipelines.ask.why_night import LiveNight
from pipelines.base.current import LOOKUPS, read_current
from pipelines.base.durable import read_json, write_json
from pipelines.base.errors import PublicationNotFoundError
from pipelines.base.warehouse import connect
from pipelines.publications.lookup_file import open_lookups


@contextmanager
def opened(settings):
    publication = read_current(settings)
    with (
        connect(settings, path=publication.serving_path, read_only=True) as connection,
        closing(open_lookups(publication.folder / LOOKUPS)) as lookups,
    ):
        yield LiveNight(settings, publication, connection, lookups)


@pytest.fixture
def night_of_views(shop, publish_night, bought_rows):
    """u00 viewed i05 twice and was shown i06, beside the purchases of the shop."""
    views = [("u00", "i05", "view", 4), ("u00", "i05", "view", 9), ("u00", "i06", "impression", 1)]
    publish_night(events=[*bought_rows, *views])
    with opened(shop) as night:
        yield night


def test_what_a_user_was_only_shown_is_in_no_history(night_of_views):
    assert [row["event_type"] for row in night_of_views.count_events("u00")] == ["purchase", "view"]
    assert night_of_views.events_of("u00", "i06") == []


def test_events_that_keep_an_item_come_newest_first(night_of_views):
    events = night_of_views.keeping_events("discover", "u00")
    assert set(events) == {"i00", "i01", "i02", "i05"}
    assert [row["event_date"] for row in events["i05"]] == ["2024-03-06", "2024-03-01"]
    assert night_of_views.keeping_events("for_you", "u00") == {}


def test_old_events_keep_nothing_where_the_rule_says_so(publish_by_rules):
    with opened(publish_by_rules(exclude="all", exclude_within_days=2)) as night:
        assert set(night.keeping_events("discover", "u00")) == {"i00", "i01"}
        assert night.kept_items("discover", "u00") == {"i00", "i01"}


def test_rules_come_from_the_publication_in_its_order(publish_by_rules):
    with opened(publish_by_rules(diversity=0.3, rerank_depth=3)) as night:
        assert list(night.rules) == ["discover", "for_you"]
        assert (night.rules["discover"].diversity, night.rules["discover"].rerank_depth) == (0.3, 3)
        assert [rules.exclude for rules in night.rules.values()] == ["all", "none"]


def test_a_publication_of_an_older_schema_is_not_explained(shop, one_night):
    with opened(shop) as night:
        older = replace(
            night.publication, manifest={**night.publication.manifest, "schema_version": 1}
        )
        with pytest.raises(PublicationNotFoundError, match="Found .* of version 1"):
            _ = replace(night, publication=older).rules


def test_the_run_folder_of_another_run_is_not_taken_for_this_one(shop, one_night):
    path = shop.run_folder(read_current(shop).as_of).publication
    with opened(shop) as night:
        assert night.missing_part("discover") is None
        write_json(path, {**read_json(path), "publication_id": "2024-03-11-00000000"})
        assert night.missing_part("discover").endswith("is now of another run of this night")
