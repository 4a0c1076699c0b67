"""Run the gate for every placement: read the evaluations, decide, and record the verdicts."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.base.config import Settings
from pipelines.base.durable import write_ordered_json
from pipelines.base.errors import NoChampionError
from pipelines.base.tables import SERVING_CHAMPIONS, SERVING_GATE_DECISIONS
from pipelines.base.tracking import attempt, parent_run_id
from pipelines.base.warehouse import connect, replace_slice
from pipelines.evaluate.inputs import planned_candidates
from pipelines.evaluate.results import Evaluation
from pipelines.gate.champions import Champion, read_champions
from pipelines.gate.contenders import Contender
from pipelines.gate.decide import GateDecision, decide
from pipelines.gate.differences import Thresholds
from pipelines.gate.explain import explain
from pipelines.gate.plan import champion_entry
from pipelines.gate.select import best_on_selection, read_challengers, read_placement, table_frame

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

logger = logging.getLogger(__name__)

#: Longest tag that is written; MLflow refuses more than 8,000 characters.
TAG_LENGTH = 4000

Evaluations = Mapping[str, tuple[Evaluation, Evaluation]]


def decide_gates(settings: Settings, as_of: date) -> dict[str, dict[str, Any]]:
    """Decide every placement's gate, and write the verdicts for people and later tasks.

    Written are `gate/<placement>.json`, the night's rows of `serving.gate_decisions` and
    `serving.champions`, and tags and a JSON on the night's run in MLflow. No promotion is not a
    failure: the champion's specification holds the placement for another night.

    Returns
    -------
    dict of str to dict
        What `gate/<placement>.json` holds, by placement: `is_promoted`, `reason`, `champion`,
        `champion_before`, `challenger` (each name, spec, spec_hash), `rules`, and `explanation`
        (see `explain.explain`).

    Raises
    ------
    NoCandidateError
        If no challengers were selected for this night.
    NoChampionError
        If a placement has neither a champion nor an evaluated baseline.
    """
    champions = read_champions(settings, as_of)
    challengers = read_challengers(settings, as_of)
    verdicts: dict[str, dict[str, Any]] = {}
    for placement in settings.placements:
        verdicts[placement] = _decide_placement(
            settings, as_of, placement, challengers.get(placement), champions.get(placement)
        )
        logger.info("%s: %s", placement, verdicts[placement]["reason"])
    _write_rows(settings, as_of, verdicts)
    for placement, verdict in verdicts.items():
        write_ordered_json(settings.run_folder(as_of).gate(placement), verdict)
    _log_verdicts(settings, as_of, verdicts)
    return verdicts


def read_gate(settings: Settings, as_of: date, placement: str) -> dict[str, Any]:
    """Read one placement's verdict of a night.

    Raises
    ------
    NoChampionError
        If the night's gate has not been decided yet.
    """
    path = settings.run_folder(as_of).gate(placement)
    if not path.exists():
        raise NoChampionError(
            f"The gate of {placement!r} must be decided before {as_of} has a champion. "
            f"Found no {path}. Run `recsys gate --as-of {as_of}`."
        )
    verdict: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return verdict


def contender_of(evaluation: Evaluation, k: int) -> Contender:
    """Contender of an evaluation, as the gate sees it; no value is repaired."""
    per_user = evaluation.per_user
    return Contender(
        name=evaluation.name,
        spec_hash=evaluation.spec_hash,
        run_id=evaluation.run_id,
        ndcg=evaluation.reported(f"ndcg_at_{k}"),
        coverage=evaluation.reported(f"coverage_at_{k}"),
        user_ids=per_user["user_id"].to_numpy(dtype=str),
        user_ndcg=per_user[f"ndcg_at_{k}"].to_numpy(),
        segments=per_user["segment"].to_numpy(dtype=str),
    )


def _decide_placement(
    settings: Settings,
    as_of: date,
    placement: str,
    challenger: str | None,
    before: Champion | None,
) -> dict[str, Any]:
    """Decide one placement; return the verdict as its JSON holds it."""
    evaluations = read_placement(settings, as_of, placement, before)
    thresholds = Thresholds.from_settings(settings, placement)
    k = thresholds.k
    incumbent = _incumbent(settings, as_of, placement, evaluations, before)
    contenders = {name: contender_of(gate, k) for name, (_, gate) in evaluations.items()}
    baselines = settings.placements[placement].baselines
    held = contenders.get(incumbent.name) or Contender(incumbent.name, incumbent.spec_hash)
    decision = decide(
        placement,
        challenger=contenders.get(challenger) if challenger else None,
        champion=held if before else None,
        bootstrap=None if before else held,
        baselines=[contenders.get(name) or Contender(name, "") for name in baselines],
        others=list(contenders.values()),
        thresholds=thresholds,
    )
    rival = _holder(evaluations, challenger)
    holder = rival if decision.is_promoted and rival else incumbent
    verdict = _verdict(as_of, decision, holder=holder, before=before, challenger=rival, k=k)
    rivals = [incumbent.name if decision.is_promoted else challenger, *baselines]
    return {**verdict, "explanation": _explain(settings, evaluations, holder.name, rivals)}


def _explain(
    settings: Settings, evaluations: Evaluations, holder: str, rivals: Sequence[str | None]
) -> dict[str, Any] | None:
    """Explain the holder's difference from its closest rival and from the baselines."""
    others = [name for name in dict.fromkeys(rivals) if name in evaluations and name != holder]
    if holder not in evaluations or not others:
        return None
    return explain(
        evaluations[holder][1],
        [evaluations[name][1] for name in others if name is not None],
        k=settings.evaluation.k,
        confidence=settings.evaluation.confidence,
    )


