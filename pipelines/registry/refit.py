"""Refit each role of a placement, such as the champion, on everything known before the night."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.base.config import Settings, stable_hash
from pipelines.base.durable import new_folder, read_if_there, read_json, write_ordered_json
from pipelines.base.errors import MissingEvaluationError
from pipelines.base.paths import ROLE_FILE
from pipelines.evaluate.inputs import code_hash, planned_spec, snapshot_hash
from pipelines.evaluate.results import read_evaluation
from pipelines.experiments.state import placement_experiment
from pipelines.features.read import read_interactions
from pipelines.gate.verdicts import read_gate
from pipelines.models.artefacts import save_recommender
from pipelines.models.candidates import Spec, fit_candidate
from pipelines.registry.registry import CHALLENGER, CHAMPION, register_placement

logger = logging.getLogger(__name__)


def refit_placement(settings: Settings, as_of: date, placement: str) -> dict[str, str]:
    """Fit a placement's champion, its challenger, and the arms of its experiment at `as_of`.

    Each is saved to `models/<placement>/<role>/` with a `role.json` that names candidate,
    specification, version and run, and registered in MLflow. A recommender already fitted on the
    same inputs is used again, whichever placement it was fitted for.

    Returns
    -------
    dict of str to str
        Model version, by role.

    Raises
    ------
    NoChampionError
        If the placement's gate has not been decided.
    MissingSnapshotError
        If the night has no snapshot.
    """
    verdict = read_gate(settings, as_of, placement)
    roles = {CHAMPION: verdict["champion"]}
    challenger = verdict["challenger"]
    if challenger and challenger["spec_hash"] != verdict["champion"]["spec_hash"]:
        roles[CHALLENGER] = challenger
    roles |= _arms(settings, as_of, placement)
    _drop_other_roles(settings, as_of, placement, set(roles))
    for role, holder in roles.items():
        _refit_role(settings, as_of, placement, role, holder)
    register_placement(settings, as_of, placement)
    return {role: model_version(holder, as_of) for role, holder in roles.items()}


def model_version(holder: Mapping[str, Any], as_of: date) -> str:
    """Model version: the name of a specification fitted on a night; needs no server.

    Examples
    --------
    >>> model_version({"name": "ease", "spec_hash": "0123456789ab"}, date(2011, 12, 9))
    'ease-0123456789ab@2011-12-09'
    """
    return f"{holder['name']}-{holder['spec_hash']}@{as_of.isoformat()}"


def _arms(settings: Settings, as_of: date, placement: str) -> dict[str, dict[str, Any]]:
    """Specification of each arm but control, of the experiment that runs on the placement."""
    experiment = placement_experiment(settings, as_of, placement)
    if experiment is None:
        return {}
    found = {}
    for arm in experiment.definition.arms[1:]:
        spec = planned_spec(settings, as_of, str(arm.candidate))
        found[arm.name] = {"name": spec.name, "spec": spec.as_dict(), "spec_hash": spec.spec_hash}
    return found


def _drop_other_roles(settings: Settings, as_of: date, placement: str, kept: set[str]) -> None:
    """Remove the folders of roles that an earlier run of the night had and this one has not."""
    folder = settings.run_folder(as_of).role(placement, CHAMPION).parent
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        if path.is_dir() and path.name not in kept:
            shutil.rmtree(path)


def _refit_role(
    settings: Settings, as_of: date, placement: str, role: str, holder: Mapping[str, Any]
) -> None:
    folder = settings.run_folder(as_of).role(placement, role)
    wanted = stable_hash([as_of, holder, snapshot_hash(settings, as_of), code_hash()])
    before = read_if_there(folder / ROLE_FILE)
    if before is None or before["input_hash"] != wanted:
        with new_folder(folder) as fresh:
            _make_recommender(settings, as_of, holder, wanted, fresh)
    else:
        logger.info("%s: %s %s kept, nothing changed", placement, role, holder["name"])
    entry = {
        "candidate": holder["name"],
        "spec": holder["spec"],
        "spec_hash": holder["spec_hash"],
        "model_version": model_version(holder, as_of),
        "run_id": _gate_run(settings, as_of, placement, holder["name"]),
        "as_of": as_of.isoformat(),
        "placement": placement,
        "role": role,
        "input_hash": wanted,
    }
    write_ordered_json(folder / ROLE_FILE, entry)


def _make_recommender(
    settings: Settings, as_of: date, holder: Mapping[str, Any], wanted: str, folder: Path
) -> None:
    """Save a role's recommender to a folder: copied from a role with the same fit, or fitted."""
    same = _same_fit(settings, as_of, wanted)
    if same is not None:
        others = shutil.ignore_patterns(ROLE_FILE)
        shutil.copytree(same, folder, ignore=others, dirs_exist_ok=True)
        logger.info("%s: the fit of %s is shared", holder["name"], same.parent.name)
        return
    history = read_interactions(settings, as_of, as_of)
    spec = Spec.from_dict(holder["name"], holder["spec"])
    started = time.monotonic()
    recommender = fit_candidate(spec, history)
    logger.info(
        "%s: refitted in %.1f s on %s users x %s items",
        *(holder["name"], time.monotonic() - started, history.n_users, history.n_items),
    )
    save_recommender(recommender, spec, folder)


def _same_fit(settings: Settings, as_of: date, wanted: str) -> Path | None:
    """Folder of a role of any placement that was fitted tonight on the same inputs."""
    for path in sorted(settings.run_folder(as_of).models.glob(f"*/[!.]*/{ROLE_FILE}")):
        if read_json(path)["input_hash"] == wanted:
            return path.parent
    return None


def _gate_run(settings: Settings, as_of: date, placement: str, name: str) -> str | None:
    """Id of the MLflow run with a candidate's metrics on the gate window."""
    try:
        return read_evaluation(settings, as_of, name, "gate", placement).run_id
    except MissingEvaluationError:
        return None
