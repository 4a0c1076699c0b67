"""The two-stage ranker's trees as scikit-learn grows them, and as LightGBM does, on the same rows.

pip install lightgbm
python benchmarks/ranker_lightgbm.py HOME [--config FILE] [--as-of DAY] [--windows N]

HOME has the snapshot of the night of DAY (`recsys features --as-of DAY`). The first window is the
night's gate window, each further one ends where the one before it begins. Parts, folds, features
and hyperparameters are those of each placement's ranker in the settings file; both libraries use
one thread. Seconds are of CPU: to grow the trees, and to score the candidates of a window's users.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import lightgbm
import numpy as np

from pipelines.base.config import PROJECT_ROOT, load_settings
from pipelines.base.windows import Window
from pipelines.evaluate.held_out import read_earlier, score_recommender
from pipelines.evaluate.intervals import paired_interval
from pipelines.models.candidates import candidate_spec, fit_candidate
from pipelines.models.ranker import two_stage as ranker


class Timed:
    """A function, and the CPU seconds that its calls took, over all threads."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.seconds = 0.0
        self.result: Any = None

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call the function and count the time of this thread."""
        started = time.thread_time()
        self.result = self.function(*arguments, **keywords)
        self.seconds += time.thread_time() - started
        return self.result


def grow_lightgbm(
    features: np.ndarray,
    is_relevant: np.ndarray,
    weight: np.ndarray,
    *,
    random_state: int,
    n_seeds: int,
    **params: float,
) -> list[str]:
    """Models in LightGBM's text format, with the hyperparameters named as scikit-learn does."""
    names = {
        "learning_rate": "learning_rate",
        "max_leaf_nodes": "num_leaves",
        "min_samples_leaf": "min_data_in_leaf",
        "l2_regularization": "lambda_l2",
        "max_features": "feature_fraction_bynode",
    }
    fixed = {"objective": "binary", "num_threads": 1, "deterministic": True, "verbose": -1}
    texts = []
    for seed in range(random_state, random_state + n_seeds):
        chosen = {names[name]: value for name, value in params.items() if name in names}
        data = lightgbm.Dataset(features, is_relevant, weight=weight)
        booster = lightgbm.train({**fixed, **chosen, "seed": seed}, data, int(params["max_iter"]))
        texts.append(booster.model_to_string())
    return texts


def main() -> None:
    """Print a row per placement and window, and one per library below it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("home")
    parser.add_argument("--config", type=Path, default=PROJECT_ROOT / "recsys.toml")
    parser.add_argument("--as-of", type=date.fromisoformat, default=date(2011, 12, 9))
    parser.add_argument("--windows", type=int, default=2)
    chosen = parser.parse_args()
    settings = load_settings(chosen.config, chosen.home)
    horizon = timedelta(days=settings.evaluation.horizon_days)
    for number in range(chosen.windows):
        end = chosen.as_of - number * horizon
        window = Window("earlier", end - horizon, end)
        held_out = read_earlier(settings, chosen.as_of, window, known_by=chosen.as_of)
        for placement in settings.placements:
            for name in settings.placement_candidates(placement):
                if settings.candidate(name).recommender == "ranker":
                    compare(settings, placement, name, window, held_out)


def compare(settings: Any, placement: str, name: str, window: Window, held_out: Any) -> None:
    """Grow both models on the same rows, rank the same candidates, and print the figures."""
    sklearn, light = Timed(ranker.grow_trees), Timed(grow_lightgbm)

    def grow_both(*arguments: Any, **keywords: Any) -> np.ndarray:
        light(*arguments, **keywords)
        sklearn(*arguments, **keywords)
        return sklearn.result

    with patch.object(ranker, "grow_trees", grow_both):
        spec = candidate_spec(settings, settings.candidate(name))
        fitted = fit_candidate(spec, held_out.history)
    boosters = [lightgbm.Booster(model_str=text) for text in light.result]

    def sum_lightgbm(_: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return np.mean([one.predict(rows, raw_score=True, num_threads=1) for one in boosters], 0)

    column = f"ndcg_at_{settings.evaluation.k}"
    values = {}
    print(f"{placement}, {name}, truth from {window.start} to before {window.end}")
    for library, grown, predict in (
        ("scikit-learn", sklearn, Timed(ranker.sum_of_trees)),
        ("LightGBM", light, Timed(sum_lightgbm)),
    ):
        with patch.object(ranker, "sum_of_trees", predict):
            scored = score_recommender(settings, placement, fitted, held_out).per_user
        values[library] = scored[column].to_numpy()
        print(
            f"  {library:12}  NDCG@{settings.evaluation.k} {values[library].mean():.4f}"
            f"  grown in {grown.seconds:6.1f} s  scored in {predict.seconds:6.1f} s"
        )
    found = paired_interval(values["LightGBM"], values["scikit-learn"], 0.95)
    print(f"  difference    {found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
