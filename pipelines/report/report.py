"""The night's report: what came in, who won, what was published, and some customers' lists."""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.ask.customers import choose_customers
from pipelines.base.config import Settings
from pipelines.base.current import (
    PIN,
    date_of,
    is_there,
    read_current,
    read_publication,
    stored_ids,
)
from pipelines.base.durable import read_if_there, write_json, write_text
from pipelines.base.errors import (
    MissingEvaluationError,
    PublicationNotFoundError,
    UnknownNightError,
)
from pipelines.base.step_seconds import read_step_seconds
from pipelines.base.tracking import comparison_page
from pipelines.evaluate.inputs import planned_candidates
from pipelines.evaluate.leaderboard import WINDOWS, evaluation_seconds, leaderboard, rule_board
from pipelines.features.read import read_catalogue
from pipelines.gate.differences import NIGHTS_A_YEAR
from pipelines.lists.list_rows import FALLBACK
from pipelines.models.specifications import read_entries
from pipelines.report.night_run import log_night
from pipelines.report.report_text import report_document
from pipelines.show.markdown import to_markdown
from pipelines.show.terminal import print_document

logger = logging.getLogger(__name__)


def report_night(settings: Settings, as_of: date) -> dict[str, Any]:
    """Write `report.md` and `report.json` in the night's run folder, print and log the report.

    The night ran, or stopped half-way: what is missing is said to be missing.

    Returns
    -------
    dict
        What `report.json` holds: ``as_of``, ``k``, ``confidence``, ``landed`` (what the sources of
        the settings gave), ``load``, ``warnings`` (what the checks of the events found),
        ``placements`` (leaderboards by window, the gate's verdict, the error that a year's gates
        spent, and what each rule costs), ``tuned``, ``seconds``, ``steps``, ``publication``,
        ``customers``, ``commands``.
    """
    report = build_report(settings, as_of)
    print_document(report_document(report, is_whole=False))
    log_night(settings, as_of, report)
    return report


def build_report(settings: Settings, as_of: date) -> dict[str, Any]:
    """Write both files of the report without printing it; returns it.

    Raises
    ------
    UnknownNightError
        If the night has no run folder; none is made.
    """
    run = settings.run_folder(as_of)
    if not run.folder.exists():
        nights = settings.nights()
        known = f"the newest is {nights[-1]}" if nights else "it has none"
        raise UnknownNightError(
            f"A night must have run to be reported. Found no {as_of} in {settings.home}: {known}. "
            f"Name one that ran, or run it: recsys run --as-of {as_of}."
        )
    report: dict[str, Any] = {
        "as_of": as_of.isoformat(),
        "k": settings.evaluation.k,
        "confidence": settings.evaluation.confidence,
        "home": str(settings.home),
        "run_folder": str(run.folder),
        "landed": read_if_there(run.landed) or [],
        "load": read_if_there(run.load),
        "warnings": _check_warnings(read_if_there(run.event_checks)),
        "placements": {name: _placement(settings, as_of, name) for name in settings.placements},
        "tuned": _tuned_specifications(settings, as_of),
        "seconds": evaluation_seconds(settings, as_of),
        "steps": read_step_seconds(settings, as_of),
        "publication": _publication(settings, as_of),
        "customers": choose_customers(settings, as_of),
    }
    report["commands"] = _commands(settings, report)
    write_json(run.report, report)
    write_text(run.report_text, to_markdown(report_document(report, is_whole=True)))
    logger.debug("report written to %s", run.report_text)
    return report


def _check_warnings(checks: Mapping[str, Any] | None) -> list[str]:
    """What the checks that failed found, in words."""
    results = checks["results"] if checks else ()
    return [result["meaning"] for result in results if not result["is_passed"]]


def _placement(settings: Settings, as_of: date, placement: str) -> dict[str, Any]:
    """Leaderboards by window and the gate's verdict of one placement."""
    boards: dict[str, list[Any]] = {}
    for window in WINDOWS:
        try:
            boards[window] = _records(leaderboard(settings, as_of, placement, window))
        except MissingEvaluationError:
            boards[window] = []
    gate = read_if_there(settings.run_folder(as_of).gate(placement))
    prices = _records(rule_board(settings, as_of, placement, "gate")) if boards["gate"] else []
    return {
        "leaderboards": boards,
        "gate": gate,
        "year_error": _year_error(settings, as_of, placement),
        "rule_prices": _champion_prices(prices, gate),
    }


def _year_error(settings: Settings, as_of: date, placement: str) -> dict[str, float]:
    """Nights of the year up to this one that judged a challenger, and the error they spent.

    Known are nights whose run folder is kept.
    """
    first = as_of - timedelta(days=NIGHTS_A_YEAR - 1)
    nights = [night for night in settings.nights() if first <= night <= as_of]
    gates = [read_if_there(settings.run_folder(night).gate(placement)) for night in nights]
    spent = [
        rule["value"]
        for gate in gates
        for rule in (gate or {}).get("rules", ())
        if rule["rule"] == "error_spent" and rule["value"]
    ]
    return {"night_count": len(spent), "spent": sum(spent)}


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as JSON has them: None for what is missing."""
    rows: list[dict[str, Any]] = frame.astype(object).where(frame.notna(), None).to_dict("records")  # type: ignore[assignment]  # columns are str
    return rows


def _champion_prices(
    board: Sequence[Mapping[str, Any]], gate: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Rows of `leaderboard.rule_board` of tonight's champion and challenger, champion first."""
    roles = [gate[role] for role in ("champion", "challenger")] if gate else []
    names = dict.fromkeys(role["name"] for role in roles if role)
    return [dict(row) for name in names for row in board if row["candidate"] == name]


