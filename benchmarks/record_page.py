"""The text of docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pipelines.show.document import Table, left, right
from pipelines.show.figures import format_figure, format_interval
from pipelines.show.markdown import to_markdown

Run = dict[str, Any]

INTRODUCTION = """# Benchmarks

Generated logs of a year (`recsys generate`): users with planted tastes, popularity that drifts,
views that lead to clicks, carts and purchases. Every figure is of the newest run of its size:

```bash
make bench EVENTS=1m                              # each stage in a process of its own
python benchmarks/night.py --events 1m --one-process
python benchmarks/night.py --events 1m --dag      # as Airflow runs it
python benchmarks/night.py --events 1m --light --dag    # with the candidates of the scripts below
python benchmarks/night.py --events 1m --light --one-process --memory-limit 2GB
python benchmarks/next_night.py --events 1m       # a day more on a year
python benchmarks/features.py --events 1m         # dbt beside the same SQL run bare
python benchmarks/against_peers.py --install      # environments of the scripts, once
python benchmarks/against_peers.py --events 1m    # the night beside them
python benchmarks/record.py                       # this page, and the picture
```

CPU seconds count every process; peak memory is resident, over the process tree, sampled ten times
a second; "wrote" is what the kernel sent to the disk. A ratio is to the run recorded before,
where there is one: below 1 is less.
"""
STAGES = """\
Each stage runs in a process of its own and counts its start; "read interactions" is measured
beside the night, which does it in most stages. Cells are wall seconds / CPU seconds / peak MiB,
and the ratio of CPU seconds to the run recorded before.
"""
CANDIDATES = """\
NDCG@10 on the gate window with its 95 % interval, and mean wall seconds of a window's fit and
lists.
"""
FEATURES = """\
One build of all features of a night, from the same loaded warehouse, in turns: `dbt build` as the
night runs it (contracts, tests, freshness; only the first run parses), and the SQL it compiled,
models and tests, through a bare connection. Medians, of peak memory the largest; each in a process
of its own.
"""
NEXT = """\
Load and features (build, snapshot and checks) of a first night on a year, and of a night with one
day more, the days before looked at again. Between them lies a night that catches up with the two
weeks after the first: as in a home that runs every night, the cutoffs before the windows of the
last one are those of earlier nights. A process for each step.
"""
PEERS = """\
Popularity, item-kNN (cosine, 100 neighbours) and ALS (64 factors, 10 iterations) on the same day
files; every event type counts alike, the truth is what was bought in the last fortnight and not
met before, and the best one writes 50 items for every user. `implicit` is a script with pandas,
scipy and that library, `rectools` one with RecTools; they evaluate one fortnight. `recsys` is the
whole night in one process, with two fortnights, checks, dbt, MLflow, gate, audit and publication.
Scores differ where items tie, and for ALS, which starts from other random factors.
"""


def render_page(record: dict[str, Any], sizes: Sequence[str], *, has_picture: bool) -> str:
    """The page of a record, as Markdown."""
    parts = [INTRODUCTION]
    if has_picture:
        parts.append("![Microseconds per event against events](images/benchmark_cost.png)\n")
    for title, what in (
        ("A night, stage by stage", "night"),
        ("A night in one process", "night in one process"),
        ("A night as Airflow runs it", "night as DAG"),
        ("A light night in one process", "light night in one process"),
        ("A light night as Airflow runs it", "light night as DAG"),
        ("A light night, DuckDB within 2 GB", "light night in one process within 2GB"),
    ):
        entries = _entries(record, what, sizes)
        if entries:
            parts += [f"## {title}\n", *_nights(entries)]
    entries = _entries(record, "features", sizes)
    if entries:
        parts += [
            "## Features beside bare SQL\n",
            FEATURES,
            *_sides(entries, "dbt build", "bare SQL"),
        ]
    entries = _entries(record, "next night", sizes)
    if entries:
        parts += ["## A night after a night\n", NEXT, *_sides(entries, "next night", "first night")]
    entries = _entries(record, "peers", sizes)
    if entries:
        parts += ["## Beside scripts\n", PEERS, *_peers(entries)]
    return "\n".join(parts).rstrip() + "\n"


def _entries(record: dict[str, Any], what: str, sizes: Sequence[str]) -> list[dict[str, Any]]:
    return [record[key] for size in sizes if (key := f"{what} {size}") in record]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first are right-aligned."""
    return to_markdown([Table([left(head[0]), *map(right, head[1:])], rows)])


def _nights(entries: list[dict[str, Any]]) -> Iterator[str]:
    runs = [entry["run"] for entry in entries]
    yield from _measured_on(runs)
    yield table(
        ["events", "users", "items", "wall s", "CPU s", "peak MiB", "wrote MiB", "CPU µs an event"],
        [_night_row(entry) for entry in entries],
    )
    if any("stage" in run for run in runs):
        yield STAGES
        yield _by_size(entries, "stage", _stage_cell)
    yield CANDIDATES
    yield _by_size(entries, "candidate", _candidate_cell)


