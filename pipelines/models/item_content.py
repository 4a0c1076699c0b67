"""Content-based: items whose titles and categories resemble those of a user's history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.base import InterestRecommender
from pipelines.models.block_recommenders import BlockRecommender, count_reached
from pipelines.models.kernels.signals import sparse_product
from pipelines.models.kernels.title_vectors import weigh_titles
from pipelines.models.parameters import choice, number, require, whole
from pipelines.models.personal_frequency import scale_popularity
from pipelines.models.popularity import sum_popularity
from pipelines.models.scores import SparseScores

ANALYZERS = ("word", "char_wb")


@dataclass(kw_only=True, eq=False)
class ItemContent(InterestRecommender, BlockRecommender):
    """Recommend items whose titles and categories resemble those of a history.

    Parameters
    ----------
    analyzer : {"word", "char_wb"}, default "word"
        Whether titles are cut into words or into runs of characters within words.
    ngram_range : sequence of two int, default (1, 1)
        Shortest and longest run of words or characters that is one token.
    min_df : int, default 1
        Tokens in fewer items are left out.
    popularity_weight : float, default 0.0
        Added to the score of the most popular item; less to others, by their popularity.
    popularity_half_life_days : float, optional
        An event this old counts half in that popularity.
    freshness_weight : float, default 0.0
        Added to the score of an item that is new in the shop; less to others, by their age.
    freshness_half_life_days : float, default 30.0
        Age at which half of that is added.
    half_life_days, clip, event_weights : as in `InterestRecommender`

    Attributes
    ----------
    vectors_ : csr_array of shape (n_items, n_tokens), float32
        TF-IDF of every item's tokens, of length 1; an empty row where nothing is known.
    bonus_ : ndarray of float32, shape (n_items,)
        What popularity and freshness add to an item's scores.

    Notes
    -----
    v_i is the item's TF-IDF (`weigh_titles`): the tokens of its title and one for its category, as
    the cutoff of `fit` knows them. A user's profile is ``p_u = sum over i: x_ui v_i`` with x the
    user's interest, and

    ``score(u, i) = cos(p_u, v_i) + w_p pop(i) / (1 + max pop) + w_f 2 ** (-age(i) / half_life)``.

    None of this needs events with the item itself, so an item is listed from the first cutoff
    that knows its title. Items that share no token with the profile are not listed, whatever
    their bonus. Users without weighted events get no list. Where no titles and categories are
    known, every list is empty.

    References
    ----------
    P. Lops, M. de Gemmis, G. Semeraro (2011). Content-based Recommender Systems: State of the Art
    and Trends. Recommender Systems Handbook.
    """

    strategy = "item_content"
    reason = "Resembles what you chose"

    analyzer: str = choice("word", ANALYZERS)
    ngram_range: Sequence[int] = (1, 1)
    min_df: int = whole(1)
    popularity_weight: float = number(0.0, at_least=0)
    popularity_half_life_days: float | None = number(None, above=0, optional=True)
    freshness_weight: float = number(0.0, at_least=0)
    freshness_half_life_days: float = number(30.0, above=0)

    def _fit(self, history: Interactions) -> None:
        _check_ngram_range(self.ngram_range)
        self.vectors_ = weigh_titles(
            history.current_attributes(),
            analyzer=self.analyzer,
            ngram_range=self.ngram_range,
            min_df=self.min_df,
        )
        self.bonus_ = self._bonus(history)

    def _bonus(self, history: Interactions) -> np.ndarray:
        popularity = scale_popularity(
            sum_popularity(history, self.event_weights, self.popularity_half_life_days)
        )
        age = history.item_attributes.first_known_age_days(history.n_items)
        np.maximum.at(age, history.item, history.age_days)
        freshness = np.exp2(-age / self.freshness_half_life_days)
        bonus = self.popularity_weight * popularity + self.freshness_weight * freshness
        return bonus.astype(np.float32)

    def score_block(self, history: Interactions) -> SparseScores:
        """As `Recommender.score_block`: items that share a token with the history."""
        profile = sparse.csr_array(self._interest(history) @ self.vectors_)
        length = np.sqrt(np.asarray(profile.power(2).sum(axis=1)))
        # cos(p_u, v_i) = p_u·v_i / |p_u|, as |v_i| = 1
        scores = sparse_product(profile, self.vectors_.T.tocsr())
        owner = np.repeat(np.arange(history.n_users), np.diff(scores.indptr))
        scores.data /= np.maximum(length, np.finfo(np.float32).tiny)[owner]
        is_alike = scores.data > 0
        scores.data += self.bonus_[scores.indices]
        scores.data[~is_alike] = -np.inf
        return SparseScores(scores)

    def count_scores(self, history: Interactions) -> np.ndarray:
        """As `Recommender.count_scores`."""
        items_with = np.bincount(self.vectors_.indices, minlength=self.vectors_.shape[1])
        total = np.concatenate([[0], np.cumsum(items_with[self.vectors_.indices])])
        return count_reached(history, np.diff(total[self.vectors_.indptr]))


def _check_ngram_range(value: Any) -> None:
    """Refuse an `ngram_range` other than two whole numbers from 1 on, the smaller first."""
    match value:
        case [int(shortest), int(longest)] if 1 <= shortest <= longest:
            return
    require(False, "ngram_range", value, "be two whole numbers from 1 on, the shorter first")
