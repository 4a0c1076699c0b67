"""Why an item is not in a user's list, or where it would stand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pipelines.ask.why_night import LiveNight
from pipelines.ask.why_ranking import Ranking
from pipelines.base.expressions import attributes_of, parse_condition
from pipelines.base.settings_sections import PlacementSettings
from pipelines.rules.eligibility import Eligibility

#: Rules that only move items, as the settings name them.
MOVING_RULES = ("boosts", "max_per_category", "diversity", "pinned")


@dataclass(frozen=True)
class ItemReasons:
    """Reasons why single items are, or are not, in one user's list.

    Parameters
    ----------
    night : LiveNight
    placement : str
    user_id : str
    rules : PlacementSettings
    kept : set of str
        Items that the placement's rule keeps from the user.
    events : dict of str to list of dict
        The events because of which they are kept, by item_id; empty if the snapshot is gone.
    ranking : Ranking
        The list ranked again.
    """

    night: LiveNight
    placement: str
    user_id: str
    rules: PlacementSettings
    kept: set[str]
    events: dict[str, list[dict[str, Any]]]
    ranking: Ranking

    def reasons(self, item_id: str, known: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """Every reason why an item is not in the list.

        Parameters
        ----------
        item_id : str
            Not in the list.
        known : dict of str to dict
            What `LiveNight.items` found of it.

        Returns
        -------
        list of dict
            ``rule`` (``exclude``, ``show_items_without_feed``, ``is_available``, ``eligible``, one
            of `MOVING_RULES`, ``below_the_end``, ``not_ranked``, ``not_known``) and ``in_words``;
            ``events`` with ``exclude``, ``rank`` with ``below_the_end`` and the rules that move.
        """
        found = []
        if item_id in self.kept:
            found.append(self._kept(item_id))
        if item_id in self.night.without_feed(self.placement):
            words = f"it is in no items feed, and {feed_in_words(self.rules)}"
            found.append({"rule": "show_items_without_feed", "in_words": words})
        if known.get(item_id, {}).get("is_available") is False:
            words = "it was not available, so nobody is shown it"
            found.append({"rule": "is_available", "in_words": words})
        found += self._not_eligible(item_id, known.get(item_id, {}))
        return found or [self._place(item_id)]

    def _not_eligible(self, item_id: str, known: dict[str, Any]) -> list[dict[str, Any]]:
        """The conditions that do not hold, each with the values that it reads."""
        if not self.rules.eligible:
            return []
        item = {**known, **self.night.item_attributes(item_id), "item_id": item_id}
        user = self.night.person(self.user_id)
        return [
            {
                "rule": "eligible",
                "in_words": f"this user may not be shown it: {rule} does not hold; "
                f"{values_in_words(rule, item, user)}",
            }
            for rule in Eligibility(self.rules.eligible).broken_rules(item, user)
        ]

    def _kept(self, item_id: str) -> dict[str, Any]:
        events = self.events.get(item_id, [])
        rule = exclusion_in_words(self.rules)
        if not events:
            words = f"kept from this user: {rule}; the event is not known any more"
            return {"rule": "exclude", "in_words": words, "events": []}
        last = events[0]
        words = (
            f"kept from this user because of a {last['event_type']} on {last['event_date']}"
            f"{_and_more(len(events) - 1)}: {rule}"
        )
        return {"rule": "exclude", "in_words": words, "events": events}

    def _place(self, item_id: str) -> dict[str, Any]:
        """Where an item that may be shown would stand."""
        if self.ranking.unknown:
            words = f"its rank cannot be told: {self.ranking.unknown}"
            return {"rule": "not_known", "in_words": words}
        rank = self.ranking.by_rules.get(item_id)
        if rank is None:
            words = "neither the recommender nor the fallback ranks it for this user"
            return {"rule": "not_ranked", "in_words": words}
        length = self.rules.list_length
        free = self.ranking.without_rules.get(item_id)
        if free is not None and free <= length and (moving := self._moving_rules()):
            words = f"moved from rank {free} to {rank}, below the end at {length}, by {moving}"
            return {"rule": moving, "in_words": words, "rank": rank}
        words = f"below the end of the list: it would have rank {rank:,}, the list has {length}"
        return {"rule": "below_the_end", "in_words": words, "rank": rank}

    def _moving_rules(self) -> str:
        active = {
            "boosts": bool(self.rules.boosts),
            "max_per_category": self.rules.max_per_category is not None,
            "diversity": self.rules.diversity > 0,
            "pinned": bool(self.rules.pinned),
        }
        return " or ".join(name for name in MOVING_RULES if active[name])

    def rank_without_rules(self, item_id: str) -> int | None:
        """Rank of an item by the recommender alone; None if it has none or it is not known."""
        return self.ranking.without_rules.get(item_id)

    def removed_above(self, rank: int) -> list[str]:
        """Items that the recommender alone has above a rank and the rules removed, best first."""
        places = self.ranking.without_rules
        return [item for item in self._removed if places[item] < rank]

    @cached_property
    def _removed(self) -> list[str]:
        return self.ranking.removed(self.rules.list_length if self._moving_rules() else None)


def exclusion_in_words(rules: PlacementSettings) -> str:
    """A sentence on what a placement keeps from its users.

    Examples
    --------
    >>> exclusion_in_words(PlacementSettings(exclude="all", exclude_within_days=30))
    'everything in the history of the last 30 days is left out'
    >>> exclusion_in_words(PlacementSettings(exclude=("purchase", "view")))
    'items with a purchase or view are left out'
    >>> exclusion_in_words(PlacementSettings(exclude="none"))
    'nothing is left out: repeats are wanted'
    """
    if rules.exclude == "none":
        return "nothing is left out: repeats are wanted"
    what = "everything in the history"
    if not isinstance(rules.exclude, str):
        what = f"items with a {' or '.join(rules.exclude)}"
    days = rules.exclude_within_days
    recent = "" if days is None else f" of the last {days} days"
    return f"{what}{recent} {'is' if isinstance(rules.exclude, str) else 'are'} left out"


def values_in_words(rule: str, item: dict[str, Any], user: dict[str, Any]) -> str:
    """The values that a condition reads.

    Examples
    --------
    >>> values_in_words("item.min_age <= user.age", {"min_age": 18.0}, {})
    'item.min_age is 18, user.age is not known'
    """
    told = []
    for one in dict.fromkeys(attributes_of(parse_condition(rule))):
        value = (item if one.owner == "item" else user).get(one.name)
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        told.append(f"{one.owner}.{one.name} is {'not known' if value is None else shown}")
    return ", ".join(told)


def feed_in_words(rules: PlacementSettings) -> str:
    """A sentence on what a placement does with items that only events know.

    Examples
    --------
    >>> feed_in_words(PlacementSettings(show_items_without_feed=False))
    'items in no feed are not shown (show_items_without_feed = false)'
    >>> feed_in_words(PlacementSettings())
    'items in no feed are shown only where there is no feed (show_items_without_feed is not set)'
    """
    setting = "show_items_without_feed"
    if rules.show_items_without_feed is None:
        return f"items in no feed are shown only where there is no feed ({setting} is not set)"
    if rules.show_items_without_feed:
        return f"items in no feed are shown too ({setting} = true)"
    return f"items in no feed are not shown ({setting} = false)"


def _and_more(count: int) -> str:
    if count <= 0:
        return ""
    return f" (and on {count} more {'row' if count == 1 else 'rows'} of the history)"


def rules_in_words(rules: PlacementSettings) -> list[str]:
    """The rules of a placement that are on, a sentence each.

    Examples
    --------
    >>> rules_in_words(PlacementSettings(max_per_category=3))[1:]
    ['lists have 50 items', 'at most 3 items of a category in the first 10 ranks']
    """
    words = [exclusion_in_words(rules), f"lists have {rules.list_length:,} items"]
    if rules.show_items_without_feed is not None:
        words.append(feed_in_words(rules))
    words += [f"shown is only what {rule} holds for" for rule in rules.eligible]
    if rules.personalise_without_consent is False:
        words.append("a list is made from a history only with consent")
    words += [
        f"an item stands {abs(boost.places)} {'place' if abs(boost.places) == 1 else 'places'} "
        f"{'higher' if boost.places > 0 else 'lower'} where {boost.when} holds"
        for boost in rules.boosts
    ]
    if rules.max_per_category is not None:
        cap = f"at most {rules.max_per_category} items of a category"
        words.append(f"{cap} in the first {rules.rerank_depth} ranks")
    if rules.diversity > 0:
        words.append(
            f"unlikeness weighs {rules.diversity:g} against relevance in the first "
            f"{rules.rerank_depth} ranks"
        )
    words += [f"item {pin.item_id} is pinned to rank {pin.rank}" for pin in rules.pinned]
    return words
