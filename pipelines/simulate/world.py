"""People and items: who likes what, who visits how often, and how far people look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Dimensions of taste.
N_TASTES = 6
#: Names of the tastes, which are the items' categories.
TASTES = ("Garden", "Kitchen", "Toys", "Books", "Light", "Paper")


@dataclass(frozen=True)
class World:
    """The people and items of a shop, drawn once from a seed.

    Parameters
    ----------
    seed : int
    user_tastes : ndarray of float, shape (n_users, N_TASTES)
        How much a user likes each taste; rows sum to 1.
    item_tastes : ndarray of int, shape (n_items,)
        The taste of an item.
    item_appeal : ndarray of float, shape (n_items,)
        How well an item does with anybody; heavy-tailed.
    item_prices : ndarray of float, shape (n_items,)
    visit_rates : ndarray of float, shape (n_users,)
        Chance of a visit on a day.
    """

    seed: int
    user_tastes: np.ndarray
    item_tastes: np.ndarray
    item_appeal: np.ndarray
    item_prices: np.ndarray
    visit_rates: np.ndarray

    #: Chance that a person who has looked at one place looks at the next.
    looks_on = 0.85
    #: Chance that a click ends in a purchase, now or in the days after.
    buys_after_click = 0.25

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.user_tastes)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.item_tastes)

    def user_id(self, user: int) -> str:
        """Id of a user by position."""
        return f"u{user:06d}"

    def item_id(self, item: int) -> str:
        """Id of an item by position."""
        return f"i{item:05d}"

    def item_title(self, item: int) -> str:
        """Title of an item by position."""
        return f"{TASTES[self.item_tastes[item]]} thing {item}"

    def item_position(self, item_id: str) -> int:
        """Position of an item by id."""
        return int(item_id[1:])

    def click_chances(self, user: int, items: np.ndarray) -> np.ndarray:
        """Chance that a user clicks each of some items when looking at it.

        Parameters
        ----------
        user : int
        items : ndarray of int, shape (k,)

        Returns
        -------
        ndarray of float, shape (k,)
            At most 0.5, so that a lift of up to 100 % keeps it a chance.
        """
        liking = self.user_tastes[user, self.item_tastes[items]] * self.item_appeal[items]
        chances: np.ndarray = 0.01 + 0.45 * liking / (liking + 1.0)
        return chances

    def look_chances(self, k: int) -> np.ndarray:
        """Chance that each of the first k places is looked at; the first always is."""
        chances: np.ndarray = self.looks_on ** np.arange(k)
        return chances


def make_world(seed: int, n_users: int, n_items: int) -> World:
    """Draw a world.

    Parameters
    ----------
    seed : int
        The same seed and sizes give the same world.
    n_users, n_items : int

    Examples
    --------
    >>> world = make_world(7, n_users=3, n_items=5)
    >>> world.n_users, world.item_id(4), world.item_position("i00004")
    (3, 'i00004', 4)
    """
    rng = np.random.default_rng([seed, n_users, n_items])
    return World(
        seed=seed,
        user_tastes=rng.dirichlet(np.full(N_TASTES, 0.35), n_users),
        item_tastes=rng.integers(0, N_TASTES, n_items),
        item_appeal=rng.lognormal(-0.5, 0.9, n_items),
        item_prices=np.round(rng.lognormal(2.0, 0.6, n_items), 2),
        visit_rates=np.clip(rng.gamma(1.2, 0.2, n_users), 0.02, 0.9),
    )
