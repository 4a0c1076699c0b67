"""Remember which source made which day files: `landing/_sources/<stem>.json`, a file per source.

A source is a name and a path. Its day files share a stem that no other source has, so landing it
again can replace all that it landed before, and nothing else.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipelines.base.config import Settings
from pipelines.base.durable import read_json, write_json
from pipelines.base.errors import LandingError
from pipelines.base.faults import faultpoint
from pipelines.base.source_settings import QUERY
from pipelines.events.exposures import API_FILES
from pipelines.events.sources.source_files import COMPRESSIONS

LEDGER = "_sources"
#: Adapter whose day files had its own name, and not that of the file, before there was a ledger.
_NAMED_BY_FILE = "table"
_NAME_LENGTH = 60
#: Paths of other parts that a note names.
_SHOWN_PARTS = 3


@dataclass(frozen=True)
class LandedSource:
    """A source of the ledger, and the day files it made.

    Parameters
    ----------
    stem : str
        Stem of its day files.
    name : str
        Its name; parts of one name have different paths.
    adapter : str
        What read it.
    path : str or None
        Absolute path, links not followed; None if the adapter has a file of its own.
    is_complete : bool
        False while it is being landed, and after a landing that was stopped.
    files : tuple of str
        Its day files, relative to `landing/`; those of the landing before, while it is landed.
    others : tuple of str
        Day files with its stem that something else made; only while it is landed.
    until : str or None
        Greatest watermark of a pull that was landed whole; the next one begins there.
    state : str or None
        Hash of its files and of how they were read, when it was landed.
    """

    stem: str
    name: str
    adapter: str
    path: str | None
    is_complete: bool
    files: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    until: str | None = None
    state: str | None = None


def name_of(path: Path | None) -> str:
    """Name of a source that was given none: the stem of its file, in the letters of a name.

    Examples
    --------
    >>> name_of(Path("exports/May orders.csv.gz"))
    'May-orders'
    """
    if path is None:
        return _NAMED_BY_FILE
    outer = Path(path.name)
    inner = Path(outer.stem) if outer.suffix.lower() in COMPRESSIONS else outer
    name = re.sub(r"[^\w-]+", "-", inner.stem)[:_NAME_LENGTH].strip("-_")
    return name or _NAMED_BY_FILE


def identity_of(path: Path | None) -> str | None:
    """The path by which a source is known again, from wherever it is named; or its address."""
    if path is None:
        return None
    if re.match(r"\w+:/", str(path)):
        return str(path)
    return os.path.abspath(path.expanduser())


def read_sources(settings: Settings) -> list[LandedSource]:
    """The sources of the ledger, by stem.

    Raises
    ------
    LandingError
        If a file of the ledger cannot be read.
    """
    paths = (settings.landing / LEDGER).glob("[!.]*.json")
    return [_read(path) for path in sorted(paths, key=lambda path: path.stem)]


def _read(path: Path) -> LandedSource:
    try:
        found = read_json(path)
        return LandedSource(
            **{**found, "files": tuple(found["files"]), "others": tuple(found["others"])}
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LandingError(
            f"A file of the ledger of sources must be readable. Got {path}: {error}. Restore it, "
            "or remove it: the day files of this source then count as not recorded."
        ) from error


def files_on_disk(settings: Settings, stem: str) -> set[str]:
    """Day files with a stem that `land` may have made, relative to `landing/`."""
    return {
        str(path.relative_to(settings.landing))
        for path in settings.landing.glob(f"*/date=*/{stem}.parquet")
    }


def own_files(settings: Settings, source: LandedSource) -> set[str]:
    """Day files of a source that are there, also after a landing that was stopped."""
    on_disk = files_on_disk(settings, source.stem)
    return on_disk & set(source.files) if source.is_complete else on_disk - set(source.others)


# landing


def begin_landing(
    settings: Settings,
    name: str,
    adapter: str,
    path: Path | None,
    about_to_write: Callable[[str], Iterable[str]],
) -> LandedSource:
    """Write down that a source is being landed, before its first day file is.

    From then on, day files with its stem are its own, but for `others`. A landing that is killed
    is healed by the next one.

    Parameters
    ----------
    settings : Settings
    name, adapter : str
    path : path or None
    about_to_write : callable
        Gives the day files that the source will write under a stem. Only asked where files with
        this stem are there that no landing recorded: those that it will write become its own.

    Returns
    -------
    LandedSource
        Not complete; `files` are those of the landing before.
    """
    known = find_landed(settings, name, path)
    taken = {one.stem for one in read_sources(settings)}
    stem = known.stem if known else _free_stem(settings, name, path, taken)
    _remove_scraps(settings, stem)
    own = own_files(settings, known) if known else set()
    others = files_on_disk(settings, stem) - own
    if others:
        others -= set(about_to_write(stem))
    begun = LandedSource(
        stem, name, adapter, identity_of(path), False, tuple(sorted(own)), tuple(sorted(others))
    )
    _write(settings, begun)
    return begun


def end_landing(
    settings: Settings,
    begun: LandedSource,
    files: Iterable[str],
    *,
    until: str | None = None,
    state: str | None = None,
) -> None:
    """Write down the day files that a source has now, and what the next landing must know."""
    _write(
        settings,
        replace(
            begun,
            is_complete=True,
            files=tuple(sorted(files)),
            others=(),
            until=until,
            state=state,
        ),
    )


def find_landed(settings: Settings, name: str, path: Path | None) -> LandedSource | None:
    """The source of the ledger with a name and a path, if it was ever landed."""
    identity = identity_of(path)
    known = (one for one in read_sources(settings) if (one.name, one.path) == (name, identity))
    return next(known, None)


def is_as_landed(settings: Settings, source: LandedSource, state: str) -> bool:
    """Whether a source was landed whole from the same files, and its day files are all there."""
    is_same = source.is_complete and source.state == state
    return is_same and files_on_disk(settings, source.stem) >= set(source.files)


def pull_path(name: str, since: str | None, *, is_watched: bool) -> Path:
    """What stands for the path of a pull: the query's name and, with a watermark, its beginning."""
    return Path(f"{QUERY}:/{name}" + (f"/since={since}" if is_watched else ""))


