"""Users and items of a generated log: planted tastes, and popularity by day.

Probability that a look of a session is at an item, on a day:

    P(item | session) = p · popularity(item, day) + (1 − p) · liked(item | taste of session, day)

A user has one to five of 48 tastes, so the matrix of users and items is of low rank; an item
belongs to one or two. Popularity is a Zipf law times a wave of each item's own, so the head of the
catalogue changes through the year; a fifth of the items appear in the course of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

N_TASTES = 48
MAX_TASTES_OF_USER = 5
#: Days between two launches of items.
LAUNCH_EVERY_DAYS = 7
#: Share of the items, and of the users, that appear after the first day.
LATE_ITEM_SHARE = 0.2
LATE_USER_SHARE = 0.4
#: Share of the users who leave for good before the log ends.
LEAVER_SHARE = 0.3
_ZIPF_EXPONENT = 0.9
_ZIPF_SHIFT = 10.0
_ACTIVITY_SIGMA = 1.2
_DRIFT = 1.2
_DRIFT_DAYS = (60.0, 365.0)

_FIRST_WORDS = ("small", "large", "plain", "striped", "painted", "folding", "vintage", "light")
_MATERIALS = ("oak", "cotton", "steel", "glass", "paper", "wool", "clay", "linen")
_THINGS = ("lamp", "bowl", "chair", "mug", "basket", "frame", "candle", "clock")
_COLOURS = ("red", "blue", "green", "white", "black", "yellow", "grey", "pink")


@dataclass(frozen=True)
class SyntheticWorld:
    """Users and items of a generated log.

    Parameters
    ----------
    user_activity : ndarray of shape (n_users,)
        Weight of a user among those who come on a day.
    user_first_day, user_last_day : ndarray of shape (n_users,)
        Days since the log's first, between which the user comes.
    user_tastes : ndarray of shape (n_users, MAX_TASTES_OF_USER)
        Taste of each of a user's slots.
    user_taste_count : ndarray of shape (n_users,)
        How many of the slots count.
    item_weight : ndarray of shape (n_items,)
        Popularity before drift.
    item_launch_day : ndarray of shape (n_items,)
        Days since the log's first.
    item_phase, item_period_days : ndarray of shape (n_items,)
        Phase and period of the wave of its popularity.
    item_price : ndarray of shape (n_items,)
    member_taste, member_item, member_share : ndarray of shape (n_members,)
        An item's share in a taste; sorted by taste.
    """

    user_activity: np.ndarray
    user_first_day: np.ndarray
    user_last_day: np.ndarray
    user_tastes: np.ndarray
    user_taste_count: np.ndarray
    item_weight: np.ndarray
    item_launch_day: np.ndarray
    item_phase: np.ndarray
    item_period_days: np.ndarray
    item_price: np.ndarray
    member_taste: np.ndarray
    member_item: np.ndarray
    member_share: np.ndarray

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.user_activity)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.item_weight)

    def item_popularity(self, day: int) -> np.ndarray:
        """Popularity of all items on a day, 0 before an item's launch, shape (n_items,)."""
        wave = np.sin(2 * np.pi * (day / self.item_period_days + self.item_phase))
        return self.item_weight * np.exp(_DRIFT * wave) * (self.item_launch_day <= day)

    def user_weights(self, day: int) -> np.ndarray:
        """Activity of all users on a day, 0 while they are not there, shape (n_users,)."""
        is_there = (self.user_first_day <= day) & (day <= self.user_last_day)
        return self.user_activity * is_there

    def titles(self) -> list[str]:
        """A title for each item; words are shared within and across tastes."""
        main_taste = self.main_tastes()
        number = np.arange(self.n_items)
        thing = (main_taste + 7 * (number % 3)) % len(_THINGS)
        material = (main_taste // 4 + number // 3 % 3) % len(_MATERIALS)
        first, colour = number // 9 % len(_FIRST_WORDS), number // 5 % len(_COLOURS)
        return [
            f"{_FIRST_WORDS[a]} {_COLOURS[b]} {_MATERIALS[c]} {_THINGS[d]} {n}"
            for n, (a, b, c, d) in enumerate(zip(first, colour, material, thing, strict=True))
        ]

    def main_tastes(self) -> np.ndarray:
        """The taste that an item has the larger share in, shape (n_items,)."""
        order = np.lexsort((self.member_share, self.member_item))
        is_last = np.append(np.diff(self.member_item[order]) != 0, True)
        main: np.ndarray = self.member_taste[order][is_last]
        return main


def draw_world(rng: np.random.Generator, n_users: int, n_items: int, n_days: int) -> SyntheticWorld:
    """Draw the users and items of a log.

    Parameters
    ----------
    rng : numpy.random.Generator
    n_users, n_items, n_days : int
        At least 1, `N_TASTES` and 1.

    Returns
    -------
    SyntheticWorld
    """
    comes_late = rng.random(n_users) < LATE_USER_SHARE
    first_day = np.where(comes_late, rng.integers(0, n_days, n_users), 0)
    leaves = rng.random(n_users) < LEAVER_SHARE
    last_day = np.where(leaves, rng.integers(first_day, n_days), n_days)
    activity = rng.lognormal(0.0, _ACTIVITY_SIGMA, n_users)
    # somebody is there on every day, whatever was drawn
    first_day[0], last_day[0] = 0, n_days
    is_late_item = rng.random(n_items) < LATE_ITEM_SHARE
    launch_day = rng.integers(0, n_days, n_items) // LAUNCH_EVERY_DAYS * LAUNCH_EVERY_DAYS
    weight = rng.permutation((np.arange(n_items) + 1 + _ZIPF_SHIFT) ** -_ZIPF_EXPONENT)
    taste, item, share = _draw_members(rng, n_items)
    launch_day = np.where(is_late_item, launch_day, 0)
    launch_day[:N_TASTES] = 0  # their main tastes are all tastes: none is ever empty
    return SyntheticWorld(
        user_activity=activity,
        user_first_day=first_day,
        user_last_day=last_day,
        user_tastes=rng.integers(0, N_TASTES, (n_users, MAX_TASTES_OF_USER)),
        user_taste_count=rng.integers(1, MAX_TASTES_OF_USER + 1, n_users),
        item_weight=weight,
        item_launch_day=launch_day,
        item_phase=rng.random(n_items),
        item_period_days=rng.uniform(*_DRIFT_DAYS, n_items),
        item_price=rng.lognormal(2.3, 0.8, n_items).round(2) + 0.5,
        member_taste=taste,
        member_item=item,
        member_share=share,
    )


def _draw_members(
    rng: np.random.Generator, n_items: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the tastes of items: half have one, half two with 50 to 90 % in the main one."""
    item = np.arange(n_items)
    main = np.where(item < N_TASTES, item, rng.integers(0, N_TASTES, n_items))
    second = (main + rng.integers(1, N_TASTES, n_items)) % N_TASTES
    in_two = np.flatnonzero(rng.integers(0, 2, n_items))
    main_share = np.ones(n_items)
    main_share[in_two] = rng.uniform(0.5, 0.9, len(in_two))
    taste = np.concatenate([main, second[in_two]])
    members = np.concatenate([item, in_two])
    share = np.concatenate([main_share, 1 - main_share[in_two]])
    order = np.lexsort((members, taste))
    return taste[order], members[order], share[order]
