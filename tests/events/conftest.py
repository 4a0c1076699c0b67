"""Day files as a shop would write them, in any of the three formats, and dumps of what came of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.config import Settings
from pipelines.base.warehouse import connect

DAY = date(2024, 3, 1)
AS_OF = date(2024, 3, 2)


@pytest.fixture
def event() -> Callable[..., dict[str, Any]]:
    """One good event of the first of March 2024; keywords override its values."""

    def make(number: int = 0, **overrides: Any) -> dict[str, Any]:
        row = {
            "event_id": f"e{number}",
            "event_type": "purchase",
            "user_id": f"u{number % 7}",
            "item_id": f"i{number % 5}",
            "event_at": datetime(2024, 3, 1, 12) + timedelta(seconds=number),
            "price": 2.5,
        }
        return {**row, **overrides}

    return make


@pytest.fixture
def write_rows() -> Callable[..., Path]:
    """Write rows as a day file; the suffix of `name` says in which format."""

    def write(
        settings: Settings,
        rows: list[dict[str, Any]],
        *,
        day: date = DAY,
        name: str = "shop.parquet",
        feed: str = "events",
    ) -> Path:
        path = settings.landing / feed / f"date={day.isoformat()}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        names = list(dict.fromkeys(key for row in rows for key in row))
        if path.suffix == ".parquet":
            pq.write_table(pa.table({key: [row.get(key) for row in rows] for key in names}), path)
        elif path.suffix == ".csv":
            with path.open("w", newline="", encoding="utf-8") as stream:
                writer = csv.DictWriter(stream, names)
                writer.writeheader()
                writer.writerows(rows)
        else:
            lines = [json.dumps(row, default=str) for row in rows]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture
def dump() -> Callable[..., list[tuple[Any, ...]]]:
    """Rows of a table of the warehouse, sorted."""

    def rows_of(
        settings: Settings, table: str = "raw.events", columns: str = "*"
    ) -> list[tuple[Any, ...]]:
        with connect(settings) as connection:
            rows = connection.execute(f"select {columns} from {table}").fetchall()
        return sorted(rows, key=repr)

    return rows_of
