"""Settings of a source: where it is, how its files are written, and what their columns mean."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from string import Formatter
from typing import Any, Literal

from pydantic import Field, model_validator

from pipelines.base.settings_sections import Section


class FileFormat(Section):
    """How the files of a source are written; what is unset is seen from each file."""

    format: Literal["csv", "json", "parquet"] | None = None
    """Format; unset, by the ending of a file's name."""
    encoding: str = "utf-8"
    """Encoding of CSV and JSON, as Python names it, such as ``latin-1``."""
    delimiter: str | None = Field(None, min_length=1, max_length=1)
    """Between values of CSV; unset, the one of ``, ; tab |`` that gives even rows."""
    quote: str = Field('"', min_length=1, max_length=1)
    """Around values of CSV; a doubled one inside is one."""
    escape: str | None = Field(None, min_length=1, max_length=1)
    r"""Before a quote inside of quotes; unset, ``\`` where rows are even only with it."""
    columns: tuple[str, ...] = ()
    """Names of the columns of CSV without a header; empty, its first line is the header."""


class TableSettings(FileFormat):
    """What the columns of a table mean: options of `recsys land table`, and of a preset."""

    feed: Literal["events", "items", "users"] = "events"
    """What a row is."""
    mapping: Mapping[str, str] = Field(default_factory=dict)
    """Feed column to the file's; a path such as ``items[].item_id`` makes a row of each element."""
    optional: tuple[str, ...] = ()
    """Feed columns that stay empty if the file has not what the mapping names."""
    value_map: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)
    """By feed column: a value to what it becomes, ``*`` for others; no `event_type`, no row."""
    event_type: str | None = None
    """Type of every event, if no column says it."""
    event_at: date | None = None
    """Day of every event, for a file without times."""
    known_from: date | None = None
    """Day from which the items or users are known, for a file without such a column."""
    day_zero: date | None = None
    """Day from which a column of days counts, such as 2016-01-01."""
    time_format: str | None = None
    """How times are written, as ``%d/%m/%Y %H:%M``, or the unit of a number: s, ms, us or ns."""
    time_zone: str = "UTC"
    """Zone of times that name none, such as ``Europe/Berlin``."""
    decimal_comma: bool = False
    """Whether 12,90 is a number and 1.234 has a thousand in it."""
    fill_by: str | None = None
    """Column of an order: what its further rows leave blank is taken from its first one."""
    quantity_per_row: bool = False
    """Whether rows that differ in nothing are units of one purchase, not repetitions."""
    join: str | None = None
    """SQL that makes the table `source` of a folder's CSV files, each a table named by its stem."""
    query: str | None = None
    """SQL over `source`, a table of text; the mapping names columns of its result."""
    max_bad_share: float = Field(0.1, ge=0, le=1)
    """Share of lines that are no rows above which nothing is landed."""


class QuerySettings(Section):
    """A query of a database, whose rows are read as a table's."""

    url: str
    """Address: ``postgresql://…``, a DuckDB file, any of SQLAlchemy, or ``env:`` and a variable."""
    query: str
    """SQL whose columns the mapping names."""
    watermark: str | None = None
    """Column that grows, such as ``updated_at``: a pull takes only rows beyond the last one's."""


#: Adapter of a query.
QUERY = "sql"


class SourceSettings(TableSettings):
    """A source that every night lands before it loads: what `recsys land` would be told."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$")
    """Stem of its day files, such as ``orders``."""
    source: str = "table"
    """What reads it: ``table``, ``sql``, a preset or an adapter of a data set."""
    path: str | None = None
    """File, folder or address; a relative one starts at the settings file's folder. With ``{day}``
    (or ``{day:%Y%m%d}``) there is a file for each day; a brace of a name is written twice."""
    url: str | None = None
    """For `sql`: address of the database, better ``env:`` and a variable than a password here."""
    watermark: str | None = None
    """For `sql`: column that grows; a night pulls only rows beyond the last one's."""
    required: bool = True
    """Whether a night stops if it cannot be landed."""

    @model_validator(mode="after")
    def _check_place(self) -> SourceSettings:
        if self.source == QUERY:
            if self.path is not None or not (self.url and self.query):
                raise ValueError("a source `sql` has `url` and `query`, and no `path`")
        elif self.path is None or self.url is not None or self.watermark is not None:
            raise ValueError("a source has a `path`; only `sql` has `url` and `watermark`")
        if self.path is not None:
            try:
                self.day_path(date(2000, 1, 1))
            except (KeyError, IndexError, ValueError, AttributeError) as error:
                raise ValueError(
                    "`path` may hold {day} or {day:%Y%m%d}; a brace of a name is written twice "
                    f"({error})"
                ) from error
        return self

    @property
    def is_daily(self) -> bool:
        """Whether there is a file for each day."""
        return any(field is not None for _, field, *_ in Formatter().parse(self.path or ""))

    def day_path(self, day: date) -> str:
        """The path of a day's file; where all days are in one, the same for each."""
        return (self.path or "").format(day=day)

    @property
    def options(self) -> dict[str, Any]:
        """What is set, as `events.landing.land` takes it."""
        own = {"name", "source", "path", "required"}
        return {key: getattr(self, key) for key in self.model_fields_set - own}
