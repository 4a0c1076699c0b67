"""A search that can be stopped at any point and resumed with the same trials."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.errors import PipelineError

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

logger = logging.getLogger(__name__)

#: Attribute of a trial whose specification could not be fitted; a killed trial lacks it.
ERROR = "error"
#: Trials chosen at random before the sampler learns from them.
STARTUP_TRIALS = 10


@dataclass(frozen=True)
class Budget:
    """When a search ends, and the seed of its random choices.

    Parameters
    ----------
    trials : int
        Trials in all, those of earlier runs included.
    seconds : float
        No trial begins after this many seconds.
    random_state : int
        Seed.
    """

    trials: int
    seconds: float
    random_state: int


@contextmanager
def open_study(path: Path, name: str) -> Iterator[Study]:
    """Open a study in a SQLite file, made if it is missing; close the file afterwards.

    Trials that were running when an earlier process died are closed as failed.
    """
    import optuna
    from optuna.trial import TrialState

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    try:
        study = optuna.create_study(
            study_name=name, storage=storage, direction="maximize", load_if_exists=True
        )
        for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            study.tell(trial.number, state=TrialState.FAIL)
        yield study
    finally:
        storage.engine.dispose()


def search(study: Study, budget: Budget, objective: Callable[[Trial], float]) -> None:
    """Run trials until there are `budget.trials` of them, or time is up.

    Parameters
    ----------
    objective : callable
        Score of a trial, larger is better. A `PipelineError` ends only the trial.

    Notes
    -----
    Each trial has a sampler of its own, seeded by the seed and the number of trials finished
    before it. The specification it tries thus depends on the seed and on those trials alone: a
    search that was stopped and resumed tries what it would have tried without the stop.
    """
    from optuna.samplers import TPESampler
    from optuna.trial import TrialState

    started = time.monotonic()
    while (done := len(finished_trials(study))) < budget.trials:
        if done and time.monotonic() - started > budget.seconds:
            logger.info("time is up after %d of %d trials", done, budget.trials)
            return
        study.sampler = TPESampler(
            seed=budget.random_state + done, n_startup_trials=STARTUP_TRIALS, multivariate=False
        )
        trial = study.ask()
        try:
            study.tell(trial, objective(trial))
        except PipelineError as error:
            logger.warning("trial %d failed: %s", trial.number, error)
            trial.set_user_attr(ERROR, str(error))
            study.tell(trial, state=TrialState.FAIL)


def finished_trials(study: Study) -> list[FrozenTrial]:
    """Trials that ended, scored or failed, in order; killed ones are left out."""
    from optuna.trial import TrialState

    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state == TrialState.COMPLETE or ERROR in trial.user_attrs
    ]
