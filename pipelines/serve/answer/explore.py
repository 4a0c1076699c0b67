"""Exploration: some answers swap one of the first items with a lower one, at known odds."""

from __future__ import annotations

import math
import random
from collections.abc import Collection
from dataclasses import dataclass

from pipelines.base.assignment import hash_digest

#: Least chance that a place keeps its item, at any allowed share; swapped items have less.
_LEAST_STAY = 0.5
#: Tolerance for chances that were rounded in the log.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class SwapOdds:
    """The places of a list that may swap items, and their chances.

    Places count from 0. A draw takes one of `slots`, each equally likely, and then one of the
    `places` below it, each equally likely.

    Parameters
    ----------
    share : float
        Share of requests in which a swap is drawn.
    slots : tuple of int
        Places among the first k that have a place below them to swap with.
    places : tuple of int
        Places that take part, in order: those of the first 2k without a pinned item.
    """

    share: float
    slots: tuple[int, ...]
    places: tuple[int, ...]

    def below(self, slot: int) -> tuple[int, ...]:
        """Places that a slot may swap with."""
        return tuple(place for place in self.places if place > slot)

    def swap_chance(self, one: int, other: int) -> float:
        """Chance that two places are swapped; 0 where they never are."""
        slot, lower = min(one, other), max(one, other)
        if slot not in self.slots or lower not in self.below(slot):
            return 0.0
        return self.share / (len(self.slots) * len(self.below(slot)))

    def stay_chance(self, place: int) -> float:
        """Chance that a place holds the item that the list has there."""
        return 1.0 - sum(self.swap_chance(place, other) for other in self.places if other != place)

    def shown_chance(self, list_place: int, shown_place: int) -> float:
        """Chance that the item of one place of the list is shown at a place."""
        if list_place == shown_place:
            return self.stay_chance(list_place)
        return self.swap_chance(list_place, shown_place)


def swap_odds(length: int, pinned: Collection[int], depth: int, share: float) -> SwapOdds:
    """Find the places of a list that may swap items.

    Parameters
    ----------
    length : int
        Items that are shown; only these swap, so the log has both items of a swap.
    pinned : collection of int
        Places, from 0, whose items stay.
    depth : int
        k: a slot is one of the first k places and swaps with one of the first 2k.
    share : float
    """
    places = tuple(place for place in range(min(2 * depth, length)) if place not in pinned)
    slots = tuple(place for place in places[:-1] if place < depth)
    return SwapOdds(share, slots, places)


def read_propensities(
    propensities: tuple[float, ...], depth: int
) -> tuple[SwapOdds, tuple[int, int] | None] | None:
    """Recover an answer's swap odds, and the swap that was drawn, from its logged propensities.

    Parameters
    ----------
    propensities : tuple of float
        Of the items, in the order in which they were shown.
    depth : int
        k of the settings.

    Returns
    -------
    (SwapOdds, (int, int) or None) or None
        None if no draw of such a list has these chances: it was logged under another depth.
    """
    pinned = {place for place, chance in enumerate(propensities) if chance == 1.0}
    odds = swap_odds(len(propensities), pinned, depth, 1.0)
    if not odds.slots:
        return None
    moved = [place for place, chance in enumerate(propensities) if chance < _LEAST_STAY]
    swap = (moved[0], moved[1]) if len(moved) == 2 else None  # noqa: PLR2004  # a swap is of two
    if swap is not None and (unit := odds.swap_chance(*swap)) > 0:
        share = propensities[swap[0]] / unit
    else:
        share = (1.0 - propensities[odds.slots[0]]) * len(odds.slots)
    odds = SwapOdds(share, odds.slots, odds.places)
    order = shown_order(len(propensities), swap)
    expected = [odds.shown_chance(was, now) for now, was in enumerate(order)]
    is_same = all(
        math.isclose(one, other, abs_tol=_ROUNDING)
        for one, other in zip(expected, propensities, strict=True)
    )
    return (odds, swap) if is_same else None


def shown_order(length: int, swap: tuple[int, int] | None) -> list[int]:
    """Places of the list in the order they are shown."""
    order = list(range(length))
    if swap is not None:
        one, other = swap
        order[one], order[other] = other, one
    return order


def draw_swap(odds: SwapOdds, request_id: str) -> tuple[int, int] | None:
    """Draw the two places that swap in an answer; None in most answers.

    Parameters
    ----------
    odds : SwapOdds
    request_id : str
        Seeds the draw, so that the log's reader can repeat it.
    """
    if not odds.slots:
        return None
    draw = random.Random(hash_digest(f"{request_id}:swap"))
    if draw.random() >= odds.share:
        return None
    slot = draw.choice(odds.slots)
    return slot, draw.choice(odds.below(slot))
