"""Recognise a full disk in the errors of every library that writes."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from pipelines.base.errors import DiskFullError

#: errno values: no room on the disk, in the quota, or under the limit on a file's size.
_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
#: Words in the messages of DuckDB, SQLite, dbt and Arrow, whose errors have no errno.
_PHRASES = (
    "no space left on device",
    "database or disk is full",
    "disk quota exceeded",
    "file too large",
)


def find_disk_full(error: BaseException) -> DiskFullError | None:
    """A `DiskFullError` to show in place of an error that a full disk caused.

    Parameters
    ----------
    error : BaseException
        Its whole chain is searched: causes, and errors it was raised while handling.

    Returns
    -------
    DiskFullError or None
        None if no disk was full.

    Examples
    --------
    >>> find_disk_full(ValueError("k must be at least 1")) is None
    True
    """
    for one in _chain(error):
        if isinstance(one, OSError) and one.errno in _ERRNOS:
            return _explain(one)
        if any(phrase in str(one).lower() for phrase in _PHRASES):
            return _explain(one)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    step: BaseException | None = error
    while step is not None and id(step) not in seen:
        seen.add(id(step))
        yield step
        step = step.__cause__ or step.__context__


def _explain(error: BaseException) -> DiskFullError:
    return DiskFullError(
        f"The disk of the home must have room for what a verb writes. Found: {error}. "
        "Free some and run the verb again, it goes on from what is there; if it was not "
        "publishing, the lists that were live are live."
    )
