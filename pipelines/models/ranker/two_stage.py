"""Two stages: several recommenders propose, boosted trees decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion, Explanation, Recommender, TopN, user_blocks
from pipelines.models.block_recommenders import BlockRecommender
from pipelines.models.composed import ComposedRecommender
from pipelines.models.folds import Fold, cut_folds
from pipelines.models.kernels.sampling import evenly_spaced
from pipelines.models.kernels.threads import in_threads
from pipelines.models.kernels.title_vectors import weigh_titles
from pipelines.models.parameters import choice_types, event_list, flag, number, require, whole
from pipelines.models.ranker.candidate_pairs import (
    PART_FEATURES,
    CandidateBlock,
    count_candidates,
    gather_candidates,
)
from pipelines.models.ranker.explained import explain_trees
from pipelines.models.ranker.features import FACT_FEATURES, read_facts, read_item_facts
from pipelines.models.ranker.titles import TITLE_FEATURES, read_likeness
from pipelines.models.ranker.trees import grow_trees, no_trees, sum_of_trees
from pipelines.models.scores import SparseScores

#: Items that a user chooses again, items that follow from those, and items in demand.
DEFAULT_PARTS: tuple[Mapping[str, Any], ...] = (
    {"recommender": "personal_frequency"},
    {"recommender": "item_rules"},
    {"recommender": "popularity", "params": {"half_life_days": 10.0}},
)
#: Most users whose candidates an explanation averages over, and most rows of them.
SAMPLE_USERS, SAMPLE_ROWS = 300, 2000


@dataclass(kw_only=True, eq=False)
class TwoStageRanker(ComposedRecommender, BlockRecommender):
    """Rank the candidates of other recommenders by boosted trees grown on earlier windows.

    Parameters
    ----------
    parts : sequence of mapping
        Recommenders that list candidates: ``{"recommender": key, "params": {...}}``.
    repeats : bool, default True
        Whether items a user met before are candidates and relevant while trees are grown. Set it
        as the placement does: False where known items are excluded.
    depth : int, default 50
        Items taken from each part for one user.
    n_folds : int, default 6
        Earlier cutoffs to learn from, at most.
    horizon_days : int, default 14
        Days from one fold to the next, and of the truth after each.
    truth_events : sequence of str, optional
        Events that make an item relevant; default the types of positive weight.
    max_users : int, default 3000
        Most users of one fold; of more, those with the lowest CRC-32 of their user_id.
    max_negatives : int, default 80
        Most irrelevant candidates of a user in a fold, drawn at random; all relevant ones are
        kept.
    n_iterations : int, default 200
        Trees of one model.
    n_seeds : int, default 1
        Models that are averaged.
    learning_rate, max_leaf_nodes, min_samples_leaf : float, default 0.06; int, default 31 and 100
    regularization : float, default 10.0
        L2 on the values of leaves.
    max_features : float, default 1.0
        Share of the features that a split may choose from.
    random_state : int, default 0
    event_weights : mapping of str to float
        Weight of one event of a type, for parts without their own; types of positive weight are
        the choices that features count.

    Attributes
    ----------
    parts_ : tuple of Recommender
        Fitted on the whole history.
    item_facts_ : ndarray of float32, shape (n_items, n_item_features)
        Features of items as of the cutoff.
    title_vectors_ : csr_array of shape (n_items, n_tokens), float32
        TF-IDF of the words and pairs of words in titles, as of the cutoff.
    trees_ : ndarray of float64, shape (n_nodes, 9)
        As `grow_trees` returns them; no rows if no earlier fold has a user to learn from, and
        then candidates are ranked by the sum of their reciprocal ranks over the parts.

    Notes
    -----
    Fold n is the history as it was known n horizons before the cutoff, and its truth is what
    users chose in the horizon after that: everything a fold holds is older than the cutoff. Parts
    are fitted anew for each fold. A row is a user and a candidate; its features are the scores
    and ranks that the parts give it, what `read_facts` knows of the item, the user and both, and
    how much the item's title resembles what the user chose (`read_likeness`).
    Every row of a user with t relevant items weighs ``1/√min(10, t)``, so that users with long
    truths do not decide alone. Users without a choice get no list.

    References
    ----------
    P. Covington, J. Adams, E. Sargin (2016). Deep Neural Networks for YouTube Recommendations.
    RecSys: candidate generation and ranking. G. Ke et al. (2017). LightGBM. NIPS: histogram-based
    boosting, as in scikit-learn.
    """

    strategy = "ranker"
    reason = "Fits what you chose before and what is chosen now"

    parts: Sequence[Mapping[str, Any]] = DEFAULT_PARTS
    repeats: bool = flag(True)
    depth: int = whole(50)
    n_folds: int = whole(6)
    horizon_days: int = whole(14)
    truth_events: Sequence[str] | None = event_list()
    max_users: int = whole(3000)
    max_negatives: int = whole(80)
    n_iterations: int = whole(200)
    n_seeds: int = whole(1)
    learning_rate: float = number(0.06, above=0)
    max_leaf_nodes: int = whole(31, at_least=2)
    min_samples_leaf: int = whole(100)
    regularization: float = number(10.0, at_least=0)
    max_features: float = number(1.0, above=0)
    random_state: int = whole(0, at_least=0)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns that trees split on, in order."""
        of_parts = [
            f"part_{number}_{part['recommender']}_{what}"
            for number, part in enumerate(self.parts, start=1)
            for what in PART_FEATURES
        ]
        return (*of_parts, *FACT_FEATURES, *TITLE_FEATURES)

    def _fit(self, history: Interactions) -> None:
        require(self.max_features <= 1, "max_features", self.max_features, "be at most 1")
        self.parts_, self.item_facts_, self.title_vectors_ = self._fit_first_stage(history)
        self.trees_ = self._learn(history)

    def _fit_first_stage(
        self, history: Interactions
    ) -> tuple[tuple[Recommender, ...], np.ndarray, sparse.csr_array]:
        """Fitted parts, features of items and title vectors, learned by several threads."""
        learners: list[Callable[[], Any]] = [
            *(partial(part.fit, history) for part in self.make_parts()),
            partial(read_item_facts, history, self.event_weights),
            partial(_read_titles, history),
        ]
        *parts, item_facts, titles = in_threads(lambda learn: learn(), learners)
        return tuple(parts), item_facts, titles

    def _learn(self, history: Interactions) -> np.ndarray:
        """Table of trees grown on all folds; empty where all rows or none are relevant."""
        rng = np.random.default_rng(self.random_state)
        features: list[np.ndarray] = []
        relevant: list[np.ndarray] = []
        weight: list[np.ndarray] = []
        for fold in self._folds(history):
            for found in self._fold_rows(fold, rng):
                for rows, kept in zip((features, relevant, weight), found, strict=True):
                    rows.append(kept)
        is_relevant = np.concatenate(relevant or [np.empty(0, dtype=bool)])
        if is_relevant.all() or not is_relevant.any():
            return no_trees()
        weights = np.concatenate(weight)
        return grow_trees(
            np.vstack(features),
            is_relevant,
            weights / weights.mean(),
            random_state=self.random_state,
            n_seeds=self.n_seeds,
            max_iter=self.n_iterations,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.max_leaf_nodes,
            min_samples_leaf=self.min_samples_leaf,
            l2_regularization=self.regularization,
            max_features=self.max_features,
        )

    def _folds(self, history: Interactions) -> Iterator[Fold]:
        events = self.truth_events
        return cut_folds(
            history,
            choice_types(self.event_weights) if events is None else events,
            horizon_days=self.horizon_days,
            n_folds=self.n_folds,
            repeats=self.repeats,
            max_users=self.max_users,
        )

    def _fold_rows(
        self, fold: Fold, rng: np.random.Generator
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Features, relevance and weight of the rows to learn from, block by block."""
        parts, item_facts, titles = self._fit_first_stage(fold.past)
        past = fold.past_of_users
        met = None if self.repeats else past.pairs()

        def gather(block: slice) -> tuple[slice, CandidateBlock]:
            exclude = Exclusion(met).select_users(block)
            some = past.select_users(block)
            return block, gather_candidates(parts, some, self.depth, exclude)

        blocks = user_blocks(count_candidates(parts, past, self.depth))
        for block, gathered in in_threads(gather, blocks, single_blas=True):
            some, truth = past.select_users(block), fold.truth[block]
            is_relevant = np.asarray(truth[gathered.user, gathered.item]).ravel()
            kept = _keep(gathered.user, is_relevant, self.max_negatives, rng)
            found = gathered.select(kept)
            features = self._describe(found, some, item_facts, titles)
            count = np.diff(truth.indptr)[found.user]
            # 1/√min(10, t)
            yield features, is_relevant[kept], 1.0 / np.sqrt(np.minimum(10, count))

    def _describe(
        self,
        found: CandidateBlock,
        history: Interactions,
        item_facts: np.ndarray,
        titles: sparse.csr_array,
    ) -> np.ndarray:
        facts = read_facts(history, self.event_weights, item_facts)
        likeness = read_likeness(history, self.event_weights, titles, found.user, found.item)
        return np.hstack([found.features, facts.read(found.user, found.item), likeness])

    def _rank(self, history: Interactions, k: int, exclude: Exclusion) -> TopN:
        items = np.full((history.n_users, k), -1, dtype=np.int32)
        scores = np.full((history.n_users, k), np.nan, dtype=np.float32)

        def rank_block(block: slice) -> None:
            found = self.score_candidates(
                history.select_users(block),
                Exclusion(exclude.select_users(block).pairs, exclude.items),
            )
            items[block], scores[block] = found.top_n(k)

        blocks = user_blocks(self.count_scores(history))
        for _ in in_threads(rank_block, blocks, single_blas=True):
            pass
        return TopN(history.user_ids, self.item_ids_, items, scores)

    def score_block(self, history: Interactions) -> SparseScores:
        """As `Recommender.score_block`: the candidates."""
        return self.score_candidates(history, Exclusion())

    def count_scores(self, history: Interactions) -> np.ndarray:
        """As `Recommender.count_scores`."""
        return count_candidates(self.parts_, history, self.depth)

    def score_candidates(self, history: Interactions, exclude: Exclusion) -> SparseScores:
        """Scores of the candidates of a history's users."""
        users, found = self.list_first_stage(history, exclude)
        value: np.ndarray = found.fused
        if len(self.trees_) and len(found.user):
            value = sum_of_trees(self.trees_, self.describe(found, history.select_users(users)))
        starts = np.searchsorted(users[found.user], np.arange(history.n_users + 1))
        scores = value.astype(np.float32)
        return SparseScores(sparse.csr_array((scores, found.item, starts), shape=history.shape))

    def list_first_stage(
        self, history: Interactions, exclude: Exclusion
    ) -> tuple[np.ndarray, CandidateBlock]:
        """Positions of users with a choice, and the candidates; their `user` points into those."""
        chooses = np.diff(history.matrix(self.event_weights).indptr) > 0
        users = np.flatnonzero(chooses)
        if exclude.pairs is not None:
            exclude = Exclusion(sparse.csr_array(exclude.pairs[users]), exclude.items)
        chosen = history.select_users(users)
        return users, gather_candidates(self.parts_, chosen, self.depth, exclude)

    def list_candidates(
        self, history: Interactions, *, exclude: Exclusion | None = None
    ) -> sparse.csr_array:
        """Items that the second stage ranks, by user; see `Recommender.list_candidates`."""
        rule = (exclude or Exclusion()).with_items(history.item_ids, self.item_ids_)
        known = history.with_items(self.item_ids_)
        position = pd.Index(history.item_ids).get_indexer(pd.Index(self.item_ids_))

        def list_block(block: slice) -> tuple[np.ndarray, np.ndarray]:
            users, found = self.list_first_stage(
                known.select_users(block), rule.select_users(block)
            )
            is_known = position[found.item] >= 0
            return users[found.user[is_known]] + block.start, position[found.item[is_known]]

        blocks = user_blocks(self.count_scores(known))
        rows, columns = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
        for row, column in in_threads(list_block, blocks, single_blas=True):
            rows.append(row)
            columns.append(column)
        row, column = np.concatenate(rows), np.concatenate(columns)
        ones = np.ones(len(row), dtype=bool)
        return sparse.csr_array((ones, (row, column)), shape=history.shape)

    def explain(self, history: Interactions) -> Explanation | None:
        """Explain which features decide; None if no tree was grown."""
        if not len(self.trees_):
            return None
        rows, user_count = self.sample_candidates(history)
        return explain_trees(self.trees_, self.feature_names, rows, user_count)

    def sample_candidates(self, history: Interactions) -> tuple[np.ndarray, int]:
        """Features of a sample of candidates, and the number of users they belong to.

        The sample takes users with a choice, evenly spaced in order of user_id, and evenly spaced
        ones of their candidates (those that `repeats` allows): equal histories, equal samples.
        """
        chooses = np.flatnonzero(np.diff(history.matrix(self.event_weights).indptr) > 0)
        past = history.with_items(self.item_ids_)
        past = past.select_users(chooses[evenly_spaced(len(chooses), SAMPLE_USERS)])
        exclude = Exclusion(None if self.repeats else past.pairs())
        described = []
        for block in user_blocks(self.count_scores(past)):
            some = past.select_users(block)
            users, found = self.list_first_stage(some, exclude.select_users(block))
            described.append(self.describe(found, some.select_users(users)))
        rows = np.vstack(described)
        return rows[evenly_spaced(len(rows), SAMPLE_ROWS)], past.n_users

    def describe(self, found: CandidateBlock, history: Interactions) -> np.ndarray:
        """Features of candidates of a history's users, in the order of `feature_names`."""
        return self._describe(found, history, self.item_facts_, self.title_vectors_)


def _read_titles(history: Interactions) -> sparse.csr_array:
    return weigh_titles(history.current_attributes(), ngram_range=(1, 2), min_df=2)


def _keep(
    user: np.ndarray, is_relevant: np.ndarray, max_negatives: int, rng: np.random.Generator
) -> np.ndarray:
    """Positions, ascending, of all relevant rows and of at most `max_negatives` others a user."""
    negative = np.flatnonzero(~is_relevant)
    draw = rng.random(len(user))[negative]
    order = negative[np.lexsort((draw, user[negative]))]
    owner = user[order]
    place = np.arange(len(order)) - np.searchsorted(owner, owner)
    return np.sort(np.concatenate([np.flatnonzero(is_relevant), order[place < max_negatives]]))
