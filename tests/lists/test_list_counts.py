from __future__ import annotations

import numpy as np

from pipelines.lists.list_counts import ListCounts
from pipelines.lists.list_rows import to_table
from pipelines.rules.place import FALLBACK_LIST, FALLBACK_REST, NO_CONSENT, OWN
from tests.lists.test_list_rows import lists_of, writer


def test_rows_say_how_many_lists_are_short_missing_or_the_fallbacks():
    counts = ListCounts(writer())
    blocks = [
        lists_of([[0, 1, 2], [0, -1, -1]], [[OWN, OWN, FALLBACK_REST], [OWN] * 3]),
        lists_of(
            [[0, 1, 2], [-1, -1, -1], [0, 1, -1]],
            [[FALLBACK_LIST] * 3, [OWN] * 3, [NO_CONSENT] * 3],
        ),
    ]
    for lists in blocks:
        counts.add(to_table(writer(), lists), lists.user_ids)
    assert counts.summary() == {
        "rows": 3 + 1 + 3 + 2,
        "short_lists": 1 + 2,
        "fallback_lists": 2,
        "users_without_items": ["u1"],
        "strategies": {"personal_frequency": 3, "popularity": 6},
    }


def test_no_user_is_no_row():
    counts = ListCounts(writer())
    lists = lists_of(np.empty((0, 3)), np.empty((0, 3), dtype=int))
    counts.add(to_table(writer(), lists), lists.user_ids)
    assert counts.summary()["rows"] == counts.summary()["short_lists"] == 0
