"""Report of a dbt build, node by node, in plain values."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult

#: Statuses of a failed node, in dbt's words.
FAILED = frozenset({"error", "fail", "runtime error", "partial success"})
#: Kinds of nodes that are reported only if they failed.
SILENT = frozenset({"exposure", "operation"})


@dataclass(frozen=True)
class NodeResult:
    """Result of one dbt node.

    Parameters
    ----------
    name : str
        Short name, such as ``feat_users`` or ``feat_users_holds``.
    kind : str
        ``model``, ``test``, ``unit_test`` or ``source``.
    status : str
        dbt's own word: success, pass, warn, fail, error, skipped.
    seconds : float
    message : str
        dbt's message; empty if it has none.
    """

    name: str
    kind: str
    status: str
    seconds: float
    message: str

    @property
    def is_failed(self) -> bool:
        """Whether the build must not be used because of this node."""
        return self.status in FAILED


@dataclass(frozen=True)
class BuildReport:
    """Result of one dbt build.

    Parameters
    ----------
    as_of : date
    cutoffs : tuple of date
        Cutoffs whose features were computed.
    seconds : float
        Wall clock, parsing included.
    invocation_id : str
        dbt's id of the build.
    nodes : tuple of NodeResult
        In the order dbt finished them, sources' freshness last.
    """

    as_of: date
    cutoffs: tuple[date, ...]
    seconds: float
    invocation_id: str
    nodes: tuple[NodeResult, ...]

    @property
    def failed(self) -> tuple[NodeResult, ...]:
        """Nodes that failed."""
        return tuple(node for node in self.nodes if node.is_failed)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "as_of": self.as_of.isoformat(),
            "cutoffs": [cutoff.isoformat() for cutoff in self.cutoffs],
            "seconds": self.seconds,
            "invocation_id": self.invocation_id,
            "is_passed": not self.failed,
            "nodes": [asdict(node) for node in self.nodes],
        }


def nodes_of(result: dbtRunnerResult) -> tuple[NodeResult, ...]:
    """Results of a dbt command's nodes; those of `SILENT` kinds only if they failed."""
    outcomes: Any = result.result
    return tuple(
        _freshness(outcome)
        if outcome.node.resource_type == "source"
        else NodeResult(
            outcome.node.name,
            str(outcome.node.resource_type),
            str(outcome.status),
            round(outcome.execution_time, 3),
            str(outcome.message or ""),
        )
        for outcome in outcomes.results
        if outcome.node.resource_type not in SILENT or outcome.status in FAILED
    )


def _freshness(outcome: Any) -> NodeResult:
    """Result of a source's freshness check, in days; without a day file dbt says the year 1."""
    if getattr(outcome, "max_loaded_at", None) is None:
        found = ""
    elif outcome.max_loaded_at.year == 1:
        found = "no day file is before as_of"
    else:
        found = f"the newest day file ends {outcome.age / 86_400:.0f} days before as_of"
    return NodeResult(
        f"{outcome.node.source_name}.{outcome.node.name}",
        "source",
        str(outcome.status),
        round(outcome.execution_time, 3),
        str(outcome.message or found),
    )


def invocation_id(folder: Path) -> str:
    """Dbt's id of the last build that wrote its results to this target folder."""
    text = (folder / "run_results.json").read_text(encoding="utf-8")
    return str(json.loads(text)["metadata"]["invocation_id"])


def failure_text(report: BuildReport, folder: Path) -> str:
    """Error message of a failed build: each failed node with its reason, and what to do."""
    lines = "\n  ".join(
        f"{node.kind} {node.name}: {node.status}: {node.message}" for node in report.failed
    )
    return (
        f"Every dbt node must pass for the features of {report.as_of}. "
        f"Found {len(report.failed)} failed:\n  {lines}\n"
        f"The SQL of each is under {folder / 'compiled'}; correct the data or the dbt model and "
        f"run `recsys features --as-of {report.as_of}` again."
    )
