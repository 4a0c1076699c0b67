from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.base.errors import SettingsError, UnknownRecommenderError
from pipelines.benchmark.candidates import Entry, make_entry, read_entries
from pipelines.models.ease import Ease

OWN = """
class Silent:
    def __init__(self, *, n=1): self.n = n
    def fit(self, history): return self
    def recommend(self, history, k, *, exclude=None): ...

class Deaf:
    pass
"""


@pytest.fixture
def settings(make_settings: Callable[..., Any]) -> Any:
    candidates = [
        {"name": "ease", "recommender": "ease", "params": {"regularization": 9.0}},
        {"name": "recent", "recommender": "popularity", "params": {"half_life_days": 3.0}},
    ]
    placements = {"all": {"baselines": ["recent"], "fallback": "recent"}}
    return make_settings(candidates=candidates, placements=placements)


def test_all_candidates_of_the_settings_unless_some_are_named(settings: Any) -> None:
    assert [entry.name for entry in read_entries(settings, [])] == ["ease", "recent"]
    assert read_entries(settings, ["recent"]) == [
        Entry("recent", "popularity", {"half_life_days": 3.0})
    ]


def test_commas_stand_between_candidates_and_between_parameters(settings: Any) -> None:
    found = read_entries(settings, ["ease:regularization=80,max_items=50, popularity", "recent"])
    assert [(entry.recommender, dict(entry.params)) for entry in found] == [
        ("ease", {"regularization": 80, "max_items": 50}),
        ("popularity", {}),
        ("popularity", {"half_life_days": 3.0}),
    ]


def test_name_with_parameters_is_a_recommender_with_these_alone(settings: Any) -> None:
    (entry,) = read_entries(settings, ["ease:max_items=5"])
    assert entry == Entry("ease:max_items=5", "ease", {"max_items": 5})
    assert isinstance(make_entry(entry), Ease)


def test_candidate_that_is_no_recommender_has_parameters_changed(settings: Any) -> None:
    (entry,) = read_entries(settings, ["recent:half_life_days=null"])
    assert entry == Entry("recent:half_life_days=null", "popularity", {"half_life_days": None})


def test_alternatives_are_tried_in_every_combination(settings: Any) -> None:
    found = read_entries(settings, ["item_knn:n_neighbors=5|9,similarity=dot|cosine"])
    assert [tuple(entry.params.values()) for entry in found] == [
        (5, "dot"),
        (5, "cosine"),
        (9, "dot"),
        (9, "cosine"),
    ]


def test_own_class_is_found_in_this_folder(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_recommenders.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/nowhere"])
    plain, two = read_entries(settings, ["own_recommenders:Silent,own_recommenders:Silent:n=2"])
    assert (plain.recommender, plain.params) == ("own_recommenders:Silent", {})
    assert make_entry(two).n == 2
    with pytest.raises(SettingsError, match="lacks fit and recommend"):
        read_entries(settings, ["own_recommenders:Deaf"])
    with pytest.raises(SettingsError, match="unexpected keyword argument 'm'"):
        read_entries(settings, ["own_recommenders:Silent:m=2"])


@pytest.mark.parametrize("name", ["no_such_module:Best", "json:Best"])
def test_own_class_that_cannot_be_imported_is_refused(name: str, settings: Any) -> None:
    with pytest.raises(SettingsError, match="must be importable as module:Class"):
        read_entries(settings, [name])


def test_unknown_names_and_parameters_are_refused_before_anything_is_fitted(settings: Any) -> None:
    with pytest.raises(UnknownRecommenderError, match="Got 'eese'"):
        read_entries(settings, ["ease", "eese"])
    with pytest.raises(SettingsError, match=r"Got \['lambda'\]"):
        read_entries(settings, ["ease:lambda=3"])
    with pytest.raises(SettingsError, match="must follow a name and a colon"):
        read_entries(settings, ["regularization=3"])
