from __future__ import annotations

from datetime import date, datetime

import pandas as pd
import pytest
from click.testing import CliRunner

from pipelines.base.cli import cli
from pipelines.base.errors import ExperimentError
from pipelines.base.tables import INT_SHOWN_ITEMS, SERVING_RECOMMENDATIONS
from pipelines.base.warehouse import connect
from pipelines.measure.explored import Question, ask_off_policy, describe_off_policy
from pipelines.serve.answer.explore import draw_swap, shown_order, swap_odds
from tests.measure.conftest import create_table

NIGHT = date(2024, 3, 11)
PUBLICATION = "2024-03-10-00000000"
ITEMS = "abcd"


@pytest.fixture
def settings(make_settings):
    return make_settings(serve={"explore_share": {"discover": 0.05}, "explore_depth": 1})


@pytest.fixture
def store(settings):
    """Fill the warehouse with answers to 400 users and with the lists of two arms."""

    def fill(*, is_explored=True, depth=1):
        odds = swap_odds(4, set(), depth, 0.05)
        shown, lists = [], []
        for n in range(400):
            swap = draw_swap(odds, f"r{n}")
            for place, was in enumerate(shown_order(4, swap)):
                chance = odds.shown_chance(was, place) if is_explored else None
                click = datetime(2024, 3, 10, 13) if ITEMS[was] == "b" and n % 2 else None
                shown.append((f"r{n}", ITEMS[was], f"u{n}", place + 1, chance, click))
            for variant, order in (("control", "abcd"), ("other", "bacd"), ("strange", "wxyz")):
                lists += [(variant, f"u{n}", rank, item) for rank, item in enumerate(order, 1)]
        with connect(settings) as warehouse:
            warehouse.execute("create schema if not exists intermediate")
            create_table(warehouse, INT_SHOWN_ITEMS)
            names = ["request_id", "item_id", "user_id", "position", "propensity", "click_at"]
            rows = pd.DataFrame(shown, columns=names).assign(
                served_date=date(2024, 3, 10),
                placement="discover",
                publication_id=PUBLICATION,
                impression_at=datetime(2024, 3, 10, 12),
            )
            warehouse.register("rows", rows)
            warehouse.execute(f"insert into {INT_SHOWN_ITEMS.qualified} by name from rows")
            columns = ["variant", "user_id", "rank", "item_id"]
            listed = pd.DataFrame(lists, columns=columns).assign(
                placement="discover", publication_id=PUBLICATION
            )
            warehouse.register("listed", listed)
            warehouse.execute(
                f"insert into {SERVING_RECOMMENDATIONS.qualified} by name from listed"
            )

    return fill


def test_the_lists_that_were_shown_are_estimated(settings, store):
    store()
    found = ask_off_policy(settings, Question("discover"), NIGHT)
    assert found["answer_count"] == 400 and found["supported_share"] == 1.0
    # b is clicked by every other user, wherever it is: one click in eight looks
    assert found["ips"]["value"] == pytest.approx(0.125, rel=0.1)
    assert found["logged"]["value"] == 0.125
    lines = describe_off_policy(found)
    assert any(line.startswith("SNIPS") for line in lines)
    named = ask_off_policy(settings, Question("discover", "control", PUBLICATION), NIGHT)
    assert named["ips"] == found["ips"]


def test_lists_that_were_seldom_shown_count_for_less(settings, store):
    store()
    found = ask_off_policy(settings, Question("discover", "other"), NIGHT)
    assert 100 < found["effective_sample_size"] < 400 < found["impression_count"] == 1600
    assert abs(found["snips"]["value"] - 0.125) < 3 * found["snips"]["standard_error"]


def test_lists_of_other_items_have_no_support(settings, store):
    store()
    found = ask_off_policy(settings, Question("discover", "strange"), NIGHT)
    assert found["supported_share"] == 0.0 and "no item of these lists" in found["dr"]["reason"]


def test_deterministic_logs_say_that_they_have_no_propensities(settings, store):
    store(is_explored=False)
    found = ask_off_policy(settings, Question("discover"), NIGHT)
    assert found["ips"]["value"] is None
    assert "deterministic lists have no propensities" in describe_off_policy(found)[-1]


def test_answers_before_the_night_only(settings, store):
    store()
    found = ask_off_policy(settings, Question("discover"), date(2024, 3, 10))
    assert found["answer_count"] == 0


def test_answers_of_another_depth_and_without_lists_are_counted(settings, store):
    store(depth=2)
    found = ask_off_policy(settings, Question("discover"), NIGHT)
    assert found["answers_of_other_depth"] == 400
    assert any("serve.explore_depth" in line for line in describe_off_policy(found))


@pytest.mark.parametrize(
    ("question", "found"),
    [
        (Question("nowhere"), "Known: discover"),
        (Question("discover", "nobody"), "Known: control of 2024-03-10-00000000, other of"),
        (Question("discover", "control", "2024-03-09-0"), "raise publish.keep"),
    ],
)
def test_lists_that_are_not_there_are_named(settings, store, question, found):
    store()
    with pytest.raises(ExperimentError, match=found):
        ask_off_policy(settings, question, NIGHT)


def test_the_command_prints_the_estimates(settings, store, tmp_path):
    store()
    config = tmp_path / "shop.toml"
    config.write_text(
        "[placements.discover]\n[serve]\nexplore_share = { discover = 0.05 }\nexplore_depth = 1\n"
    )
    asked = ["experiment", "off-policy", "--placement", "discover", "--as-of", NIGHT.isoformat()]
    options = ["--home", str(settings.home), "--config", str(config)]
    shown = CliRunner().invoke(cli, [*asked, *options], catch_exceptions=False).output
    assert "lists of control, from 400 answers left to chance" in shown and "DR " in shown
    as_json = CliRunner().invoke(cli, [*asked, *options, "--json"], catch_exceptions=False).output
    assert '"answer_count": 400' in as_json
