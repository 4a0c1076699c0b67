"""Sources that are known by their files or columns: adapters and presets of `land`."""

from __future__ import annotations

from pathlib import Path

from pipelines.events.sources.movielens import LAYOUTS
from pipelines.events.sources.online_retail import COLUMNS as ONLINE_RETAIL
from pipelines.events.sources.presets import read_presets
from pipelines.events.sources.retailrocket import COLUMNS as RETAILROCKET
from pipelines.events.sources.retailrocket import EVENTS_FILE
from pipelines.events.sources.samples import Sample

#: Columns that a preset must find, so that it is known by more than common names.
_TELLING_COLUMNS = 3


def recognise_folder(path: str) -> tuple[str, str] | None:
    """Name of the adapter that reads a folder as a whole, and why; None if there is none."""
    folder = Path(path).expanduser()
    for layout in LAYOUTS:
        if (folder / layout.ratings).is_file() and (folder / layout.movies).is_file():
            return "movielens", f"the folder holds {layout.ratings} and {layout.movies}"
    if (folder / EVENTS_FILE).is_file():
        with (folder / EVENTS_FILE).open(encoding="utf-8", errors="replace") as stream:
            first = stream.readline()
        if set(first.strip().split(",")) == set(RETAILROCKET):
            return "retailrocket", f"the folder holds the {EVENTS_FILE} of that log"
    return None


def recognise_columns(sample: Sample) -> tuple[str, str] | None:
    """Name of the adapter or preset that a file's columns are of, and why."""
    found = set(sample.columns)
    if sample.format == "parquet" and set(ONLINE_RETAIL) <= found:
        return "online-retail", f"it has the columns {', '.join(ONLINE_RETAIL)}"
    fitting = []
    for name, preset in read_presets().items():
        wanted = set(preset["mapping"].values()) | {preset.get("fill_by", "")} - {""}
        is_whole = wanted <= found and not ({"query", "join", "columns"} & set(preset))
        if is_whole and preset.get("format", sample.format) == sample.format:
            fitting.append((len(wanted), name, wanted))
    if not fitting:
        return None
    count, name, wanted = max(fitting)
    plain = {"user_id", "item_id", "event_at", "event_type", "timestamp", "rating", "price"}
    if count < _TELLING_COLUMNS or not wanted - plain:
        return None
    return name, f"it has the columns {', '.join(sorted(wanted))}"
