from __future__ import annotations

from datetime import datetime

import duckdb
import pytest

from pipelines.base.errors import LandingError
from pipelines.events.sources.movielens import read_movielens

RATINGS = [("1", "31", "2.5", "1260759144"), ("1", "7", "3.0", "1260759179")]


def write_layout(folder, name):
    if name == "latest":
        lines = ["userId,movieId,rating,timestamp", *(",".join(row) for row in RATINGS)]
        (folder / "ratings.csv").write_text("\n".join(lines))
        (folder / "movies.csv").write_text(
            'movieId,title,genres\n31,"Mind, The (1995)",Drama|Comedy\n'
            "7,Sabrina (1995),Romance\n8,Unseen (1995),(no genres listed)\n",
        )
    elif name == "1m":
        (folder / "ratings.dat").write_text("\n".join("::".join(row) for row in RATINGS))
        (folder / "movies.dat").write_bytes(
            "31::Mind, The (1995)::Drama|Comedy\n7::Sabrina (1995)::Romance\n"
            "8::Misérables, Les (1995)::\n".encode("latin-1")
        )
    else:
        (folder / "u.data").write_text("\n".join("\t".join(row) for row in RATINGS))
        flags = {"31": {5, 8}, "7": {14}, "8": set()}
        (folder / "u.item").write_text(
            "\n".join(
                f"{movie}|{title}|01-Jan-1995||http://x|"
                + "|".join("1" if n in flags[movie] else "0" for n in range(19))
                for movie, title in (
                    ("31", "Mind, The (1995)"),
                    ("7", "Sabrina (1995)"),
                    ("8", "B"),
                )
            )
        )


@pytest.mark.parametrize("layout", ["latest", "1m", "100k"])
def test_every_layout_gives_the_same_events_and_items(tmp_path, layout):
    write_layout(tmp_path, layout)
    connection = duckdb.connect()
    rows = read_movielens(connection, tmp_path)
    assert connection.execute(rows.events).fetchall() == [
        ("1-31", "rating", "1", "31", datetime(2009, 12, 14, 2, 52, 24), 2.5),
        ("1-7", "rating", "1", "7", datetime(2009, 12, 14, 2, 52, 59), 3.0),
    ]
    items = {row[0]: row for row in connection.execute(rows.items).fetchall()}
    assert items["31"][1] == "Mind, The (1995)"
    assert set(items["31"][2].split("|")) == {"Drama", "Comedy"}
    assert items["7"][5] == datetime(2009, 12, 14, 2, 52, 59)


def test_a_movie_nobody_rated_is_known_at_the_end_of_the_log(tmp_path):
    write_layout(tmp_path, "1m")
    connection = duckdb.connect()
    rows = read_movielens(connection, tmp_path)
    items = {row[0]: row for row in connection.execute(rows.items).fetchall()}
    assert items["8"][1:] == (
        "Misérables, Les (1995)",
        None,
        None,
        True,
        datetime(2009, 12, 14, 2, 52, 59),
    )


def test_a_folder_without_a_layout_is_an_error(tmp_path):
    with pytest.raises(LandingError, match="must hold ratings.csv and movies.csv; ratings.dat"):
        read_movielens(duckdb.connect(), tmp_path)


def test_ratings_that_are_not_numbers_are_an_error(tmp_path):
    write_layout(tmp_path, "latest")
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,2,good,now\n")
    with pytest.raises(
        LandingError, match="ratings.csv must hold user, item, rating and timestamp"
    ):
        read_movielens(duckdb.connect(), tmp_path)


def test_a_movie_without_genres_column_is_an_error(tmp_path):
    write_layout(tmp_path, "1m")
    (tmp_path / "movies.dat").write_text("31::Only a title\n")
    with pytest.raises(LandingError, match="must hold a movie, its title and its genres"):
        read_movielens(duckdb.connect(), tmp_path)