def _incumbent(
    settings: Settings,
    as_of: date,
    placement: str,
    evaluations: Evaluations,
    before: Champion | None,
) -> Champion:
    """The champion under tonight's name; on a first night, selection's best baseline."""
    if before is not None:
        planned = {entry["name"]: entry for entry in planned_candidates(settings, as_of)}
        return replace(
            before, name=champion_entry(settings, planned, placement, before) or before.name
        )
    baselines = settings.placements[placement].baselines
    best = best_on_selection(baselines, evaluations, settings.evaluation.k)
    holder = _holder(evaluations, best)
    if holder is None:
        raise NoChampionError(
            f"A first night needs an evaluated baseline for placement {placement!r}. Found none "
            f"of {list(baselines)}. Run `recsys train --as-of {as_of}` and read why they fail."
        )
    return holder


def _holder(evaluations: Evaluations, name: str | None) -> Champion | None:
    if name is None or name not in evaluations:
        return None
    selection, _ = evaluations[name]
    return Champion(name, selection.spec, selection.spec_hash)


def _verdict(
    as_of: date,
    decision: GateDecision,
    *,
    holder: Champion,
    before: Champion | None,
    challenger: Champion | None,
    k: int,
) -> dict[str, Any]:
    first = "" if before else "First night: the best baseline of selection stands as champion. "
    return {
        "as_of": as_of.isoformat(),
        "placement": decision.placement,
        "k": k,
        "is_promoted": decision.is_promoted,
        "reason": first + decision.reason,
        "champion": asdict(holder),
        "champion_before": asdict(before) if before else None,
        "challenger": asdict(challenger) if challenger else None,
        "rules": [asdict(rule) for rule in decision.rules],
    }


def _write_rows(settings: Settings, as_of: date, verdicts: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the night's rows of both tables, replacing those of an earlier attempt."""
    rules = [
        {"as_of": as_of, "placement": placement, "challenger": _name(verdict), **rule}
        for placement, verdict in verdicts.items()
        for rule in verdict["rules"]
    ]
    champions = [_champion_row(as_of, verdict) for verdict in verdicts.values()]
    with connect(settings) as connection:
        for table, rows in ((SERVING_GATE_DECISIONS, rules), (SERVING_CHAMPIONS, champions)):
            replace_slice(connection, table, table_frame(table, rows), {"as_of": as_of})


def _champion_row(as_of: date, verdict: Mapping[str, Any]) -> dict[str, Any]:
    champion, before = verdict["champion"], verdict["champion_before"]
    return {
        "as_of": as_of,
        "placement": verdict["placement"],
        "candidate": champion["name"],
        "spec_hash": champion["spec_hash"],
        "spec": json.dumps(champion["spec"], sort_keys=True),
        "previous_spec_hash": before["spec_hash"] if before else None,
        "challenger": _name(verdict),
        "is_promoted": verdict["is_promoted"],
        "reason": verdict["reason"],
    }


def _name(verdict: Mapping[str, Any]) -> str | None:
    challenger = verdict["challenger"]
    return challenger["name"] if challenger else None


def _log_verdicts(
    settings: Settings, as_of: date, verdicts: Mapping[str, Mapping[str, Any]]
) -> None:
    """Log the verdicts to the night's run, as tags and JSON."""
    run_id = parent_run_id(settings, as_of)
    if run_id is None:
        return

    def log(client: MlflowClient) -> None:
        for placement, verdict in verdicts.items():
            sentences = (verdict["explanation"] or {}).get("sentences", [])
            tags = {
                "verdict": "promoted" if verdict["is_promoted"] else "kept",
                "champion": verdict["champion"]["name"],
                "reason": verdict["reason"][:TAG_LENGTH],
                "why": " ".join(sentences)[:TAG_LENGTH],
            }
            for key, value in tags.items():
                client.set_tag(run_id, f"gate.{placement}.{key}", value)
            client.log_dict(run_id, dict(verdict), f"gate/{placement}.json")

    attempt(settings, log, "logging the gate's verdicts", night=as_of)
