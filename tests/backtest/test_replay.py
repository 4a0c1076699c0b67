from __future__ import annotations

import shutil
from datetime import date

import pytest

from pipelines.backtest import replay as backtest
from pipelines.backtest.night import NightRecord, night_keys
from pipelines.backtest.replay import (
    BacktestPlan,
    backtest_settings,
    call_step,
    plan_backtest,
    replay_nights,
    run_backtest,
    write_results,
)
from pipelines.base.config import load_settings
from pipelines.base.durable import read_json
from pipelines.base.errors import SettingsError
from pipelines.events.landing import land
from tests.conftest import (
    SHOP_SETTINGS,
    bundled_settings,
    land_small_shop,
    shop_night,
    write_day,
)

NIGHTS = (shop_night(8), shop_night(10))


@pytest.fixture
def replayed(monkeypatch):
    """Nights that `replay_night` was called for, without running them."""
    calls = []

    def replay(own, as_of, key):
        calls.append(as_of)
        return NightRecord(as_of, key, "published")

    monkeypatch.setattr(backtest, "replay_night", replay)
    return calls


# what is asked for


def test_both_ends_of_the_range_are_nights():
    plan = plan_backtest(date(2011, 9, 23), date(2011, 12, 9))
    assert len(plan.nights) == 12
    assert (plan.nights[0], plan.nights[-1]) == (date(2011, 9, 23), date(2011, 12, 9))


def test_last_day_that_is_no_whole_step_away_is_no_night():
    plan = plan_backtest(date(2024, 1, 1), date(2024, 1, 9), "3d")
    assert [night.day for night in plan.nights] == [1, 4, 7]


@pytest.mark.parametrize("every", ["7", "0d", "d", "1m", "-1d", ""])
def test_step_that_is_no_number_of_days_is_refused(every):
    with pytest.raises(SettingsError, match="must be a number of days or weeks"):
        plan_backtest(*NIGHTS, every)


def test_range_that_ends_before_it_starts_is_refused():
    with pytest.raises(SettingsError, match="must end on or after its first night"):
        plan_backtest(NIGHTS[1], NIGHTS[0])


@pytest.mark.parametrize("name", ["../live", "a/b", ".hidden", "two words"])
def test_name_that_is_no_plain_folder_is_refused(name):
    with pytest.raises(SettingsError, match="must be of letters, digits"):
        plan_backtest(*NIGHTS, name=name)


# what is kept


def test_nights_that_are_there_are_kept_and_a_longer_range_adds_to_them(small_shop, replayed):
    settings = small_shop()
    replay_nights(settings, plan_backtest(shop_night(8), shop_night(9), name="try"))
    replay_nights(settings, plan_backtest(shop_night(8), shop_night(10), name="try"))
    assert replayed == [shop_night(8), shop_night(9), shop_night(10)]


def test_a_shorter_range_keeps_the_nights_after_it(small_shop, replayed):
    settings = small_shop()
    replay_nights(settings, plan_backtest(*NIGHTS, name="try"))
    found = replay_nights(settings, plan_backtest(shop_night(8), shop_night(9), name="try"))
    replay_nights(settings, plan_backtest(*NIGHTS, name="try"))
    assert [record.as_of for record in found] == [shop_night(8), shop_night(9)]
    assert len(replayed) == 3


def test_a_changed_day_file_starts_the_replay_over_and_the_landing_folder_stays(
    small_shop, replayed
):
    settings, plan = small_shop(), plan_backtest(*NIGHTS, name="try")
    replay_nights(settings, plan)
    own = backtest_settings(settings, plan).home
    (own / "trace").touch()
    before = sorted(settings.landing.rglob("*"))
    write_day(settings, "items", shop_night(1), {"item_id": ["new"], "valid_from": [None]})
    replay_nights(settings, plan)
    assert len(replayed) == 6
    assert not (own / "trace").exists()
    assert set(before) < set(settings.landing.rglob("*"))


def test_a_night_that_was_killed_is_run_again(small_shop, replayed, monkeypatch):
    settings, plan = small_shop(), plan_backtest(*NIGHTS, name="try")
    with monkeypatch.context() as patch:
        patch.setattr(backtest, "replay_night", lambda *_: exec("raise KeyboardInterrupt"))
        with pytest.raises(KeyboardInterrupt):
            replay_nights(settings, plan)
    state = read_json(backtest_settings(settings, plan).backtest_state)
    assert [night["state"] for night in state["nights"]] == ["running"]
    assert [record.state for record in replay_nights(settings, plan)] == ["published"] * 3


