from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from pipelines.evaluate.made_lists import made_lists
from pipelines.models.base import Exclusion
from pipelines.models.popularity import Popularity
from pipelines.rules import block_lists
from pipelines.rules.block_lists import ListInputs
from pipelines.rules.list_rules import ListRules
from tests.histories import make_history  # noqa: F401 - a fixture, found by its name

BOUGHT = [("ann", "a"), ("ann", "b"), ("bob", "a"), ("cid", "c"), ("dan", "b"), ("dan", "a")]
NO_RULES = ListRules(
    item_ids=np.array(["a", "b", "c"]),
    depth=10,
    max_per_category=None,
    categories=np.full((3, 1), -1),
    diversity=0.0,
    similarity=None,
    pins=(),
)


class Staged(Popularity):
    """Popularity of two stages: its first lists what a user bought."""

    def list_candidates(self, history, *, exclude=None):
        return history.pairs()


def inputs_of(history, recommender):
    return ListInputs(recommender.fit(history), None, history, Exclusion(), NO_RULES)


@pytest.mark.parametrize("block_users", [1, 3, 20])
def test_blocks_are_joined_in_the_order_of_users(make_history, monkeypatch, block_users):  # noqa: F811 - the fixture
    monkeypatch.setattr(block_lists, "BLOCK_USERS", block_users)
    history = make_history(BOUGHT)
    made = made_lists(inputs_of(history, Staged()), 2, np.array([0, 2]), None)
    assert made.lists.items.tolist() == [[0, 1]] * 4
    assert made.lists.scores.tolist() == [[3.0, 2.0]] * 4
    assert made.lists.user_ids.tolist() == ["ann", "bob", "cid", "dan"]
    # of ann and cid
    assert made.candidates.toarray().tolist() == [[True, True, False], [False, False, True]]
    assert isinstance(made.candidates, sparse.csr_array) and made.seconds > 0


def test_candidates_are_those_that_were_asked_for(make_history):  # noqa: F811 - the fixture
    history = make_history(BOUGHT)
    assert made_lists(inputs_of(history, Staged()), 2, None, None).candidates is None
    one_stage = inputs_of(history, Popularity())
    assert made_lists(one_stage, 2, np.array([0]), None).candidates is None


def test_lists_of_nobody_are_empty(make_history):  # noqa: F811 - the fixture
    history = make_history(BOUGHT)
    inputs = inputs_of(history, Staged()).of(slice(0, 0))
    made = made_lists(inputs, 2, np.arange(0), None)
    assert made.lists.items.shape == (0, 2) and made.candidates.shape == (0, 3)
