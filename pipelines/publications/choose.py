"""Choose by hand which publication is live: pin, unpin and rollback."""

from __future__ import annotations

import logging
from typing import Any

from pipelines.base.config import Settings
from pipelines.base.current import (
    PIN,
    POINTER,
    Publication,
    date_of,
    find_current,
    is_there,
    named_id,
    point_to,
    publish_lock,
    read_current,
    read_pointed,
    read_publication,
    stored_ids,
)
from pipelines.base.durable import fsync_folder
from pipelines.base.errors import PinnedError, PublicationNotFoundError

logger = logging.getLogger(__name__)


def pin(settings: Settings, publication_id: str | None = None) -> dict[str, Any]:
    """Keep a publication live, whatever later nights publish, until it is unpinned.

    Parameters
    ----------
    settings : Settings
    publication_id : str, optional
        Default: the live publication.

    Returns
    -------
    dict
        ``publication_id``, which is pinned now, and ``previous``, which was live (None if
        unreadable).

    Raises
    ------
    PublicationNotFoundError
        If it is missing or differs from its hashes; the live publication stays live.
    PublishLockedError
        If a night is publishing at this moment.
    """
    with publish_lock(settings):
        previous = find_current(settings)
        if publication_id is None:
            target = read_current(settings, verify=True)
        else:
            target = read_publication(settings, publication_id, verify=True)
        point_to(settings, target, PIN)
        return _answer(target, previous)


def unpin(settings: Settings) -> dict[str, Any]:
    """Make CURRENT, the newest published night, live again.

    Returns
    -------
    dict
        ``publication_id``, which is live now, and ``unpinned``: the id that was pinned, None if
        none was, ``"unreadable"`` if its file could not be read.

    Raises
    ------
    PublicationNotFoundError
        If CURRENT names no sound publication; the pin stays, for nothing else would be live.
    PublishLockedError
        If a night is publishing at this moment.
    """
    with publish_lock(settings):
        target = read_pointed(settings, POINTER, verify=True)
        try:
            unpinned = named_id(settings, PIN)
        except PublicationNotFoundError as error:
            logger.warning("removed although it could not be read: %s", error)
            unpinned = "unreadable"
        (settings.publications / PIN).unlink(missing_ok=True)
        fsync_folder(settings.publications)
        logger.info("live: %s, unpinned: %s", target.publication_id, unpinned)
        return {"publication_id": target.publication_id, "unpinned": unpinned}


def rollback(
    settings: Settings, to: str | None = None, *, until_next_night: bool = False
) -> dict[str, Any]:
    """Make an earlier publication live again; nothing is deleted.

    It is pinned, so that later nights do not undo what a person decided.

    Parameters
    ----------
    settings : Settings
    to : str, optional
        A publication id; default the newest publication whose `as_of` is before that of the live
        one or, if the pointer is unreadable, the newest on disk.
    until_next_night : bool, default False
        Move CURRENT instead of pinning: the next night that is published becomes live.

    Returns
    -------
    dict
        ``publication_id``, which is live now, ``previous``, which was live (None if unreadable),
        and ``is_pinned``.

    Raises
    ------
    PublicationNotFoundError
        If there is no such publication, or it differs from its hashes; no pointer changes.
    PinnedError
        If `until_next_night` is set, but a publication is pinned.
    PublishLockedError
        If a night is publishing at this moment.
    """
    with publish_lock(settings):
        if until_next_night and is_there(settings, PIN):
            raise PinnedError(
                "A rollback until the next night needs a home without a pin. Found "
                f"{settings.publications / PIN}, which would stay in force. Run `recsys unpin` "
                "first, or `recsys rollback` without --until-next-night, which moves the pin."
            )
        previous = find_current(settings)
        target = read_publication(settings, to or previous_id(settings, previous), verify=True)
        if not until_next_night:
            point_to(settings, target, PIN)
        if until_next_night or not _is_sound(settings, POINTER):
            point_to(settings, target)
        return {**_answer(target, previous), "is_pinned": not until_next_night}


def previous_id(settings: Settings, live: Publication | None) -> str:
    """Id of the newest publication whose `as_of` is before the given publication's.

    Raises
    ------
    PublicationNotFoundError
        If there is no earlier publication.
    """
    earlier = [
        publication_id
        for publication_id in stored_ids(settings)
        if live is None or date_of(publication_id) < live.as_of
    ]
    if not earlier:
        raise PublicationNotFoundError(
            "Going back needs an earlier publication. Found none before "
            f"{live.publication_id if live else 'the unreadable pointer'}. "
            f"There are: {', '.join(stored_ids(settings)) or 'none'}; name one with its id."
        )
    return earlier[-1]


def _is_sound(settings: Settings, name: str) -> bool:
    try:
        read_pointed(settings, name)
    except PublicationNotFoundError:
        return False
    return True


def _answer(target: Publication, previous: Publication | None) -> dict[str, Any]:
    before = previous.publication_id if previous else None
    logger.info("live: %s, before: %s", target.publication_id, before)
    return {"publication_id": target.publication_id, "previous": before}