def _measured_on(runs: list[Run]) -> Iterator[str]:
    """A line per size: machine, day, commit, and how busy the machine was."""
    for run in runs:
        machine = run["machine"]
        yield (
            f"- {run['size']}: {machine['cpu']}, {machine['cores']} cores, "
            f"{machine['memory_gib']:g} GiB, Python {machine['python']}; {run['date']}, "
            f"commit {run['commit']}; load before it began {machine['load']:g}"
        )
    yield ""


def _night_row(entry: dict[str, Any]) -> list[str]:
    run, before = entry["run"], entry["before"]
    whole = run["whole"]["whole night"]
    old = before["whole"]["whole night"] if before else {}

    def cell(key: str) -> str:
        ratio = f" (×{whole[key] / old[key]:.2f})" if old.get(key) else ""
        return f"{whole[key]:,.0f}{ratio}"

    return [
        *(f"{run[key]:,}" for key in ("events", "users", "items")),
        *(cell(key) for key in ("wall_seconds", "cpu_seconds", "peak_mib", "written_mib")),
        f"{1e6 * whole['cpu_seconds'] / run['events']:,.0f}",
    ]


def _by_size(entries: list[dict[str, Any]], kind: str, cell: Callable[[Run, Run], str]) -> str:
    """A row per name in the order of the largest log, a column per size."""
    runs = [entry["run"].get(kind, {}) for entry in entries]
    old = [(entry["before"] or {}).get(kind, {}) for entry in entries]
    names = list(dict.fromkeys(name for run in reversed(runs) for name in run))
    rows = [
        [name]
        + [
            cell(run[name], before.get(name, {})) if name in run else ""
            for run, before in zip(runs, old, strict=True)
        ]
        for name in names
    ]
    head = [kind, *(entry["run"]["size"] for entry in entries)]
    if kind == "stage":
        head.append(f"rows a second, {head[-1]}")
        rows = [[*row, _rate(runs[-1].get(row[0], {}))] for row in rows]
    return table(head, rows)


def _rate(stage: Run) -> str:
    return f"{stage['rows'] / stage['wall_seconds']:,.0f}" if stage.get("rows") else ""


def _stage_cell(stage: Run, before: Run) -> str:
    old = before.get("cpu_seconds")
    ratio = f" (×{stage['cpu_seconds'] / old:.2f})" if old else ""
    return (
        f"{stage['wall_seconds']:,.1f} / {stage['cpu_seconds']:,.1f} / "
        f"{stage['peak_mib']:,.0f}{ratio}"
    )


def _candidate_cell(found: Run, _before: Run) -> str:
    return (
        f"{format_interval(found['ndcg_at_10'], found['low'], found['high'])}, "
        f"{found['fit_seconds']:,.1f} + {found['recommend_seconds']:,.1f} s"
    )


def _sides(entries: list[dict[str, Any]], one: str, other: str) -> Iterator[str]:
    """What two sides cost, and the first over the second."""
    runs = [entry["run"] for entry in entries]
    yield from _measured_on(runs)
    rows = []
    for run in runs:
        sides = run["side"][one], run["side"][other]
        ratios = [f"{sides[0][key] / sides[1][key]:.2f}" for key in ("wall_seconds", "cpu_seconds")]
        cells = [
            f"{side['wall_seconds']:,.1f} / {side['cpu_seconds']:,.1f} / {side['peak_mib']:,.0f}"
            for side in sides
        ]
        rows.append([run["size"], *cells, *ratios])
    yield table(
        ["log", f"{one}: wall s / CPU s / peak MiB", other, "wall ratio", "CPU ratio"], rows
    )


def _peers(entries: list[dict[str, Any]]) -> Iterator[str]:
    runs = [entry["run"] for entry in entries]
    yield from _measured_on(runs)
    rows = []
    for run in runs:
        ours = run["peer"]["recsys"]
        for name, found in run["peer"].items():
            costs = [
                f"{found[key]:,.0f}"
                + ("" if name == "recsys" else f" (1/{ours[key] / found[key]:.1f})")
                for key in ("wall_seconds", "cpu_seconds", "peak_mib")
            ]
            scores = found["ndcg_at_10"]
            quality = [format_figure(scores[key]) for key in ("popularity", "item_knn", "ials")]
            rows.append([f"{run['size']}, {name}", *costs, *quality])
    yield (
        "NDCG@10 of each recommender; in brackets, cost as a share of the night's. "
        "A script whose environment is missing is left out.\n"
    )
    yield table(["log", "wall s", "CPU s", "peak MiB", "popularity", "item-kNN", "ALS"], rows)
