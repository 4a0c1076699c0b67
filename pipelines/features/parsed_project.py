"""Keep the parsed dbt project from night to night, to save much of a small build's time."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.config import Settings, stable_hash
from pipelines.base.durable import new_file

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

logger = logging.getLogger(__name__)

#: Variables that change every night. Only the SQL of dbt models may use them, never YAML: dbt
#: renders SQL when it runs, YAML when it parses.
NIGHT_VARIABLES = ("as_of", "cutoffs", "cutoffs_being_read", "retained_from")
#: Variables that only the dbt profile uses; dbt renders it each time it connects.
PROFILE_VARIABLES = ("warehouse", "temp_directory", "memory_limit", "threads")
#: File in dbt's target folder with the parsed project.
DBT_PARSED = "partial_parse.msgpack"
#: Packages whose versions change how a project is parsed and what it builds, by engine.
PACKAGES = {
    "duckdb": ("dbt-core", "dbt-duckdb"),
    "spark": ("dbt-core", "dbt-spark", "pyspark"),
}


def project_hash(project: Path, engine: str) -> str:
    """Hash of a dbt project's files and dbt's version; if it changes, build and parse anew."""
    key = hashlib.sha256(stable_hash([*map(version, PACKAGES[engine])]).encode())
    for path in sorted(project.rglob("*")):
        if path.suffix in (".sql", ".yml"):
            key.update(f"{path.relative_to(project)} ".encode())
            key.update(path.read_bytes())
    return key.hexdigest()[:16]


def kept_path(settings: Settings, variables: Mapping[str, Any]) -> Path:
    """Path of the kept parse for an engine and dbt variables, less the night's and the profile's.

    Parameters
    ----------
    variables : mapping of str to object
        All variables passed to dbt, including `project_hash`.
    """
    fleeting = (*NIGHT_VARIABLES, *PROFILE_VARIABLES)
    lasting = {name: value for name, value in variables.items() if name not in fleeting}
    return settings.parsed_projects / f"{stable_hash([settings.engine, lasting])}.msgpack"


def read_parsed(path: Path) -> Manifest | None:
    """Read a kept parse for dbt to run; None if it is missing or unreadable."""
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder
    from dbt_common.invocation import get_invocation_id

    try:
        manifest: Manifest = Manifest.from_msgpack(
            path.read_bytes(), decoder=extended_mashumuro_decoder
        )
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        logger.warning("%s cannot be read and is made anew: %r", path, error)
        return None
    # as dbt does after a partial parse; `generated_at` stays that of the kept parse
    manifest.metadata.invocation_id = get_invocation_id()
    return manifest


def keep_parsed(path: Path, target: Path) -> None:
    """Keep the project that dbt has just parsed, in place of an earlier parse.

    Parameters
    ----------
    path : Path
        What `kept_path` gives.
    target : Path
        dbt's target folder.
    """
    with new_file(path) as fresh:
        fresh.write_bytes((target / DBT_PARSED).read_bytes())
    for other in path.parent.glob("*.msgpack"):
        if other != path:
            other.unlink(missing_ok=True)
