"""The night's report as a document: short for a terminal, whole for `report.md`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.ask.customer_text import lists_blocks
from pipelines.evaluate.board_text import board_table, first_stage_notes, price_table
from pipelines.experiments.definition import CONTROL
from pipelines.gate.gate_text import (
    compared_with,
    differences,
    format_difference,
    gate_blocks,
    role_of,
)
from pipelines.show.document import (
    Block,
    Bullets,
    Code,
    Heading,
    Marked,
    Paragraph,
    Table,
    left,
    right,
    wrap,
)
from pipelines.show.figures import (
    TIE,
    format_count,
    format_interval,
    format_level,
    format_seconds,
    format_share,
)

Row = Mapping[str, Any]

CANDIDATE_LEGEND = (
    "Of both windows and all placements; an evaluation that was kept counts with the seconds it "
    "took when it was made."
)
STEP_LEGEND = (
    "As each step last ran and ended; runs of a step add up, also where they ran at the same time."
)
#: Counts of a feed's load, and how they are headed.
_LOAD_COUNTS = {
    "loaded_days": "new days",
    "row_count": "new rows",
    "duplicate_count": "duplicates",
    "repeated_count": "repeated",
    "quarantined_count": "quarantined",
    "total_days": "days known",
    "total_rows": "rows known",
}


def report_document(report: Row, *, is_whole: bool) -> list[Block]:
    """The report that `report.build_report` returned, as a document.

    If `is_whole`, with every rule of the gate and its sentence; a terminal has room for the
    figures.
    """
    document: list[Block] = [Heading(f"Night of {report['as_of']}", 1), Heading("Loaded")]
    document += landed_blocks(report["landed"])
    document += load_blocks(report["load"], report["warnings"])
    for name, placement in report["placements"].items():
        document += board_blocks(name, placement, report)
        document += gate_blocks(placement["gate"], report["k"], is_whole=is_whole)
        document += _year_error(placement["year_error"])
        if placement["rule_prices"]:
            document.append(price_table(placement["rule_prices"], report["k"]))
    document += seconds_blocks(report["seconds"], report["steps"])
    document += [Heading("Published"), *publication_blocks(report["publication"])]
    for customer in report["customers"]:
        document.append(Heading(f"Customer {customer['user_id']} ({customer['segment']})"))
        document += lists_blocks(customer)
    return [*document, Heading("Next"), *_commands(report)]


def landed_blocks(landed: Sequence[Row]) -> list[Block]:
    """What each source of the settings gave this night."""
    if not landed:
        return []
    rows = [
        [
            one["name"],
            *(
                ["", "", "", one["error"]]
                if "error" in one
                else [
                    format_count(one["event_count"]),
                    format_count(one["item_count"] + one["user_count"]),
                    format_count(sum(one["exclusions"].values())),
                    _files(one),
                ]
            ),
        ]
        for one in landed
    ]
    columns = [left("source"), right("events"), right("item, user rows"), right("left out")]
    return [Table([*columns, wrap("day files")], rows)]


def _files(one: Row) -> str:
    """How many day files a landing wrote, left and removed."""
    counts = (one["written_files"], one["unchanged_files"], one["removed_files"])
    words = ("written", "unchanged", "removed")
    pairs = zip(counts, words, strict=True)
    return ", ".join(f"{format_count(count)} {word}" for count, word in pairs if count) or "none"


def load_blocks(load: Row | None, warnings: Sequence[str]) -> list[Block]:
    """Rows of each feed that the night loaded or refused, and what its checks warn of."""
    if load is None:
        return [Paragraph("Nothing is recorded: the load did not end.")]
    rows = [
        [name, *(format_count(feed.get(key, 0)) for key in _LOAD_COUNTS)]
        for name, feed in load["feeds"].items()
    ]
    table = Table([left("feed"), *map(right, _LOAD_COUNTS.values())], rows)
    notes = [f"note: {note}" for note in load.get("notes", [])]
    return [table, Bullets([*notes, *(f"warning: {one}" for one in warnings)])]


def board_blocks(name: str, placement: Row, report: Row) -> list[Block]:
    """A placement's leaderboard on the gate window."""
    rows, gate = placement["leaderboards"]["gate"], placement["gate"]
    if not rows:
        return [Heading(f"{name}: leaderboard"), Paragraph("No candidate was evaluated.")]
    users = format_count(rows[0]["user_count"])
    roles = {row["candidate"]: role_of(row, gate) for row in rows}
    table = board_table(
        *(rows, report["k"], report["confidence"]),
        roles=roles,
        opponent=compared_with(gate),
        differences={one: format_difference(rule) for one, rule in differences(gate).items()},
    )
    tuned = report["tuned"]
    notes = [
        tuning_note(candidate, tuned[candidate], name) for candidate in roles if candidate in tuned
    ]
    title = Heading(f"{name}: leaderboard on the gate window, {users} users")
    if not rows[0]["user_count"]:
        nobody = "Nobody could be scored in the gate window: nothing was compared tonight."
        return [title, Paragraph(nobody)]
    return [title, table, Bullets([*first_stage_notes(rows), *notes])]


