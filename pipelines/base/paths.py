"""Every path under a home, and of a night's folder in it, spelled once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

#: In the folder of a fitted recommender: who it is, and of which inputs.
ROLE_FILE = "role.json"


class _HasFolder(Protocol):
    @property
    def folder(self) -> Path: ...


class _Below:
    """A path below its owner's folder, as an attribute."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, owner: _HasFolder, _: type | None = None) -> Path:
        return owner.folder / self._name


@dataclass(frozen=True)
class NightFolder:
    """What one night writes beside the warehouse.

    Parameters
    ----------
    folder : Path
        The folder itself.
    """

    folder: Path

    load = _Below("load.json")
    """Which day files were loaded, and how many rows of each."""
    event_checks = _Below("check_events.json")
    """Result of the checks of events and items."""
    event_pages = _Below("data_docs/events")
    """The checks of events and items as pages."""
    feature_pages = _Below("data_docs/features")
    """The checks of features as pages."""
    dbt = _Below("dbt")
    """Everything dbt writes: compiled SQL, results, logs, documentation."""
    build = _Below("build.json")
    """Every node of dbt's build and whether it passed."""
    snapshot = _Below("snapshot")
    """The frozen histories and features that the night learns from."""
    plan = _Below("plan.json")
    """Which candidates are evaluated tonight."""
    tracking = _Below("tracking.json")
    """The night's run in MLflow."""
    tracking_failed = _Below("tracking_failed.json")
    """Where and when MLflow could not be reached."""
    candidates = _Below("candidates")
    """Evaluations by candidate, window and placement."""
    plots = _Below("plots")
    """Charts that compare the candidates."""
    selection = _Below("selection.json")
    """The challenger of each placement."""
    models = _Below("models")
    """Fitted recommenders by placement and role."""
    lists = _Below("lists")
    """Lists by placement and variant, before they are published."""
    similar = _Below("lists/similar.parquet")
    """Items like an item."""
    audit = _Below("audit.json")
    """What the audit found in the lists."""
    publication = _Below("publication.json")
    """What was published."""
    report = _Below("report.json")
    """The night's report as data."""
    report_text = _Below("report.md")
    """The night's report to read."""
    steps = _Below("steps")
    """Seconds of each step that ended."""
    erasing = _Below(".erasing")
    """There while a user is being taken out of the folder."""

    def evaluation(self, name: str, window: str, placement: str) -> Path:
        """Folder of one candidate's evaluation on a window of a placement."""
        return self.candidates / name / window / placement

    def trees(self, name: str, window: str) -> Path:
        """Folder of what is known of a candidate's trees; placements of a window share them."""
        return self.candidates / name / "trees" / window

    def gate(self, placement: str) -> Path:
        """File of a placement's verdict."""
        return self.folder / "gate" / f"{placement}.json"

    def role(self, placement: str, role: str) -> Path:
        """Folder of the fitted recommender that has a role."""
        return self.models / placement / role

    def role_file(self, placement: str, role: str) -> Path:
        """File that says who has a role."""
        return self.role(placement, role) / ROLE_FILE

    def variant(self, placement: str, variant: str) -> Path:
        """File of the lists of a placement's variant."""
        return self.lists / placement / f"{variant}.parquet"

    def exclusions(self, placement: str) -> Path:
        """File of the items that a placement shows to nobody, or not to some user."""
        return self.lists / "exclusions" / f"{placement}.parquet"


class HomePaths:
    """Where everything is that is written under a home."""

    home: Path

    @property
    def folder(self) -> Path:
        """The home itself."""
        return self.home

    landing = _Below("landing")
    """Day files as they arrive: `events/date=…/`, `items/date=…/`."""
    warehouse_path = _Below("warehouse.duckdb")
    """The DuckDB file that every stage shares, one writer at a time."""
    publications = _Below("publications")
    """Immutable publications and the CURRENT pointer."""
    publication_staging = _Below("publications/staging")
    """Publications that are not whole yet."""
    exposures = _Below("exposures")
    """What the API showed, and the events it took: `date=…/`, a file per kind and instance."""
    specifications = _Below("specifications")
    """What `recsys tune` found, a file per candidate."""
    tuning_folder = _Below("tuning")
    """Studies of `recsys tune`, a database per candidate."""
    started_experiments = _Below("experiments")
    """What is known of experiments: a file each, and a folder with its reports."""
    erased = _Below("erased.json")
    """Hashes of the users who were erased."""
    mlflow_database = _Below("mlflow.db")
    """Runs and registered models of MLflow, unless the settings name a server."""
    mlflow_artifacts = _Below("mlartifacts")
    """Files of MLflow's runs and models."""
    parsed_projects = _Below("dbt")
    """dbt projects as parsed, by the hash of what they were parsed from."""
    memory = _Below("memory")
    """Peaks of memory by candidate, and shares of the budget that are taken."""
    airflow = _Below("airflow")
    """Airflow's own home."""
    logs = _Below("logs")
    """Output of the processes that are started."""
    lock = _Below("home.lock")
    """The file whose lock says who works in the home."""
    temporary = _Below("tmp")
    """What does not fit into memory, and what is on its way to MLflow."""
    simulation = _Below("simulation")
    """The simulated shop: its parameters, its clock and each day's truth."""
    runs = _Below("runs")
    """A folder per night."""
    backtests = _Below("backtests")
    """A home per backtest."""
    backtest_state = _Below("backtest.json")
    """In a backtest's home: which nights are done."""
    backtest_results = _Below("results.json")
    """In a backtest's home: every figure of every night."""
    backtest_chart = _Below("chart.png")
    """In a backtest's home: the figures drawn."""
    backtest_page = _Below("backtest.html")
    """In a backtest's home: the figures to read."""

    def run_folder(self, as_of: date) -> NightFolder:
        """What the night of a day writes beside the warehouse."""
        return NightFolder(self.runs / f"night-{as_of.isoformat()}")

    def nights(self) -> list[date]:
        """Nights that have a run folder, earliest first."""
        names = sorted(path.name for path in self.runs.glob("night-*/"))
        return [date.fromisoformat(name.removeprefix("night-")) for name in names]

    def night_log(self, as_of: date) -> Path:
        """What a night's process printed."""
        return self.logs / f"night-{as_of.isoformat()}.log"

    def experiment_state(self, experiment_id: str) -> Path:
        """File with what is known of an experiment."""
        return self.started_experiments / f"{experiment_id}.json"

    def experiment_report(self, experiment_id: str, as_of: date) -> Path:
        """Folder of an experiment's report of a night."""
        return self.started_experiments / experiment_id / as_of.isoformat()
