"""Adapter `movielens`: ratings as events and movies as items, in each layout GroupLens published.

The layouts are 100k (`u.data`, `u.item`), 1m and 10m (`ratings.dat`, `movies.dat`) and latest,
20m, 25m, 32m (`ratings.csv`, `movies.csv`), as described in their README files at
https://grouplens.org/datasets/movielens/. A user rates a movie once, so user and movie make the id.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.errors import LandingError
from pipelines.events.sources.source_rows import SourceRows

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Layout:
    """File names and separators of one layout.

    Parameters
    ----------
    ratings, movies : str
        File names.
    separator : str
        Between values; those of `movies` may differ.
    has_header : bool
        Whether the first line names the columns.
    """

    ratings: str
    movies: str
    separator: str
    has_header: bool


LAYOUTS = (
    Layout("ratings.csv", "movies.csv", ",", True),
    Layout("ratings.dat", "movies.dat", "::", False),
    Layout("u.data", "u.item", "\t", False),
)
#: The genre flags at the end of a line of u.item, in the order of u.genre.
GENRES_100K = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
_NO_GENRE = "(no genres listed)"

_RATINGS = """
create or replace temp view ratings as
select
    user_id,
    item_id,
    rating::double as value,
    make_timestamp(rated_seconds::bigint * 1000000) as event_at
from read_csv(
    {path}, auto_detect = false, header = {header}, delim = '{delim}',
    columns = {{'user_id': 'VARCHAR', 'item_id': 'VARCHAR', 'rating': 'DOUBLE',
                'rated_seconds': 'DOUBLE'}}
)
"""
EVENTS_SQL = """
select
    user_id || '-' || item_id as event_id, 'rating' as event_type, user_id, item_id, event_at, value
from ratings
order by event_at::date, event_at, user_id, item_id
"""
#: A movie is known from its first rating on; one without ratings, from the end of the log on.
ITEMS_SQL = """
with first_ratings as (
    select item_id, min(event_at) as first_at from ratings group by item_id
),
log_end as (
    select max(first_at) as last_at from first_ratings
),
known as (
    select movies.*, coalesce(first_ratings.first_at, log_end.last_at) as valid_from
    from movies left join first_ratings using (item_id) cross join log_end
)
select
    item_id, title, category, null::double as price, true as is_available, valid_from
from known
where valid_from is not null
order by valid_from::date, item_id
"""


def read_movielens(connection: duckdb.DuckDBPyConnection, path: Path | None) -> SourceRows:
    """Read ratings as events and movies as items from a MovieLens folder.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        An in-memory database.
    path : Path
        The unpacked folder.

    Returns
    -------
    SourceRows
        Every rating; `category` holds the genres, separated by ``|``.

    Raises
    ------
    LandingError
        If the folder holds none of the known layouts, or a file is not of its layout.
    """
    import duckdb
    import pyarrow as pa

    layout, folder = _layout(path)
    ratings = _RATINGS.format(
        path=_literal(str(folder / layout.ratings)),
        header=str(layout.has_header).lower(),
        delim=layout.separator,
    )
    movies = list(_movies(folder / layout.movies, layout))
    columns = list(zip(*movies, strict=True)) or [(), (), ()]
    texts = [pa.array(column, pa.string()) for column in columns]
    connection.register("movies", pa.table(texts, names=["item_id", "title", "category"]))
    try:
        connection.execute(ratings)
        connection.execute("select count(value), count(event_at) from ratings").fetchall()
    except duckdb.Error as error:
        raise LandingError(
            f"{layout.ratings} must hold user, item, rating and timestamp separated by "
            f"{layout.separator!r}. Got {folder / layout.ratings}: {error}. "
            "Unpack the archive again."
        ) from error
    return SourceRows(EVENTS_SQL, ITEMS_SQL)


def _layout(path: Path | None) -> tuple[Layout, Path]:
    for layout in LAYOUTS:
        if path and (path / layout.ratings).is_file() and (path / layout.movies).is_file():
            return layout, path
    wanted = "; ".join(f"{layout.ratings} and {layout.movies}" for layout in LAYOUTS)
    raise LandingError(
        f"A MovieLens folder must hold {wanted}. Found neither in {path}. "
        "Unpack the archive and name its folder: recsys land movielens PATH."
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _movies(path: Path, layout: Layout) -> Iterator[tuple[str, str, str | None]]:
    lines = _text(path).splitlines()
    rows: Iterator[list[str]]
    if layout.separator == ",":
        rows = csv.reader(lines)
        next(rows, None)
    else:
        separator = "|" if layout.movies == "u.item" else layout.separator
        rows = (line.split(separator) for line in lines if line)
    for row in rows:
        if len(row) < _MIN_VALUES:
            raise LandingError(
                f"Every line of {layout.movies} must hold a movie, its title and its genres. "
                f"Got {row!r} in {path}. Unpack the archive again."
            )
        item_id, title, *rest = row
        genres = _flagged_genres(rest) if layout.movies == "u.item" else rest[-1]
        yield item_id, title, genres if genres and genres != _NO_GENRE else None


_MIN_VALUES = 3


def _flagged_genres(values: list[str]) -> str:
    flags = values[-len(GENRES_100K) :]
    return "|".join(name for name, flag in zip(GENRES_100K, flags, strict=False) if flag == "1")


def _text(path: Path) -> str:
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:  # 100k and 1m are Latin-1
        return content.decode("latin-1")
