"""Titles and categories of items as TF-IDF vectors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from pipelines.features.item_versions import ItemAttributes

#: Prefix of a category, so that it is another token than the same word in a title.
CATEGORY_PREFIX = "category\x1f"


def weigh_titles(
    attributes: ItemAttributes,
    *,
    analyzer: str = "word",
    ngram_range: Sequence[int] = (1, 1),
    min_df: int = 1,
) -> sparse.csr_array:
    """TF-IDF vectors of items over the tokens of their titles and categories.

    Parameters
    ----------
    analyzer, ngram_range, min_df
        As in `ItemContent`.

    Returns
    -------
    csr_array of shape (n_items, n_tokens), float32
        Rows of length 1, or empty where nothing is known.

    Notes
    -----
    ``v_it = tf_it (1 + log((1 + n_items) / (1 + df_t)))``, divided by the length of v_i.

    References
    ----------
    G. Salton, C. Buckley (1988). Term-weighting Approaches in Automatic Text Retrieval.
    """
    if not (attributes.title.astype(bool).any() or attributes.category.astype(bool).any()):
        return sparse.csr_array((len(attributes.title), 0), dtype=np.float32)
    cut = TfidfVectorizer(analyzer=analyzer, ngram_range=tuple(ngram_range)).build_analyzer()
    documents = [
        cut(title) + [CATEGORY_PREFIX + category] * bool(category)
        for title, category in zip(attributes.title, attributes.category, strict=True)
    ]
    frequency = Counter(token for tokens in documents for token in set(tokens))
    vocabulary = sorted(token for token, count in frequency.items() if count >= min_df)
    if not vocabulary:
        return sparse.csr_array((len(documents), 0), dtype=np.float32)
    weigher = TfidfVectorizer(
        analyzer=list, vocabulary=vocabulary, dtype=np.float32, lowercase=False
    )
    vectors = sparse.csr_array(weigher.fit_transform(documents))
    vectors.sort_indices()
    return vectors
