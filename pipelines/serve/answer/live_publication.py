"""The live publication, kept open: checked before it is swapped in, closed when nobody reads it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from pipelines.base.config import Settings
from pipelines.base.current import PIN, POINTER, read_current
from pipelines.base.errors import RequestRefusedError
from pipelines.serve.answer.list_store import STORE_FAILURES, ListStore

logger = logging.getLogger(__name__)

#: Random look-ups that a publication must answer before it is swapped in.
SAMPLE_SIZE = 100
#: Most polls until a publication that was refused is tried again.
MAX_PATIENCE = 16


@dataclass
class LiveStore:
    """An open publication, its popular lists in memory, and how many requests read it."""

    store: ListStore
    static: ListStore
    readers: int = 0
    is_retired: bool = False

    def close(self) -> None:
        """Close the file, and forget what is in memory."""
        self.store.close()
        self.static.close()


class LivePublication:
    """The publication that the pointers name, kept open and swapped when they change.

    Parameters
    ----------
    settings : Settings
    before_swap : callable
        Called with a checked store before it becomes the live one.
    on_swap, on_failure : callable
        Called after a swap with the store, and after a refusal.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        before_swap: Callable[[ListStore], None],
        on_swap: Callable[[ListStore], None],
        on_failure: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._before_swap = before_swap
        self._on_swap = on_swap
        self._on_failure = on_failure
        self._live: LiveStore | None = None
        self._lock = threading.Lock()
        self._pointers: tuple[bytes | None, ...] = ()
        self._refused: tuple[bytes | None, ...] = ()
        self._patience = self._skipped = 0

    @property
    def is_ready(self) -> bool:
        """Whether a verified publication is open."""
        return self._live is not None

    @contextmanager
    def use(self) -> Iterator[LiveStore]:
        """Hold the live publication open for one request, whatever is swapped in meanwhile.

        Raises
        ------
        RequestRefusedError
            503 until the first publication is verified.
        """
        with self._lock:
            live = self._live
            if live is not None:
                live.readers += 1
        if live is None:
            raise RequestRefusedError(
                503,
                "A verified publication must be live. There is none yet. Run a night "
                "(`recsys run`), or look at the API's log for why one was refused.",
                headers={"Retry-After": "2"},
            )
        try:
            yield live
        finally:
            with self._lock:
                live.readers -= 1
                is_done = live.is_retired and not live.readers
            if is_done:
                live.close()

    def poll(self) -> None:
        """Read the pointers; if they changed, check the publication they name and swap it in.

        Notes
        -----
        A publication that was refused is tried again, since its files may be mended in place, but
        only after 1, 2, 4 … polls: checking its hashes reads every byte.
        """
        pointers = self._read_pointers()
        if self.is_ready and pointers == self._pointers:
            return
        if pointers == self._refused and self._skipped < self._patience:
            self._skipped += 1
            return
        try:
            self._swap(self._open())
        except STORE_FAILURES as error:
            self._be_patient(pointers)
            logger.warning("publication refused, %s", error)
            self._on_failure()
            return
        self._pointers, self._refused = pointers, ()

    def close(self) -> None:
        """Close the publication once no request reads it."""
        self._retire(None)

    def _read_pointers(self) -> tuple[bytes | None, ...]:
        found: list[bytes | None] = []
        for name in (PIN, POINTER):
            try:
                found.append((self._settings.publications / name).read_bytes())
            except FileNotFoundError:
                found.append(None)
            except OSError as error:
                found.append(str(error).encode())
        return tuple(found)

    def _open(self) -> LiveStore:
        publication = read_current(self._settings, verify=True)
        with ExitStack() as opened:
            store = opened.enter_context(closing(ListStore.open(publication)))
            store.sample_check(SAMPLE_SIZE)
            static = opened.enter_context(closing(store.hold_popular()))
            self._before_swap(store)
            opened.pop_all()  # nothing went wrong: they stay open
        return LiveStore(store, static)

    def _swap(self, live: LiveStore) -> None:
        self._retire(live)
        logger.info("live: %s", live.store.publication_id)
        self._on_swap(live.store)

    def _retire(self, successor: LiveStore | None) -> None:
        with self._lock:
            old, self._live = self._live, successor
            is_unused = old is not None and not old.readers
            if old is not None:
                old.is_retired = True
        if old is not None and is_unused:
            old.close()

    def _be_patient(self, pointers: tuple[bytes | None, ...]) -> None:
        is_again = pointers == self._refused
        self._patience = min(2 * self._patience or 1, MAX_PATIENCE) if is_again else 0
        self._refused, self._skipped = pointers, 0
