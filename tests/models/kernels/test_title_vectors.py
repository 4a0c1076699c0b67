from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipelines.features.interactions import Interactions
from pipelines.models.kernels.title_vectors import weigh_titles

TITLES = {"a": "red cup", "b": "red jar", "c": ""}


def test_rows_have_length_one_and_rare_words_weigh_more(
    make_history: Callable[..., Interactions],
) -> None:
    vectors = weigh_titles(make_history([], items="abc", titles=TITLES).current_attributes())
    cup, jar, red = 0, 1, 2  # tokens by name
    np.testing.assert_allclose(np.linalg.norm(vectors.toarray(), axis=1), [1, 1, 0], rtol=1e-6)
    # tf (1 + log((1 + n) / (1 + df))), n = 3 items
    rare, common = 1 + np.log(4 / 2), 1 + np.log(4 / 3)
    np.testing.assert_allclose(vectors[[0], [cup]] / vectors[[0], [red]], rare / common, rtol=1e-6)
    assert vectors[[0], [jar]] == 0


def test_words_of_few_items_are_left_out(make_history: Callable[..., Interactions]) -> None:
    attributes = make_history([], items="abc", titles=TITLES).current_attributes()
    assert weigh_titles(attributes, min_df=2).toarray().tolist() == [[1.0], [1.0], [0.0]]


def test_without_titles_there_are_no_tokens(make_history: Callable[..., Interactions]) -> None:
    attributes = make_history([], items="abc", titles={}).current_attributes()
    assert weigh_titles(attributes).shape == (3, 0)
