"""Rank one user again with the night's saved recommender: by the placement's rules and without."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipelines.ask.why_night import LiveNight
from pipelines.rules.shown_items import PINNED

#: Scores that differ by this much, relative to their size, come from the same recommender.
SAME_SCORE = 1e-4


@dataclass(frozen=True)
class Ranking:
    """Ranks of all items for one user, by the placement's rules and without them.

    Parameters
    ----------
    by_rules : dict of str to int
        Rank by item_id in the placement's list, were it as long as the catalogue: its head is the
        published list.
    without_rules : dict of str to int
        Rank by item_id in the recommender's own list with nothing kept, capped, diversified,
        pinned or completed. Items that it cannot score are not in it; a two-stage ranker scores
        only what its first stage lists for this user, which is other items where nothing is kept.
    unknown : str
        In words why the night cannot be repeated, so that there are no ranks; else empty.
    """

    by_rules: dict[str, int]
    without_rules: dict[str, int]
    unknown: str = ""

    def removed(self, moved_below: int | None = None) -> list[str]:
        """Items that only the rules keep out of the list, as the recommender alone ranks them.

        These are the items that may not be shown at all and, if `moved_below` (the list's length)
        is given because rules move items, those of the recommender's first `moved_below` that the
        rules moved past the end. Items that rank too low without rules are not among the latter.
        """
        end = moved_below or 0
        return [
            item_id
            for item_id, rank in self.without_rules.items()
            if item_id not in self.by_rules or rank <= end < self.by_rules[item_id]
        ]


def rank_again(night: LiveNight, placement: str, user_id: str) -> Ranking:
    """Rank a user as the night did, as far down as items go, and once more without rules.

    Parameters
    ----------
    night : LiveNight
    placement : str
    user_id : str
        A user with a history.

    Returns
    -------
    Ranking
        Unknown where the night's run folder was cleared away, is of another run, or gives other
        lists than those that were published.

    Notes
    -----
    The recommender is the saved one; the fallback is fitted again on the night's snapshot, as the
    night did. A published list that the repetition does not give is not explained by it: all its
    items must be there, with the same score at every rank. Their order may differ where scores
    differ by a float's last bits, which can depend on who else is ranked at the same time.
    """
    if (missing := night.missing_part(placement)) is not None:
        return Ranking({}, {}, missing)
    ranking, scores = _rank(night, placement, user_id)
    if not _is_same_list(night.list_of(placement, user_id), ranking, scores):
        return Ranking({}, {}, "the saved recommender does not give the published list any more")
    return ranking


def _rank(night: LiveNight, placement: str, user_id: str) -> tuple[Ranking, np.ndarray]:
    """Both rankings, and the scores of the one by the rules."""
    from pipelines.lists.for_users import prepare_lists, rank_users

    settings = night.settings.model_copy(update={"placements": night.rules})
    writer, history, exclude = prepare_lists(settings, night.publication.as_of, placement)
    at = int(np.searchsorted(history.user_ids, user_id))
    one = slice(at, at + 1)
    longest = replace(writer, list_length=history.n_items)
    ranked = rank_users(longest, history, exclude, one)
    free = writer.recommender.recommend(history.select_users(one), history.n_items)
    ranking = Ranking(
        _ranks(ranked.item_ids, ranked.items[0]), _ranks(free.item_ids, free.items[0])
    )
    return ranking, ranked.scores[0]


def _is_same_list(rows: list[dict[str, Any]], ranking: Ranking, scores: np.ndarray) -> bool:
    again = {item_id for item_id, rank in ranking.by_rules.items() if rank <= len(rows)}
    # a pinned row takes a neighbour's score, which may be another in a longer list
    compared = [row for row in rows if row["strategy"] != PINNED]
    published = np.array([row["score"] for row in compared], dtype=np.float64)
    found = scores[[row["rank"] - 1 for row in compared]].astype(np.float64)
    return again == {row["item_id"] for row in rows} and np.allclose(
        found, published, rtol=SAME_SCORE, atol=SAME_SCORE
    )


def _ranks(item_ids: np.ndarray, items: np.ndarray) -> dict[str, int]:
    """Rank from 1 by item_id of a padded list of positions."""
    listed = item_ids[items[items >= 0]].tolist()
    return {item_id: rank for rank, item_id in enumerate(listed, 1)}
