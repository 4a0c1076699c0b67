"""Pages of a night: verdicts, leaderboards, what changed, and the nights around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from pipelines.ask.customer_text import title_of
from pipelines.base.config import Settings
from pipelines.base.current import Publication, find_current
from pipelines.base.durable import read_if_there
from pipelines.base.errors import UnknownNightError
from pipelines.gate.gate_text import explain_gate
from pipelines.report.report_text import board_blocks, publication_blocks, seconds_blocks
from pipelines.serve.console.frame import Page, link
from pipelines.serve.console.live import open_live, publication_before
from pipelines.show.document import (
    Bar,
    Bars,
    Block,
    Bullets,
    Heading,
    Marked,
    Mood,
    Paragraph,
    Table,
    left,
    right,
)
from pipelines.show.figures import format_count, format_interval, format_share

#: Nights that the strip shows, and items of each list of changes.
STRIP_NIGHTS = 30
CHANGED_ITEMS = 10
_STATES: dict[str, tuple[str, Mood]] = {
    "promoted": ("▲", "good"),
    "kept": ("●", "plain"),
    "not published": ("✕", "bad"),
}


def tonight(settings: Settings) -> Page:
    """The night whose lists are live, or without any the newest one."""
    live = find_current(settings)
    nights = settings.nights()
    if live is None and not nights:
        said = (
            "There is no night yet. `recsys land` takes a shop's files, `recsys run` makes its "
            "first lists."
        )
        return Page([Heading("Tonight", 1), Paragraph(said)])
    return night_page(settings, live.as_of if live else nights[-1])


def night_page(settings: Settings, as_of: date) -> Page:
    """What a night decided and published, and what its lists changed.

    Raises
    ------
    UnknownNightError
        If the night has no run folder.
    """
    run, live = settings.run_folder(as_of), find_current(settings)
    if not run.folder.exists():
        raise UnknownNightError(
            f"A night must have run to have a page. Found no folder of {as_of}. The page of "
            "tonight links the nights there are."
        )
    document: list[Block] = [Heading(f"Night of {as_of}", 1), _strip(settings, as_of)]
    report = read_if_there(run.report)
    if report is None:
        steps = sorted(path.stem for path in run.steps.glob("*.json"))
        reached = f"It got to: {', '.join(steps)}." if steps else "No step of it ended."
        said = f"The night has no report: it is at work, or it stopped. {reached}"
        return Page([*document, Paragraph(said), Paragraph("`recsys doctor` says more.")])
    for name, placement in report["placements"].items():
        if placement["gate"]:
            document.append(Paragraph((Marked(f"{name}: ", "strong"), placement["gate"]["reason"])))
    if live is not None and live.as_of == as_of:
        document += _changes(settings, live)
    for name, placement in report["placements"].items():
        blocks = board_blocks(name, placement, report)
        document += [blocks[0], *_drawn(placement, report), *blocks[1:]]
        document += [Bullets(explain_gate(placement["gate"]))] if placement["gate"] else []
    document += [Heading("Published"), *publication_blocks(report["publication"])]
    return Page([*document, *seconds_blocks(report["seconds"], report["steps"])])


def _strip(settings: Settings, shown: date) -> Paragraph:
    """The nights up to now, a sign and a link each, and what the signs say."""
    pieces: list[Marked | str] = []
    for night in settings.nights()[-STRIP_NIGHTS:]:
        sign, mood = _STATES[night_state(settings, night)]
        text = f"{sign} {night:%d %b}"
        pieces += (
            [Marked(f"[{text}]", "strong")]
            if night == shown
            else [Marked(text, mood, f"/console/nights/{night}")]
        )
        pieces.append("   ")
    legend = ", ".join(f"{sign} {state}" for state, (sign, _) in _STATES.items())
    return Paragraph((*pieces, Marked(f"({legend})", "quiet")))


def night_state(settings: Settings, as_of: date) -> str:
    """Whether a night promoted a challenger, kept its champions, or published nothing."""
    run = settings.run_folder(as_of)
    if not run.publication.exists():
        return "not published"
    gates = [read_if_there(run.gate(name)) for name in settings.placements]
    return "promoted" if any(gate and gate["is_promoted"] for gate in gates) else "kept"


def _drawn(placement: Mapping[str, Any], report: Mapping[str, Any]) -> list[Block]:
    """The leaderboard as bars with intervals."""
    rows = placement["leaderboards"]["gate"]
    if not rows or not rows[0]["user_count"]:
        return []
    metric = f"ndcg_at_{report['k']}"
    bars = [
        Bar(
            row["candidate"],
            format_interval(row[metric], row["low"], row["high"]),
            *(row[metric], row["low"], row["high"]),
        )
        for row in rows
    ]
    return [Bars(bars, f"NDCG@{report['k']} with its {report['confidence']:.0%} interval")]


def _changes(settings: Settings, live: Publication) -> list[Block]:
    """What the live lists show that those of the night before did not, and the reverse."""
    heading = Heading("What changed")
    before = publication_before(settings, live)
    if before is None:
        return [heading, Paragraph("No earlier publication is stored to compare with.")]
    with open_live(settings) as opened:
        opened.connection.execute(f"attach '{before.serving_path}' as earlier (read_only)")
        users = opened.one(
            "with shown as (select distinct user_id from recommendations), "
            "shown_before as (select distinct user_id from earlier.recommendations) select "
            "(select count(*) from shown anti join shown_before using (user_id)) as came, "
            "(select count(*) from shown_before anti join shown using (user_id)) as went"
        )
        shown = opened.rows(_CHANGED_ITEMS, CHANGED_ITEMS)
    counts = f"{format_count(users['came'])} new, {format_count(users['went'])} gone"
    document: list[Block] = [heading, Paragraph(f"Against {before.as_of}. Users: {counts}.")]
    for way, title in (("in", "items that are shown now"), ("out", "items no longer shown")):
        rows = [row for row in shown if row["way"] == way]
        if rows:
            document.append(_changed_table(rows, f"{format_count(rows[0]['all'])} {title}"))
    return document


def _changed_table(rows: Sequence[Mapping[str, Any]], title: str) -> Table:
    cells = [
        [
            link(title_of(row), "/console/items", item=row["item_id"]),
            row["placement"],
            format_count(row["lists"]),
            format_share(row["lists"] / row["users"], 1),
        ]
        for row in rows
    ]
    return Table([left("item"), left("placement"), right("lists"), right("of users")], cells, title)


_CHANGED_ITEMS = """
    with now as (
        select placement, item_id, count(*) as lists from recommendations
        where variant = 'control' group by all
    ),
    before as (
        select placement, item_id, count(*) as lists from earlier.recommendations
        where variant = 'control' group by all
    ),
    users as (
        select placement, count(distinct user_id) as users from recommendations group by all
    ),
    changed as (
        select placement, item_id, case when before.lists is null then 'in' else 'out' end as way,
            coalesce(now.lists, before.lists) as lists
        from now full join before using (placement, item_id)
        where now.lists is null or before.lists is null
    )
    select changed.way, changed.placement, changed.item_id, items.title, changed.lists,
        users.users, count(*) over (partition by changed.way) as "all"
    from changed inner join users using (placement) left join items using (item_id)
    qualify row_number() over (partition by way order by lists desc, item_id, placement) <= $1
    order by way, changed.lists desc, changed.item_id, changed.placement
"""
