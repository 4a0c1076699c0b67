"""Publications on disk: which are there, which one is live, and going back to an earlier one."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.config import Settings
from pipelines.durable import file_sha256, read_json, write_json
from pipelines.errors import PublicationNotFoundError, PublishLockedError

logger = logging.getLogger(__name__)

POINTER = "CURRENT.json"
PIN = "PIN.json"
LOCK = "publish.lock"
MANIFEST = "manifest.json"
#: Holds the sha256 of the manifest's bytes and a newline, nothing else.
MANIFEST_HASH = "manifest.json.sha256"
_ID_FORM = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{8}")


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
    def serving_path(self) -> Path:
        """The DuckDB file that people query."""
        return self.folder / "serving.duckdb"


def date_of(publication_id: str) -> date:
    """The `as_of` inside a publication id.

    Examples
    --------
    >>> date_of("2011-12-09-0a1b2c3d")
    datetime.date(2011, 12, 9)
    """
    return date.fromisoformat(publication_id[:10])


def stored_ids(settings: Settings) -> list[str]:
    """Ids of the publications on disk, oldest `as_of` first; their hashes are not looked at."""
    if not settings.publications.exists():
        return []
    return sorted(
        folder.name
        for folder in settings.publications.iterdir()
        if _ID_FORM.fullmatch(folder.name) and (folder / MANIFEST).exists()
    )


def read_publication(
    settings: Settings, publication_id: str, *, verify: bool = True
) -> Publication:
    """A publication by id.

    Parameters
    ----------
    settings : Settings
    publication_id : str
    verify : bool, default True
        Compare the sha256 of the manifest and of every file; a flipped bit is found.

    Raises
    ------
    PublicationNotFoundError
        If it is not there, or differs from its hashes.
    """
    folder = settings.publications / publication_id
    if not _ID_FORM.fullmatch(publication_id) or not (folder / MANIFEST).is_file():
        raise PublicationNotFoundError(
            f"A publication must be in {settings.publications}. Found no {publication_id!r}. "
            f"There are: {', '.join(stored_ids(settings)) or 'none'}."
        )
    try:
        publication = Publication(publication_id, folder, read_json(folder / MANIFEST))
        damage = _find_damage(publication) if verify else None
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


def _find_damage(publication: Publication) -> str | None:
    """What differs from the hashes, or None."""
    folder = publication.folder
    if (folder / MANIFEST_HASH).read_bytes() != f"{file_sha256(folder / MANIFEST)}\n".encode():
        return f"{MANIFEST} differs from {MANIFEST_HASH}"
    if publication.manifest["publication_id"] != publication.publication_id:
        return f"{MANIFEST} is of {publication.manifest['publication_id']}"
    for name, wanted in publication.manifest["files"].items():
        if file_sha256(folder / name) != wanted["sha256"]:
            return f"{name} differs from its hash"
    return None


def read_current(settings: Settings, *, verify: bool = False) -> Publication:
    """The live publication.

    Parameters
    ----------
    settings : Settings
    verify : bool, default False
        Compare the sha256 of every file, not only that the manifest is the one CURRENT names.

    Raises
    ------
    PublicationNotFoundError
        If nothing was published, the pointer cannot be read, or what it names is not there or
        differs from its hashes.
    """
    pointer = _read_pointer(settings)
    publication = read_publication(settings, pointer["publication_id"], verify=verify)
    if file_sha256(publication.folder / MANIFEST) != pointer["manifest_sha256"]:
        raise PublicationNotFoundError(
            f"{POINTER} and the publication must agree. Found {MANIFEST} of "
            f"{publication.publication_id} changed since it was published. "
            "Run `recsys rollback --to ID` to a sound one, or publish the night again."
        )
    return publication


def find_current(settings: Settings) -> Publication | None:
    """The live publication, or None (with a warning if the pointer is there but no good)."""
    if not (settings.publications / POINTER).exists():
        return None
    try:
        return read_current(settings)
    except PublicationNotFoundError as error:
        logger.warning("no live publication: %s", error)
        return None


def _read_pointer(settings: Settings) -> dict[str, str]:
    path = settings.publications / POINTER
    try:
        pointer = read_json(path)
        return {key: str(pointer[key]) for key in ("publication_id", "manifest_sha256")}
    except FileNotFoundError as error:
        raise PublicationNotFoundError(
            f"A publication must be live. Found no {path}. "
            "Run a night first: `recsys run --as-of YYYY-MM-DD`."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PublicationNotFoundError(
            f"{POINTER} must name a publication. Found {path} unreadable: {error!r}. "
            f"Run `recsys rollback --to ID`. There are: "
            f"{', '.join(stored_ids(settings)) or 'none'}."
        ) from error


def protected_ids(settings: Settings) -> set[str]:
    """Ids that CURRENT and PIN name: retention leaves them alone."""
    named = set()
    for name in (POINTER, PIN):
        try:
            named.add(str(read_json(settings.publications / name)["publication_id"]))
        except (OSError, json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
            continue  # not there or not readable: it names nothing
    return named


def point_to(settings: Settings, publication: Publication) -> bool:
    """Make a publication the live one in one step; False if it was already."""
    pointer = {
        "publication_id": publication.publication_id,
        "as_of": publication.as_of.isoformat(),
        "manifest_sha256": file_sha256(publication.folder / MANIFEST),
    }
    path = settings.publications / POINTER
    try:
        if read_json(path) == pointer:
            return False
    except (OSError, ValueError):
        pass  # not there or not readable: written below
    write_json(path, pointer)
    return True


@contextmanager
def publish_lock(settings: Settings) -> Iterator[None]:
    """Hold the one lock under which publications and the pointer change.

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


def rollback(settings: Settings, to: str | None = None) -> dict[str, Any]:
    """Make an earlier publication live again; nothing is deleted.

    Parameters
    ----------
    settings : Settings
    to : str, optional
        A publication id; default the newest one whose `as_of` is before the live one's. With an
        unreadable pointer, the newest one on disk.

    Returns
    -------
    dict
        ``publication_id`` that is live now and ``previous`` that was (None if unreadable).

    Raises
    ------
    PublicationNotFoundError
        If there is none, or it differs from its hashes; the pointer stays as it was.
    PublishLockedError
        If a night is publishing at this moment.
    """
    with publish_lock(settings):
        current = find_current(settings)
        target = read_publication(settings, to or _previous_id(settings, current), verify=True)
        point_to(settings, target)
        previous = current.publication_id if current else None
        logger.info("live: %s, before: %s", target.publication_id, previous)
        return {"publication_id": target.publication_id, "previous": previous}


def _previous_id(settings: Settings, current: Publication | None) -> str:
    earlier = [
        publication_id
        for publication_id in stored_ids(settings)
        if current is None or date_of(publication_id) < current.as_of
    ]
    if not earlier:
        raise PublicationNotFoundError(
            "A rollback needs an earlier publication. Found none before "
            f"{current.publication_id if current else 'the unreadable pointer'}. "
            f"There are: {', '.join(stored_ids(settings)) or 'none'}; name one with --to."
        )
    return earlier[-1]
