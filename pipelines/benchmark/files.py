"""Read anyone's train and test files as histories and truth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pipelines.base.errors import BenchmarkError
from pipelines.features.interactions import Interactions

#: Event type of every row of a file: the type that recommenders count by default.
EVENT_TYPE = "purchase"
#: Cutoff of a file without event_at, whose ages are positions; the date has no meaning.
UNDATED_CUTOFF = date(2000, 1, 1)
#: Seed for drawing a validation part from rows without event_at.
VALIDATION_SEED = 0
REQUIRED = ("user_id", "item_id")
OPTIONAL = ("event_at", "weight")


@dataclass(frozen=True)
class Split:
    """A benchmark's split: histories to fit on, and truth to score on.

    Parameters
    ----------
    history : Interactions
        The rows of the train file.
    truth : DataFrame
        One row per user_id and item_id of the test file.
    """

    history: Interactions
    truth: pd.DataFrame


def read_split(train: Path, test: Path | None, validation: float | None = None) -> Split:
    """Read a split, or cut a validation part from the train file.

    Parameters
    ----------
    test : Path or None
        Not read if a validation part is asked for.
    validation : float, optional
        Share of each user's items of the train file that serves as truth.

    Raises
    ------
    BenchmarkError
        If a file cannot be read or lacks a column, or neither `test` nor `validation` is given.
    """
    rows = read_rows(train)
    if validation is not None:
        rows, truth = cut_validation(rows, validation)
    elif test is not None:
        truth = read_rows(test)
    else:
        raise BenchmarkError(
            "A benchmark must have a truth. Got neither a test file nor a validation share. "
            "Give --test FILE or --validation 0.2."
        )
    return Split(history_of(rows), truth[list(REQUIRED)].drop_duplicates(ignore_index=True))


def read_rows(path: Path) -> pd.DataFrame:
    """Read the rows of one file.

    Parameters
    ----------
    path : Path
        `.parquet`, or `.csv` with a header (also `.csv.gz`), with user_id, item_id and, where
        there are any, event_at (a time, or seconds since 1970) and weight. Any other file is
        text, one line per user: ``user item item …``, separated by white space.

    Returns
    -------
    DataFrame
        In the order of the file: user_id and item_id as str, event_at as UTC without zone, weight
        as float64.

    Raises
    ------
    BenchmarkError
        If the file cannot be read, lacks a column or a value, or has no rows.
    """
    try:
        rows = _read_table(path) if _is_table(path) else _read_lines(path)
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise BenchmarkError(
            f"A benchmark's file must be Parquet, CSV or one line per user. Got {path}: {error}. "
            "Correct the path or the file."
        ) from error
    if rows.empty:
        raise BenchmarkError(
            f"A benchmark's file must hold at least one user with an item. Found none in {path}. "
            "Check how it was written."
        )
    if lacking := [name for name in rows.columns if rows[name].isna().any()]:
        raise BenchmarkError(
            f"Every row of a benchmark's file must have all its values. Found rows of {path} "
            f"without {', '.join(lacking)}. Drop or fill them."
        )
    return rows


def history_of(rows: pd.DataFrame) -> Interactions:
    """Turn rows into histories before one cutoff.

    Parameters
    ----------
    rows : DataFrame
        As `read_rows` returns them.

    Returns
    -------
    Interactions
        One row per user, item and day, with the sum of the weights as `event_count`. With
        event_at, the cutoff is the day after the last one. Without it, the order of a user's rows
        is taken for their age: the last is one day old, the one before it two, and so on.
    """
    user, user_ids = _encode(rows["user_id"])
    item, item_ids = _encode(rows["item_id"])
    if "event_at" in rows:
        day = rows["event_at"].to_numpy("datetime64[D]")
        cutoff: date = (day.max() + np.timedelta64(1, "D")).item()
        at = rows["event_at"].to_numpy("datetime64[us]")
        age = (np.datetime64(cutoff) - day).astype(np.int64)
    else:
        cutoff = UNDATED_CUTOFF
        age = _positions_from_the_end(user)
        at = (np.datetime64(cutoff) - age).astype("datetime64[us]")
    weight = rows["weight"].to_numpy() if "weight" in rows else np.ones(len(rows))
    order = np.lexsort((at, -age, item, user))
    user, item, age, at = user[order], item[order], age[order], at[order]
    is_first = np.append(True, (np.diff(user) != 0) | (np.diff(item) != 0) | (np.diff(age) != 0))
    first = np.flatnonzero(is_first)
    return Interactions(
        cutoff=cutoff,
        user_ids=user_ids,
        item_ids=item_ids,
        event_types=(EVENT_TYPE,),
        user=user[first].astype(np.int32),
        item=item[first].astype(np.int32),
        event_type=np.zeros(len(first), dtype=np.int8),
        age_days=age[first].astype(np.int32),
        event_count=np.add.reduceat(weight[order], first).astype(np.float32),
        last_event_at=at[np.append(first[1:], len(order)) - 1],
    )


def cut_validation(rows: pd.DataFrame, share: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Cut a share of each user's items from the rows as validation, the same on every run.

    Parameters
    ----------
    rows : DataFrame
        As `read_rows` returns them.
    share : float
        Above 0 and below 1; of a user with n items, floor(share · n) are taken: the latest with
        event_at, else drawn with a fixed seed.

    Returns
    -------
    DataFrame
        The rows that remain, in their order.
    DataFrame
        The rows taken.

    Raises
    ------
    BenchmarkError
        If the share is out of range, or so small that nothing is taken.
    """
    if not 0 < share < 1:
        raise BenchmarkError(
            f"A validation share must be above 0 and below 1. Got {share:g}. Try 0.2."
        )
    user, item = _encode(rows["user_id"])[0], _encode(rows["item_id"])[0]
    pair = pd.factorize(user * (item.max() + 1) + item)[0]
    last = np.full(pair.max() + 1, -1)
    last[pair] = np.arange(len(rows))  # the last row of a pair wins
    owner = user[last]
    if "event_at" in rows:
        key = -rows["event_at"].groupby(pair).max().to_numpy("datetime64[us]").astype(np.int64)
    else:
        key = np.random.default_rng(VALIDATION_SEED).permutation(len(last))
    order = np.lexsort((key, owner))
    place = np.arange(len(order)) - np.searchsorted(owner[order], owner[order])
    is_taken = np.zeros(len(last), dtype=bool)
    is_taken[order] = place < np.floor(np.bincount(owner) * share)[owner[order]]
    if not is_taken.any():
        raise BenchmarkError(
            f"A validation share must take at least one item. Got {share:g}, which takes none of "
            "any user. Raise it."
        )
    return rows[~is_taken[pair]], rows[is_taken[pair]]


