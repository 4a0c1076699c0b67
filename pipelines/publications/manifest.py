"""`manifest.json`: what a publication is made of, and the sha256 of each of its files."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.base.config import Settings
from pipelines.base.current import LOOKUPS, MANIFEST, MANIFEST_HASH, SCHEMA_VERSION, SERVING
from pipelines.base.durable import (
    file_sha256,
    fsync_file,
    make_private,
    read_if_there,
    read_json,
    write_json,
    write_text,
)
from pipelines.base.paths import NightFolder
from pipelines.base.tracking import git_commit, parent_run_id
from pipelines.evaluate.results import METRICS_FILE
from pipelines.experiments.definition import CONTROL
from pipelines.experiments.state import placement_experiment

#: Columns of `SERVING_PUBLICATION_MODELS` that `role.json` has by these names.
_ROLE_COLUMNS = ("candidate", "spec_hash", "model_version", "run_id")


def write_manifest(settings: Settings, staging: Path, counts: dict[str, Any]) -> None:
    """Write the manifest of the files in a folder, and the sha256 of the manifest itself.

    Parameters
    ----------
    settings : Settings
    staging : Path
        Folder with both files of the publication, closed.
    counts : dict
        ``publication_id``, ``as_of``, ``logical_hash``, ``generated_at``, ``user_count``,
        ``row_count``, ``lists`` and ``experiments``; the manifest adds ``models``, ``metrics``
        and ``gate`` of each placement, its list length, the night's MLflow run, what the audit
        found, the git commit, and the files' hashes.
    """
    as_of = date.fromisoformat(counts["as_of"])
    run = settings.run_folder(as_of)
    manifest = {
        **counts,
        "schema_version": SCHEMA_VERSION,
        "git_commit": git_commit(),
        "run_id": parent_run_id(settings, as_of),
        "list_lengths": {name: rules.list_length for name, rules in settings.placements.items()},
        "models": {
            name: read_if_there(run.role_file(name, "champion")) for name in settings.placements
        },
        "gate": {name: read_if_there(run.gate(name)) for name in settings.placements},
        "audit": {
            entry["placement"] + "/" + entry["variant"] + "/" + entry["rule"]: entry["found"]
            for entry in read_json(run.audit)["rules"]
        },
    }
    manifest["metrics"] = _champion_metrics(run, manifest["models"])
    seal_files(staging, manifest)


def seal_files(staging: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest, with sizes and hashes of both files of a publication, and its own hash."""
    files = {}
    for name in (SERVING, LOOKUPS):
        make_private(staging / name)
        fsync_file(staging / name)
        files[name] = {
            "sha256": file_sha256(staging / name),
            "byte_count": (staging / name).stat().st_size,
        }
    write_json(staging / MANIFEST, {**manifest, "files": files})
    write_text(staging / MANIFEST_HASH, f"{file_sha256(staging / MANIFEST)}\n")


def model_rows(settings: Settings, publication_id: str, as_of: date) -> list[dict[str, Any]]:
    """Rows of `SERVING_PUBLICATION_MODELS` of a night's lists: control, and every other variant."""
    run = settings.run_folder(as_of)
    rows = []
    for placement in settings.placements:
        variants = sorted(path.stem for path in (run.lists / placement).glob("*.parquet"))
        for variant in variants:
            name = "champion" if variant == CONTROL else variant
            role = read_if_there(run.role_file(placement, name))
            if role is None:
                continue
            rows.append(
                {
                    "publication_id": publication_id,
                    "placement": placement,
                    "variant": variant,
                    "as_of": as_of,
                    "recommender": role["spec"]["recommender"],
                    "specification": json.dumps(role["spec"], sort_keys=True),
                    **{name: role[name] for name in _ROLE_COLUMNS},
                }
            )
    return rows


def published_experiments(settings: Settings, as_of: date) -> list[dict[str, Any]]:
    """Frozen definitions of the experiments whose arms' lists a night wrote."""
    found = [placement_experiment(settings, as_of, name) for name in settings.placements]
    return [experiment.as_dict() for experiment in found if experiment is not None]


def _champion_metrics(run: NightFolder, models: dict[str, Any]) -> dict[str, Any]:
    """Gate-window metrics of each placement's champion, where it was evaluated tonight."""
    metrics = {}
    for placement, role in models.items():
        name = (role or {}).get("candidate", "")
        found = read_if_there(run.evaluation(name, "gate", placement) / METRICS_FILE)
        metrics[placement] = found and found["metrics"]
    return metrics
