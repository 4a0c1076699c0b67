"""The loop: lists, what people see and do, and the next night that knows it."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.config import PROJECT_ROOT, load_settings, parse_settings
from pipelines.base.errors import SettingsError
from pipelines.base.warehouse import connect, fingerprint_tables
from pipelines.experiments.state import read_experiment, start_experiment
from pipelines.measure.explored import Question, ask_off_policy
from pipelines.measure.measure import measure_experiment
from pipelines.run.night import run_in_a_row
from pipelines.simulate.loop import Simulation, simulate_shop, true_lift, truth_path

CONFIG = PROJECT_ROOT / "docs" / "demo" / "shop.toml"


def rows(settings, sql):
    with connect(settings, read_only=True) as warehouse:
        return warehouse.execute(sql).fetchall()


def play(settings, simulation, **options):
    """What people saw and did in some days; the night after them knows it."""
    truths = simulate_shop(settings, simulation, **options)
    run_in_a_row(settings, simulation.first_night + timedelta(days=simulation.days))
    return truths


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Two days of an experiment, played once for all tests that only look at them."""
    settings = load_settings(CONFIG, tmp_path_factory.mktemp("played") / "home")
    start_experiment(settings, "tastes")
    return settings, play(settings, Simulation(n_users=400, n_items=80, past_days=42, days=2))


def check_the_loop(settings, truths):
    """Every answer, look and click is in the warehouse exactly once, and counted right."""
    served = {
        (one["request_id"], item)
        for truth in truths
        for one in truth.served
        for item in one["items"]
    }
    found = rows(settings, "select request_id, item_id from raw.events where event_type = 'served'")
    assert len(found) == len(served) and set(found) == served
    for kind, name in (("impression", "impressions"), ("click", "clicks")):
        told = {pair for truth in truths for pair in getattr(truth, name)}
        found = rows(
            settings, f"select request_id, item_id from raw.events where event_type = '{kind}'"
        )
        assert len(found) == len(told) and set(found) == told
    clicks, looks = (sum(len(getattr(t, n)) for t in truths) for n in ("clicks", "impressions"))
    ((click_count, impression_count),) = rows(
        settings, "select sum(click_count), sum(impression_count) from metrics.met_list_days"
    )
    assert (click_count, impression_count) == (clicks, looks)
    due = [
        one
        for truth in truths
        for one in json.loads(truth_path(settings, truth.day).read_text())["due"]
    ]
    ((bought,),) = rows(
        settings, "select count(*) from raw.events where event_id like '%:purchase'"
    )
    assert bought == len(due) > 0
    return clicks / looks


def check_conversion(settings, truths):
    """Conversion by arm equals a count made from the simulation's own log."""
    first = {}
    for one in (one for truth in truths for one in truth.served):
        first.setdefault(one["user_id"], (datetime.fromisoformat(one["at"]), one["variant"]))
    bought = {
        one["user_id"]
        for truth in truths
        for one in json.loads(truth_path(settings, truth.day).read_text())["due"]
        if datetime.fromisoformat(one["at"]) < first[one["user_id"]][0] + timedelta(days=7)
    }
    wanted = {}
    for user, (_, variant) in first.items():
        users, converted = wanted.get(variant, (0, 0))
        wanted[variant] = (users + 1, converted + (user in bought))
    found = rows(
        settings,
        "select variant, count(*), count(*) filter (where purchase_count > 0)"
        " from metrics.met_experiment_users group by variant",
    )
    assert {variant: (users, converted) for variant, users, converted in found} == wanted


@pytest.mark.slow
@pytest.mark.xdist_group("loop")
def test_what_was_shown_comes_back_and_trains_the_next_night(played):
    settings, truths = played
    ctr = check_the_loop(settings, truths)
    check_conversion(settings, truths)
    report = measure_experiment(settings, read_experiment(settings, "tastes"), date(2024, 2, 14))
    assert report["health"]["is_healthy"]
    assert report["users"]["control"] + report["users"]["longer"] == len(
        {one["user_id"] for truth in truths for one in truth.served}
    )
    assert 0 < ctr < 0.5 and 0 < abs(true_lift(truths, "longer")) < 0.5
    # the night after knows the clicks of the days before
    ((known,),) = rows(
        settings,
        "select sum(event_count) from intermediate.int_user_item_days where event_type = 'click'",
    )
    assert known == sum(len(truth.clicks) for truth in truths)


def repeat_in_any_order(settings, seed):
    """Write every event of the logs and day files twice, in a random order; returns how many."""
    rng = np.random.default_rng(seed)
    count = 0
    for path in sorted(settings.exposures.rglob("*.jsonl")):
        lines = path.read_bytes().splitlines(keepends=True) * 2
        count += len(lines) // 2
        path.write_bytes(b"".join(lines[place] for place in rng.permutation(len(lines))))
    for path in sorted((settings.landing / "events").rglob("*.parquet")):
        table = pq.ParquetFile(path).read()
        count += len(table)
        pq.write_table(pa.concat_tables([table] * 2).take(rng.permutation(2 * len(table))), path)
    return count


def measured(settings, night):
    """The experiment's report, and a fingerprint of every table of metrics."""
    report = measure_experiment(settings, read_experiment(settings, "tastes"), night)
    with connect(settings, read_only=True) as warehouse:
        tables = fingerprint_tables(warehouse)
    return report, {name: rows for name, rows in tables.items() if name.startswith("metrics.")}


