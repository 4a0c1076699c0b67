"""Read the settings into one frozen tree; no other module reads the environment.

Settings come from `recsys.toml` (or the file that ``RECSYS_CONFIG`` or ``--config`` names), every
key of which is explained there; unknown keys are refused. ``RECSYS_HOME`` or ``--home`` says where
a run writes.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator

from pipelines.base.attributes import AttributeSettings
from pipelines.base.errors import SettingsError
from pipelines.base.expressions import check_kinds
from pipelines.base.notify_settings import NotifySettings, PrometheusSettings
from pipelines.base.paths import HomePaths
from pipelines.base.serving_settings import ConsoleSettings, PublishSettings, ServeSettings
from pipelines.base.settings_sections import (
    AuditSettings,
    CandidateSettings,
    EvaluationSettings,
    EventSettings,
    FeatureSettings,
    GateSettings,
    MlflowSettings,
    PlacementSettings,
    Section,
    SimilarSettings,
    SparkSettings,
    TrackSettings,
    TuningSettings,
    WarehouseSettings,
)
from pipelines.base.source_settings import SourceSettings
from pipelines.base.windows import NightWindows

DEFAULT_HOME = "var"
_NOT_IN_A_HOME = "'\"[]{}*?%#\\"
DEFAULT_CONFIG = "recsys.toml"
#: Folder of this checkout; it holds dbt_project/, dags/ and data/ beside the package.
PROJECT_ROOT = Path(__file__).resolve().parents[2]
DBT_PROJECT = PROJECT_ROOT / "dbt_project"


class Settings(HomePaths, Section):
    """All settings of the pipeline, built once by the caller and passed down."""

    home: Path = Path(DEFAULT_HOME)
    experiments_folder: Path = Path("experiments")
    """Folder of the experiments' files; a relative path starts at the settings file's folder."""
    placements: Mapping[str, PlacementSettings] = Field(
        default_factory=lambda: {"discover": PlacementSettings()}
    )
    candidates: tuple[CandidateSettings, ...] = (
        CandidateSettings(name="popularity", recommender="popularity"),
        CandidateSettings(
            name="recent_popularity", recommender="popularity", params={"half_life_days": 10.0}
        ),
    )
    sources: tuple[SourceSettings, ...] = ()
    """Where events, items and users come from; every night lands them first, in this order."""
    events: EventSettings = EventSettings()
    attributes: AttributeSettings = AttributeSettings()
    engine: Literal["duckdb", "spark"] = "duckdb"
    """What builds the features and makes the lists of many users (`docs/spark.md`)."""
    warehouse: WarehouseSettings = WarehouseSettings()
    spark: SparkSettings = SparkSettings()
    features: FeatureSettings = FeatureSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    gate: GateSettings = GateSettings()
    tuning: TuningSettings = TuningSettings()
    audit: AuditSettings = AuditSettings()
    similar: SimilarSettings = SimilarSettings()
    publish: PublishSettings = PublishSettings()
    serve: ServeSettings = ServeSettings()
    console: ConsoleSettings = ConsoleSettings()
    track: TrackSettings = TrackSettings()
    mlflow: MlflowSettings = MlflowSettings()
    notify: NotifySettings = NotifySettings()
    prometheus: PrometheusSettings = PrometheusSettings()
    _file: Path | None = PrivateAttr(None)

    @property
    def file(self) -> Path | None:
        """The settings file, if there is one; child processes read the same."""
        return self._file

    @field_validator("home")
    @classmethod
    def _check_home(cls, home: Path) -> Path:
        if found := sorted(set(str(home)) & set(_NOT_IN_A_HOME)):
            raise ValueError(
                "the path of a home must have none of the characters "
                f"{' '.join(_NOT_IN_A_HOME)}, which mean something in SQL, addresses and patterns "
                f"of files. Found {' '.join(found)}"
            )
        return home

    @model_validator(mode="after")
    def _check_names(self) -> Settings:
        names = [candidate.name for candidate in self.candidates]
        if len(set(names)) != len(names):
            raise ValueError(f"candidate names must be unique. Got {sorted(names)}")
        stems = [source.name for source in self.sources]
        if len(set(stems)) != len(stems):
            raise ValueError(f"names of sources must be unique. Got {sorted(stems)}")
        for placement_name, placement in self.placements.items():
            conditions = [("eligible", rule) for rule in placement.eligible]
            conditions += [("boosts", boost.when) for boost in placement.boosts]
            for key, rule in conditions:
                try:
                    check_kinds(rule, self.attributes.item_kinds, self.attributes.user_kinds)
                except ValueError as error:
                    raise ValueError(f"placements.{placement_name}.{key}: {error}") from error
            asked = {*placement.baselines, placement.fallback, *(placement.candidates or ())}
            if unknown := asked - set(names):
                raise ValueError(
                    f"placements.{placement_name} names candidates that do not exist: "
                    f"{sorted(unknown)}. Known: {sorted(names)}"
                )
        if unknown := set(self.serve.explore_share) - set(self.placements):
            raise ValueError(
                f"serve.explore_share names placements that do not exist: {sorted(unknown)}. "
                f"Known: {sorted(self.placements)}"
            )
        for key in ("candidate", "completed_by"):
            if (name := getattr(self.similar, key)) is not None and name not in names:
                raise ValueError(
                    f"similar.{key} names a candidate that does not exist: {name!r}. "
                    f"Known: {sorted(names)}"
                )
        return self

    @property
    def tracking_uri(self) -> str:
        """Address of the MLflow server in the settings, else of this home's own store."""
        return self.mlflow.tracking_uri or f"sqlite:///{self.mlflow_database}"

    # derived

    def night(self, as_of: date) -> NightWindows:
        """Windows and cutoffs of one night."""
        return NightWindows(as_of, self.evaluation.horizon_days)

    def candidate(self, name: str) -> CandidateSettings:
        """A candidate's specification, by name.

        Raises
        ------
        SettingsError
            If no candidate has this name.
        """
        for candidate in self.candidates:
            if candidate.name == name:
                return candidate
        known = ", ".join(candidate.name for candidate in self.candidates)
        raise SettingsError(
            f"A candidate must be listed in recsys.toml. Got {name!r}. Known: {known}."
        )

    def placement_candidates(self, placement: str) -> tuple[str, ...]:
        """Names of the candidates that compete in a placement, baselines included."""
        chosen = self.placements[placement].candidates
        return chosen or tuple(candidate.name for candidate in self.candidates)


