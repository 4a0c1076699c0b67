"""What a process and its descendants cost, and the machine they ran on."""

from __future__ import annotations

import os
import platform
import re
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLE_SECONDS = 0.1
MIB = 1024**2
#: Bytes that `ru_oublock` counts in.
BLOCK = 512


@dataclass(frozen=True)
class Cost:
    """Cost of a command.

    Parameters
    ----------
    wall_seconds, cpu_seconds : float
        CPU of the process and of every descendant it waited for.
    peak_mib : float
        Resident memory: the largest sum over the process tree that was sampled, or the largest of
        one process as the kernel counts it, whichever is more. Shared pages count once a process.
    written_mib : float
        Written to block devices, as the kernel counts it; 0 where it does not.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_mib: float
    written_mib: float


def sum_costs(costs: Sequence[Cost]) -> Cost:
    """What commands that ran one after the other cost together; of peak memory the largest."""
    return Cost(
        wall_seconds=round(sum(cost.wall_seconds for cost in costs), 3),
        cpu_seconds=round(sum(cost.cpu_seconds for cost in costs), 3),
        peak_mib=max(cost.peak_mib for cost in costs),
        written_mib=round(sum(cost.written_mib for cost in costs), 1),
    )


def ratio_of(cost: Cost, other: Cost) -> str:
    """One cost over another, in words.

    Examples
    --------
    >>> ratio_of(Cost(3.0, 4.0, 100.0, 0.0), Cost(2.0, 4.0, 100.0, 0.0))
    '1.50 wall, 1.00 CPU'
    """
    wall = cost.wall_seconds / other.wall_seconds
    return f"{wall:.2f} wall, {cost.cpu_seconds / other.cpu_seconds:.2f} CPU"


def run_measured(
    command: Sequence[str], log: Path, *, environment: Mapping[str, str] | None = None
) -> tuple[Cost, str]:
    """Run a command to its end.

    Parameters
    ----------
    command : sequence of str
    log : Path
        What it says on stderr.
    environment : mapping of str to str, optional
        Added to this process's.

    Returns
    -------
    Cost
    str
        What it printed.

    Raises
    ------
    SystemExit
        If it fails; the message ends with the last lines of its log.
    """
    began = time.monotonic()
    inherited = {**os.environ, **(environment or {})}
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, env=inherited, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        peak = _Peak(process.pid)
        output = process.stdout.read() if process.stdout else b""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    peak_bytes = max(peak.stop(), usage.ru_maxrss * 1024)
    if process.returncode:
        tail = log.read_text(errors="replace")[-2000:]
        raise SystemExit(f"{' '.join(command)} failed with {process.returncode}:\n{tail}")
    return _cost(time.monotonic() - began, usage, peak_bytes), output.decode()


def _cost(wall: float, usage: resource.struct_rusage, peak_bytes: int) -> Cost:
    return Cost(
        wall_seconds=round(wall, 3),
        cpu_seconds=round(usage.ru_utime + usage.ru_stime, 3),
        peak_mib=round(peak_bytes / MIB, 1),
        written_mib=round(usage.ru_oublock * BLOCK / MIB, 1),
    )


class _Peak:
    """Samples the resident memory of a process tree until it is stopped."""

    def __init__(self, pid: int) -> None:
        self._bytes = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, args=(pid,), daemon=True)
        self._thread.start()

    def _sample(self, pid: int) -> None:
        while not self._stopped.wait(SAMPLE_SECONDS):
            try:
                root = psutil.Process(pid)
                tree = [root, *root.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            self._bytes = max(self._bytes, sum(_resident(process) for process in tree))

    def stop(self) -> int:
        """The largest sum, in bytes."""
        self._stopped.set()
        self._thread.join()
        return self._bytes


def _resident(process: psutil.Process) -> int:
    try:
        resident: int = process.memory_info().rss
    except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
        return 0
    return resident


def describe_machine() -> dict[str, str | float]:
    """CPU model, cores, memory, Python, and how busy it is before anything runs."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / 1024**3, 1),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", path.read_text()) if path.exists() else None
    return found.group(1) if found else platform.processor() or platform.machine()
