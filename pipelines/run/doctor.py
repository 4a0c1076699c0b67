"""What a home has and what it lacks, with the command that mends it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pipelines.base.config import DEFAULT_CONFIG, PROJECT_ROOT, Settings
from pipelines.base.errors import PipelineError
from pipelines.run.scheduler import NIGHTLY_DAG
from pipelines.show.figures import format_bytes

#: Free space below which a night may not finish.
MIN_FREE_BYTES = 2 * 1024**3
#: Newest nights that are looked at.
SHOWN_NIGHTS = 7

#: Keys of the settings that a file of one's own leaves out without losing a value.
_HAVE_NO_DEFAULTS = {"home", "experiments_folder", "sources"}


@dataclass(frozen=True)
class Diagnosis:
    """The state of one part of a home.

    Parameters
    ----------
    subject : str
        The part that was examined.
    is_fine : bool
    found : str
        What was seen.
    remedy : str
        What to do where it is not fine.
    """

    subject: str
    is_fine: bool
    found: str
    remedy: str = ""


def examine(settings: Settings) -> list[Diagnosis]:
    """Look at a home without changing it.

    Returns
    -------
    list of Diagnosis
        Settings, engine, disk, sources, day files, warehouse, candidates, nights, schedule, MLflow,
        publication, freshness, alerts.
    """
    looks: tuple[Callable[[Settings], Diagnosis], ...] = (
        _settings_file,
        _engine,
        _disk,
        _sources,
        _day_files,
        _warehouse,
        _recommenders,
        _nights,
        _schedule,
        _tracking,
        _publication,
        _freshness,
        _alerts,
    )
    return [look(settings) for look in looks]


def _settings_file(settings: Settings) -> Diagnosis:
    """Say which sections a settings file of one's own leaves to the defaults.

    A file replaces the bundled one as a whole: what it does not hold has the defaults of the code,
    not the values of the bundled shop.
    """
    if settings.file is None:
        return Diagnosis("settings", True, "made by a program, of no file")
    given = set(settings.model_fields_set)
    kinds = type(settings).model_fields
    missing = [name for name in kinds if name not in given | _HAVE_NO_DEFAULTS]
    found = str(settings.file)
    if missing:
        found += f"; the defaults hold for {', '.join(missing)}"
    lists = [name for name in ("placements", "candidates") if name in missing]
    if lists:
        competing = ", ".join(one.name for one in settings.candidates)
        found += (
            f". It replaces the bundled settings as a whole: without {' and '.join(lists)}, "
            f"the only placements are {', '.join(settings.placements)}, and the candidates "
            f"{competing}"
        )
    return Diagnosis(
        "settings",
        not lists,
        found,
        "Write a whole file: recsys init FILE…, or copy what you want from "
        f"{PROJECT_ROOT / DEFAULT_CONFIG}.",
    )


def _engine(settings: Settings) -> Diagnosis:
    """Whether what builds features and makes lists is installed, and where it runs."""
    if settings.engine == "duckdb":
        return Diagnosis("engine", True, "duckdb, in this process")
    from pipelines.base.spark import require_spark

    found = f"spark on {settings.spark.master}: features, and lists of many users"
    try:
        require_spark()
    except PipelineError as error:
        return Diagnosis("engine", False, str(error), "Install the extra, or change the engine.")
    return Diagnosis("engine", True, found)


def _disk(settings: Settings) -> Diagnosis:
    place = settings.home
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    return Diagnosis(
        "disk",
        free >= MIN_FREE_BYTES,
        f"{format_bytes(free)} free for {settings.home}",
        "Free at least 2 GiB, or choose another place with --home.",
    )


def _sources(settings: Settings) -> Diagnosis:
    from pipelines.events.landed_sources import read_sources
    from pipelines.events.sources.source_files import content_state

    if not settings.sources:
        return Diagnosis("sources", True, "none in the settings: recsys land is called by hand")
    try:
        whole = {source.name for source in read_sources(settings) if source.is_complete}
        missing = [
            path
            for source in settings.sources
            if source.path is not None and not source.is_daily
            if not content_state(path := source.day_path(date.min))
        ]
    except PipelineError as error:
        return Diagnosis("sources", False, str(error), "Correct [[sources]] in recsys.toml.")
    states = (
        f"{source.name} ({'landed' if source.name in whole else 'not landed yet'})"
        for source in settings.sources
    )
    found = ", ".join(states)
    if missing:
        found += f"; nothing is at {', '.join(map(str, missing))}"
    return Diagnosis("sources", not missing, found, "Correct `path` of [[sources]].")


def _day_files(settings: Settings) -> Diagnosis:
    days = sorted(
        path.name.removeprefix("date=") for path in settings.landing.glob("events/date=*")
    )
    if not days:
        return Diagnosis(
            "day files",
            False,
            f"none under {settings.landing}",
            "Say what your files hold: recsys init FILE…, or land the bundled shop: "
            "recsys land online-retail",
        )
    return Diagnosis("day files", True, f"{len(days)} days, {days[0]} to {days[-1]}")


def _warehouse(settings: Settings) -> Diagnosis:
    from pipelines.base.warehouse import connect

    if not settings.warehouse_path.exists():
        return Diagnosis(
            "warehouse",
            False,
            f"{settings.warehouse_path} does not exist yet",
            "Run a night: recsys run --as-of YYYY-MM-DD",
        )
    try:
        with connect(settings, read_only=True) as warehouse:
            row = warehouse.execute("select count(*), max(event_at) from raw.events").fetchone()
    except PipelineError as error:
        return Diagnosis("warehouse", False, str(error), "Wait for the running night.")
    count, newest = row or (0, None)
    return Diagnosis(
        "warehouse", count > 0, f"{count:,} events, newest {newest}", "Load some days."
    )


def _recommenders(settings: Settings) -> Diagnosis:
    from pipelines.models.candidates import candidate_spec, make_recommender

    for candidate in settings.candidates:
        try:
            make_recommender(candidate_spec(settings, candidate))
        except PipelineError as error:
            return Diagnosis("candidates", False, str(error), "Correct it in recsys.toml.")
    return Diagnosis("candidates", True, f"{len(settings.candidates)} specifications, all valid")


def _nights(settings: Settings) -> Diagnosis:
    """Nights that began and published nothing, of the newest ones."""
    nights = settings.nights()
    newest = nights[-SHOWN_NIGHTS:]
    ended = [night for night in newest if settings.run_folder(night).publication.exists()]
    stopped = [
        f"{night} stopped after {_last_step(settings, night)}"
        for night in newest
        if night not in ended
    ]
    found = f"{len(ended)} of the newest {len(newest)} were published" if newest else "none yet"
    return Diagnosis(
        "nights",
        not stopped,
        "; ".join([found, *stopped]),
        "Read the task's log in Airflow or <home>/logs/, mend it, and run the night again: recsys "
        "run --as-of DAY.",
    )


def _last_step(settings: Settings, night: date) -> str:
    steps = list(settings.run_folder(night).steps.glob("*.json"))
    if not steps:
        return "no step"
    return max(steps, key=lambda path: path.stat().st_mtime_ns).stem


def _schedule(settings: Settings) -> Diagnosis:
    """Whether Airflow would start a night by itself."""
    database = settings.airflow / "airflow.db"
    rows = []
    if database.exists():
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                "select is_paused from dag where dag_id = ?", (NIGHTLY_DAG,)
            ).fetchall()
    if not rows:
        found = "no scheduler of this home has seen the nightly DAG"
    elif rows[0][0]:
        found = f"{NIGHTLY_DAG} is paused: recsys up --unpause lets it run every night"
    else:
        found = f"{NIGHTLY_DAG} runs by its schedule while recsys up runs"
    return Diagnosis("schedule", True, found)


def _tracking(settings: Settings) -> Diagnosis:
    from pipelines.base import tracking
    from pipelines.run.moved_home import moved_from

    if places := moved_from(settings):
        return Diagnosis(
            "MLflow",
            False,
            f"its store points to files at {', '.join(sorted(places))}, and the home is "
            f"{settings.home}",
            "A home that was moved or copied: recsys doctor --repair",
        )
    runs = tracking.count_runs(settings)
    return Diagnosis(
        "MLflow",
        runs is not None,
        f"{settings.tracking_uri}: {'no answer' if runs is None else f'{runs} nights'}",
        "Start the server, or remove mlflow.tracking_uri to use the home's own store. "
        "Nights go on without it, but nothing new is promoted.",
    )


def _publication(settings: Settings) -> Diagnosis:
    from pipelines.base.current import PIN, named_id, read_current

    try:
        live = read_current(settings).publication_id
        pinned = named_id(settings, PIN)
    except PipelineError as error:
        return Diagnosis("publication", False, str(error), "Run a night, or: recsys rollback")
    if pinned is None:
        return Diagnosis("publication", True, f"CURRENT is {live}")
    return Diagnosis(
        "publication", True, f"{live} is pinned: later nights are not shown until recsys unpin"
    )


def _freshness(settings: Settings) -> Diagnosis:
    """How long ago what the live lists know has ended, whenever they were written."""
    from pipelines.base.current import read_current

    try:
        live = read_current(settings)
    except PipelineError:
        return Diagnosis("freshness", True, "no lists are live")
    age = datetime.now(UTC) - live.known_until
    found = f"the live lists know what happened before {live.as_of}, {age.days:,} days ago"
    return Diagnosis(
        "freshness",
        age < timedelta(hours=settings.serve.stale_hours),
        found,
        "Run the nights since (recsys sources list shows the days there are), and let them run by "
        "themselves: recsys up --unpause. Answers go on, and say `stale`.",
    )


def _alerts(settings: Settings) -> Diagnosis:
    channels = ", ".join(settings.notify.channels)
    found = f"people are told by {channels}" if channels else "nobody is told: [notify] is empty"
    return Diagnosis("alerts", True, found)
