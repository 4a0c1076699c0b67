"""Tuned specifications: what `recsys tune` found for a candidate, and from which night it holds.

`<home>/specifications/<candidate>.json` has one entry per tuning that was an improvement. A night
uses the latest entry that is not younger than itself, so a night that is run again uses the entry
it used before, and none that was found later.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.base.config import Settings


def specifications_file(settings: Settings, name: str) -> Path:
    """File with a candidate's tuned specifications."""
    return settings.specifications / f"{name}.json"


def read_entries(settings: Settings, name: str) -> list[dict[str, Any]]:
    """All entries of a candidate, earliest first; empty if it was never tuned."""
    path = specifications_file(settings, name)
    if not path.exists():
        return []
    entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["entries"]
    return entries


def entry_at(
    entries: Sequence[Mapping[str, Any]], base_spec_hash: str, as_of: date
) -> Mapping[str, Any] | None:
    """Tuned entry that a night uses; None if it uses the specification of the settings.

    Parameters
    ----------
    entries : sequence of mapping
        What `read_entries` returned.
    base_spec_hash : str
        Hash of the settings' own specification. An entry that was tuned from another one is
        passed over: its evidence was about something else.
    as_of : date
        The night.
    """
    usable = [
        entry
        for entry in entries
        if entry["base_spec_hash"] == base_spec_hash and entry["as_of"] <= as_of.isoformat()
    ]
    return max(usable, key=lambda entry: str(entry["as_of"]), default=None)
