"""The search space: what a search may change in a specification, and how a trial chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import SettingsError
from pipelines.base.settings_sections import CandidateSettings, SearchSettings
from pipelines.models.candidates import Spec, parameter_names

if TYPE_CHECKING:
    from optuna.trial import Trial

#: Prefix of the name of a searched event weight.
WEIGHT = "event_weights."
#: Suffix of a parameter's name for the choice between no value and a value.
NONE = "none?"


def check_space(candidate: CandidateSettings) -> None:
    """Refuse a search space that is empty or names a parameter the recommender does not have.

    Raises
    ------
    SettingsError
        If nothing may be changed, or a name is no parameter.
    """
    if not candidate.search:
        raise SettingsError(
            f"A candidate must say what may be tuned. Found no `search` of {candidate.name!r} in "
            "the settings. Add one, for example "
            "`search = { regularization = { low = 1.0, high = 1000.0, log = true } }`."
        )
    known = parameter_names(candidate.recommender)
    names = {name for name in candidate.search if not name.startswith(WEIGHT)}
    if unknown := sorted(names - known):
        raise SettingsError(
            f"`search` of candidate {candidate.name!r} must name parameters among {sorted(known)}, "
            f"or `{WEIGHT}<type>`. Got {unknown}. Correct it in recsys.toml."
        )


def suggest_spec(trial: Trial, base: Spec, space: Mapping[str, SearchSettings]) -> Spec:
    """The specification that a trial chooses.

    Parameters
    ----------
    base : Spec
        Gives every value that is not searched.
    space : mapping of str to SearchSettings
        In the order of the settings; with another order, the same seed chooses otherwise.
    """
    params, weights = dict(base.params), dict(base.event_weights)
    for name, values in space.items():
        chosen = _suggest(trial, name, values)
        if name.startswith(WEIGHT):
            weights[name.removeprefix(WEIGHT)] = chosen
        else:
            params[name] = chosen
    return replace(base, params=params, event_weights=weights)


def _suggest(trial: Trial, name: str, values: SearchSettings) -> Any:
    if values.none and trial.suggest_categorical(f"{name} {NONE}", [False, True]):
        return None
    if values.choices is not None:
        return trial.suggest_categorical(name, list(values.choices))
    low, high = values.low, values.high
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high, log=values.log)
    return trial.suggest_float(name, float(low or 0), float(high or 0), log=values.log)
