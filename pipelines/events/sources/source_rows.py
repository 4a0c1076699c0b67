"""Result of an adapter: SQL for events and items, and the counts of rows left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import LandingError

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class SourceRows:
    """Rows of a source, as queries on the connection the adapter was given.

    Parameters
    ----------
    events, items, users : str or None
        Queries with columns of the feed, sorted by the day of `event_at` (`valid_from`) first and
        in a fixed order within it; None if the source has none.
    exclusions : dict of str to int
        Rule to the number of source rows it left out.
    events_parameters, items_parameters : dict
        Values bound to the queries; that of the users has none.
    unread : dict of str to int
        Column and reason to the number of values that could not be read, of rows that stay.
    is_list_of_its_day : bool
        Whether the rows are all that is there on the day they land, such as products without dates:
        lists of earlier days stay then, since they say what was known on these days.
    notes : list of str
        What was decided while reading that a person should know.
    """

    events: str | None
    items: str | None
    exclusions: dict[str, int] = field(default_factory=dict)
    events_parameters: dict[str, Any] = field(default_factory=dict)
    items_parameters: dict[str, Any] = field(default_factory=dict)
    is_list_of_its_day: bool = False
    unread: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    users: str | None = None


def check_source_columns(
    connection: duckdb.DuckDBPyConnection, path: str, wanted: Iterable[str]
) -> dict[str, str]:
    """Read the column names and types of a Parquet or CSV file; check that all wanted are there.

    Raises
    ------
    LandingError
        If the file cannot be read, or lacks one of the wanted columns; names both.
    """
    import duckdb

    reader = "read_parquet" if path.lower().endswith(".parquet") else "read_csv"
    try:
        found = connection.execute(f"describe select * from {reader}($path)", {"path": path})
        columns = {name: kind for name, kind, *_ in found.fetchall()}
    except duckdb.Error as error:
        raise LandingError(
            f"A source must be a readable CSV or Parquet file. Got {path}: {error}. Check the path."
        ) from error
    if missing := [name for name in wanted if name not in columns]:
        raise LandingError(
            f"{path} must have the columns {', '.join(wanted)}. "
            f"Missing {', '.join(missing)}; found {', '.join(columns)}. "
            "Check that this is the file you mean, or map its columns with `recsys land table`."
        )
    return columns
