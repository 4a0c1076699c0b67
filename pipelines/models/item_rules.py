"""Order-aware item-to-item rules: what is chosen with an item, and in the baskets after it."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.baskets import Baskets, read_baskets
from pipelines.models.block_recommenders import BlockRecommender, count_reached
from pipelines.models.kernels.neighbors import stack_rows
from pipelines.models.kernels.signals import bound_products, cut_products, sparse_product
from pipelines.models.kernels.sparse_top_n import nearest_of_rows
from pipelines.models.kernels.threads import in_threads
from pipelines.models.parameters import number, whole
from pipelines.models.scores import SparseScores


@dataclass(kw_only=True, eq=False)
class ItemRules(BlockRecommender):
    """Recommend what others chose together with, or soon after, a user's latest baskets.

    Parameters
    ----------
    max_gap : int, default 3
        A rule leads from one basket to at most this many baskets later.
    together_weight : float, default 1.0
        Weight of being in the same basket; a basket g later weighs 1/g.
    popularity_exponent : float, default 0.5
        β; the larger, the less popular items gain from being popular.
    basket_decay : float, default 0.7
        A user's last basket counts 1, the one before it this much, and so on.
    half_life_days : float, optional
        A pair of baskets this old counts half when rules are learned.
    n_neighbors : int, optional
        Rules kept per item that leads to others, the strongest; without it, all. Bounds memory
        where many items are chosen together.
    event_weights : mapping of str to float
        Weight of one event of a type; types of positive weight are choices.

    Attributes
    ----------
    rules_ : csr_array of shape (n_items, n_items), float32
        R, row "from", column "to", without the diagonal; equal rules are kept by lowest column.

    Notes
    -----
    ``R_ij = (w C_ij + sum over gaps g: N_g(i, j) / g) / (n_i n_j^β)``, where C counts (decayed)
    baskets with both items, N_g pairs of baskets of one user g apart with i in the earlier and j
    in the later one, and n baskets with an item. ``score(u, j) = sum over the user's baskets b,
    place 0 the last: decay^place(b) * sum over i in b: R_ij``. Users without choices get no list.

    References
    ----------
    The gap weight 1/g is that of sequential rules: M. Ludewig, D. Jannach (2018). Evaluation of
    Session-based Recommendation Algorithms. UMUAI 28.
    """

    strategy = "item_rules"
    reason = "Often chosen with or after what you took last"

    max_gap: int = whole(3, at_least=0)
    together_weight: float = number(1.0, at_least=0)
    popularity_exponent: float = number(0.5, at_least=0)
    basket_decay: float = number(0.7, above=0)
    half_life_days: float | None = number(None, above=0, optional=True)
    n_neighbors: int | None = whole(None, optional=True)

    def _fit(self, history: Interactions) -> None:
        baskets = read_baskets(history, self.event_weights)
        by_item = baskets.items.astype(np.float64).T.tocsr()
        after = self._after(baskets)
        count = np.diff(by_item.indptr).astype(np.float64)
        add_up = partial(reduce, operator.add)
        n_kept = history.n_items if self.n_neighbors is None else self.n_neighbors

        def learn(rows: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            # w C_ij + Σ N_g / g
            total = add_up(
                sparse_product(by_item[rows], following) * times / over
                for following, times, over in after
            )
            row = np.repeat(np.arange(rows.start, rows.stop), np.diff(total.indptr))
            # R_ij = (w C_ij + Σ N_g / g) / (n_i n_j^β)
            total.data /= count[row] * count[total.indices] ** self.popularity_exponent
            rules = total.astype(np.float32)
            rules.data[row == rules.indices] = -np.inf
            return nearest_of_rows(rules, n_kept)

        bounds = add_up(bound_products(by_item, following) for following, _, _ in after)
        blocks = in_threads(learn, cut_products(bounds))
        self.rules_ = stack_rows(blocks, (history.n_items, history.n_items))

    def _after(self, baskets: Baskets) -> list[tuple[sparse.csr_array, float, int]]:
        """What follows every basket, decayed by the age of the later one, and its w and 1/g.

        Rows are baskets: first their own items, then those g baskets later.
        """
        decay = np.ones(len(baskets.user))
        if self.half_life_days is not None:
            decay = np.exp2(-baskets.age_days / self.half_life_days)
        recent = sparse.csr_array(sparse.diags_array(decay) @ baskets.items.astype(np.float64))
        after = [(recent, self.together_weight, 1)]
        for gap in range(1, min(self.max_gap, len(baskets.user) - 1) + 1):
            earlier = np.flatnonzero(baskets.user[gap:] == baskets.user[:-gap])
            ones = np.ones(len(earlier))
            step = sparse.csr_array((ones, (earlier, earlier + gap)), shape=(len(decay),) * 2)
            after.append((sparse.csr_array(step @ recent), 1.0, gap))
        return after

    def score_block(self, history: Interactions) -> SparseScores:
        """As `Recommender.score_block`: what rules lead to from a user's baskets."""
        baskets = read_baskets(history, self.event_weights)
        weight = (self.basket_decay ** baskets.place.astype(np.float64)).astype(np.float32)
        owner = sparse.csr_array(
            (weight, (baskets.user, np.arange(len(weight)))),
            shape=(history.n_users, len(weight)),
        )
        return SparseScores(sparse_product(owner @ baskets.items, self.rules_))

    def count_scores(self, history: Interactions) -> np.ndarray:
        """As `Recommender.count_scores`."""
        return count_reached(history, np.diff(self.rules_.indptr))
