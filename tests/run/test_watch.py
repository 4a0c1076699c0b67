from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from pipelines.base.cli import cli
from pipelines.base.config import load_settings
from pipelines.base.warehouse import connect
from pipelines.run.watch import check_home, observe_night, watch_home
from tests.conftest import SHOP_SETTINGS, shop_night
from tests.receivers import dead_receiver, web_receiver


@pytest.fixture
def told_shop(tmp_path, small_shop):
    """The small shop after a night, its settings with a webhook, and the receiver."""
    home = small_shop(after=(10,)).home
    with web_receiver() as web:
        file = tmp_path / "told.toml"
        file.write_text(
            f'{SHOP_SETTINGS.read_text()}\n[notify]\nwebhook = "{web.url}"\npublish_by = 06:00:00\n'
            f'[prometheus]\ntextfile = "{tmp_path}/recsys.prom"\n'
        )
        yield load_settings(file, home), web


def test_what_is_wrong_is_told_once_until_it_is_mended(told_shop):
    settings, web = told_shop
    tomorrow = datetime(2024, 3, 12, 7, tzinfo=UTC)
    subjects = [alert.subject for alert in check_home(settings, tomorrow)]
    assert [subject.split()[1:4] for subject in subjects] == [
        ["the", "live", "lists"],
        ["the", "night", "of"],
    ]
    assert len(check_home(settings, tomorrow + timedelta(minutes=15))) == 2
    assert [text.splitlines()[0] for text in web.texts] == subjects
    check_home(settings, tomorrow + timedelta(days=1))
    assert len(web.texts) == 3  # another night is not published


def test_a_home_in_order_gives_metrics_and_no_alert(told_shop, tmp_path):
    settings, web = told_shop
    assert check_home(settings, datetime(2024, 3, 11, 7, tzinfo=UTC)) == [] and not web.requests
    assert "recsys_served_users " in (tmp_path / "recsys.prom").read_text()


def test_a_night_whose_metric_dropped_is_told_once(told_shop):
    settings, web = told_shop
    assert observe_night(settings, shop_night(10)) == []  # nothing before it
    with connect(settings) as warehouse:  # a week before, the same champions were ten times as good
        for table, value in (
            ("champions", ""),
            ("candidate_metrics", ", least(value * 10, 1) as value"),
        ):
            warehouse.execute(
                f"insert into serving.{table} "
                f"select * replace (as_of - 7 as as_of{value}) from serving.{table}"
            )
    for _ in range(2):
        subjects = observe_night(settings, shop_night(10))
        assert [subject.split(" fell by ")[0] for subject in subjects] == [
            f"recsys: the champion's ndcg_at_5 of {placement}" for placement in settings.placements
        ]
    assert [text.splitlines()[0] for text in web.texts] == subjects


def test_the_task_looks_at_the_home_of_its_environment(told_shop, monkeypatch, tmp_path):
    settings, _ = told_shop
    monkeypatch.setenv("RECSYS_CONFIG", str(settings.file))
    monkeypatch.setenv("RECSYS_HOME", str(settings.home))
    watch_home()
    assert (tmp_path / "recsys.prom").exists()


def recsys(*words):
    return CliRunner().invoke(cli, ["notify", *words])


def test_a_test_message_says_what_happened_on_each_channel(tmp_path):
    file = tmp_path / "recsys.toml"
    place = ["--home", str(tmp_path / "home"), "--config", str(file)]
    with web_receiver() as web, dead_receiver() as port:
        file.write_text(f'[notify]\nwebhook = "{web.url}"\n')
        done = recsys("--test", *place)
        assert done.exit_code == 0 and "it answered 200" in done.output
        assert web.texts[0].startswith("recsys: a test message\n")
        mail = f'[notify.email]\nhost = "127.0.0.1"\nport = {port}\nrecipients = ["a@b.c"]\n'
        file.write_text(f'[notify]\nwebhook = "{web.url}"\ntimeout_seconds = 0.2\n{mail}')
        done = recsys("--test", "--json", *place)
    assert done.exit_code == 1
    assert {one["channel"]: one["state"] for one in json.loads(done.output)} == {
        "webhook": "sent",
        "email": "failed",
    }
    assert "secret-path" not in done.output


def test_a_test_without_channels_and_a_call_without_a_wish_are_refused(tmp_path):
    place = ["--home", str(tmp_path / "home")]
    done = recsys("--test", *place)
    assert "At least one channel must be set" in str(done.exception)
    assert recsys(*place).exit_code == 2


def test_a_check_prints_what_is_wrong_for_a_monitor(told_shop):
    settings, web = told_shop  # its lists are of 2024
    place = ["--home", str(settings.home), "--config", str(settings.file)]
    done = recsys("--check", "--json", *place)
    found = json.loads(done.output)
    assert done.exit_code == 1 and 1 <= len(found) == len(web.requests)
    assert "hours old" in found[0]["subject"]
    done = recsys("--check", *place)
    assert done.exit_code == 1 and "Command: recsys run --as-of" in done.output
    assert len(web.requests) == len(found)


def test_a_check_of_a_home_in_order_says_so(tmp_path):
    done = recsys("--check", "--home", str(tmp_path / "home"))
    assert (done.exit_code, done.output.strip()) == (0, "Nothing is wrong.")
