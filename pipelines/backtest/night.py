"""One night of a backtest: what it depends on, how it is run, and how it ended."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from pipelines.base.config import PROJECT_ROOT, Settings, stable_hash
from pipelines.base.errors import PublishLockedError, WarehouseLockedError
from pipelines.evaluate.source_files import hash_files
from pipelines.events.day_folders import list_day_folders
from pipelines.events.feeds import FEEDS
from pipelines.models.candidates import candidate_spec
from pipelines.run.night import NIGHT, run_in_a_row

logger = logging.getLogger(__name__)

#: Code whose change may change a night, relative to the checkout: a night runs every stage.
CODE = ("pipelines/**/*.py", "dbt_project/**/*.sql", "dbt_project/**/*.yml")
#: Settings that do not change what a night finds.
WITHOUT_EFFECT: dict[str, Any] = {
    **dict.fromkeys(("home", "mlflow", "warehouse"), True),
    "publish": {"postgres": True},
}
#: Failures of the machine and not of the night: the backtest ends, and goes on when run again.
MACHINE_FAILURES = (OSError, MemoryError, WarehouseLockedError, PublishLockedError)


@dataclass(frozen=True)
class NightRecord:
    """How one night of a backtest ended.

    Parameters
    ----------
    as_of : date
    key : str
        Hash of all that the night depends on, the nights before it included.
    state : {"running", "published", "stopped"}
    stopped_at : str or None
        The verb that failed.
    reason : str or None
        Its error; paths are relative to the backtest's home.
    """

    as_of: date
    key: str
    state: str
    stopped_at: str | None = None
    reason: str | None = None

    @property
    def is_done(self) -> bool:
        """Whether the night came to an end, good or bad."""
        return self.state != "running"

    @property
    def in_words(self) -> str:
        """How the night ended, in one line."""
        return f"stopped at {self.stopped_at}: {self.reason}" if self.stopped_at else self.state

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as written to `backtest.json`."""
        return {**asdict(self), "as_of": self.as_of.isoformat()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NightRecord:
        """Read back what `as_dict` wrote."""
        return cls(**{**values, "as_of": date.fromisoformat(values["as_of"])})


def night_keys(settings: Settings, nights: Sequence[date]) -> list[str]:
    """Key of each night, in order: equal keys mean that a replay would find the same.

    Nights ascend; `settings` is that of the home whose `landing/` and tuned specifications are
    read.

    Returns
    -------
    list of str
        Each depends on settings, code, the day files before its night, and the key before it.
    """
    days = sorted(
        (folder.landed_date, feed, folder.fingerprint())
        for feed in FEEDS
        for folder in list_day_folders(settings, feed, max(nights))[0]
    )
    rules = settings.model_dump(mode="json", exclude=WITHOUT_EFFECT)
    keys: list[str] = []
    for night in nights:
        known = [day for day in days if day[0] < night]
        specs = [candidate_spec(settings, one, night).as_dict() for one in settings.candidates]
        keys.append(stable_hash([night, keys[-1:], rules, specs, code_hash(), known]))
    return keys


def replay_night(own: Settings, as_of: date, key: str) -> NightRecord:
    """Run every verb of a night on `own`, the backtest's home.

    Returns
    -------
    NightRecord
        ``published``, or ``stopped`` with the verb and its error: what would have stopped the
        live night stops this one, and the lists before it stay live.

    Notes
    -----
    What the verbs print goes to `logs/night-<as_of>.log`.
    """
    log = own.night_log(as_of)
    log.parent.mkdir(parents=True, exist_ok=True)
    done: list[str] = []
    try:
        with log.open("w", encoding="utf-8") as stream, redirect_stdout(stream):
            run_in_a_row(own, as_of, after_each=done.append)
    except MACHINE_FAILURES:
        raise
    except Exception as error:  # noqa: BLE001 - whatever would stop the live night stops this one
        reason = f"{type(error).__name__}: {error}".replace(str(own.home), "<home>")
        logger.warning("night %s stopped: %s", as_of, reason)
        return NightRecord(as_of, key, "stopped", NIGHT[len(done)][0], reason)
    return NightRecord(as_of, key, "published")


@cache
def code_hash(root: Path = PROJECT_ROOT) -> str:
    """Hash of the code and libraries that a night runs; a checkout is read once in a process."""
    files = {path for pattern in CODE for path in root.glob(pattern)}
    compiled = set(root.glob("dbt_project/target/**/*"))  # by dbt, from the same sources
    return hash_files(files - compiled, root)
