"""Every path below a home and below each night's folder, written once."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

#: File beside a fitted recommender: its specification and the inputs it was fitted on.
ROLE_FILE = "role.json"


class _HasFolder(Protocol):
    @property
    def folder(self) -> Path: ...


class _Below:
    """Attribute that gives a path below its owner's `folder`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, owner: _HasFolder, _: type | None = None) -> Path:
        return owner.folder / self._name


@dataclass(frozen=True)
class NightFolder:
    """Paths in one night's folder: all a night writes outside the warehouse.

    Parameters
    ----------
    folder : Path
        The folder itself.
    """

    folder: Path

    landed = _Below("landed.json")
    """What each source of the settings gave, or why it gave nothing."""
    load = _Below("load.json")
    """Which day files were loaded, and how many rows of each."""
    event_checks = _Below("check_events.json")
    """Result of the checks of events and items."""
    event_checks_page = _Below("check_events.html")
    """The checks of events and items as a page."""
    feature_checks_page = _Below("check_features.html")
    """The checks of features as a page."""
    dbt = _Below("dbt")
    """Everything dbt writes: compiled SQL, results, logs, documentation."""
    reading_features = _Below(".reading_features")
    """Exists from the beginning of the build to the end of the snapshot."""
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
    """Lists of similar items."""
    audit = _Below("audit.json")
    """Result of the audit of the lists."""
    publication = _Below("publication.json")
    """What was published."""
    report = _Below("report.json")
    """The night's report as data."""
    report_text = _Below("report.md")
    """The night's report to read."""
    steps = _Below("steps")
    """Duration of each finished step."""
    erasing = _Below(".erasing")
    """Exists while a user is being erased from the folder."""

    def evaluation(self, name: str, window: str, placement: str) -> Path:
        """Folder of one candidate's evaluation on a window of a placement."""
        return self.candidates / name / window / placement

    def trees(self, name: str, window: str) -> Path:
        """Folder of the analysis of a candidate's trees on a window, shared by placements."""
        return self.candidates / name / "trees" / window

    def gate(self, placement: str) -> Path:
        """File of a placement's verdict."""
        return self.folder / "gate" / f"{placement}.json"

    def role(self, placement: str, role: str) -> Path:
        """Folder of the fitted recommender with a role, such as champion, in a placement."""
        return self.models / placement / role

    def role_file(self, placement: str, role: str) -> Path:
        """File that names the candidate with a role in a placement."""
        return self.role(placement, role) / ROLE_FILE

    def variant(self, placement: str, variant: str) -> Path:
        """File of the lists of a placement's variant."""
        return self.lists / placement / f"{variant}.parquet"

    def exclusions(self, placement: str) -> Path:
        """File of the items excluded from a placement's lists, for everybody or for a user."""
        return self.lists / "exclusions" / f"{placement}.parquet"

    def pool(self, placement: str) -> Path:
        """File of all that a placement may show to people without a history, best first."""
        return self.lists / "pools" / f"{placement}.parquet"


class HomePaths:
    """Paths of everything that is written below a home."""

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
    """Incomplete publications, while they are being written."""
    exposures = _Below("exposures")
    """The API's logs: lists shown and events received; `date=…/`, a file per kind and instance."""
    specifications = _Below("specifications")
    """Best hyperparameters found by `recsys tune`, a file per candidate."""
    tuning_folder = _Below("tuning")
    """Studies of `recsys tune`, a database per candidate."""
    started_experiments = _Below("experiments")
    """State of each started experiment: a file, and a folder with its reports."""
    erased = _Below("erased.json")
    """Hashes of the users who were erased."""
    mlflow_database = _Below("mlflow.db")
    """Runs and registered models of MLflow, unless the settings name a server."""
    mlflow_artifacts = _Below("mlartifacts")
    """Files of MLflow's runs and models."""
    parsed_projects = _Below("dbt")
    """Parsed dbt projects, by the hash of their inputs."""
    spark_folder = _Below("spark")
    """What Spark reads and writes: raw tables, its tables, their catalogue, blocks, its Java."""
    memory = _Below("memory")
    """Peak memory by candidate, and the shares of the memory budget in use."""
    airflow = _Below("airflow")
    """Airflow's own home."""
    alerts = _Below("alerts")
    """What people were told, a file per alert; none is sent twice."""
    logs = _Below("logs")
    """Output of child processes."""
    lock = _Below("home.lock")
    """The home's lock file (`night_lock`)."""
    temporary = _Below("tmp")
    """Files that DuckDB spills from memory, and files about to be sent to MLflow."""
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
        """Folder of the night of `as_of`."""
        return NightFolder(self.runs / f"night-{as_of.isoformat()}")

    def nights(self) -> list[date]:
        """Nights that have a run folder, earliest first."""
        found = []
        for path in self.runs.glob("night-*/"):
            with suppress(ValueError):  # a folder that somebody put there
                found.append(date.fromisoformat(path.name.removeprefix("night-")))
        return sorted(found)

    def night_log(self, as_of: date) -> Path:
        """File with the output of a night's process."""
        return self.logs / f"night-{as_of.isoformat()}.log"

    def experiment_state(self, experiment_id: str) -> Path:
        """File with the state of an experiment."""
        return self.started_experiments / f"{experiment_id}.json"

    def experiment_report(self, experiment_id: str, as_of: date) -> Path:
        """Folder of an experiment's report of a night."""
        return self.started_experiments / experiment_id / as_of.isoformat()
