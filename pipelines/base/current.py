"""Read publications on disk: which exist, whether they are intact, and which one is live."""

from __future__ import annotations

import fcntl
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from pipelines.base.config import Settings
from pipelines.base.durable import file_sha256, read_json, write_json
from pipelines.base.errors import PublicationNotFoundError, PublishLockedError

logger = logging.getLogger(__name__)

POINTER = "CURRENT.json"
PIN = "PIN.json"
LOCK = "publish.lock"
#: Version of a publication's files; increased when older readers would misread them.
SCHEMA_VERSION = 2
MANIFEST = "manifest.json"
#: The file of a publication that answers one user's list in microseconds.
LOOKUPS = "lists.sqlite"
#: The file of a publication that people query.
SERVING = "serving.duckdb"
#: Holds the sha256 of the manifest's bytes and a newline, nothing else.
MANIFEST_HASH = "manifest.json.sha256"
#: Advice for a pointer that names no intact publication.
_REMEDY = {
    POINTER: "Run `recsys rollback --to ID`, or publish the newest night again",
    PIN: "Run `recsys pin ID` with another one, or `recsys unpin`",
}
_ID_FORM = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{8}", re.ASCII)


@dataclass(frozen=True)
class Publication:
    """An immutable folder of lists.

    Parameters
    ----------
    publication_id : str
        ``<as_of>-<first 8 digits of the logical hash>``.
    folder : Path
    manifest : dict
        Counts, models, gate, and the sha256 of every file.
    """

    publication_id: str
    folder: Path
    manifest: dict[str, Any]

    @property
    def as_of(self) -> date:
        """The night whose lists these are."""
        return date_of(self.publication_id)

    @property
    def known_until(self) -> datetime:
        """`as_of` 00:00 UTC: the lists know nothing later, whenever they were written."""
        return datetime.combine(self.as_of, time.min, UTC)

    @property
    def serving_path(self) -> Path:
        """The DuckDB file that people query."""
        return self.folder / SERVING


def date_of(publication_id: str) -> date:
    """The `as_of` inside a publication id.

    Examples
    --------
    >>> date_of("2011-12-09-0a1b2c3d")
    datetime.date(2011, 12, 9)
    """
    return date.fromisoformat(publication_id[:10])


def is_publication_id(name: str) -> bool:
    """Whether a name has the form of a publication's id, of a day that there is.

    Examples
    --------
    >>> is_publication_id("2011-12-09-0a1b2c3d"), is_publication_id("../2011-12-09-0a1b2c3d")
    (True, False)
    >>> is_publication_id("2011-02-30-0a1b2c3d")
    False
    """
    if _ID_FORM.fullmatch(name) is None:
        return False
    with suppress(ValueError):
        return bool(date_of(name))
    return False


def stored_ids(settings: Settings) -> list[str]:
    """Ids of the publications on disk, oldest `as_of` first; hashes are not checked."""
    if not settings.publications.exists():
        return []
    return sorted(
        folder.name
        for folder in settings.publications.iterdir()
        if is_publication_id(folder.name) and (folder / MANIFEST).is_file()
    )


def read_publication(
    settings: Settings, publication_id: str, *, verify: bool = True
) -> Publication:
    """Read a publication by id.

    Parameters
    ----------
    settings : Settings
    publication_id : str
    verify : bool, default True
        Compare the sha256 of the manifest and of every file.

    Raises
    ------
    PublicationNotFoundError
        If it is not there, or differs from its hashes.
    """
    folder = settings.publications / publication_id
    if not is_publication_id(publication_id) or not (folder / MANIFEST).is_file():
        raise PublicationNotFoundError(
            f"A publication must be in {settings.publications}. Found no {publication_id!r}. "
            f"There are: {', '.join(stored_ids(settings)) or 'none'}."
        )
    try:
        publication = Publication(publication_id, folder, read_json(folder / MANIFEST))
        damage = _find_damage(publication, verify)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        damage = f"{MANIFEST}: {error}"
    if damage:
        raise PublicationNotFoundError(
            f"Every file of a publication must have the sha256 its manifest says. "
            f"Found {publication_id} damaged: {damage}. Publish that night again "
            f"(`recsys publish --as-of {publication_id[:10]}`) or roll back to another one: "
            f"{', '.join(other for other in stored_ids(settings) if other != publication_id)}."
        )
    return publication


def _find_damage(publication: Publication, verify: bool) -> str | None:
    """Describe what differs from the hashes, or None; without `verify`, compare only the id."""
    folder = publication.folder
    manifest_hash = f"{file_sha256(folder / MANIFEST)}\n".encode() if verify else b""
    if verify and (folder / MANIFEST_HASH).read_bytes() != manifest_hash:
        return f"{MANIFEST} differs from {MANIFEST_HASH}"
    if publication.manifest["publication_id"] != publication.publication_id:
        return f"{MANIFEST} is of {publication.manifest['publication_id']}"
    return _find_wrong_file(publication) if verify else None


