"""Erased users as a running API knows them: the home's tombstones, read again when they change."""

from __future__ import annotations

from pipelines.base.config import Settings
from pipelines.events.erased import Erased, read_erased


class ErasedUsers:
    """Who was erased from a home (`recsys erase`).

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._erased: Erased | None = None

    def poll(self) -> bool:
        """Read the tombstones again; returns whether there are new ones.

        Raises
        ------
        OSError, ValueError
            If the file cannot be read; those known before stay.
        """
        found = read_erased(self._settings)
        is_new = found is not None and found != self._erased
        self._erased = found or self._erased
        return is_new

    def has(self, user_id: str) -> bool:
        """Whether a user was erased."""
        return self._erased is not None and self._erased.has(user_id)
