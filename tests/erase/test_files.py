from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.durable import file_sha256, read_json, write_json, write_text
from pipelines.erase.files import clean_file, erase_from_night
from pipelines.erase.scan import find_user
from pipelines.erase.words import UserWords
from pipelines.events.erased import remember_erased
from pipelines.features.read import read_interactions
from pipelines.features.snapshot import content_hash
from pipelines.registry.histories import load_histories, save_histories
from tests.published_shop import NIGHT, bought, shop, write_snapshot  # noqa: F401 - a fixture

USER = "u03"
WORDS = UserWords(USER)


@pytest.fixture
def erased(make_settings):
    return remember_erased(make_settings(), USER)


@pytest.mark.parametrize(
    ("name", "text", "left"),
    [
        ("a.json", '{"seen": ["u03", 3], "u030": 1}', {"seen": ["[erased]", 3], "u030": 1}),
        ("a.html", "<b>u03</b> u030", "<b>[erased]</b> u030"),
        ("a.log", "u03 came", "[erased] came"),
        ("examples.md", "## u03", None),
        (".a.json.17.tmp", "u03", None),
        ("u03.txt", "anything", None),
    ],
)
def test_a_file_is_cleaned_by_what_it_is(tmp_path, erased, name, text, left):
    path = tmp_path / name
    path.write_text(text)
    clean_file(path, WORDS, erased)
    found = path.read_text() if path.exists() else None
    assert (json.loads(found) if isinstance(left, dict) else found) == left


def test_a_draft_that_was_left_behind_goes_with_all_that_is_in_it(tmp_path, erased):
    path = tmp_path / ".snapshot.17.old" / "users.parquet"
    path.parent.mkdir()
    pq.write_table(pa.table({"user_id": [USER]}), path)
    clean_file(path, WORDS, erased)
    assert not path.exists()


def test_what_is_no_text_is_left_for_the_search_to_name(tmp_path, erased, caplog):
    path = tmp_path / "dump.bin"
    path.write_bytes(b"\xff u03")
    clean_file(path, WORDS, erased)
    assert "is of no kind a user can be taken out of" in caplog.text
    assert path.read_bytes() == b"\xff u03"


def test_a_history_loses_the_user_and_keeps_everybody_else(shop, tmp_path, erased):  # noqa: F811 - the fixture
    write_snapshot(shop, NIGHT, bought(NIGHT))
    history, path = read_interactions(shop, NIGHT, NIGHT), tmp_path / "histories.npz"
    save_histories(history, path)
    clean_file(path, WORDS, erased)
    kept = load_histories(path)
    others = np.flatnonzero(history.user_ids != USER)
    assert kept.content_hash() == history.select_users(others).content_hash()
    assert find_user(path, WORDS) == []


def test_a_night_names_the_new_hashes_of_what_changed(shop, erased):  # noqa: F811 - the fixture
    write_snapshot(shop, NIGHT, bought(NIGHT))
    run, folder = shop.run_folder(NIGHT), shop.run_folder(NIGHT).snapshot
    files = {path.name: {"rows": 0, "sha256": "old"} for path in folder.iterdir()}
    described = {"as_of": NIGHT.isoformat(), "cutoffs": [], "files": files}
    write_json(folder / "manifest.json", {**described, "content_hash": content_hash(described)})
    lists = run.variant("discover", "control")
    lists.parent.mkdir(parents=True)
    pq.write_table(pa.table({"user_id": [USER, "u04"]}), lists)
    old = {"discover/control.parquet": file_sha256(lists)}
    write_json(run.audit, {"passed": True, "files": old})
    assert erase_from_night(shop, NIGHT, WORDS, erased) > 0
    assert find_user(run.folder, WORDS) == []
    assert read_json(run.audit)["files"] == {"discover/control.parquet": file_sha256(lists)}
    manifest = read_json(folder / "manifest.json")
    assert all(
        entry["sha256"] == file_sha256(folder / name) for name, entry in manifest["files"].items()
    )
    assert manifest["content_hash"] == content_hash(
        {key: value for key, value in manifest.items() if key != "content_hash"}
    )
    assert not run.erasing.exists()


def test_hashes_are_renewed_also_when_only_that_was_left_to_do(make_settings, erased):
    settings = make_settings()
    run = settings.run_folder(NIGHT)
    lists = run.lists / "a.parquet"
    write_text(lists, "rows")
    write_json(run.audit, {"files": {"a.parquet": "old"}})
    assert erase_from_night(settings, NIGHT, WORDS, erased) == 0
    assert read_json(run.audit)["files"] == {"a.parquet": "old"}
    write_text(run.erasing, "")
    erase_from_night(settings, NIGHT, WORDS, erased)
    assert read_json(run.audit)["files"] == {"a.parquet": file_sha256(lists)}
