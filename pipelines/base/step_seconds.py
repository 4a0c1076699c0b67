"""Record how long each step of a night took, in one small file per step in the run folder.

Seconds differ from run to run. They are kept out of the warehouse and of every file that a rerun
must leave identical.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from pipelines.base.config import Settings
from pipelines.base.durable import write_text


@contextmanager
def timed_step(
    settings: Settings, as_of: date, verb: str, subject: str | None = None
) -> Iterator[None]:
    """Record how long the block took, in place of an earlier run of the same step.

    A step that fails records nothing. Steps that run at the same time write files of their own.

    Parameters
    ----------
    settings : Settings
    as_of : date
    verb : str
        One of `night.VERBS`.
    subject : str, optional
        Candidate or placement of a mapped step.
    """
    started = time.monotonic()
    yield
    seconds = round(time.monotonic() - started, 3)
    name = verb if subject is None else f"{verb}.{subject}"
    found = {"verb": verb, "subject": subject, "seconds": seconds}
    write_text(settings.run_folder(as_of).steps / f"{name}.json", json.dumps(found) + "\n")


def read_step_seconds(settings: Settings, as_of: date) -> list[dict[str, Any]]:
    """Durations of a night's steps as they last ran.

    Returns
    -------
    list of dict
        By falling seconds, then name: ``verb``, ``run_count`` (subjects of a mapped step),
        ``seconds`` (of all of them, also where they ran at the same time), ``share`` of the sum.
        Empty for a night whose verbs were called one by one.
    """
    totals: dict[str, list[float]] = {}
    for path in sorted(settings.run_folder(as_of).steps.glob("*.json")):
        step = json.loads(path.read_text(encoding="utf-8"))
        totals.setdefault(step["verb"], []).append(step["seconds"])
    whole = sum(sum(seconds) for seconds in totals.values())
    rows = [
        {
            "verb": verb,
            "run_count": len(seconds),
            "seconds": sum(seconds),
            "share": sum(seconds) / whole if whole else 0.0,
        }
        for verb, seconds in totals.items()
    ]
    return sorted(rows, key=lambda row: (-row["seconds"], row["verb"]))
