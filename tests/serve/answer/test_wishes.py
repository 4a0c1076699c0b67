from __future__ import annotations

import pytest

from pipelines.base.config import parse_settings
from pipelines.base.errors import SettingsError
from pipelines.serve.answer.answers import Query
from pipelines.serve.answer.wishes import wish_for

SERVE = {"explore_share": {"discover": 0.05}, "explore_depth": 2}


def wish(settings, query, exposed=None):
    # no store is needed outside an interleaved experiment
    return wish_for(settings.serve, None, "discover", query, exposed=exposed, request_id="r1")


def test_a_placement_with_a_share_is_explored(make_settings):
    found = wish(make_settings(serve=SERVE), Query("u1", n=4))
    odds = found.odds(9, {0})
    assert (odds.share, odds.slots, odds.places) == (0.05, (1,), (1, 2, 3))
    assert found.request_id == "r1"


@pytest.mark.parametrize("query", [Query("u1", is_dry_run=True), Query("u1", category="tea")])
def test_what_nobody_sees_and_what_is_not_the_list_itself_is_not_explored(make_settings, query):
    assert wish(make_settings(serve=SERVE), query).odds is None


def test_without_the_setting_nothing_is_left_to_chance(make_settings):
    assert wish(make_settings(), Query("u1")).odds is None


@pytest.mark.parametrize(
    ("share", "found"), [({"discover": 0.06}, "less than or equal to 0.05"), ({"x": 0.01}, "'x'")]
)
def test_a_share_must_be_small_and_of_a_placement(tmp_path, share, found):
    with pytest.raises(SettingsError, match=found):
        parse_settings({"home": tmp_path, "serve": {"explore_share": share}})
