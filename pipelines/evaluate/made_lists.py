"""Lists of all scored users, and the first stage's candidates, made block by block."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from scipy import sparse

from pipelines.models.base import TopN
from pipelines.rules.block_lists import ListInputs, Origin, make_in_blocks


@dataclass(frozen=True)
class MadeLists:
    """Lists as a recommender makes them, without anything that completes them.

    Parameters
    ----------
    lists : TopN
        One row per user, over the items of the users' history.
    candidates : csr_array of shape (n_measured, n_items), bool, or None
        Candidates of the measured users; None if nobody asked, or there is no first stage.
    seconds : float
        Time that ranking took, on whatever process: without that of the candidates.
    """

    lists: TopN
    candidates: sparse.csr_array | None
    seconds: float


def made_lists(
    inputs: ListInputs, k: int, measured: np.ndarray | None, origin: Origin | None
) -> MadeLists:
    """Make the lists of all users of some inputs.

    Parameters
    ----------
    inputs : ListInputs
    k : int
        Maximum length of a list.
    measured : ndarray of int, shape (n_measured,), or None
        Ascending positions of the users whose candidates are asked for.
    origin : Origin or None
        See `make_in_blocks`.
    """
    make = partial(_make_rows, k=k, measured=measured)
    tables = list(make_in_blocks(inputs, make, origin))
    items, scores, seconds = (
        np.concatenate([_numbers(table[name]) for table in tables])
        for name in ("items", "scores", "seconds")
    )
    users = inputs.history
    return MadeLists(
        TopN(users.user_ids, users.item_ids, items.reshape(-1, k), scores.reshape(-1, k)),
        None if measured is None else _join_candidates(tables, measured, users.n_items),
        float(seconds.sum()),
    )


def _join_candidates(
    tables: list[pa.Table], measured: np.ndarray, n_items: int
) -> sparse.csr_array | None:
    if not all("candidates" in table.column_names for table in tables):
        return None
    listed = pa.concat_tables(table.select(["candidates"]) for table in tables)["candidates"]
    listed = listed.take(pa.array(measured)).combine_chunks()
    lengths = listed.value_lengths().to_numpy(zero_copy_only=False)
    columns = listed.flatten().to_numpy()
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return sparse.csr_array(
        (np.ones(len(columns), dtype=bool), columns, starts), shape=(len(measured), n_items)
    )


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    values = column.combine_chunks()
    flat: np.ndarray = (
        values.flatten() if pa.types.is_fixed_size_list(values.type) else values
    ).to_numpy()
    return flat


def _make_rows(
    inputs: ListInputs, users: slice, *, k: int, measured: np.ndarray | None
) -> pa.Table:
    """A row per user of a block: items and scores of the list, candidates where measured."""
    started = time.monotonic()
    lists = inputs.place(k).over(inputs.history.item_ids)
    seconds = (time.monotonic() - started) / max(len(lists.items), 1)
    columns = {
        "items": pa.FixedSizeListArray.from_arrays(lists.items.astype(np.int32).ravel(), k),
        "scores": pa.FixedSizeListArray.from_arrays(lists.scores.ravel(), k),
        "seconds": np.full(len(lists.items), seconds),
    }
    if measured is not None:
        inside = measured[(measured >= users.start) & (measured < users.stop)]
        candidates = _candidates(inputs, inside - users.start)
        if candidates is not None:
            columns["candidates"] = candidates
    return pa.table(columns)


def _candidates(inputs: ListInputs, rows: np.ndarray) -> pa.Array | None:
    """Candidates of some users of a block, null for the others; None without a first stage."""
    found: list[list[int] | None] = [None] * inputs.history.n_users
    for positions, one in inputs.exclude.select_users(rows).by_group():
        group = rows[positions]
        history = inputs.history.select_users(group)
        candidates = inputs.recommender.list_candidates(history, exclude=one)
        if candidates is None:
            return None
        for row, user in enumerate(group.tolist()):
            found[user] = candidates.indices[
                candidates.indptr[row] : candidates.indptr[row + 1]
            ].tolist()
    return pa.array(found, pa.list_(pa.int32()))
