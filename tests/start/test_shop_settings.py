from __future__ import annotations

from datetime import date, timedelta

import pytest

from pipelines.base.config import load_settings
from pipelines.base.errors import NoScoredUsersError
from pipelines.start.settings_text import settings_text
from pipelines.start.shop_profile import ShopProfile, WindowUsers
from pipelines.start.shop_settings import choose_settings

FIRST = date(2024, 1, 1)


@pytest.fixture
def choose(tmp_path):
    """Settings chosen for a profile of made-up figures, as they are read back from their file."""

    def run(windows, **figures):
        values = {
            "first_day": FIRST,
            "last_day": FIRST + timedelta(days=364),
            "user_count": 1000,
            "item_count": 400,
            "event_counts": dict.fromkeys(windows, 10_000),
            "median_events": 8.0,
            "repeat_share": 0.3,
            "joined_item_share": 1.0,
            "session_share": 1.0,
            "priced_share": 1.0,
            "rating_low": None,
            "rating_high": None,
            "titled_share": 1.0,
            "category_share": 0.0,
            "category_count": 0,
            "week_ratio": 1.0,
            "windows": {
                name: tuple(WindowUsers(*one) for one in found) for name, found in windows.items()
            },
        }
        profile = ShopProfile(**{**values, **figures})
        path = tmp_path / "recsys.toml"
        path.write_text(settings_text(profile, choose_settings(profile), ["orders.csv"], []))
        return load_settings(path, tmp_path / "home"), path.read_text()

    return run


def in_one_line(text):
    return text.replace("\n# ", " ")


LARGE = {"purchase": [(7, 300, 290), (14, 800, 700), (28, 900, 800)]}


def test_a_large_shop_gets_the_usual_windows_and_all_candidates(choose):
    settings, _ = choose(LARGE)
    assert settings.evaluation.horizon_days == 14
    assert set(settings.placements) == {"discover", "for_you"}
    assert {"ranker", "ranker_new", "item_content", "item_transitions"} <= {
        one.name for one in settings.candidates
    }


def test_the_gate_asks_for_half_of_the_users_and_says_so(choose):
    settings, text = choose({"purchase": [(14, 408, 408)]})
    assert settings.gate.min_users == 204
    assert "408 had some in each window" in in_one_line(text)


def test_so_few_users_that_nothing_can_be_judged_are_said(choose):
    settings, text = choose({"rating": [(14, 9, 9), (91, 15, 15)]}, repeat_share=0.0)
    assert (settings.evaluation.horizon_days, settings.gate.min_users) == (91, 30)
    assert "15 had some in each window: too few to promote anything yet" in in_one_line(text)
    assert not {"ranker", "ranker_new"} & {one.name for one in settings.candidates}


def test_without_repeats_there_is_no_for_you(choose):
    settings, text = choose(LARGE, repeat_share=0.01)
    assert set(settings.placements) == {"discover"}
    assert "# Not personal_frequency: only 1.0% of purchases are repeats." in text


def test_where_people_only_buy_again_there_is_no_discover(choose):
    settings, _ = choose({"purchase": [(14, 400, 3)]}, repeat_share=0.9)
    assert set(settings.placements) == {"for_you"}


def test_without_titles_nothing_goes_by_them(choose):
    settings, text = choose(LARGE, titled_share=0.0)
    assert "item_content" not in {one.name for one in settings.candidates}
    assert "item_content" not in text.replace("# Not item_content", "")
    assert settings.similar.completed_by is None


def test_a_horizon_beyond_what_is_kept_keeps_cutoffs_longer(choose):
    settings, _ = choose({"purchase": [(91, 400, 400)]})
    assert settings.features.retention_days == 273


def test_half_lives_follow_the_horizon(choose):
    settings, _ = choose({"purchase": [(7, 400, 400)]})
    assert settings.candidate("recent_popularity").params == {"half_life_days": 4.8}
    assert settings.candidate("ranker").params["horizon_days"] == 7


def test_the_truth_is_the_strongest_type_with_enough_users(choose):
    rare = {"purchase": [(14, 4, 4)], "view": [(14, 600, 500)]}
    settings, _ = choose(rare)
    assert settings.evaluation.truth_events == ("view",)
    assert settings.events.weights == {"purchase": 5.0, "view": 1.0}


def test_of_ratings_only_the_high_ones_are_liked(choose):
    settings, text = choose({"rating": [(14, 400, 400)]}, rating_low=0.5, rating_high=5.0)
    assert settings.events.min_value == {"rating": 4.0}
    assert "Ratings go from 0.5 to 5" in text
    assert choose(LARGE)[0].events.min_value == {}


def test_a_log_that_thins_out_does_not_stop_the_night(choose):
    assert choose(LARGE, week_ratio=0.03)[0].events.volume_drop_fail == 1.0


def test_people_who_never_come_back_are_refused_with_the_figures(choose):
    with pytest.raises(NoScoredUsersError, match=r"users who come back.*365 days.*1,000 users"):
        choose({"purchase": [(14, 0, 0)]})
