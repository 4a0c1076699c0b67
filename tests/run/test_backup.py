"""A home that is backed up, moved or copied works in its new place."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

import pytest

from pipelines.base.config import load_settings
from pipelines.base.current import read_current
from pipelines.base.errors import BackupError, HomeBusyError
from pipelines.base.night_lock import shared_home
from pipelines.base.tracking import tracking_client
from pipelines.base.warehouse import connect, fingerprint_tables
from pipelines.run.backup import CONTENTS, back_up, restore
from pipelines.run.doctor import examine
from pipelines.run.moved_home import moved_from, repair_home
from tests.conftest import SHOP_SETTINGS


def fingerprints(settings):
    with connect(settings, read_only=True) as warehouse:
        return fingerprint_tables(warehouse)


def model_files(settings):
    """Files of the registered models, as MLflow finds them."""
    client = tracking_client(settings)
    models = client.search_model_versions()
    assert models
    return {
        model.name: sorted(one.path for one in client.list_logged_model_artifacts(model.model_id))
        for model in models
        if model.model_id
    }


def test_a_restored_home_is_as_the_first_and_mlflow_finds_its_files(small_shop, tmp_path):
    settings = small_shop(after=(10,))
    repair_home(settings)  # it is a copy itself
    (settings.home / "tmp").mkdir(exist_ok=True)
    (settings.home / "tmp" / "spilled").write_text("x")
    written = back_up(settings, tmp_path / "shop.tar")
    copy = load_settings(SHOP_SETTINGS, tmp_path / "elsewhere" / "home")
    restored = restore(copy, tmp_path / "shop.tar")
    assert (restored.file_count, restored.byte_count) == (written.file_count, written.byte_count)
    assert fingerprints(copy) == fingerprints(settings)
    assert read_current(copy, verify=True).as_of == read_current(settings).as_of
    assert not (copy.home / CONTENTS).exists() and not (copy.home / "tmp" / "spilled").exists()
    before = model_files(settings)
    shutil.rmtree(settings.home)
    assert model_files(copy) == before
    assert {one.subject for one in examine(copy) if not one.is_fine} == {"freshness"}


def test_a_backup_that_is_not_whole_is_refused_and_leaves_nothing(small_shop, tmp_path):
    settings = small_shop(after=(10,))
    whole = tmp_path / "shop.tar"
    back_up(settings, whole)
    content = whole.read_bytes()
    middle = content.index(b"CURRENT.json") + 600
    broken = {
        "cut": content[: len(content) // 2],
        "changed": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "empty": b"",
        "text": b"no archive" * 200,
    }
    home = tmp_path / "other"
    for name, damaged in broken.items():
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(BackupError, match="A backup must be whole"):
            restore(load_settings(SHOP_SETTINGS, home), tmp_path / name)
        assert not home.exists(), name


def test_nothing_is_overwritten_and_nothing_is_backed_up_into_itself(small_shop, tmp_path):
    settings = small_shop()
    back_up(settings, tmp_path / "shop.tar")
    with pytest.raises(BackupError, match="a place where nothing is"):
        restore(settings, tmp_path / "shop.tar")
    with pytest.raises(BackupError, match="written outside of it"):
        back_up(settings, settings.home / "shop.tar")
    with pytest.raises(BackupError, match="a home that is there"):
        back_up(load_settings(SHOP_SETTINGS, tmp_path / "none"), tmp_path / "none.tar")
    assert not (tmp_path / "none").exists() and not (tmp_path / "none.tar").exists()


def test_no_backup_is_made_while_a_night_runs(small_shop, tmp_path):
    settings = small_shop()
    with shared_home(settings), pytest.raises(HomeBusyError):
        back_up(settings, tmp_path / "shop.tar")
    assert not list(tmp_path.glob("*shop.tar*"))


def test_a_database_that_is_being_written_is_copied_as_a_whole(make_settings, tmp_path):
    settings = make_settings()
    settings.home.mkdir()
    with closing(sqlite3.connect(settings.home / "mlflow.db")) as store:
        store.execute("pragma journal_mode = wal")
        store.execute("create table one (number int)")
        store.executemany("insert into one values (?)", [(n,) for n in range(1000)])
        store.commit()
        store.execute("insert into one values (-1)")  # not committed yet
        back_up(settings, tmp_path / "shop.tar")
    copy = make_settings(home=tmp_path / "copy")
    restore(copy, tmp_path / "shop.tar")
    with closing(sqlite3.connect(copy.home / "mlflow.db")) as store:
        assert store.execute("select count(*), min(number) from one").fetchall() == [(1000, 0)]


def test_a_copied_home_is_seen_and_repaired(small_shop, tmp_path):
    settings = small_shop(after=(10,))
    moved = load_settings(SHOP_SETTINGS, tmp_path / "moved")
    shutil.copytree(settings.home, moved.home)
    (found,) = [one for one in examine(moved) if one.subject == "MLflow"]
    assert not found.is_fine and "doctor --repair" in found.remedy
    assert len(moved_from(moved)) == 1
    assert repair_home(moved) > 0
    assert moved_from(moved) == set() and repair_home(moved) == 0
    (found,) = [one for one in examine(moved) if one.subject == "MLflow"]
    assert found.is_fine
