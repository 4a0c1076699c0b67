"""A day of a simulated shop: people come, look at their list, click, and buy now or later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from pipelines.simulate.past import moment_of, visitors
from pipelines.simulate.shops import Shop
from pipelines.simulate.world import World

#: Items a person is shown.
LIST_LENGTH = 10
#: Days after a click in which a purchase may still come.
LATEST_DAYS = 5

#: From a user_id to that user's published list in each arm.
ListsOf = Callable[[str], Mapping[str, list[str]]]


@dataclass
class DayTruth:
    """What people really did on a day.

    Parameters
    ----------
    day : date
    served : list of dict
        One entry per answer: ``request_id``, ``user_id``, ``at``, ``variant``, ``items``.
    impressions, clicks : list of (str, str)
        request_id and item_id.
    purchases : list of dict
        Those that happen on this day or later: ``user_id``, ``item_id``, ``at``.
    expected_clicks : dict of str to float
        By arm: clicks to be expected of all visitors of the day, had all been in it.
    expected_impressions : float
        Places looked at, to be expected; the same in every arm.
    """

    day: date
    served: list[dict[str, Any]] = field(default_factory=list)
    impressions: list[tuple[str, str]] = field(default_factory=list)
    clicks: list[tuple[str, str]] = field(default_factory=list)
    purchases: list[dict[str, Any]] = field(default_factory=list)
    expected_clicks: dict[str, float] = field(default_factory=dict)
    expected_impressions: float = 0.0


def simulate_day(
    world: World,
    day: date,
    shop: Shop,
    placement: str,
    *,
    lifts: Mapping[str, float] | None = None,
    lists_of: ListsOf | None = None,
) -> DayTruth:
    """Simulate one day: people come, look at a list, click and buy.

    Parameters
    ----------
    world : World
    day : date
    shop : Shop
        Answers, and takes what people did.
    placement : str
        The list they look at.
    lifts : mapping of str to float, optional
        By arm: how much likelier its users click, a planted effect of the arm itself.
    lists_of : callable, optional
        Published lists by arm; then the truth has the clicks to be expected in each.

    Notes
    -----
    Who comes, and how far they look, is drawn from the seed, the day and the user alone, so it does
    not depend on what they are shown.
    """
    truth = DayTruth(day)
    users = visitors(world, day)
    for place, user in enumerate(users.tolist()):
        at = moment_of(day, place, len(users))
        answer = shop.recommend(world.user_id(user), placement, LIST_LENGTH, at)
        visit = _Visit(
            world,
            user,
            at,
            request_id=answer["request_id"],
            items=[row["item_id"] for row in answer["items"]],
            variant=(answer["experiment"] or {}).get("variant", "control"),
        )
        truth.served.append(
            {
                **{"request_id": visit.request_id, "user_id": visit.user_id},
                **{"at": at.isoformat(), "variant": visit.variant, "items": visit.items},
            }
        )
        shop.take_events(visit.look(truth, lifts or {}), at)
        if lists_of is not None:
            _expect(world, truth, user, lists_of(world.user_id(user)), lifts or {})
    return truth


def purchase_event(purchase: Mapping[str, Any]) -> dict[str, Any]:
    """A purchase as the API takes it."""
    return {
        "event_id": purchase["event_id"],
        "event_type": "purchase",
        "user_id": purchase["user_id"],
        "item_id": purchase["item_id"],
        "event_at": purchase["at"],
        "value": 1.0,
        "price": purchase["price"],
    }


@dataclass(frozen=True)
class _Visit:
    """One person looking at one answer."""

    world: World
    user: int
    at: datetime
    request_id: str
    items: list[str]
    variant: str

    @property
    def user_id(self) -> str:
        return self.world.user_id(self.user)

    def look(self, truth: DayTruth, lifts: Mapping[str, float]) -> list[dict[str, Any]]:
        """Events of the visit; those of later days go to the truth only."""
        world = self.world
        rng = np.random.default_rng([world.seed, self.at.date().toordinal(), self.user, 1])
        looked = 1 + int(np.cumprod(rng.random(LIST_LENGTH - 1) < world.looks_on).sum())
        luck = rng.random((LIST_LENGTH, 2))
        delay = rng.integers(0, LATEST_DAYS + 1, LIST_LENGTH)
        seen = self.items[:looked]
        positions = np.array([world.item_position(item) for item in seen], dtype=int)
        chances = world.click_chances(self.user, positions) * (1 + lifts.get(self.variant, 0.0))
        rows = []
        for rank, item in enumerate(seen):
            rows.append(self._reaction("impression", rank))
            truth.impressions.append((self.request_id, item))
            if luck[rank, 0] < chances[rank]:
                rows.append(self._reaction("click", rank))
                truth.clicks.append((self.request_id, item))
                if luck[rank, 1] < world.buys_after_click:
                    truth.purchases.append(self._purchase(rank, int(delay[rank])))
        return rows

    def _seen_at(self, rank: int) -> datetime:
        return self.at + timedelta(seconds=2 * rank)

    def _reaction(self, kind: str, rank: int) -> dict[str, Any]:
        return {
            "event_id": f"{self.request_id}:{rank + 1}:{kind}",
            "event_type": kind,
            "user_id": self.user_id,
            "item_id": self.items[rank],
            "event_at": self._seen_at(rank).isoformat(),
            "request_id": self.request_id,
            "position": rank + 1,
        }

    def _purchase(self, rank: int, days_later: int) -> dict[str, Any]:
        bought_at = self._seen_at(rank) + timedelta(days=days_later, minutes=3)
        item = self.items[rank]
        return {
            "event_id": f"{self.request_id}:{rank + 1}:purchase",
            "user_id": self.user_id,
            "item_id": item,
            "at": bought_at.isoformat(),
            "price": float(self.world.item_prices[self.world.item_position(item)]),
        }


def _expect(
    world: World,
    truth: DayTruth,
    user: int,
    lists: Mapping[str, list[str]],
    lifts: Mapping[str, float],
) -> None:
    """Add a visitor's expected clicks in each arm."""
    for arm, items in lists.items():
        positions = np.array([world.item_position(item) for item in items[:LIST_LENGTH]], dtype=int)
        chances = world.click_chances(user, positions) * (1 + lifts.get(arm, 0.0))
        expected = float(chances @ world.look_chances(len(positions)))
        truth.expected_clicks[arm] = truth.expected_clicks.get(arm, 0.0) + expected
    truth.expected_impressions += float(world.look_chances(LIST_LENGTH).sum())