def test_folder_of_something_else_is_refused(small_shop, replayed):
    settings, plan = small_shop(), plan_backtest(*NIGHTS, name="try")
    folder = backtest_settings(settings, plan).home
    folder.mkdir(parents=True)
    (folder / "thesis.txt").touch()
    with pytest.raises(SettingsError, match="needs a folder of its own"):
        replay_nights(settings, plan)
    assert not replayed


def test_results_of_nights_that_were_not_replayed_are_refused(small_shop):
    with pytest.raises(SettingsError, match="Every night must be replayed"):
        write_results(small_shop(), plan_backtest(*NIGHTS))


def test_each_night_is_told_with_how_it_ended(small_shop, replayed):
    settings, plan, lines = small_shop(), plan_backtest(*NIGHTS, name="try"), []
    replay_nights(settings, plan, show=lines.append)
    replay_nights(settings, plan, show=lines.append)
    assert lines[1] == f"[1/3] night of {shop_night(8)}: published"
    assert lines[-1].endswith("published (kept, nothing changed)")


def test_nights_log_to_the_store_of_their_own_home(make_settings):
    settings = make_settings(mlflow={"tracking_uri": "http://127.0.0.1:9", "restart_seconds": 0})
    own = backtest_settings(settings, plan_backtest(*NIGHTS, name="try"))
    assert own.tracking_uri == f"sqlite:///{settings.home}/backtests/try/mlflow.db"


def test_nights_copy_nothing_to_postgres(make_settings):
    settings = make_settings(publish={"keep": 5, "postgres": {"dsn_variable": "SHOP_DSN"}})
    own = backtest_settings(settings, plan_backtest(*NIGHTS, name="try"))
    assert own.publish.postgres.dsn_variable is None and own.publish.keep == 5
    assert night_keys(settings, NIGHTS) == night_keys(own, NIGHTS)


def test_the_dag_calls_a_step_with_the_settings_of_the_environment(
    small_shop, replayed, monkeypatch
):
    settings = small_shop()
    monkeypatch.setenv("RECSYS_HOME", str(settings.home))
    monkeypatch.setenv("RECSYS_CONFIG", str(SHOP_SETTINGS))
    params = {"from": str(NIGHTS[0]), "to": str(NIGHTS[1]), "every": "7d", "name": "try"}
    call_step("replay_nights", params)
    assert len(replayed) == 3


# a real one


@pytest.mark.xdist_group("backtest")
def test_live_home_keeps_its_landing_folder_and_gets_no_warehouse(replayed_shop):
    settings, plan = replayed_shop
    own = backtest_settings(settings, plan).home
    assert {path.name for path in settings.home.iterdir()} <= {
        "landing",
        "backtests",
        "mlflow.db",
        "mlartifacts",
    }
    assert (own / "landing").readlink() == settings.landing
    assert (own / "publications" / "CURRENT.json").exists()


@pytest.mark.xdist_group("backtest")
def test_a_rerun_keeps_every_night_and_its_files_byte_by_byte(replayed_shop):
    settings, plan = replayed_shop
    own = backtest_settings(settings, plan).home
    names = ("results.json", "chart.png", "backtest.html")
    before, lines = [(own / name).read_bytes() for name in names], []
    run_backtest(settings, plan, show=lines.append)
    assert [(own / name).read_bytes() for name in names] == before
    assert all("kept" in line for line in lines)


@pytest.mark.xdist_group("backtest")
def test_another_home_gives_identical_figures(replayed_shop, tmp_path):
    settings, plan = replayed_shop
    other = load_settings(SHOP_SETTINGS, tmp_path / "other")
    land_small_shop(other)
    two = BacktestPlan(plan.name, plan.start, shop_night(9), plan.every_days)
    first = read_json(backtest_settings(settings, plan).backtest_results)["nights"]
    second = run_backtest(other, two)["nights"]
    assert [night["state"] for night in second] == ["published", "published"]
    assert second[0] == first[0]
    for view in ("publication_id", "placements"):  # only three weeks know what week 9 served
        assert _without_served(second[1][view]) == _without_served(first[1][view])


def _without_served(value):
    if not isinstance(value, dict):
        return value
    return {key: _without_served(one) for key, one in value.items() if key != "served"}


@pytest.mark.prove
def test_twelve_weekly_nights_of_the_bundled_shop_twice_give_identical_figures(tmp_path):
    settings = bundled_settings(tmp_path / "home")
    land(settings, "online-retail")
    plan = plan_backtest(date(2011, 9, 23), date(2011, 12, 9), "7d")
    own = backtest_settings(settings, plan).home
    written = []
    for _ in range(2):
        run_backtest(settings, plan, show=print)
        written.append([(own / name).read_bytes() for name in ("results.json", "chart.png")])
        shutil.rmtree(own)
    assert written[0] == written[1]