def _tuned_specifications(settings: Settings, as_of: date) -> dict[str, dict[str, Any]]:
    """What `recsys tune` found of the specifications that a night used, by candidate.

    In the order of the night's plan: ``as_of`` (night of the search), ``k``, ``placements``,
    ``window_count``, and ``value``, ``low``, ``high`` of the paired difference to what was in use
    before. Empty where the search is not on record any more.
    """
    tuned = {}
    for planned in planned_candidates(settings, as_of):
        if not planned.get("is_tuned"):
            continue
        used = [
            entry
            for entry in read_entries(settings, planned["name"])
            if entry["spec_hash"] == planned["spec_hash"] and entry["as_of"] <= as_of.isoformat()
        ]
        tuned[planned["name"]] = _describe_search(used[-1]) if used else {}
    return tuned


def _describe_search(entry: Mapping[str, Any]) -> dict[str, Any]:
    gain = entry["differences"]["in_use"]
    return {
        **{key: entry[key] for key in ("as_of", "k", "placements")},
        "window_count": len(entry["windows"]),
        **{key: gain[key] for key in ("value", "low", "high")},
    }


def _publication(settings: Settings, as_of: date) -> dict[str, Any] | None:
    """What was published from this night, with shares; None if nothing was."""
    result = read_if_there(settings.run_folder(as_of).publication)
    if result is None:
        return None
    live = _live_id(settings)
    shown = {**result, "live_id": live, "is_live": live == result["publication_id"], "lists": []}
    shown["is_pinned"] = is_there(settings, PIN)
    shown["audit"] = _audit(settings, as_of)
    try:
        manifest = read_publication(settings, result["publication_id"], verify=False).manifest
    except PublicationNotFoundError:
        return shown  # retention has deleted the publication since
    catalogue = read_catalogue(settings, as_of, as_of)
    available = int((catalogue["is_available"] != False).sum())  # noqa: E712 -- null is available
    for entry in manifest["lists"]:
        if entry["variant"] != FALLBACK:
            rows = max(entry["row_count"], 1)
            shares = {name: count / rows for name, count in entry["strategies"].items()}
            coverage = entry["item_count"] / max(available, 1)
            shown["lists"].append({**entry, "strategy_share": shares, "coverage": coverage})
    return shown


def _audit(settings: Settings, as_of: date) -> dict[str, Any] | None:
    """How many rules were checked, and how much of the last publication's lists was kept."""
    audit = read_if_there(settings.run_folder(as_of).audit)
    if audit is None:
        return None
    overlap = {
        rule["placement"]: rule["found"]
        for rule in audit["rules"]
        if rule["rule"] == "overlap_at_10" and rule["found"] is not None
    }
    return {
        "rule_count": len(audit["rules"]),
        "compared_with": audit["compared_with"],
        "overlap_at_10": overlap,
    }


def _live_id(settings: Settings) -> str | None:
    try:
        return read_current(settings).publication_id
    except PublicationNotFoundError:
        return None


def _commands(settings: Settings, report: dict[str, Any]) -> list[dict[str, str]]:
    """What to type next, with this home and this environment's programs."""
    home = _from_here(settings.home)
    recsys = _program("recsys", "pipelines")
    query = [*recsys, "query", "--home", home]
    commands: dict[str, str] = {}  # by purpose
    if settings.tracking_uri.startswith("sqlite"):
        store = ["ui", "--backend-store-uri", settings.tracking_uri, "--port", "5000"]
        open_it = shlex.join([*_program("mlflow", "mlflow"), *store])
        night = date.fromisoformat(report["as_of"])
        page = comparison_page(settings, night, "http://127.0.0.1:5000")
        commands[f"compare tonight's candidates in MLflow, then open {page}"] = open_it
    live = (report["publication"] or {}).get("live_id")
    if live is not None:
        for customer in report["customers"][:1]:
            ask = shlex.join([*query, "--user", customer["user_id"]])
            commands["one customer's history and lists, with titles"] = ask
        sql = (
            "select placement, strategy, count(distinct user_id) as users, count(*) as rows"
            " from current_recommendations group by all order by all"
        )
        ask = f'{shlex.join([*query, "--sql"])} "{sql}"'
        commands["SQL over the live lists, also while a night is running"] = ask
        if any(date_of(other) < date_of(live) for other in stored_ids(settings)):
            back = shlex.join([*recsys, "rollback", "--home", home])
            commands["make the publication before this one live again"] = back
    return [{"purpose": purpose, "command": command} for purpose, command in commands.items()]


def _program(name: str, module: str) -> list[str]:
    """How this environment's program is started from here."""
    program = Path(sys.executable).parent / name
    if program.exists():
        return [_from_here(program)]
    return [_from_here(Path(sys.executable)), "-m", module]


def _from_here(path: Path) -> str:
    """A path as short as it can be typed in the current folder."""
    here = Path.cwd()
    inside = path.is_relative_to(here)
    return os.path.relpath(path, here) if inside else str(path)
