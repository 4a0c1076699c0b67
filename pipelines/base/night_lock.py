"""The lock of a home: verbs of a night share it, erasing a user needs it exclusively."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.base.config import Settings
from pipelines.base.errors import HomeBusyError


@contextmanager
def shared_home(settings: Settings) -> Iterator[None]:
    """Hold a home's lock together with other processes, as every verb of a night does.

    Raises
    ------
    HomeBusyError
        If a user is being erased from it.
    """
    with _locked(settings, fcntl.LOCK_SH, "a user is being erased; try again when that has ended"):
        yield


@contextmanager
def own_home(settings: Settings) -> Iterator[None]:
    """Hold a home's lock exclusively.

    Raises
    ------
    HomeBusyError
        If a night is running in it.
    """
    with _locked(settings, fcntl.LOCK_EX, "a night is running; try again when it has ended"):
        yield


@contextmanager
def _locked(settings: Settings, kind: int, found: str) -> Iterator[None]:
    settings.home.mkdir(parents=True, exist_ok=True)
    with settings.lock.open("a", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HomeBusyError(
                f"Nights and the erasing of users must not overlap in {settings.home}. Found: "
                f"{found}. A killed process frees the lock by itself."
            ) from error
        yield
