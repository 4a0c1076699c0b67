from __future__ import annotations

import os
import shlex
import subprocess
import sys
from datetime import datetime, timedelta

import pytest
from click.testing import CliRunner

from pipelines.base.cli import cli
from pipelines.base.config import PROJECT_ROOT, load_settings
from pipelines.base.errors import LandingError, SettingsError
from pipelines.events.configured_sources import land_sources
from pipelines.start.init import init_shop, may_write
from pipelines.start.shop_files import understand_files
from tests.start.shop_files import FIRST, ITEMS, write, write_shop


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A folder with the files of a shop, where the commands are typed."""
    monkeypatch.chdir(tmp_path)
    write_shop(tmp_path)
    return tmp_path


def recsys(*words):
    return CliRunner().invoke(cli, [*words])


def never(path, question):
    raise AssertionError(f"{path}: {question}")


def test_init_says_what_lands_and_why_and_what_to_type(shop, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    found = recsys("init", "orders.csv", "products.csv")
    assert found.exit_code == 0, found.output
    text = found.output
    assert "user_id     by its name; 220 different values" in text
    assert "purchase, by qty, price, order_no" in text
    assert "2024-01-01, the first day of events" in text
    assert f"{ITEMS} items land; the first of them" in text
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("recsys ")]
    assert [words[1] for words in commands] == ["land", "run"]
    orders, products = load_settings("recsys.toml").sources
    assert orders.path == str(shop / "orders.csv") and products.feed == "items"


def test_the_commands_land_what_was_shown_and_the_run_knows_all_of_it(shop):
    shown = recsys("init", "orders.csv", "products.csv").output
    (line,) = [line for line in shown.splitlines() if line.startswith("recsys land")]
    landed = recsys(*shlex.split(line)[1:])
    assert landed.exit_code == 0, landed.output
    counts = [
        line.split(" events and ")[0]
        for line in landed.output.splitlines()
        if " events and " in line
    ]
    assert len(counts) == 2
    assert all(count == "0" or f"{int(count):,} events land" in shown for count in counts)
    (run,) = [line for line in shown.splitlines() if line.startswith("recsys run")]
    assert run == landed_night(shop)


def landed_night(folder):
    days = sorted(path.name[5:] for path in (folder / "var" / "landing" / "events").iterdir())
    last = datetime.fromisoformat(days[-1]) + timedelta(days=1)
    return f"recsys run --as-of {last.date()}"


def test_a_settings_file_is_not_replaced_without_force(shop):
    (shop / "recsys.toml").write_text('home = "var"\n')
    refused = recsys("init", "orders.csv", "products.csv")
    assert isinstance(refused.exception, SettingsError)
    assert "replace it with --force" in str(refused.exception)
    assert (shop / "recsys.toml").read_text() == 'home = "var"\n'
    assert recsys("init", "orders.csv", "products.csv", "--force").exit_code == 0
    assert "min_users" in (shop / "recsys.toml").read_text()


def test_the_bundled_settings_are_never_replaced():
    with pytest.raises(SettingsError, match="it is that of the bundled shop"):
        may_write(PROJECT_ROOT / "recsys.toml", force=True)


def test_a_doubt_that_nobody_can_settle_names_the_option(shop):
    write(shop / "log.csv", ["user", "sku", "ts"], [["a", "b", FIRST], ["b", "c", FIRST]])
    refused = recsys("init", "log.csv")
    assert isinstance(refused.exception, LandingError)
    assert "--event-type purchase or --event-type view" in str(refused.exception)
    assert not (shop / "recsys.toml").exists()


def test_answers_settle_doubts(shop):
    settings = load_settings(None, shop / "var")
    write(shop / "log.csv", ["user", "sku", "ts"], [["a", "b", FIRST], ["b", "c", FIRST]])
    (file,) = understand_files(settings, ["log.csv"], {}, lambda path, question: "view")
    assert file.options["event_type"] == "view"


def test_two_orders_of_day_and_month_are_refused_until_the_format_is_given(shop):
    rows = [
        [f"u{user}", f"i{(user + month) % 7}", f"{user % 12 + 1:02}/{month:02}/2024", 1, 2]
        for user in range(30)
        for month in range(1, 7)
    ]
    write(shop / "dates.csv", ["user", "sku", "date", "qty", "price"], rows)
    refused = recsys("init", "dates.csv")
    assert isinstance(refused.exception, LandingError)
    assert "--time-format '%d/%m/%Y'" in str(refused.exception)
    found = recsys("init", "dates.csv", "--time-format", "%d/%m/%Y")
    assert found.exit_code == 0, found.output
    assert 'time_format = "%d/%m/%Y"' in (shop / "recsys.toml").read_text()


def test_a_preset_is_known_by_its_columns(shop):
    header = ["reviewerID", "asin", "unixReviewTime", "overall"]
    lines = [
        "{"
        + ", ".join(f'"{name}": "{value}"' for name, value in zip(header, row, strict=True))
        + "}"
        for user in range(9)
        for n in range(5)
        for row in [(f"A{user}", f"B{(user + n) % 6}", 1_700_000_000 + 86_400 * 9 * n, n + 1)]
    ]
    (shop / "reviews.json").write_text("\n".join(lines))
    found = recsys("init", "reviews.json")
    assert found.exit_code == 0, found.output
    (source,) = load_settings("recsys.toml").sources
    assert (source.name, source.source) == ("amazon", "amazon")


def test_two_files_of_one_name_get_day_files_of_their_own(shop):
    (shop / "old").mkdir()
    write_shop(shop / "old", seed=6)
    found = recsys("init", "orders.csv", "old/orders.csv", "products.csv")
    assert found.exit_code == 0, found.output
    names = [source.name for source in load_settings("recsys.toml").sources]
    assert names == ["orders", "orders_2", "products"]


def test_lines_of_users_with_items_point_to_the_benchmark(shop):
    (shop / "train.txt").write_text("0 1 2 3\n1 4 5\n")
    assert "recsys benchmark" in str(recsys("init", "train.txt").exception)


def test_a_log_without_people_is_refused(shop):
    assert "A shop must have events" in str(recsys("init", "products.csv").exception)


def test_given_options_count_for_the_files_that_have_the_column(shop):
    start = init_shop(
        shop / "recsys.toml",
        None,
        ["orders.csv", "products.csv"],
        {"mapping": {"title": "category", "session_id": "order_no"}},
        never,
    )
    orders, products = start.files
    assert orders.options["mapping"]["session_id"] == "order_no"
    assert products.options["mapping"]["title"] == "category"


def test_a_night_lands_what_init_found(shop):
    start = init_shop(shop / "recsys.toml", None, ["orders.csv", "products.csv"], {}, never)
    reports = land_sources(load_settings(shop / "recsys.toml"), start.profile.as_of)
    assert reports[0].event_count == sum(start.profile.event_counts.values())
    assert reports[1].item_count == ITEMS


def test_a_terminal_is_asked_and_its_answer_is_in_the_settings(shop):
    rows = [[f"u{n % 9}", f"i{n % 4}", FIRST + timedelta(days=n)] for n in range(60)]
    write(shop / "log.csv", ["user", "sku", "ts"], rows)
    keyboard, terminal = os.openpty()
    os.write(keyboard, b"view\n")
    words = [sys.executable, "-m", "pipelines", "init", "log.csv"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
    done = subprocess.run(
        words, stdin=terminal, capture_output=True, text=True, check=False, env=environment
    )
    os.close(keyboard)
    os.close(terminal)
    assert done.returncode == 0, done.stderr
    assert "No column says what happened in a row" in done.stdout
    assert 'event_type = "view"' in (shop / "recsys.toml").read_text()
