from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq

from pipelines.features.read import read_interactions
from pipelines.lists.exclusion_rows import write_exclusions
from pipelines.rules.exclusion import placement_exclusion


def rows_of(settings, night, placement):
    return pq.read_table(settings.run_folder(night).exclusions(placement)).to_pylist()


def test_what_a_user_met_is_kept_from_the_user_where_the_placement_says_so(shop, make_lists):
    night = make_lists()
    rows = rows_of(shop, night, "discover")
    assert len(rows) == 12
    assert rows[3] == {
        "placement": "discover",
        "user_id": "u03",
        "item_ids": ["i03", "i04", "i05"],
    }
    assert rows_of(shop, night, "for_you") == []


def test_blocks_of_users_change_nothing(shop, make_lists, monkeypatch):
    night = make_lists()
    whole = rows_of(shop, night, "discover")
    monkeypatch.setattr("pipelines.lists.exclusion_rows.BLOCK_USERS", 5)
    history = read_interactions(shop, night, night)
    exclude = placement_exclusion(shop.placements["discover"], history)
    nothing = np.zeros(history.n_items, dtype=bool)
    write_exclusions(shop, night, "discover", history, exclude, without_feed=nothing)
    assert rows_of(shop, night, "discover") == whole