def check_every_event_twice(settings, twice, night):
    """A shop where every event came twice, in any order, has the same figures."""
    again = load_settings(CONFIG, shutil.copytree(settings.home, twice))
    assert repeat_in_any_order(again, seed=8) > 10_000
    again.warehouse_path.unlink()
    run_in_a_row(again, night)
    report, tables = measured(settings, night)
    assert measured(again, night) == (report, tables)
    assert report["arms"]["control"]["click_count"] > 0 and len(tables) == 4


@pytest.mark.slow
@pytest.mark.xdist_group("loop")
def test_every_event_twice_in_any_order_changes_no_figure(played, tmp_path):
    settings, _ = played
    check_every_event_twice(settings, tmp_path / "twice", date(2024, 2, 14))


@pytest.mark.slow
def test_interleaved_and_explored_answers_come_back_with_their_teams_and_chances(tmp_path):
    text = (CONFIG.parent / "experiments" / "tastes.toml").read_text()
    text = re.sub("guardrails.*", 'method = "interleave"\ncoverage = 0.5', text)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "both.toml").write_text(text)
    settings = load_settings(CONFIG, tmp_path / "home")
    explored = {"explore_share": {"discover": 0.05}, "explore_depth": 3}
    settings = settings.model_copy(
        update={
            "experiments_folder": tmp_path / "experiments",
            "serve": settings.serve.model_copy(update=explored),
        }
    )
    start_experiment(settings, "both")
    truths = play(settings, Simulation(n_users=400, n_items=80, past_days=42, days=1))
    check_the_loop(settings, truths)
    served = {one["request_id"]: one for truth in truths for one in truth.served}
    clicks = {pair for truth in truths for pair in truth.clicks}
    shown = rows(
        settings,
        "select request_id, item_id, variant, team, propensity, click_at is not null, source"
        " from intermediate.int_shown_items",
    )
    assert {variant for _, _, variant, *_ in shown} == {"interleaved", "control"}
    counted = Counter()
    for request_id, item, variant, team, propensity, is_clicked, source in shown:
        assert variant == served[request_id]["variant"]
        assert is_clicked == ((request_id, item) in clicks)
        is_interleaved = variant == "interleaved"
        assert (team is not None) == is_interleaved
        assert (propensity is not None) == (not is_interleaved and source == "personal")
        counted[team] += is_clicked
    night = date(2024, 2, 13)
    report = measure_experiment(settings, read_experiment(settings, "both"), night)
    assert report["health"]["is_healthy"]
    for arm in ("control", "longer"):
        assert report["arms"][arm]["click_count"] == counted[arm] > 0
    (preference,) = report["preferences"]
    users = {one["user_id"] for one in served.values() if one["variant"] == "interleaved"}
    assert preference["user_count"] == len(users) and preference["share"] is not None
    found = ask_off_policy(settings, Question("discover"), night)
    drawn = {row[0] for row in shown if row[4] is not None}
    assert found["answer_count"] == len(drawn) > 20
    assert found["answers_of_other_depth"] == found["answers_without_lists"] == 0
    looks, clicked = rows(
        settings,
        "select count(impression_at), count(click_at) from intermediate.int_shown_items"
        " where propensity is not null",
    )[0]
    assert found["impression_count"] == pytest.approx(looks, rel=0.1)
    assert abs(found["snips"]["value"] - clicked / looks) < 3 * found["snips"]["standard_error"]


@pytest.mark.prove
def test_2000_users_over_10_nights_through_a_live_api(tmp_path):
    settings = load_settings(CONFIG, tmp_path / "home")
    start_experiment(settings, "tastes")
    truths = play(settings, Simulation(n_users=2000, days=10), over_http=True, show=print)
    ctr = check_the_loop(settings, truths)
    check_conversion(settings, truths)
    check_every_event_twice(settings, tmp_path / "twice", date(2024, 2, 22))
    answers = sum(len(truth.served) for truth in truths)
    print(f"{answers:,} answers over HTTP, each found once; CTR {ctr:.4f} as counted by the world")
    print("every event twice in any order: the same report and the same tables of metrics")


def test_a_home_of_another_shop_is_left_alone(tmp_path):
    settings = load_settings(CONFIG, tmp_path / "home")
    (settings.landing / "events").mkdir(parents=True)
    with pytest.raises(SettingsError, match="needs a home of its own"):
        simulate_shop(settings, Simulation(days=1))


def test_an_unknown_placement_is_refused(tmp_path):
    settings = load_settings(CONFIG, tmp_path / "home")
    with pytest.raises(SettingsError, match="Known: discover"):
        simulate_shop(settings, Simulation(placement="nowhere"))


def test_http_needs_a_clock_that_both_processes_read(tmp_path):
    settings = load_settings(CONFIG, tmp_path / "home")
    of_no_file = parse_settings(settings.model_dump())
    serve = settings.serve.model_copy(update={"clock_file": None})
    for other in (of_no_file, settings.model_copy(update={"serve": serve})):
        with pytest.raises(SettingsError, match="clock_file"):
            simulate_shop(other, Simulation(), over_http=True)
