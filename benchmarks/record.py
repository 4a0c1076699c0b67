"""Write docs/benchmarks.md and its picture from what was measured.

    python benchmarks/record.py

Takes the newest complete run of every kind and size from `results.jsonl` of the bench home; what it
does not hold stays as it was recorded. `benchmarks/record.json` keeps the figures, and of every run
the one that was recorded before it, which ratios refer to.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bench_home import BENCH_HOME, RESULTS, SIZES, read_runs
from record_page import render_page

from pipelines.base.config import PROJECT_ROOT

RECORD = Path(__file__).parent / "record.json"
PAGE = PROJECT_ROOT / "docs" / "benchmarks.md"
PICTURE = PROJECT_ROOT / "docs" / "images" / "benchmark_cost.png"

Run = dict[str, Any]


def summarise(lines: list[dict[str, Any]]) -> Run:
    """A run as it is recorded: its first line, and the lines of each kind by name."""
    about = {key: value for key, value in lines[0].items() if key != "kind"}
    parts: dict[str, dict[str, Any]] = {}
    for line in lines[1:]:
        if line["kind"] != "done":
            values = {key: value for key, value in line.items() if key not in lines[0]}
            name = values.pop("name")
            parts.setdefault(line["kind"], {})[name] = values
    done = {key: value for key, value in lines[-1].items() if key not in lines[0]}
    return {**about, **parts, **done}


def update(record: dict[str, Any], runs: list[Run]) -> dict[str, Any]:
    """Put newer runs into a record; the run in their place becomes the one before.

    Parameters
    ----------
    record : dict
        ``"<what> <size>"`` to ``{"run": …, "before": … or None}``.
    runs : list of dict
        Oldest first; only the newest of each key counts.

    Returns
    -------
    dict
        The same form.
    """
    updated = dict(record)
    newest = {f"{run['what']} {run['size']}": run for run in runs}
    for key, run in newest.items():
        known = record.get(key)
        if known is None:
            updated[key] = {"run": run, "before": None}
        elif run["run_id"] > known["run"]["run_id"]:
            updated[key] = {"run": run, "before": known["run"]}
    return updated


def draw(record: dict[str, Any], path: Path) -> bool:
    """Draw CPU microseconds per event of a night against its events; False with nothing to draw."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import NullLocator, StrMethodFormatter

    lines = {
        what: [record[key]["run"] for size in SIZES if (key := f"{what} {size}") in record]
        for what in ("night", "night in one process")
    }
    ticks = sorted({run["events"] for runs in lines.values() for run in runs})
    if not ticks:
        return False
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    for (what, runs), marker in zip(lines.items(), "os", strict=True):
        for name, style in (("CPU", "-"), ("wall", "--")):
            seconds = [run["whole"]["whole night"][f"{name.lower()}_seconds"] for run in runs]
            events = [run["events"] for run in runs]
            costs = [1e6 * spent / count for spent, count in zip(seconds, events, strict=True)]
            if runs:
                axes.plot(events, costs, style, marker=marker, label=f"{what}, {name}")
    axes.set(xscale="log", yscale="log", xlabel="events", ylabel="microseconds per event")
    axes.set_title("Cost of a night per event")
    axes.grid(alpha=0.3)
    plain = StrMethodFormatter("{x:,.0f}")
    axes.set_xticks(ticks)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(plain)
    axes.yaxis.set_major_formatter(plain)
    axes.yaxis.set_minor_formatter(plain)
    axes.legend()
    figure.savefig(path, dpi=120, metadata={"Software": None})
    pyplot.close(figure)
    return True


def main() -> None:
    """Update the record, the page and the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--bench-home", type=Path, default=BENCH_HOME)
    results = parser.parse_args().bench_home / RESULTS
    if not results.exists():
        raise SystemExit(
            f"Something must have been measured. Found no {results}. Run `make bench`."
        )
    known = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    record = update(known, [summarise(lines) for lines in read_runs(results)])
    RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    has_picture = draw(record, PICTURE)
    PAGE.write_text(render_page(record, tuple(SIZES), has_picture=has_picture))
    print(f"{PAGE}: {', '.join(sorted(record)) or 'nothing complete yet'}")


if __name__ == "__main__":
    main()
