"""The price of each rule of a placement: NDCG and coverage of its lists with and without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.base.settings_sections import EvaluationSettings
from pipelines.evaluate.intervals import paired_interval
from pipelines.evaluate.list_metrics import coverage
from pipelines.evaluate.metrics import ranking_metrics
from pipelines.evaluate.truth import Truth, without_excluded
from pipelines.models.kernels.sampling import evenly_spaced
from pipelines.rules.place import place

if TYPE_CHECKING:
    from pipelines.features.interactions import Interactions
    from pipelines.models.base import Exclusion, Recommender
    from pipelines.rules.list_rules import ListRules

#: Most users whose lists are made again without a rule; of more, this many are taken, evenly
#: spaced, so that prices take the same time on every shop.
MAX_PRICED_USERS = 2000


@dataclass(frozen=True)
class Ruled:
    """A recommender under the rules of a placement, with the truth of a window.

    Parameters
    ----------
    recommender : Recommender
        Fitted before the window.
    history : Interactions
        Of the users of `truth`, in its order.
    exclude : Exclusion
        In the rows and columns of `history`.
    rules : ListRules
    truth : Truth
        Before the placement's exclusion; its users are those of `history`.
    """

    recommender: Recommender
    history: Interactions
    exclude: Exclusion
    rules: ListRules
    truth: Truth


def price_rules(ruled: Ruled, evaluation: EvaluationSettings) -> list[dict[str, Any]]:
    """Compare lists made with all rules and with all but one, for each rule that is on.

    `evaluation` says the cut of the NDCG and the level of the intervals.

    Returns
    -------
    list of dict
        One entry per rule in the order they are applied: ``rule``, ``ndcg_with`` and
        ``ndcg_without``, ``difference`` (with less without) with ``low`` and ``high``, paired by
        user, ``coverage_with`` and ``coverage_without``, ``user_count``. A rule that costs
        something has a difference below zero.

    Notes
    -----
    Lists with and without a rule are scored on the same users and the same truth. Items that a
    rule of exclusion (`seen`, `availability`, `eligible`) keeps from a user are left out of the
    gate's truth; in the price of that rule they stay, for they are what the rule gives away.
    """
    return [_price(ruled, evaluation, rule) for rule in _rules_on(ruled)]


def _rules_on(ruled: Ruled) -> Iterator[str]:
    """Names of the rules that can change a list, in the order they are applied."""
    if ruled.exclude.pairs is not None:
        yield "seen"
    if ruled.exclude.items is not None:
        yield "availability"
    if ruled.exclude.groups is not None:
        yield "eligible"
    yield from ruled.rules.names


def _without(ruled: Ruled, rule: str) -> Ruled:
    """Copy of the ruled recommender with one rule switched off."""
    if rule == "seen":
        return replace(ruled, exclude=replace(ruled.exclude, pairs=None))
    if rule == "availability":
        return replace(ruled, exclude=replace(ruled.exclude, items=None))
    if rule == "eligible":
        return replace(ruled, exclude=replace(ruled.exclude, groups=None, group_items=None))
    return replace(ruled, rules=ruled.rules.without(rule))


def _price(ruled: Ruled, evaluation: EvaluationSettings, rule: str) -> dict[str, Any]:
    other = _without(ruled, rule)
    truth, rows = without_excluded(ruled.truth, other.exclude, ruled.history.n_items)
    chosen = evenly_spaced(len(rows), MAX_PRICED_USERS)
    truth, rows = replace(truth, relevant=truth.relevant[chosen]), rows[chosen]
    with_rule = _score(ruled, truth, rows, evaluation.k)
    without_rule = _score(other, truth, rows, evaluation.k)
    found = paired_interval(with_rule[0], without_rule[0], evaluation.confidence)
    return {
        "rule": rule,
        "ndcg_with": _mean(with_rule[0]),
        "ndcg_without": _mean(without_rule[0]),
        "difference": found.value,
        "low": found.low,
        "high": found.high,
        "coverage_with": with_rule[1],
        "coverage_without": without_rule[1],
        "user_count": found.user_count,
    }


def _score(ruled: Ruled, truth: Truth, rows: np.ndarray, k: int) -> tuple[np.ndarray, float]:
    """NDCG@k of each user, and the coverage of their lists."""
    lists = place(
        ruled.recommender,
        None,
        ruled.history.select_users(rows),
        k,
        rules=ruled.rules,
        exclude=ruled.exclude.select_users(rows),
    ).over(ruled.history.item_ids)
    ndcg = ranking_metrics(lists.items, truth.relevant, [k])[f"ndcg_at_{k}"]
    return ndcg, coverage(lists.items, ruled.history.n_items)


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None
