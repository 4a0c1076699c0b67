"""What a home has and what it lacks, with the command that mends it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from pipelines.base.config import DEFAULT_CONFIG, PROJECT_ROOT, Settings
from pipelines.base.errors import PipelineError
from pipelines.show.figures import format_bytes

#: Free space below which a night may not finish.
MIN_FREE_BYTES = 2 * 1024**3

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
        Settings, disk, sources, day files, warehouse, candidates, MLflow, publication.
    """
    looks: tuple[Callable[[Settings], Diagnosis], ...] = (
        _settings_file,
        _disk,
        _sources,
        _day_files,
        _warehouse,
        _recommenders,
        _tracking,
        _publication,
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
            source.path
            for source in settings.sources
            if source.path is not None and not source.is_daily and not content_state(source.path)
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


def _tracking(settings: Settings) -> Diagnosis:
    from pipelines.base import tracking

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