def _is_table(path: Path) -> bool:
    return path.suffix == ".parquet" or path.name.endswith((".csv", ".csv.gz"))


def _read_table(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        table = pq.read_table(path)
    else:
        ids = pa.csv.ConvertOptions(
            column_types=dict.fromkeys(REQUIRED, pa.string()),
            strings_can_be_null=True,
            null_values=[""],
        )
        table = pa.csv.read_csv(path, convert_options=ids)
    if missing := [name for name in REQUIRED if name not in table.column_names]:
        raise BenchmarkError(
            f"A table must have the columns {' and '.join(REQUIRED)}. {path} lacks "
            f"{', '.join(missing)}. Rename its columns."
        )
    names = [name for name in (*REQUIRED, *OPTIONAL) if name in table.column_names]
    for name in REQUIRED:
        at = table.column_names.index(name)
        table = table.set_column(at, name, table[name].cast(pa.string()))
    frame = table.select(names).to_pandas()
    return frame.assign(**{name: _read_number(frame[name], path) for name in names[2:]})


def _read_number(values: pd.Series, path: Path) -> pd.Series:
    """Read a column: event_at as UTC without zone, weight as float64."""
    try:
        if values.name == "weight":
            return values.astype(np.float64)
        if pd.api.types.is_numeric_dtype(values):
            values = (values * 1e6).astype("datetime64[us]")
        return pd.to_datetime(values, utc=True).dt.tz_localize(None)
    except (ValueError, TypeError) as error:
        raise BenchmarkError(
            f"`{values.name}` must be {'a number' if values.name == 'weight' else 'a time'} in "
            f"every row. {path} holds another value: {error}. Correct the column."
        ) from error


def _read_lines(path: Path) -> pd.DataFrame:
    """Read the pairs of a text file with one line per user."""
    text = path.read_text(encoding="utf-8")
    words = np.array(text.split(), dtype=np.str_)
    lengths = np.array([len(line.split()) for line in text.splitlines()], dtype=np.int64)
    lengths = lengths[lengths > 0]
    first = np.cumsum(lengths) - lengths
    is_item = np.ones(len(words), dtype=bool)
    is_item[first] = False
    users = np.repeat(words[first], lengths - 1)
    return pd.DataFrame({"user_id": users, "item_id": words[is_item]})


def _encode(ids: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Encode ids as positions into the sorted unique ids, and return both."""
    codes, found = pd.factorize(ids)
    names = np.asarray(found, dtype=np.str_)
    order = np.argsort(names)
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    return position[codes], names[order]


def _positions_from_the_end(user: np.ndarray) -> np.ndarray:
    """Position of each row from its user's end: 1 for the last row, 2 for the one before it."""
    backwards = user[::-1]
    order = np.argsort(backwards, kind="stable")
    place = np.empty(len(user), dtype=np.int64)
    place[order] = np.arange(len(user)) - np.searchsorted(backwards[order], backwards[order])
    return place[::-1] + 1
