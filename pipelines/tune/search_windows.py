"""The windows a search may look at, and the score of a specification on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from pipelines.base.config import Settings, stable_hash
from pipelines.base.errors import MissingEvaluationError
from pipelines.base.windows import Window
from pipelines.evaluate.held_out import HeldOut, read_earlier, score_recommender
from pipelines.evaluate.intervals import Interval, mean_interval
from pipelines.models.candidates import Spec, fit_candidate


@dataclass(frozen=True)
class TuningScore:
    """NDCG of a specification on every window and placement.

    Parameters
    ----------
    cells : mapping of (str, str) to Series
        NDCG at the gate's cut by user_id, for each window's name and placement.
    """

    cells: Mapping[tuple[str, str], pd.Series]

    @property
    def value(self) -> float:
        """The score that a search maximises: the mean over cells of the mean over their users."""
        return float(np.mean([values.mean() for values in self.cells.values()]))

    def by_cell(self) -> dict[str, float]:
        """Mean of each cell, by ``<window>.<placement>``."""
        return {".".join(cell): float(values.mean()) for cell, values in self.cells.items()}


def tuning_windows(settings: Settings, as_of: date) -> tuple[Window, ...]:
    """The night's selection window and the horizons right before it, latest first.

    All end on or before the first day of the gate window.

    Examples
    --------
    >>> from pipelines.base.config import Settings
    >>> [str(one.start) for one in tuning_windows(Settings(), date(2011, 12, 9))]
    ['2011-11-11', '2011-10-28', '2011-10-14']
    """
    last = settings.night(as_of).selection
    step = timedelta(days=settings.evaluation.horizon_days)
    return tuple(
        Window(f"{n}_before", last.start - n * step, last.end - n * step)
        for n in range(settings.tuning.windows)
    )


def read_windows(settings: Settings, as_of: date) -> dict[Window, HeldOut]:
    """The tuning windows of a night, without anything of its gate window.

    What happened or landed on the first day of the gate window or later is not read.

    Raises
    ------
    MissingSnapshotError
        If the night has no snapshot.
    MissingEvaluationError
        If nobody has both a history and truth in one of the windows.
    """
    known_by = settings.night(as_of).gate.start
    found = {
        window: read_earlier(settings, as_of, window, known_by=known_by)
        for window in tuning_windows(settings, as_of)
    }
    for window, held_out in found.items():
        if not len(held_out.truth.positions):
            raise MissingEvaluationError(
                f"Every tuning window must have users to score. Found none in {window.start} to "
                f"{window.end}. Lower `tuning.windows`, or tune when the shop is older."
            )
    return found


def windows_hash(windows: Mapping[Window, HeldOut]) -> str:
    """Hash of the histories and truth of the windows."""
    return stable_hash(
        [
            [
                window.start,
                window.end,
                held_out.history.content_hash(),
                held_out.truth.positions.tolist(),
                held_out.truth.relevant.indptr.tolist(),
                held_out.truth.relevant.indices.tolist(),
            ]
            for window, held_out in windows.items()
        ]
    )


def score_spec(
    settings: Settings,
    spec: Spec,
    windows: Mapping[Window, HeldOut],
    placements: Sequence[str],
) -> TuningScore:
    """Fit a specification before each window and score its lists by the evaluation's own code."""
    k = settings.evaluation.k
    evaluation = settings.evaluation.model_copy(update={"ks": (k,)})  # only this cut counts
    chosen = settings.model_copy(update={"evaluation": evaluation})
    cells = {}
    for window, held_out in windows.items():
        fitted = fit_candidate(spec, held_out.history)
        for placement in placements:
            per_user = score_recommender(chosen, placement, fitted, held_out).per_user
            if len(per_user):  # the same users for every specification
                values = per_user.set_index("user_id")[f"ndcg_at_{k}"]
                cells[window.name, placement] = values
    return TuningScore(cells)


def score_interval(score: TuningScore, confidence: float) -> Interval:
    """Interval of a score over users; a user in several cells counts once, with all values."""
    return mean_interval(_by_user(score.cells), confidence)


def difference_interval(first: TuningScore, second: TuningScore, confidence: float) -> Interval:
    """Interval of first minus second, paired by user within each window and placement.

    Notes
    -----
    The score is the mean over C cells of the mean over their n_c users. A user u contributes
    ``z_u = U · sum over cells c with u: d_uc / (C · n_c)``, with d the differences and U the
    number of users, so that the mean of z is the difference of the scores; its interval is
    Student's t over users. Cells of one user are not independent, users are.
    """
    cells = {
        cell: values - second.cells[cell].reindex(values.index)
        for cell, values in first.cells.items()
    }
    return mean_interval(_by_user(cells), confidence)


def _by_user(cells: Mapping[tuple[str, str], pd.Series]) -> np.ndarray:
    """One value per user, whose mean is the mean over cells of their means."""
    parts = [values / (len(cells) * len(values)) for values in cells.values()]
    summed = pd.concat(parts).groupby(level=0).sum()
    return np.asarray(summed.to_numpy() * len(summed), dtype=float)