def _year_error(year: Row) -> list[Block]:
    """What a year's gates spent of the chance to promote what is not better."""
    if not year["night_count"]:
        return []
    spent, nights = format_level(year["spent"]), year["night_count"]
    return [Paragraph(f"Spent in a year up to tonight: {spent}, by {nights} judged nights.")]


def tuning_note(name: str, search: Row, placement: str) -> str:
    """When a candidate was tuned, and how much better that was found to be.

    Examples
    --------
    >>> search = {"as_of": "2011-11-11", "k": 10, "placements": ["home"], "window_count": 3}
    >>> search |= {"value": 0.0123, "low": 0.004, "high": 0.0206}
    >>> tuning_note("ease", search, "home").replace(TIE, " ")
    'ease: tuned as of 2011-11-11, NDCG@10 +.0123 [+.0040, +.0206] on 3 windows before'
    >>> tuning_note("ease", search, "basket").replace(TIE, " ")[-37:]
    '+.0206] on 3 windows before (in home)'
    >>> tuning_note("ease", {}, "home")
    'ease: tuned; the search is not on record any more'
    """
    if not search:
        return f"{name}: tuned; the search is not on record any more"
    gain = format_interval(search["value"], search["low"], search["high"], signed=True)
    figure = f"NDCG@{search['k']} {gain}".replace(" ", TIE)
    elsewhere = search["placements"] != [placement]
    places = f" (in {' and '.join(search['placements'])})" if elsewhere else ""
    windows = f"{search['window_count']} windows before{places}"
    return f"{name}: tuned as of {search['as_of']}, {figure} on {windows}"


def seconds_blocks(candidates: Sequence[Row], steps: Sequence[Row]) -> list[Block]:
    """Where the time of the night went; nothing where nothing was timed."""
    by_candidate = [
        [
            row["candidate"],
            *(format_seconds(row[f"{what}_seconds"]) for what in ("fit", "recommend", "total")),
            format_share(row["share"]),
        ]
        for row in candidates
    ]
    by_step = [
        [
            *(row["verb"], format_count(row["run_count"]), format_seconds(row["seconds"])),
            format_share(row["share"]),
        ]
        for row in steps
    ]
    tables = [
        Table([left(names[0]), *map(right, names[1:])], rows, notes=[legend])
        for names, rows, legend in (
            (("candidate", "fit", "recommend", "total", "share"), by_candidate, CANDIDATE_LEGEND),
            (("step", "runs", "seconds", "share"), by_step, STEP_LEGEND),
        )
        if rows
    ]
    return [Heading("Where the time went, in seconds"), *tables] if tables else []


def publication_blocks(publication: Row | None) -> list[Block]:
    """What was published, whether it is live, its audit, and its lists by placement."""
    if publication is None:
        return [Paragraph("Nothing was published from this night.")]
    state = "live" if publication["is_live"] else f"not live; live is {publication['live_id']}"
    state += ", pinned" if publication["is_pinned"] else ""
    counts = f"{publication['user_count']:,} users, {publication['row_count']:,} rows"
    rows = []
    for entry in publication["lists"]:
        variant = "" if entry["variant"] == CONTROL else f"/{entry['variant']}"
        shares = sorted(entry["strategy_share"].items(), key=lambda one: (-one[1], one[0]))
        rows.append(
            [
                *(entry["placement"] + variant, format_count(entry["user_count"])),
                *(format_count(entry["row_count"]), format_count(entry["item_count"])),
                format_share(entry["coverage"]),
                ", ".join(f"{name} {format_share(share)}" for name, share in shares),
            ]
        )
    figures = map(right, ("users", "rows", "items\nshown", "of cat-\nalogue"))
    return [
        Paragraph((Marked(publication["publication_id"], "strong"), f" ({state}): {counts}")),
        Paragraph(audit_in_words(publication["audit"])),
        Table([left("placement"), *figures, wrap("rows by strategy")], rows),
    ]


def audit_in_words(audit: Row | None) -> str:
    """The audit in a sentence.

    Examples
    --------
    >>> audit_in_words({"rule_count": 40, "compared_with": None, "overlap_at_10": {}})
    '40 audit rules hold; there is no earlier publication to compare with.'
    >>> audit_in_words({"rule_count": 40, "compared_with": "p1", "overlap_at_10": {"home": 0.5}})
    '40 audit rules hold; of the first ten items in p1, kept: home 50%.'
    """
    if audit is None:
        return "The audit is not recorded."
    rules = f"{audit['rule_count']} audit rules hold"
    if audit["compared_with"] is None:
        return f"{rules}; there is no earlier publication to compare with."
    kept = ", ".join(f"{name} {format_share(one)}" for name, one in audit["overlap_at_10"].items())
    return f"{rules}; of the first ten items in {audit['compared_with']}, kept: {kept or 'none'}."


def _commands(report: Row) -> list[Block]:
    """What to type next."""
    lines = [line for one in report["commands"] for line in (f"# {one['purpose']}", one["command"])]
    if not any(" rollback " in entry["command"] for entry in report["commands"]):
        lines.append("# recsys rollback goes back, once two nights are published")
    return [Code("\n".join([*lines, f"# this report as files: {report['run_folder']}/report.md"]))]
