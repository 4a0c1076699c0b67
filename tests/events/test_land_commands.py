from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from pipelines.base.cli import cli
from pipelines.base.errors import LandingError
from pipelines.events.land_commands import land_command
from pipelines.events.sources.presets import read_presets


@pytest.fixture
def recsys(tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_HOME", str(tmp_path / "home"))
    return lambda *arguments: CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(
        "who;what;on;kind;paid\n"
        "u1;i1;01.03.2024;cart;1.200,50\n"
        "u2;i1;02.03.2024;buy;free\n"
        "null;i1;02.03.2024;buy;1\n"
        "u2;i1;02.03.2024;buy;free;gift\n"
    )
    return path


MAPPING = [f"--map={one}" for one in ("user_id=who", "item_id=what", "event_at=on", "price=paid")]


def test_what_was_read_left_out_and_not_read_is_told(recsys, log):
    landed = recsys(
        *("land", "table", log, *MAPPING, "--map=event_type=kind", "--decimal-comma"),
        *("--time-format=%d.%m.%Y", "--map-value=event_type:cart=add_to_cart"),
        *("--map-value=event_type:buy=purchase", "--max-bad-share=0.5"),
    )
    assert "2 events and 0 item rows in 2 days (2024-03-01 to 2024-03-02)" in landed.stdout
    assert "left out         1  user_id means nobody" in landed.stdout
    assert "left out         1  a line has more values than the 5 columns" in landed.stdout
    assert "unread           1  paid is no number, as in 'free'" in landed.stdout
    assert "note: row 5: u2;i1;02.03.2024;buy;free;gift" in landed.stdout
    assert "recsys run --as-of 2024-03-03" in landed.stdout


def test_columns_of_a_file_without_a_header_are_named(recsys, tmp_path):
    path = tmp_path / "clicks.dat"
    path.write_text("u1,i1,1709287200\n")
    landed = recsys(
        "land", "table", path, "--columns=user_id,item_id,event_at", "--event-type=click", "--json"
    )
    assert json.loads(landed.stdout)["event_count"] == 1


def test_a_map_of_values_names_its_column(recsys, log):
    wrong = recsys("land", "table", log, "--map-value=cart=add_to_cart")
    assert wrong.exit_code == 2 and "write COLUMN:OLD=NEW, not 'cart=add_to_cart'" in wrong.stderr


def test_a_refusal_reaches_the_caller(recsys, log):
    refused = recsys("land", "table", log, *MAPPING, "--event-type=click").exception
    assert isinstance(refused, LandingError)


def test_help_names_every_preset():
    text = " ".join(land_command.help.split())
    assert all(name in text for name in read_presets())
