from __future__ import annotations

from datetime import date

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from pipelines.base.cli import cli
from pipelines.base.config import parse_settings
from pipelines.base.errors import LandingError
from pipelines.events.load import load_days
from pipelines.events.synthetic.log import LogPlan, generate, parse_count

PLAN = LogPlan(n_events=4_000, n_users=300, n_items=100, n_days=20, seed=3)


def bytes_of(home):
    return {
        path.relative_to(home): path.read_bytes()
        for path in sorted(home.rglob("generated.parquet"))
    }


def test_the_same_plan_gives_the_same_bytes_and_another_seed_does_not(tmp_path):
    one, two, other = (parse_settings({"home": tmp_path / name}) for name in ("1", "2", "3"))
    generate(one, PLAN)
    generate(two, PLAN)
    generate(other, LogPlan(n_events=4_000, n_users=300, n_items=100, n_days=20, seed=4))
    assert bytes_of(one.home) == bytes_of(two.home)
    assert bytes_of(one.home) != bytes_of(other.home)


def test_a_second_call_leaves_every_file_as_it_is(tmp_path):
    settings = parse_settings({"home": tmp_path})
    assert generate(settings, PLAN).written_files >= 21
    assert generate(settings, PLAN).written_files == 0


def test_every_row_can_be_loaded(tmp_path):
    settings = parse_settings({"home": tmp_path})
    report = generate(settings, PLAN)
    loaded = load_days(settings, report.as_of)
    events, items = loaded.feeds["events"], loaded.feeds["items"]
    assert (events.row_count, events.duplicate_count, events.quarantined_count) == (4_000, 0, 0)
    assert (items.row_count, items.quarantined_count) == (100, 0)


def test_each_day_holds_events_of_that_day_in_their_order(tmp_path):
    settings = parse_settings({"home": tmp_path})
    generate(settings, PLAN)
    days = sorted((tmp_path / "landing" / "events").iterdir())
    assert len(days) == 20
    for day in days:
        at = pq.read_table(day / "generated.parquet")["event_at"].to_numpy()
        assert (at[1:] >= at[:-1]).all()
        assert set(at.astype("datetime64[D]").astype(str)) == {day.name.removeprefix("date=")}


def test_only_purchases_have_pieces_and_the_price_of_the_item(tmp_path):
    settings = parse_settings({"home": tmp_path})
    generate(settings, PLAN)
    events = pq.read_table(tmp_path / "landing" / "events").to_pandas()
    items = pq.read_table(tmp_path / "landing" / "items").to_pandas().set_index("item_id")
    bought = events[events["event_type"] == "purchase"]
    assert len(bought) > 0
    assert set(bought["value"]) <= {1.0, 2.0}
    assert (bought["price"].to_numpy() == items.loc[bought["item_id"], "price"].to_numpy()).all()
    assert events.loc[events["event_type"] != "purchase", ["value", "price"]].isna().all(axis=None)


def test_no_item_is_looked_at_before_it_appears(tmp_path):
    settings = parse_settings({"home": tmp_path})
    generate(settings, PLAN)
    events = pq.read_table(tmp_path / "landing" / "events").to_pandas()
    items = pq.read_table(tmp_path / "landing" / "items").to_pandas().set_index("item_id")
    first_look = events.groupby("item_id")["event_at"].min()
    assert (first_look >= items.loc[first_look.index, "valid_from"]).all()
    assert items["valid_from"].nunique() == 3  # days 0, 7 and 14


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_events": 19}, r"--events must be at least 20 \(one a day\). Got 19"),
        ({"n_users": 0}, "--users must be at least 1. Got 0"),
        ({"n_items": 10}, r"--items must be at least 48 \(one a taste\). Got 10"),
        ({"n_days": 5000, "n_events": 10_000}, "--days must be .* at most 3,660. Got 5,000"),
        ({"seed": -1}, "--seed must be at least 0. Got -1"),
    ],
)
def test_an_impossible_plan_is_refused_and_nothing_is_written(tmp_path, change, message):
    plan = LogPlan(**{**PLAN.__dict__, **change})
    with pytest.raises(LandingError, match=message):
        generate(parse_settings({"home": tmp_path}), plan)
    assert not bytes_of(tmp_path)


def test_days_that_another_plan_left_are_refused(tmp_path):
    settings = parse_settings({"home": tmp_path})
    generate(settings, PLAN)
    with pytest.raises(LandingError, match="no generated days outside 2024-01-01 to 2024-01-10"):
        generate(settings, LogPlan(n_events=500, n_users=300, n_items=100, n_days=10))


@pytest.mark.parametrize("text", ["a lot", "1.5", "-3", "2g", ""])
def test_a_count_that_is_no_number_is_refused(text):
    with pytest.raises(LandingError, match="A count must be a whole number"):
        parse_count(text)


def test_the_verb_says_what_it_wrote_and_how_to_go_on(tmp_path):
    arguments = "generate --events 2k --users 100 --items 60 --days 5 --first-day 2024-03-01"
    done = CliRunner().invoke(cli, [*arguments.split(), "--home", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "2,000 events" in done.stdout
    assert "recsys run --as-of 2024-03-06" in done.stdout
    assert LogPlan(2_000, 100, 60, 5, first_day=date(2024, 3, 1)).as_of == date(2024, 3, 6)