def _find_wrong_file(publication: Publication) -> str | None:
    """Describe the first file that is missing, is none, or differs from its hash, if any."""
    folder = publication.folder
    files = publication.manifest["files"]
    if missing := sorted({SERVING, LOOKUPS} - set(files)):
        return f"{MANIFEST} has no hash of {missing[0]}"
    for name, wanted in files.items():
        if Path(name).name != name or not (folder / name).is_file():  # a device has no end
            return f"{name!r} is no file of the publication"
        if file_sha256(folder / name) != wanted["sha256"]:
            return f"{name} differs from its hash"
    return None


def read_current(settings: Settings, *, verify: bool = False) -> Publication:
    """Read the live publication: the one PIN names if that file exists, else CURRENT's.

    Parameters
    ----------
    settings : Settings
    verify : bool, default False
        Compare the sha256 of every file, not only that the manifest is the one that is named.

    Raises
    ------
    PublicationNotFoundError
        If nothing was published, the pointer cannot be read, or what it names is not there or
        differs from its hashes. A reader that has lists already keeps them; it never falls back
        from PIN to CURRENT by itself.
    """
    name = POINTER if _read_pointer(settings, PIN) is None else PIN
    return read_pointed(settings, name, verify=verify)


def read_pointed(settings: Settings, name: str, *, verify: bool = False) -> Publication:
    """Read the publication that a pointer (`POINTER` or `PIN`) names, in force or not.

    Raises
    ------
    PublicationNotFoundError
        As `read_current`.
    """
    pointer = _read_pointer(settings, name)
    if pointer is None:
        raise PublicationNotFoundError(
            f"A publication must be live. Found no {settings.publications / name}. "
            "Run a night first: `recsys run --as-of YYYY-MM-DD`."
        )
    try:
        publication = read_publication(settings, pointer["publication_id"], verify=verify)
    except PublicationNotFoundError as error:
        raise PublicationNotFoundError(f"{error} {name} names it. {_REMEDY[name]}.") from error
    if file_sha256(publication.folder / MANIFEST) != pointer["manifest_sha256"]:
        raise PublicationNotFoundError(
            f"{name} and the publication must agree. Found {MANIFEST} of "
            f"{publication.publication_id} changed since {name} was written. {_REMEDY[name]}."
        )
    return publication


def find_current(settings: Settings) -> Publication | None:
    """The live publication, or None (with a warning if a pointer exists but is unusable)."""
    if not is_there(settings, PIN) and not is_there(settings, POINTER):
        return None
    try:
        return read_current(settings)
    except PublicationNotFoundError as error:
        logger.warning("no live publication: %s", error)
        return None


def is_there(settings: Settings, name: str) -> bool:
    """Whether a pointer's file exists, readable or not."""
    return (settings.publications / name).exists()


def named_id(settings: Settings, name: str) -> str | None:
    """The publication id in a pointer's file, or None if there is no such file.

    Raises
    ------
    PublicationNotFoundError
        If the file is there but cannot be read; whether the publication exists is not looked at.
    """
    pointer = _read_pointer(settings, name)
    return None if pointer is None else pointer["publication_id"]


def _read_pointer(settings: Settings, name: str) -> dict[str, str] | None:
    path = settings.publications / name
    try:
        pointer = read_json(path)
        return {key: str(pointer[key]) for key in ("publication_id", "manifest_sha256")}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PublicationNotFoundError(
            f"{name} must name a publication. Found {path} unreadable: {error!r}. "
            f"{_REMEDY[name]}. There are: {', '.join(stored_ids(settings)) or 'none'}."
        ) from error


def protected_ids(settings: Settings) -> set[str]:
    """Ids of publications that retention must not delete: those CURRENT and PIN name.

    A pointer that cannot be read may have named any of them, so it protects them all.
    """
    try:
        named = {named_id(settings, name) for name in (POINTER, PIN)}
    except PublicationNotFoundError as error:
        logger.warning("no publication is dropped: %s", error)
        return set(stored_ids(settings))
    return {publication_id for publication_id in named if publication_id is not None}


def point_to(settings: Settings, publication: Publication, name: str = POINTER) -> bool:
    """Make a pointer name a publication, atomically; False if it did already."""
    pointer = {
        "publication_id": publication.publication_id,
        "as_of": publication.as_of.isoformat(),
        "manifest_sha256": file_sha256(publication.folder / MANIFEST),
    }
    path = settings.publications / name
    try:
        if read_json(path) == pointer:
            return False
    except (OSError, ValueError):
        pass  # not there or not readable: it is written anew
    write_json(path, pointer)
    return True


@contextmanager
def publish_lock(settings: Settings) -> Iterator[None]:
    """Hold the lock without which publications and pointers must not be changed.

    The lock belongs to the process: the system frees it when its holder ends or is killed.

    Raises
    ------
    PublishLockedError
        If another process (or thread) holds it; the caller may try again.
    """
    settings.publications.mkdir(parents=True, exist_ok=True)
    path = settings.publications / LOCK
    with path.open("a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            stream.seek(0)
            raise PublishLockedError(
                f"One publisher at a time may change {settings.publications}. Found {LOCK} held "
                f"by process {stream.read().strip() or 'unknown'}. Wait until it ends and try "
                "again; a killed holder frees the lock by itself."
            ) from error
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield
