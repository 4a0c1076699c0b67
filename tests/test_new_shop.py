"""A shop of one's own from its files to lists with titles, by `recsys init` and no file edited."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.ask.query import run_sql
from pipelines.base.cli import cli
from pipelines.base.config import load_settings
from pipelines.base.windows import parse_day
from pipelines.run.night import run_in_a_row
from tests.start.shop_files import write_shop


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a shop in a folder of its own and run the night that `init` names."""
    monkeypatch.chdir(tmp_path)

    def run(paths):
        found = CliRunner().invoke(cli, ["init", *map(str, paths), "--land"])
        assert found.exit_code == 0, found.output
        last = shlex.split(found.output.splitlines()[-1].removeprefix("Go on with: "))
        night = parse_day(last[last.index("--as-of") + 1])
        settings = load_settings("recsys.toml")
        run_in_a_row(settings, night)
        return settings, night

    return run


@pytest.mark.slow
def test_files_become_lists_with_titles_and_the_better_candidate_is_promoted(start, tmp_path):
    settings, night = start(write_shop(tmp_path))
    verdict = json.loads(settings.run_folder(night).gate("discover").read_text())
    assert verdict["is_promoted"], verdict["reason"]
    lists = run_sql(
        settings,
        "select count(*) as lines, count(items.title) as titled, count(distinct user_id) as users "
        "from current_recommendations inner join items using (item_id) where placement = 'discover'",
    )
    lines, titled, users = lists.iloc[0]
    assert lines == titled > 0 and users == 220


def test_data_named_by_an_option_end_in_a_published_night(request, start):
    paths = request.config.getoption("--shop-data")
    if not paths:
        pytest.skip(
            "give --shop-data PATH, once for each file of a shop, such as a MovieLens folder"
        )
    typed_in = Path(request.config.invocation_params.dir)
    settings, night = start([typed_in / path for path in paths])
    assert json.loads(settings.run_folder(night).publication.read_text())["user_count"] > 0
