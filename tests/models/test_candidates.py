from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pipelines.models
from pipelines.base.config import PROJECT_ROOT, load_settings
from pipelines.base.errors import SettingsError, UnknownRecommenderError
from pipelines.base.settings_sections import CandidateSettings
from pipelines.features.interactions import Interactions
from pipelines.models.candidates import (
    RECOMMENDERS,
    Spec,
    candidate_spec,
    fit_candidate,
    make_recommender,
    recommender_class,
)
from pipelines.models.ease import Ease

WEIGHTS = {"purchase": 1.0}


def test_candidate_takes_the_weights_of_the_settings_unless_it_has_its_own(
    make_settings: Callable[..., Any],
) -> None:
    settings = make_settings(events={"weights": {"view": 2.0}})
    plain = CandidateSettings(name="mine", recommender="ease", params={"regularization": 9.0})
    own = plain.model_copy(update={"event_weights": {"purchase": 5.0}})

    assert candidate_spec(settings, plain) == Spec(
        "mine", "ease", {"regularization": 9.0}, {"view": 2.0}
    )
    assert candidate_spec(settings, own).event_weights == {"purchase": 5.0}


def test_spec_round_trips_and_its_hash_leaves_out_the_name() -> None:
    spec = Spec("mine", "ease", {"regularization": 9.0}, WEIGHTS)
    assert Spec.from_dict("mine", spec.as_dict()) == spec
    assert Spec.from_dict("yours", spec.as_dict()).spec_hash == spec.spec_hash
    changed = Spec("mine", "ease", {"regularization": 8.0}, WEIGHTS)
    assert changed.spec_hash != spec.spec_hash


def test_spec_with_a_missing_part_is_refused() -> None:
    with pytest.raises(SettingsError, match="must have exactly"):
        Spec.from_dict("mine", {"recommender": "ease"})


def test_recommender_gets_params_and_weights() -> None:
    made = make_recommender(Spec("mine", "ease", {"regularization": 9.0}, WEIGHTS))
    assert isinstance(made, Ease)
    assert (made.regularization, made.event_weights) == (9.0, WEIGHTS)


def test_unknown_recommender_is_refused_naming_the_known_ones() -> None:
    with pytest.raises(UnknownRecommenderError, match=r"'ease', .*'pure_svd'.*\]. Got 'eese'"):
        make_recommender(Spec("mine", "eese", {}, WEIGHTS))


@pytest.mark.parametrize("name", ["lambda", "event_weights", "item_ids_"])
def test_unknown_parameter_is_refused_naming_the_known_ones(name: str) -> None:
    known = r"'max_items', 'n_neighbors', 'regularization'\]"
    with pytest.raises(SettingsError, match=rf"{known}. Got \['{name}'\]"):
        make_recommender(Spec("mine", "ease", {name: 1}, WEIGHTS))


def test_fitting_a_candidate_says_what_was_fitted(
    random_history: Interactions, caplog: pytest.LogCaptureFixture
) -> None:
    spec = Spec("mine", "ease", {"regularization": 9.0}, WEIGHTS)
    with caplog.at_level("INFO"):
        fitted = fit_candidate(spec, random_history)
    assert fitted.weights_.shape == (45, 45)
    assert f"fitted mine ({spec.spec_hash})" in caplog.text


def test_every_candidate_of_the_settings_file_can_be_made() -> None:
    settings = load_settings(PROJECT_ROOT / "recsys.toml")
    for candidate in settings.candidates:
        make_recommender(candidate_spec(settings, candidate))


def test_modules_of_recommenders_import_each_other_in_no_circle() -> None:
    """At the top of a file or within a function; a class named by a string is no import."""
    folder = Path(pipelines.models.__file__).parent
    imports: dict[str, set[str]] = {}
    for path in folder.rglob("[!_]*.py"):
        nodes = ast.walk(ast.parse(path.read_text()))
        modules = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
        assert "pipelines.models" not in modules, f"{path.name} must name the module"
        name = path.relative_to(folder).with_suffix("").as_posix().replace("/", ".")
        imports[f"pipelines.models.{name}"] = modules
    assert "pipelines.models.candidates" in imports
    while leaves := {name for name, found in imports.items() if not found & imports.keys()}:
        imports = {name: found for name, found in imports.items() if name not in leaves}

    assert not imports, "these import each other"


def test_every_key_names_a_class_that_says_so_itself() -> None:
    for key, named in RECOMMENDERS.items():
        cls = recommender_class(key)
        assert (f"{cls.__module__}:{cls.__qualname__}", cls.strategy) == (named, key)
