"""Register models in MLflow: a version of `recommender-<placement>` per fit, and two aliases.

The registry is for people and their tools; the night's lists never wait for it. Where the server
is down, `model_version` in `role.json` still names what was fitted.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipelines.base.config import PROJECT_ROOT, Settings, stable_hash
from pipelines.base.durable import read_if_there
from pipelines.base.faults import faultpoint
from pipelines.base.tracking import attempt, end_night, experiment_id, parent_run_id
from pipelines.evaluate.inputs import planned_spec, snapshot_hash
from pipelines.models.artefacts import load_recommender
from pipelines.registry.bundle import gather_placement, save_placement
from pipelines.registry.examples import choose_examples, describe_lists

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.models import ModelSignature
    from mlflow.tracking import MlflowClient

logger = logging.getLogger(__name__)

CHAMPION = "champion"
CHALLENGER = "challenger"
#: Roles that are registered, in the order they are fitted; arms of experiments are not.
ROLES = (CHAMPION, CHALLENGER)
PACKAGE = PROJECT_ROOT / "pipelines"
#: Length of lists unless `params` has a `k`.
DEFAULT_K = 10
#: Packages that a registered model imports; stated, because MLflow takes seconds to infer them.
REQUIREMENTS = (
    "faiss-cpu",
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "scikit-learn",
    "scipy",
    "threadpoolctl",
)


def registered_name(placement: str) -> str:
    """Name of a placement's model in the registry."""
    return f"recommender-{placement}"


def register_placement(settings: Settings, as_of: date, placement: str) -> dict[str, str | None]:
    """Register the refitted recommenders of a placement.

    A version that was made from the same inputs (tag ``input_hash``) is used again.

    Returns
    -------
    dict of str to str or None
        Version number by role; None where MLflow could not be reached.
    """
    found: dict[str, str | None] = {}
    for role in ROLES:
        entry = read_if_there(settings.run_folder(as_of).role_file(placement, role))
        if entry is not None:
            found[role] = _register_role(settings, as_of, entry)
    return found


def promote_aliases(settings: Settings, as_of: date) -> dict[str, dict[str, str | None]]:
    """Point `champion` and `challenger` of every registered model to tonight's versions.

    This is the last step of a night in MLflow: its run is ended. An alias that a later night
    holds is not moved. `challenger` is removed where tonight has no challenger besides the
    champion.

    Returns
    -------
    dict
        ``{placement: {role: version number}}`` of tonight's versions; None where MLflow could
        not be reached.
    """
    versions = {
        placement: register_placement(settings, as_of, placement)
        for placement in settings.placements
    }

    def set_aliases(client: MlflowClient) -> None:
        for placement, found in versions.items():
            for role in ROLES:
                _point_alias(client, registered_name(placement), role, as_of, found)
                faultpoint("registry.aliased")

    if any(number for found in versions.values() for number in found.values()):
        attempt(settings, set_aliases, "setting the aliases", night=as_of)
    end_night(settings, as_of)
    return versions


def _register_role(settings: Settings, as_of: date, entry: Mapping[str, Any]) -> str | None:
    parent = parent_run_id(settings, as_of)
    what = f"registering {entry['model_version']} for {entry['placement']}"
    if parent is None:
        logger.warning("MLflow: skipped %s: the night has no parent run", what)
        return None
    tags = _version_tags(settings, as_of, entry)

    def register(client: MlflowClient) -> str:
        name = registered_name(entry["placement"])
        same = _version_of(client, name, tags["input_hash"])
        if same is None:
            same = _log_version(client, settings, as_of, entry, parent=parent, tags=tags)
            logger.info("%s is version %s of %s", entry["model_version"], same.version, name)
        return str(same.version)

    return attempt(settings, register, what, night=as_of)


def _version_tags(settings: Settings, as_of: date, entry: Mapping[str, Any]) -> dict[str, str]:
    """Tags that identify a version: the fit, and everything else that makes its lists."""
    rules = settings.placements[entry["placement"]]
    fallback = planned_spec(settings, as_of, rules.fallback).as_dict()
    inputs = [
        entry["input_hash"],
        rules.model_dump(mode="json"),
        fallback,
        snapshot_hash(settings, as_of),
    ]
    kept = ("candidate", "spec_hash", "model_version", "as_of", "placement")
    return {**{key: str(entry[key]) for key in kept}, "input_hash": stable_hash(inputs)}


