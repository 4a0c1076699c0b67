"""Publications that are stored: list them, say which is live, and whether each is sound."""

from __future__ import annotations

from typing import Any

from pipelines.base.config import Settings
from pipelines.base.current import (
    PIN,
    POINTER,
    Publication,
    is_publication_id,
    named_id,
    read_current,
    read_pointed,
    read_publication,
)
from pipelines.base.errors import PublicationNotFoundError, SettingsError
from pipelines.publications.choose import previous_id

#: Names that stand for a publication's id.
NAMES = ("live", "previous", "current")


def list_publications(settings: Settings, *, verify: bool = False) -> dict[str, Any]:
    """List every publication of a home, oldest night first.

    Parameters
    ----------
    settings : Settings
    verify : bool, default False
        Whether the sha256 of every file is compared.

    Returns
    -------
    dict
        ``live_id``, ``current_id`` and ``pinned_id`` (None if there is none or it cannot be
        read), ``problems``: what is wrong with the pointers, in words; ``publications``: one
        entry per folder with ``publication_id``, ``as_of``, ``is_live``, ``is_current``,
        ``is_pinned``, ``user_count``, ``row_count``, ``models`` (candidate by placement),
        ``generated_at``, ``byte_count`` and ``is_sound``: False if it is damaged, None if that
        was not checked; with ``damage`` in words.
    """
    problems: list[str] = []
    named = {name: _named(settings, name, problems) for name in (POINTER, PIN)}
    live_id = _live_id(settings, problems)
    rows = [
        {
            **_describe(settings, folder.name, verify),
            "is_live": folder.name == live_id,
            "is_current": folder.name == named[POINTER],
            "is_pinned": folder.name == named[PIN],
        }
        for folder in sorted(settings.publications.glob("*"))
        if is_publication_id(folder.name) and folder.is_dir()
    ]
    return {
        "live_id": live_id,
        "current_id": named[POINTER],
        "pinned_id": named[PIN],
        "problems": problems,
        "publications": rows,
    }


def find_publication(settings: Settings, name: str) -> Publication:
    """Find a publication by its id or a name such as ``live``, and check that it is sound.

    Parameters
    ----------
    settings : Settings
    name : str
        An id; or ``live``, ``previous`` (the one before the live one) or ``current`` (the newest
        night's, which is not live while another is pinned).

    Raises
    ------
    PublicationNotFoundError
        If there is no such publication, or it differs from its hashes.
    SettingsError
        If the name is neither an id nor one of these names.
    """
    if name == "live":
        return read_current(settings, verify=True)
    if name == "current":
        return read_pointed(settings, POINTER, verify=True)
    if name == "previous":
        name = previous_id(settings, read_current(settings))
    if not is_publication_id(name):
        raise SettingsError(
            f"A publication must be named by its id or as one of {', '.join(NAMES)}. "
            f"Got {name!r}. `recsys publications` lists the ids."
        )
    return read_publication(settings, name, verify=True)


def _named(settings: Settings, name: str, problems: list[str]) -> str | None:
    try:
        return named_id(settings, name)
    except PublicationNotFoundError as error:
        problems.append(str(error))
        return None


def _live_id(settings: Settings, problems: list[str]) -> str | None:
    """Id of the live publication; a problem with its pointer is added to `problems` once."""
    try:
        return read_current(settings).publication_id
    except PublicationNotFoundError as error:
        if str(error) not in problems:
            problems.append(str(error))
        return None


def _describe(settings: Settings, publication_id: str, verify: bool) -> dict[str, Any]:
    damage, manifest = None, {}
    folder = settings.publications / publication_id
    try:
        manifest = read_publication(settings, publication_id, verify=False).manifest
        if verify:
            read_publication(settings, publication_id, verify=True)
    except PublicationNotFoundError as error:
        damage = str(error)
    models = manifest.get("models")
    roles = models if isinstance(models, dict) else {}
    return {
        "publication_id": publication_id,
        "as_of": publication_id[:10],
        "user_count": manifest.get("user_count"),
        "row_count": manifest.get("row_count"),
        "models": {
            name: role.get("candidate") if isinstance(role, dict) else None
            for name, role in roles.items()
        },
        "generated_at": manifest.get("generated_at"),
        "byte_count": sum(path.lstat().st_size for path in folder.iterdir()),
        "is_sound": False if damage else (True if verify else None),
        "damage": damage,
    }