def next_pull(settings: Settings, name: str) -> str | None:
    """Watermark at which the next pull of a query begins.

    Returns
    -------
    str or None
        Where the last of an unbroken row of pulls ended; None before the first. A pull that was
        stopped, or taken out, is pulled again.
    """
    pulls = {source.path: source for source in read_sources(settings) if source.name == name}
    since: str | None = None
    while pull := pulls.pop(str(pull_path(name, since, is_watched=True)), None):
        if not pull.is_complete:
            break
        since = pull.until
    return since


def remove_files(settings: Settings, files: Iterable[str]) -> None:
    """Remove day files, and day folders that are empty then."""
    for name in sorted(files):
        faultpoint("land.removes")
        path = settings.landing / name
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()


def landing_notes(
    settings: Settings, begun: LandedSource, own: Collection[str], *, tells_parts: bool = True
) -> list[str]:
    """What a person must know of other day files with a source's name, after it was landed.

    Parameters
    ----------
    settings : Settings
    begun : LandedSource
        As `begin_landing` returned it.
    own : collection of str
        Its day files before the landing.
    tells_parts : bool, default True
        Whether to name other parts of the same name.
    """
    notes = []
    if count := len(set(own) - set(begun.files)):
        notes.append(
            f"{count} day files named {begun.stem}.parquet that no finished landing had recorded "
            "are of this source now"
        )
    old_name = _NAMED_BY_FILE if begun.adapter == _NAMED_BY_FILE else begun.stem
    for stem in dict.fromkeys((begun.stem, old_name)):
        if files := sorted(unrecorded_files(settings, stem)):
            notes.append(
                f"{len(files)} day files named {stem}.parquet were recorded by no landing and stay "
                f"(first {files[0]}); if they came from this source: "
                f"recsys sources remove {stem} --unrecorded"
            )
    parts = [
        part
        for part in read_sources(settings)
        if part.name == begun.name and part.stem != begun.stem and begun.adapter != QUERY
    ]
    if parts and tells_parts:
        stems = " ".join(part.stem for part in parts)
        paths = ", ".join(part.path or "the file of the adapter" for part in parts[:_SHOWN_PARTS])
        more = f" and {len(parts) - _SHOWN_PARTS} more" if len(parts) > _SHOWN_PARTS else ""
        notes.append(
            f"{begun.name} has other parts, which count too: {paths}{more}; if this one replaces "
            f"them: recsys sources remove {stems}"
        )
    return notes


def _free_stem(settings: Settings, name: str, path: Path | None, taken: set[str]) -> str:
    """A stem for a new source: its name, for a further part with the file's own stem or a hash."""
    if name not in taken:
        return name
    part = f"{name}-{name_of(path)}"
    if name_of(path) != name and part not in taken and not files_on_disk(settings, part):
        return part
    return f"{name}-{hashlib.sha256(str(identity_of(path)).encode()).hexdigest()[:8]}"


def _remove_scraps(settings: Settings, stem: str) -> None:
    """Remove unfinished files of a landing that was killed."""
    for pattern in (f"*/date=*/.{stem}.parquet.*.tmp", f"{LEDGER}/.{stem}.json.*.tmp"):
        for path in settings.landing.glob(pattern):
            path.unlink(missing_ok=True)
            with suppress(OSError):
                path.parent.rmdir()


def _ledger_file(settings: Settings, stem: str) -> Path:
    return settings.landing / LEDGER / f"{stem}.json"


def _write(settings: Settings, source: LandedSource) -> None:
    values: dict[str, Any] = asdict(source)
    write_json(_ledger_file(settings, source.stem), values)


# taking out


def remove_source(settings: Settings, stem: str) -> int:
    """Take a source out: its day files and its entry in the ledger.

    Returns
    -------
    int
        Day files removed. The next load takes their rows out of the warehouse.

    Raises
    ------
    LandingError
        If the ledger has no such source.
    """
    sources = {source.stem: source for source in read_sources(settings)}
    if stem not in sources:
        raise LandingError(
            f"A source must be one that was landed: {', '.join(sources) or 'there is none'}. "
            f"Got {stem!r}. `recsys sources list` shows them; day files that no landing recorded "
            "are removed with --unrecorded."
        )
    files = own_files(settings, sources[stem])
    remove_files(settings, files)
    _ledger_file(settings, stem).unlink(missing_ok=True)
    return len(files)


def unrecorded_files(settings: Settings, stem: str) -> set[str]:
    """Day files with a stem that no landing recorded, relative to `landing/`."""
    own = [own_files(settings, one) for one in read_sources(settings) if one.stem == stem]
    return files_on_disk(settings, stem).difference(*own)


def remove_unrecorded(settings: Settings, stem: str) -> int:
    """Remove the day files with a stem that no landing recorded, such as those of old versions.

    Returns
    -------
    int
        Day files removed.

    Raises
    ------
    LandingError
        If there are none, or they are made from the API's logs, which would make them again.
    """
    files = set() if stem == API_FILES else unrecorded_files(settings, stem)
    if not files:
        raise LandingError(
            "Day files to remove must be Parquet files that no landing recorded, and not those of "
            f"the API's logs. Found none named {stem}.parquet. `recsys sources list` shows them."
        )
    remove_files(settings, files)
    return len(files)
