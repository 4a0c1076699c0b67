"""Run Great Expectations over named pandas frames, and write a page of what was found.

Two stages check with it: `events` what arrived, and `features` the feature tables.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipelines.base.config import silence_telemetry
from pipelines.base.durable import write_text
from pipelines.base.errors import DataCheckError
from pipelines.base.faults import faultpoint
from pipelines.show.document import (
    Document,
    Heading,
    Marked,
    Paragraph,
    Table,
    Words,
    left,
    wrap,
)
from pipelines.show.html import to_page

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

Severity = Literal["warning", "critical"]


@dataclass(frozen=True)
class Check:
    """One expectation about one frame.

    Parameters
    ----------
    frame : str
        Name of the frame it is about.
    expectation : str
        Class of `great_expectations.expectations`, such as ``ExpectColumnValuesToNotBeNull``.
    arguments : mapping
        Its keywords, such as ``{"column": "user_id"}``.
    severity : {"warning", "critical"}
        A failed critical check stops the night; a warning is reported.
    meaning : str
        What it protects, in words: shown in messages and on the page.
    """

    frame: str
    expectation: str
    arguments: Mapping[str, Any]
    severity: Severity
    meaning: str

    @property
    def call(self) -> str:
        """The expectation with its arguments, as one writes it."""
        arguments = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        return f"{self.expectation}({arguments})"


@dataclass(frozen=True)
class CheckResult:
    """Outcome of one check.

    Parameters
    ----------
    check : Check
    is_passed : bool
        False also when the check could not be evaluated.
    observed : str
        What was found, short.
    exception : str or None
        Why it could not be evaluated; such a check counts as critical whatever its severity.
    """

    check: Check
    is_passed: bool
    observed: str
    exception: str | None = None

    @property
    def is_critical(self) -> bool:
        """Whether this result stops the night."""
        return not self.is_passed and (
            self.check.severity == "critical" or self.exception is not None
        )

    @property
    def found(self) -> str:
        """What was found, or why nothing could be."""
        return self.exception or self.observed

    def sentence(self) -> str:
        """The result in one line, for messages and reports."""
        return f"{self.check.frame}: {self.check.meaning} [{self.check.call}]: found {self.found}"


@dataclass(frozen=True)
class CheckReport:
    """Results of every check of one stage on one night.

    Parameters
    ----------
    name : str
        Which checks these are, such as ``features``.
    as_of : date
    results : tuple of CheckResult
        In the order of the checks.
    page : Path
        HTML file of the results; it needs nothing else, also no network.
    """

    name: str
    as_of: date
    results: tuple[CheckResult, ...] = field(default_factory=tuple)
    page: Path = Path()

    @property
    def warnings(self) -> tuple[CheckResult, ...]:
        """Failed checks that do not stop the night."""
        return tuple(r for r in self.results if not r.is_passed and not r.is_critical)

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """Failed checks that stop the night."""
        return tuple(result for result in self.results if result.is_critical)

    @property
    def is_passed(self) -> bool:
        """Whether no critical check failed."""
        return not self.failures

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "name": self.name,
            "as_of": self.as_of.isoformat(),
            "is_passed": self.is_passed,
            "page": str(self.page),
            "results": [{**(row := asdict(result)).pop("check"), **row} for result in self.results],
        }

    def require_passed(self) -> CheckReport:
        """Return the report, or stop if a critical check failed.

        Raises
        ------
        DataCheckError
            Naming each failed critical check and what it found.
        """
        if self.failures:
            lines = "\n  ".join(result.sentence() for result in self.failures)
            raise DataCheckError(
                f"Every critical check of {self.name} at {self.as_of} must pass. "
                f"Found {len(self.failures)} failed:\n  {lines}\n"
                f"Open {self.page}, correct the data and run the verb again."
            )
        return self


def run_checks(
    name: str,
    as_of: date,
    frames: Mapping[str, pd.DataFrame],
    checks: Sequence[Check],
    page: Path,
) -> CheckReport:
    """Evaluate checks and write a page of the results; nothing is raised for a failed check.

    Parameters
    ----------
    name : str
        Which checks these are, such as ``features``.
    as_of : date
        The night, for the report and its page.
    frames : mapping of str to DataFrame
        Narrow frames (only the columns that are checked), by the names the checks use.
    checks : sequence of Check
        Each about one of `frames`.
    page : Path
        HTML file for the results; replaced.

    Returns
    -------
    CheckReport
        Call `require_passed` on it to stop at a failed critical check.

    Raises
    ------
    DataCheckError
        If a check names a frame that is not there.
    """
    if unknown := sorted({check.frame for check in checks} - set(frames)):
        raise DataCheckError(
            f"A check must be about one of the frames {sorted(frames)}. Found {unknown}. "
            "Pass the frame or correct the check."
        )
    silence_telemetry()
    # Imported in a task with INFO logging it writes 214 lines about its decorators.
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        # Great Expectations 1.24 imports the deprecated module sre_constants; not ours to mend.
        warnings.simplefilter("ignore")
        results = _validate(name, frames, checks)
    faultpoint("checks.judged")
    report = CheckReport(name, as_of, results, page)
    write_text(page, to_page(_document(report)))
    faultpoint("checks.documented")
    for result in results:
        if not result.is_passed:
            log = logger.error if result.is_critical else logger.warning
            log("check failed: %s", result.sentence())
    return report


def _validate(
    name: str, frames: Mapping[str, pd.DataFrame], checks: Sequence[Check]
) -> tuple[CheckResult, ...]:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral", project_config=_in_memory_project())
    context.variables.progress_bars = {"globally": False}  # type: ignore[assignment] # a dict is read
    source = context.data_sources.add_pandas(name)
    outcome: dict[int, CheckResult] = {}
    for frame_name, frame in frames.items():
        numbered = [(n, check) for n, check in enumerate(checks) if check.frame == frame_name]
        if not numbered:
            continue
        suite = context.suites.add(gx.ExpectationSuite(f"{name}_{frame_name}"))
        for n, check in numbered:
            suite.add_expectation(_expectation(n, check))
        batch = source.add_dataframe_asset(frame_name).add_batch_definition_whole_dataframe("all")
        definition = gx.ValidationDefinition(name=suite.name, data=batch, suite=suite)
        definition = context.validation_definitions.add(definition)
        found = definition.run(
            batch_parameters={"dataframe": frame},
            result_format={"result_format": "SUMMARY", "partial_unexpected_count": 5},
        )
        results: list[Any] = list(found.results)
        for result in results:
            number = result.expectation_config.meta["check"]
            outcome[number] = _read_result(checks[number], result)
    return tuple(outcome[n] for n in range(len(checks)))


def _in_memory_project() -> Any:
    """A Great Expectations project in memory, without even the usual temporary docs site."""
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
    )

    return DataContextConfig(store_backend_defaults=InMemoryStoreBackendDefaults(False))


def _document(report: CheckReport) -> Document:
    counts = [
        (len(report.results), "checks"),
        (len(report.failures), "failed and stop the night"),
        (len(report.warnings), "warn"),
    ]
    columns = [left("Outcome"), left("Data"), wrap("What must hold"), wrap("Found")]
    return [
        Heading(f"Checks of {report.name}, night of {report.as_of}", 1),
        Paragraph(", ".join(f"{count} {what}" for count, what in counts)),
        Table(columns, [_row(result) for result in report.results]),
    ]


def _row(result: CheckResult) -> Sequence[Words]:
    outcome = Marked("passed", "quiet")
    if not result.is_passed:
        outcome = Marked("failed" if result.is_critical else "warning", "bad")
    meaning = (result.check.meaning, Marked(f"\n{result.check.call}", "quiet"))
    return outcome, result.check.frame, meaning, result.found


def _expectation(number: int, check: Check) -> Any:
    import great_expectations.expectations as gxe

    kind = getattr(gxe, check.expectation)
    return kind(**check.arguments, meta={"check": number})


def _read_result(check: Check, result: Any) -> CheckResult:
    """Outcome of a check: passed only if its result says so and holds no exception."""
    exception = _exception_of(result.exception_info or {})
    details = result.result or {}
    observed = details.get("observed_value")
    if observed is None and "unexpected_count" in details:
        examples = ", ".join(map(str, details.get("partial_unexpected_list", [])[:5]))
        observed = f"{details['unexpected_count']} of {details.get('element_count')} rows"
        observed += f", such as {examples}" if examples else ""
    return CheckResult(check, bool(result.success) and exception is None, str(observed), exception)


def _exception_of(info: Mapping[str, Any]) -> str | None:
    """The message in `exception_info`, a mapping that is flat or keyed by metric."""
    parts = [info] if "raised_exception" in info else list(info.values())
    for part in parts:
        if part.get("raised_exception"):
            return str(part.get("exception_message"))
    return None
