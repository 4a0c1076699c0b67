from __future__ import annotations

import zipfile

import numpy as np

from pipelines.features.read import read_interactions
from pipelines.registry.histories import load_histories, save_histories


def test_histories_come_back_as_they_were(shop, night, tmp_path):
    history = read_interactions(shop, night, night)
    save_histories(history, tmp_path / "histories.npz")
    assert load_histories(tmp_path / "histories.npz").content_hash() == history.content_hash()


def test_titles_come_back_with_their_items(shop, night, tmp_path):
    save_histories(read_interactions(shop, night, night), tmp_path / "histories.npz")
    titles = load_histories(tmp_path / "histories.npz").current_attributes().title
    assert titles.tolist() == [f"Thing {n}" for n in range(8)]


def test_file_from_before_there_were_attributes_can_be_read(shop, night, tmp_path):
    history = read_interactions(shop, night, night)
    save_histories(history, tmp_path / "new.npz")
    with np.load(tmp_path / "new.npz") as stored:
        old = {name: stored[name] for name in stored.files if not name.startswith("version_")}
    np.savez_compressed(tmp_path / "old.npz", **old)
    found = load_histories(tmp_path / "old.npz")
    assert found.item_ids.tolist() == history.item_ids.tolist()
    assert found.current_attributes().title.tolist() == [""] * 8


def test_histories_of_nobody_come_back(shop, night, tmp_path):
    nobody = read_interactions(shop, night, night).select_users(np.array([], dtype=int))
    save_histories(nobody, tmp_path / "histories.npz")
    assert load_histories(tmp_path / "histories.npz").shape == (0, 8)


def test_histories_have_the_same_bytes_each_time_and_hold_plain_arrays_only(shop, night, tmp_path):
    history = read_interactions(shop, night, night)
    for name in ("a.npz", "b.npz"):
        save_histories(history, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as stored:
        assert all(stored[name].dtype.kind in "UifMb" for name in stored.files)
    assert zipfile.ZipFile(tmp_path / "a.npz").testzip() is None
