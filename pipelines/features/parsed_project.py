"""The parsed dbt project, kept from night to night: parsing is a good part of a small build."""

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

#: Variables of a night: the SQL of models has them, and dbt renders it when it runs, not when it
#: parses. No YAML may have them.
NIGHT_VARIABLES = ("as_of", "cutoffs")
#: Variables of the profile, which dbt renders each time it connects.
PROFILE_VARIABLES = ("warehouse", "temp_directory", "memory_limit", "threads")
#: Where dbt leaves what it parsed, in its target folder.
DBT_PARSED = "partial_parse.msgpack"
#: What decides how a project is parsed, beside its files and variables.
PACKAGES = ("dbt-core", "dbt-duckdb")


def project_hash(project: Path) -> str:
    """Hash of a dbt project's files and of dbt's version: another one builds and parses anew."""
    key = hashlib.sha256(stable_hash([*map(version, PACKAGES)]).encode())
    for path in sorted(project.rglob("*")):
        if path.suffix in (".sql", ".yml"):
            key.update(f"{path.relative_to(project)} ".encode())
            key.update(path.read_bytes())
    return key.hexdigest()[:16]


def kept_path(settings: Settings, variables: Mapping[str, Any]) -> Path:
    """The file of a parse: its name tells variables apart, all but the night's and the profile's.

    Parameters
    ----------
    settings : Settings
    variables : mapping of str to object
        All that dbt is told, `project_hash` among it.
    """
    fleeting = (*NIGHT_VARIABLES, *PROFILE_VARIABLES)
    lasting = {name: value for name, value in variables.items() if name not in fleeting}
    return settings.parsed_projects / f"{stable_hash(lasting)}.msgpack"


def read_parsed(path: Path) -> Manifest | None:
    """What was kept, for dbt to run; None where there is nothing, or nothing that can be read."""
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
    # as dbt does where it goes on from an earlier parse; `generated_at` stays that parse's
    manifest.metadata.invocation_id = get_invocation_id()
    return manifest


def keep_parsed(path: Path, target: Path) -> None:
    """Keep what dbt has just parsed; what was kept before makes way.

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
