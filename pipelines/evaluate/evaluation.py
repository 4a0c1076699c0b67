"""Fit a candidate before each window and score its lists on what happened in it."""

from __future__ import annotations

import logging
import time
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.base.blocks import block_workers
from pipelines.base.config import Settings
from pipelines.base.durable import write_ordered_json
from pipelines.base.windows import Window
from pipelines.evaluate.child_runs import log_evaluation
from pipelines.evaluate.held_out import HeldOut, Scored, read_held_out, score_recommender
from pipelines.evaluate.inputs import input_hash, placements_of, planned_spec
from pipelines.evaluate.memory_budget import memory_share
from pipelines.evaluate.ranker_plots import write_explained
from pipelines.evaluate.results import METRICS_FILE, read_evaluation, read_metrics, write_evaluation
from pipelines.evaluate.rule_prices import Ruled, price_rules
from pipelines.evaluate.score import list_means, means_by_segment
from pipelines.models.base import Recommender
from pipelines.rules.block_lists import Origin
from pipelines.rules.exclusion import placement_exclusion
from pipelines.rules.list_rules import make_list_rules
from pipelines.show.figures import format_figure

if TYPE_CHECKING:
    from pipelines.models.candidates import Spec

logger = logging.getLogger(__name__)


def evaluate_candidate(settings: Settings, as_of: date, name: str) -> dict[str, Any]:
    """Evaluate one candidate on both windows of a night, for each placement it competes in.

    The candidate is fitted once per window, on everything before it, and the fit is used for all
    placements; with ``engine = "spark"`` executors make the lists. Results already stored for the
    same inputs are kept. New ones go to the run folder and to MLflow. The night's snapshot must be
    there; `name` is in the night's plan or in the settings.

    Returns
    -------
    dict
        ``{window: {placement: NDCG at the gate's cut}}``; None without any user to score.

    Raises
    ------
    SettingsError
        If the candidate is unknown.
    MissingSnapshotError
        If the night's snapshot is not there.
    """
    spec = planned_spec(settings, as_of, name)
    placements = placements_of(settings, name)
    if not placements:
        logger.info("%s: competes in no placement", name)
    with block_workers(settings):
        return {
            window.name: _evaluate_window(settings, as_of, spec, window, placements)
            for window in settings.night(as_of).windows
            if placements
        }


def _evaluate_window(
    settings: Settings, as_of: date, spec: Spec, window: Window, placements: tuple[str, ...]
) -> dict[str, float | None]:
    wanted = {name: input_hash(settings, as_of, spec, window, name) for name in placements}
    run = settings.run_folder(as_of)
    folders = {name: run.evaluation(spec.name, window.name, name) for name in placements}
    missing = {
        name: wanted[name]
        for name, folder in folders.items()
        if (read_metrics(folder) or {}).get("input_hash") != wanted[name]
    }
    for name in missing:  # if anything fails below, no old result may pass for a new one
        (folders[name] / METRICS_FILE).unlink(missing_ok=True)
    if missing:
        with memory_share(settings, spec.name):
            _evaluate_placements(settings, as_of, spec, window, missing)
    else:
        logger.info("%s: kept, nothing changed (%s)", spec.name, window.name)
    return _log_window(settings, as_of, spec, window, placements)


def _evaluate_placements(
    settings: Settings, as_of: date, spec: Spec, window: Window, hashes: dict[str, str]
) -> None:
    from pipelines.models.candidates import fit_candidate

    inputs = read_held_out(settings, as_of, window)
    started = time.monotonic()
    recommender = fit_candidate(spec, inputs.history)
    fit_seconds = time.monotonic() - started
    shared = {
        "name": spec.name,
        "spec": spec.as_dict(),
        "spec_hash": spec.spec_hash,
        "window": window.name,
        "cutoff": window.cutoff.isoformat(),
        "history": {
            "user_count": inputs.history.n_users,
            "item_count": inputs.history.n_items,
            "row_count": len(inputs.history.user),
            "content_hash": inputs.history.content_hash(),
        },
        "fit_seconds": round(fit_seconds, 3),
    }
    write_explained(
        settings.run_folder(as_of).trees(spec.name, window.name),
        recommender.explain(inputs.history),
        title=f"{spec.name}, {window.name} window of {as_of}",
    )
    for placement, wanted in hashes.items():
        scored = score_recommender(
            *(settings, placement, recommender, inputs),
            with_candidates=True,
            origin=Origin(settings, as_of, window.cutoff, placement, recommender=spec),
        )
        found = _found(settings, scored, inputs)
        if window.name == "gate":
            found["rule_prices"] = _price_rules(settings, placement, recommender, inputs)
        metrics = {**shared, "placement": placement, **found, "input_hash": wanted, "run_id": None}
        folder = settings.run_folder(as_of).evaluation(spec.name, window.name, placement)
        write_evaluation(folder, scored.per_user, metrics)
        ndcg = found["metrics"][f"ndcg_at_{settings.evaluation.k}"]["all"]["value"]
        logger.info(
            "%s: NDCG@%d %s on %s users (%s, %s), lists in %.1f s",
            spec.name,
            settings.evaluation.k,
            format_figure(ndcg),
            f"{found['user_count']:,}",
            placement,
            window.name,
            found["recommend_seconds"],
        )


def _found(settings: Settings, scored: Scored, held_out: HeldOut) -> dict[str, Any]:
    """The part of `metrics.json` that is about one placement's lists."""
    evaluation, segment = settings.evaluation, scored.per_user["segment"].to_numpy()
    means = list_means(scored.lists, held_out.met, evaluation, own=scored.own, segment=segment)
    return {
        "user_count": len(scored.per_user),
        "left_out": scored.left_out,
        "metrics": {**means_by_segment(scored.per_user, evaluation), **means},
        "recommend_seconds": round(scored.recommend_seconds, 3),
    }


def _price_rules(
    settings: Settings, placement: str, recommender: Recommender, held_out: HeldOut
) -> list[dict[str, Any]]:
    """Price of each rule of the placement, as `rule_prices.price_rules` returns it."""
    rules = settings.placements[placement]
    users = held_out.history.select_users(held_out.truth.positions)
    ruled = Ruled(
        recommender,
        users,
        placement_exclusion(rules, users, held_out.catalogue, held_out.people),
        make_list_rules(rules, held_out.history, held_out.catalogue, held_out.people),
        held_out.truth,
    )
    return price_rules(ruled, settings.evaluation)


def _log_window(
    settings: Settings, as_of: date, spec: Spec, window: Window, placements: tuple[str, ...]
) -> dict[str, float | None]:
    """Log a window's stored evaluations to MLflow once; return the NDCG by placement."""
    evaluations = [
        read_evaluation(settings, as_of, spec.name, window.name, placement)
        for placement in placements
    ]
    if any(evaluation.run_id is None for evaluation in evaluations):
        run_id = log_evaluation(settings, as_of, evaluations)
        for evaluation in evaluations:
            folder = settings.run_folder(as_of).evaluation(
                spec.name, window.name, evaluation.placement
            )
            write_ordered_json(folder / METRICS_FILE, {**evaluation.metrics, "run_id": run_id})
    metric = f"ndcg_at_{settings.evaluation.k}"
    return {evaluation.placement: evaluation.reported(metric) for evaluation in evaluations}
