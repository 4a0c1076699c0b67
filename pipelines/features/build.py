"""Build the feature tables of a night: one dbt build in this process, reported node by node."""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.config import DBT_PROJECT, Settings, kept_environment, silence_telemetry
from pipelines.base.durable import write_text
from pipelines.base.errors import FeatureBuildError
from pipelines.base.faults import faultpoint
from pipelines.base.warehouse import connect
from pipelines.features.build_report import (
    BuildReport,
    failure_text,
    invocation_id,
    nodes_of,
)
from pipelines.features.kept_cutoffs import begin_reading, cutoffs_being_read, retained_from
from pipelines.features.parsed_project import keep_parsed, kept_path, project_hash, read_parsed

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt_common.events.base_types import EventMsg

    from pipelines.features.spark_tables import SparkTables

logger = logging.getLogger(__name__)

#: Targets of the dbt profile by engine.
TARGETS = {"duckdb": "warehouse", "spark": "spark"}


def build_features(
    settings: Settings, as_of: date, *, with_unit_tests: bool = False
) -> BuildReport:
    """Build and test every dbt model for tonight's cutoffs, and check the sources' freshness.

    Safe to repeat: tonight's cutoffs are deleted and computed again in one transaction a table.
    The warehouse is free for others when it returns or raises.

    Parameters
    ----------
    as_of : date
        Exclusive end; events that happened or landed on or after it are unknown.
    with_unit_tests : bool, default False
        Also run the dbt unit tests, which look at the SQL and not at tonight's data.

    Returns
    -------
    BuildReport
        Also written to ``build.json`` of the run folder.

    Raises
    ------
    FeatureBuildError
        Naming each failed node with its reason; the run folder holds dbt's target and logs.
    WarehouseLockedError
        If another process has the warehouse open.
    """
    started = time.monotonic()
    with connect(settings):
        pass  # creates missing source tables, and fails if another process holds the file
    begin_reading(settings, as_of)
    with _dbt(settings, as_of) as (invoke, tables):
        build = ["build"] if with_unit_tests else ["build", "--exclude-resource-type", "unit_test"]
        built = invoke(build)
        nodes = nodes_of(built)
        if tables and not any(node.is_failed and node.kind == "model" for node in nodes):
            tables.show()
        if built.success:
            nodes += nodes_of(invoke(["source", "freshness", "--no-write-json"]))
    report = BuildReport(
        as_of,
        settings.night(as_of).cutoffs,
        round(time.monotonic() - started, 3),
        invocation_id(settings.run_folder(as_of).dbt),
        nodes,
    )
    text = json.dumps(report.as_dict(), indent=2) + "\n"
    write_text(settings.run_folder(as_of).build, text)
    _log(report)
    if report.failed:
        raise FeatureBuildError(failure_text(report, settings.run_folder(as_of).dbt))
    return report


def generate_docs(settings: Settings, as_of: date) -> Path:
    """Write dbt's documentation of every table as one page that needs no server.

    Returns
    -------
    Path
        ``dbt/static_index.html`` of the run folder.

    Raises
    ------
    FeatureBuildError
        If dbt cannot write it.
    """
    with connect(settings):
        pass
    with _dbt(settings, as_of) as (invoke, tables):
        invoke(["docs", "generate", "--static"])
        if tables:
            tables.show()
    return settings.run_folder(as_of).dbt / "static_index.html"


def dbt_variables(settings: Settings, as_of: date) -> dict[str, Any]:
    """Variables that are passed to the dbt project for a night."""
    return {
        "as_of": as_of.isoformat(),
        "cutoffs": [cutoff.isoformat() for cutoff in settings.night(as_of).cutoffs],
        "retained_from": retained_from(settings).isoformat(),
        "cutoffs_being_read": [cutoff.isoformat() for cutoff in cutoffs_being_read(settings)],
        "heavy_user_days": settings.features.heavy_user_days,
        "half_life_days": settings.features.half_life_days,
        "exposures": list(settings.events.exposures),
        "min_value": dict(settings.events.min_value),
        "attribution_days": settings.track.attribution_days,
        "covariate_days": settings.track.covariate_days,
        "diversity_depth": settings.evaluation.k,
        "project_hash": project_hash(DBT_PROJECT, settings.engine),
        "stale_warn_days": settings.features.stale_warn_days,
        "stale_error_days": settings.features.stale_error_days,
        "warehouse": str(settings.warehouse_path),
        "temp_directory": str(settings.temporary),
        "memory_limit": settings.warehouse.memory_limit,
        "threads": settings.warehouse.threads,
    }


