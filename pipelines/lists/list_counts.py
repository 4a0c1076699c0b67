"""Counts of the lists of all users, added up from their rows block by block."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.lists.list_rows import ListWriter
from pipelines.rules.place import FALLBACK_LIST, NO_CONSENT, make_labels


class ListCounts:
    """What the rows of the lists say of them as a whole.

    Parameters
    ----------
    writer : ListWriter
        Whose lists they are.
    """

    def __init__(self, writer: ListWriter) -> None:
        reasons = make_labels(writer.recommender, writer.fallback).reasons
        whole = np.reshape(np.array(reasons, dtype=object), (2, -1))[:, [FALLBACK_LIST, NO_CONSENT]]
        self._length = writer.list_length
        self._of_fallback = pa.array(whole.ravel().tolist())
        self._counts = {"rows": 0, "short_lists": 0, "fallback_lists": 0}
        self._strategies: Counter[str] = Counter()
        self._without: list[str] = []

    def add(self, rows: pa.Table, user_ids: np.ndarray) -> None:
        """Add the rows of the lists of some users.

        Parameters
        ----------
        rows : Table
            Of `LIST_SCHEMA`.
        user_ids : ndarray of str, shape (n_users,)
            Also of users without a row.
        """
        listed = rows["user_id"].value_counts()
        whole = pc.sum(pc.equal(listed.field("counts"), self._length)).as_py() or 0
        by_fallback = rows.filter(pc.is_in(rows["reason"], self._of_fallback))["user_id"]
        self._counts["rows"] += rows.num_rows
        self._counts["short_lists"] += len(user_ids) - whole
        self._counts["fallback_lists"] += len(by_fallback.unique())
        self._without += user_ids[~np.isin(user_ids, listed.field("values").to_pylist())].tolist()
        for entry in rows["strategy"].value_counts().to_pylist():
            self._strategies[entry["values"]] += entry["counts"]

    def summary(self) -> dict[str, Any]:
        """Counts of rows, short lists, lists of the fallback, rows by strategy, and users without.

        Users without are those of whom no row was added.
        """
        return {
            "users_without_items": self._without,
            "strategies": dict(sorted(self._strategies.items())),
            **self._counts,
        }
