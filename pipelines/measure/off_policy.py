"""Off-policy estimates: clicks of lists that were not shown, from answers left to chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from pipelines.base.assignment import hash_digest
from pipelines.measure.arms import Sums, summarise_ratio
from pipelines.serve.answer.explore import SwapOdds, read_propensities, shown_order

#: Least effective sample size, in itself and as a share of the impressions.
MIN_EFFECTIVE, MIN_EFFECTIVE_SHARE = 100, 0.01
#: Weight, in impressions, of all items' mean in the rate of one item (for DR's model).
PRIOR_IMPRESSIONS = 20.0
NO_PROPENSITIES = (
    "nothing was left to chance: deterministic lists have no propensities, so nothing can be said "
    "of lists that were not shown. Set serve.explore_share and wait for answers"
)


@dataclass(frozen=True)
class Estimate:
    """Clicks per impression of the target lists, by one estimator.

    Parameters
    ----------
    value, standard_error : float or None
        With the user as the unit.
    reason : str or None
        Why there is none.
    """

    value: float | None
    standard_error: float | None
    reason: str | None = None


@dataclass(frozen=True)
class OffPolicy:
    """Estimates for lists that were not shown, and how much data supports them.

    Parameters
    ----------
    user_count, impression_count : int
        Of answers that were left to chance, at places where the target's item had a chance.
    supported_share : float or None
        Share of impressions at such places. Estimates speak of them only.
    effective_sample_size : float
        ``(sum w)² / sum w²``.
    logged : Estimate
        Clicks per impression of what was shown at these places.
    ips, snips, dr : Estimate
    """

    user_count: int
    impression_count: int
    supported_share: float | None
    effective_sample_size: float
    logged: Estimate
    ips: Estimate
    snips: Estimate
    dr: Estimate


def weigh_impressions(answers: pd.DataFrame, depth: int) -> tuple[pd.DataFrame, int]:
    """Compute the weight of every impression for the target lists.

    Parameters
    ----------
    answers : DataFrame
        One row per request_id and position of explored answers, sorted by both: ``request_id``,
        ``user_id``, ``position``, ``item_id``, ``propensity``, ``is_seen``, ``is_clicked`` and
        ``target_item`` (what the target shows there; null if nothing).
    depth : int
        `serve.explore_depth`.

    Returns
    -------
    DataFrame
        One row per impression: ``user_id``, ``item_id``, ``target_item``, ``click``,
        ``weight`` (NaN where the target's item had no chance to be shown there).
    int
        Answers that were logged under another depth, left out.

    Notes
    -----
    ``w = 1[shown item = target's item] / p``, p the chance that the target's item was shown at
    this place.
    """
    known: dict[tuple[float, ...], tuple[SwapOdds, tuple[int, int] | None] | None] = {}
    rows: list[tuple[str, str, str | None, float, float]] = []
    left_out = 0
    columns = [
        answers[name].tolist()
        for name in ("propensity", "user_id", "item_id", "target_item", "is_seen", "is_clicked")
    ]
    for start, end in _spans(answers["request_id"].tolist()):
        chances, users, items, targets, seen, clicked = (one[start:end] for one in columns)
        key = tuple(chances)
        if key not in known:
            known[key] = read_propensities(key, depth)
        told = known[key]
        if told is None:
            left_out += 1
            continue
        odds, swap = told
        listed = [items[place] for place in shown_order(len(items), swap)]
        places = {item: place for place, item in enumerate(listed)}
        for place, target in enumerate(targets):
            if seen[place]:
                weight = _weight(odds, places.get(target), place, is_shown=items[place] == target)
                rows.append((users[place], items[place], target, float(clicked[place]), weight))
    names = ["user_id", "item_id", "target_item", "click", "weight"]
    return pd.DataFrame(rows, columns=names), left_out


def estimate_off_policy(impressions: pd.DataFrame) -> OffPolicy:
    """Estimate the clicks per impression of lists that were not shown.

    `impressions` is what `weigh_impressions` returned.

    Notes
    -----
    Over the n impressions at places where the target's item had a chance, with weights w, clicks c,
    and a model q of an item's clicks per impression::

        IPS   = sum(w c) / n
        SNIPS = sum(w c) / sum(w)
        DR    = sum(q(target) + w (c - q(shown))) / n

    q is an item's own rate, drawn towards that of all items, from the other half of the users.
    Whether a place is looked at must not depend on the item there. Standard errors are by the delta
    method over users, whose impressions go together.

    There is no estimate where the effective sample size is under ``max(100, n / 100)``: a few
    impressions would decide alone.

    References
    ----------
    D. Horvitz, D. Thompson (1952), JASA. A. Swaminathan, T. Joachims (2015). The Self-Normalized
    Estimator for Counterfactual Learning. NIPS. M. Dudík, J. Langford, L. Li (2011). Doubly Robust
    Policy Evaluation and Learning. ICML.
    """
    usable = impressions[impressions["weight"].notna()].reset_index(drop=True)
    n = len(usable)
    weight, click = (usable[name].to_numpy(dtype=np.float64) for name in ("weight", "click"))
    total = float(weight.sum())
    effective = total**2 / float(weight @ weight) if total > 0 else 0.0
    share = n / len(impressions) if len(impressions) else None
    counts = (int(usable["user_id"].nunique()), n, share, effective)
    logged = _by_user(usable, click, np.ones(n))
    if (why := _why_not(len(impressions), n, effective)) is not None:
        none = Estimate(None, None, why)
        return OffPolicy(*counts, logged, none, none, none)
    shown_rate, target_rate = _rates(usable)
    return OffPolicy(
        *counts,
        logged=logged,
        ips=_by_user(usable, weight * click, np.ones(n)),
        snips=_by_user(usable, weight * click, weight),
        dr=_by_user(usable, target_rate + weight * (click - shown_rate), np.ones(n)),
    )


def _spans(request_ids: list[str]) -> list[tuple[int, int]]:
    """Start and end of each answer's rows."""
    starts = [
        place
        for place, request_id in enumerate(request_ids)
        if place == 0 or request_id != request_ids[place - 1]
    ]
    return list(pairwise([*starts, len(request_ids)]))


def _weight(odds: SwapOdds, listed: int | None, place: int, *, is_shown: bool) -> float:
    chance = 0.0 if listed is None else odds.shown_chance(listed, place)
    if chance <= 0:
        return float("nan")
    return 1.0 / chance if is_shown else 0.0


def _why_not(impression_count: int, n: int, effective: float) -> str | None:
    if not impression_count:
        return NO_PROPENSITIES
    if not n:
        return "no item of these lists had a chance to be shown where they show it"
    least = max(MIN_EFFECTIVE, MIN_EFFECTIVE_SHARE * n)
    if effective < least:
        return (
            f"{n:,} impressions count for {effective:,.0f}, at least {least:,.0f} are needed: the "
            "lists are too unlike those that were shown, or too few answers were left to chance"
        )
    return None


def _by_user(usable: pd.DataFrame, y: np.ndarray, x: np.ndarray) -> Estimate:
    """``sum(y) / sum(x)`` and its standard error over users."""
    sums = pd.DataFrame({"y": y, "x": x}).groupby(usable["user_id"].to_numpy()).sum()
    a, b = sums["y"].to_numpy(), sums["x"].to_numpy()
    parts = (float(one) for one in (a.sum(), a @ a, b.sum(), b @ b, a @ b))
    found = summarise_ratio(Sums(len(sums), *parts))
    if math.isnan(found.mean):
        return Estimate(None, None, "no impressions")
    if len(sums) < 2:  # noqa: PLR2004  # a spread needs two
        return Estimate(found.mean, None, "one user has no spread")
    return Estimate(found.mean, float(np.sqrt(max(found.variance, 0.0) / len(sums))))


def _rates(usable: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Clicks per impression of the shown and of the target's items, from the other half."""
    halves = {user: hash_digest(f"{user}:half") % 2 for user in usable["user_id"].unique()}
    half = usable["user_id"].map(halves).to_numpy()
    shown, target = np.zeros(len(usable)), np.zeros(len(usable))
    for mine in (0, 1):
        others = usable[half != mine]
        mean = float(others["click"].mean()) if len(others) else float(usable["click"].mean())
        by_item = others.groupby("item_id")["click"].agg(["sum", "size"])
        rate = (by_item["sum"] + PRIOR_IMPRESSIONS * mean) / (by_item["size"] + PRIOR_IMPRESSIONS)
        chosen = half == mine
        shown[chosen] = usable["item_id"][chosen].map(rate).fillna(mean)
        target[chosen] = usable["target_item"][chosen].map(rate).fillna(mean)
    return shown, target