@contextmanager
def _dbt(
    settings: Settings, as_of: date
) -> Iterator[tuple[Callable[[Sequence[str]], dbtRunnerResult], SparkTables | None]]:
    """Yield a function that runs dbt commands, which share one parse, and what Spark builds.

    On the way out the warehouse is closed, and the environment and the warning filters are as
    they were.
    """
    silence_telemetry()
    with kept_environment(), warnings.catch_warnings(), ExitStack() as stack:
        # dbt-core 1.12, pyspark 4.3 and others warn about their own code; not ours to mend.
        warnings.simplefilter("ignore")
        from dbt.cli.main import dbtRunner

        folder = settings.run_folder(as_of).dbt
        variables = dbt_variables(settings, as_of)
        options = _options(folder, variables, TARGETS[settings.engine])
        tables = _enter(settings, stack)
        kept = kept_path(settings, variables)
        manifest: Any = read_parsed(kept)

        def invoke(command: Sequence[str]) -> dbtRunnerResult:
            nonlocal manifest
            if manifest is None:
                manifest = _require_started(dbtRunner().invoke(["parse", *options])).result
                keep_parsed(kept, folder)
            runner = dbtRunner(manifest=manifest, callbacks=[_follow])
            return _require_started(runner.invoke([*command, *options]))

        yield invoke, tables


def _enter(settings: Settings, stack: ExitStack) -> SparkTables | None:
    """Let dbt work on the engine of the settings until the stack is left."""
    if settings.engine == "spark":
        from pipelines.features.spark_tables import spark_tables

        return stack.enter_context(spark_tables(settings))
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    stack.callback(DuckDBConnectionManager.close_all_connections)
    return None


def _follow(event: EventMsg) -> None:
    """Log each dbt model as soon as it is built."""
    if event.info.name != "NodeFinished":
        return
    faultpoint("dbt.node_ends")
    node, result = event.data.node_info, event.data.run_result
    if node.resource_type == "model" and result.status == "success":
        logger.info("built %s in %.2f s", node.node_name, result.execution_time)


def _options(folder: Path, variables: Mapping[str, Any], target: str) -> list[str]:
    return [
        *("--target", target),
        *("--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)),
        *("--target-path", str(folder), "--log-path", str(folder / "logs")),
        *("--vars", json.dumps(variables)),
        *("--log-level", "none", "--log-level-file", "info"),
        *("--no-use-colors", "--no-use-colors-file", "--no-partial-parse"),
    ]


def _require_started(result: dbtRunnerResult) -> dbtRunnerResult:
    """Return dbt's result, or raise if dbt could not start on the nodes."""
    if result.exception is not None or (result.result is None and not result.success):
        raise FeatureBuildError(
            f"dbt must be able to run the project in {DBT_PROJECT}. "
            f"Found: {result.exception}. Correct it and run `recsys features` again."
        ) from result.exception
    return result


def _log(report: BuildReport) -> None:
    for node in report.nodes:
        if node.is_failed:
            logger.error("%s %s: %s (%s)", node.kind, node.name, node.status, node.message)
        elif node.status == "warn":
            logger.warning("%s %s: warn (%s)", node.kind, node.name, node.message)
    tests = sum(node.kind != "model" for node in report.nodes)
    logger.info(
        "dbt build of %s: %d models, %d checks in %.1f s",
        report.as_of,
        len(report.nodes) - tests,
        tests,
        report.seconds,
    )
