"""Choose each placement's one challenger on the selection window; write all candidates' metrics."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd

from pipelines.base.config import Settings
from pipelines.base.durable import write_ordered_json
from pipelines.base.errors import MissingEvaluationError, NoCandidateError
from pipelines.base.tables import SERVING_CANDIDATE_METRICS, SERVING_RULE_PRICES, Table
from pipelines.base.warehouse import connect, replace_slice
from pipelines.evaluate.inputs import competing_names, planned_candidates
from pipelines.evaluate.results import Evaluation, read_evaluation
from pipelines.features.read import forget_histories
from pipelines.gate.champions import Champion, read_champions
from pipelines.gate.contenders import share_problem
from pipelines.gate.plan import champion_entry

logger = logging.getLogger(__name__)

#: How pandas holds a column of the warehouse that may lack values.
NULLABLE = {"DOUBLE": "Float64", "BIGINT": "Int64", "BOOLEAN": "boolean"}


def select_challengers(settings: Settings, as_of: date) -> dict[str, str | None]:
    """Choose each placement's challenger; write `serving.candidate_metrics` and `rule_prices`.

    The challenger is the candidate with the highest NDCG@k on the selection window that is
    neither a baseline nor the champion. A candidate whose evaluation is missing on one of the
    windows, because its task failed, is left out with a note.

    Returns
    -------
    dict of str to str or None
        Challenger by placement; None where only champion and baselines were evaluated.

    Raises
    ------
    NoCandidateError
        If no candidate of the plan was evaluated.
    """
    forget_histories()  # candidates are evaluated: free the windows' histories
    champions = read_champions(settings, as_of)
    found = {
        placement: read_placement(settings, as_of, placement, champions.get(placement))
        for placement in settings.placements
    }
    if not any(found.values()):
        raise NoCandidateError(
            f"At least one candidate must be evaluated before the gate of {as_of}. Found none. "
            f"Run `recsys train --as-of {as_of}` and read why it fails."
        )
    challengers = {
        placement: choose_challenger(settings, placement, evaluations, champions.get(placement))
        for placement, evaluations in found.items()
    }
    every = [one for windows in found.values() for both in windows.values() for one in both]
    metrics = table_frame(SERVING_CANDIDATE_METRICS, _metric_rows(as_of, every))
    prices = table_frame(SERVING_RULE_PRICES, _price_rows(as_of, every))
    with connect(settings) as connection:
        for table, frame in ((SERVING_CANDIDATE_METRICS, metrics), (SERVING_RULE_PRICES, prices)):
            ordered = frame.sort_values(list(table.key), ignore_index=True)
            replace_slice(connection, table, ordered, {"as_of": as_of})
    write_ordered_json(
        settings.run_folder(as_of).selection,
        {"as_of": as_of.isoformat(), "challengers": challengers},
    )
    for placement, name in challengers.items():
        logger.info("%s: the challenger is %s", placement, name or "nobody")
    return challengers


def read_challengers(settings: Settings, as_of: date) -> dict[str, str | None]:
    """Read the challengers that `select_challengers` chose.

    Raises
    ------
    NoCandidateError
        If nothing was chosen for this night yet.
    """
    path = settings.run_folder(as_of).selection
    if not path.exists():
        raise NoCandidateError(
            f"Challengers must be selected before the gate of {as_of}. Found no {path}. "
            f"Run `recsys gate --as-of {as_of}`, which does both."
        )
    chosen: dict[str, str | None] = json.loads(path.read_text(encoding="utf-8"))["challengers"]
    return chosen


def read_placement(
    settings: Settings, as_of: date, placement: str, champion: Champion | None
) -> dict[str, tuple[Evaluation, Evaluation]]:
    """Read the evaluations on both windows of the candidates of a placement tonight.

    Those of the champion are read under the name it was planned with.

    Returns
    -------
    dict of str to (Evaluation, Evaluation)
        Selection and gate window by candidate; incomplete ones are left out.
    """
    planned = {entry["name"]: entry for entry in planned_candidates(settings, as_of)}
    names = [name for name in competing_names(settings, placement) if name in planned]
    held = champion_entry(settings, planned, placement, champion) if champion else None
    if held and held not in names:
        names.append(held)
    found = {}
    for name in names:
        both = _read_both(settings, as_of, placement, planned[name])
        if both is not None:
            found[name] = both
    return found


def _read_both(
    settings: Settings, as_of: date, placement: str, entry: Mapping[str, Any]
) -> tuple[Evaluation, Evaluation] | None:
    """Read a planned candidate's two evaluations; None, logged, if one is missing or outdated."""
    name = entry["name"]
    try:
        selection = read_evaluation(settings, as_of, name, "selection", placement)
        gate = read_evaluation(settings, as_of, name, "gate", placement)
    except MissingEvaluationError as error:
        logger.warning("%s: %s is left out: %s", placement, name, error)
        return None
    if {selection.spec_hash, gate.spec_hash} != {entry["spec_hash"]}:
        logger.warning(
            "%s: %s is left out: it was evaluated as another specification than planned (%s)",
            *(placement, name, entry["spec_hash"]),
        )
        return None
    return selection, gate


def best_on_selection(
    names: Iterable[str], evaluations: Mapping[str, tuple[Evaluation, Evaluation]], k: int
) -> str | None:
    """Candidate with the highest sound NDCG@k on the selection window; first by name if equal."""
    metric = f"ndcg_at_{k}"
    values = {name: evaluations[name][0].reported(metric) for name in names if name in evaluations}
    sound = {name: value for name, value in values.items() if share_problem(value) is None}
    return min(sound, key=lambda name: (-float(sound[name]), name), default=None)


def choose_challenger(
    settings: Settings,
    placement: str,
    evaluations: Mapping[str, tuple[Evaluation, Evaluation]],
    champion: Champion | None,
) -> str | None:
    """Choose the best candidate of a placement that is neither a baseline nor the champion."""
    held = None if champion is None else champion.spec_hash
    baselines = set(settings.placements[placement].baselines)
    names = [
        name
        for name in competing_names(settings, placement)
        if name in evaluations and name not in baselines and evaluations[name][0].spec_hash != held
    ]
    return best_on_selection(names, evaluations, settings.evaluation.k)


def _metric_rows(as_of: date, evaluations: Iterable[Evaluation]) -> list[dict[str, Any]]:
    """Metrics in long form: one row per placement, window, candidate, segment and metric."""
    return [
        {**_labels(as_of, one), "segment": segment, "metric": metric, **entry}
        for one in evaluations
        for metric, segments in one.metrics["metrics"].items()
        for segment, entry in segments.items()
    ]


def _price_rows(as_of: date, evaluations: Iterable[Evaluation]) -> list[dict[str, Any]]:
    """Prices of rules: one row per placement, candidate and rule that was priced."""
    return [
        {**_labels(as_of, one), **price}
        for one in evaluations
        for price in one.metrics.get("rule_prices", [])
    ]


def _labels(as_of: date, evaluation: Evaluation) -> dict[str, Any]:
    return {
        "as_of": as_of,
        "placement": evaluation.placement,
        "time_window": evaluation.window,
        "candidate": evaluation.name,
        "spec_hash": evaluation.spec_hash,
    }


def table_frame(table: Table, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a frame with a table's columns, whatever else they have; None is null in it."""
    kinds = {name: NULLABLE[kind] for name, kind in table.columns.items() if kind in NULLABLE}
    return pd.DataFrame(rows, columns=list(table.columns)).astype(kinds)