def stable_hash(value: Any) -> str:
    """First 12 hex digits of the sha256 of a value's canonical JSON.

    Examples
    --------
    >>> stable_hash({"b": 1, "a": 2}) == stable_hash({"a": 2, "b": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def load_settings(config: Path | str | None = None, home: Path | str | None = None) -> Settings:
    """Read the settings file and the environment once.

    Parameters
    ----------
    config : path, optional
        TOML file; default ``$RECSYS_CONFIG``, else `recsys.toml` of the current folder, else the
        one beside the package.
    home : path, optional
        Where runs write; default ``$RECSYS_HOME``, else `home` of the file, else `var/`.

    Raises
    ------
    SettingsError
        If the file is missing, is not TOML, or has an unknown or invalid key.
    """
    path = _config_path(config)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(
            f"The settings file must be readable TOML. Got {path}: {error}. "
            "Name one with --config or RECSYS_CONFIG."
        ) from error
    chosen_home = home or os.environ.get("RECSYS_HOME") or values.get("home") or DEFAULT_HOME
    values["home"] = Path(chosen_home).expanduser().resolve()
    experiments = Path(values.get("experiments_folder", "experiments")).expanduser()
    values["experiments_folder"] = (path.parent / experiments).resolve()
    if isinstance(sources := values.get("sources"), list):
        values["sources"] = [_placed(source, path.parent) for source in sources]
    if server := os.environ.get("MLFLOW_TRACKING_URI"):
        values["mlflow"] = {"tracking_uri": server, **values.get("mlflow", {})}
    if (keys_file := os.environ.get("RECSYS_API_KEYS_FILE")) is not None:
        values["serve"] = {"keys_file": keys_file, **values.get("serve", {})}
    settings = parse_settings(values, source=str(path))
    settings._file = path.resolve()
    return settings


def _placed(source: Any, folder: Path) -> Any:
    """A source whose relative path starts at the settings file's folder."""
    named = source.get("path") if isinstance(source, dict) else None
    if not isinstance(named, str) or "://" in named:
        return source
    place = Path(named).expanduser()
    if not place.is_absolute():
        above = str(folder.absolute()).replace("{", "{{").replace("}", "}}")
        place = Path(above) / place
    return {**source, "path": str(place)}


def parse_settings(values: Mapping[str, Any], source: str = "settings") -> Settings:
    """Validate a nested mapping of settings.

    Raises
    ------
    SettingsError
        Naming each wrong key, what was found and what is allowed.
    """
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        found = explain_validation(error)
        raise SettingsError(
            f"Every setting in {source} must be known and valid. Found: {found}. "
            "The commented recsys.toml lists all keys."
        ) from error


def explain_validation(error: ValidationError) -> str:
    """One line that lists each wrong key, what is wrong with it, and the value found.

    A value that may be a secret is not shown, such as any of `[notify]` and `[prometheus]`.
    """
    return "; ".join(
        f"`{'.'.join(map(str, item['loc'])) or 'settings'}`: {mask_secrets(item['msg'])} "
        f"(got {_found(item['loc'], item['input'])})"
        for item in error.errors()
    )


def _found(place: tuple[int | str, ...], value: Any) -> str:
    words = " ".join(map(str, place)).lower()
    if place[:1] in {("notify",), ("prometheus",)} or any(
        word in words for word in ("key", "secret", "password", "token", "dsn")
    ):
        return "a value that is not shown, since it may be a secret"
    return repr(mask_secrets(str(value))[:80])


