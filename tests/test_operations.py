"""The remedies of docs/operations.md, carried out on a small shop with three nights."""

from __future__ import annotations

import json
import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from pipelines.base import errors
from pipelines.base.cli import cli
from pipelines.base.current import publish_lock, read_current, stored_ids
from pipelines.base.durable import read_json
from pipelines.base.warehouse import connect
from pipelines.run.night import run_in_a_row
from tests.conftest import SHOP_SETTINGS, shop_night

PAGE = Path(__file__).parent.parent / "docs" / "operations.md"
NIGHTS = [shop_night(8), shop_night(9)]


@pytest.fixture
def home(small_shop):
    """Two published nights for a test to break."""
    return small_shop(after=(8, 9))


def recsys(settings, *words, fails=None):
    """Run a command on a home; returns what it printed, or the error it must end with."""
    options = ["--home", str(settings.home), "--config", str(SHOP_SETTINGS)]
    done = CliRunner().invoke(cli, [*words, *options])
    if fails is None:
        assert done.exception is None, done.exception
        return done.output
    assert isinstance(done.exception, fails), done.output
    return str(done.exception)


def last_day_file(settings, night):
    return settings.landing / "events" / f"date={night - timedelta(days=1)}"


pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("operations")]


def test_every_error_the_page_names_exists():
    named = set(re.findall(r"`([A-Z]\w+Error)", PAGE.read_text()))
    assert len(named) >= 8
    assert all(hasattr(errors, name) for name in named)


def test_bad_lists_are_rolled_back_and_stay_so_until_unpinned(home):
    before, last = stored_ids(home)
    recsys(home, "rollback")
    assert read_current(home).publication_id == before
    run_in_a_row(home, NIGHTS[-1] + timedelta(days=1))
    assert read_current(home).publication_id == before
    assert "discover" in recsys(home, "diff", "live", "current")
    recsys(home, "unpin")
    assert read_current(home).publication_id not in {before, last}


def test_a_lost_column_changes_nothing_and_the_file_is_landed_again(home):
    folder = last_day_file(home, NIGHTS[-1])
    kept = home.home / "kept"
    shutil.move(folder, kept)
    folder.mkdir()
    (folder / "shop.csv").write_text("event_type,user,item_id,event_at\nview,u,i,2024-01-01\n")
    message = recsys(home, "load", "--as-of", NIGHTS[-1].isoformat(), fails=errors.SchemaError)
    assert "`user_id`" in message
    shutil.rmtree(folder)
    shutil.move(kept, folder)
    recsys(home, "load", "--as-of", NIGHTS[-1].isoformat())


def test_too_many_bad_rows_fail_the_day_until_the_file_is_landed_again(home):
    folder = last_day_file(home, NIGHTS[-1])
    bad = folder / "bad.csv"
    lines = [f"view,,i01,{NIGHTS[-1] - timedelta(days=1)} 10:00:00" for _ in range(50)]
    bad.write_text("\n".join(["event_type,user_id,item_id,event_at", *lines]) + "\n")
    words = ("load", "--as-of", NIGHTS[-1].isoformat())
    recsys(home, *words, fails=errors.QuarantineLimitError)
    bad.unlink()
    recsys(home, *words)


def test_a_held_warehouse_is_named_and_free_again_later(home):
    words = ("features", "--as-of", NIGHTS[-1].isoformat())
    code = (
        "import sys, duckdb, time; c = duckdb.connect(sys.argv[1]); print('held', flush=True); "
        "time.sleep(60)"
    )
    import subprocess
    import sys

    with subprocess.Popen(
        [sys.executable, "-c", code, str(home.warehouse_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        recsys(home, *words, fails=errors.WarehouseLockedError)
        holder.kill()
    with connect(home):
        pass


def test_a_publisher_at_work_is_waited_for(home):
    words = ("publish", "--as-of", NIGHTS[-1].isoformat())
    with publish_lock(home):
        assert "One publisher" in recsys(home, *words, fails=errors.PublishLockedError)
    assert "rules hold" in recsys(home, *words)


def test_lists_that_break_a_rule_leave_the_old_ones_live(home, tmp_path):
    strict = tmp_path / "strict.toml"
    text = SHOP_SETTINGS.read_text().replace("max_item_share = 1.0", "max_item_share = 0.01")
    strict.write_text(text)
    done = CliRunner().invoke(
        cli,
        [
            *("publish", "--as-of", NIGHTS[-1].isoformat()),
            *("--home", str(home.home), "--config", str(strict)),
        ],
    )
    assert isinstance(done.exception, errors.AuditError)
    report = read_json(home.run_folder(NIGHTS[-1]).audit)
    assert not report["passed"]
    assert read_current(home, verify=True).as_of == NIGHTS[-1]
    assert "rules hold" in recsys(home, "publish", "--as-of", NIGHTS[-1].isoformat())


@pytest.mark.parametrize("remedy", ["rollback", "publish"])
def test_an_unreadable_current_is_mended(home, remedy):
    before, last = stored_ids(home)
    (home.publications / "CURRENT.json").write_text("{")
    recsys(home, "query", "--user", "u001", fails=errors.PublicationNotFoundError)
    if remedy == "rollback":
        recsys(home, "rollback", "--to", before)
        assert read_current(home).publication_id == before
    else:
        recsys(home, "publish", "--as-of", NIGHTS[-1].isoformat())
        assert read_current(home).publication_id == last


def test_an_unreadable_pin_is_removed(home):
    last = read_current(home).publication_id
    recsys(home, "pin")
    (home.publications / "PIN.json").write_text("")
    recsys(home, "query", "--user", "u001", fails=errors.PublicationNotFoundError)
    recsys(home, "publish", "--as-of", NIGHTS[-1].isoformat(), fails=errors.PipelineError)
    recsys(home, "unpin")
    assert read_current(home).publication_id == last


def test_a_damaged_publication_is_built_anew(home):
    current = read_current(home)
    path = current.folder / "lists.sqlite"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(errors.PublicationNotFoundError, match="damaged"):
        read_current(home, verify=True)
    recsys(home, "publish", "--as-of", NIGHTS[-1].isoformat())
    assert read_current(home, verify=True).publication_id == current.publication_id


def test_an_older_night_is_pinned_not_rerun(home):
    before, last = stored_ids(home)
    recsys(home, "publish", "--as-of", NIGHTS[0].isoformat())
    assert read_current(home).publication_id == last
    recsys(home, "pin", before)
    assert read_current(home).publication_id == before


def test_what_is_stored_and_sound_is_told(home):
    found = json.loads(recsys(home, "publications", "--verify", "--json"))
    assert len(json.dumps(found)) > 100 and all(
        one in json.dumps(found) for one in stored_ids(home)
    )


def test_one_customers_lists_are_explained(home):
    assert "u001" in recsys(home, "why", "--user", "u001")


def test_a_key_is_made_for_an_api_that_refuses_to_start_without(home):
    message = recsys(home, "serve", "--host", "0.0.0.0", fails=errors.PipelineError)
    assert "api-key" in message
    made = json.loads(CliRunner().invoke(cli, ["api-key", "--json"]).output)
    assert any(re.fullmatch("[0-9a-f]{64}", value) for value in made.values())
