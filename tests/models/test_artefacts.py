from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from pipelines.base.errors import SettingsError, StoredRecommenderError, UnknownRecommenderError
from pipelines.features.interactions import Interactions
from pipelines.models.artefacts import load_recommender, save_recommender
from pipelines.models.candidates import Spec, fit_candidate
from pipelines.models.popularity import Popularity

SPEC = Spec("mine", "item_knn", {"n_neighbors": 5}, {"purchase": 1.0})


@pytest.fixture
def saved(random_history: Interactions, tmp_path: Path) -> Path:
    save_recommender(fit_candidate(SPEC, random_history), SPEC, tmp_path / "saved")
    return tmp_path / "saved"


def change_description(folder: Path, **changes: Any) -> None:
    path = folder / "recommender.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def plant_arrays(folder: Path, content: bytes) -> None:
    """Replace the arrays by others that the description vouches for."""
    (folder / "arrays.npz").write_bytes(content)
    change_description(folder, arrays_sha256=hashlib.sha256(content).hexdigest())


def test_saving_twice_gives_the_same_bytes(
    saved: Path, random_history: Interactions, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    save_recommender(fit_candidate(SPEC, random_history), SPEC, again)
    assert sorted(path.name for path in again.iterdir()) == ["arrays.npz", "recommender.json"]
    for path in again.iterdir():
        assert path.read_bytes() == (saved / path.name).read_bytes()


def test_saving_replaces_an_older_one_and_leaves_other_files(
    saved: Path, random_history: Interactions
) -> None:
    (saved / "role.json").write_text("{}")
    spec = Spec("other", "popularity", {}, {"purchase": 1.0})
    save_recommender(fit_candidate(spec, random_history), spec, saved)
    assert isinstance(load_recommender(saved), Popularity)
    assert (saved / "role.json").read_text() == "{}"


def test_every_plain_kind_of_attribute_round_trips(
    random_history: Interactions, tmp_path: Path
) -> None:
    spec = Spec("mine", "popularity", {}, {"purchase": 1.0})
    recommender = fit_candidate(spec, random_history)
    kinds = {
        "none_": None,
        "count_": 3,
        "share_": np.float32(0.5),
        "word_": "für",
        "is_odd_": np.bool_(True),
        "words_": np.array(["a", "ü"], dtype=object),
    }
    for name, value in kinds.items():
        setattr(recommender, name, value)
    recommender.matrix_ = sparse.csr_array(np.array([[0, 2.5], [0, 0]], dtype=np.float32))
    save_recommender(recommender, spec, tmp_path)
    loaded = load_recommender(tmp_path)

    for name in ("none_", "count_", "share_", "word_", "is_odd_"):
        assert getattr(loaded, name) == kinds[name]
    assert loaded.words_.tolist() == ["a", "ü"]
    assert loaded.matrix_.toarray().tolist() == [[0, 2.5], [0, 0]]
    assert loaded.matrix_.dtype == np.float32


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"a": 1}, "`odd_` is dict"),
        (sparse.csc_array(np.eye(2)), "`odd_` is csc_array"),
        (np.array([{}], dtype=object), "`odd_` is of type object"),
        (np.array(["2024-01-01"], dtype="datetime64[D]"), "`odd_` is of type datetime64"),
    ],
)
def test_unknown_kind_of_attribute_is_refused(
    value: Any, found: str, random_history: Interactions, tmp_path: Path
) -> None:
    spec = Spec("mine", "popularity", {}, {"purchase": 1.0})
    recommender = fit_candidate(spec, random_history)
    recommender.odd_ = value
    with pytest.raises(StoredRecommenderError, match=found):
        save_recommender(recommender, spec, tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_another_classes_specification_is_refused(
    random_history: Interactions, tmp_path: Path
) -> None:
    with pytest.raises(StoredRecommenderError, match="'item_knn'. Got Popularity"):
        save_recommender(Popularity().fit(random_history), SPEC, tmp_path)


class Planted:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_planted_pickle_is_refused_and_not_run(saved: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    plant_arrays(saved, pickle.dumps(Planted(mark)))
    with pytest.raises(StoredRecommenderError, match="not a zip file"):
        load_recommender(saved)
    assert not mark.exists()


def test_pickle_planted_inside_the_archive_is_refused_and_not_run(
    saved: Path, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    archive = tmp_path / "planted.npz"
    np.savez(archive, item_ids_=np.array([Planted(mark)], dtype=object))
    plant_arrays(saved, archive.read_bytes())
    with pytest.raises(StoredRecommenderError, match="Object arrays cannot be loaded"):
        load_recommender(saved)
    assert not mark.exists()


def test_planted_method_is_refused(saved: Path, tmp_path: Path) -> None:
    archive = tmp_path / "planted.npz"
    np.savez(archive, recommend=np.zeros(1))
    plant_arrays(saved, archive.read_bytes())
    with pytest.raises(StoredRecommenderError, match="ending in '_'. Found 'recommend'"):
        load_recommender(saved)


def test_matrix_without_one_of_its_parts_is_refused(saved: Path, tmp_path: Path) -> None:
    archive = tmp_path / "planted.npz"
    np.savez(archive, **{"similarity_.data": np.zeros(1)})
    plant_arrays(saved, archive.read_bytes())
    with pytest.raises(StoredRecommenderError, match="`similarity_` lacks one"):
        load_recommender(saved)


def test_damaged_arrays_are_refused(saved: Path) -> None:
    content = bytearray((saved / "arrays.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (saved / "arrays.npz").write_bytes(content)
    with pytest.raises(StoredRecommenderError, match="recorded as"):
        load_recommender(saved)


def test_missing_files_are_refused(saved: Path) -> None:
    (saved / "arrays.npz").unlink()
    with pytest.raises(StoredRecommenderError, match=r"arrays\.npz"):
        load_recommender(saved)
    (saved / "recommender.json").unlink()
    with pytest.raises(StoredRecommenderError, match=r"readable recommender\.json"):
        load_recommender(saved)


def test_description_of_another_shape_is_refused(saved: Path) -> None:
    change_description(saved, more=1)
    with pytest.raises(StoredRecommenderError, match="must hold exactly"):
        load_recommender(saved)
    (saved / "recommender.json").write_text("[]")
    with pytest.raises(StoredRecommenderError, match="must hold exactly"):
        load_recommender(saved)


def test_another_format_is_refused(saved: Path) -> None:
    change_description(saved, format=1)
    with pytest.raises(StoredRecommenderError, match="must be of format 2. Found 1"):
        load_recommender(saved)


def test_unknown_recommender_and_parameter_are_refused(saved: Path) -> None:
    change_description(saved, spec={**SPEC.as_dict(), "recommender": "os.system"})
    with pytest.raises(UnknownRecommenderError, match=r"Got 'os\.system'"):
        load_recommender(saved)
    change_description(saved, spec={**SPEC.as_dict(), "params": {"depth": 3}})
    with pytest.raises(SettingsError, match=r"Got \['depth'\]"):
        load_recommender(saved)


def test_mapped_arrays_stay_in_the_file_and_make_the_same_lists(
    saved: Path, random_history: Interactions
) -> None:
    mapped = load_recommender(saved, mapped=True)
    data = mapped.similarity_.data  # type: ignore[attr-defined]  # what this class learns
    assert isinstance(data.base, np.memmap) or isinstance(data.base.base, np.memmap)
    assert data.flags.aligned and not data.flags.writeable
    here, there = (one.recommend(random_history, 5) for one in (load_recommender(saved), mapped))
    assert here.items.tolist() == there.items.tolist()
    assert np.array_equal(here.scores, there.scores, equal_nan=True)


def test_arrays_that_cannot_be_used_from_the_file_are_read(
    random_history: Interactions, tmp_path: Path
) -> None:
    spec = Spec("nothing", "item_knn", {"n_neighbors": 5}, {"wish": 1.0})  # nobody has one
    save_recommender(fit_candidate(spec, random_history), spec, tmp_path / "saved")
    found = load_recommender(tmp_path / "saved", mapped=True)
    assert found.similarity_.nnz == 0  # type: ignore[attr-defined]  # what this class learns
    arrays = dict(np.load(tmp_path / "saved" / "arrays.npz"))
    np.savez(tmp_path / "other.npz", **arrays)  # without a place of its own for each array
    plant_arrays(tmp_path / "saved", (tmp_path / "other.npz").read_bytes())
    found = load_recommender(tmp_path / "saved", mapped=True)
    assert found.item_ids_.tolist() == random_history.item_ids.tolist()
