from __future__ import annotations

import numpy as np
import pytest

from pipelines.features.interactions import Interactions
from tests.histories import named_facts


def test_pair_that_met_has_counts_and_times(history_of_two: Interactions) -> None:
    found = named_facts(history_of_two, 0, 0)
    assert found["pair_purchase_count"] == 4
    assert found["pair_purchase_days"] == 3
    assert found["pair_days_since_last"] == 5
    assert found["pair_days_since_first"] == 25
    assert found["pair_gap_days"] == 10
    assert found["pair_overdue"] == 5 / 10
    assert found["pair_basket_share"] == 1.0
    assert found["pair_decayed_count_10d"] == pytest.approx(
        2 * 2**-2.5 + 2**-1.5 + 2**-0.5, rel=1e-6
    )


def test_pair_that_never_met_has_no_times(history_of_two: Interactions) -> None:
    found = named_facts(history_of_two, 0, 1)
    assert found["pair_purchase_count"] == found["pair_purchase_days"] == 0
    assert np.isnan(found["pair_days_since_last"])
