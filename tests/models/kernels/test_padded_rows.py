from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from pipelines.models.kernels.padded_rows import read_padded, rows_by_length


@given(st.lists(st.integers(0, 300), max_size=30), st.sampled_from([1, 40, 10**6]))
def test_every_row_with_an_entry_is_in_one_rectangle_it_fits(
    counts: list[int], max_cells: int
) -> None:
    seen = []
    for rows, length in rows_by_length(np.array(counts, dtype=int), max_cells):
        assert len(rows) == 1 or len(rows) * length <= max_cells
        for row in rows.tolist():
            assert counts[row] <= length <= max(4, counts[row] * 1.2 + 4)
            seen.append(row)
    assert sorted(seen) == [row for row, count in enumerate(counts) if count]


def test_rows_are_read_with_what_is_no_entry_marked() -> None:
    matrix = sparse.csr_array(np.array([[0, 5, 6], [7, 0, 0], [0, 0, 8]], dtype=np.float32))
    columns, values, is_entry = read_padded(matrix, np.array([0, 2]), 4)
    assert is_entry.tolist() == [[True, True, False, False], [True, False, False, False]]
    assert columns[is_entry].tolist() == [1, 2, 2]
    assert values[is_entry].tolist() == [5, 6, 8]
