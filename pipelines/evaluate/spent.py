"""Time spent on evaluating each candidate, read from the stored evaluations."""

from __future__ import annotations

from datetime import date
from typing import Any

from pipelines.base.config import Settings
from pipelines.evaluate.inputs import planned_candidates
from pipelines.evaluate.leaderboard import WINDOWS
from pipelines.evaluate.results import evaluated_candidates, read_metrics


def evaluation_seconds(settings: Settings, as_of: date) -> list[dict[str, Any]]:
    """Seconds spent on each candidate of a night, over both windows and all placements.

    Parameters
    ----------
    settings : Settings
    as_of : date

    Returns
    -------
    list of dict
        By falling total, then name: ``candidate``, ``fit_seconds``, ``recommend_seconds``,
        ``total_seconds``, ``share`` of the total of all. Candidates whose evaluations hold no
        times are left out.

    Notes
    -----
    A fit of a window serves all its placements and counts once; if one of them was evaluated
    again since, the longest fit counts. An evaluation that was kept from an earlier run counts
    with the seconds it took then. Times are for people to read: no table holds them, and nothing
    is decided by them.
    """
    rows: list[dict[str, Any]] = []
    for name in _names(settings, as_of):
        found = _seconds(settings, as_of, name)
        if found is not None:
            fit, recommend = found
            spent = {"fit_seconds": fit, "recommend_seconds": recommend}
            rows.append({"candidate": name, **spent, "total_seconds": fit + recommend})
    rows.sort(key=lambda row: (-row["total_seconds"], row["candidate"]))
    total = sum(row["total_seconds"] for row in rows)
    return [{**row, "share": row["total_seconds"] / total if total else 0.0} for row in rows]


def _names(settings: Settings, as_of: date) -> list[str]:
    """Names of the evaluated candidates; if the night has a plan, only those in it."""
    names = {
        name
        for window in WINDOWS
        for placement in settings.placements
        for name in evaluated_candidates(settings, as_of, window, placement)
    }
    planned = {entry["name"] for entry in planned_candidates(settings, as_of)}
    return sorted(names & planned if planned else names)


def _seconds(settings: Settings, as_of: date, name: str) -> tuple[float, float] | None:
    """Seconds a candidate spent on fitting and on ranking; None if no evaluation has them."""
    fits: dict[str, float] = {}
    recommend = 0.0
    for window in WINDOWS:
        for placement in settings.placements:
            stored = (
                read_metrics(settings.run_folder(as_of).evaluation(name, window, placement)) or {}
            )
            if "fit_seconds" in stored:
                fits[window] = max(fits.get(window, 0.0), stored["fit_seconds"])
                recommend += stored["recommend_seconds"]
    return (sum(fits.values()), recommend) if fits else None
