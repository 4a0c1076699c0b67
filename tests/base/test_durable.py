from __future__ import annotations

import hashlib
import os

import pytest

from pipelines.base.durable import (
    file_sha256,
    fsync_file,
    fsync_folder,
    read_if_there,
    read_json,
    to_json,
    write_json,
)


def test_json_is_the_same_for_equal_values_and_keeps_other_alphabets():
    assert to_json({"b": 1, "a": "é"}) == '{\n  "a": "é",\n  "b": 1\n}\n'


def test_a_crash_before_the_rename_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "value.json"
    write_json(path, 1)
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("power cut")))
    with pytest.raises(OSError, match="power cut"):
        write_json(path, 2)
    assert read_json(path) == 1


def test_folders_are_made_on_the_way(tmp_path):
    write_json(tmp_path / "a" / "b.json", {"x": None})
    assert read_json(tmp_path / "a" / "b.json") == {"x": None}
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b.json"]


def test_a_missing_file_is_no_value(tmp_path):
    assert read_if_there(tmp_path / "none.json") is None


def test_sha256_is_of_the_bytes(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    fsync_file(tmp_path / "x")
    fsync_folder(tmp_path)
    assert file_sha256(tmp_path / "x") == hashlib.sha256(b"abc").hexdigest()


@pytest.fixture
def no_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def test_files_are_for_owner_and_group_whatever_the_umask(tmp_path, no_umask):
    path = tmp_path / "erased.json"
    write_json(path, {})
    assert path.stat().st_mode & 0o777 == 0o640
    write_json(path, {"again": 1})
    assert path.stat().st_mode & 0o777 == 0o640


def test_json_that_is_nested_too_deeply_is_no_json(tmp_path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ValueError, match=r"deep.json is nested too deeply"):
        read_json(path)
