"""Findings of the audit: the outcome of one rule on one list file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from pipelines.base.config import Settings
from pipelines.base.current import Publication
from pipelines.base.settings_sections import PlacementSettings

#: SQL condition: an item of `items` that no feed has, and so nobody is shown; `$1` is the setting.
WITHOUT_FEED = (
    "not items.is_in_feed and not coalesce($1, (select not bool_or(is_in_feed) from items))"
)


@dataclass(frozen=True)
class Finding:
    """Outcome of one audit rule for one placement and variant.

    Parameters
    ----------
    placement, variant, rule : str
    threshold : str
        What must hold, in words that follow "must be".
    found : float or None
        The value that was compared; None if it could not be computed, which fails, or if there
        was nothing to compare with, which passes and is noted.
    passed : bool
    note : str
        What was compared, or why nothing was.
    """

    placement: str
    variant: str
    rule: str
    threshold: str
    found: float | None
    passed: bool
    note: str


@dataclass(frozen=True)
class ListFile:
    """One list file under audit.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Has `items` (item_id, category, is_available, is_in_feed), `history` (user_id, item_id,
        event_type, event_date) and, with `last`, `last_lists`; while the file is open, its rows
        as `lists` and one row per user_id as `list_facts`.
    settings : Settings
    as_of : date
    placement, variant : str
    last : Publication or None
        The publication to compare with.
    """

    connection: duckdb.DuckDBPyConnection
    settings: Settings
    as_of: date
    placement: str
    variant: str
    last: Publication | None

    @property
    def path(self) -> Path:
        """`lists/<placement>/<variant>.parquet` of the night."""
        return self.settings.run_folder(self.as_of).variant(self.placement, self.variant)

    @property
    def rules(self) -> PlacementSettings:
        """The placement's settings."""
        return self.settings.placements[self.placement]

    def value(self, sql: str, *parameters: object) -> float | None:
        """Run a statement that returns one number."""
        ((value,),) = self.connection.execute(sql, list(parameters)).fetchall()
        return None if value is None else float(value)

    def finding(
        self, rule: str, threshold: str, found: float | None, passed: bool, note: str = ""
    ) -> Finding:
        """Make a finding about this file."""
        return Finding(self.placement, self.variant, rule, threshold, found, passed, note)

    def none_found(self, rule: str, found: float | None, note: str) -> Finding:
        """Make the finding of a rule that counts rows that must not be there."""
        return self.finding(rule, "0", found, found == 0, note)

    def at_least(self, rule: str, low: float, found: float | None, note: str) -> Finding:
        """Make the finding of a rule with a lower bound; a missing or NaN value fails."""
        passed = found is not None and math.isfinite(found) and found >= low
        return self.finding(rule, f"at least {low:g}", found, passed, note)

    def at_most(self, rule: str, high: float, found: float | None, note: str) -> Finding:
        """Make the finding of a rule with an upper bound; a missing or NaN value fails."""
        passed = found is not None and math.isfinite(found) and found <= high
        return self.finding(rule, f"at most {high:g}", found, passed, note)