def _version_of(client: MlflowClient, name: str, input_hash: str) -> ModelVersion | None:
    query = f"name = '{name}' and tags.input_hash = '{input_hash}'"
    found = client.search_model_versions(query)
    return min(found, key=lambda one: int(one.version), default=None)


def _log_version(
    client: MlflowClient,
    settings: Settings,
    as_of: date,
    entry: Mapping[str, Any],
    *,
    parent: str,
    tags: Mapping[str, str],
) -> ModelVersion:
    """Log the model to a child run of the night, then make it a version."""
    import mlflow

    name = registered_name(entry["placement"])
    run = client.create_run(
        experiment_id(client, settings),
        tags={"mlflow.parentRunId": parent, "window": "serving", **tags},
        run_name=f"{entry['candidate']} for {entry['placement']}",
    )
    with (
        mlflow.start_run(run_id=run.info.run_id),
        _staged(settings, as_of, entry) as folder,
        _without_own_warnings(),
    ):
        client.log_artifact(run.info.run_id, str(folder / "examples.md"))
        model = mlflow.pyfunc.log_model(
            name=name,
            python_model=str(Path(__file__).with_name("pyfunc_model.py")),
            artifacts={"placement": str(folder / "placement")},
            code_paths=[str(PACKAGE)],
            pip_requirements=[f"{library}=={version(library)}" for library in REQUIREMENTS],
            signature=_signature(),
            input_example=(pd.DataFrame({"user_id": ["a-user"]}), {"k": DEFAULT_K}),
        )
    faultpoint("registry.logged")
    _ensure_registered(client, name, entry["placement"])
    return client.create_model_version(
        name, model.model_uri, run.info.run_id, tags=dict(tags), model_id=model.model_id
    )


@contextmanager
def _without_own_warnings() -> Iterator[None]:
    """Silence MLflow 3.17's warnings about its own code: type hints, deprecated pandas calls."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Any type hint is inferred")
        warnings.filterwarnings("ignore", module=r"mlflow\.")
        yield


@contextmanager
def _staged(settings: Settings, as_of: date, entry: Mapping[str, Any]) -> Iterator[Path]:
    """Temporary folder with the model's artefacts and example lists."""
    placement = entry["placement"]
    root = settings.temporary
    root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"model-{placement}-", dir=root))
    try:
        fitted = settings.run_folder(as_of).role(placement, entry["role"])
        bundle = gather_placement(settings, as_of, placement, load_recommender(fitted))
        save_placement(settings, as_of, bundle, fitted, folder / "placement")
        text = describe_lists(bundle, choose_examples(bundle))
        (folder / "examples.md").write_text(text, encoding="utf-8")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _signature() -> ModelSignature:
    """Signature of a registered model: user_id in, lists out, `k` as parameter."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

    kinds = {
        "user_id": DataType.string,
        "rank": DataType.long,
        "item_id": DataType.string,
        "score": DataType.double,
        "strategy": DataType.string,
        "reason": DataType.string,
    }
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string, "user_id")]),
        outputs=Schema([ColSpec(kind, name) for name, kind in kinds.items()]),
        params=ParamSchema([ParamSpec("k", DataType.long, DEFAULT_K)]),
    )


def _ensure_registered(client: MlflowClient, name: str, placement: str) -> None:
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(
            name, description=f"Lists of placement {placement}; see the aliases."
        )


def _point_alias(
    client: MlflowClient, name: str, role: str, as_of: date, found: Mapping[str, str | None]
) -> None:
    """Set an alias to tonight's version, or remove it, unless a later night holds it."""
    models = client.search_registered_models(f"name = '{name}'")
    held = models[0].aliases.get(role) if models else None
    if held is not None:
        holder = client.get_model_version(name, held)
        if holder.tags.get("as_of", "") > as_of.isoformat():
            logger.info("%s@%s stays with night %s", name, role, holder.tags["as_of"])
            return
    number = found.get(role)
    if number is not None:
        client.set_registered_model_alias(name, role, number)
    elif role not in found and held is not None:
        client.delete_registered_model_alias(name, role)
