"""Let evaluations run side by side as long as they fit a stated memory budget."""

from __future__ import annotations

import fcntl
import json
import logging
import re
import resource
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from pipelines.base.config import Settings
from pipelines.base.durable import write_text

logger = logging.getLogger(__name__)

TURN = "turn.lock"
#: Memory a candidate is expected to need, as a multiple of its last peak: shops grow.
HEADROOM = 1.2
WAIT_SECONDS = 0.5


@contextmanager
def memory_share(settings: Settings, name: str) -> Iterator[None]:
    """Hold a share of the memory budget while a candidate is evaluated; wait until there is one.

    A candidate is expected to need `HEADROOM` times what it needed last, or half of the budget the
    first time. It begins when that fits beside the shares of the candidates at work, or when no
    other is at work. The share of a killed process counts no longer. The peak of resident memory
    within is kept for the candidate's next time.
    """
    folder = settings.memory
    folder.mkdir(parents=True, exist_ok=True)
    budget = settings.evaluation.memory_budget_gb * 1024
    wanted = expected_mib(settings, name)
    with _admitted(folder, name, wanted, budget):
        _forget_peak()
        yield
        write_text(folder / f"{name}.json", json.dumps({"peak_mib": round(_peak_mib())}) + "\n")


def expected_mib(settings: Settings, name: str) -> float:
    """Memory that a candidate is expected to need, in MiB."""
    path = settings.memory / f"{name}.json"
    if not path.exists():
        return settings.evaluation.memory_budget_gb * 1024 / 2
    last: float = json.loads(path.read_text(encoding="utf-8"))["peak_mib"]
    return HEADROOM * last


@contextmanager
def _admitted(folder: Path, name: str, wanted: float, budget: float) -> Iterator[None]:
    """Wait until a share of the budget is free, and hold it."""
    share = _take_share(folder, wanted, budget)
    if share is None:
        logger.info("%s: waits for %.0f of %.0f MiB", name, wanted, budget)
    while share is None:
        time.sleep(WAIT_SECONDS)
        share = _take_share(folder, wanted, budget)
    with share:
        try:
            yield
        finally:
            Path(share.name).unlink()


def _take_share(folder: Path, wanted: float, budget: float) -> TextIO | None:
    """Locked file that stands for a share; None if the shares of others leave too little."""
    with (folder / TURN).open("a", encoding="utf-8") as turn:  # one process at a time
        fcntl.flock(turn, fcntl.LOCK_EX)
        others = [mib for path in folder.glob("*.share") if (mib := _held_mib(path)) is not None]
        if others and sum(others) + wanted > budget:
            return None
        share = (folder / f"{uuid.uuid4().hex}.share").open("w", encoding="utf-8")
        fcntl.flock(share, fcntl.LOCK_EX)
        share.write(f"{wanted:.0f}")
        share.flush()
        return share


def _held_mib(path: Path) -> float | None:
    """Size of a share in MiB; None if its process is gone, and its file is removed."""
    with suppress(FileNotFoundError), path.open("r+", encoding="utf-8") as share:
        try:
            fcntl.flock(share, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return float(share.read())
        path.unlink()
    return None


def _forget_peak() -> None:
    """Reset the recorded peak of this process's resident memory, where the kernel can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_mib() -> float:
    with suppress(OSError):
        status = Path("/proc/self/status").read_text(encoding="ascii")
        if found := re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE):
            return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