def mask_secrets(text: str) -> str:
    """A text without API keys and without the logins of addresses.

    Examples
    --------
    >>> mask_secrets("rk_0123456789abcdefghijklmnop of postgresql://shop:secret@db/shop")
    'rk_… of postgresql://…@db/shop'
    """
    text = re.sub(r"rk_[A-Za-z0-9_-]{16,}", "rk_…", text)
    return re.sub(r"(?<=://)[^/@\s]+@", "…@", text)


def _config_path(config: Path | str | None) -> Path:
    named = config or os.environ.get("RECSYS_CONFIG")
    if named:
        return Path(named)
    here = Path(DEFAULT_CONFIG)
    return here if here.exists() else PROJECT_ROOT / DEFAULT_CONFIG


@dataclass(frozen=True)
class Fault:
    """A fault that a test injects into this process (`pipelines.base.faults`).

    Parameters
    ----------
    at : int
        Number of the fault point, from 1; with 0 they are only counted.
    kind : {"kill", "enospc"}
    log : Path or None
        File that gets the name of every fault point passed.
    """

    at: int
    kind: str
    log: Path | None


@functools.cache
def armed_fault() -> Fault | None:
    """The fault that ``RECSYS_FAULT`` and ``RECSYS_FAULT_LOG`` ask for; None in ordinary runs.

    Raises
    ------
    SettingsError
        If ``RECSYS_FAULT`` is not a number, with or without a kind.
    """
    asked = os.environ.get("RECSYS_FAULT")
    if not asked:
        return None
    number, _, kind = asked.partition(":")
    kind = kind or "kill"
    if not number.isdecimal() or kind not in {"kill", "enospc"}:
        raise SettingsError(
            f"RECSYS_FAULT must be N, N:kill or N:enospc. Got {asked!r}. "
            "Unset it: only proofs of this project set it."
        )
    log = os.environ.get("RECSYS_FAULT_LOG")
    return Fault(int(number), kind, Path(log) if log else None)


def postgres_dsn(settings: Settings) -> str:
    """Address of the Postgres server, from the variable that `publish.postgres` names.

    Raises
    ------
    SettingsError
        If the variable is not set, or holds something else; its value is never shown.
    """
    name = settings.publish.postgres.dsn_variable or ""
    dsn = os.environ.get(name, "")
    if not dsn.startswith(("postgresql://", "postgres://")):
        found = "another form" if dsn else "nothing"
        raise SettingsError(
            f"${name} must hold the address of a Postgres server. Found {found} there. "
            f'Run `export {name}="postgresql://USER:PASSWORD@HOST:5432/DATABASE"`, or remove '
            "dsn_variable from [publish.postgres] in recsys.toml."
        )
    return dsn


def database_address(address: str) -> str:
    """Address of a database, from an environment variable where it is written as ``env:NAME``.

    Raises
    ------
    SettingsError
        If the variable is not set.
    """
    return named_value(
        address, "the address of a database", "postgresql://USER:PASSWORD@HOST:5432/DATABASE"
    )


def named_value(text: str, meaning: str, example: str) -> str:
    """A setting's text; written as ``env:NAME``, the value of that environment variable.

    Parameters
    ----------
    text : str
    meaning, example : str
        What it is, and one of its kind, for the message where the variable is not set.

    Raises
    ------
    SettingsError
        If the variable is not set.
    """
    prefix, _, name = text.partition("env:")
    if prefix or not name:
        return text
    if found := os.environ.get(name):
        return found
    raise SettingsError(
        f'${name} must hold {meaning}. Found nothing there. Run `export {name}="{example}"`.'
    )


def process_environment(settings: Settings) -> dict[str, str]:
    """Environment variables for a child process with the same home and settings file."""
    environment = {**os.environ, "RECSYS_HOME": str(settings.home), "TZ": "UTC"}
    if settings.file is not None:
        environment["RECSYS_CONFIG"] = str(settings.file)
    return environment


@contextmanager
def kept_environment() -> Iterator[None]:
    """Restore the environment variables after the block (dbt reads `.env` files)."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def silence_telemetry() -> None:
    """Switch off the telemetry of all libraries; call it once, before they are imported."""
    for name in ("DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY"):
        os.environ.setdefault(name, "true")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")


def set_spark_environment(java_home: Path) -> None:
    """Let Spark run on this Java, in this Python and from its own package, here and on workers."""
    os.environ["JAVA_HOME"] = str(java_home)
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ.pop("SPARK_HOME", None)


def bound_tracking_calls(settings: Settings) -> None:
    """Limit each call to the tracking server to `mlflow.timeout_seconds`, without repeats."""
    seconds = str(settings.mlflow.timeout_seconds)
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = seconds
    os.environ["MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT"] = seconds
    # A repeated call could make a run twice, and a server may ask to be asked again in an hour.
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    os.environ["MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER"] = "false"
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
