"""Pages of what came in: days, rows left out, and checks; and of the reports there are."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pipelines.base.config import Settings
from pipelines.base.durable import read_if_there
from pipelines.base.errors import UnknownNightError
from pipelines.report.report_text import landed_blocks, load_blocks
from pipelines.serve.console.frame import Page, link
from pipelines.show.document import Block, Bullets, Heading, Paragraph, Table, Words, left, right
from pipelines.show.figures import format_count

#: Nights and reports that the pages list, newest first.
LISTED = 30
#: Pages that a night writes: their names in an address, and what they are called.
NIGHT_PAGES = {"events": "checks of events and items", "features": "checks of features"}


def data_page(settings: Settings) -> Page:
    """What each night loaded and left out, with the pages of its checks."""
    nights = settings.nights()[::-1][:LISTED]
    document: list[Block] = [Heading("Data", 1)]
    if not nights:
        return Page([*document, Paragraph("There is no night yet.")])
    newest = read_if_there(settings.run_folder(nights[0]).report)
    if newest is not None:
        document += [
            Heading(f"Loaded by the night of {nights[0]}"),
            *landed_blocks(newest["landed"]),
        ]
        document += load_blocks(newest["load"], newest["warnings"])
    rows: list[list[Words]] = []
    for night in nights:
        load = read_if_there(settings.run_folder(night).load)
        events = load["feeds"]["events"] if load else {}
        reasons = events.get("reasons", {})
        rows.append(
            [
                link(str(night), f"/console/nights/{night}"),
                *(format_count(events.get(key)) for key in ("loaded_days", "row_count")),
                format_count(events.get("quarantined_count")),
                ", ".join(f"{reason} {count:,}" for reason, count in reasons.items()) or "–",
                _page_links(settings, night),
            ]
        )
    figures = map(right, ("days loaded", "rows loaded", "left out"))
    columns = [left("night"), *figures, left("why left out"), left("checks")]
    return Page([*document, Heading("Night by night"), Table(columns, rows)])


def _page_links(settings: Settings, night: date) -> Words:
    names = [name for name in NIGHT_PAGES if _path(settings, night, name).exists()]
    linked = [link(name, f"/console/nights/{night}/{name}") for name in names]
    return tuple(piece for one in linked for piece in (one, " ")) or "–"


def night_file(settings: Settings, night: date, name: str) -> str:
    """A page that a night wrote, as it is: HTML without a script.

    Raises
    ------
    UnknownNightError
        If the night has no such page.
    """
    if name not in NIGHT_PAGES:
        raise UnknownNightError(
            f"A night has pages of {' and '.join(NIGHT_PAGES)}. Found {name!r}."
        )
    path = _path(settings, night, name)
    if not path.exists():
        raise UnknownNightError(
            f"A night must have got to its {NIGHT_PAGES[name]}. Found no {path}."
        )
    return path.read_text(encoding="utf-8")


def _path(settings: Settings, night: date, name: str) -> Path:
    run = settings.run_folder(night)
    return {"events": run.event_checks_page, "features": run.feature_checks_page}[name]


def reports_page(settings: Settings) -> Page:
    """Links to the reports of experiments and backtests."""
    names = report_files(settings)
    if not names:
        said = "`recsys experiment` and `recsys backtest` write reports; there is none yet."
        return Page([Heading("Reports", 1), Paragraph(said)])
    links: list[Words] = [link(name, f"/console/reports/{name}") for name in names]
    return Page([Heading("Reports", 1), Bullets(links)])


def report_files(settings: Settings) -> dict[str, Path]:
    """Every report by its name, newest first: what may be read under `/console/reports`."""
    experiments = settings.started_experiments.glob("*/*/report.html")
    found = {
        f"experiments/{path.parent.parent.name}/{path.parent.name}": path for path in experiments
    }
    backtests = settings.backtests.glob("*/backtest.html")
    found |= {f"backtests/{path.parent.name}": path for path in backtests}
    newest = sorted(found, key=lambda name: (found[name].stat().st_mtime, name), reverse=True)
    return {name: found[name] for name in newest}
