"""Order-aware item-to-item rules: what is chosen with an item, and in the baskets after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.base import Recommender
from pipelines.models.baskets import Baskets, read_baskets
from pipelines.models.parameters import number, whole


@dataclass(kw_only=True, eq=False)
class ItemRules(Recommender):
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
    event_weights : mapping of str to float
        Weight of one event of a type; types of positive weight are choices.

    Attributes
    ----------
    rules_ : csr_array of shape (n_items, n_items), float32
        R, row "from", column "to", without the diagonal.

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

    def _fit(self, history: Interactions) -> None:
        baskets = read_baskets(history, self.event_weights)
        rules = self._count(baskets).tocoo()
        count = np.bincount(baskets.items.indices, minlength=history.n_items).astype(np.float64)
        off = rules.row != rules.col
        row, column, value = rules.row[off], rules.col[off], rules.data[off]
        # R_ij = (w C_ij + Σ N_g / g) / (n_i n_j^β)
        scaled = value / (count[row] * count[column] ** self.popularity_exponent)
        self.rules_ = sparse.csr_array(
            (scaled.astype(np.float32), (row, column)), shape=rules.shape
        )
        self.rules_.sort_indices()

    def _count(self, baskets: Baskets) -> sparse.csr_array:
        """W C + sum over gaps of N_g / g, each pair of baskets decayed by the age of the later."""
        items = baskets.items.astype(np.float64)
        decay = np.ones(len(baskets.user))
        if self.half_life_days is not None:
            decay = np.exp2(-baskets.age_days / self.half_life_days)
        recent = sparse.csr_array(sparse.diags_array(decay) @ items)
        total = self.together_weight * (items.T @ recent)
        for gap in range(1, min(self.max_gap, len(baskets.user) - 1) + 1):
            follows = np.flatnonzero(baskets.user[gap:] == baskets.user[:-gap])
            total = total + (items[follows].T @ recent[follows + gap]) / gap
        return sparse.csr_array(total)

    def _score(self, history: Interactions) -> np.ndarray:
        baskets = read_baskets(history, self.event_weights)
        weight = (self.basket_decay ** baskets.place.astype(np.float64)).astype(np.float32)
        owner = sparse.csr_array(
            (weight, (baskets.user, np.arange(len(weight)))),
            shape=(history.n_users, len(weight)),
        )
        scores = (owner @ baskets.items @ self.rules_).toarray(order="C").astype(np.float32)
        scores[scores <= 0] = -np.inf
        return scores
