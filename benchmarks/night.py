"""Seconds, CPU seconds and peak memory of each verb of a night on a generated log.

    python benchmarks/night.py --events 1m

Every verb runs in a process of its own, so that its peak memory is its own. Quality is printed
beside the times: a change that is faster and worse is shown as such.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from generate import SIZES, last_night, write_day_files

from pipelines.config import PROJECT_ROOT, load_settings
from pipelines.night import NIGHT
from pipelines.offline.leaderboard import leaderboard

SETTINGS = Path(__file__).parent / "bench.toml"


@dataclass(frozen=True)
class Measured:
    """What one process cost: wall and CPU seconds, peak resident MiB."""

    label: str
    seconds: float
    cpu_seconds: float
    peak_mib: float

    def line(self) -> str:
        """One row of the table."""
        return f"{self.label:48} {self.seconds:8.1f} {self.cpu_seconds:8.1f} {self.peak_mib:9.0f}"


def measure(label: str, home: Path, verb: str, *subject: str) -> Measured:
    """Run one verb in a process of its own."""
    night = last_night().isoformat()
    call = f"from pipelines.night import call_verb; call_verb({verb!r}, {night!r}, *{subject!r})"
    environment = {**os.environ, "RECSYS_HOME": str(home), "RECSYS_CONFIG": str(SETTINGS)}
    log = home / "bench.log"
    began = time.monotonic()
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", call],
            env=environment,
            cwd=PROJECT_ROOT,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        tail = log.read_text(errors="replace")[-2000:]
        raise SystemExit(f"{label} failed with {os.waitstatus_to_exitcode(status)}:\n{tail}")
    return Measured(
        label, time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    )


def steps(home: Path) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Label, verb and subject of every process, in order."""
    settings = load_settings(SETTINGS, home)
    for verb, asked in NIGHT:
        if asked is None:
            yield verb, verb, ()
            continue
        names = (
            [candidate.name for candidate in settings.candidates]
            if asked == "promote.plan_candidates"
            else list(settings.placements)
        )
        for name in names:
            yield f"{verb} {name}", verb, (name,)


def main() -> None:
    """Generate a log, run the night verb by verb, print the table and the leaderboard."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--events", choices=SIZES, default="1m")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print JSON as well")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="recsys-bench-") as folder:
        home = Path(folder)
        count = write_day_files(home, arguments.events, arguments.seed)
        print(
            f"{count:,} events, {os.cpu_count()} cores, {platform.machine()}, "
            f"Python {platform.python_version()}"
        )
        print(f"{'step':48} {'seconds':>8} {'CPU s':>8} {'peak MiB':>9}")
        measured = []
        for label, verb, subject in steps(home):
            row = measure(label, home, verb, *subject)
            measured.append(row)
            print(row.line(), flush=True)
        whole = Measured(
            "whole night",
            sum(row.seconds for row in measured),
            sum(row.cpu_seconds for row in measured),
            max(row.peak_mib for row in measured),
        )
        print(whole.line())
        _print_quality(home)
        if arguments.json:
            print(json.dumps([row.__dict__ for row in measured]))


def _print_quality(home: Path) -> None:
    settings = load_settings(SETTINGS, home)
    for placement in settings.placements:
        board = leaderboard(settings, last_night(), placement, "gate")
        print(f"\n{placement}, gate window\n{board.to_string(index=False)}")


if __name__ == "__main__":
    main()
